package mapping

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompareSaysWhatWouldChange(t *testing.T) {
	before := compile(t, `rules:
  - {to: name, from: r/name}
  - {to: born, from: "date(r/born)"}
  - {to: "n[]", each: r/n}
  - {to: gone, from: r/gone}
`)
	after := compile(t, `rules:
  - {to: name, from: "upper(r/name)"}
  - {to: born, from: "substring(r/born, 1, 4)"}
  - {to: "n[]", each: "r/n[. != '1']"}
  - {to: extra.deep, value: x}
`)
	in := input(t, `<r><name>Ana</name><born>1994-03-17</born><n>1</n><n>2</n><gone>g</gone></r>`)
	want := []Change{
		{"born", Changed, "1994-03-17", "1994"},
		{"extra.deep", Added, "", "x"},
		{"gone", Removed, "g", ""},
		{"n[1]", Changed, "1", "2"},
		{"n[2]", Removed, "2", ""},
		{"name", Changed, "Ana", "ANA"},
	}
	got, err := Compare(before, after, in, true)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	silent, err := Compare(before, after, in, false)
	if err != nil || len(silent) != len(want) {
		t.Fatalf("got %v, %v", silent, err)
	}
	for _, c := range silent {
		if c.Old != "" || c.New != "" {
			t.Errorf("a value nobody asked for at %s", c.Path)
		}
	}
	if text := fmt.Sprintf("%v %+v", got, got); strings.Contains(text, "Ana") {
		t.Errorf("a change prints its values: %s", text)
	}
	var sum Diff
	sum.Add(got)
	sum.Add(nil)
	bad, err := Compare(before, after, input(t, `<r><born>never</born></r>`), false)
	if err != nil {
		t.Fatal(err)
	}
	sum.Add(bad)
	text := `3 inputs: 1 the same, 2 different
  (the outcome): now-holds 1
  born: changed 1
  extra.deep: added 1
  gone: removed 1
  n[]: removed 1 changed 1
  name: changed 1
`
	if diff := cmp.Diff(text, sum.Summary().Text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDocumentsCompareByNameAndNumber(t *testing.T) {
	build := func(rules string) *Program {
		p, err := Compile("t.yaml", sampleFile("direction: value-to-xml\nprefixes: {b: 'urn:b'}\n"+rules))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	before := build("rules: [{to: b:r, rules: [{to: '@a', from: a}, {to: '@g', value: g}, {to: b:x, each: x}, {to: b:y, value: same}]}]")
	after := build("rules: [{to: b:r, rules: [{to: '@a', value: z}, {to: b:y, value: same}, {to: b:x, from: 'x[1]'}, {to: b:w, value: w}]}]")
	got, err := Compare(before, after, map[string]any{"a": "1", "x": []any{"1", "2"}}, true)
	want := []Change{
		{"b:r/@a", Changed, "1", "z"},
		{"b:r/@g", Removed, "g", ""},
		{"b:r/b:x[2]", Removed, "2", ""},
		{"b:r/b:w", Added, "", "w"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := Compare(before, compile(t, "rules: [{to: a, from: b}]"), nil, false); err == nil {
		t.Error("programs of two directions were compared")
	}
}

func TestChangesOfShape(t *testing.T) {
	got := Changes(map[string]any{"a": map[string]any{"b": "1"}, "n": "1"}, map[string]any{"a": []any{"1"}, "n": true}, true)
	want := []Change{{"a.b", Removed, "1", ""}, {"a[1]", Added, "", "1"}, {"n", Changed, "1", "true"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
