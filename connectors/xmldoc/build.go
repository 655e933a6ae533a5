package xmldoc

import (
	"errors"
	"fmt"
	"strings"

	"github.com/beevik/etree"
)

// A Builder makes one document to be sent. It keeps the prefixes it is given,
// resolves every name against the declarations in scope, and escapes. The first
// mistake is kept and returned by Bytes, so calls can be chained. A Builder and its
// Tags belong to one goroutine.
type Builder struct {
	doc  *etree.Document
	root *Tag
	err  error
}

// A Tag is one element being built.
type Tag struct {
	b     *Builder
	e     *etree.Element
	up    *Tag
	bound []NS
}

// NewBuilder starts a document whose root declares the namespaces.
func NewBuilder(root Name, declare ...NS) *Builder {
	b := &Builder{doc: etree.NewDocument()}
	b.doc.WriteSettings = etree.WriteSettings{CanonicalText: true, CanonicalAttrVal: true, CanonicalEndTags: false}
	b.root = b.tag(nil, root, declare)
	b.doc.SetRoot(b.root.e)
	return b
}

// Root returns the root element.
func (b *Builder) Root() *Tag { return b.root }

// Bytes returns the document in UTF-8 without an XML declaration, as SOAP wants it.
func (b *Builder) Bytes() ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b.doc.WriteToBytes()
}

// Document returns the document with an XML declaration in front.
func (b *Builder) Document() ([]byte, error) {
	body, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	return append([]byte(`<?xml version="1.0" encoding="UTF-8"?>`+"\n"), body...), nil
}

func (b *Builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("building xml: "+format, args...)
	}
}

var errNotText = errors.New("text with a character that XML does not allow")

func (b *Builder) tag(up *Tag, name Name, declare []NS) *Tag {
	t := &Tag{b: b, up: up, e: etree.NewElement(name.Local)}
	if !ValidNCName(name.Local) {
		b.fail("%s is not a name", shown(name.Local))
	}
	for _, ns := range declare {
		t.declare(ns)
	}
	prefix, ok := t.prefix(name.Space, true)
	if !ok {
		b.fail("no prefix in scope for element %s", shown(name.Local))
	}
	t.e.Space = prefix
	return t
}

func (t *Tag) declare(ns NS) {
	for _, have := range t.bound {
		if have.Prefix == ns.Prefix {
			if have.URI != ns.URI {
				t.b.fail("prefix %s bound twice on one element", shown(ns.Prefix))
			}
			return
		}
	}
	switch {
	case ns.Prefix == "xml" || ns.Prefix == "xmlns" || ns.URI == SpaceXML || ns.URI == SpaceXMLNS,
		ns.Prefix != "" && (ns.URI == "" || !ValidNCName(ns.Prefix)), !ValidText(ns.URI):
		t.b.fail("prefix %s may not be bound so", shown(ns.Prefix))
		return
	}
	t.bound = append(t.bound, ns)
	if ns.Prefix == "" {
		t.e.CreateAttr("xmlns", ns.URI)
	} else {
		t.e.CreateAttr("xmlns:"+ns.Prefix, ns.URI)
	}
}

// lookup resolves a prefix where t stands.
func (t *Tag) lookup(prefix string) (string, bool) {
	for at := t; at != nil; at = at.up {
		for _, ns := range at.bound {
			if ns.Prefix == prefix {
				return ns.URI, true
			}
		}
	}
	return "", prefix == ""
}

// prefix finds a prefix for a namespace; the default namespace serves elements only.
func (t *Tag) prefix(uri string, element bool) (string, bool) {
	switch uri {
	case "":
		have, _ := t.lookup("")
		return "", !element || have == ""
	case SpaceXML:
		return "xml", true
	}
	for at := t; at != nil; at = at.up {
		for _, ns := range at.bound {
			if ns.URI != uri || ns.Prefix == "" && !element {
				continue
			}
			if now, _ := t.lookup(ns.Prefix); now == uri { // not shadowed on the way
				return ns.Prefix, true
			}
		}
	}
	return "", false
}

// Add appends a child element, which may declare namespaces of its own, and returns it.
func (t *Tag) Add(name Name, declare ...NS) *Tag {
	c := t.b.tag(t, name, declare)
	t.e.AddChild(c.e)
	return c
}

// Leaf appends a child element that holds text and returns it.
func (t *Tag) Leaf(name Name, text string) *Tag { return t.Add(name).Text(text) }

// Attr sets an attribute and returns t.
func (t *Tag) Attr(name Name, value string) *Tag {
	prefix, ok := t.prefix(name.Space, false)
	switch {
	case !ok:
		t.b.fail("no prefix in scope for attribute %s", shown(name.Local))
		return t
	case !ValidNCName(name.Local) || prefix == "" && name.Local == "xmlns":
		t.b.fail("%s is not a name for an attribute", shown(name.Local))
		return t
	case !ValidText(value):
		t.b.fail("attribute %s: %w", shown(name.Local), errNotText)
		return t
	}
	if prefix != "" {
		prefix += ":"
	}
	t.e.CreateAttr(prefix+name.Local, value)
	return t
}

// Text appends character data and returns t.
func (t *Tag) Text(s string) *Tag {
	if !ValidText(s) {
		t.b.fail("element %s: %w", shown(t.e.Tag), errNotText)
		return t
	}
	if s != "" {
		t.e.AddChild(etree.NewText(s))
	}
	return t
}

// QName writes a name for use in content, such as the value of xsi:type.
func (t *Tag) QName(name Name) string {
	prefix, ok := t.prefix(name.Space, true)
	if !ok {
		t.b.fail("no prefix in scope for the value %s", shown(name.Local))
	}
	if prefix == "" {
		return name.Local
	}
	return prefix + ":" + name.Local
}

// Copy appends a verbatim copy of an element of another document: the same prefixes,
// text, comments and order. Namespaces that the copy visibly uses, and those of the
// prefixes in keep ("#default" for the default) that content may refer to, are
// declared where the target does not have them so.
func (t *Tag) Copy(e Element, keep ...string) *Tag {
	t.e.AddChild(t.copied(e, keep, true).e)
	return t
}

func (t *Tag) copied(e Element, keep []string, apex bool) *Tag {
	d, n := e.d, e.n()
	prefix, local := d.qname(n)
	c := &Tag{b: t.b, up: t, e: etree.NewElement(local)}
	c.e.Space = prefix
	need := func(prefix string, uri int32) {
		have, ok := c.lookup(prefix)
		if prefix != "xml" && (!ok || have != d.uris[uri]) {
			c.declare(NS{prefix, d.uris[uri]})
		}
	}
	need(prefix, n.uri)
	for i := n.lo; i < n.hi; i++ {
		if a := &d.attrs[i]; a.prefix > 0 {
			need(d.src[a.start:a.start+uint32(a.prefix)-1], a.uri)
		}
	}
	if apex || n.scope != d.nodes[n.parent].scope {
		for _, p := range keep {
			p = strings.TrimPrefix(p, "#default")
			if uri, ok := d.lookup(n.scope, p); ok {
				need(p, uri)
			}
		}
	}
	for a := range e.Attrs() {
		name := a.Name.Local
		if a.Prefix != "" {
			name = a.Prefix + ":" + name
		}
		c.e.CreateAttr(name, a.Value)
	}
	for k := e.Node().FirstChild(); !k.IsZero(); k = k.NextSibling() {
		switch k.Kind() {
		case KindElement:
			c.e.AddChild(c.copied(Element{d, k.i}, keep, false).e)
		case KindText:
			c.e.AddChild(etree.NewText(k.Value()))
		case KindComment:
			c.e.AddChild(etree.NewComment(k.Value()))
		case KindInstruction:
			c.e.AddChild(etree.NewProcInst(k.Name().Local, k.Value()))
		}
	}
	return c
}
