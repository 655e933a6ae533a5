package mapping

// Node is an element of XML as mapping sees it. Whoever parses XML implements
// it; methods are called from one goroutine during Run only.
type Node interface {
	// Name is the expanded name of the element; space is empty for no namespace.
	Name() (space, local string)
	// Attributes calls yield for each attribute in document order, namespace
	// declarations excepted, until yield returns false.
	Attributes(yield func(space, local, value string) bool)
	// Content calls yield for each child in document order, until yield returns
	// false: an element (child is not nil) or a run of text (child is nil).
	// Comments and processing instructions are left out, CDATA is text. A child
	// need not outlive its yield: an implementation may use one for all.
	Content(yield func(child Node, text string) bool)
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

func (n elementNode) Name() (space, local string) { return n.e.Name.Space, n.e.Name.Local }

func (n elementNode) Attributes(yield func(space, local, value string) bool) {
	for _, a := range n.e.Attrs {
		if !yield(a.Name.Space, a.Name.Local, a.Value) {
			return
		}
	}
}

func (n elementNode) Content(yield func(child Node, text string) bool) {
	if n.e.Text != "" && !yield(nil, n.e.Text) {
		return
	}
	for _, c := range n.e.Children {
		if !yield(elementNode{c}, "") {
			return
		}
	}
}
