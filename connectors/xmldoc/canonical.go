package xmldoc

import (
	"io"
	"slices"
	"strings"
	"sync"
)

// A C14N chooses a canonical form. The zero value is exclusive C14N 1.0 without comments.
type C14N struct {
	Inclusive bool     // Canonical XML 1.0 instead of exclusive
	V11       bool     // with Inclusive, Canonical XML 1.1: an apex inherits neither xml:id nor xml:base
	Comments  bool     // keep comments
	Prefixes  []string // InclusiveNamespaces PrefixList, "#default" for the default namespace; exclusive only
	Exclude   Element  // left out with all below it, for enveloped signatures; zero for none
}

// Canonical writes the canonical octets of e and what is below it.
func (e Element) Canonical(w io.Writer, form C14N) error {
	c := newCanonicalizer(e.d, form)
	defer c.release()
	c.w = w
	c.buf = make([]byte, 0, min(flushAt, 2*len(e.Raw())+256))
	c.subtree(e.i)
	c.flush()
	return c.err
}

// AppendCanonical appends the canonical octets of e and what is below it.
func (e Element) AppendCanonical(dst []byte, form C14N) []byte {
	c := newCanonicalizer(e.d, form)
	defer c.release()
	c.buf = dst
	c.subtree(e.i)
	return c.buf
}

// Canonical writes the canonical octets of the whole document, with the processing
// instructions (and comments, if kept) around the root element.
func (d *Document) Canonical(w io.Writer, form C14N) error {
	c := newCanonicalizer(d, form)
	defer c.release()
	c.w = w
	c.buf = make([]byte, 0, min(flushAt, 2*len(d.src)+256))
	for i := int32(1); i < d.nodes[0].end; i = d.nodes[i].end {
		n := &d.nodes[i]
		if n.kind == KindComment && !form.Comments {
			continue
		}
		if i > d.root {
			c.str("\n")
		}
		c.subtree(i)
		if i < d.root {
			c.str("\n")
		}
	}
	c.flush()
	return c.err
}

const flushAt = 8 << 10

// binding is a prefix with the number of its namespace.
type binding struct {
	prefix string
	uri    int32
}

// A canonicalizer walks the arena from left to right and writes as it goes.
type canonicalizer struct {
	d        *Document
	form     C14N
	w        io.Writer // nil when appending
	buf      []byte
	err      error
	rendered []binding // what the ancestors in the output have declared, innermost last
	open     []opened
	fresh    []binding // to be declared on the present element
	order    []int32   // its attributes, sorted

	renderedStore [16]binding
	openStore     [16]opened
	freshStore    [8]binding
	orderStore    [16]int32
}

type opened struct {
	node int32
	mark int // length of rendered before the element
}

// canonicalizers are kept for the next element: a signature has several.
var canonicalizers = sync.Pool{New: func() any { return new(canonicalizer) }}

func newCanonicalizer(d *Document, form C14N) *canonicalizer {
	c := canonicalizers.Get().(*canonicalizer)
	c.d, c.form = d, form
	c.rendered, c.open, c.fresh, c.order = c.renderedStore[:0], c.openStore[:0], c.freshStore[:0], c.orderStore[:0]
	return c
}

// release gives c back, with nothing of the document.
func (c *canonicalizer) release() {
	*c = canonicalizer{}
	canonicalizers.Put(c)
}

func (c *canonicalizer) str(s string) {
	if c.w == nil || len(c.buf)+len(s) <= flushAt {
		c.buf = append(c.buf, s...)
		return
	}
	for len(s) > 0 {
		c.flush()
		n := min(len(s), flushAt)
		c.buf = append(c.buf, s[:n]...)
		s = s[n:]
	}
}

func (c *canonicalizer) flush() {
	if c.w == nil || len(c.buf) == 0 {
		return
	}
	if c.err == nil {
		_, c.err = c.w.Write(c.buf)
	}
	c.buf = c.buf[:0]
}

// escaped writes a value that may need escaping, in pieces that keep the buffer small.
func (c *canonicalizer) escaped(s string, as func([]byte, string) []byte) {
	for len(s) > 0 {
		n := len(s)
		if c.w != nil {
			n = min(n, flushAt/8)
			if len(c.buf) > flushAt/2 {
				c.flush()
			}
		}
		c.buf = as(c.buf, s[:n])
		s = s[n:]
	}
}

func (c *canonicalizer) subtree(apex int32) {
	d := c.d
	end := d.nodes[apex].end
	skip := int32(-1)
	if c.form.Exclude.d == d {
		skip = c.form.Exclude.i
	}
	for i := apex; i < end; {
		for len(c.open) > 0 && i >= d.nodes[c.open[len(c.open)-1].node].end {
			c.closeTag()
		}
		if i == skip {
			i = d.nodes[i].end
			continue
		}
		switch n := &d.nodes[i]; n.kind {
		case KindElement:
			c.startTag(i, n, i == apex)
		case KindText:
			if n.flags&flagEscape != 0 {
				c.escaped(d.value(n.flags, n.lo, n.hi), AppendText)
			} else {
				c.str(d.value(n.flags, n.lo, n.hi))
			}
		case KindComment:
			if c.form.Comments {
				c.str("<!--")
				c.str(d.value(n.flags, n.lo, n.hi))
				c.str("-->")
			}
		case KindInstruction:
			_, target := d.qname(n)
			c.str("<?")
			c.str(target)
			if n.lo < n.hi {
				c.str(" ")
				c.str(d.value(n.flags, n.lo, n.hi))
			}
			c.str("?>")
		}
		i++
	}
	for len(c.open) > 0 {
		c.closeTag()
	}
}

func (c *canonicalizer) closeTag() {
	top := c.open[len(c.open)-1]
	c.open = c.open[:len(c.open)-1]
	c.rendered = c.rendered[:top.mark]
	n := &c.d.nodes[top.node]
	c.str("</")
	c.str(c.d.src[n.start+1 : n.start+1+uint32(n.name)])
	c.str(">")
}

func (c *canonicalizer) startTag(i int32, n *node, apex bool) {
	d := c.d
	mark := len(c.rendered)
	c.fresh, c.order = c.fresh[:0], c.order[:0]
	for a := int32(n.lo); a < int32(n.hi); a++ {
		c.order = append(c.order, a)
	}
	if c.form.Inclusive {
		c.inclusive(n, apex)
	} else {
		c.exclusive(n, apex)
	}
	qname := d.src[n.start+1 : n.start+1+uint32(n.name)]
	c.str("<")
	c.str(qname)
	for j := 1; j < len(c.fresh); j++ {
		for k := j; k > 0 && c.fresh[k].prefix < c.fresh[k-1].prefix; k-- {
			c.fresh[k], c.fresh[k-1] = c.fresh[k-1], c.fresh[k]
		}
	}
	for _, b := range c.fresh {
		if b.prefix == "" {
			c.str(` xmlns="`)
		} else {
			c.str(" xmlns:")
			c.str(b.prefix)
			c.str(`="`)
		}
		c.escaped(d.uris[b.uri], AppendAttr)
		c.str(`"`)
	}
	c.rendered = append(c.rendered, c.fresh...)
	c.sortAttributes()
	for _, at := range c.order {
		a := &d.attrs[at]
		c.str(" ")
		c.str(d.src[a.start : a.start+uint32(a.name)])
		c.str(`="`)
		if a.flags&flagEscape != 0 {
			c.escaped(d.value(a.flags, a.lo, a.hi), AppendAttr)
		} else {
			c.str(d.value(a.flags, a.lo, a.hi))
		}
		c.str(`"`)
	}
	c.str(">")
	c.open = append(c.open, opened{i, mark})
}

// exclusive collects the namespaces the element visibly uses, and those of the
// PrefixList, that the output does not have yet (exc-c14n 3).
func (c *canonicalizer) exclusive(n *node, apex bool) {
	d := c.d
	prefix, _ := d.qname(n)
	c.need(prefix, n.uri)
	for i := n.lo; i < n.hi; i++ {
		if a := &d.attrs[i]; a.prefix > 0 {
			c.need(d.src[a.start:a.start+uint32(a.prefix)-1], a.uri)
		}
	}
	if len(c.form.Prefixes) == 0 || !apex && n.scope == d.nodes[n.parent].scope {
		return
	}
	for _, p := range c.form.Prefixes {
		if p == "#default" {
			p = ""
		}
		if uri, ok := d.lookup(n.scope, p); ok {
			c.need(p, uri)
		}
	}
}

// inclusive collects the namespaces in scope that the output does not have yet; the
// apex also inherits the xml: attributes of its ancestors (c14n 2.4). Canonical XML 1.1
// inherits no xml:id, and joins the values of xml:base, which is not done here: who
// verifies refuses an apex below one.
func (c *canonicalizer) inclusive(n *node, apex bool) {
	d := c.d
	if !apex {
		for at := n.scope; at != d.nodes[n.parent].scope; at = d.decls[at].outer {
			c.need(d.decls[at].prefix, d.decls[at].uri)
		}
		return
	}
	for at := n.scope; at >= 0; at = d.decls[at].outer {
		if uri, _ := d.lookup(n.scope, d.decls[at].prefix); uri == d.decls[at].uri {
			c.need(d.decls[at].prefix, uri)
		}
	}
	for up := n.parent; up != 0; up = d.nodes[up].parent {
	next:
		for a := int32(d.nodes[up].lo); a < int32(d.nodes[up].hi); a++ {
			if d.attrs[a].uri != uriXML {
				continue
			}
			if local := d.attrLocal(a); c.form.V11 && (local == "id" || local == "base") {
				continue
			}
			for _, have := range c.order {
				if d.attrs[have].uri == uriXML && d.attrLocal(have) == d.attrLocal(a) {
					continue next
				}
			}
			c.order = append(c.order, a)
		}
	}
}

// need notes a binding to be declared unless the output has it or it goes without saying.
func (c *canonicalizer) need(prefix string, uri int32) {
	if prefix == "xml" {
		return
	}
	for _, b := range c.fresh {
		if b.prefix == prefix {
			return
		}
	}
	for i := len(c.rendered) - 1; i >= 0; i-- {
		if c.rendered[i].prefix == prefix {
			if c.rendered[i].uri != uri {
				c.fresh = append(c.fresh, binding{prefix, uri})
			}
			return
		}
	}
	if prefix != "" || uri != uriNone {
		c.fresh = append(c.fresh, binding{prefix, uri})
	}
}

// sortAttributes orders by namespace name, then by local name. Few are the rule, for
// which insertion is the fastest.
func (c *canonicalizer) sortAttributes() {
	const few = 16
	if len(c.order) > few {
		slices.SortFunc(c.order, c.compareAttrs)
		return
	}
	for j := 1; j < len(c.order); j++ {
		for k := j; k > 0 && c.compareAttrs(c.order[k], c.order[k-1]) < 0; k-- {
			c.order[k], c.order[k-1] = c.order[k-1], c.order[k]
		}
	}
}

func (c *canonicalizer) compareAttrs(a, b int32) int {
	ua, ub := c.d.attrs[a].uri, c.d.attrs[b].uri
	if ua != ub {
		return strings.Compare(c.d.uris[ua], c.d.uris[ub])
	}
	return strings.Compare(c.d.attrLocal(a), c.d.attrLocal(b))
}

func (d *Document) attrLocal(i int32) string {
	a := &d.attrs[i]
	return d.src[a.start+uint32(a.prefix) : a.start+uint32(a.name)]
}
