package rim

import (
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// Bounds on what a document may repeat and say. No rule sets them; they are those
// of the canonical schemas, so that what is read can be published.
const (
	Many    = 64   // elements without an upper bound
	MaxText = 4000 // characters of a text
	MaxName = 256
	MaxURL  = 1024
)

// A Fault says where a document is not built as its schema asks. Text names
// elements, never values: values may be a person's.
type Fault struct {
	Text   string
	Path   string // readable, with the prefixes of the document
	Line   int
	Column int
}

// Error returns text, path and line.
func (f *Fault) Error() string {
	if f.Path == "" {
		return f.Text
	}
	return fmt.Sprintf("%s at %s (line %d)", f.Text, f.Path, f.Line)
}

// A Reader walks one document and keeps its first fault. After a fault its
// methods go on returning zero values, so callers ask once, at the end. Handed the
// zero Element, a method returns the zero value and finds no fault. The zero
// Reader is ready.
type Reader struct {
	fault *Fault
}

// Err returns the first fault as a *Fault, or nil.
func (r *Reader) Err() error {
	if r.fault == nil {
		return nil
	}
	return r.fault
}

// Failed reports whether there was a fault.
func (r *Reader) Failed() bool { return r.fault != nil }

// Fail keeps a fault at e, unless there was one before.
func (r *Reader) Fail(e xmldoc.Element, text string) {
	if r.fault != nil {
		return
	}
	r.fault = &Fault{Text: text}
	if !e.IsZero() {
		r.fault.Path = e.Path()
		r.fault.Line, r.fault.Column = e.Position()
	}
}

// A Sequence takes the children of an element in their order (xs:sequence).
type Sequence struct {
	r    *Reader
	of   xmldoc.Element
	next xmldoc.Element
}

// Sequence starts at the first child of e.
func (r *Reader) Sequence(e xmldoc.Element) Sequence {
	s := Sequence{r: r, of: e}
	if !e.IsZero() && r.fault == nil {
		s.next = e.First()
	}
	return s
}

// Maybe takes the next child if it has the name.
func (s *Sequence) Maybe(name xmldoc.Name) xmldoc.Element {
	e := s.next
	if e.IsZero() || s.r.fault != nil || !e.Is(name) {
		return xmldoc.Element{}
	}
	s.next = e.Next()
	return e
}

// One takes the next child, which must have the name.
func (s *Sequence) One(name xmldoc.Name) xmldoc.Element {
	e := s.Maybe(name)
	if e.IsZero() && !s.of.IsZero() && s.r.fault == nil {
		s.r.Fail(s.of, s.of.Name().Local+" lacks "+name.Local+", or it is not at its place")
	}
	return e
}

// Many takes the children that follow and have the name: at least min, at most max.
func (s *Sequence) Many(name xmldoc.Name, min, max int) iter.Seq[xmldoc.Element] {
	return func(yield func(xmldoc.Element) bool) {
		n := 0
		for e := s.Maybe(name); !e.IsZero(); e = s.Maybe(name) {
			if n++; n > max {
				s.r.Fail(e, s.of.Name().Local+" holds too many "+name.Local)
				return
			}
			if !yield(e) {
				return
			}
		}
		if n < min && !s.of.IsZero() {
			s.r.Fail(s.of, s.of.Name().Local+" lacks "+name.Local+", or it is not at its place")
		}
	}
}

// Skip takes the children that follow and have the name.
func (s *Sequence) Skip(name xmldoc.Name) {
	for e := s.Maybe(name); !e.IsZero(); e = s.Maybe(name) {
	}
}

// Next returns the next child without taking it.
func (s *Sequence) Next() xmldoc.Element { return s.next }

// End says that no child is left.
func (s *Sequence) End() {
	if !s.next.IsZero() && s.r.fault == nil {
		s.r.Fail(s.next, s.next.Name().Local+" does not belong there in "+s.of.Name().Local+", or is not at its place")
	}
}

// Text returns the white-space normalised text of e (official samples are padded).
func (r *Reader) Text(e xmldoc.Element) string { return r.TextMax(e, MaxText) }

// TextMax is Text with a bound on its characters.
func (r *Reader) TextMax(e xmldoc.Element, most int) string {
	if e.IsZero() || r.fault != nil {
		return ""
	}
	s, err := e.TextOnly()
	if err != nil {
		r.Fail(e, e.Name().Local+" holds elements where text belongs")
		return ""
	}
	s = Collapse(s)
	r.atMost(e, s, most)
	return s
}

// Filled is TextMax of an element that must not be empty.
func (r *Reader) Filled(e xmldoc.Element, most int) string {
	s := r.TextMax(e, most)
	if s == "" && !e.IsZero() {
		r.Fail(e, e.Name().Local+" is empty")
	}
	return s
}

// Matching is the text of e, which ok must accept; what is the form it should have.
func (r *Reader) Matching(e xmldoc.Element, what string, ok func(string) bool) string {
	s := r.Text(e)
	if !e.IsZero() && r.fault == nil && !ok(s) {
		r.Fail(e, e.Name().Local+" is not "+what)
	}
	return s
}

func (r *Reader) atMost(e xmldoc.Element, s string, n int) {
	if len(s) > n && utf8.RuneCountInString(s) > n {
		r.Fail(e, e.Name().Local+" is too long")
	}
}

// Attr returns an attribute, white-space normalised; empty where it is not there.
func (r *Reader) Attr(e xmldoc.Element, name xmldoc.Name) string {
	if e.IsZero() || r.fault != nil {
		return ""
	}
	s, _ := e.Attr(name)
	s = Collapse(s)
	r.atMost(e, s, MaxText)
	return s
}

// NeedAttr is Attr for an attribute that must be there and not be empty.
func (r *Reader) NeedAttr(e xmldoc.Element, name xmldoc.Name) string {
	s := r.Attr(e, name)
	if s == "" && !e.IsZero() {
		r.Fail(e, e.Name().Local+" lacks its attribute "+name.Local)
	}
	return s
}

// UUID returns the text of e, a bare UUID.
func (r *Reader) UUID(e xmldoc.Element) string { return r.Matching(e, "a UUID", IsUUID) }

// URN returns the attribute name of e, "urn:uuid:" and a UUID.
func (r *Reader) URN(e xmldoc.Element, name string) string {
	s := r.NeedAttr(e, Plain(name))
	if r.fault == nil && !e.IsZero() && !IsURN(s) {
		r.Fail(e, name+" of "+e.Name().Local+" is not urn:uuid: and a UUID")
	}
	return s
}

// Date returns YYYY-MM-DD.
func (r *Reader) Date(e xmldoc.Element) string { return r.Matching(e, "a date", IsDate) }

// Country returns a code of two capital letters.
func (r *Reader) Country(e xmldoc.Element) string {
	return r.Matching(e, "a country code", func(s string) bool { return len(s) == 2 && capitals(s) })
}

// Language returns a code of two letters in upper case, in whatever case it stands
// (official samples have lower case).
func (r *Reader) Language(e xmldoc.Element) string {
	return strings.ToUpper(r.Matching(e, "a language code", isLanguage))
}

// Lang returns the attribute lang of a text; EN, the default of the code list,
// where it is not there.
func (r *Reader) Lang(e xmldoc.Element, name xmldoc.Name) string {
	s := r.Attr(e, name)
	switch {
	case e.IsZero() || r.fault != nil:
		return ""
	case s == "":
		return "EN"
	case !isLanguage(s):
		r.Fail(e, "lang of "+e.Name().Local+" is not a language code")
	}
	return strings.ToUpper(s)
}

// Texts reads up to Many elements with an attribute lang.
func (r *Reader) Texts(els iter.Seq[xmldoc.Element]) []canon.Text {
	var out []canon.Text
	for e := range els {
		out = append(out, canon.Text{Lang: r.Lang(e, attrLang), Text: r.Filled(e, MaxText)})
	}
	return out
}

// IsUUID reports whether s is a UUID, in either case (RFC 4122).
func IsUUID(s string) bool { return len(s) == 36 && canon.ValidUUID(strings.ToLower(s)) }

// IsURN reports whether s is "urn:uuid:" and a UUID.
func IsURN(s string) bool {
	id, ok := strings.CutPrefix(s, UUIDPrefix)
	return ok && IsUUID(id)
}

// IsDate reports whether s is a day of the calendar, YYYY-MM-DD.
func IsDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func capitals(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}

func isLanguage(s string) bool { return len(s) == 2 && capitals(strings.ToUpper(s)) }

// ParseDateTime reads an xsd:dateTime to the second at least; without a zone it is
// taken as UTC.
func ParseDateTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05.999999999", s)
	}
	return t.UTC(), err
}

// Collapse trims s and makes one space of every run of XML white space.
func Collapse(s string) string {
	clean := true
	for i := range len(s) {
		switch s[i] {
		case '\t', '\r', '\n':
			clean = false
		case ' ':
			clean = clean && i > 0 && i < len(s)-1 && s[i-1] != ' '
		}
	}
	if clean {
		return s
	}
	return strings.Join(strings.FieldsFunc(s, func(c rune) bool {
		return c == ' ' || c == '\t' || c == '\r' || c == '\n'
	}), " ")
}
