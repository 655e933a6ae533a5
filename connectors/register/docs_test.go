package register_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"oncegate/connectors/register"
	"oncegate/mapping"
)

const tutorial = "../../docs/adding-a-register.md"

func readTutorial(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(tutorial))
	if err != nil {
		t.Skipf("the documentation is not here: %v", err)
	}
	return string(text)
}

var fileBlock = regexp.MustCompile("(?s)<!-- file: (\\S+) -->\n```\\w*\n(.*?)```\n")

func TestTutorialIsTrue(t *testing.T) {
	doc := readTutorial(t)
	files := fstest.MapFS{}
	for _, m := range fileBlock.FindAllStringSubmatch(doc, -1) {
		files[m[1]] = &fstest.MapFile{Data: []byte(m[2])}
	}
	if len(files) != 8 {
		t.Fatalf("the tutorial shows %d files, want 8", len(files))
	}
	var out strings.Builder
	failed, err := register.Check(&out, files)
	if failed != 0 || err != nil {
		t.Fatalf("%d samples fail, %v\n%s", failed, err, out.String())
	}
	if !strings.Contains(doc, out.String()) {
		t.Errorf("the tutorial shows other output than\n%s", out.String())
	}
	mistake := regexp.MustCompile("(?s)<!-- mistake: (.*?) -> (.*?) -->\n```\n(.*?)```").FindStringSubmatch(doc)
	if mistake == nil {
		t.Fatal("the tutorial shows no mistake")
	}
	good := files["lv-residence/register.yaml"].Data
	bad := bytes.Replace(good, []byte(mistake[1]), []byte(mistake[2]), 1)
	_, err = register.Load(fstest.MapFS{"lv-residence/register.yaml": {Data: bad}})
	var list mapping.Errors
	if !errors.As(err, &list) || list.Render() != mistake[3] {
		t.Errorf("the mistake gives\n%v", err)
		if list != nil {
			t.Errorf("\n%s", list.Render())
		}
	}
	maptests := regexp.MustCompile("(?s)<!-- maptest -->\n```text\n(.*?)```").FindAllStringSubmatch(doc, -1)
	if len(maptests) < 2 {
		t.Fatal("the tutorial shows too few .maptest")
	}
	for _, m := range maptests {
		results, err := mapping.RunTests("tutorial.maptest", []byte(m[1]), register.Codec())
		if err != nil || len(results) == 0 {
			t.Errorf("a .maptest: %v", err)
		}
		for _, r := range results {
			if r.Err != nil {
				t.Errorf("the .maptest, %s: %v", r.Name, r.Err)
			}
		}
	}
}

var updateDocs = flag.Bool("update-docs", false, "write the tables of the language anew")

// cell makes a text fit into a table.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", "\\n").Replace(s)
}

func functionTables() string {
	var b strings.Builder
	for _, group := range mapping.FunctionGroups() {
		fmt.Fprintf(&b, "\n### %s%s\n\n| function | gives | what it does | example |\n|---|---|---|---|\n", strings.ToUpper(group[:1]), group[1:])
		for _, f := range mapping.Functions() {
			if f.Group != group {
				continue
			}
			ex := f.Examples[0]
			example := "`" + cell(ex.Expr) + "` = `" + cell(ex.Want) + "`"
			if ex.Input != "" {
				example += " for `" + cell(ex.Input) + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Signature(), f.Returns, cell(f.Doc), example)
		}
	}
	return b.String() + "\n"
}

func listTable() string {
	var b strings.Builder
	b.WriteString("\n| published list | what it is | example |\n|---|---|---|\n")
	for _, l := range mapping.PublishedLists() {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` = `%s` |\n", l.Name, cell(l.Doc), l.Example[0], l.Example[1])
	}
	return b.String() + "\n"
}

func lintTable() string {
	var b strings.Builder
	b.WriteString("\n| rule | how grave | what is found | what to do |\n|---|---|---|---|\n")
	for _, r := range mapping.LintRules() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Name, r.Severity, cell(r.Doc), cell(r.Remedy))
	}
	return b.String() + "\n"
}

func TestDocumentedLanguageIsTheLanguage(t *testing.T) {
	doc := readTutorial(t)
	fresh := doc
	for _, table := range []struct{ mark, text string }{{"functions", functionTables()}, {"lists", listTable()}, {"lint", lintTable()}} {
		from, to := "<!-- "+table.mark+" -->\n", "<!-- /"+table.mark+" -->"
		before, rest, ok := strings.Cut(fresh, from)
		have, after, ok2 := strings.Cut(rest, to)
		if !ok || !ok2 {
			t.Fatalf("the tutorial has no place for the %s", table.mark)
		}
		if have != table.text && !*updateDocs {
			t.Errorf("the table of %s differs; run go test with -update-docs\n%s", table.mark, mapping.FirstDifference([]byte(have), []byte(table.text)))
		}
		fresh = before + from + table.text + to + after
	}
	if *updateDocs && fresh != doc {
		if err := os.WriteFile(filepath.FromSlash(tutorial), []byte(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
