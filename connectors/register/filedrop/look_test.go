package filedrop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Looking says whether both folders are there, and leaves them as they are.
func TestLook(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		d := s.drop(t)
		if err := d.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(s.dir, "in")); err != nil {
			t.Fatal(err)
		}
		if err := d.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "folder in") {
			t.Errorf("without a folder: %v", err)
		}
		left, err := os.ReadDir(s.dir)
		if err != nil || len(left) != 1 {
			t.Errorf("%d entries are left, %v", len(left), err)
		}
	})
}
