package rules

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
)

// TestEveryFile reads every file that is embedded.
func TestEveryFile(t *testing.T) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, name := range names {
		d := Document(strings.TrimSuffix(name, ".yaml"))
		rows, err := Of(d)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if len(rows) == 0 {
			t.Errorf("%s has no rules", name)
		}
		for _, r := range rows {
			if !strings.HasPrefix(r.File, "schemas/rules/") || r.Line == 0 {
				t.Errorf("%s has no place", r.ID)
			}
		}
	}
	if _, err := Of("weather"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an unknown document says %v", err)
	}
}

const row = `document: edm-request
rules:
  - id: R-EDM-REQ-S005
    editions: ["1.0", "2.0"]
    severity: fatal
    context: /query:QueryRequest
    test: count(rim:Slot) = 1
    meaning: It has one.
    remedy: Add one.
`

func TestParse(t *testing.T) {
	doc, rows, err := Parse("f.yaml", []byte(row))
	if err != nil || doc != EDMRequest || len(rows) != 1 {
		t.Fatalf("got %v %v %v", doc, rows, err)
	}
	r := rows[0]
	if r.ID != "R-EDM-REQ-S005" || !r.In("2.0") || r.In("1.2") || r.Severity != Fatal || r.Line != 3 {
		t.Errorf("got %+v", r)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"an unknown key":          {"    remedy", "    cure", `f.yaml:9:5: unknown key "cure"`},
		"a repeated key":          {"    remedy: Add one.", "    remedy: Add one.\n    remedy: Two.", `f.yaml:10:5: key "remedy" stands twice`},
		"a row without a test":    {"    test: count(rim:Slot) = 1\n", "", "f.yaml:3:5: test is missing"},
		"a row without a remedy":  {"    remedy: Add one.\n", "", "f.yaml:3:5: remedy is missing"},
		"an edition it lacks":     {`"2.0"`, `"3.0"`, "f.yaml:4:23: editions are 1.0, 1.2 and 2.0"},
		"an edition twice":        {`"2.0"`, `"1.0"`, "f.yaml:4:23: edition 1.0 stands twice"},
		"a severity it lacks":     {"fatal", "deadly", "f.yaml:5:15: a severity is"},
		"an odd id":               {"R-EDM-REQ-S005", "S005", "f.yaml:3:9: an id looks like"},
		"an odd label":            {"R-EDM-REQ-S005", "TDD of old", "f.yaml:3:9: an id looks like"},
		"an anchor":               {"meaning: It", "meaning: &a It", "f.yaml:8:14: want text without an anchor"},
		"empty text":              {"It has one.", "''", "f.yaml:8:14: want text, not nothing"},
		"an unknown document":     {"edm-request", "weather", `f.yaml:1:11: no document is called "weather"`},
		"an id twice":             {"remedy: Add one.\n", "remedy: Add one.\n" + strings.SplitAfter(row, "rules:\n")[1], "f.yaml:10:1: R-EDM-REQ-S005 of edition 1.0 stands in line 3 already"},
		"a second document":       {"remedy: Add one.\n", "remedy: Add one.\n---\na: b\n", "second document"},
		"a departure it lacks":    {"    remedy", "    official_1_0: odd\n    remedy", "f.yaml:9:19: a departure is"},
		"a departure unexplained": {"    remedy", "    official_1_0: other\n    remedy", "f.yaml:3:5: official_note explains"},
		"no YAML":                 {"rules:", "rules: [", "f.yaml: yaml:"},
	} {
		_, rows, err := Parse("f.yaml", []byte(strings.Replace(row, c.old, c.new, 1)))
		if err == nil || rows != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	for _, text := range []string{"", "a", "[]", "document: edm-request\nrules: {}\n", strings.Repeat("[", 20000)} {
		if _, _, err := Parse("f.yaml", []byte(text)); err == nil {
			t.Errorf("%.20q is read", text)
		}
	}
}

// TestPlaces finds a fault in an expression, whatever style it is written in.
func TestPlaces(t *testing.T) {
	for style, c := range map[string]struct {
		text string
		line int
		col  int
	}{
		"plain":   {"test: a = b or cc", 7, 20},
		"single":  {"test: 'a = b or cc'", 7, 21},
		"double":  {`test: "a = b or cc"`, 7, 21},
		"folded":  {"test: >-\n      a = b\n      or  cc", 9, 11},
		"literal": {"test: |\n      a = b\n\n      or cc", 10, 10},
	} {
		_, rows, err := Parse("f.yaml", []byte(strings.Replace(row, "test: count(rim:Slot) = 1", c.text, 1)))
		if err != nil {
			t.Fatal(err)
		}
		r := rows[0]
		e := r.TestFault(strings.Index(r.Test, "cc"), "no such thing")
		if e.Line != c.line || e.Col != c.col {
			t.Errorf("%s: got %d:%d, want %d:%d", style, e.Line, e.Col, c.line, c.col)
		}
		if lines := strings.Split(e.Error(), "\n"); len(lines) != 3 || strings.Index(lines[1], "cc") != strings.Index(lines[2], "^") {
			t.Errorf("%s: got\n%s", style, e)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(row))
	f.Add([]byte("document: &a edm-request\nrules: [*a, *a]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, rows, err := Parse("f.yaml", text)
		if err != nil {
			return
		}
		for i := range rows {
			_ = rows[i].TestFault(len(rows[i].Test)/2, "x").Error()
			_ = rows[i].ContextFault(1<<20, "x").Error()
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text, err := files.ReadFile("edm-request.yaml")
	if err != nil {
		b.Skip(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, _, err := Parse("f.yaml", text); err != nil {
			b.Fatal(err)
		}
	}
}
