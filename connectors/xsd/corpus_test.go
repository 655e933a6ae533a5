package xsd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"oncegate/connectors/xsd"
)

// A feature is one part of testdata/features.txt: schemas, and documents with what is
// expected of them. The file explains itself in its first lines.
type feature struct {
	name  string
	files map[string]string
	root  string
	fault string // of the schema
	docs  []expected
}

type expected struct {
	line   int
	text   string
	rule   string // empty: valid
	others map[string]bool
}

func features(t testing.TB) []feature {
	t.Helper()
	text, err := os.ReadFile("testdata/features.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []feature
	var f *feature
	section := ""
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "== "):
			out = append(out, feature{name: line[3:], files: map[string]string{}})
			f = &out[len(out)-1]
			section = ""
		case f == nil:
		case strings.HasPrefix(line, "-- fault "):
			f.fault = line[len("-- fault "):]
		case strings.HasPrefix(line, "-- "):
			if section = line[3:]; strings.HasSuffix(section, ".xsd") && f.root == "" {
				f.root = section
			}
		case strings.HasSuffix(section, ".xsd"):
			f.files[section] += line + "\n"
		case line != "":
			e := expected{line: i + 1, others: map[string]bool{}}
			for strings.HasPrefix(line, "!") {
				other, rest, _ := strings.Cut(line[1:], " ")
				e.others[other], line = true, rest
			}
			if section == "invalid" {
				e.rule, line, _ = strings.Cut(line, " ")
			}
			e.text = line
			f.docs = append(f.docs, e)
		}
	}
	// A schema may leave out what all of them begin and end with.
	for i := range out {
		for name, text := range out[i].files {
			if !strings.Contains(text, "<xs:schema") {
				text = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t" elementFormDefault="qualified">` + "\n" + text + "</xs:schema>\n"
			}
			out[i].files[name] = text
		}
	}
	return out
}

func (f feature) compile() (*xsd.Schema, error) {
	fsys := fstest.MapFS{}
	for name, text := range f.files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return xsd.Compile(xsd.Config{FS: fsys, Root: f.root})
}

func TestFeatures(t *testing.T) {
	rules := map[string]bool{}
	for _, f := range features(t) {
		t.Run(f.name, func(t *testing.T) {
			schema, err := f.compile()
			switch {
			case f.fault != "" && (err == nil || !strings.Contains(err.Error(), f.fault)):
				t.Fatalf("got %v, want a fault with %q", err, f.fault)
			case f.fault != "":
				return
			case err != nil:
				t.Fatal(err)
			}
			for _, d := range f.docs {
				valid, said := validate(schema, []byte(d.text))
				if valid != (d.rule == "") || !strings.Contains(said, d.rule) {
					t.Errorf("features.txt:%d: %s\ngot %q, want %q", d.line, d.text, said, d.rule)
				}
				rules[d.rule] = true
			}
		})
	}
	t.Logf("%d rules are broken by some document", len(rules)-1)
}

// TestFeaturesAgree: what features.txt expects is what the other engines say, but where
// it names the one that says otherwise.
func TestFeaturesAgree(t *testing.T) {
	var suits []suit
	list := features(t)
	for i, f := range list {
		dir := t.TempDir()
		for name, text := range f.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := suit{root: filepath.Join(dir, f.root)}
		for _, d := range f.docs {
			name := filepath.Join(dir, fmt.Sprintf("%d-%d.xml", i, d.line))
			if err := os.WriteFile(name, []byte(d.text), 0o600); err != nil {
				t.Fatal(err)
			}
			s.docs = append(s.docs, name)
		}
		suits = append(suits, s)
	}
	var lint []verdict
	for _, s := range suits {
		lint = append(lint, xmllint(t, s))
	}
	check := func(engine string, verdicts []verdict) {
		alike, otherwise := 0, 0
		for i, f := range list {
			v := verdicts[i]
			own := strings.Contains(f.name, "!"+engine)
			switch {
			case (v.fault != "") != (f.fault != "") && !own:
				t.Errorf("%s on %q: fault %q, want %q", engine, f.name, v.fault, f.fault)
				continue
			case own && (v.fault != "") == (f.fault != ""):
				t.Errorf("%s agrees on %q: the mark is to go", engine, f.name)
			case v.fault != "":
				continue
			}
			for j, d := range f.docs {
				agrees := v.valid[j] == (d.rule == "")
				if agrees == d.others[engine] {
					t.Errorf("features.txt:%d: %s says %t (%s): %s", d.line, engine, v.valid[j], v.said[j], d.text)
				}
				if agrees {
					alike++
				} else {
					otherwise++
				}
			}
		}
		t.Logf("%s: %d documents alike, %d otherwise", engine, alike, otherwise)
	}
	check("lint", lint)
	check("java", xerces(t, suits...))
}
