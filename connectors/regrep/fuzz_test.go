package regrep

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/edelivery"
	"oncegate/schemas/canon"
)

// FuzzDecode: whatever arrives yields a message that can be published, a refusal
// that can be sent, or a named fault.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		doc := golden(f, strings.TrimSuffix(filepath.Base(file), ".xml"))
		for i := range 3 {
			f.Add(uint8(i), exchangeID, doc)
		}
	}
	c := newCodec(f)
	f.Fuzz(func(t *testing.T, action uint8, exchange, doc string) {
		in := incoming([]string{ActionRequest, ActionResponse, ActionException}[action%3], []byte(doc))
		in.Header.Properties[2].Value = exchange
		if action%3 == 1 {
			in.Parts = append(in.Parts, attachments()...)
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
	if env.Leg == canon.LegIn {
		env.Leg = canon.LegOut
	}
	out, ok, err := c.Encode(t.Context(), m, s)
	if err != nil || !ok {
		t.Fatalf("encoding what was decoded: ok %v, %v", ok, err)
	}
	back, err := c.Decode(t.Context(), carry(out, env), s)
	if err != nil {
		t.Fatalf("decoding what was encoded: %v", err)
	}
	if back[0].Kind != m.Kind {
		t.Fatalf("%s came back as %s", m.Kind, back[0].Kind)
	}
}

func benchmarkDecode(b *testing.B, action, file string, parts ...edelivery.Part) {
	c := newCodec(b)
	doc := []byte(golden(b, file))
	in := incoming(action, doc, parts...)
	s := new(store)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Decode(b.Context(), in, s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRequest(b *testing.B)   { benchmarkDecode(b, ActionRequest, "request-full") }
func BenchmarkDecodeException(b *testing.B) { benchmarkDecode(b, ActionException, "preview-required") }
func BenchmarkDecodeResponse(b *testing.B) {
	benchmarkDecode(b, ActionResponse, "response-delivered", attachments()...)
}

func BenchmarkEncode(b *testing.B) {
	s := new(store)
	for _, name := range []string{"request-second", "response-delivered", "preview-required"} {
		b.Run(name, func(b *testing.B) {
			c := newCodec(b)
			m := message(samples(s)[name])
			out, _, err := c.Encode(b.Context(), m, s)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(out.Parts[0].Size)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := c.Encode(b.Context(), m, s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
