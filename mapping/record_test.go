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

// TestNothingStaysOfAnInput: the memory that the next run gets holds no text of
// this one, also where the run ended in a fault.
func TestNothingStaysOfAnInput(t *testing.T) {
	p := compile(t, `rules:
  - {to: "x[]", each: "r/a[. != 'none']"}
  - {to: y, from: "concat(r/a[1], '-', r/a[2])"}
  - {to: z, from: r/b, as: integer}
`)
	for _, doc := range []string{
		`<r k="Lucía"><a>Lucía Vzorčnik</a><a>Ana</a> some text <b>1</b></r>`,
		`<r k="Lucía"><a>Lucía Vzorčnik</a><a>Ana</a><b>not a number</b></r>`,
	} {
		for _, run := range []func(Node) (any, Report, error){p.Run, p.Trace} {
			_, _, _ = run(input(t, doc)) // its outcome is not the matter here
			m := p.scope.take(false)
			if len(m.slots) > 0 || len(m.tree.nodes) > 0 || m.root != nil || m.load.pending != "" || m.load.met != [metNames]metName{} {
				t.Errorf("%s: the memory was not emptied", doc)
			}
			for _, s := range m.slots[:cap(m.slots)] {
				if s.text != "" {
					t.Errorf("a slot holds %q", s.text)
				}
			}
			for _, n := range m.tree.nodes[:cap(m.tree.nodes)] {
				if n.text != "" {
					t.Errorf("a node holds %q", n.text)
				}
			}
			for _, a := range m.tree.attrs[:cap(m.tree.attrs)] {
				if a.value != "" {
					t.Errorf("an attribute holds %q", a.value)
				}
			}
			if b := bytes.Trim(m.texts.scratch[:cap(m.texts.scratch)], "\x00"); len(b) > 0 || m.texts.block.Len() > 0 {
				t.Errorf("texts hold %q", b)
			}
			p.scope.give(m)
		}
	}
}

// oddly shows what no Node should.
type oddly struct{}

func (oddly) Load(l *Loader) {
	l.Close()
	l.Text("before")
	l.Attr("", "a", "before")
	l.Open("", "r")
	l.Attr("", "a", "1")
	l.Close()
	l.Close()
	l.Text("after")
	l.Attr("", "a", "2")
	l.Open("", "r")
	l.Open("", "s")
}

func TestNodesThatDoNotKeepTheOrderDoNoHarm(t *testing.T) {
	p := compile(t, "rules: [{to: n, from: count(//@a)}, {to: m, from: count(r)}]")
	v, _, err := p.Run(oddly{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"n": "1", "m": "2"}, v); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
