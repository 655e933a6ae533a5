package domibus

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/xmldoc"
)

// limits bound a file: that of a network has some thousand parties.
var limits = xmldoc.Limits{MaxBytes: 32 << 20, MaxDepth: 16, MaxNodes: 1 << 20, MaxAttributes: 32, MaxNamespaces: 32}

// A Configuration is a file that was read.
type Configuration struct {
	File   string
	Issues []*pmode.Fault // in the order of the file; warnings among them
	root   *node
}

// Refused returns the issues for which the file is refused, as one error.
func (c *Configuration) Refused() error {
	var es []error
	for _, i := range c.Issues {
		if !i.Warning {
			es = append(es, i)
		}
	}
	return errors.Join(es...)
}

// Read reads a file and checks it, first against the structure that Domibus
// demands, then for what hangs together. It fetches nothing: a document type is
// refused, and with it every entity (i.3). The configuration always has the issues
// that were found.
func Read(file string, data []byte) *Configuration {
	r := &reader{c: &Configuration{File: file}}
	doc, err := xmldoc.ParseBytes(data, limits)
	if err != nil {
		at := &node{Line: 1, Col: 1}
		if p, ok := errors.AsType[*xmldoc.ParseError](err); ok {
			at.Line, at.Col = max(p.Line, 1), max(p.Col, 1)
			err = fmt.Errorf("%s: %s", p.Reason, p.Msg)
		}
		r.fault(at, "", "not acceptable XML: %v", err)
		return r.c
	}
	if root := doc.Root(); !root.Is(xmldoc.Name{Space: Namespace, Local: "configuration"}) {
		line, col := root.Position()
		r.fault(&node{Line: line, Col: col}, "a file as `pmode download` or the console of Domibus gives it", "root is not configuration of %s", Namespace)
		return r.c
	}
	r.c.root = r.read(doc.Root(), schema())
	if r.c.Refused() == nil { // a structure that does not hold has too many consequences
		r.hangTogether()
	}
	slices.SortStableFunc(r.c.Issues, func(a, b *pmode.Fault) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col)) })
	return r.c
}

type reader struct{ c *Configuration }

func (r *reader) fault(n *node, remedy, format string, args ...any) {
	r.say(n, false, remedy, format, args...)
}

func (r *reader) warn(n *node, remedy, format string, args ...any) {
	r.say(n, true, remedy, format, args...)
}

func (r *reader) say(n *node, warning bool, remedy, format string, args ...any) {
	r.c.Issues = append(r.c.Issues, &pmode.Fault{File: r.c.File, Line: n.Line, Col: n.Col, Text: fmt.Sprintf(format, args...), Remedy: remedy, Warning: warning})
}
