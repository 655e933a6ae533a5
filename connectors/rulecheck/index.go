package rulecheck

import (
	"oncegate/connectors/xmldoc"
)

// Names are compared as numbers: a program knows the few it speaks of, every other
// name of a document is number 0.
type names struct {
	spaces []space
	count  int32
}

type space struct {
	uri    string
	locals locals
}

const (
	nameOther int32 = 0
	nameRoot  int32 = -1 // the document node
)

// id returns the number of a name, giving it one if need be.
func (n *names) id(name xmldoc.Name) int32 {
	s := &n.spaces[n.space(name.Space)]
	if id := s.locals.find(name.Local); id != nameOther {
		return id
	}
	n.count++
	s.locals.add(name.Local, n.count)
	return n.count
}

// space returns the number of a namespace, giving it one if need be.
func (n *names) space(uri string) int32 {
	for i := range n.spaces {
		if n.spaces[i].uri == uri {
			return int32(i)
		}
	}
	n.spaces = append(n.spaces, space{uri: uri})
	return int32(len(n.spaces) - 1)
}

// locals is a table of the names of one namespace. Names are short and hashed by
// their length and three of their letters, which is all that it takes here.
type locals struct {
	slots []local // a power of two, at most half full
	used  int
}

type local struct {
	name string
	id   int32
}

func hash(s string) uint32 {
	if s == "" {
		return 0
	}
	n := len(s)
	return (uint32(s[0])*31+uint32(s[n/2]))*31 + uint32(s[n-1])*7 + uint32(n)*131
}

func (l *locals) find(name string) int32 {
	if l.used == 0 {
		return nameOther
	}
	mask := uint32(len(l.slots) - 1)
	for at := hash(name) & mask; ; at = (at + 1) & mask {
		if s := &l.slots[at]; s.id == nameOther || s.name == name {
			return s.id
		}
	}
}

func (l *locals) add(name string, id int32) {
	if l.used++; l.used*2 > len(l.slots) {
		old := l.slots
		l.slots = make([]local, max(8, len(old)*2))
		for _, s := range old {
			if s.id != nameOther {
				l.put(s)
			}
		}
	}
	l.put(local{name, id})
}

func (l *locals) put(s local) {
	mask := uint32(len(l.slots) - 1)
	at := hash(s.name) & mask
	for l.slots[at].id != nameOther {
		at = (at + 1) & mask
	}
	l.slots[at] = s
}

// A ref names a node of the index: an element by its number, an attribute by the
// complement of its own.
type ref int32

func (n ref) isAttr() bool { return n < 0 }
func (n ref) attr() int32  { return int32(^n) }

// docNode is the parent of the root element.
const docNode ref = 0

type elem struct {
	node       xmldoc.Node
	name       int32
	space      int32 // number of the namespace, -1 for one that the program does not know
	parent     int32
	end        int32 // number after the last element below
	attr, last int32 // range of its attributes
	weight     int32 // nodes of any kind below: what reading its value costs
}

type attr struct {
	node        xmldoc.Node
	name, space int32
	owner       int32
}

// An index is the part of a document that rules see: elements in document order from
// number 1, and their attributes.
type index struct {
	elems []elem
	attrs []attr
	nodes int32 // of any kind
}

// build reads the subtree of root, in whatever document it stands.
func (x *index) build(n *names, root xmldoc.Element) {
	x.elems, x.attrs, x.nodes = append(x.elems[:0], elem{name: nameRoot, space: -1}), x.attrs[:0], 0
	at, parent := root.Node(), int32(0)
	apex := at
	for {
		x.nodes++
		var below xmldoc.Node
		if at.Kind() == xmldoc.KindElement {
			i := x.element(n, at, parent)
			if below = at.FirstChild(); !below.IsZero() {
				parent = i
			} else {
				x.elems[i].end = i + 1
			}
		}
		if !below.IsZero() {
			at = below
			continue
		}
		for {
			if at == apex {
				x.elems[0].end, x.elems[0].weight = int32(len(x.elems)), x.nodes
				return
			}
			if next := at.NextSibling(); !next.IsZero() {
				at = next
				break
			}
			at = at.Parent()
			e := &x.elems[parent]
			e.end, e.weight = int32(len(x.elems)), x.nodes-e.weight
			parent = e.parent
		}
	}
}

func (x *index) element(n *names, at xmldoc.Node, parent int32) int32 {
	i := int32(len(x.elems))
	e := elem{node: at, parent: parent, attr: int32(len(x.attrs)), weight: x.nodes}
	name := at.Name()
	e.name, e.space = n.lookup(name)
	for a := at.FirstAttr(); !a.IsZero(); a = a.NextAttr() {
		id, space := n.lookup(a.Name())
		x.attrs = append(x.attrs, attr{a, id, space, i})
	}
	e.last = int32(len(x.attrs))
	x.elems = append(x.elems, e)
	return i
}

// lookup returns the numbers of a name and of its namespace.
func (n *names) lookup(name xmldoc.Name) (id, space int32) {
	for i := range n.spaces {
		if s := &n.spaces[i]; len(s.uri) == len(name.Space) && s.uri == name.Space {
			return s.locals.find(name.Local), int32(i)
		}
	}
	return nameOther, -1
}

// element returns the element of a node: of an attribute its owner.
func (x *index) owner(n ref) int32 {
	if n.isAttr() {
		return x.attrs[n.attr()].owner
	}
	return int32(n)
}

// compare orders nodes as the document does.
func (x *index) compare(a, b ref) int {
	if oa, ob := x.owner(a), x.owner(b); oa != ob {
		return int(oa - ob)
	}
	if a.isAttr() && b.isAttr() {
		return int(b - a)
	}
	return int(b) - int(a) // the element before its attributes, which are negative
}

// drop forgets the document.
func (x *index) drop() {
	clear(x.elems)
	clear(x.attrs)
}
