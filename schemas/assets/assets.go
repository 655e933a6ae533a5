// Package assets finds, for tests, what others published: specifications, samples and
// captures in the folder shared/assets beside the repository. It is no part of the
// repository, and a test that needs it is skipped without it.
//
// It owns where that folder is, and nothing that lies there. Before it: tests of all
// rooms. After it: the standard library.
package assets

import (
	"os"
	"path/filepath"
	"testing"
)

// Path returns where a file or folder of shared/assets is, or skips the test. Its name
// has slashes; the empty one is the whole.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
			continue
		}
		at := filepath.Join(dir, "..", "shared", "assets", filepath.FromSlash(name))
		if _, err := os.Stat(at); err != nil {
			t.Skipf("../shared/assets/%s is not beside the repository", name)
		}
		return at
	}
	t.Fatal("no go.mod above the package")
	return ""
}

// Read returns a file of shared/assets, or skips the test.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(Path(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
