package pdf

// An element is a node of the structure tree (ISO 32000-1, 14.7).
type element struct {
	kind     string // standard structure type
	scope    string // of a TH
	parent   *element
	children []*element
	marks    []mark // its content on the pages; an element has children or marks
	object   int    // its number in the file
}

// A mark is one marked content sequence.
type mark struct{ page, id int }

func (e *element) child(kind string) *element {
	c := &element{kind: kind, parent: e}
	e.children = append(e.children, c)
	return c
}

// walk visits the tree, parents first.
func (e *element) walk(f func(*element)) {
	f(e)
	for _, c := range e.children {
		c.walk(f)
	}
}
