package rim

import (
	"iter"
	"time"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// Slots are the slots of one element by name; their order means nothing.
type Slots struct {
	list []slot
}

type slot struct {
	name  string
	value xmldoc.Element
}

// Get returns the SlotValue of a slot, or the zero Element where there is none.
func (s Slots) Get(name string) xmldoc.Element {
	for i := range s.list {
		if s.list[i].name == name {
			return s.list[i].value
		}
	}
	return xmldoc.Element{}
}

// Has reports whether there is a slot of the name.
func (s Slots) Has(name string) bool { return !s.Get(name).IsZero() }

// Slots takes the slots that come next in a sequence. A name stands once, and each
// slot has one SlotValue. Slots of a name that nobody asks for are no fault here:
// which names may be there is a rule.
func (r *Reader) Slots(s *Sequence) Slots {
	var out Slots
	for e := range s.Many(nameSlot, 0, Many) {
		name := r.NeedAttr(e, attrName)
		if out.Has(name) {
			r.Fail(e, "a slot is there twice")
		}
		in := r.Sequence(e)
		value := in.One(nameSlotValue)
		in.End()
		if r.fault != nil {
			return Slots{}
		}
		if out.list == nil {
			out.list = make([]slot, 0, 12)
		}
		out.list = append(out.list, slot{name, value})
	}
	return out
}

// Is reports whether xsi:type of e names this type of rim. The prefix is resolved:
// it means nothing by itself.
func (r *Reader) Is(e xmldoc.Element, local string) bool {
	t, _ := e.Attr(XSIType)
	name, ok := e.ResolveQName(t)
	return ok && name.Local == local && name.Space == SpaceRIM
}

// typed reports whether a slot value is of the type, which is a fault otherwise.
func (r *Reader) typed(v xmldoc.Element, local string) bool {
	if v.IsZero() || r.fault != nil {
		return false
	}
	if !r.Is(v, local) {
		r.Fail(v, v.Name().Local+" is not a "+local)
		return false
	}
	return true
}

func (r *Reader) value(v xmldoc.Element, local string) xmldoc.Element {
	if !r.typed(v, local) {
		return xmldoc.Element{}
	}
	s := r.Sequence(v)
	e := s.One(nameValue)
	s.End()
	return e
}

// String returns the text of a StringValueType.
func (r *Reader) String(v xmldoc.Element) string { return r.Text(r.value(v, TypeString)) }

// Identifier returns the bare UUID of a StringValueType.
func (r *Reader) Identifier(v xmldoc.Element) string { return r.UUID(r.value(v, TypeString)) }

// DateTime returns the time of a DateTimeValueType, in UTC.
func (r *Reader) DateTime(v xmldoc.Element) time.Time {
	e := r.value(v, TypeDateTime)
	s := r.Text(e)
	if e.IsZero() || r.fault != nil {
		return time.Time{}
	}
	t, err := ParseDateTime(s)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		r.Fail(e, "Value is not a time of the calendar")
		return time.Time{}
	}
	return t
}

// Boolean returns the value of a BooleanValueType (xsd:boolean).
func (r *Reader) Boolean(v xmldoc.Element) bool {
	e := r.value(v, TypeBoolean)
	switch s := r.Text(e); s {
	case "true", "1":
		return true
	case "false", "0":
	default:
		if !e.IsZero() {
			r.Fail(e, "Value is not a boolean")
		}
	}
	return false
}

// International returns the localised strings of an InternationalStringValueType.
func (r *Reader) International(v xmldoc.Element) []canon.Text {
	s := r.Sequence(r.value(v, TypeInternational))
	var out []canon.Text
	for e := range s.Many(nameLocalized, 0, Many) {
		out = append(out, canon.Text{Lang: r.Lang(e, XMLLang), Text: r.NeedAttr(e, attrValue)})
	}
	s.End()
	return out
}

// Any returns the one foreign element of an AnyValueType, which must have the name.
func (r *Reader) Any(v xmldoc.Element, name xmldoc.Name) xmldoc.Element {
	if !r.typed(v, TypeAny) {
		return xmldoc.Element{}
	}
	s := r.Sequence(v)
	e := s.One(name)
	s.End()
	return e
}

// Collection yields the elements of a CollectionValueType, at most Many, each of
// which must have the name.
func (r *Reader) Collection(v xmldoc.Element, name xmldoc.Name) iter.Seq[xmldoc.Element] {
	return func(yield func(xmldoc.Element) bool) {
		if !r.typed(v, TypeCollection) {
			return
		}
		s := r.Sequence(v)
		for e := range s.Many(nameElement, 0, Many) {
			if c := r.Any(e, name); r.fault != nil || !yield(c) {
				return
			}
		}
		s.End()
	}
}

// An Exception is what one rs:Exception says in its attributes.
type Exception struct {
	Type                            xmldoc.Name
	Code, Message, Severity, Detail string
}

// Exception reads an rs:Exception and its slots.
func (r *Reader) Exception(e xmldoc.Element) (x Exception, slots Slots) {
	name, ok := e.ResolveQName(r.NeedAttr(e, XSIType))
	if !ok {
		r.Fail(e, "xsi:type of Exception is not a name")
	}
	x = Exception{
		Type:     name,
		Code:     r.NeedAttr(e, Plain("code")),
		Message:  r.Attr(e, Plain("message")),
		Severity: r.Attr(e, Plain("severity")),
		Detail:   r.Attr(e, Plain("detail")),
	}
	s := r.Sequence(e)
	slots = r.Slots(&s)
	s.End()
	return x, slots
}
