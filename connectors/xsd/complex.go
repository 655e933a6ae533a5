package xsd

import (
	"slices"

	"oncegate/connectors/xmldoc"
)

// complexType reads a complex type. It is told before its content is read, since the
// elements in it may be of this very type.
func (b *builder) complexType(at place, name Name, tell func(*typeDef)) {
	if name.Local == "" {
		b.allow(at, "mixed", "id")
	} else {
		b.allow(at, "name", "mixed", "abstract", "final", "block", "id")
	}
	any := b.schema.types[xsName("anyType")]
	t := &typeDef{name: name, base: any, method: byRestriction, complex: &complexType{}, abstract: b.boolean(at, "abstract")}
	t.final = b.derivationsOr(at, "final", byExtension|byRestriction, at.file.finalDefault)
	t.block = b.derivationsOr(at, "block", byExtension|byRestriction, at.file.blockDefault)
	c := t.complex
	c.mixed = b.boolean(at, "mixed")
	b.complex = append(b.complex, t)
	kids := b.children(at, "simpleContent", "complexContent", "group", "all", "choice", "sequence", "attribute", "attributeGroup", "anyAttribute")
	if len(kids) > 0 && (kids[0].is("simpleContent") || kids[0].is("complexContent")) {
		if len(kids) > 1 {
			b.fault(kids[1], "nothing stands beside xs:%s", kids[0].e.Name().Local)
		}
		b.allow(kids[0], "mixed", "id")
		inner := b.children(kids[0], "restriction", "extension")
		if len(inner) != 1 {
			b.fault(kids[0], "want one xs:restriction or xs:extension")
			tell(t)
			return
		}
		b.derive(t, kids[0], inner[0])
		tell(t)
		return
	}
	content, attrs := b.split(kids)
	c.content = b.content(content)
	b.attribute(c, b.attributes(attrs))
	tell(t)
}

// split parts the content model of a type from its attributes.
func (b *builder) split(kids []place) (content, attrs []place) {
	for i, k := range kids {
		switch {
		case k.is("attribute") || k.is("attributeGroup") || k.is("anyAttribute"):
			attrs = append(attrs, k)
		case i > 0:
			b.fault(k, "xs:%s stands once, before the attributes", k.e.Name().Local)
		default:
			content = append(content, k)
		}
	}
	return content, attrs
}

func (b *builder) content(kids []place) *particle {
	if len(kids) == 0 {
		return nil
	}
	p := b.particle(kids[0], true)
	if p == nil || p.void() {
		return nil
	}
	return p
}

// void says that a particle lets in nothing and wants nothing.
func (p *particle) void() bool {
	group := p.kind != kindElement && p.kind != kindAny
	return p.max == 0 || group && len(p.kids) == 0 && (p.kind != kindChoice || p.min == 0)
}

func (b *builder) attribute(c *complexType, set *attributeSet) {
	for _, u := range set.uses {
		if !u.prohibited {
			c.attributes = append(c.attributes, u)
		}
	}
	c.wildcard = set.wildcard
}

// derive reads the content of simpleContent and complexContent.
func (b *builder) derive(t *typeDef, content, at place) {
	c := t.complex
	simple := content.is("simpleContent")
	t.method = byRestriction
	if at.is("extension") {
		t.method = byExtension
	}
	b.allow(at, "base", "id")
	name, ok := b.reference(at, "base")
	if !ok {
		if _, has := at.e.Attr(Name{Local: "base"}); !has {
			b.fault(at, "xs:%s needs a base", at.e.Name().Local)
		}
		return
	}
	base := b.typeNamed(name, at)
	if base == nil {
		return
	}
	t.base = base
	if t.depth = base.depth + 1; t.depth > maxDerivations {
		b.fault(at, "more than %d derivations one upon the other", maxDerivations)
		return
	}
	if base.final&t.method != 0 {
		b.fault(at, "type %s is final: it forbids this derivation", name.Local) // ct-extends 1.1, derivation-ok-restriction.1
	}
	if simple {
		b.simpleContent(t, at)
		return
	}
	if base.isSimple() {
		b.fault(at, "the base of a complexContent is a complex type") // src-ct.1
		return
	}
	if _, has := content.e.Attr(Name{Local: "mixed"}); has {
		c.mixed = b.boolean(content, "mixed")
	}
	kids := b.children(at, "group", "all", "choice", "sequence", "attribute", "attributeGroup", "anyAttribute")
	inner, attrs := b.split(kids)
	own := b.content(inner)
	set := b.attributes(attrs)
	bc := base.complex
	if base.simple != nil { // simple content below: only nothing may be added
		if t.method == byExtension && own == nil && !c.mixed {
			t.simple = base.simple
		} else {
			b.fault(at, "the base has simple content")
		}
	}
	if t.method == byRestriction {
		c.content = own
		b.attribute(c, b.restrictAttributes(bc, set, at))
		return
	}
	switch {
	case own == nil:
		c.content = bc.content
		c.mixed = c.mixed || bc.mixed
	case bc.content == nil:
		c.content = own
	default:
		if own.kind == kindAll || bc.content.kind == kindAll {
			b.fault(at, "xs:all can neither extend nor be extended") // cos-all-limited.1.2
			return
		}
		c.content = &particle{kind: kindSequence, min: 1, max: 1, kids: []*particle{bc.content, own}, at: at}
	}
	if (bc.content != nil || bc.mixed) && c.mixed != bc.mixed && base.name != xsName("anyType") { // cos-ct-extends.1.4.3.2.2.1
		b.fault(at, "base and extension are both mixed or neither")
	}
	b.attribute(c, b.extendAttributes(bc, set, at))
}

func (b *builder) extendAttributes(base *complexType, set *attributeSet, at place) *attributeSet {
	out := &attributeSet{uses: slices.Clone(base.attributes), wildcard: base.wildcard}
	have := map[Name]bool{}
	for _, u := range base.attributes {
		have[u.decl.name] = true
	}
	for _, u := range set.uses {
		if have[u.decl.name] && !u.prohibited {
			b.fault(at, "attribute %s stands in the base already", u.decl.name.Local) // ct-props-correct.4
		}
		out.uses = append(out.uses, u)
	}
	b.spend(len(out.uses), at)
	if set.wildcard != nil {
		out.wildcard = set.wildcard
		if base.wildcard != nil {
			w, ok := set.wildcard.union(base.wildcard)
			if !ok {
				b.fault(at, "what the attribute wildcards of base and extension allow together cannot be said")
				return out
			}
			out.wildcard = w
		}
	}
	return out
}

func (b *builder) restrictAttributes(base *complexType, set *attributeSet, at place) *attributeSet {
	out := &attributeSet{wildcard: set.wildcard}
	own, theirs := map[Name]*attributeUse{}, map[Name]bool{}
	for _, u := range set.uses {
		own[u.decl.name] = u
	}
	for _, u := range base.attributes {
		theirs[u.decl.name] = true
		mine, ok := own[u.decl.name]
		switch {
		case !ok:
			out.uses = append(out.uses, u)
			continue
		case u.required && !mine.required: // derivation-ok-restriction.2.1.1
			b.fault(at, "attribute %s is required in the base", u.decl.name.Local)
		case !mine.prohibited && !derivedFrom(mine.decl.typ, u.decl.typ, 0): // .2.1.2
			b.fault(at, "the type of attribute %s does not derive from that in the base", u.decl.name.Local)
		case u.value != nil && u.value.fixed && !mine.prohibited && (mine.value == nil || !mine.value.fixed || mine.value.key != u.value.key): // .2.1.3
			b.fault(at, "attribute %s has another fixed value in the base", u.decl.name.Local)
		}
	}
	for _, u := range set.uses {
		if !theirs[u.decl.name] && !u.prohibited && (base.wildcard == nil || !base.wildcard.allows(u.decl.name.Space)) { // .2.2
			b.fault(at, "attribute %s is not allowed by the base", u.decl.name.Local)
		}
		out.uses = append(out.uses, u)
	}
	b.spend(len(out.uses), at)
	return out
}

// simpleContent reads a type whose content is text.
func (b *builder) simpleContent(t *typeDef, at place) {
	c, base := t.complex, t.base
	names := []string{"attribute", "attributeGroup", "anyAttribute"}
	if t.method == byRestriction {
		names = append(names, facetNames()...)
		names = append(names, "simpleType")
	}
	kids := b.children(at, names...)
	first := 0
	var inner *typeDef
	if len(kids) > 0 && kids[0].is("simpleType") {
		inner = b.simpleType(kids[0], Name{})
		first = 1
	}
	facets := first
	for facets < len(kids) && slices.Contains(facetNames(), kids[facets].e.Name().Local) {
		facets++
	}
	for _, k := range kids[facets:] {
		if !k.is("attribute") && !k.is("attributeGroup") && !k.is("anyAttribute") {
			b.fault(k, "xs:%s stands before the attributes", k.e.Name().Local)
		}
	}
	set := b.attributes(slices.DeleteFunc(slices.Clone(kids[facets:]), func(k place) bool {
		return !k.is("attribute") && !k.is("attributeGroup") && !k.is("anyAttribute")
	}))
	switch {
	case t.method == byExtension && base.simple != nil:
		t.simple = base.simple
	case t.method == byExtension, base.isSimple(): // src-ct.2
		b.fault(at, "the base of this xs:%s is not of simple content", at.e.Name().Local)
		return
	case base.simple != nil:
		if inner != nil && !restricts(inner, base.simple) { // derivation-ok-restriction.5.1.1
			b.fault(kids[0], "the type does not derive from the content of the base")
		}
		from := &typeDef{simple: base.simple}
		if inner != nil {
			from = inner
		}
		t.simple = b.facets(from, kids[first:facets], at)
	case base.complex.mixed && b.emptiable(base.complex.content):
		if inner == nil {
			b.fault(at, "a simple content of a mixed base needs a simple type") // src-ct.2.2
			return
		}
		t.simple = b.facets(inner, kids[first:facets], at)
	default:
		b.fault(at, "the base of this xs:restriction is not of simple content")
		return
	}
	if base.isSimple() {
		b.attribute(c, set)
		return
	}
	if t.method == byExtension {
		set = b.extendAttributes(base.complex, set, at)
	} else {
		set = b.restrictAttributes(base.complex, set, at)
	}
	b.attribute(c, set)
}

// restricts says whether a simple type derives from another, or from a member of it.
func restricts(t *typeDef, s *simpleType) bool {
	for at := t; at != nil; at = at.base {
		if at.simple == s || s.variety == varietyAny {
			return true
		}
	}
	return slices.ContainsFunc(s.members, func(m *typeDef) bool { return derivedFrom(t, m, 0) })
}

func (b *builder) groupNamed(name Name, at place) *particle {
	if p := b.groups[name]; p != nil {
		return p
	}
	b.once(symGroup, name, at, func(own place) {
		b.allow(own, "name", "id")
		kids := b.children(own, "all", "choice", "sequence")
		if len(kids) != 1 {
			b.fault(own, "a group holds one of xs:all, xs:choice and xs:sequence")
			return
		}
		for _, key := range []string{"minOccurs", "maxOccurs"} {
			if _, has := kids[0].e.Attr(Name{Local: key}); has {
				b.fault(kids[0], "%s stands where the group is referred to", key)
			}
		}
		b.groups[name] = b.particle(kids[0], true)
	})
	return b.groups[name]
}

// particle reads one term of a content model; top: xs:all may stand here.
func (b *builder) particle(at place, top bool) *particle {
	p := &particle{at: at}
	p.min, p.max = b.occurs(at)
	switch at.e.Name().Local {
	case "element":
		p.kind = kindElement
		p.elem = b.localElement(at)
		if p.elem == nil {
			return nil
		}
	case "any":
		b.allow(at, "namespace", "processContents", "minOccurs", "maxOccurs", "id")
		b.children(at)
		p.kind, p.wild = kindAny, b.wildcard(at)
	case "group":
		b.allow(at, "ref", "minOccurs", "maxOccurs", "id")
		b.children(at)
		name, ok := b.reference(at, "ref")
		if !ok {
			if _, has := at.e.Attr(Name{Local: "ref"}); !has {
				b.fault(at, "a group here needs a ref")
			}
			return nil
		}
		g := b.groupNamed(name, at)
		if g == nil {
			return nil
		}
		if g.kind == kindAll && (!top || p.max > 1 || p.max == unbounded) {
			b.fault(at, "a group of xs:all stands alone, and once") // cos-all-limited
		}
		copied := *g
		copied.min, copied.max, copied.at = p.min, p.max, at
		return &copied
	case "sequence", "choice":
		b.allow(at, "minOccurs", "maxOccurs", "id")
		p.kind = kindSequence
		if at.is("choice") {
			p.kind = kindChoice
		}
		for _, k := range b.children(at, "element", "group", "choice", "sequence", "any") {
			if kid := b.particle(k, false); kid != nil && !kid.void() {
				p.kids = append(p.kids, kid)
			}
		}
	case "all":
		b.allow(at, "minOccurs", "maxOccurs", "id")
		p.kind = kindAll
		if !top || p.max != 1 || p.min > 1 {
			b.fault(at, "xs:all stands alone, and once") // cos-all-limited
		}
		for _, k := range b.children(at, "element") {
			kid := b.particle(k, false)
			if kid == nil {
				continue
			}
			if kid.max > 1 || kid.max == unbounded {
				b.fault(k, "an element of xs:all stands once at most") // cos-all-limited.2
			}
			if kid.max != 0 {
				p.kids = append(p.kids, kid)
			}
		}
	default:
		return nil
	}
	return p
}

func (b *builder) localElement(at place) *element {
	if _, has := at.e.Attr(Name{Local: "ref"}); has {
		b.allow(at, "ref", "minOccurs", "maxOccurs", "id")
		b.children(at)
		name, ok := b.reference(at, "ref")
		if !ok {
			return nil
		}
		return b.elementNamed(name, at)
	}
	b.allow(at, "name", "type", "default", "fixed", "nillable", "block", "form", "minOccurs", "maxOccurs", "id")
	local, has := at.e.Attr(Name{Local: "name"})
	if local = collapse(local); !has || !xmldoc.ValidNCName(local) {
		b.fault(at, "an element needs a name or a ref")
		return nil
	}
	qualified := at.file.qualifiedElements
	if _, has := at.e.Attr(Name{Local: "form"}); has {
		qualified = b.form(at, "form")
	}
	e := &element{name: Name{Local: local}}
	if qualified {
		e.name.Space = at.file.target
	}
	b.declare(e, at)
	return e
}

// emptiable says whether a content model allows no element at all. Groups are shared by
// those who refer to them: what is known of one is kept.
func (b *builder) emptiable(p *particle) bool {
	if p == nil || p.min == 0 {
		return true
	}
	if p.kind == kindElement || p.kind == kindAny {
		return false
	}
	if known, ok := b.empties[p]; ok {
		return known
	}
	var out bool
	if p.kind == kindChoice {
		out = slices.ContainsFunc(p.kids, b.emptiable)
	} else {
		out = !slices.ContainsFunc(p.kids, func(k *particle) bool { return !b.emptiable(k) })
	}
	b.empties[p] = out
	return out
}

// finish makes a complex type ready to validate with.
func (b *builder) finish(t *typeDef) {
	c := t.complex
	c.byName = make(map[Name]*attributeUse, len(c.attributes))
	for _, u := range c.attributes {
		c.byName[u.decl.name] = u
		if u.required {
			c.required++
		}
	}
	if c.content != nil {
		c.model = b.model(c.content)
	}
}
