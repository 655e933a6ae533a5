package mapping

// Node is an element of XML as mapping sees it. Whoever parses XML implements
// it; it is called from one goroutine, and once for each run.
type Node interface {
	// Load shows the element and everything below it to l in document order:
	// Open, then Attr for each attribute (namespace declarations excepted), then
	// Text and nested elements as they come, then Close. Comments and processing
	// instructions are left out, CDATA is text, and one text may come in pieces.
	// The texts must not change while what was made of them is in use.
	Load(l *Loader)
}

// A Name is an expanded name with the prefix that the rules write for it.
type Name struct {
	Prefix string
	Space  string
	Local  string
}

// An Attr is one attribute of an Element.
type Attr struct {
	Name  Name
	Value string
}

// An Element is XML that Build made. Text comes before Children.
type Element struct {
	Name     Name
	Attrs    []Attr
	Text     string
	Children []*Element
}

var _ Node = elementNode{}

// AsNode lets rules read XML that rules made.
func (e *Element) AsNode() Node { return elementNode{e} }

type elementNode struct{ e *Element }

func (n elementNode) Load(l *Loader) {
	if !l.Open(n.e.Name.Space, n.e.Name.Local) {
		return
	}
	for _, a := range n.e.Attrs {
		l.Attr(a.Name.Space, a.Name.Local, a.Value)
	}
	l.Text(n.e.Text)
	for _, c := range n.e.Children {
		elementNode{c}.Load(l)
	}
	l.Close()
}
