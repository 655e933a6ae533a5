package discovery

import "testing"

func TestSameParticipant(t *testing.T) {
	urn := Identifier{Value: ebCore + "iso6523:0088:test01"}
	for _, tt := range []struct {
		other Identifier
		want  bool
	}{
		{urn, true},
		{Identifier{Value: ebCore + "iso6523:0088:TEST01"}, true},
		{Identifier{ebCore + "iso6523:0088", "test01"}, true},
		{Identifier{ebCore + "iso6523", "0088:test01"}, true},
		{Identifier{ebCore[:len(ebCore)-1], "iso6523:0088:test01"}, true},
		{Identifier{ebCore + "iso6523:0088", "test02"}, false},
		{Identifier{Peppol, "0088:test01"}, false},
	} {
		if got := urn.same(tt.other); got != tt.want {
			t.Errorf("%s: got %v", tt.other, got)
		}
	}
}
