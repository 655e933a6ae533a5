package xsd

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

func facetNames() []string {
	return []string{"length", "minLength", "maxLength", "pattern", "enumeration", "whiteSpace",
		"minInclusive", "minExclusive", "maxInclusive", "maxExclusive", "totalDigits", "fractionDigits"}
}

// applies says which facets a type may have (Datatypes 4.1.5).
func (s *simpleType) applies(facet string) bool {
	switch s.variety {
	case varietyUnion:
		return facet == "pattern" || facet == "enumeration"
	case varietyList:
		return slices.Contains([]string{"length", "minLength", "maxLength", "pattern", "enumeration", "whiteSpace"}, facet)
	case varietyAny:
		return false
	}
	switch facet {
	case "pattern", "whiteSpace":
		return true
	case "enumeration":
		return s.prim != primBoolean
	case "length", "minLength", "maxLength":
		return s.prim.sized()
	case "totalDigits", "fractionDigits":
		return s.prim == primDecimal
	}
	return s.prim.ordered()
}

// facets derives a simple type by restriction.
func (b *builder) facets(base *typeDef, kids []place, at place) *simpleType {
	s := *base.simple
	s.fixed = maps.Clone(s.fixed)
	var patterns []*pattern
	var values map[valueKey]bool
	said := map[string]bool{}
	for _, k := range kids {
		facet := k.e.Name().Local
		if facet == "simpleType" {
			b.fault(k, "xs:simpleType stands once, first")
			continue
		}
		if facet == "pattern" || facet == "enumeration" {
			b.allow(k, "value", "id")
		} else {
			b.allow(k, "value", "fixed", "id")
		}
		b.children(k)
		text, ok := k.e.Attr(Name{Local: "value"})
		switch {
		case !ok:
			b.fault(k, "xs:%s needs a value", facet)
			continue
		case !s.applies(facet):
			b.fault(k, "xs:%s does not apply to this type", facet) // cos-applicable-facets
			continue
		case said[facet] && facet != "pattern" && facet != "enumeration":
			b.fault(k, "xs:%s stands twice", facet)
			continue
		}
		said[facet] = true
		switch facet {
		case "pattern":
			p, err := compilePattern(text)
			if err != nil {
				b.fault(k, "the pattern cannot be read: %v", err)
				continue
			}
			patterns = append(patterns, p)
		case "enumeration":
			v, rule := base.simple.read(text, contextOf(k.e, b.schema))
			if rule != nil {
				b.fault(k, "the enumerated value is none of the base: %s", rule.message) // enumeration-valid-restriction
				continue
			}
			if base.simple.variety == varietyAtomic && base.simple.prim == primNotation {
				if name, ok := k.e.ResolveQName(text); !ok || !b.schema.notations[name] {
					b.fault(k, "there is no notation %s", shown(text))
				}
			}
			if values == nil {
				values = map[valueKey]bool{}
			}
			values[v.key()] = true
		case "whiteSpace":
			w, ok := map[string]whiteSpace{"preserve": preserve, "replace": replace, "collapse": collapsed}[text]
			if !ok || w < s.white {
				b.fault(k, "whiteSpace: want preserve, replace or collapse, and no less than the base") // whiteSpace-valid-restriction
				continue
			}
			s.white = w
		case "minInclusive", "minExclusive", "maxInclusive", "maxExclusive":
			b.bound(&s, base.simple, k, facet, text, said)
		default:
			n, err := strconv.ParseUint(strings.TrimPrefix(collapse(text), "+"), 10, 31)
			if err != nil {
				b.fault(k, "xs:%s: want a number", facet)
				continue
			}
			b.number(&s, k, facet, int(n))
		}
		if s.fixed[facet] && !sameFacet(base.simple, &s, facet) {
			b.fault(k, "xs:%s is fixed in the base", facet)
		}
		if b.boolean(k, "fixed") {
			if s.fixed == nil {
				s.fixed = map[string]bool{}
			}
			s.fixed[facet] = true
		}
	}
	if len(patterns) > 0 {
		s.patterns = append(slices.Clone(s.patterns), patterns)
	}
	if values != nil {
		s.values = values
	}
	b.consistent(&s, at)
	return &s
}

func sameFacet(a, b *simpleType, facet string) bool {
	switch facet {
	case "length":
		return a.length == b.length
	case "minLength":
		return a.minimum == b.minimum
	case "maxLength":
		return a.maximum == b.maximum
	case "totalDigits":
		return a.digits == b.digits
	case "fractionDigits":
		return a.fraction == b.fraction
	case "whiteSpace":
		return a.white == b.white
	}
	find := func(s *simpleType) valueKey {
		for _, o := range s.bounds {
			if o.facet == facet {
				return o.value.key()
			}
		}
		return valueKey{}
	}
	return find(a) == find(b)
}

// number sets a facet that is a number; a derived type may only tighten it.
func (b *builder) number(s *simpleType, at place, facet string, n int) {
	upper := func(have *int) {
		if *have >= 0 && n > *have {
			b.fault(at, "xs:%s is larger than that of the base", facet)
		}
		*have = n
	}
	switch facet {
	case "length":
		if s.length >= 0 && s.length != n {
			b.fault(at, "xs:length differs from that of the base") // length-valid-restriction
		}
		s.length = n
	case "minLength":
		if s.minimum >= 0 && n < s.minimum {
			b.fault(at, "xs:minLength is smaller than that of the base")
		}
		s.minimum = n
	case "maxLength":
		upper(&s.maximum)
	case "totalDigits":
		if n == 0 {
			b.fault(at, "xs:totalDigits is at least 1")
		}
		upper(&s.digits)
	case "fractionDigits":
		upper(&s.fraction)
	}
}

// bound sets a facet of order; it must lie within those of the base.
func (b *builder) bound(s, base *simpleType, at place, facet, text string, said map[string]bool) {
	other := map[string]string{"minInclusive": "minExclusive", "minExclusive": "minInclusive", "maxInclusive": "maxExclusive", "maxExclusive": "maxInclusive"}[facet]
	if said[other] {
		b.fault(at, "xs:%s and xs:%s exclude each other", facet, other)
		return
	}
	// An exclusive bound may be the very value that the base excludes.
	loose := *base
	loose.values, loose.patterns, loose.bounds = nil, nil, nil
	v, rule := loose.read(text, contextOf(at.e, b.schema))
	if rule != nil {
		b.fault(at, "the value of xs:%s is none of the base: %s", facet, rule.message)
		return
	}
	low := strings.HasPrefix(facet, "min")
	for _, have := range base.bounds {
		order, ok := compare(&v, &have.value)
		lower := strings.HasPrefix(have.facet, "min")
		inclusive := strings.HasSuffix(have.facet, "Inclusive")
		switch {
		case ok && lower && (order < 0 || order == 0 && !inclusive && facet != have.facet && facet != "maxExclusive"),
			ok && !lower && (order > 0 || order == 0 && !inclusive && facet != have.facet && facet != "minExclusive"):
			b.fault(at, "xs:%s is beyond xs:%s of the base", facet, have.facet)
		}
	}
	s.bounds = slices.DeleteFunc(slices.Clone(s.bounds), func(o bound) bool { return strings.HasPrefix(o.facet, "min") == low })
	s.bounds = append(s.bounds, bound{facet, v})
}

// consistent refuses facets that leave no value.
func (b *builder) consistent(s *simpleType, at place) {
	switch {
	case s.minimum >= 0 && s.maximum >= 0 && s.minimum > s.maximum:
		b.fault(at, "minLength is larger than maxLength")
	case s.length >= 0 && (s.minimum > s.length || s.maximum >= 0 && s.maximum < s.length):
		b.fault(at, "length contradicts minLength or maxLength")
	case s.digits >= 0 && s.fraction > s.digits:
		b.fault(at, "fractionDigits is larger than totalDigits")
	}
	var low, high *bound
	for i := range s.bounds {
		if strings.HasPrefix(s.bounds[i].facet, "min") {
			low = &s.bounds[i]
		} else {
			high = &s.bounds[i]
		}
	}
	if low == nil || high == nil {
		return
	}
	order, ok := compare(&low.value, &high.value)
	if ok && (order > 0 || order == 0 && strings.HasSuffix(low.facet, "Inclusive") != strings.HasSuffix(high.facet, "Inclusive")) {
		b.fault(at, "xs:%s is beyond xs:%s", low.facet, high.facet)
	}
}
