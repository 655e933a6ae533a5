package regrep

import (
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// A reader walks one document and keeps the first rule that it breaks. After a
// violation its methods go on returning zero values, so callers check once.
type reader struct {
	family    string // "R-EDM-REQ-", "R-EDM-RESP-", "R-EDM-ERR-"
	minLength string // the rule on the minimum length of texts, if the family has one
	bad       *violation
}

// err returns the first violation.
func (r *reader) err() error {
	if r.bad == nil {
		return nil
	}
	return r.bad
}

// fail records a violation at e. text names elements, never values.
func (r *reader) fail(e xmldoc.Element, rule, text string) {
	r.failAs(e, codeInvalid, rule, text)
}

func (r *reader) failAs(e xmldoc.Element, edm, rule, text string) {
	if r.bad == nil {
		r.bad = &violation{edm: edm, rule: ruleID(r.family, rule), text: text + at(e)}
	}
}

// Bounds on what a document may repeat and say. No rule sets them; they are those
// of the canonical schemas, so that what is read here can be published.
const (
	many         = 64 // of a part without an upper bound
	maxObjects   = 256
	maxDocuments = 100
	maxForms     = 32 // distributions
	maxAgents    = 9
	maxText      = 4000
	maxName      = 256
	maxLegalName = 512
	maxURL       = 1024
)

// A part is one child of an element with its multiplicity. rule is what is
// broken when there are too few or too many; empty means the XSD.
type part struct {
	name     xmldoc.Name
	min, max int
	rule     string
	loose    bool // may stand at any place; for children whose place is not settled
}

// fields are the children of an element by part.
type fields struct {
	parts []part
	els   [][]xmldoc.Element
}

func (f fields) all(local string) []xmldoc.Element {
	for i, p := range f.parts {
		if p.name.Local == local && i < len(f.els) {
			return f.els[i]
		}
	}
	return nil
}

func (f fields) one(local string) xmldoc.Element {
	if els := f.all(local); len(els) > 0 {
		return els[0]
	}
	return xmldoc.Element{}
}

// parts reads the children of e, which must come in the order of ps (xs:sequence).
// closed is the rule on children that are not listed.
func (r *reader) parts(e xmldoc.Element, closed string, ps ...part) fields {
	f := fields{parts: ps, els: make([][]xmldoc.Element, len(ps))}
	if e.IsZero() || r.bad != nil {
		return f
	}
	last := 0
	for c := range e.Children() {
		i := 0
		for i < len(ps) && !c.Is(ps[i].name) {
			i++
		}
		switch {
		case i == len(ps):
			r.fail(c, or(closed, "XSD"), e.Name().Local+" holds an element that does not belong there")
			return f
		case ps[i].loose:
		case i < last:
			r.fail(c, "XSD", c.Name().Local+" is not at its place in "+e.Name().Local)
			return f
		default:
			last = i
		}
		f.els[i] = append(f.els[i], c)
	}
	for i, p := range ps {
		switch n := len(f.els[i]); {
		case n < p.min:
			r.fail(e, or(p.rule, "XSD"), e.Name().Local+" lacks "+p.name.Local)
		case n > p.max && p.max >= many:
			r.fail(e, "limit", e.Name().Local+" holds too many "+p.name.Local)
		case n > p.max:
			r.fail(e, or(p.rule, "XSD"), e.Name().Local+" holds more than one "+p.name.Local)
		}
	}
	return f
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// text returns the white-space normalised text of e (TDD samples are padded).
// Fewer than minimum characters break the rule on minimum lengths.
func (r *reader) text(e xmldoc.Element, minimum int) string {
	if e.IsZero() || r.bad != nil {
		return ""
	}
	s, err := e.TextOnly()
	if err != nil {
		r.fail(e, "XSD", e.Name().Local+" holds elements where text belongs")
		return ""
	}
	s = collapse(s)
	r.length(e, e.Name().Local, s, minimum)
	r.atMost(e, s, maxText)
	return s
}

// atMost bounds the characters of a text.
func (r *reader) atMost(e xmldoc.Element, s string, n int) {
	if len(s) > n && utf8.RuneCountInString(s) > n {
		r.fail(e, "limit", e.Name().Local+" is too long")
	}
}

func (r *reader) length(e xmldoc.Element, name, s string, minimum int) {
	if r.minLength != "" && len(s) < utf8.UTFMax*minimum && utf8.RuneCountInString(s) < minimum {
		r.fail(e, r.minLength, name+" is too short")
	}
}

// code returns the text of e, which ok must accept.
func (r *reader) code(e xmldoc.Element, rule string, ok func(string) bool) string {
	s := r.text(e, 0)
	if !e.IsZero() && r.bad == nil && !ok(s) {
		r.fail(e, rule, e.Name().Local+" does not have an allowed value")
	}
	return s
}

// attr returns a trimmed attribute, which must be there if rule is not empty.
func (r *reader) attr(e xmldoc.Element, name xmldoc.Name, rule string) string {
	if e.IsZero() || r.bad != nil {
		return ""
	}
	s, ok := e.Attr(name)
	s = collapse(s)
	if rule != "" && (!ok || s == "") {
		r.fail(e, rule, e.Name().Local+" lacks its attribute "+name.Local)
	}
	return s
}

// texts reads elements with an attribute lang.
func (r *reader) texts(els []xmldoc.Element, present, list string) []canon.Text {
	var out []canon.Text
	for _, e := range els {
		lang := r.attr(e, plainName("lang"), present)
		if r.bad == nil && !languages[lang] {
			r.fail(e, list, e.Name().Local+" has a lang that is not in LanguageCode")
		}
		text := r.text(e, 2)
		if text == "" {
			r.fail(e, "XSD", e.Name().Local+" is empty")
		}
		out = append(out, canon.Text{Lang: lang, Text: text})
	}
	return out
}

// date reads YYYY-MM-DD.
func (r *reader) date(e xmldoc.Element, rule string) string {
	return r.code(e, rule, isDate)
}

func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// dateTime reads an xsd:dateTime to the second at least; without a zone it is
// taken as UTC.
func (r *reader) dateTime(e xmldoc.Element, rule string) time.Time {
	s := r.text(e, 0)
	if e.IsZero() || r.bad != nil {
		return time.Time{}
	}
	t, err := parseDateTime(s)
	if err != nil {
		r.fail(e, rule, "not an xsd:dateTime")
	}
	return t
}

func parseDateTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05.999999999", s)
	}
	return t.UTC(), err
}

// location reads a URL that a browser will be sent to.
func (r *reader) location(e xmldoc.Element, rule, what string) string {
	s := r.text(e, 0)
	if !e.IsZero() && r.bad == nil && !Location(s) {
		r.fail(e, rule, what+" is not an https URL without fragment")
	}
	return s
}

// Location reports whether s may be handed to a browser as preview or return
// location: an absolute https URL with a host, without user information and
// without a fragment (TDD 4.9; R-EDM-REQ-C005, C120, R-EDM-ERR-C019).
func Location(s string) bool {
	odd := func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("#\\\"<>`{}|^", c) }
	if !strings.HasPrefix(s, "https://") || len(s) > 2048 || strings.ContainsFunc(s, odd) {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil
}

// collapse trims s and makes one space of every run of XML white space.
func collapse(s string) string {
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
