package xsd

import (
	"embed"

	"oncegate/connectors/xmldoc"
)

// builtinFiles are schema documents that every schema may import without having them.
//
//go:embed builtin/*.xsd
var builtinFiles embed.FS

func builtinFile(space string) string {
	switch space {
	case xmldoc.SpaceXML:
		return "xml.xsd"
	case "http://www.w3.org/2000/09/xmldsig#":
		return "xmldsig.xsd"
	}
	return ""
}

// builtins makes the 44 built-in types and the two ur-types (Datatypes 3).
func builtins() map[Name]*typeDef {
	all := map[Name]*typeDef{}
	add := func(local string, base *typeDef, s *simpleType) *typeDef {
		s.label = "xs:" + local
		t := &typeDef{name: xsName(local), base: base, method: byRestriction, simple: s}
		all[t.name] = t
		return t
	}
	anyType := &typeDef{name: xsName("anyType"), method: byRestriction}
	anyType.base = nil
	lax := &wildcard{process: processLax, any: true}
	content := &particle{kind: kindAny, min: 0, max: unbounded, wild: lax}
	anyType.complex = &complexType{mixed: true, content: content, wildcard: lax, byName: map[Name]*attributeUse{}}
	anyType.complex.model = anyModel(lax)
	all[anyType.name] = anyType
	ur := add("anySimpleType", anyType, newSimple(varietyAny))

	atomic := func(p primitive, w whiteSpace) *simpleType {
		s := newSimple(varietyAtomic)
		s.prim, s.white = p, w
		return s
	}
	prim := map[primitive]*typeDef{}
	for p := primString; p <= primNotation; p++ {
		w := collapsed
		if p == primString {
			w = preserve
		}
		prim[p] = add(primNames[p], ur, atomic(p, w))
	}
	derive := func(local string, base *typeDef, change func(s *simpleType)) *typeDef {
		s := *base.simple
		change(&s)
		return add(local, base, &s)
	}
	list := func(local string, item *typeDef) {
		s := newSimple(varietyList)
		s.item, s.white, s.minimum = item, collapsed, 1
		t := add(local, ur, s)
		t.method = byList
	}
	normalized := derive("normalizedString", prim[primString], func(s *simpleType) { s.white = replace })
	token := derive("token", normalized, func(s *simpleType) { s.white = collapsed })
	derive("language", token, func(s *simpleType) { s.special = specialLanguage })
	nmtoken := derive("NMTOKEN", token, func(s *simpleType) { s.special = specialNMTOKEN })
	list("NMTOKENS", nmtoken)
	name := derive("Name", token, func(s *simpleType) { s.special = specialName })
	ncname := derive("NCName", name, func(s *simpleType) { s.special = specialNCName })
	derive("ID", ncname, func(s *simpleType) { s.special = specialID })
	idref := derive("IDREF", ncname, func(s *simpleType) { s.special = specialIDREF })
	list("IDREFS", idref)
	entity := derive("ENTITY", ncname, func(s *simpleType) { s.special = specialEntity })
	list("ENTITIES", entity)

	// number derives an integer type with the bounds that are given.
	number := func(local string, base *typeDef, low, high string) *typeDef {
		return derive(local, base, func(s *simpleType) {
			s.integer, s.fraction = true, 0
			s.bounds = nil
			for _, have := range base.simple.bounds {
				if have.facet == "minInclusive" && low == "" || have.facet == "maxInclusive" && high == "" {
					s.bounds = append(s.bounds, have)
				}
			}
			for _, b := range []struct{ facet, text string }{{"minInclusive", low}, {"maxInclusive", high}} {
				if b.text != "" {
					v, _ := primDecimal.read(b.text, context{})
					s.bounds = append(s.bounds, bound{b.facet, v})
				}
			}
		})
	}
	integer := number("integer", prim[primDecimal], "", "")
	number("negativeInteger", number("nonPositiveInteger", integer, "", "0"), "", "-1")
	long := number("long", integer, "-9223372036854775808", "9223372036854775807")
	number("byte", number("short", number("int", long, "-2147483648", "2147483647"), "-32768", "32767"), "-128", "127")
	natural := number("nonNegativeInteger", integer, "0", "")
	number("positiveInteger", natural, "1", "")
	wide := number("unsignedLong", natural, "", "18446744073709551615")
	number("unsignedByte", number("unsignedShort", number("unsignedInt", wide, "", "4294967295"), "", "65535"), "", "255")
	return all
}
