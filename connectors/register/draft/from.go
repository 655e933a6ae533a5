package draft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"oncegate/connectors/register/jsonxml"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/records"
)

// A reply is the outline of a document: which elements and attributes it has, not what
// stands in them.
type reply struct {
	hits     string // path of the whole
	fields   []*found
	prefixes []prefix
}

type prefix struct{ name, space string }

// found is one name among the children of an element.
type found struct {
	name   xmldoc.Name
	attr   bool
	many   bool // there is an element that holds several
	text   bool // an element without elements
	fields []*found
	to     string // field of the drafted record
}

// Bounds of what rules are drafted from.
const (
	maxFound = 1000
	maxDepth = 12
)

var errLarge = errors.New("the reply has too many different elements, or too deep ones, to draft rules from: give a smaller one")

const instanceSpace = "http://www.w3.org/2001/XMLSchema-instance"

// readReply makes the outline of a reply.
func readReply(text []byte, f form) (*reply, error) {
	if f == formJSON {
		var err error
		if text, err = jsonxml.Document("json", text); err != nil {
			return nil, fmt.Errorf("reading the reply: %w", err)
		}
	}
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading the reply: %w", err)
	}
	root := doc.Root()
	if n := root.Name(); n.Local == "Envelope" && strings.Contains(n.Space, "soap") {
		if root, err = bodyOf(root); err != nil {
			return nil, err
		}
	}
	r := &reply{}
	all := 0
	if r.fields, err = r.outline([]xmldoc.Element{root}, 0, &all); err != nil {
		return nil, err
	}
	r.hits = "/" + r.prefix(root.Name())
	if f == formRows {
		if root.Name().Local != "rows" || len(r.fields) != 1 || r.fields[0].name.Local != "row" {
			return nil, errors.New("reading the reply: want <rows> with <row> in it, and in that the columns")
		}
		r.hits, r.fields = "/rows/row", r.fields[0].fields
	}
	return r, nil
}

func bodyOf(envelope xmldoc.Element) (xmldoc.Element, error) {
	for child := range envelope.Children() {
		if child.Name().Local != "Body" {
			continue
		}
		for one := range child.Children() {
			return one, nil
		}
	}
	return envelope, errors.New("reading the reply: the Body is empty")
}

// outline joins what elements of one name hold.
func (r *reply) outline(es []xmldoc.Element, depth int, all *int) ([]*found, error) {
	if depth > maxDepth {
		return nil, errLarge
	}
	var out []*found
	inner := map[xmldoc.Name][]xmldoc.Element{}
	find := func(name xmldoc.Name, attr bool) (*found, error) {
		i := slices.IndexFunc(out, func(f *found) bool { return f.name == name && f.attr == attr })
		if i >= 0 {
			return out[i], nil
		}
		if *all++; *all > maxFound {
			return nil, errLarge
		}
		r.prefix(name)
		out = append(out, &found{name: name, attr: attr})
		return out[len(out)-1], nil
	}
	for _, e := range es {
		for a := range e.Attrs() {
			if a.Name.Space == instanceSpace {
				continue
			}
			if _, err := find(a.Name, true); err != nil {
				return nil, err
			}
		}
		count := map[xmldoc.Name]int{}
		for child := range e.Children() {
			f, err := find(child.Name(), false)
			if err != nil {
				return nil, err
			}
			count[child.Name()]++
			f.many = f.many || count[child.Name()] > 1
			inner[child.Name()] = append(inner[child.Name()], child)
		}
	}
	for _, f := range out {
		if f.attr {
			continue
		}
		var err error
		if f.fields, err = r.outline(inner[f.name], depth+1, all); err != nil {
			return nil, err
		}
		f.text = !slices.ContainsFunc(f.fields, func(g *found) bool { return !g.attr })
	}
	return out, nil
}

// prefix is how rules write a name; it declares the prefix.
func (r *reply) prefix(n xmldoc.Name) string {
	if n.Space == "" {
		return n.Local
	}
	for _, p := range r.prefixes {
		if p.space == n.Space {
			return p.name + ":" + n.Local
		}
	}
	p := prefix{fmt.Sprintf("n%d", len(r.prefixes)+1), n.Space}
	if n.Space == "http://www.w3.org/XML/1998/namespace" {
		return "xml:" + n.Local
	}
	r.prefixes = append(r.prefixes, p)
	return p.name + ":" + n.Local
}

// naming writes the drafted rules.
type naming struct {
	form   form
	record string
	prefix func(xmldoc.Name) string
}

// fieldName makes the name of a field of a name of the reply.
func fieldName(local string, taken map[string]bool) string {
	var b strings.Builder
	up := false
	for _, c := range local {
		switch {
		case c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c):
			up = b.Len() > 0
		case b.Len() == 0 && unicode.IsDigit(c):
		case up:
			b.WriteRune(unicode.ToUpper(c))
			up = false
		default:
			b.WriteRune(c)
		}
	}
	name := b.String()
	if name == "" {
		name = "field"
	}
	if name == strings.ToUpper(name) {
		name = strings.ToLower(name)
	}
	name = strings.ToLower(name[:1]) + name[1:]
	for base, n := name, 2; taken[name]; n++ {
		name = fmt.Sprintf("%s%d", base, n)
	}
	taken[name] = true
	return name
}

// rules writes one rule for each name, and gives the fields their names.
func (n *naming) rules(fields []*found, indent string) string {
	return n.within(fields, indent, map[string]bool{"kind": true})
}

func (n *naming) within(fields []*found, indent string, taken map[string]bool) string {
	var b strings.Builder
	for _, f := range fields {
		f.to = fieldName(f.name.Local, taken)
		from := n.prefix(f.name)
		switch {
		case f.attr:
			fmt.Fprintf(&b, "%s- {to: %s, from: \"@%s\"}%s\n", indent, f.to, from, n.proposal(f))
		case f.text && f.many && len(f.fields) == 0:
			fmt.Fprintf(&b, "%s- {to: \"%s[]\", each: %s, from: .}%s\n", indent, f.to, from, n.proposal(f))
		case f.text && !f.many:
			fmt.Fprintf(&b, "%s- {to: %s, from: %s}%s\n", indent, f.to, from, n.proposal(f))
			for _, a := range f.fields {
				a.to = fieldName(f.name.Local+"-"+a.name.Local, taken)
				fmt.Fprintf(&b, "%s- {to: %s, from: %s/@%s}%s\n", indent, a.to, from, n.prefix(a.name), n.proposal(a))
			}
		default:
			to, take := f.to, "from: "
			if f.many {
				to, take = fmt.Sprintf("%q", f.to+"[]"), "each: "
			}
			fmt.Fprintf(&b, "%s- to: %s\n%s  %s%s\n%s  rules:\n", indent, to, indent, take, from, indent)
			inner := map[string]bool{}
			if f.text {
				inner["text"] = true
				fmt.Fprintf(&b, "%s    - {to: text, from: .}\n", indent)
			}
			b.WriteString(n.within(f.fields, indent+"    ", inner))
		}
	}
	return b.String()
}

// evidence writes a document of the record, in the same order.
func (n *naming) evidence(fields []*found, indent string) string {
	var b strings.Builder
	for _, f := range fields {
		name := "e:" + strings.ToUpper(f.to[:1]) + f.to[1:]
		switch {
		case f.attr:
			fmt.Fprintf(&b, "%s- {to: %s, from: %s}\n", indent, name, f.to)
		case f.text && f.many && len(f.fields) == 0:
			fmt.Fprintf(&b, "%s- {to: %s, each: %s, from: .}\n", indent, name, f.to)
		case f.text && !f.many:
			fmt.Fprintf(&b, "%s- {to: %s, from: %s}\n", indent, name, f.to)
			b.WriteString(n.evidence(f.fields, indent))
		default:
			take := "from: "
			if f.many {
				take = "each: "
			}
			fmt.Fprintf(&b, "%s- to: %s\n%s  %s%s\n%s  rules:\n", indent, name, indent, take, f.to, indent)
			if f.text {
				fmt.Fprintf(&b, "%s    - {to: e:Text, from: text}\n", indent)
			}
			b.WriteString(n.evidence(f.fields, indent+"    "))
		}
	}
	return b.String()
}

// alike is the field that a name of a register means, where that has another name:
// letters only and in lower case.
func alike(name string) string {
	switch name {
	case "surname", "lastname", "family":
		return "familyname"
	case "firstname", "firstnames", "forename", "given":
		return "givenname"
	case "dateofbirth", "born":
		return "birthdate"
	case "gender":
		return "sex"
	case "city", "municipality":
		return "town"
	case "zip", "postalcode":
		return "postcode"
	case "streetname":
		return "street"
	case "issued", "issuedate":
		return "issuedon"
	}
	return name
}

// proposal is a comment that names fields of the canonical record that look alike.
func (n *naming) proposal(f *found) string {
	letters := func(s string) string {
		return strings.Map(func(c rune) rune {
			if unicode.IsLetter(c) {
				return unicode.ToLower(c)
			}
			return -1
		}, s)
	}
	name := alike(letters(f.name.Local))
	var out []string
	for _, field := range records.Fields(n.record) {
		last := field.Path[strings.LastIndexByte(field.Path, '.')+1:]
		if field.Shape != records.Object && letters(last) == name {
			out = append(out, field.Path)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return len(a) - len(b) })
	if len(out) == 0 {
		return ""
	}
	return "   # " + strings.Join(out[:min(len(out), 3)], "? ") + "?"
}
