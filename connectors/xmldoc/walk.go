package xmldoc

// A Visitor is shown an element and what stands below it in document order. Open
// and Attr say whether to go on.
type Visitor interface {
	Open(space, local string) bool
	Attr(space, local, value string) bool
	Text(text string)
	Close()
}

// Walk shows e to a visitor: elements, attributes and text. It is the fast way for
// those who want everything: it runs along the arena and makes nothing.
func (e Element) Walk(v Visitor) {
	d := e.d
	var room [32]int32
	open := room[:0] // ends of the elements that are open
	end := e.n().end
	for i := e.i; i < end; i++ {
		for len(open) > 0 && open[len(open)-1] == i {
			open = open[:len(open)-1]
			v.Close()
		}
		switch n := &d.nodes[i]; n.kind {
		case KindText:
			v.Text(d.value(n.flags, n.lo, n.hi))
		case KindElement:
			_, local := d.qname(n)
			if !v.Open(d.uris[n.uri], local) {
				return
			}
			for at := n.lo; at < n.hi; at++ {
				a := &d.attrs[at]
				_, local := split(d.src[a.start:a.start+uint32(a.name)], int(a.prefix))
				if !v.Attr(d.uris[a.uri], local, d.value(a.flags, a.lo, a.hi)) {
					return
				}
			}
			if n.end == i+1 {
				v.Close()
			} else {
				open = append(open, n.end)
			}
		}
	}
	for range open {
		v.Close()
	}
}

// Size says how many nodes and attributes there are of e and below it.
func (e Element) Size() (nodes, attrs int) {
	n := e.n()
	last := n.end - 1
	for e.d.nodes[last].kind != KindElement {
		last--
	}
	return int(n.end - e.i), int(e.d.nodes[last].hi - n.lo)
}
