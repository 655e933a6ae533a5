package rulecheck

import (
	"os"
	"path/filepath"
	"testing"

	"oncegate/connectors/directory/schematest"
	"oncegate/schemas/rules"
)

// TestSamplesKeepTheirSchema validates every base document against the XML schemas of
// its edition: what our rules are proved with is a message that a peer could send.
// Headers have a schema of their own and are proved in edelivery.
func TestSamplesKeepTheirSchema(t *testing.T) {
	t.Parallel()
	for _, edition := range rules.Editions() {
		t.Run(edition, func(t *testing.T) {
			t.Parallel()
			var docs [][]byte
			var names []string
			for _, doc := range rules.Documents() {
				if doc == rules.EDMHeader {
					continue
				}
				files, err := filepath.Glob(filepath.Join(samplesDir, "base", edition+"-"+string(doc)+"*.xml"))
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range files {
					data, err := os.ReadFile(f)
					if err != nil {
						t.Fatal(err)
					}
					docs, names = append(docs, data), append(names, filepath.Base(f))
				}
			}
			t.Logf("documents in the order of the validator: %v", names)
			schematest.Check(t, edition, docs...)
		})
	}
}
