package rulecheck

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/rules"
)

// A failing is a row of schemas/rules/testdata/fails: how to break a rule.
type failing struct {
	Rule     string   `yaml:"rule"`
	Editions []string `yaml:"editions"` // all of the rule's where there are none
	Base     string   `yaml:"base"`
	Edit     []edit   `yaml:"edit"`
	Also     []string `yaml:"also"` // rules that cannot but break with it
	line     int
}

func (f *failing) UnmarshalYAML(n *yaml.Node) error {
	type plain failing
	var p plain
	data, err := yaml.Marshal(n)
	if err == nil {
		d := yaml.NewDecoder(bytes.NewReader(data))
		d.KnownFields(true)
		err = d.Decode(&p)
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	*f = failing(p)
	f.line = n.Line
	return nil
}

const samplesDir = "../../schemas/rules/testdata"

// A corpus is the samples of one document.
type corpus struct {
	doc   rules.Document
	bases map[string]map[string][]byte // by edition and by name without the edition
	fails []failing
}

func readCorpus(t *testing.T, doc rules.Document) *corpus {
	c := &corpus{doc: doc, bases: make(map[string]map[string][]byte)}
	for _, e := range rules.Editions() {
		c.bases[e] = make(map[string][]byte)
		files, err := filepath.Glob(filepath.Join(samplesDir, "base", e+"-"+string(doc)+"*.xml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), e+"-"), ".xml")
			c.bases[e][name] = data
		}
	}
	name := filepath.Join(samplesDir, "fails", string(doc)+".yaml")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Errorf("failing samples: %v", err)
	}
	if err := yaml.Unmarshal(text, &c.fails); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return c
}

// TestRuleSamples proves for every rule of every edition that it is evaluated and held
// by a document that keeps it and is found in one that breaks it.
//
// Covers: B-055, B-057
func TestRuleSamples(t *testing.T) {
	for _, doc := range rules.Documents() {
		t.Run(string(doc), func(t *testing.T) {
			rows, err := rules.Of(doc)
			if errors.Is(err, fs.ErrNotExist) {
				t.Skip("has no rules")
			}
			if err != nil {
				t.Fatal(err)
			}
			c := readCorpus(t, doc)
			for i, f := range c.fails {
				if !slices.ContainsFunc(rows, func(r rules.Rule) bool { return r.ID == f.Rule }) {
					t.Errorf("fails/%s.yaml:%d: there is no rule %s", doc, c.fails[i].line, f.Rule)
				}
			}
			for _, edition := range rules.Editions() {
				t.Run(edition, func(t *testing.T) { c.edition(t, edition) })
			}
		})
	}
}

func (c *corpus) edition(t *testing.T, edition string) {
	set, err := Rules(c.doc, edition, nil)
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() == 0 {
		t.Skip("has no rules")
	}
	fired := make(map[string]bool)            // on any base
	broken := make(map[string]map[string]int) // by base, by rule
	for name, text := range c.bases[edition] {
		doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
		if err != nil {
			t.Errorf("base/%s-%s.xml: %v", edition, name, err)
			continue
		}
		found := set.Check(doc.Root())
		broken[name] = byRule(found)
		for id := range set.Fired(doc.Root()) {
			fired[id] = fired[id] || broken[name][id] == 0
		}
		for _, f := range found {
			if f.Severity == rules.Fatal {
				t.Errorf("base/%s-%s.xml:%d:%d: %s is broken at %s", edition, name, f.Line, f.Column, f.Rule, f.Path)
			}
		}
	}
	for _, rule := range set.prog.rules {
		t.Run(rule.ID, func(t *testing.T) {
			if !fired[rule.ID] {
				t.Errorf("%s:%d: no base of edition %s reaches it and keeps it", rule.File, rule.Line, edition)
			}
			if rule.Test == "true()" {
				return // a statement, which nothing can break
			}
			proved := false
			for _, f := range c.fails {
				if f.Rule != rule.ID || len(f.Editions) > 0 && !slices.Contains(f.Editions, edition) {
					continue
				}
				if len(f.Editions) == 0 && c.bases[edition][f.Base] == nil {
					continue // for other editions of the rule
				}
				proved = true
				c.fail(t, set, f, broken[f.Base])
			}
			if !proved {
				t.Errorf("%s:%d: fails/%s.yaml has no sample of edition %s", rule.File, rule.Line, c.doc, edition)
			}
		})
	}
}

// fail breaks a base as the row says; the rule and no other must be found.
func (c *corpus) fail(t *testing.T, set *Set, f failing, before map[string]int) {
	t.Helper()
	place := fmt.Sprintf("fails/%s.yaml:%d", c.doc, f.line)
	text, ok := c.bases[set.Edition()][f.Base]
	if !ok {
		t.Errorf("%s: there is no base/%s-%s.xml", place, set.Edition(), f.Base)
		return
	}
	for i, e := range f.Edit {
		var err error
		if text, err = e.apply(text); err != nil {
			t.Errorf("%s: edit %d: %v", place, i+1, err)
			return
		}
	}
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		t.Errorf("%s: %v", place, err)
		return
	}
	found := byRule(set.Check(doc.Root()))
	for id, n := range found {
		if n > before[id] && id != f.Rule && !slices.Contains(f.Also, id) {
			t.Errorf("%s: breaks %s as well", place, id)
		}
	}
	for _, id := range append([]string{f.Rule}, f.Also...) {
		if found[id] <= before[id] && slices.ContainsFunc(set.prog.rules, func(r compiled) bool { return r.ID == id }) {
			t.Errorf("%s: does not break %s", place, id)
		}
	}
	if t.Failed() && testing.Verbose() {
		t.Logf("%s", text)
	}
}

func byRule(list []Finding) map[string]int {
	out := make(map[string]int)
	for _, f := range list {
		out[f.Rule]++
	}
	return out
}
