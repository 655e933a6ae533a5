package rulecheck

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
)

// mutate changes one thing of a document.
func mutate(t *testing.T, rng *rand.Rand, text []byte) (what string, mutant []byte) {
	t.Helper()
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		var all []*mutable
		root := thaw(doc.Root().Node(), nil, &all)
		m := all[rng.IntN(len(all))]
		if what = mutations[rng.IntN(len(mutations))](rng, m, all); what == "" {
			continue
		}
		var b bytes.Buffer
		root.write(&b)
		return fmt.Sprintf("%s in %s", what, m.name), b.Bytes()
	}
}

// mutations return what they did, nothing where they cannot do it there.
var mutations = []func(*rand.Rand, *mutable, []*mutable) string{
	func(_ *rand.Rand, m *mutable, _ []*mutable) string { // an element is missing
		if m.up == nil {
			return ""
		}
		m.up.kids = slices.DeleteFunc(m.up.kids, func(k *mutable) bool { return k == m })
		return "removed"
	},
	func(_ *rand.Rand, m *mutable, _ []*mutable) string { // stands twice
		if m.up == nil {
			return ""
		}
		m.up.kids = append(m.up.kids, m)
		return "twice"
	},
	func(rng *rand.Rand, m *mutable, _ []*mutable) string { // an attribute is missing
		if len(m.attrs) == 0 {
			return ""
		}
		i := rng.IntN(len(m.attrs))
		name := m.attrs[i].Name.Local
		m.attrs = slices.Delete(m.attrs, i, i+1)
		return "without @" + name
	},
	func(rng *rand.Rand, m *mutable, _ []*mutable) string { // an attribute says something else
		if len(m.attrs) == 0 {
			return ""
		}
		a := &m.attrs[rng.IntN(len(m.attrs))]
		a.Value = worse(rng, a.Value)
		return fmt.Sprintf("@%s=%q", a.Name.Local, a.Value)
	},
	func(rng *rand.Rand, m *mutable, _ []*mutable) string { // a text says something else
		if len(m.kids) != 1 || m.kids[0].name != "" {
			return ""
		}
		m.kids[0].text = worse(rng, m.kids[0].text)
		return fmt.Sprintf("text %q", m.kids[0].text)
	},
	func(rng *rand.Rand, m *mutable, all []*mutable) string { // a text of another element
		o := all[rng.IntN(len(all))]
		if len(m.kids) != 1 || m.kids[0].name != "" || len(o.kids) != 1 || o.kids[0].name != "" || o == m {
			return ""
		}
		m.kids[0].text = o.kids[0].text
		return fmt.Sprintf("text %q", m.kids[0].text)
	},
	func(rng *rand.Rand, m *mutable, _ []*mutable) string { // another type
		for i := range m.attrs {
			if a := &m.attrs[i]; a.Name == name("xsi", "type") {
				prefix, _, _ := strings.Cut(a.Value, ":")
				types := []string{"StringValueType", "DateTimeValueType", "AnyValueType", "CollectionValueType", "BooleanValueType", "InternationalStringValueType"}
				a.Value = prefix + ":" + types[rng.IntN(len(types))]
				return "type " + a.Value
			}
		}
		return ""
	},
	func(_ *rand.Rand, m *mutable, _ []*mutable) string { // a slot of another name
		for i := range m.attrs {
			if a := &m.attrs[i]; a.Name == (xmldoc.Name{Local: "name"}) {
				a.Value = "Unheard"
				return "slot renamed"
			}
		}
		return ""
	},
	func(_ *rand.Rand, m *mutable, _ []*mutable) string { // an element of another name
		if m.up == nil {
			return ""
		}
		m.name += "X"
		return "renamed"
	},
}

// worse is nearly the value, or nothing like it. It is never padded: we ignore space
// around values everywhere (oots-tdd.md g.5), the published tests here and there.
func worse(rng *rand.Rand, s string) string {
	switch rng.IntN(5) {
	case 0:
		return ""
	case 1:
		return s + "x"
	case 2:
		return strings.ToUpper(s)
	case 3:
		return strings.ToLower(s)
	}
	return "XX"
}
