package wssec

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
)

// What is signed is not copied where it is what was sent.
func TestSignedOctetsAreTheContentWhereTheyCanBe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mediaType, content string
		same               bool
	}{
		{"application/gzip", "\n", true},
		{"text/plain", "1\r\n2\r\n", true},
		{"text/plain", "", true},
		{"text/plain", "1\r\n2\r\n\r", false},
		{"text/plain", "\n", false},
		{"text/xml", `<a b="1"></a>`, true},
		{"text/xml", `<a b="1"></a>` + "\n", true}, // the end is cut off
		{"text/xml", `<a b="1"/>`, false},
		{"text/xml", `<?xml version="1.0"?><a></a>`, false},
	} {
		content := []byte(tt.content)
		got, err := signedOctets(tt.mediaType, content, DefaultMaxText)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) > 0 && (&got[0] == &content[0]) != tt.same {
			t.Errorf("%s %q: same memory is %v, want %v", tt.mediaType, tt.content, !tt.same, tt.same)
		}
	}
}

func TestLongTextIsRefusedWithTheRemedy(t *testing.T) {
	t.Parallel()
	const most = 1 << 10
	for _, tt := range []struct {
		name, mediaType, content string
		ok                       bool
	}{
		{"XML that fits", "text/xml", "<a>" + strings.Repeat("1", most-7) + "</a>", true},
		{"XML", "text/xml", "<a>" + strings.Repeat("1", most) + "</a>", false},
		{"XML of many nodes", "application/soap+xml", "<a>" + strings.Repeat("<b/>", most/8) + "</a>", false},
		{"text that has to be changed", "text/plain", strings.Repeat("1\n", most/2), false},
		{"text as it is signed", "text/plain", strings.Repeat("1\r\n", most), true},
		{"compressed", "application/gzip", strings.Repeat("1\n", most), true},
		{"binary", "application/pdf", strings.Repeat("1\n", most), true},
	} {
		_, err := signedOctets(tt.mediaType, []byte(tt.content), most)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		var e *ebms.Error
		if err != nil && (!errors.As(err, &e) || e.Code != ebms.PolicyNoncompliance || !strings.Contains(e.Detail, "compress it")) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	s := sealedPlain(t, OutPart{ID: "a@x", MediaType: "text/xml", Content: []byte("<a>" + strings.Repeat("1", most) + "</a>")})
	_, err := open(t, s, Opening{Verifier: pinned(t, ring().sender.cert), SignOnly: true, MaxText: most})
	var e *ebms.Error
	if !errors.As(err, &e) || e.Code != ebms.PolicyNoncompliance || !strings.Contains(e.Detail, "compress it") {
		t.Errorf("in a message: %v", err)
	}
}

func TestRewritingHoldsWhatWasWritten(t *testing.T) {
	t.Parallel()
	const content = "0123456789"
	for _, writes := range []string{"", "0", "0|1|2", "0|x", "012|3456789", "0123456789", "0123456789|0", "0123456789x", "x|123", "01x|3456789"} {
		r := rewriting{content: []byte(content), left: 1 << 10}
		want := strings.ReplaceAll(writes, "|", "")
		for w := range strings.SplitSeq(writes, "|") {
			if _, err := r.Write([]byte(w)); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.bytes(); !bytes.Equal(got, []byte(want)) {
			t.Errorf("%s: %q", writes, got)
		}
	}
}
