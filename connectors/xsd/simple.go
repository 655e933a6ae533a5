package xsd

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"oncegate/connectors/xmldoc"
)

type variety uint8

const (
	varietyAny variety = iota // anySimpleType
	varietyAtomic
	varietyList
	varietyUnion
)

type whiteSpace uint8

const (
	preserve whiteSpace = iota
	replace
	collapsed
)

// simpleType is what a value of a simple type must keep.
type simpleType struct {
	label    string // for messages: the nearest name
	variety  variety
	prim     primitive
	special  special
	item     *typeDef
	members  []*typeDef
	white    whiteSpace
	integer  bool
	patterns [][]*pattern // of each step of derivation one must match
	length   int          // -1: not said, as the next
	minimum  int
	maximum  int
	digits   int
	fraction int
	values   map[valueKey]bool // keys of the enumeration; nil: any
	bounds   []bound

	alternatives int // types tried in the worst case

	fixed map[string]bool // facets that a derived type may not change
}

// special are the derived built-in types with meaning beyond facets.
type special uint8

const (
	specialNone special = iota
	specialID
	specialIDREF
	specialEntity
	specialName
	specialNCName
	specialNMTOKEN
	specialLanguage
)

// bound is one of the four facets of order.
type bound struct {
	facet string
	value value
}

// value is a value of a simple type.
type value struct {
	prim   primitive
	text   string // what is equal for equal values, but for numbers and moments
	number decimal
	float  float64
	moment moment
	span   *span
	size   int // for the facets of length
	items  []value
	ids    []string // values of xs:ID in it
	refs   []string // values of xs:IDREF in it
}

// broken is a rule that a value breaks. The message does not quote it.
type broken struct{ rule, message string }

// context resolves QName values.
type context struct {
	e      xmldoc.Element
	schema *Schema
}

func (s *simpleType) isID() bool { return s != nil && s.special == specialID }

// normalize applies the whiteSpace facet.
func (w whiteSpace) normalize(s string) string {
	switch w {
	case replace:
		if strings.ContainsAny(s, "\t\n\r") {
			return strings.Map(func(r rune) rune {
				if r == '\t' || r == '\n' || r == '\r' {
					return ' '
				}
				return r
			}, s)
		}
	case collapsed:
		return collapseXML(s)
	}
	return s
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func collapseXML(s string) string {
	clean := s == "" || !isSpace(s[0]) && !isSpace(s[len(s)-1])
	for i := 0; clean && i < len(s); i++ {
		clean = !isSpace(s[i]) || s[i] == ' ' && s[i+1] != ' '
	}
	if clean {
		return s
	}
	return strings.Join(splitSpaces(s), " ")
}

func splitSpaces(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

// read makes a value of text, or says which rule it breaks.
func (s *simpleType) read(text string, c context) (value, *broken) {
	text = s.white.normalize(text)
	for _, step := range s.patterns {
		if !slices.ContainsFunc(step, func(p *pattern) bool { return p.match(text) }) {
			return value{}, &broken{"cvc-pattern-valid", "the value does not match the pattern of " + s.label}
		}
	}
	v, rule := s.lexical(text, c)
	if rule != nil {
		return v, rule
	}
	return v, s.keeps(&v, text)
}

func (s *simpleType) lexical(text string, c context) (value, *broken) {
	switch s.variety {
	case varietyList:
		v := value{prim: primList}
		for _, word := range splitSpaces(text) {
			item, rule := s.item.simple.read(word, c)
			if rule != nil {
				return v, rule
			}
			v.items = append(v.items, item)
			v.ids, v.refs = append(v.ids, item.ids...), append(v.refs, item.refs...)
		}
		v.size = len(v.items)
		return v, nil
	case varietyUnion:
		for _, m := range s.members {
			if v, rule := m.simple.read(text, c); rule == nil {
				return v, nil
			}
		}
		return value{}, &broken{"cvc-datatype-valid.1.2.3", "the value is of no member of the union " + s.label}
	case varietyAny:
		return value{prim: primString, text: text, size: utf8.RuneCountInString(text)}, nil
	}
	if ok, what := s.special.keeps(text); !ok {
		return value{}, &broken{"cvc-datatype-valid.1.2.1", "the value is no " + what}
	}
	if s.integer && strings.ContainsRune(text, '.') {
		return value{}, &broken{"cvc-datatype-valid.1.2.1", "the value is no xs:" + s.prim.name(s)}
	}
	v, ok := s.prim.read(text, c)
	if !ok {
		return v, &broken{"cvc-datatype-valid.1.2.1", "the value is no xs:" + s.prim.name(s)}
	}
	switch s.special {
	case specialID:
		v.ids = []string{text}
	case specialIDREF:
		v.refs = []string{text}
	}
	return v, nil
}

// keeps holds a value against the facets but pattern and whiteSpace.
func (s *simpleType) keeps(v *value, text string) *broken {
	number := func(rule string, what string, n int) *broken {
		return &broken{rule, "the value is not of " + what + " " + strconv.Itoa(n) + ", as " + s.label + " wants"}
	}
	sized := s.variety == varietyList || s.variety == varietyAtomic && s.prim != primQName && s.prim != primNotation
	switch {
	case !sized:
	case s.length >= 0 && v.size != s.length:
		return number("cvc-length-valid", "length", s.length)
	case s.minimum >= 0 && v.size < s.minimum:
		return number("cvc-minLength-valid", "a length of at least", s.minimum)
	case s.maximum >= 0 && v.size > s.maximum:
		return number("cvc-maxLength-valid", "a length of at most", s.maximum)
	}
	if s.digits >= 0 && v.number.totalDigits() > s.digits {
		return number("cvc-totalDigits-valid", "a total of digits of at most", s.digits)
	}
	if s.fraction >= 0 && len(v.number.fraction) > s.fraction {
		return number("cvc-fractionDigits-valid", "a number of fraction digits of at most", s.fraction)
	}
	if s.values != nil && !s.values[v.key()] {
		return &broken{"cvc-enumeration-valid", "the value is none of those that " + s.label + " lists"}
	}
	for i := range s.bounds {
		b := &s.bounds[i]
		order, ok := compare(v, &b.value)
		switch b.facet {
		case "minInclusive":
			ok = ok && order >= 0
		case "minExclusive":
			ok = ok && order > 0
		case "maxInclusive":
			ok = ok && order <= 0
		default:
			ok = ok && order < 0
		}
		if !ok {
			return &broken{"cvc-" + b.facet + "-valid", "the value is beyond the " + b.facet + " of " + s.label}
		}
	}
	return nil
}

// keeps checks the lexical form of special types.
func (k special) keeps(s string) (bool, string) {
	switch k {
	case specialID, specialIDREF, specialNCName:
		return xmldoc.ValidNCName(s), "xs:NCName"
	case specialName:
		return validName(s), "xs:Name"
	case specialNMTOKEN:
		return validNMTOKEN(s), "xs:NMTOKEN"
	case specialLanguage:
		return validLanguage(s), "xs:language"
	case specialEntity:
		return false, "name of an entity: a document without DOCTYPE declares none"
	}
	return true, ""
}

func validName(s string) bool {
	if s == "" {
		return false
	}
	for _, part := range strings.Split(s, ":") {
		if !xmldoc.ValidNCName("_" + part) {
			return false
		}
	}
	return s[0] == ':' || xmldoc.ValidNCName(firstRune(s))
}

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

func validNMTOKEN(s string) bool {
	return s != "" && xmldoc.ValidNCName("_"+strings.ReplaceAll(s, ":", "_"))
}

func validLanguage(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if len(part) == 0 || len(part) > 8 {
			return false
		}
		for _, c := range []byte(part) {
			letter := 'a' <= c|0x20 && c|0x20 <= 'z'
			if !letter && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}

// simpleType reads xs:simpleType.
func (b *builder) simpleType(at place, name Name) *typeDef {
	if name.Local == "" {
		b.allow(at, "id")
	} else {
		b.allow(at, "name", "final", "id")
	}
	any := b.schema.types[xsName("anySimpleType")]
	t := &typeDef{name: name, base: any, method: byRestriction, simple: any.simple}
	t.final = b.derivationsOr(at, "final", byRestriction|byList|byUnion, at.file.finalDefault)
	kids := b.children(at, "restriction", "list", "union")
	if len(kids) != 1 {
		b.fault(at, "want one of xs:restriction, xs:list and xs:union")
		return t
	}
	switch k := kids[0]; k.e.Name().Local {
	case "restriction":
		b.allow(k, "base", "id")
		inner := b.children(k, append(facetNames(), "simpleType")...)
		base := b.oneType(k, &inner, "base")
		if base == nil {
			return t
		}
		if base.name == xsName("anySimpleType") {
			b.fault(k, "xs:anySimpleType cannot be restricted")
			return t
		}
		if base.final&byRestriction != 0 {
			b.fault(k, "the base is final")
		}
		t.base = base
		if t.depth = base.depth + 1; t.depth > maxDerivations {
			b.fault(k, "more than %d derivations one upon the other", maxDerivations)
			return t
		}
		t.simple = b.facets(base, inner, k)
	case "list":
		t.method = byList
		b.allow(k, "itemType", "id")
		inner := b.children(k, "simpleType")
		item := b.oneType(k, &inner, "itemType")
		if item == nil {
			return t
		}
		if item.simple.variety == varietyList || item.simple.variety == varietyUnion && slices.ContainsFunc(item.simple.members, func(m *typeDef) bool { return m.simple.variety == varietyList }) {
			b.fault(k, "a list of lists") // cos-list-of-atomic
		}
		if item.final&byList != 0 {
			b.fault(k, "the item type is final")
		}
		s := newSimple(varietyList)
		s.item, s.white, s.alternatives = item, collapsed, item.simple.alternatives
		t.simple = s
	case "union":
		t.method = byUnion
		b.allow(k, "memberTypes", "id")
		s := newSimple(varietyUnion)
		s.white = preserve // each member normalizes for itself
		refs, _ := k.e.Attr(Name{Local: "memberTypes"})
		for _, ref := range splitSpaces(refs) {
			if name, ok := b.qname(k, ref); ok {
				s.members = append(s.members, b.simpleNamed(name, k))
			}
		}
		for _, m := range b.children(k, "simpleType") {
			s.members = append(s.members, b.simpleType(m, Name{}))
		}
		s.members = slices.DeleteFunc(s.members, func(m *typeDef) bool { return m == nil })
		if len(s.members) == 0 {
			b.fault(k, "a union of nothing")
			return t
		}
		for _, m := range s.members {
			if s.alternatives += max(1, m.simple.alternatives); s.alternatives > maxAlternatives {
				b.fault(k, "a union of more than %d types", maxAlternatives)
				return t
			}
			if m.final&byUnion != 0 {
				b.fault(k, "a member type is final")
			}
		}
		t.simple = s
	}
	t.simple.label = "the type of this field"
	if name.Local != "" {
		t.simple.label = "type " + name.Local
	}
	return t
}

// oneType reads a type that is either named or stands inside, and takes it off kids.
func (b *builder) oneType(at place, kids *[]place, key string) *typeDef {
	name, named := b.reference(at, key)
	inside := len(*kids) > 0 && (*kids)[0].is("simpleType")
	if _, has := at.e.Attr(Name{Local: key}); has == inside {
		b.fault(at, "want either %s or one xs:simpleType", key)
		return nil
	}
	if inside {
		k := (*kids)[0]
		*kids = (*kids)[1:]
		return b.simpleType(k, Name{})
	}
	if !named {
		return nil
	}
	return b.simpleNamed(name, at)
}

func (b *builder) simpleNamed(name Name, at place) *typeDef {
	t := b.typeNamed(name, at)
	if t != nil && !t.isSimple() {
		b.fault(at, "%s is no simple type", shown(name.Local))
		return nil
	}
	return t
}

func newSimple(v variety) *simpleType {
	return &simpleType{variety: v, length: -1, minimum: -1, maximum: -1, digits: -1, fraction: -1}
}
