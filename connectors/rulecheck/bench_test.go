package rulecheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/rules"
)

func benchDocuments() []rules.Document {
	return []rules.Document{rules.EDMRequest, rules.EDMResponse, rules.EDMError, rules.EDMHeader}
}

// BenchmarkCompile reads and compiles the rules of one document and edition, which
// happens once in the life of a process.
func BenchmarkCompile(b *testing.B) {
	for _, d := range benchDocuments() {
		rows, err := rules.Of(d)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(d), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := compile(d, rules.Edition20, rows); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCheck judges each base document by all rules of its edition.
func BenchmarkCheck(b *testing.B) {
	for _, d := range benchDocuments() {
		for _, e := range rules.Editions() {
			files, err := filepath.Glob(filepath.Join(samplesDir, "base", e+"-"+string(d)+"*.xml"))
			if err != nil || len(files) == 0 {
				continue
			}
			set, err := Rules(d, e, nil)
			if err != nil {
				b.Fatal(err)
			}
			var roots []xmldoc.Element
			size := 0
			for _, f := range files {
				text, err := os.ReadFile(f)
				if err != nil {
					b.Fatal(err)
				}
				roots, size = append(roots, parsed(b, string(text))), size+len(text)
			}
			b.Run(strings.TrimPrefix(string(d), "edm-")+"/"+e, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size / len(roots)))
				evaluated := 0
				for _, r := range roots {
					for _, n := range set.Fired(r) {
						evaluated += n
					}
				}
				i := 0
				for b.Loop() {
					set.Check(roots[i])
					if i++; i == len(roots) {
						i = 0
					}
				}
				per := b.Elapsed().Seconds() / float64(b.N)
				b.ReportMetric(1/per, "messages/s")
				b.ReportMetric(float64(set.Len())/per, "rules/s")
				b.ReportMetric(float64(evaluated)/float64(len(roots)), "evaluations/message")
			})
		}
	}
}

func readBase(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(samplesDir, "base", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
