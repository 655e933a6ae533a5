package mapping

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const recordRules = `rules:
  - {to: b.text, from: r/t}
  - {to: b.n, from: r/n, as: number}
  - {to: a, value: "true", as: boolean}
  - {to: "list[]", each: r/i}
  - to: "people[]"
    each: r/p
    rules:
      - {to: name, from: n}
      - {to: "born.on", from: d}
      - {to: tags, from: t, empty: keep}
  - to: "people[]"
    each: r/q
    rules: [{to: other, from: n}]
  - to: none
    from: r
    rules: [{to: x, from: absent}]
  - to: b
    rules: [{to: also, from: r/t}]
`

func TestRecordIsItsValue(t *testing.T) {
	p := compile(t, recordRules)
	reading, err := p.Read(input(t, `<r><t>x</t><n>007.50</n><i>1</i><i>2</i><p><n>Ana</n><d>1994</d></p><p/><q><n>Eva</n></q></r>`))
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	rec, _, err := reading.Record(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"a": true, "b": map[string]any{"text": "x", "n": json.Number("7.50"), "also": "x"}, "list": []any{"1", "2"},
		"people": []any{
			map[string]any{"name": "Ana", "born": map[string]any{"on": "1994"}, "tags": ""},
			map[string]any{"tags": ""},
			map[string]any{"other": "Eva"},
		},
	}
	if diff := cmp.Diff(want, rec.Value()); diff != "" {
		t.Errorf("value (-want +got):\n%s", diff)
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := rec.AppendJSON(nil); string(got) != string(text) {
		t.Errorf("got  %s\nwant %s", got, text)
	}
}

// TestRecordIsReadAsItsValue: rules over a record see what they see of its value.
func TestRecordIsReadAsItsValue(t *testing.T) {
	p := compile(t, recordRules)
	reading, err := p.Read(input(t, `<r><t>x</t><n>1</n><i>1</i><p><n>Ana</n><d>1994</d></p></r>`))
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	rec, _, err := reading.Record(nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := newMachine(p.scope), newMachine(p.scope)
	if err := a.load.loadValue(rec, true); err != nil {
		t.Fatal(err)
	}
	if err := b.load.loadValue(rec.Value(), true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.tree, a.tree, cmp.AllowUnexported(tree{}, treeNode{}, treeAttr{}), cmp.Transformer("none", func(in []string) []string { return append([]string{}, in...) })); diff != "" {
		t.Errorf("tree (-value +record):\n%s", diff)
	}
}

// FuzzString: texts are escaped as encoding/json escapes them.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "Lucía", "a<b>&\"\\", "\x00\x1f\x7f\b\f\n\r\t", "\u2028\u2029\u202a", "\xff\xc3", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendString(nil, s); !bytes.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
