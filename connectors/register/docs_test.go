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
	maptest := regexp.MustCompile("(?s)<!-- maptest -->\n```text\n(.*?)```").FindStringSubmatch(doc)
	if maptest == nil {
		t.Fatal("the tutorial shows no .maptest")
	}
	results, err := mapping.RunTests("tutorial.maptest", []byte(maptest[1]), register.Codec())
	if err != nil || len(results) != 1 || results[0].Err != nil {
		t.Errorf("the .maptest: %v %+v", err, results)
	}
}

var updateDocs = flag.Bool("update-docs", false, "write the table of functions anew")

func TestDocumentedFunctionsAreTheFunctions(t *testing.T) {
	doc := readTutorial(t)
	const from, to = "<!-- functions -->\n", "<!-- /functions -->"
	before, rest, ok := strings.Cut(doc, from)
	have, after, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatal("the tutorial has no place for the functions")
	}
	var b strings.Builder
	b.WriteString("| function | gives | what it does | example |\n|---|---|---|---|\n")
	for _, f := range mapping.Functions() {
		ex := f.Examples[0]
		example := "`" + ex.Expr + "` = `" + ex.Want + "`"
		if ex.Input != "" {
			example += " for `" + strings.ReplaceAll(ex.Input, "\n", "\\n") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Signature(), f.Returns, f.Doc, strings.ReplaceAll(example, "|", "\\|"))
	}
	if have == b.String() {
		return
	}
	if !*updateDocs {
		t.Errorf("the table of functions differs; run go test with -update-docs\n%s", mapping.FirstDifference([]byte(have), []byte(b.String())))
		return
	}
	if err := os.WriteFile(filepath.FromSlash(tutorial), []byte(before+from+b.String()+to+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
