package wssec

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// records is XML of n bytes as a register gives it out, of nobody who lives.
func records(n int) []byte {
	var b bytes.Buffer
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"Novak", "Horvat", "Garcia", "Rossi", "Dubois", "Muster", "Kovac", "Lopez", "Svensson", "Virtanen"}
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><ev:Record xmlns:ev="urn:example:evidence">`)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "\n  <ev:Entry id=\"E%d\">\n    <ev:FamilyName>%s</ev:FamilyName>\n    <ev:DateOfBirth>%d-%02d-%02d</ev:DateOfBirth>\n    "+
			"<ev:Amount currency=\"EUR\">%d.%02d</ev:Amount>\n    <ev:Reference>%012x</ev:Reference>\n    <ev:Municipality code=\"M%03d\"/>\n  </ev:Entry>",
			i, names[r.IntN(len(names))], 1930+r.IntN(80), 1+r.IntN(12), 1+r.IntN(28), r.IntN(100_000), r.IntN(100), r.Uint64()>>16, r.IntN(212))
	}
	b.WriteString(`</ev:Record>`)
	return b.Bytes()
}

// BenchmarkCompress is what the choice of the level stands on. CPU time, since the
// machine is shared.
func BenchmarkCompress(b *testing.B) {
	random := make([]byte, 4<<20)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(random) // cannot fail
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"xml-10K", records(10 << 10)},
		{"xml-1M", records(1 << 20)},
		{"hex-4M", []byte(hex.EncodeToString(random[:2<<20]))},
		{"random-4M", random},
	} {
		for _, at := range []int{1, level, gzip.DefaultCompression} {
			b.Run(fmt.Sprintf("%s/level%d", c.name, at), func(b *testing.B) {
				var out bytes.Buffer
				w, err := gzip.NewWriterLevel(&out, at)
				if err != nil {
					b.Fatal(err)
				}
				start, n := cpu(), 0
				for ; b.Loop(); n++ {
					out.Reset()
					w.Reset(&out)
					if _, err := w.Write(c.data); err != nil {
						b.Fatal(err)
					}
					if err := w.Close(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(c.data))*float64(n)/(cpu()-start).Seconds()/1e6, "MB/cpu-s")
				b.ReportMetric(float64(len(c.data))/float64(out.Len()), "ratio")
			})
		}
	}
}
