package editor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"oncegate/mapping"
	"oncegate/schemas/editor"
	"oncegate/schemas/records"
)

func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(editor.Schema(name)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("file:///"+name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("file:///" + name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// check judges YAML as an editor does.
func check(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(plain(v))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

// plain makes keys texts, as JSON has no others, and dates what was written.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = plain(v[key])
		}
	case map[any]any:
		out := map[string]any{}
		for key, one := range v {
			out[fmt.Sprint(key)] = plain(one)
		}
		return out
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case time.Time:
		return v.Format(time.DateOnly)
	}
	return v
}

func TestEveryFileOfTheTreeIsValid(t *testing.T) {
	root := filepath.Join("..", "..")
	register, maps := compiled(t, "register.v1.json"), compiled(t, "mapping.v1.json")
	found := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "bin" || d.Name() == "bad" || d.Name() == "node_modules"):
			return fs.SkipDir
		}
		name := d.Name()
		if name != "register.yaml" && !strings.HasSuffix(name, ".maptest") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		schema := register
		if name != "register.yaml" {
			if text = mappingOf(text); text == nil {
				return nil
			}
			schema = maps
		}
		found++
		if err := check(t, schema, text); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil || found < 5 {
		t.Errorf("%d files, %v", found, err)
	}
}

// mappingOf cuts the mapping out of a test file; nil where it is one that is to
// be refused.
func mappingOf(text []byte) []byte {
	_, rest, _ := bytes.Cut(text, []byte("-- mapping --\n"))
	body, next, _ := bytes.Cut(rest, []byte("\n-- "))
	if bytes.HasPrefix(next, []byte("error")) {
		return nil
	}
	return body
}

const goodMapping = `apiVersion: oncegate/v1
kind: Mapping
name: m
direction: xml-to-value
prefixes: {p: 'urn:p'}
code_lists:
  sex: {1: male, 2: female}
  country: {use: country-alpha3, codes: {XKX: XK}}
rules:
  - {to: a.b, from: p:A, required: true}
  - to: c[]
    each: p:C
    rules:
      - {to: d, from: "date(., 'DD.MM.YYYY')"}
      - {to: sex, from: "@s", lookup: sex, unmapped: omit}
`

func TestMistakesInMappings(t *testing.T) {
	s := compiled(t, "mapping.v1.json")
	if err := check(t, s, []byte(goodMapping)); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	for _, tc := range []struct{ rule, from, to string }{
		{"an unknown key", "required: true", "requird: true"},
		{"a rule without source", "from: p:A, required", "required"},
		{"a rule without target", "to: a.b, ", ""},
		{"a target of XML in a record", "to: a.b", "to: a/b"},
		{"a constant with a source", "from: p:A, required: true", "from: p:A, value: x"},
		{"an unknown direction", "xml-to-value", "xml-to-json"},
		{"an unknown policy", "unmapped: omit", "unmapped: ignore"},
		{"a policy without a list", "lookup: sex, ", ""},
		{"an unknown published list", "country-alpha3", "country-alpha4"},
		{"no rules", "rules:\n  - {to: a.b", "rulez:\n  - {to: a.b"},
		{"a condition as a truth of YAML", "required: true", "required: 'yes'"},
		{"another kind", "kind: Mapping", "kind: Map"},
		{"a default beside rules", "each: p:C", "each: p:C\n    default: x"},
	} {
		text := strings.Replace(goodMapping, tc.from, tc.to, 1)
		if text == goodMapping {
			t.Errorf("%s: nothing was replaced", tc.rule)
		}
		if check(t, s, []byte(text)) == nil {
			t.Errorf("%s passes", tc.rule)
		}
	}
}

const goodRegister = `apiVersion: oncegate/v1
kind: Register
name: births
title: Births
country: ES
evidence_type:
  id: 6c2f1c0e-4b7a-4d53-9a86-0f1d7e5b3a01
  classification: https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/ES/6c2f1c0e-4b7a-4d53-9a86-0f1d7e5b3a01
  titles: {EN: Birth certificate}
  languages: [ES]
issuer: {scheme: urn:s, id: i, names: {EN: Register}}
transport: {kind: soap12, path: /v3, action: urn:a}
query:
  rules: [{to: Find, rules: [{to: "@v", value: 3}]}]
reply:
  outcomes: [{when: "/R/@code = 'NONE'", means: not-found}]
  hits: /R/Entry
  rules: [{to: person.familyName, from: Name, required: true}]
record: birth
care: {timeout: 20s, rate: {calls: 10, per: 1s}}
`

func TestMistakesInRegisters(t *testing.T) {
	good := goodRegister
	s := compiled(t, "register.v1.json")
	if err := check(t, s, []byte(good)); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	for _, tc := range []struct{ rule, from, to string }{
		{"an unknown key", "issuer:", "isuer:"},
		{"a country in words", "country: ES", "country: Spain"},
		{"an unknown transport", "kind: soap12", "kind: soap13"},
		{"a key of another transport", "kind: soap12", "kind: soap12, method: POST"},
		{"an unknown outcome", "means: not-found", "means: nobody"},
		{"an unknown record", "record: birth", "record: births"},
		{"a rate without a time", ", per: 1s", ""},
		{"a name in capitals", "name: births", "name: Births"},
		{"a duration in words", "timeout: 20s", "timeout: twenty seconds"},
		{"a target of XML in the record", "to: person.", "to: person/"},
	} {
		bad := strings.Replace(good, tc.from, tc.to, 1)
		if bad == good {
			t.Errorf("%s: nothing was replaced", tc.rule)
		}
		if check(t, s, []byte(bad)) == nil {
			t.Errorf("%s passes", tc.rule)
		}
	}
}

func TestTheSchemasKnowTheLanguage(t *testing.T) {
	var names []string
	for _, f := range mapping.Functions() {
		names = append(names, f.Name)
	}
	functions := "Functions: " + strings.Join(names, ", ") + "."
	for _, name := range editor.Names() {
		var doc struct {
			Defs map[string]json.RawMessage `json:"$defs"`
		}
		if err := json.Unmarshal(editor.Schema(name), &doc); err != nil {
			t.Fatal(err)
		}
		var expr struct{ Description string }
		if err := json.Unmarshal(doc.Defs["expression"], &expr); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(expr.Description, functions) {
			t.Errorf("%s: the description of expression ends in %q, want %q", name, expr.Description, functions)
		}
		var lists []string
		for _, l := range mapping.PublishedLists() {
			lists = append(lists, l.Name)
		}
		if want := enumOf(t, editor.Schema(name), "use"); !slices.Equal(want, lists) {
			t.Errorf("%s: published lists %v, want %v", name, want, lists)
		}
	}
	if have := enumOf(t, editor.Schema("register.v1.json"), "record"); !slices.Equal(have, records.Types()) {
		t.Errorf("records %v, want %v", have, records.Types())
	}
}

// enumOf finds the enum of a property, wherever it stands.
func enumOf(t *testing.T, schema []byte, property string) []string {
	t.Helper()
	var doc any
	if err := json.Unmarshal(schema, &doc); err != nil {
		t.Fatal(err)
	}
	var find func(v any) []string
	find = func(v any) []string {
		switch v := v.(type) {
		case map[string]any:
			if props, ok := v["properties"].(map[string]any); ok {
				if p, ok := props[property].(map[string]any); ok {
					if words, ok := p["enum"].([]any); ok {
						var out []string
						for _, w := range words {
							out = append(out, fmt.Sprint(w))
						}
						return out
					}
				}
			}
			for _, one := range v {
				if out := find(one); out != nil {
					return out
				}
			}
		case []any:
			for _, one := range v {
				if out := find(one); out != nil {
					return out
				}
			}
		}
		return nil
	}
	return find(doc)
}

func TestEveryKeyIsDescribed(t *testing.T) {
	for _, name := range editor.Names() {
		var doc any
		if err := json.Unmarshal(editor.Schema(name), &doc); err != nil {
			t.Fatal(err)
		}
		var walk func(at string, v any)
		walk = func(at string, v any) {
			switch v := v.(type) {
			case map[string]any:
				if props, ok := v["properties"].(map[string]any); ok && v["description"] != nil {
					for key, p := range props {
						one, _ := p.(map[string]any)
						if one["description"] == nil && one["$ref"] == nil && len(one) > 0 {
							t.Errorf("%s: %s/%s is not described", name, at, key)
						}
					}
				}
				for key, one := range v {
					walk(at+"/"+key, one)
				}
			case []any:
				for i, one := range v {
					walk(fmt.Sprint(at, "/", i), one)
				}
			}
		}
		walk("", doc)
	}
}

var keysRead = regexp.MustCompile(`[^s]\.Fields\(("[^)]*)\)`)

// TestTheSchemaKnowsEveryKey reads the program: a key that register.yaml may have
// is one that editors know.
func TestTheSchemaKnowsEveryKey(t *testing.T) {
	root := filepath.Join("..", "..", "connectors", "register")
	known := string(editor.Schema("register.v1.json"))
	keys := 0
	for _, pattern := range []string{"*.go", "care/*.go", "capture/rules.go"} {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range keysRead.FindAllSubmatch(text, -1) {
				for key := range strings.SplitSeq(string(m[1]), ",") {
					keys++
					if key = strings.TrimSpace(key); key != "" && !strings.Contains(known, key+": {") {
						t.Errorf("%s reads the key %s, which register.v1.json has not", file, key)
					}
				}
			}
		}
	}
	if keys == 0 {
		t.Skip("the source of the registers is not here")
	}
}
