package rulecheck

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/assets"
	"oncegate/schemas/rules"
)

// BenchmarkSchematron judges our 1.0 samples by all rules: by ours, and by the
// published Schematron that Saxon runs, warmed up, in the same round. With parsing and
// of a document that was parsed before. Saxon's figure is of CPU time of its one
// thread; that of the collector beside it is not counted.
func BenchmarkSchematron(b *testing.B) {
	dir := assets.Path(b, "oots/tdd-1.0-artefacts")
	peer := os.Getenv("ONCEGATE_TEST_SCHEMATRON")
	if peer == "" {
		b.Skip("ONCEGATE_TEST_SCHEMATRON is not set")
	}
	for _, d := range []rules.Document{rules.EDMRequest, rules.EDMResponse, rules.EDMError} {
		files, err := filepath.Glob(filepath.Join(samplesDir, "base", "1.0-"+string(d)+"*.xml"))
		if err != nil || len(files) == 0 {
			b.Fatalf("no samples of %s: %v", d, err)
		}
		set, err := Rules(d, rules.Edition10, nil)
		if err != nil {
			b.Fatal(err)
		}
		var texts [][]byte
		var roots []xmldoc.Element
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				b.Fatal(err)
			}
			texts, roots = append(texts, text), append(roots, parsed(b, string(text)))
		}
		name := strings.TrimPrefix(string(d), "edm-")
		perSecond := func(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s") }
		b.Run(name+"/parsed/oncegate", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				set.Check(roots[i%len(roots)])
			}
			perSecond(b)
		})
		b.Run(name+"/parsing/oncegate", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				doc, err := xmldoc.ParseBytes(texts[i%len(texts)], xmldoc.Limits{})
				if err != nil {
					b.Fatal(err)
				}
				set.Check(doc.Root())
			}
			perSecond(b)
		})
		var schemas []string
		for _, s := range published[d] {
			schemas = append(schemas, filepath.Join(dir, "sch", s+".sch"))
		}
		b.Run(name+"/saxon", func(b *testing.B) {
			if b.N > 1 {
				return // one run of the peer measures both, for as long as it needs
			}
			args := append([]string{"-cp", filepath.Join(peer, "peer.jar") + ":" + filepath.Join(peer, "lib", "*"), "oncegate.Judge", "bench", "2", strings.Join(schemas, ",")}, files...)
			out, err := exec.CommandContext(b.Context(), "java", args...).Output()
			if err != nil {
				b.Fatal(err)
			}
			for _, how := range []string{"parsing", "parsed"} {
				var messages, seconds float64
				if _, err := fmt.Sscan(string(out), &messages, &seconds); err != nil {
					b.Fatalf("%s: %v", out, err)
				}
				_, rest, _ := strings.Cut(string(out), "\n")
				out = []byte(rest)
				b.ReportMetric(messages/seconds, how+"-messages/s")
			}
		})
	}
}
