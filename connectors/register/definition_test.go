package register

import (
	"errors"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"oncegate/mapping"
)

var update = flag.Bool("update", false, "write testdata/bad/*/faults.txt anew")

// TestBadDefinitions: each folder of testdata/bad holds a register.yaml with
// mistakes and the list of faults it must give, all at once, carets included.
func TestBadDefinitions(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*/register.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Load(fstest.MapFS{"here/register.yaml": {Data: text}})
			var list mapping.Errors
			if !errors.As(err, &list) {
				t.Fatalf("got %v, want faults", err)
			}
			got := list.Render()
			golden := filepath.Join(dir, "faults.txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("faults differ\n%s", mapping.FirstDifference([]byte(got), want))
			}
		})
	}
}

func TestFaultsOfAllFilesAreReportedAtOnce(t *testing.T) {
	_, err := Load(fstest.MapFS{
		"a/register.yaml": {Data: []byte("kind: Register\n")},
		"b/register.yaml": {Data: []byte("kind: Registry\n")},
		"c/readme.txt":    {Data: []byte("no register")},
	})
	for _, want := range []string{"a/register.yaml:1:1: missing key \"name\"", "b/register.yaml:1:7: want one of Register"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
}

func TestEveryOutcomeHasItsWords(t *testing.T) {
	for o := outcomeFound; o <= outcomeInvalid; o++ {
		row, ok := outcomeTable()[o]
		if !ok || row.word == "" || (o != outcomeFound) != (row.code != "") || (o != outcomeUnavailable) != (row.record != "") {
			t.Errorf("outcome %d: %+v", o, row)
		}
	}
}

func TestStatusesWithoutABody(t *testing.T) {
	for status, want := range map[int]outcome{
		http.StatusOK: outcomeUnset, http.StatusNotFound: outcomeInvalid, http.StatusBadRequest: outcomeInvalid,
		http.StatusFound: outcomeUnavailable, http.StatusForbidden: outcomeUnavailable, http.StatusServiceUnavailable: outcomeUnavailable,
	} {
		got := outcomeUnset
		if err := statusError(status); err != nil {
			got = err.outcome
		}
		if got != want {
			t.Errorf("status %d: got %s, want %s", status, got, want)
		}
	}
}
