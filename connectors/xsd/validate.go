package xsd

import (
	"fmt"
	"strings"

	"oncegate/connectors/xmldoc"
)

// maxFindings bounds what one validation reports.
const maxFindings = 20

// Validate says how a document breaks the schema; nil when it keeps it. Root is the
// element to begin with, which must have a global declaration. What the document says
// about places of schemas is not looked at.
func (s *Schema) Validate(root xmldoc.Element) []Finding {
	v := &run{schema: s, left: maxCounting}
	if s.identity {
		v.tables = map[*constraint][]table{}
		v.keys, v.nil, v.skipped = map[xmldoc.Element]valueKey{}, map[xmldoc.Element]bool{}, map[xmldoc.Element]bool{}
		v.types = map[xmldoc.Element]*typeDef{}
	}
	if decl := s.elements[root.Name()]; decl != nil {
		v.element(root, decl)
	} else if t, ok := v.named(root, nil); ok && t != nil {
		v.content(root, nil, t)
	} else if ok {
		v.find(root, "cvc-elt.1", "the schema declares no such element")
	}
	for _, r := range v.refs {
		if !v.ids[r.id] {
			v.find(r.at, "cvc-id.1", "an xs:IDREF refers to no xs:ID of the document")
		}
	}
	return v.findings
}

// Declares says whether the schema has a global declaration of an element.
func (s *Schema) Declares(name Name) bool { return s.elements[name] != nil }

// run is one validation.
type run struct {
	schema   *Schema
	findings []Finding
	ids      map[string]bool
	refs     []idref
	left     int // see maxCounting

	// Kept for identity constraints only.
	tables  map[*constraint][]table
	keys    map[xmldoc.Element]valueKey // of the values of elements of simple content
	nil     map[xmldoc.Element]bool
	skipped map[xmldoc.Element]bool // assessed by no declaration
	types   map[xmldoc.Element]*typeDef
}

type idref struct {
	id string
	at xmldoc.Element
}

func (v *run) find(e xmldoc.Element, rule, format string, args ...any) {
	if len(v.findings) >= maxFindings {
		return
	}
	line, col := e.Position()
	v.findings = append(v.findings, Finding{Path: shortened(e.Path()), Line: line, Col: col, Rule: rule, Message: fmt.Sprintf(format, args...)})
}

// shortened keeps a path from flooding a log: names are the document's.
func shortened(path string) string {
	const most = 400
	if len(path) <= most {
		return path
	}
	return "..." + strings.ToValidUTF8(path[len(path)-most:], "")
}

// full says that nothing more will be reported.
func (v *run) full() bool { return len(v.findings) >= maxFindings }

// element validates against a declaration (3.3.4).
func (v *run) element(e xmldoc.Element, d *element) {
	if v.full() {
		return
	}
	if d.abstract {
		v.find(e, "cvc-elt.2", "the element is abstract: one of its substitution group stands in its place")
		return
	}
	t := d.typ
	if own, ok := v.named(e, d); !ok {
		return
	} else if own != nil {
		if !derivedFrom(own, t, d.block|t.block) {
			v.find(e, "cvc-elt.4.3", "the type that xsi:type names does not derive from that of the element, or may not stand here")
			return
		}
		t = own
	}
	if isNil, ok := e.Attr(Name{Space: spaceXSI, Local: "nil"}); ok {
		switch isNil = collapseXML(isNil); {
		case !d.nillable:
			v.find(e, "cvc-elt.3.1", "the element may not have xsi:nil")
			return
		case isNil == "true" || isNil == "1":
			v.null(e, d, t)
			return
		case isNil != "false" && isNil != "0":
			v.find(e, "cvc-datatype-valid.1.2.1", "xsi:nil is no xs:boolean")
			return
		}
	}
	v.content(e, d, t)
}

// named resolves xsi:type; nil where there is none.
func (v *run) named(e xmldoc.Element, d *element) (*typeDef, bool) {
	text, ok := e.Attr(Name{Space: spaceXSI, Local: "type"})
	if !ok {
		return nil, true
	}
	name, ok := e.ResolveQName(text)
	if !ok {
		v.find(e, "cvc-elt.4.1", "xsi:type is no qualified name, or its prefix is not declared")
		return nil, false
	}
	t := v.schema.types[name]
	if t == nil {
		v.find(e, "cvc-elt.4.2", "xsi:type names a type that the schema does not have")
		return nil, false
	}
	return t, true
}

// null validates an element with xsi:nil (3.3.4, 3.2).
func (v *run) null(e xmldoc.Element, d *element, t *typeDef) {
	if n := e.Node().FirstChild(); !n.IsZero() {
		for ; !n.IsZero(); n = n.NextSibling() {
			if n.Kind() == xmldoc.KindElement || n.Kind() == xmldoc.KindText {
				v.find(e, "cvc-elt.3.2.1", "an element with xsi:nil is empty")
				break
			}
		}
	}
	if d.value != nil && d.value.fixed {
		v.find(e, "cvc-elt.3.2.2", "an element with a fixed value may not have xsi:nil")
	}
	if v.nil != nil {
		v.nil[e] = true
		v.types[e] = t
	}
	v.attributes(e, t)
	if len(d.constraints) > 0 {
		v.constraints(e, d.constraints)
	}
}

// content validates attributes and content against a type (3.4.4).
func (v *run) content(e xmldoc.Element, d *element, t *typeDef) {
	if t.abstract {
		v.find(e, "cvc-type.2", "the type is abstract: xsi:type names one in its place")
		return
	}
	if v.types != nil {
		v.types[e] = t
	}
	v.attributes(e, t)
	switch c := t.complex; {
	case t.simple != nil:
		v.text(e, d, t)
	case c.content == nil && !c.mixed:
		for n := e.Node().FirstChild(); !n.IsZero(); n = n.NextSibling() {
			if n.Kind() == xmldoc.KindElement || n.Kind() == xmldoc.KindText {
				v.find(e, "cvc-complex-type.2.1", "the element must be empty")
				break
			}
		}
	default:
		v.children(e, d, c)
	}
	if d != nil && len(d.constraints) > 0 && !v.full() {
		v.constraints(e, d.constraints)
	}
}

// text validates simple content.
func (v *run) text(e xmldoc.Element, d *element, t *typeDef) {
	if kid := e.First(); !kid.IsZero() {
		rule := "cvc-type.3.1.2"
		if t.complex != nil {
			rule = "cvc-complex-type.2.2"
		}
		v.find(kid, rule, "only text may stand here")
		return
	}
	text := e.Text()
	if text == "" && d != nil && d.value != nil {
		if text = d.value.text; t == d.typ {
			if v.keys != nil {
				v.keys[e] = d.value.key
			}
			return
		}
	}
	val, rule := t.simple.read(text, context{e: e, schema: v.schema})
	if rule != nil {
		v.find(e, rule.rule, "%s", rule.message)
		return
	}
	if d != nil && d.value != nil && d.value.fixed && val.key() != d.value.key {
		v.find(e, "cvc-elt.5.2.2.2.2", "the value is not the fixed one")
	}
	if v.keys != nil {
		v.keys[e] = val.key()
	}
	v.note(e, &val)
}

// note keeps identifiers and references to them.
func (v *run) note(e xmldoc.Element, val *value) {
	for _, id := range val.ids {
		if v.ids == nil {
			v.ids = map[string]bool{}
		}
		if v.ids[id] {
			v.find(e, "cvc-id.2", "an xs:ID stands twice in the document")
		}
		v.ids[id] = true
	}
	for _, id := range val.refs {
		v.refs = append(v.refs, idref{id, e})
	}
}

// children validates element-only and mixed content.
func (v *run) children(e xmldoc.Element, d *element, c *complexType) {
	match := matcher{}
	if c.model != nil {
		match = c.model.start(&v.left)
	}
	elements, text, stray := false, false, false
	for n := e.Node().FirstChild(); !n.IsZero(); n = n.NextSibling() {
		switch n.Kind() {
		case xmldoc.KindText:
			if !c.mixed && !stray && len(collapseXML(n.Value())) > 0 {
				stray = true
				v.find(e, "cvc-complex-type.2.3", "text may not stand between the elements")
			}
			text = true
			continue
		case xmldoc.KindElement:
		default:
			continue
		}
		elements = true
		kid, _ := n.Element()
		if c.model == nil {
			v.find(kid, "cvc-complex-type.2.4.d", "no element may stand here")
			return
		}
		decl, wild := match.step(kid.Name())
		switch {
		case decl != nil:
			v.element(kid, decl)
		case wild != nil:
			v.wild(kid, wild)
		case match.crowded:
			v.find(kid, "cvc-complex-type.2.4", "the content model counts in more ways than can be followed")
			return
		default:
			rule := "cvc-complex-type.2.4.a"
			want := match.expected()
			if want == "nothing" {
				rule = "cvc-complex-type.2.4.d"
			}
			v.find(kid, rule, "the element may not stand here; expected: %s", want)
			return
		}
		if v.full() {
			return
		}
	}
	if c.model != nil && !match.done() {
		v.find(e, "cvc-complex-type.2.4.b", "the content is not complete; expected: %s", match.expected())
		return
	}
	if d != nil && d.value != nil && d.value.fixed && (elements || text) {
		if elements {
			v.find(e, "cvc-elt.5.2.2.1", "an element with a fixed value holds no elements")
		} else if e.Text() != d.value.text {
			v.find(e, "cvc-elt.5.2.2.2.1", "the value is not the fixed one")
		}
	}
}

// wild validates an element that a wildcard let in (3.10.4).
func (v *run) wild(e xmldoc.Element, w *wildcard) {
	if w.process == processSkip {
		v.skip(e)
		return
	}
	if decl := v.schema.elements[e.Name()]; decl != nil {
		v.element(e, decl)
		return
	}
	t, ok := v.named(e, nil)
	switch {
	case !ok:
	case t != nil:
		v.content(e, nil, t)
	case w.process == processStrict:
		v.find(e, "cvc-complex-type.2.4.c", "the schema declares no such element, which is wanted here")
	default: // laxly: as xs:anyType
		if v.skipped != nil {
			v.skipped[e] = true
		}
		v.content(e, nil, v.schema.types[xsName("anyType")])
	}
}

func (v *run) skip(e xmldoc.Element) {
	if v.skipped == nil {
		return
	}
	for d := range e.Descendants() {
		v.skipped[d] = true
	}
}

// attributes validates the attributes of an element against its type.
func (v *run) attributes(e xmldoc.Element, t *typeDef) {
	found, ids := 0, 0
	c := t.complex
	for n := e.Node().FirstAttr(); !n.IsZero(); n = n.NextAttr() {
		name := n.Name()
		if name.Space == spaceXSI {
			switch name.Local {
			case "type", "nil", "schemaLocation", "noNamespaceSchemaLocation":
				continue
			}
		}
		if c == nil {
			v.find(e, "cvc-type.3.1.1", "attribute %s may not stand here", shown(name.Local))
			continue
		}
		var decl *attribute
		var fixed *fixedValue
		if u := c.byName[name]; u != nil {
			decl, fixed = u.decl, u.value
			if u.required {
				found++
			}
		} else {
			if c.wildcard == nil || !c.wildcard.allows(name.Space) {
				v.find(e, "cvc-complex-type.3.2.2", "attribute %s may not stand here", shown(name.Local))
				continue
			}
			if c.wildcard.process == processSkip {
				continue
			}
			if decl = v.schema.attributes[name]; decl == nil {
				if c.wildcard.process == processStrict {
					v.find(e, "cvc-complex-type.3.2.2", "the schema declares no attribute %s, which is wanted here", shown(name.Local))
				}
				continue
			}
			if decl.typ.simple.isID() {
				ids++
			}
			fixed = decl.value
		}
		val, rule := decl.typ.simple.read(n.Value(), context{e: e, schema: v.schema})
		if rule != nil {
			v.find(e, rule.rule, "attribute %s: %s", shown(name.Local), rule.message)
			continue
		}
		if fixed != nil && fixed.fixed && fixed.key != val.key() {
			v.find(e, "cvc-attribute.4", "attribute %s: the value is not the fixed one", shown(name.Local))
		}
		v.note(e, &val)
	}
	if c == nil {
		return
	}
	if ids > 1 {
		v.find(e, "cvc-complex-type.5.1", "two attributes of type xs:ID")
	}
	if found < c.required {
		for _, u := range c.attributes {
			if _, has := e.Attr(u.decl.name); u.required && !has {
				v.find(e, "cvc-complex-type.4", "attribute %s is missing", u.decl.name.Local)
			}
		}
	}
}
