package mapping

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMaptests(t *testing.T) {
	files, err := filepath.Glob("testdata/*.maptest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			results, err := RunTests(file, text, Codec{Parse: parseXML, Same: sameXML})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if r.Err != nil {
					t.Errorf("%s:%d: %s: %v", file, r.Line, r.Name, r.Err)
				}
			}
		})
	}
}
