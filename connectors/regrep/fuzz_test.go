package regrep

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/schemas/canon"
)

// Whatever arrives, in whatever edition, yields a message that can be published, a
// refusal that can be sent, or a named fault; and what was read is written and read
// again as the same thing.

func FuzzDecode(f *testing.F)   { fuzzDecode(f, "") }
func FuzzDecode12(f *testing.F) { fuzzDecode(f, "1.2") }
func FuzzDecode10(f *testing.F) { fuzzDecode(f, "1.0") }

func fuzzDecode(f *testing.F, dir string) {
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.xml"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no goldens: %v", err)
	}
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i := range 3 {
			f.Add(uint8(i), exchangeID, string(doc))
		}
	}
	c := newCodec(f)
	f.Fuzz(func(t *testing.T, action uint8, exchange, doc string) {
		in := incoming([]string{ActionRequest, ActionResponse, ActionException}[action%3], []byte(doc))
		if len(in.Header.Properties) > 2 {
			in.Header.Properties[2].Value = exchange
		} else {
			in.Header.ConversationID = exchange
		}
		if action%3 == 1 {
			in.Parts = append(in.Parts, attachments()...)
			in = listed(in)
		}
		s := new(store)
		ms, err := c.Decode(t.Context(), in, s)
		if err != nil {
			if fault, ok := errors.AsType[*canon.Fault](err); !ok || fault.Code != canon.CodeResponseInvalid || !strings.Contains(fault.Detail, ": ") {
				t.Fatalf("got %v", err)
			}
			return
		}
		if len(ms) != 1 {
			t.Fatalf("got %d messages", len(ms))
		}
		if err := publishable(ms[0]); err != nil {
			t.Fatal(err)
		}
		again(t, c, ms[0], s)
	})
}

// again sends what was decoded; it must be read as the same thing.
func again(t *testing.T, c *Codec, m canon.Message, s *store) {
	env := canon.EnvelopeOf(m.Body)
	arrived := env.Leg == canon.LegIn
	env.Leg = canon.LegOut
	out, ok, err := c.Encode(t.Context(), m, s)
	if err != nil || !ok {
		t.Fatalf("encoding what was decoded: ok %v, %v", ok, err)
	}
	ms, err := c.Decode(t.Context(), carry(out, env), s)
	if err != nil {
		t.Fatalf("decoding what was encoded: %v", err)
	}
	back := ms[0]
	if back.Kind != m.Kind {
		t.Fatalf("%s came back as %s", m.Kind, back.Kind)
	}
	if d := cmp.Diff(like(m.Body), like(back.Body), equal); arrived && d != "" {
		t.Fatalf("written and read again (-want +got):\n%s", d)
	}
}
