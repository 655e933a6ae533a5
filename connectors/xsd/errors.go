package xsd

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"oncegate/connectors/xmldoc"
)

// An Error is one fault of a schema document.
type Error struct {
	File      string
	Line, Col int // from 1; 0 where there is no place
	Msg       string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg)
}

// Errors are all faults of a schema, by place.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a single Error.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, one := range e {
		out[i] = one
	}
	return out
}

func (e Errors) err() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return e
}

// A Finding is one way in which a document breaks the schema. It holds names of the
// schema and of elements, never content.
type Finding struct {
	Path      string // of the element, with the prefixes of the document
	Line, Col int    // of its start tag
	Rule      string // of XML Schema, such as cvc-pattern-valid
	Message   string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s (%d:%d): %s: %s", f.Path, f.Line, f.Col, f.Rule, f.Message)
}

// place is where a component stands in a schema document.
type place struct {
	file *file
	e    xmldoc.Element
}
