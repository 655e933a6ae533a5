// Package mapxml writes XML that rules built. It owns nothing but the step from
// mapping.Element to bytes, which must be as strict as xmldoc's builder and
// faster: records have thousands of elements.
//
// Before it: mapping. After it: connectors/register, which sends and stores the
// bytes, and connectors/evidence.
package mapxml

import (
	"errors"
	"fmt"

	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

// Document writes what a mapping built, with an XML declaration. Namespaces are
// declared once, on the root, with the prefixes that the rules write.
func Document(e *mapping.Element) ([]byte, error) {
	w := writer{}
	size := w.declare(e)
	w.out = make([]byte, 0, size+100)
	w.out = append(w.out, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"...)
	w.element(e, true)
	if w.err != nil {
		return nil, fmt.Errorf("writing xml: %w", w.err)
	}
	return w.out, nil
}

// writer writes without a tree between: records have thousands of elements.
type writer struct {
	out   []byte
	bound []xmldoc.NS // in the order of first use
	names [64]string  // some that were checked: records repeat few names
	err   error
}

// declare gathers the namespaces of a tree and says how many bytes it needs, nearly.
func (w *writer) declare(e *mapping.Element) int {
	size := 2*(len(e.Name.Prefix)+len(e.Name.Local)) + len(e.Text) + len("<:></:>")
	w.bind(e.Name, true)
	for i := range e.Attrs {
		a := &e.Attrs[i]
		w.bind(a.Name, false)
		size += len(a.Name.Prefix) + len(a.Name.Local) + len(a.Value) + len(` :=""`)
	}
	for _, c := range e.Children {
		size += w.declare(c)
	}
	return size
}

func (w *writer) bind(n mapping.Name, element bool) {
	if n.Prefix == "" && !element || n.Prefix == "xml" && n.Space == xmldoc.SpaceXML {
		if n.Prefix == "" && n.Space != "" {
			w.fail("an attribute has a namespace and no prefix")
		}
		return
	}
	for i := range w.bound {
		if w.bound[i].Prefix != n.Prefix {
			continue
		}
		if w.bound[i].URI != n.Space {
			w.fail("a prefix stands for two namespaces")
		}
		return
	}
	switch {
	case n.Prefix != "" && (n.Space == "" || !xmldoc.ValidNCName(n.Prefix)),
		n.Prefix == "xml" || n.Prefix == "xmlns" || n.Space == xmldoc.SpaceXML || n.Space == xmldoc.SpaceXMLNS, !xmldoc.ValidText(n.Space):
		w.fail("a prefix is bound in a way that XML does not allow")
	}
	w.bound = append(w.bound, xmldoc.NS{Prefix: n.Prefix, URI: n.Space})
}

func (w *writer) fail(msg string) {
	if w.err == nil {
		w.err = errors.New(msg)
	}
}

func (w *writer) element(e *mapping.Element, root bool) {
	w.out = append(w.out, '<')
	w.name(e.Name)
	if root {
		for _, ns := range w.bound {
			if ns.URI == "" {
				continue // no default namespace
			}
			w.out = append(w.out, " xmlns"...)
			if ns.Prefix != "" {
				w.out = append(append(w.out, ':'), ns.Prefix...)
			}
			w.out = append(xmldoc.AppendAttr(append(w.out, `="`...), ns.URI), '"')
		}
	}
	for i := range e.Attrs {
		a := &e.Attrs[i]
		w.out = append(w.out, ' ')
		w.name(a.Name)
		if !xmldoc.ValidText(a.Value) || a.Name.Prefix == "" && a.Name.Local == "xmlns" {
			w.fail("an attribute that XML does not allow")
		}
		w.out = append(xmldoc.AppendAttr(append(w.out, `="`...), a.Value), '"')
	}
	if e.Text == "" && len(e.Children) == 0 {
		w.out = append(w.out, "/>"...)
		return
	}
	if !xmldoc.ValidText(e.Text) {
		w.fail("text with a character that XML does not allow")
	}
	w.out = xmldoc.AppendText(append(w.out, '>'), e.Text)
	for _, c := range e.Children {
		w.element(c, false)
	}
	w.out = append(w.out, "</"...)
	w.name(e.Name)
	w.out = append(w.out, '>')
}

func (w *writer) name(n mapping.Name) {
	if n.Prefix != "" {
		w.out = append(append(w.out, n.Prefix...), ':')
	}
	if n.Local == "" {
		w.fail("a name is missing")
		return
	}
	known := &w.names[(len(n.Local)+7*int(n.Local[0])+31*int(n.Local[len(n.Local)-1]))%len(w.names)]
	if *known != n.Local {
		if *known = n.Local; !xmldoc.ValidNCName(n.Local) {
			w.fail("a name that XML does not allow")
		}
	}
	w.out = append(w.out, n.Local...)
}
