package regrep

import (
	"testing"

	"oncegate/schemas/canon"
)

// benched are the messages that are measured, in each edition: the first request, the
// error that leads to the preview, and an answer of three documents.
var benched = []string{"request-first", "preview-required", "response-delivered"}

func forBench(b *testing.B, f func(b *testing.B, ed *edition, c *Codec, s *store, body canon.Body)) {
	c := newCodec(b)
	for _, ed := range editions {
		for _, name := range benched {
			b.Run(ed.name+"/"+name, func(b *testing.B) {
				s := new(store)
				f(b, ed, c, s, older(ed, s)[name])
			})
		}
	}
}

// BenchmarkEncode writes a document, judges it by all rules and reads it again.
func BenchmarkEncode(b *testing.B) {
	forBench(b, func(b *testing.B, _ *edition, c *Codec, s *store, body canon.Body) {
		out, _, err := c.Encode(b.Context(), message(body), s)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(out.Parts[0].Size)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := c.Encode(b.Context(), message(body), s); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkDecode parses a document, judges header and document by all rules, reads it
// and stores what is attached.
func BenchmarkDecode(b *testing.B) {
	forBench(b, func(b *testing.B, _ *edition, c *Codec, s *store, body canon.Body) {
		out, _, err := c.Encode(b.Context(), message(body), s)
		if err != nil {
			b.Fatal(err)
		}
		in := carry(out, canon.EnvelopeOf(body))
		b.SetBytes(out.Parts[0].Size)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Decode(b.Context(), in, s); err != nil {
				b.Fatal(err)
			}
		}
	})
}
