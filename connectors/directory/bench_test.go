package directory

import (
	"os"
	"path/filepath"
	"testing"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
	"oncegate/schemas/canon"
)

// BenchmarkRead reads the largest captured answer, with and without its rules.
func BenchmarkRead(b *testing.B) {
	doc, err := os.ReadFile(filepath.Join(assets.Path(b, "oots"), "oots-france-2.0.1", "eb_evidence_types_fi.xml"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		for b.Loop() {
			d, err := xmldoc.ParseBytes(doc, xmldoc.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := answers.Read(d.Root()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("inspect", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		b.ReportAllocs()
		for b.Loop() {
			Inspect(doc, nil)
		}
	})
}

// BenchmarkAsk asks an instance over TLS, verifies and reads; and asks the memory.
func BenchmarkAsk(b *testing.B) {
	r := newRig(b)
	q := canon.DataServicesQuery{Country: "ES", Classification: birthES}
	for name, edit := range map[string]func(*Config){"remembered": func(*Config) {}, "asked": func(c *Config) { c.TTL, c.Stale = 1, -1 }} {
		b.Run(name, func(b *testing.B) {
			c := r.client(b, edit)
			b.ReportAllocs()
			for b.Loop() {
				r.pass(2)
				if _, err := c.DataServices(bg, q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
