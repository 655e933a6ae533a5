package register

import (
	"oncegate/connectors/mapxml"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

// node shows an xmldoc.Element to mapping.
type node struct{ e xmldoc.Element }

var _ mapping.Node = node{}

// Node shows a document to mapping.
func Node(e xmldoc.Element) mapping.Node { return node{e} }

func (n node) Load(l *mapping.Loader) {
	l.Room(n.e.Size())
	n.e.Walk(l)
}

// document writes what a mapping built, with an XML declaration.
func document(e *mapping.Element) ([]byte, error) { return mapxml.Document(e) }

func name(n mapping.Name) xmldoc.Name { return xmldoc.Name{Space: n.Space, Local: n.Local} }

func fill(t *xmldoc.Tag, e *mapping.Element) {
	for _, a := range e.Attrs {
		t.Attr(name(a.Name), a.Value)
	}
	t.Text(e.Text)
	for _, c := range e.Children {
		fill(t.Add(name(c.Name)), c)
	}
}

// declarations lists the namespaces of a tree in the order of first use, to be
// declared once on its root with the prefixes that the rules write.
func declarations(e *mapping.Element) []xmldoc.NS {
	var out []xmldoc.NS
	seen := map[xmldoc.NS]bool{}
	note := func(n mapping.Name) {
		ns := xmldoc.NS{Prefix: n.Prefix, URI: n.Space}
		if n.Space != "" && !seen[ns] {
			seen[ns] = true
			out = append(out, ns)
		}
	}
	var walk func(e *mapping.Element)
	walk = func(e *mapping.Element) {
		note(e.Name)
		for _, a := range e.Attrs {
			note(a.Name)
		}
		for _, c := range e.Children {
			walk(c)
		}
	}
	walk(e)
	return out
}

// Codec reads and compares XML for tests of mappings.
func Codec() mapping.Codec {
	return mapping.Codec{
		Parse: func(text []byte) (mapping.Node, error) {
			doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
			if err != nil {
				return nil, err
			}
			return Node(doc.Root()), nil
		},
		Same: func(have *mapping.Element, want []byte) error {
			text, err := document(have)
			if err != nil {
				return err
			}
			return sameXML("output.xml", text, want)
		},
	}
}
