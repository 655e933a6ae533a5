package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/register"
	"oncegate/connectors/register/draft"
	"oncegate/connectors/registers"
	"oncegate/schemas/editor"
	"oncegate/schemas/records"
)

// golden compares what was printed with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); see -update:\n%s", file, diff)
	}
}

const toRecord = `apiVersion: oncegate/v1
kind: Mapping
name: to-record
direction: xml-to-value
code_lists:
  sex: {F: female}
rules:
  - {to: name, from: "join(r/p/n, ' ')"}
  - {to: sex, from: r/p/s, lookup: sex, unmapped: omit}
  - {to: kind, value: birth}
  - {to: never, from: r/p/none}
`

// desk is a directory with a register, a mapping, and inputs.
func desk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for file, text := range map[string]string{
		"to-record.yaml": toRecord, "in/a.xml": "<r><p><n>Alma</n><n>Berta</n><s>F</s><spare/></p></r>", "in/b.xml": "<r><p><n>Cato</n><s>Q</s></p></r>",
		"next.yaml":     strings.Replace(toRecord, `join(r/p/n, ' ')`, "r/p/n[1]", 1),
		"broken.yaml":   strings.Replace(toRecord, "join(", "jion(", 1),
		"test.maptest":  "-- mapping --\n" + toRecord + "-- input.xml: one --\n<r><p><n>A</n></p></r>\n-- output.json --\n{\"name\": \"A\", \"kind\": \"birth\"}\n",
		"fails.maptest": "-- mapping --\n" + toRecord + "-- input.xml: one --\n<r><p><n>A</n></p></r>\n-- output.json --\n{\"name\": \"B\", \"kind\": \"birth\"}\n",
		"query.json":    "{}",
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	births, err := registers.FS.Open("births/" + register.DefinitionFile)
	if err != nil {
		t.Fatal(err)
	}
	births.Close()
	for _, to := range []string{"registers", "changed"} {
		if err := os.CopyFS(to, registers.FS); err != nil {
			t.Fatal(err)
		}
	}
	edit(t, "changed/births/register.yaml", "normalize-space(.)", "upper(normalize-space(.))")
	return dir
}

func edit(t *testing.T, file, old, now string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%s has no %q", file, old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, now, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMapTry(t *testing.T) {
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	desk(t)
	outs := map[string]string{
		"map-try-mapping": ok(t, "map", "try", "to-record.yaml", "in/b.xml"),
		"map-try-query":   ok(t, "map", "try", "tax", "--query", "found"),
		"map-try-births":  ok(t, "map", "try", "registers/births", "found", "--evidence", "--page", "page.pdf"),
	}
	pdf, err := os.ReadFile("page.pdf")
	if err != nil || !strings.HasPrefix(string(pdf), "%PDF") {
		t.Errorf("the page: %.10q, %v", pdf, err)
	}
	r := cli(t, "map", "try", "broken.yaml", "in/a.xml")
	if r.code != exitFindings || r.out != "" {
		t.Errorf("broken rules: exit %d, %q", r.code, r.out)
	}
	outs["map-try-broken"] = r.err
	var v tryView
	parsed(t, &v, "map", "try", "births", "found")
	if v.Outcome != "found" || len(v.Lineage) < 20 || v.Lineage[0].Line == 0 || !json.Valid(v.Record) {
		t.Errorf("as JSON: %s with %d feeds", v.Outcome, len(v.Lineage))
	}
	if out := ok(t, "map", "try", "births", "notfound"); !strings.HasPrefix(out, "births: not-found") {
		t.Errorf("a reply that says no: %q", out)
	}
	if r := cli(t, "map", "try", "births", "in/a.xml"); r.code != exitFindings || !strings.Contains(r.out, "invalid") {
		t.Errorf("a reply of something else: exit %d, %q", r.code, r.out)
	}
	if r := cli(t, "map", "try", "births", "found", "--query", "query.json"); r.code != exitOK {
		t.Errorf("a query that names nobody is compared with nothing: exit %d, %s%s", r.code, r.out, r.err)
	}
	t.Chdir(home)
	for name, out := range outs {
		golden(t, name, out)
	}
}

func TestMapTestLintCoverageDiff(t *testing.T) {
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	desk(t)
	outs := map[string]string{
		"map-test":     ok(t, "map", "test", "test.maptest", "registers/births"),
		"map-coverage": ok(t, "map", "coverage", "to-record.yaml", "--on", "in"),
		"map-diff":     ok(t, "map", "diff", "registers/births", "changed/births", "--on", "registers/births"),
		"map-function": ok(t, "map", "functions", "partial-date"),
	}
	if r := cli(t, "map", "test", "test.maptest", "fails.maptest"); r.code != exitFindings || !strings.Contains(r.out, "FAIL fails.maptest") || !strings.Contains(r.err, "1 of 2 checks failed") {
		t.Errorf("a case that fails: exit %d\n%s%s", r.code, r.out, r.err)
	}
	var cases []caseView
	parsed(t, &cases, "map", "test", "births")
	if len(cases) < 5 || !cases[0].OK {
		t.Errorf("samples of a built-in register: %+v", cases)
	}
	lint := cli(t, "map", "lint", "to-record.yaml", "broken.yaml", "--record", "birth")
	if lint.code != exitFindings || strings.Count(lint.out, "unknown-target") == 0 {
		t.Errorf("lint: exit %d\n%s%s", lint.code, lint.out, lint.err)
	}
	outs["map-lint"] = lint.out
	var found []lintView
	if r := cli(t, "map", "lint", "broken.yaml", "-o", "json"); r.code != exitFindings || json.Unmarshal([]byte(r.out), &found) != nil || len(found) != 1 || found[0].Rule != "fault" || found[0].Line != 8 {
		t.Errorf("lint of faults as JSON: exit %d, %+v", r.code, found)
	}
	ok(t, "map", "lint", "registers", "--strict")
	if out := ok(t, "map", "lint", "--rules"); !strings.Contains(out, "unused-prefix") {
		t.Errorf("rules of lint: %s", out)
	}
	if r := cli(t, "map", "coverage", "births", "--min", "99"); r.code != exitFindings || !strings.Contains(r.err, "births") {
		t.Errorf("coverage below --min: exit %d %s", r.code, r.err)
	}
	var cover []coverView
	parsed(t, &cover, "map", "coverage", "births", "--on", "registers")
	if len(cover) != 1 || cover[0].Reply == nil || cover[0].Query == nil || cover[0].Reply.Inputs < 5 {
		t.Errorf("coverage %+v", cover)
	}
	var d diffView
	parsed(t, &d, "map", "diff", "to-record.yaml", "next.yaml", "--on", "in", "--values")
	if d.Inputs != 2 || d.Same != 1 || len(d.Fields) != 1 || d.Fields[0].Path != "name" || len(d.Values) != 1 || !slices.Equal(d.Fields[0].Examples, []string{"in/a.xml"}) {
		t.Errorf("diff %+v", d)
	}
	if out := ok(t, "map", "diff", "registers/births", "changed/births", "--on", "registers/births"); strings.Contains(out, "CONSERVA") {
		t.Errorf("values stand in a diff without --values:\n%s", out)
	}
	t.Chdir(home)
	for name, out := range outs {
		golden(t, name, out)
	}
}

func TestMapFunctionsListsSchemas(t *testing.T) {
	var all []functionView
	parsed(t, &all, "map", "functions")
	if len(all) < 40 || all[0].Signature == "" {
		t.Errorf("%d functions", len(all))
	}
	if out := ok(t, "map", "lists"); !strings.Contains(out, "country-alpha3") {
		t.Errorf("lists: %s", out)
	}
	for _, name := range append(append(editor.Names(), records.Types()...), "vocabulary") {
		if out := ok(t, "map", "schema", name); !json.Valid([]byte(out)) {
			t.Errorf("schema %s is no JSON", name)
		}
	}
	for _, c := range [][]string{{"functions", ""}, {"schema", ""}, {"try", ""}, {"lint", "b"}} {
		if out := ok(t, append([]string{"__complete", "map"}, c...)...); !strings.Contains(out, "b") || strings.HasPrefix(out, ":") {
			t.Errorf("%v completes %q", c, out)
		}
	}
	if out := ok(t, "__complete", "map", "try", "births", ""); !strings.Contains(out, "found") {
		t.Errorf("samples complete: %q", out)
	}
}

func TestWrongWordsOfMapAndConnector(t *testing.T) {
	desk(t)
	for _, args := range [][]string{
		{"map", "try", "births"}, {"map", "try", "nothing", "x"}, {"map", "try", "births", "missing.xml"}, {"map", "try", "to-record.yaml", "in/a.xml", "--evidence"},
		{"map", "try", "births", "found", "--page", "x.pdf", "--lang", "XX"}, {"map", "test", "in"}, {"map", "lint"}, {"map", "lint", "in"}, {"map", "lint", "--record", "none", "births"},
		{"map", "coverage", "to-record.yaml"}, {"map", "coverage", "births", "--min", "101"}, {"map", "coverage", "births", "--on", "nowhere"},
		{"map", "diff", "births", "births"}, {"map", "diff", "births", "births", "--on", "audit.v1"}, {"map", "diff", "births", "to-record.yaml", "--on", "in"},
		{"map", "diff", "births", "births", "--on", "register.query.v1", "--values"}, {"map", "diff", "to-record.yaml", "next.yaml", "--on", "register.query.v1"},
		{"map", "functions", "none"}, {"map", "schema", "none"}, {"connector", "test", "none"}, {"connector", "test", "births", "--update"}, {"connector", "test", "--dir", "in"},
		{"connector", "check", "--live", "births"}, {"connector", "check", "none"}, {"connector", "new", "births", "--dir", "registers", "--transport", "rest", "--record", "birth"},
		{"connector", "new", "x"}, {"connector", "new", "X", "--transport", "rest", "--record", "birth"}, {"connector", "new", "x", "--transport", "rest", "--record", "birth", "--country", "lv"},
		{"connector", "fake", "births", "--listen", "0.0.0.0:1"}, {"connector", "fake", "births", "--cert", "a"}, {"connector", "fake", "none"}, {"connector", "list", "-c", "missing.yaml"},
	} {
		if r := cli(t, args...); r.code != exitUsage || r.err == "" || r.out != "" {
			t.Errorf("oncegate %s: exit %d, %q and %q", strings.Join(args, " "), r.code, r.out, r.err)
		}
	}
}

// A register that was begun passes its check at once, whatever its transport and record.
func TestConnectorNew(t *testing.T) {
	desk(t)
	for _, transport := range draft.Transports() {
		for _, record := range draft.Records() {
			if transport != "soap12" && record != "birth" && record != "company" {
				continue // the record does not depend on the transport
			}
			t.Run(transport+"-"+record, func(t *testing.T) {
				name := transport + "-" + record
				ok(t, "connector", "new", name, "--dir", "begun", "--transport", transport, "--record", record, "--country", "LV")
				ok(t, "connector", "check", name, "--dir", "begun")
				ok(t, "map", "lint", "begun/"+name, "--strict")
			})
		}
	}
	for name, from := range map[string][3]string{
		"from-soap": {"soap12", "birth", "registers/births/testdata/found.reply.xml"}, "from-json": {"rest-json", "vehicle", "registers/vehicles/testdata/hard.reply.json"},
		"from-sql": {"sql", "tax-statement", "registers/tax/testdata/hard.reply.xml"},
	} {
		t.Run(name, func(t *testing.T) {
			out := ok(t, "connector", "new", name, "--dir", "begun", "--transport", from[0], "--record", from[1], "--from", from[2])
			if !strings.Contains(out, "about nobody who exists") {
				t.Errorf("prints %q", out)
			}
			ok(t, "connector", "check", name, "--dir", "begun")
		})
	}
}

func TestConnectorListTestCheck(t *testing.T) {
	desk(t)
	var views []registerView
	parsed(t, &views, "connector", "list")
	if len(views) < 13 || views[0].Record == "" {
		t.Errorf("%d registers", len(views))
	}
	if out := ok(t, "connector", "list", "--dir", "registers"); !strings.Contains(out, "births") {
		t.Errorf("list prints %q", out)
	}
	ok(t, "connector", "test", "births", "--dir", "registers")
	// A sample is renewed, and what changed is told.
	r := cli(t, "connector", "test", "births", "--dir", "changed")
	if r.code != exitFindings || !strings.Contains(r.out, "FAIL births found reply") {
		t.Errorf("changed rules: exit %d\n%s", r.code, r.out)
	}
	r = cli(t, "connector", "test", "births", "--dir", "changed", "--update")
	if r.code != exitOK || !strings.Contains(r.err, "changed  "+filepath.Join("changed", "births", "testdata", "found.record.json")) {
		t.Errorf("--update: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r = cli(t, "connector", "test", "births", "--dir", "changed", "--update"); r.code != exitOK || r.err != "" {
		t.Errorf("--update again: exit %d\n%s", r.code, r.err)
	}
	edit(t, "changed/births/register.yaml", "join(", "jion(")
	r = cli(t, "connector", "check", "births", "--dir", "changed")
	if r.code != exitFindings || !strings.Contains(r.out, "changed/births/register.yaml:") || !strings.Contains(r.out, "^") {
		t.Errorf("check of a fault: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r = cli(t, "connector", "check", "births", "--min", "100"); r.code != exitWarnings || !strings.Contains(r.out, "coverage") {
		t.Errorf("check with --min: exit %d\n%s", r.code, r.out)
	}
	ok(t, "connector", "check")
}
