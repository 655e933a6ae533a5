package xmldoc

// A Kind is the kind of a node in the XPath data model.
type Kind uint8

// The kinds of nodes. Namespace nodes are not offered; see Element.Namespaces.
const (
	KindUnset Kind = iota
	KindDocument
	KindElement
	KindAttribute
	KindText
	KindComment
	KindInstruction
)

// A Node is a handle on any node of a document: what a navigator walks on. Like
// Element it is a small comparable value; the zero Node is no node. Every move takes
// constant time.
type Node struct {
	d *Document
	i int32
	a int32 // index into attrs plus one when the node is an attribute
}

// IsZero reports whether n is no node.
func (n Node) IsZero() bool { return n.d == nil }

// Kind returns the kind of the node.
func (n Node) Kind() Kind {
	if n.a != 0 {
		return KindAttribute
	}
	return n.d.nodes[n.i].kind
}

// Document returns the document the node belongs to.
func (n Node) Document() *Document { return n.d }

// Element returns the node as an element, if it is one.
func (n Node) Element() (Element, bool) {
	if n.d == nil || n.Kind() != KindElement {
		return Element{}, false
	}
	return Element{n.d, n.i}, true
}

// Name returns the expanded name of an element or attribute, the target of a
// processing instruction, and the zero Name of other nodes.
func (n Node) Name() Name {
	if n.a != 0 {
		return n.d.attr(n.a - 1).Name
	}
	m := &n.d.nodes[n.i]
	if m.kind != KindElement && m.kind != KindInstruction {
		return Name{}
	}
	_, local := n.d.qname(m)
	return Name{n.d.uris[m.uri], local}
}

// Prefix returns the prefix of an element or attribute as written.
func (n Node) Prefix() string {
	if n.a != 0 {
		return n.d.attr(n.a - 1).Prefix
	}
	if m := &n.d.nodes[n.i]; m.kind == KindElement {
		prefix, _ := n.d.qname(m)
		return prefix
	}
	return ""
}

// Value returns the string value: of an element or a document, all text below it.
func (n Node) Value() string {
	if n.a != 0 {
		a := &n.d.attrs[n.a-1]
		return n.d.value(a.flags, a.lo, a.hi)
	}
	m := &n.d.nodes[n.i]
	if m.kind != KindElement && m.kind != KindDocument {
		return n.d.value(m.flags, m.lo, m.hi)
	}
	first, count, size := "", 0, 0
	for i := n.i + 1; i < m.end; i++ {
		if t := &n.d.nodes[i]; t.kind == KindText {
			if count == 0 {
				first = n.d.value(t.flags, t.lo, t.hi)
			}
			count++
			size += int(t.hi - t.lo)
		}
	}
	if count < 2 {
		return first
	}
	all := make([]byte, 0, size)
	for i := n.i + 1; i < m.end; i++ {
		if t := &n.d.nodes[i]; t.kind == KindText {
			all = append(all, n.d.value(t.flags, t.lo, t.hi)...)
		}
	}
	return string(all)
}

// Parent returns the parent; of an attribute its element, of the document the zero Node.
func (n Node) Parent() Node {
	switch {
	case n.a != 0:
		return Node{d: n.d, i: n.i}
	case n.i == 0:
		return Node{}
	}
	return Node{d: n.d, i: n.d.nodes[n.i].parent}
}

// FirstChild returns the first child or the zero Node.
func (n Node) FirstChild() Node {
	if n.a != 0 || n.i+1 >= n.d.nodes[n.i].end {
		return Node{}
	}
	return Node{d: n.d, i: n.i + 1}
}

// NextSibling returns the sibling after n or the zero Node. Attributes have none.
func (n Node) NextSibling() Node {
	if n.a != 0 || n.i == 0 {
		return Node{}
	}
	m := &n.d.nodes[n.i]
	if m.end >= n.d.nodes[m.parent].end {
		return Node{}
	}
	return Node{d: n.d, i: m.end}
}

// PrevSibling returns the sibling before n or the zero Node. Attributes have none.
func (n Node) PrevSibling() Node {
	if n.a != 0 || n.d.nodes[n.i].prev == 0 {
		return Node{}
	}
	return Node{d: n.d, i: n.d.nodes[n.i].prev}
}

// FirstAttr returns the first attribute of an element or the zero Node.
func (n Node) FirstAttr() Node {
	m := &n.d.nodes[n.i]
	if n.a != 0 || m.kind != KindElement || m.lo == m.hi {
		return Node{}
	}
	return Node{d: n.d, i: n.i, a: int32(m.lo) + 1}
}

// NextAttr returns the attribute after the attribute n or the zero Node.
func (n Node) NextAttr() Node {
	if n.a == 0 || uint32(n.a) >= n.d.nodes[n.i].hi {
		return Node{}
	}
	return Node{d: n.d, i: n.i, a: n.a + 1}
}

// Compare orders two nodes of one document in document order: negative when n
// comes first, zero when they are the same node.
func (n Node) Compare(other Node) int {
	if n.i != other.i {
		return int(n.i - other.i)
	}
	return int(n.a - other.a)
}

// Position returns line and column where the node starts.
func (n Node) Position() (line, col int) {
	if n.a != 0 {
		return position(n.d.src, int(n.d.attrs[n.a-1].start))
	}
	return position(n.d.src, int(n.d.nodes[n.i].start))
}
