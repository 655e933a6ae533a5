package xsd

import "oncegate/connectors/xmldoc"

// typeNamed finds or makes a global type.
func (b *builder) typeNamed(name Name, at place) *typeDef {
	if t := b.schema.types[name]; t != nil {
		return t
	}
	if !b.once(symType, name, at, func(own place) {
		if own.is("simpleType") {
			b.schema.types[name] = b.simpleType(own, name)
			return
		}
		b.complexType(own, name, func(t *typeDef) { b.schema.types[name] = t })
	}) {
		return nil
	}
	return b.schema.types[name]
}

func (b *builder) attributeNamed(name Name, at place) *attribute {
	if a := b.schema.attributes[name]; a != nil {
		return a
	}
	b.once(symAttribute, name, at, func(own place) {
		b.allow(own, "name", "type", "default", "fixed", "id")
		a := &attribute{name: name, value: b.value(own)}
		b.schema.attributes[name] = a
		b.attributeType(a, own)
	})
	return b.schema.attributes[name]
}

// attributeType reads the type of an attribute declaration.
func (b *builder) attributeType(a *attribute, at place) {
	kids := b.children(at, "simpleType")
	ref, has := at.e.Attr(Name{Local: "type"})
	switch {
	case a.name.Local == "xmlns":
		b.fault(at, "an attribute may not be called xmlns") // no-xmlns
	case a.name.Space == spaceXSI:
		b.fault(at, "attributes of the namespace %s are not declared", shown(spaceXSI)) // no-xsi
	case has && len(kids) > 0 || len(kids) > 1:
		b.fault(at, "an attribute has one type")
	case has:
		if name, ok := b.qname(at, ref); ok {
			a.typ = b.typeNamed(name, at)
		}
	case len(kids) == 1:
		a.typ = b.simpleType(kids[0], Name{})
	default:
		a.typ = b.schema.types[xsName("anySimpleType")]
	}
	if a.typ != nil && !a.typ.isSimple() {
		b.fault(at, "the type of an attribute is a simple type")
		a.typ = nil
	}
	if a.typ == nil {
		a.typ = b.schema.types[xsName("anySimpleType")]
	}
	if a.value != nil && a.typ.simple.isID() {
		b.fault(at, "an attribute of type xs:ID has no default and no fixed value") // a-props-correct.3
	}
	b.settle(a.value, a.typ, at)
}

// attributeUse reads xs:attribute within a type or an attribute group.
func (b *builder) attributeUse(at place) *attributeUse {
	u := &attributeUse{}
	switch use, ok := at.e.Attr(Name{Local: "use"}); {
	case use == "required":
		u.required = true
	case use == "prohibited":
		u.prohibited = true
	case ok && use != "optional":
		b.fault(at, "use: want optional, required or prohibited")
	}
	if name, ok := b.reference(at, "ref"); ok {
		b.allow(at, "ref", "use", "default", "fixed", "id")
		b.children(at)
		u.decl = b.attributeNamed(name, at)
		if u.decl == nil {
			return nil
		}
		u.value = b.value(at)
		b.settle(u.value, u.decl.typ, at)
		if have := u.decl.value; have != nil && have.fixed && u.value != nil && (!u.value.fixed || u.value.key != have.key) {
			b.fault(at, "the attribute has another fixed value where it is declared") // au-props-correct.2
		}
		if u.value == nil {
			u.value = u.decl.value
		}
	} else {
		b.allow(at, "name", "type", "use", "default", "fixed", "form", "id")
		local, has := at.e.Attr(Name{Local: "name"})
		if local = collapse(local); !has || !xmldoc.ValidNCName(local) {
			if _, ref := at.e.Attr(Name{Local: "ref"}); !ref {
				b.fault(at, "an attribute needs a name or a ref")
			}
			return nil
		}
		qualified := at.file.qualifiedAttributes
		if _, has := at.e.Attr(Name{Local: "form"}); has {
			qualified = b.form(at, "form")
		}
		u.decl = &attribute{name: Name{Local: local}, value: b.value(at)}
		if qualified {
			u.decl.name.Space = at.file.target
		}
		u.value = u.decl.value
		b.attributeType(u.decl, at)
	}
	if u.required && u.value != nil && !u.value.fixed {
		b.fault(at, "a required attribute has no default") // src-attribute.2
	}
	return u
}

// attributeSet is what attributes an attribute group or a type declares.
type attributeSet struct {
	uses     []*attributeUse
	wildcard *wildcard
}

func (b *builder) attributeGroupNamed(name Name, at place) *attributeSet {
	if g := b.attrGroups[name]; g != nil {
		return g
	}
	b.once(symAttributeGroup, name, at, func(own place) {
		b.allow(own, "name", "id")
		b.attrGroups[name] = b.attributes(b.children(own, "attribute", "attributeGroup", "anyAttribute"))
	})
	return b.attrGroups[name]
}

// attributes reads the attribute part of a type or group.
func (b *builder) attributes(kids []place) *attributeSet {
	set := &attributeSet{}
	seen := map[Name]bool{}
	ids := 0
	var groups []*wildcard
	add := func(u *attributeUse, at place) {
		if seen[u.decl.name] {
			b.fault(at, "attribute %s stands twice", u.decl.name.Local) // ct-props-correct.4
		}
		seen[u.decl.name] = true
		if u.decl.typ.simple.isID() {
			if ids++; ids > 1 {
				b.fault(at, "two attributes of type xs:ID") // ct-props-correct.5
			}
		}
		set.uses = append(set.uses, u)
	}
	for i, at := range kids {
		switch {
		case at.is("attribute"):
			if u := b.attributeUse(at); u != nil {
				add(u, at)
			}
		case at.is("attributeGroup"):
			b.allow(at, "ref", "id")
			b.children(at)
			name, ok := b.reference(at, "ref")
			if !ok {
				if _, has := at.e.Attr(Name{Local: "ref"}); !has {
					b.fault(at, "an attribute group here needs a ref")
				}
				continue
			}
			if g := b.attributeGroupNamed(name, at); g != nil {
				for _, u := range g.uses {
					add(u, at)
				}
				if g.wildcard != nil {
					groups = append(groups, g.wildcard)
				}
			}
		default:
			if i != len(kids)-1 {
				b.fault(at, "xs:anyAttribute stands last")
			}
			b.allow(at, "namespace", "processContents", "id")
			b.children(at)
			set.wildcard = b.wildcard(at)
		}
	}
	for _, g := range groups {
		if set.wildcard == nil {
			set.wildcard = g
			continue
		}
		w, ok := set.wildcard.intersect(g)
		if !ok {
			b.fault(kids[0], "what the attribute wildcards have in common cannot be said")
			continue
		}
		set.wildcard = w
	}
	return set
}

func (b *builder) wildcard(at place) *wildcard {
	w := &wildcard{}
	switch v, ok := at.e.Attr(Name{Local: "processContents"}); v {
	case "strict":
	case "lax":
		w.process = processLax
	case "skip":
		w.process = processSkip
	default:
		if ok {
			b.fault(at, "processContents: want strict, lax or skip")
		}
	}
	v, ok := at.e.Attr(Name{Local: "namespace"})
	switch v = collapse(v); {
	case !ok || v == "##any":
		w.any = true
	case v == "##other":
		w.not = true
		w.set = map[string]bool{}
		if at.file.target != "" {
			w.set[at.file.target] = true
		}
	default:
		w.set = map[string]bool{}
		for _, word := range splitSpaces(v) {
			switch word {
			case "##targetNamespace":
				w.set[at.file.target] = true
			case "##local":
				w.set[""] = true
			case "##any", "##other":
				b.fault(at, "namespace: %s stands alone", word)
			default:
				w.set[word] = true
			}
		}
	}
	return w
}

func (b *builder) elementNamed(name Name, at place) *element {
	if e := b.schema.elements[name]; e != nil {
		return e
	}
	b.once(symElement, name, at, func(own place) {
		b.allow(own, "name", "type", "default", "fixed", "nillable", "abstract", "block", "final", "substitutionGroup", "id")
		e := &element{name: name, global: true, abstract: b.boolean(own, "abstract")}
		b.schema.elements[name] = e
		if head, ok := b.reference(own, "substitutionGroup"); ok {
			e.head = b.elementNamed(head, own)
		}
		e.final = b.derivationsOr(own, "final", byExtension|byRestriction, own.file.finalDefault)
		b.declare(e, own)
	})
	return b.schema.elements[name]
}

// declare reads what global and local element declarations have in common. The type
// comes later.
func (b *builder) declare(e *element, at place) {
	e.nillable = b.boolean(at, "nillable")
	e.block = b.derivationsOr(at, "block", byExtension|byRestriction|bySubstitution, at.file.blockDefault)
	e.value = b.value(at)
	kids := b.children(at, "simpleType", "complexType", "unique", "key", "keyref")
	var own []place
	for _, k := range kids {
		if k.is("simpleType") || k.is("complexType") {
			if own = append(own, k); len(e.constraints) > 0 {
				b.fault(k, "a type stands before the constraints")
			}
			continue
		}
		if c := b.constraint(k); c != nil {
			e.constraints = append(e.constraints, c)
			b.schema.identity = true
		}
	}
	ref, has := at.e.Attr(Name{Local: "type"})
	if len(own) > 1 || has && len(own) > 0 {
		b.fault(at, "an element has one type") // src-element.3
		return
	}
	e.typ = b.schema.types[xsName("anyType")] // until it is known
	b.later = append(b.later, func() {
		switch {
		case has:
			if name, ok := b.qname(at, ref); ok {
				if t := b.typeNamed(name, at); t != nil {
					e.typ = t
				}
			}
		case len(own) == 1 && own[0].is("simpleType"):
			e.typ = b.simpleType(own[0], Name{})
		case len(own) == 1:
			b.complexType(own[0], Name{}, func(t *typeDef) { e.typ = t })
		case e.head != nil: // 3.3.2: the type of the head
			b.inherit(e, at, 0)
			return
		}
		b.settleElement(e, at)
	})
}

// inherit gives an element the type of the head of its substitution group, once that
// is known.
func (b *builder) inherit(e *element, at place, round int) {
	any := b.schema.types[xsName("anyType")]
	if e.head.typ == any && round < 64 {
		b.later = append(b.later, func() { b.inherit(e, at, round+1) })
		return
	}
	e.typ = e.head.typ
	b.settleElement(e, at)
}

func (b *builder) settleElement(e *element, at place) {
	if e.value == nil {
		return
	}
	if e.typ.simple != nil && e.typ.simple.isID() {
		b.fault(at, "an element of type xs:ID has no default and no fixed value") // e-props-correct.5
	}
	b.settle(e.value, e.typ, at)
}

func xsName(local string) Name { return Name{Space: Space, Local: local} }
