package register_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/register"
	"oncegate/mapping"
	"oncegate/schemas/records"
)

const (
	tutorial  = "../../docs/adding-a-register.md"
	reference = "../../docs/register-reference.md"
)

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Skipf("the documentation is not here: %v", err)
	}
	return string(text)
}

var (
	fileBlock     = regexp.MustCompile("(?s)<!-- file: (\\S+) -->\n```\\w*\n(.*?)```\n")
	headBlock     = regexp.MustCompile("(?s)<!-- below the head: (\\S+) -->\n```yaml\n(.*?)```\n")
	keysBlock     = regexp.MustCompile("(?s)<!-- (in register.yaml|under reply|under query) -->\n```yaml\n(.*?)```\n")
	settingsBlock = regexp.MustCompile("(?s)<!-- in oncegate.yaml -->\n```yaml\n(.*?)```\n")
	maptestBlock  = regexp.MustCompile("(?s)<!-- maptest -->\n```text\n(.*?)```")
)

// shown are the files that a page shows.
func shown(doc string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, m := range fileBlock.FindAllStringSubmatch(doc, -1) {
		files[m[1]] = &fstest.MapFile{Data: []byte(m[2])}
	}
	return files
}

// The commands of the page are typed by a test of cmd/oncegate.
func TestTutorialIsTrue(t *testing.T) {
	doc := readDoc(t, tutorial)
	files := shown(doc)
	var out strings.Builder
	failed, err := register.Check(&out, files)
	if failed != 0 || err != nil {
		t.Fatalf("%d samples fail, %v\n%s", failed, err, out.String())
	}
	maptests := maptestBlock.FindAllStringSubmatch(doc, -1)
	if len(maptests) < 2 {
		t.Fatal("the tutorial shows too few .maptest")
	}
	for _, m := range maptests {
		results, err := mapping.RunTests("tutorial.maptest", []byte(m[1]), register.Codec())
		if err != nil || len(results) == 0 {
			t.Errorf("a .maptest: %v\n%s", err, m[1])
		}
		for _, r := range results {
			if r.Err != nil {
				t.Errorf("the .maptest, %s: %v", r.Name, r.Err)
			}
		}
	}
}

// Every row of the recipes says what comes, a rule, and what it gives.
func TestRecipesAreTrue(t *testing.T) {
	_, rest, ok := strings.Cut(readDoc(t, tutorial), "<!-- recipes -->")
	table, _, ok2 := strings.Cut(rest, "<!-- /recipes -->")
	if !ok || !ok2 {
		t.Fatal("the tutorial has no recipes")
	}
	const head = `apiVersion: oncegate/v1
kind: Mapping
name: recipe
direction: xml-to-value
prefixes: {s: urn:example:stuf, e: urn:example:other, xsi: http://www.w3.org/2001/XMLSchema-instance}
code_lists:
  sex: {use: sex-mf}
  country: {use: country-alpha3}
  name-of-country: {use: country-name}
  yes: {Ja: "true", Nee: "false"}
  kind: {D: permanent, P: temporary, "*": other}
rules:
  - to: record
    from: hit
    empty: keep
    rules:
      - {to: made, value: "yes"}
      - `
	rows := regexp.MustCompile("(?m)^\\| `([^`]+)`[^|`]*\\| `([^`]+)`[^|`]*\\| `([^`]+)` \\|$").FindAllStringSubmatch(table, -1)
	if want := strings.Count(table, "\n| `"); len(rows) != want || want < 40 {
		t.Fatalf("%d of %d rows can be read", len(rows), want)
	}
	for _, row := range rows {
		more := strings.TrimSuffix(strings.TrimPrefix(row[3], "{"), "}")
		if more != "" {
			more = ", " + more
		}
		text := "-- mapping --\n" + head + row[2] + `
-- input.xml: a recipe --
<hit xmlns:s="urn:example:stuf" xmlns:e="urn:example:other" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` + row[1] + `</hit>
-- output.json --
{"record": {"made": "yes"` + more + "}}\n"
		results, err := mapping.RunTests("recipe.maptest", []byte(text), register.Codec())
		if err != nil {
			t.Errorf("%s: %v", row[2], err)
		}
		for _, r := range results {
			if r.Err != nil {
				t.Errorf("%s\n%s\n%v", row[1], row[2], r.Err)
			}
		}
	}
}

// The reference shows parts of files; each is put where it belongs in the tutorial's
// register, and read as the program reads it.
func TestReferenceIsTrue(t *testing.T) {
	whole := string(shown(readDoc(t, tutorial))["lv-residence/register.yaml"].Data)
	head, _, ok := strings.Cut(whole, "\ntransport:")
	if !ok {
		t.Fatal("the tutorial's register.yaml has no transport")
	}
	doc := readDoc(t, reference)
	both := doc + readDoc(t, tutorial)
	files, samples := shown(doc), map[string]bool{}
	for name := range files {
		folder, rest, _ := strings.Cut(name, "/")
		samples[folder] = samples[folder] || strings.HasPrefix(rest, "testdata/")
	}
	blocks := headBlock.FindAllStringSubmatch(doc, -1)
	if len(blocks) < 7 {
		t.Fatalf("the reference shows %d registers", len(blocks))
	}
	var proved []string
	for _, m := range blocks {
		text := strings.Replace(head, "name: lv-residence", "name: "+m[1], 1) + "\nrecord: residence\n" + m[2]
		files[m[1]+"/register.yaml"] = &fstest.MapFile{Data: []byte(text)}
		if samples[m[1]] {
			proved = append(proved, m[1])
		}
	}
	var out strings.Builder
	if failed, err := register.Check(&out, files, proved...); failed != 0 || err != nil {
		t.Errorf("%d samples fail, %v\n%s", failed, err, out.String())
	}
	for i, m := range keysBlock.FindAllStringSubmatch(both, -1) {
		if _, err := register.Load(fstest.MapFS{"lv-residence/register.yaml": {Data: withKeys(t, whole, m[1], m[2])}}); err != nil {
			t.Errorf("keys %d: %v\n%s", i+1, err, m[2])
		}
	}
	for i, m := range settingsBlock.FindAllStringSubmatch(both, -1) {
		var settings struct {
			Dir       string                       `yaml:"registers_dir"`
			Registers map[string]register.Settings `yaml:"registers"`
		}
		d := yaml.NewDecoder(strings.NewReader(m[1]))
		d.KnownFields(true)
		if err := d.Decode(&settings); err != nil {
			t.Errorf("settings %d: %v\n%s", i+1, err, m[1])
		}
		for name, s := range settings.Registers {
			if err := s.Validate(); err != nil {
				t.Errorf("settings %d, %s: %v", i+1, name, err)
			}
		}
	}
}

// withKeys puts keys into a register.yaml, in place of those it has.
func withKeys(t *testing.T, whole, where, part string) []byte {
	t.Helper()
	var file, keys map[string]any
	if err := yaml.Unmarshal([]byte(whole), &file); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(part), &keys); err != nil {
		t.Fatalf("%v\n%s", err, part)
	}
	into := file
	if _, key, under := strings.Cut(where, "under "); under {
		into = file[key].(map[string]any)
	}
	maps.Copy(into, keys)
	out, err := yaml.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return out
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

// recordTables show the fields of all records: nouns of the vocabulary once, then
// each type with the nouns by name.
func recordTables() string {
	nouns, order := map[string][]records.Field{}, []string{}
	for _, typ := range records.Types() {
		all := records.Fields(typ)
		for _, f := range all {
			switch {
			case f.Shape != records.Object || f.Of == "" || !shared(f.Of):
			case nouns[f.Of] == nil:
				nouns[f.Of] = direct(all, f.Path+".")
				order = append(order, f.Of)
			default:
				widen(nouns[f.Of], direct(all, f.Path+"."))
			}
		}
	}
	slices.Sort(order)
	var b strings.Builder
	for _, noun := range order {
		fmt.Fprintf(&b, "\n### %s (in all records)\n", noun)
		writeFields(&b, nouns[noun])
	}
	for _, typ := range records.Types() {
		fmt.Fprintf(&b, "\n### record: %s\n", typ)
		all := records.Fields(typ)
		var rows []records.Field
		for _, f := range direct(all, "") {
			rows = append(rows, f)
			if f.Shape == records.Object && f.Of != "" && shared(f.Of) {
				rows = append(rows, narrowed(f.Path, nouns[f.Of], direct(all, f.Path+"."))...)
			}
		}
		writeFields(&b, rows)
	}
	return b.String() + "\n"
}

// shared says whether a noun is one of the vocabulary.
func shared(noun string) bool {
	return bytes.Contains(records.Vocabulary(), []byte("\n    \""+noun+"\": {"))
}

// widen takes from a noun what is only so at one place.
func widen(noun, here []records.Field) {
	for i, f := range noun {
		if j := slices.IndexFunc(here, func(h records.Field) bool { return h.Path == f.Path }); j >= 0 {
			noun[i].Required = f.Required && here[j].Required
			if len(here[j].Words) > len(f.Words) {
				noun[i] = here[j]
			}
		}
	}
}

// narrowed are the fields of which a place wants more than the noun does.
func narrowed(place string, noun, here []records.Field) []records.Field {
	var out []records.Field
	for i, f := range here {
		if f.Required != noun[i].Required || len(f.Words) != len(noun[i].Words) {
			f.Path = place + "." + f.Path
			out = append(out, f)
		}
	}
	return out
}

// direct are the fields below a place, down to the nouns of the vocabulary.
func direct(all []records.Field, below string) []records.Field {
	var out []records.Field
	closed := []string{}
	for _, f := range all {
		rest, ok := strings.CutPrefix(f.Path, below)
		if !ok || slices.ContainsFunc(closed, func(p string) bool { return strings.HasPrefix(f.Path, p) }) {
			continue
		}
		if f.Shape == records.Object && f.Of != "" && shared(f.Of) {
			closed = append(closed, f.Path+".")
		}
		f.Path = rest
		out = append(out, f)
	}
	return out
}

func writeFields(b *strings.Builder, fields []records.Field) {
	b.WriteString("\n| field | holds | what it is |\n|---|---|---|\n")
	for _, f := range fields {
		holds := string(f.Shape)
		switch {
		case len(f.Words) > 0:
			holds = "`" + strings.Join(f.Words, "` `") + "`"
		case f.Shape == records.Object && f.Of != "" && shared(f.Of):
			holds = f.Of
		case f.Shape == records.Text && slices.Contains([]string{"country", "currency", "language", "time"}, f.Of):
			holds = f.Of
		case f.Shape == records.Object:
			holds = "what follows"
		}
		if f.Required {
			holds += ", **must**"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.Path, holds, cell(f.Description))
	}
}

func TestDocumentedLanguageIsTheLanguage(t *testing.T) {
	for _, page := range []struct {
		file   string
		tables map[string]string
	}{
		{tutorial, map[string]string{"functions": functionTables(), "lists": listTable(), "lint": lintTable()}},
		{reference, map[string]string{"records": recordTables()}},
	} {
		doc := readDoc(t, page.file)
		fresh := doc
		for mark, text := range page.tables {
			from, to := "<!-- "+mark+" -->\n", "<!-- /"+mark+" -->"
			before, rest, ok := strings.Cut(fresh, from)
			have, after, ok2 := strings.Cut(rest, to)
			if !ok || !ok2 {
				t.Fatalf("%s has no place for the %s", page.file, mark)
			}
			if have != text && !*updateDocs {
				t.Errorf("the table of %s differs; run go test with -update-docs\n%s", mark, mapping.FirstDifference([]byte(have), []byte(text)))
			}
			fresh = before + from + text + to + after
		}
		if *updateDocs && fresh != doc {
			if err := os.WriteFile(filepath.FromSlash(page.file), []byte(fresh), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
