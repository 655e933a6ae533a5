package xmldoc_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/xmldoc"
)

// seen writes down what it is shown, and has enough after some elements and attributes.
type seen struct {
	got  []string
	most int
}

func (s *seen) note(format string, args ...any) bool {
	s.got = append(s.got, fmt.Sprintf(format, args...))
	return len(s.got) < s.most
}

func (s *seen) Open(space, local string) bool { return s.note("<{%s}%s", space, local) }
func (s *seen) Attr(space, local, value string) bool {
	return s.note("@{%s}%s=%s", space, local, value)
}
func (s *seen) Text(text string) { s.note("%s", text) }
func (s *seen) Close()           { s.note(">") }

// along shows an element to a visitor by steps from node to node.
func along(n xmldoc.Node, v xmldoc.Visitor) {
	v.Open(n.Name().Space, n.Name().Local)
	for a := n.FirstAttr(); !a.IsZero(); a = a.NextAttr() {
		v.Attr(a.Name().Space, a.Name().Local, a.Value())
	}
	for k := n.FirstChild(); !k.IsZero(); k = k.NextSibling() {
		switch k.Kind() {
		case xmldoc.KindElement:
			along(k, v)
		case xmldoc.KindText:
			v.Text(k.Value())
		}
	}
	v.Close()
}

func TestWalkShowsWhatStandsBelow(t *testing.T) {
	doc, err := xmldoc.ParseBytes([]byte(`<?before x?><a xmlns="urn:a" xmlns:p="urn:p" p:x="1" y="&lt;2">one<!-- c --><b/>two&amp;<![CDATA[three]]>`+
		`<p:c><d>4</d><d z=""><e/></d></p:c><?pi?> </a><!-- after -->`), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for e := range doc.Root().Descendants() {
		want, got := &seen{most: 1000}, &seen{most: 1000}
		along(e.Node(), want)
		e.Walk(got)
		if diff := cmp.Diff(want.got, got.got); diff != "" {
			t.Errorf("%s (-node by node +walk):\n%s", e.Path(), diff)
		}
		nodes, attrs := 0, 0
		for i := range e.Descendants() {
			nodes++
			for range i.Attrs() {
				attrs++
			}
		}
		if n, a := e.Size(); n < nodes || a != attrs {
			t.Errorf("%s: %d nodes and %d attributes, want at least %d and %d", e.Path(), n, a, nodes, attrs)
		}
	}
	few := &seen{most: 2} // the second is an attribute
	doc.Root().Walk(few)
	if len(few.got) != 2 {
		t.Errorf("went on after it was enough: %q", few.got)
	}
}
