package xmldoc

import (
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// The two namespaces that are bound without a declaration.
const (
	SpaceXML   = "http://www.w3.org/XML/1998/namespace"
	SpaceXMLNS = "http://www.w3.org/2000/xmlns/"
)

// A Name is an expanded name. A prefix is no part of it and means nothing.
type Name struct{ Space, Local string }

func (n Name) String() string {
	if n.Space == "" {
		return n.Local
	}
	return "{" + n.Space + "}" + n.Local
}

// An Attr is one attribute as read; namespace declarations are not attributes.
type Attr struct {
	Name   Name
	Prefix string
	Value  string
}

// NS binds a prefix to a namespace; the empty prefix is the default namespace.
type NS struct{ Prefix, URI string }

// A Document is one document, read whole and checked whole.
type Document struct {
	src   string // the document in UTF-8 without its byte order mark
	side  string // values that differ from their source: references, line ends, CDATA
	nodes []node // in document order; nodes[0] is the document itself
	attrs []attribute
	decls []declaration
	uris  []string // namespace names, each once; 0 none, 1 xml, 2 xmlns
	root  int32
}

const (
	uriNone  = 0
	uriXML   = 1
	uriXMLNS = 2
)

const (
	flagSide   = 1 << iota // the value is in Document.side, not in src
	flagEscape             // the value has to be escaped in canonical form
)

// A node is an entry of the arena. Children follow their parent, so the subtree
// of node i is nodes[i:nodes[i].end].
type node struct {
	kind   Kind
	flags  uint8
	prefix uint16 // bytes of the prefix with its colon, elements only
	name   uint16 // bytes of the qualified name, elements and PIs
	parent int32
	prev   int32 // previous sibling, 0 for none
	end    int32
	start  uint32 // bytes of the markup in src: [start, stop)
	stop   uint32
	lo, hi uint32 // element: range in attrs; otherwise range of the value
	uri    int32
	scope  int32 // innermost declaration in scope, -1 for none
}

type attribute struct {
	flags  uint8
	prefix uint16
	name   uint16
	start  uint32
	lo, hi uint32
	uri    int32
}

// A declaration is a link of the chain of declarations in scope.
type declaration struct {
	prefix string
	uri    int32
	outer  int32
}

func (d *Document) value(flags uint8, lo, hi uint32) string {
	if flags&flagSide != 0 {
		return d.side[lo:hi]
	}
	return d.src[lo:hi]
}

// qname returns the prefix (without colon) and the local part of an element or PI.
func (d *Document) qname(n *node) (prefix, local string) {
	at := n.start + 1
	if n.kind == KindInstruction {
		at++
	}
	return split(d.src[at:at+uint32(n.name)], int(n.prefix))
}

func split(qname string, prefix int) (string, string) {
	if prefix == 0 {
		return "", qname
	}
	return qname[:prefix-1], qname[prefix:]
}

// lookup resolves a prefix in a chain of declarations; ok is false when it is not declared.
// The empty prefix resolves to no namespace when there is no default.
func (d *Document) lookup(scope int32, prefix string) (uri int32, ok bool) {
	for at := scope; at >= 0; at = d.decls[at].outer {
		if d.decls[at].prefix == prefix {
			return d.decls[at].uri, true
		}
	}
	switch prefix {
	case "":
		return uriNone, true
	case "xml":
		return uriXML, true
	}
	return 0, false
}

// position turns an offset of src into a line and a column. It reads the document
// up to there: meant for error messages.
func position(src string, off int) (line, col int) {
	off = min(off, len(src))
	line, from := 1, 0
	for i := 0; i < off; i++ {
		if src[i] == '\n' || src[i] == '\r' && (i+1 >= len(src) || src[i+1] != '\n') {
			line, from = line+1, i+1
		}
	}
	return line, utf8.RuneCountInString(src[from:off]) + 1
}

// Root returns the root element.
func (d *Document) Root() Element { return Element{d, d.root} }

// Node returns the document node, the parent of the root element.
func (d *Document) Node() Node { return Node{d: d} }

// Source returns the document in UTF-8, as received but for the encoding.
func (d *Document) Source() string { return d.src }

// An Element is a handle on one element of a document. Handles are small values;
// two are equal (==) only when they are the very same element. The zero Element is
// no element: only IsZero and == may be asked of it.
type Element struct {
	d *Document
	i int32
}

// IsZero reports whether e is no element.
func (e Element) IsZero() bool { return e.d == nil }

func (e Element) n() *node { return &e.d.nodes[e.i] }

// Document returns the document e belongs to.
func (e Element) Document() *Document { return e.d }

// Name returns the expanded name.
func (e Element) Name() Name {
	_, local := e.d.qname(e.n())
	return Name{e.d.uris[e.n().uri], local}
}

// Is reports whether e has the name.
func (e Element) Is(name Name) bool {
	n := e.n()
	_, local := e.d.qname(n)
	return local == name.Local && e.d.uris[n.uri] == name.Space
}

// Prefix returns the prefix the element was written with.
func (e Element) Prefix() string {
	prefix, _ := e.d.qname(e.n())
	return prefix
}

// Attr returns the value of the attribute with this expanded name.
func (e Element) Attr(name Name) (string, bool) {
	n := e.n()
	for i := n.lo; i < n.hi; i++ {
		a := &e.d.attrs[i]
		if _, local := split(e.d.src[a.start:a.start+uint32(a.name)], int(a.prefix)); local == name.Local && e.d.uris[a.uri] == name.Space {
			return e.d.value(a.flags, a.lo, a.hi), true
		}
	}
	return "", false
}

// NeedAttr returns the value of an attribute that must be there.
func (e Element) NeedAttr(name Name) (string, error) {
	v, ok := e.Attr(name)
	if !ok {
		return "", e.shape(ProblemMissing, name)
	}
	return v, nil
}

// Attrs yields the attributes in document order.
func (e Element) Attrs() iter.Seq[Attr] {
	return func(yield func(Attr) bool) {
		n := e.n()
		for i := n.lo; i < n.hi; i++ {
			if !yield(e.d.attr(int32(i))) {
				return
			}
		}
	}
}

func (d *Document) attr(i int32) Attr {
	a := &d.attrs[i]
	prefix, local := split(d.src[a.start:a.start+uint32(a.name)], int(a.prefix))
	return Attr{Name{d.uris[a.uri], local}, prefix, d.value(a.flags, a.lo, a.hi)}
}

// Text returns the character data that stands directly in e, joined across comments,
// processing instructions and child elements. See TextOnly for the strict form.
func (e Element) Text() string {
	s, _ := e.text()
	return s
}

// TextOnly returns the character data of e and refuses child elements.
func (e Element) TextOnly() (string, error) {
	s, pure := e.text()
	if !pure {
		return "", e.shape(ProblemNotText, Name{})
	}
	return s, nil
}

func (e Element) text() (s string, pure bool) {
	var more []byte
	pure = true
	nodes := e.d.nodes
	for i := e.i + 1; i < nodes[e.i].end; i = nodes[i].end {
		switch n := &nodes[i]; n.kind {
		case KindText:
			v := e.d.value(n.flags, n.lo, n.hi)
			switch {
			case s == "" && more == nil:
				s = v
			case more == nil:
				more = append(append(more, s...), v...)
			default:
				more = append(more, v...)
			}
		case KindElement:
			pure = false
		}
	}
	if more != nil {
		s = string(more)
	}
	return s, pure
}

// DeepText returns the character data of e and all its descendants, the string
// value of XPath.
func (e Element) DeepText() string { return Node{d: e.d, i: e.i}.Value() }

// Children yields the child elements.
func (e Element) Children() iter.Seq[Element] {
	return func(yield func(Element) bool) {
		nodes := e.d.nodes
		for i := e.i + 1; i < nodes[e.i].end; i = nodes[i].end {
			if nodes[i].kind == KindElement && !yield(Element{e.d, i}) {
				return
			}
		}
	}
}

// First returns the first child element, or the zero Element when there is none.
func (e Element) First() Element { return e.d.element(e.i+1, e.n().end) }

// Next returns the element after e below the same parent, or the zero Element.
func (e Element) Next() Element { return e.d.element(e.n().end, e.d.nodes[e.n().parent].end) }

// element returns the first element of the siblings that stand in nodes[at:end].
func (d *Document) element(at, end int32) Element {
	for ; at < end; at = d.nodes[at].end {
		if d.nodes[at].kind == KindElement {
			return Element{d, at}
		}
	}
	return Element{}
}

// All yields the child elements with the name.
func (e Element) All(name Name) iter.Seq[Element] {
	return func(yield func(Element) bool) {
		for c := range e.Children() {
			if c.Is(name) && !yield(c) {
				return
			}
		}
	}
}

// Descendants yields e and every element below it in document order.
func (e Element) Descendants() iter.Seq[Element] {
	return func(yield func(Element) bool) {
		for i := e.i; i < e.n().end; i++ {
			if e.d.nodes[i].kind == KindElement && !yield(Element{e.d, i}) {
				return
			}
		}
	}
}

// Only returns the one child element with the name; none and two are errors.
func (e Element) Only(name Name) (Element, error) {
	c, err := e.Maybe(name)
	if err == nil && c.IsZero() {
		err = e.shape(ProblemMissing, name)
	}
	return c, err
}

// Maybe returns the child element with the name, or the zero Element when there is
// none; two are an error.
func (e Element) Maybe(name Name) (Element, error) {
	var found Element
	for c := range e.All(name) {
		if !found.IsZero() {
			return Element{}, c.shape(ProblemRepeated, name)
		}
		found = c
	}
	return found, nil
}

// OnlyText returns the text of the one child element with the name.
func (e Element) OnlyText(name Name) (string, error) {
	c, err := e.Only(name)
	if err != nil {
		return "", err
	}
	return c.TextOnly()
}

// Parent returns the parent element, or the zero Element for the root.
func (e Element) Parent() Element {
	if p := e.n().parent; p != 0 {
		return Element{e.d, p}
	}
	return Element{}
}

// Contains reports whether other is e or stands below it.
func (e Element) Contains(other Element) bool {
	return e.d != nil && e.d == other.d && e.i <= other.i && other.i < e.n().end
}

// Position returns line and column of the start tag. It reads the document up to
// the element: meant for messages.
func (e Element) Position() (line, col int) { return position(e.d.src, int(e.n().start)) }

// Raw returns the element as it stands in the source. The text depends on the
// namespaces around it; use Canonical for a form that stands alone.
func (e Element) Raw() string { return e.d.src[e.n().start:e.n().stop] }

// Offset returns where Raw begins in the document as it was read; that of another
// element taken away from it is a place in that element's Raw.
func (e Element) Offset() int { return int(e.n().start) }

// Path returns a readable path with the prefixes of the document.
func (e Element) Path() string {
	var steps []string
	for at := e; !at.IsZero(); at = at.Parent() {
		prefix, local := e.d.qname(at.n())
		step := local
		if prefix != "" {
			step = prefix + ":" + local
		}
		if p := at.Parent(); !p.IsZero() {
			nth, count := 0, 0
			for c := range p.All(at.Name()) {
				count++
				if c == at {
					nth = count
				}
			}
			if count > 1 {
				step += "[" + strconv.Itoa(nth) + "]"
			}
		}
		steps = append(steps, step)
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		b.WriteByte('/')
		b.WriteString(steps[i])
	}
	return b.String()
}

// LookupPrefix returns the namespace a prefix is bound to at e; ok is false when it
// is not declared. The empty prefix is the default namespace, which may be "".
func (e Element) LookupPrefix(prefix string) (uri string, ok bool) {
	id, ok := e.d.lookup(e.n().scope, prefix)
	return e.d.uris[id], ok
}

// ResolveQName reads a qualified name in content, such as the value of xsi:type,
// with the namespaces in scope at e.
func (e Element) ResolveQName(value string) (Name, bool) {
	prefix, local, colon := strings.Cut(strings.Trim(value, " \t\r\n"), ":")
	if !colon {
		prefix, local = "", prefix
	}
	uri, ok := e.LookupPrefix(prefix)
	return Name{uri, local}, ok && ValidNCName(local) && (!colon || prefix != "")
}

// Namespaces returns the bindings in scope at e, the innermost of each prefix,
// without the prefix xml and without an empty default.
func (e Element) Namespaces() []NS {
	var list []NS
next:
	for at := e.n().scope; at >= 0; at = e.d.decls[at].outer {
		for _, have := range list {
			if have.Prefix == e.d.decls[at].prefix {
				continue next
			}
		}
		list = append(list, NS{e.d.decls[at].prefix, e.d.uris[e.d.decls[at].uri]})
	}
	kept := list[:0]
	for _, ns := range list {
		if ns.URI != "" && ns.Prefix != "xml" {
			kept = append(kept, ns)
		}
	}
	return kept
}

// Declared yields the namespace declarations that stand on e itself, in no fixed order.
func (e Element) Declared() iter.Seq[NS] {
	return func(yield func(NS) bool) {
		d := e.d
		outer := d.nodes[e.n().parent].scope
		for at := e.n().scope; at != outer; at = d.decls[at].outer {
			if !yield(NS{d.decls[at].prefix, d.uris[d.decls[at].uri]}) {
				return
			}
		}
	}
}

// Node returns e as a node, for walking along all kinds of nodes.
func (e Element) Node() Node { return Node{d: e.d, i: e.i} }

// Fail returns a ShapeError at e, for callers who find something out of place.
func (e Element) Fail(p Problem, want Name) error { return e.shape(p, want) }

func (e Element) shape(p Problem, want Name) error {
	line, col := e.Position()
	return &ShapeError{Line: line, Col: col, Path: e.Path(), Want: want, Problem: p}
}

// Parse reads one document. The reader is read to its end or until a limit is passed.
func Parse(r io.Reader, limits Limits) (*Document, error) {
	limits = limits.withDefaults()
	var b strings.Builder
	if sized, ok := r.(interface{ Len() int }); ok {
		b.Grow(min(sized.Len(), limits.MaxBytes))
	}
	n, err := io.Copy(&b, io.LimitReader(r, int64(limits.MaxBytes)+1))
	if err != nil {
		return nil, &ParseError{Reason: ReasonRead, Msg: "reading the document", Err: err}
	}
	if n > int64(limits.MaxBytes) {
		return nil, tooLarge(limits)
	}
	return parse(b.String(), EncodingUnset, limits)
}

// ParseBytes reads one document from b, which is copied.
func ParseBytes(b []byte, limits Limits) (*Document, error) {
	limits = limits.withDefaults()
	if len(b) > limits.MaxBytes {
		return nil, tooLarge(limits)
	}
	return parse(string(b), EncodingUnset, limits)
}

// ParseAs reads one document from b, which is copied, in the encoding given, whatever
// its declaration says: for senders who are known to declare another one. A byte order
// mark that contradicts is refused. EncodingUnset leaves it to the document.
func ParseAs(b []byte, as Encoding, limits Limits) (*Document, error) {
	limits = limits.withDefaults()
	if len(b) > limits.MaxBytes {
		return nil, tooLarge(limits)
	}
	return parse(string(b), as, limits)
}

// ParseKept reads one document from b, which is kept as the document's source: the
// caller must not change it any more.
func ParseKept(b []byte, limits Limits) (*Document, error) {
	limits = limits.withDefaults()
	if len(b) > limits.MaxBytes {
		return nil, tooLarge(limits)
	}
	return parse(unsafe.String(unsafe.SliceData(b), len(b)), EncodingUnset, limits)
}

func tooLarge(l Limits) error {
	return &ParseError{Reason: ReasonTooLarge, Msg: "more than " + strconv.Itoa(l.MaxBytes) + " bytes"}
}
