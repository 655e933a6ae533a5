package xsd

import (
	"slices"
	"strconv"
	"strings"

	"oncegate/connectors/xmldoc"
)

// build makes components of what was collected. Global components are made when they
// are first referred to; the types of elements later, since elements may hold themselves.
func (b *builder) build() {
	for name := range b.globals[symNotation] {
		b.schema.notations[name] = true
	}
	for name, at := range b.globals[symType] {
		b.typeNamed(name, at)
	}
	for name, at := range b.globals[symAttribute] {
		b.attributeNamed(name, at)
	}
	for name, at := range b.globals[symGroup] {
		b.groupNamed(name, at)
	}
	for name, at := range b.globals[symAttributeGroup] {
		b.attributeGroupNamed(name, at)
	}
	for name, at := range b.globals[symElement] {
		b.elementNamed(name, at)
	}
	for len(b.later) > 0 && len(b.faults) < maxFaults && b.work <= maxWork {
		next := b.later
		b.later = nil
		for _, f := range next {
			f()
		}
	}
	if len(b.faults) > 0 {
		return
	}
	for name, at := range b.globals[symElement] {
		b.substitution(b.schema.elements[name], at)
	}
	for _, c := range b.refers {
		key := b.constrs[c.refer]
		switch {
		case key == nil || key.kind == constraintRef:
			b.fault(c.at, "there is no key or unique constraint %s", c.refer.Local)
		case len(key.fields) != len(c.fields):
			b.fault(c.at, "the keyref has %d fields, the key %d", len(c.fields), len(key.fields)) // c-props-correct.2
		}
		c.key = key
	}
	if len(b.faults) > 0 {
		return
	}
	for _, t := range b.complex {
		if len(b.faults) >= maxFaults || b.work > maxWork {
			return
		}
		b.finish(t)
	}
}

// substitution holds an element against the head of its group, and tells the head.
func (b *builder) substitution(e *element, at place) {
	if e.head == nil {
		return
	}
	for h, steps := e.head, 0; h != nil; h, steps = h.head, steps+1 {
		if h == e || steps > len(b.schema.elements) {
			b.fault(at, "the substitution group holds itself") // e-props-correct.6
			return
		}
	}
	if !derivedFrom(e.typ, e.head.typ, e.head.final) { // e-props-correct.4
		b.fault(at, "the type of the element does not derive from that of the head of its substitution group, or the head forbids it")
		return
	}
	for h := e.head; h != nil; h = h.head {
		h.members = append(h.members, e)
	}
}

// once guards the making of one global component against circular definitions.
func (b *builder) once(kind symbol, name Name, at place, make func(at place)) bool {
	key := resolvingKey{kind, name}
	if b.resolving[key] {
		b.fault(at, "%s %s is defined by itself", symbolNames[kind], name.Local)
		return false
	}
	own, ok := b.globals[kind][name]
	if !ok {
		b.missing(kind, name, at)
		return false
	}
	b.resolving[key] = true
	make(own)
	delete(b.resolving, key)
	return true
}

func (b *builder) missing(kind symbol, name Name, at place) {
	what := shown(name.Local)
	if name.Space != "" {
		what += " of namespace " + shown(name.Space)
	}
	if name.Space != "" && !b.loaded[name.Space] && name.Space != Space {
		b.fault(at, "there is no %s %s: no document of this namespace was read; name one in the schemaLocation of its import, or in the catalog", symbolNames[kind], what)
		return
	}
	b.fault(at, "there is no %s %s", symbolNames[kind], what)
}

// reference reads a QName attribute that names a component.
func (b *builder) reference(at place, key string) (Name, bool) {
	text, ok := at.e.Attr(Name{Local: key})
	if !ok {
		return Name{}, false
	}
	return b.qname(at, text)
}

func (b *builder) qname(at place, text string) (Name, bool) {
	name, ok := at.e.ResolveQName(text)
	if !ok {
		b.fault(at, "%s is no qualified name, or its prefix is not declared", shown(text))
		return Name{}, false
	}
	if name.Space == "" && at.file.chameleon {
		name.Space = at.file.target
	}
	if f := at.file; name.Space != f.target && name.Space != Space && !f.imports[name.Space] { // src-resolve.4
		if name.Space == "" {
			b.fault(at, "%s is of no namespace, which the document does not import", shown(text))
		} else {
			b.fault(at, "%s is of namespace %s, which the document does not import", shown(text), shown(name.Space))
		}
		return Name{}, false
	}
	return name, true
}

// allow refuses attributes that an element of a schema document does not have.
func (b *builder) allow(at place, names ...string) {
	for a := range at.e.Attrs() {
		if a.Name.Space == "" && !slices.Contains(names, a.Name.Local) || a.Name.Space == Space {
			b.fault(at, "xs:%s has no attribute %s", at.e.Name().Local, shown(a.Name.Local))
		}
	}
}

// children yields the children of a schema element but its annotation, and refuses
// those of other names.
func (b *builder) children(at place, names ...string) []place {
	var out []place
	annotated := false
	for e := range at.e.Children() {
		name := e.Name()
		switch {
		case name.Space == Space && name.Local == "annotation":
			if annotated || len(out) > 0 {
				b.fault(place{at.file, e}, "xs:annotation stands once, before the rest")
			}
			annotated = true
		case name.Space != Space || !slices.Contains(names, name.Local):
			b.fault(place{at.file, e}, "xs:%s may not stand in xs:%s", name.Local, at.e.Name().Local)
		default:
			out = append(out, place{at.file, e})
		}
	}
	return out
}

func (p place) is(local string) bool { return p.e.Name().Local == local }

func (b *builder) form(at place, key string) bool {
	switch v, ok := at.e.Attr(Name{Local: key}); {
	case !ok || v == "unqualified":
		return false
	case v != "qualified":
		b.fault(at, "%s: want qualified or unqualified", key)
	}
	return true
}

func (b *builder) boolean(at place, key string) bool {
	v, ok := at.e.Attr(Name{Local: key})
	switch collapse(v) {
	case "true", "1":
		return true
	case "false", "0":
	default:
		if ok {
			b.fault(at, "%s: want true or false", key)
		}
	}
	return false
}

func (b *builder) derivations(at place, key string, allowed derivation) derivation {
	v, ok := at.e.Attr(Name{Local: key})
	if !ok {
		return 0
	}
	if collapse(v) == "#all" {
		return allowed
	}
	var out derivation
	for _, word := range strings.Fields(v) {
		d := map[string]derivation{"restriction": byRestriction, "extension": byExtension, "list": byList, "union": byUnion, "substitution": bySubstitution}[word]
		if d&allowed == 0 {
			b.fault(at, "%s: %s is not possible here", key, shown(word))
		}
		out |= d
	}
	return out
}

func (b *builder) derivationsOr(at place, key string, allowed, def derivation) derivation {
	if _, ok := at.e.Attr(Name{Local: key}); !ok {
		return def & allowed
	}
	return b.derivations(at, key, allowed)
}

// occurs reads minOccurs and maxOccurs.
func (b *builder) occurs(at place) (low, high int) {
	low, high = 1, 1
	number := func(key string, n *int) {
		v, ok := at.e.Attr(Name{Local: key})
		v = collapse(v)
		switch {
		case !ok:
		case v == "unbounded" && key == "maxOccurs":
			*n = unbounded
		default:
			i, err := strconv.ParseUint(strings.TrimPrefix(v, "+"), 10, 31)
			if err != nil {
				b.fault(at, "%s: want a number", key)
				return
			}
			*n = int(i)
		}
	}
	number("minOccurs", &low)
	number("maxOccurs", &high)
	if high != unbounded && low > high {
		b.fault(at, "minOccurs is larger than maxOccurs") // p-props-correct.2.1
		low = high
	}
	return low, high
}

// value reads default and fixed.
func (b *builder) value(at place) *fixedValue {
	def, hasDef := at.e.Attr(Name{Local: "default"})
	fixed, hasFixed := at.e.Attr(Name{Local: "fixed"})
	switch {
	case hasDef && hasFixed:
		b.fault(at, "default and fixed exclude each other")
	case hasFixed:
		return &fixedValue{fixed: true, text: fixed}
	case hasDef:
		return &fixedValue{text: def}
	}
	return nil
}

// settle checks a default or fixed value against its type and keeps its key.
func (b *builder) settle(v *fixedValue, t *typeDef, at place) {
	if v == nil || t == nil {
		return
	}
	if t.simple == nil { // mixed content: the text counts as it is
		if t.complex == nil || !t.complex.mixed {
			b.fault(at, "a default or fixed value needs a simple or a mixed content") // e-props-correct.2
		}
		v.key = valueKey{primString, v.text}
		return
	}
	val, rule := t.simple.read(v.text, contextOf(at.e, b.schema))
	if rule != nil {
		b.fault(at, "the default or fixed value is none of its type: %s", rule.message)
		return
	}
	v.key = val.key()
}

func collapse(s string) string { return strings.Join(strings.Fields(s), " ") }

// derivedFrom is Type Derivation OK (3.4.6, 3.14.6): whether t derives from base by
// none of the ways that are blocked.
func derivedFrom(t, base *typeDef, blocked derivation) bool {
	for at := t; at != nil; at = at.base {
		if at == base {
			return true
		}
		if base.isSimple() && base.simple != nil && base.simple.variety == varietyUnion && at.isSimple() {
			for _, m := range base.simple.members {
				if derivedFrom(at, m, blocked) {
					return true
				}
			}
		}
		if at.method&blocked != 0 {
			return false
		}
	}
	return false
}

// contextOf gives the namespaces around an element of a schema, for QName values.
func contextOf(e xmldoc.Element, s *Schema) context { return context{e: e, schema: s} }
