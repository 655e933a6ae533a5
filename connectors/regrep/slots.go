package regrep

import (
	"iter"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// A slot is one entry of a closed list of slots.
type slot struct {
	name     string
	once     string // the rule that asks for it; empty for optional slots
	value    string // the value type
	typeRule string
	element  string // of a collection: the rule on the type of its elements
}

// slotRules are the rules that hold for every slot of a list.
type slotRules struct {
	closed   string // no slots besides the listed ones
	one      string // exactly one SlotValue
	filled   string // the SlotValue is not empty
	elements string // a collection has elements
	set      string // the collectionType
}

// slots are the values of the slots found, by name.
type slots map[string]xmldoc.Element

// slots reads the slots among the children of e. They are told apart by name,
// never by place.
func (r *reader) slots(e xmldoc.Element, rules slotRules, list []slot) slots {
	found := slots{}
	if e.IsZero() || r.bad != nil {
		return found
	}
	for s := range e.All(rimName("Slot")) {
		name, _ := s.Attr(plainName("name"))
		spec := lookup(list, collapse(name))
		switch {
		case spec == nil:
			r.fail(s, rules.closed, e.Name().Local+" has a slot that is not in the list")
		case !found[spec.name].IsZero():
			r.fail(s, or(spec.once, rules.closed), spec.name+" is there more than once")
		default:
			found[spec.name] = r.slotValue(s, rules, spec)
		}
		if r.bad != nil {
			return found
		}
	}
	for _, spec := range list {
		if spec.once != "" && found[spec.name].IsZero() {
			r.fail(e, spec.once, spec.name+" is missing")
		}
	}
	return found
}

func lookup(list []slot, name string) *slot {
	for i := range list {
		if list[i].name == name {
			return &list[i]
		}
	}
	return nil
}

func (r *reader) slotValue(s xmldoc.Element, rules slotRules, spec *slot) xmldoc.Element {
	v, err := s.Only(rimName("SlotValue"))
	if err != nil {
		r.fail(s, rules.one, spec.name+" does not have exactly one SlotValue")
		return v
	}
	if !r.isType(v, spec.value) {
		r.fail(v, spec.typeRule, spec.name+" is not a "+spec.value)
		return v
	}
	children := 0
	for range v.Children() {
		children++
	}
	switch {
	case children == 0 && spec.value == typeCollection:
		r.fail(v, rules.elements, spec.name+" has no Element")
	case children == 0:
		r.fail(v, rules.filled, spec.name+" has no value")
	case spec.value == typeCollection:
		if collection, _ := v.Attr(plainName("collectionType")); collapse(collection) != collectionSet {
			r.fail(v, rules.set, spec.name+" is not a collection of type Set")
		}
		for c := range v.Children() {
			if !c.Is(rimName("Element")) {
				r.fail(c, "XSD", spec.name+" holds something else than Element")
			} else if !r.isType(c, typeAny) {
				r.fail(c, or(spec.element, spec.typeRule), "an Element of "+spec.name+" is not an AnyValueType")
			}
		}
	case spec.value != typeAny && r.value(v).IsZero():
		r.fail(v, rules.filled, spec.name+" has no Value")
	case spec.value == typeString && r.text(r.value(v), 0) == "":
		r.fail(v, rules.filled, spec.name+" is empty")
	}
	return v
}

// isType reports whether xsi:type of e names a type of rim. The prefix is
// resolved: it means nothing by itself.
func (r *reader) isType(e xmldoc.Element, local string) bool {
	t, _ := e.Attr(xsiType)
	name, ok := e.ResolveQName(t)
	return ok && name == rimName(local)
}

// value returns rim:Value of a slot value that has one.
func (r *reader) value(v xmldoc.Element) xmldoc.Element {
	if v.IsZero() || r.bad != nil {
		return xmldoc.Element{}
	}
	e, err := v.Only(rimName("Value"))
	if err != nil {
		return xmldoc.Element{}
	}
	return e
}

// string returns the text of a StringValueType.
func (r *reader) string(v xmldoc.Element) string { return r.text(r.value(v), 0) }

// boolean returns the value of a BooleanValueType (xsd:boolean).
func (r *reader) boolean(v xmldoc.Element, rule, what string) bool {
	s := r.string(v)
	if !v.IsZero() && r.bad == nil && s != "true" && s != "1" && s != "false" && s != "0" {
		r.fail(v, rule, what+" is not a boolean")
	}
	return s == "true" || s == "1"
}

// any returns the one foreign element of an AnyValueType, which must have the
// given sdg name.
func (r *reader) any(v xmldoc.Element, local, rule string) xmldoc.Element {
	if v.IsZero() || r.bad != nil {
		return xmldoc.Element{}
	}
	var only xmldoc.Element
	for c := range v.Children() {
		if !only.IsZero() || !c.Is(sdgName(local)) {
			r.fail(c, rule, "the value is not one sdg:"+local)
			return xmldoc.Element{}
		}
		only = c
	}
	if only.IsZero() {
		r.fail(v, rule, "the value is not one sdg:"+local)
	}
	return only
}

// collection yields the sdg elements of a collection.
func (r *reader) collection(v xmldoc.Element, local, rule string) iter.Seq[xmldoc.Element] {
	return func(yield func(xmldoc.Element) bool) {
		if v.IsZero() {
			return
		}
		for e := range v.All(rimName("Element")) {
			c := r.any(e, local, rule)
			if r.bad != nil || !yield(c) {
				return
			}
		}
	}
}

// international returns the localised strings of an InternationalStringValueType.
func (r *reader) international(v xmldoc.Element, langRule string) []canon.Text {
	var out []canon.Text
	value := r.value(v)
	if value.IsZero() {
		return nil
	}
	for s := range value.All(rimName("LocalizedString")) {
		lang := r.attr(s, xmlLang, langRule)
		if r.bad == nil && !languages[lang] {
			r.fail(s, langRule, "LocalizedString has a lang that is not in LanguageCode")
		}
		text := r.attr(s, plainName("value"), "XSD")
		r.atMost(s, text, maxText)
		if len(out) == many {
			r.fail(s, "limit", "there are too many localised strings")
		}
		out = append(out, canon.Text{Lang: lang, Text: text})
	}
	return out
}
