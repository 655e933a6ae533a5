package kafkalog

import (
	"reflect"
	"strings"
	"testing"

	"oncegate/schemas/canon"
)

// Every topic says what it is for and, where it holds something of persons, on which
// provision and until when; one that does not is refused.
//
// Covers: B-042
func TestEveryTopicHasItsPurpose(t *testing.T) {
	for _, at := range []Config{{Brokers: []string{"127.0.0.1:1"}}, {Brokers: []string{"127.0.0.1:1"}, Embedded: true}} {
		c, err := New(at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := checkPurposes(c.Catalogue()...); err != nil {
			t.Errorf("embedded %t: %v", at.Embedded, err)
		}
		for _, tc := range []struct {
			name   string
			change func(*TopicSpec)
			lacks  string
		}{
			{"no purpose", func(s *TopicSpec) { s.Purpose = Purpose{} }, "no purpose"},
			{"no legal basis", func(s *TopicSpec) { s.Purpose.Basis = "" }, "no legal basis"},
			{"no end", func(s *TopicSpec) { s.Purpose.Ends, s.Settings = "", c.kept(0) }, "no retention"},
		} {
			s := c.Catalogue()[0]
			tc.change(&s)
			if err := checkPurposes(s); err == nil || !strings.Contains(err.Error(), s.Name+": "+tc.lacks) {
				t.Errorf("%s: got %v", tc.name, err)
			}
		}
	}
}

// A node makes its topics with EnsureTopics when it starts: it goes no further where one
// is not declared, and asks no broker.
//
// Covers: B-042
func TestNoTopicIsMadeWithoutAPurpose(t *testing.T) {
	c, err := New(Config{Brokers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	specs := append(c.Catalogue(), TopicSpec{Name: "new.v1", Settings: c.kept(0), Purpose: purposeOf("new.v1")})
	if _, err := c.EnsureTopics(t.Context(), specs...); err == nil || !strings.Contains(err.Error(), "new.v1: no purpose") {
		t.Errorf("got %v", err)
	}
}

// A kind with a private part holds something of persons, until its key is destroyed.
//
// Covers: B-042
func TestWhatIsSealedIsDeclared(t *testing.T) {
	for _, k := range canon.Kinds() {
		b, err := canon.UnmarshalBody(k, []byte("{}"), nil)
		if err != nil {
			t.Fatalf("%s: %v", k, err)
		}
		_, private := reflect.TypeOf(b).Elem().FieldByName("Private")
		p := purposeOf(TopicOf(k))
		if private != (strings.HasPrefix(p.Holds, "sealed: ") && p.Ends == withKey) {
			t.Errorf("%s: a private part: %t; declared: %+v", k, private, p)
		}
		if d := purposeOf(DeadLetters(TopicOf(k))); d.Holds != p.Holds || d.Basis != p.Basis || d.For == p.For {
			t.Errorf("dead letters of %s: %+v", k, d)
		}
	}
}
