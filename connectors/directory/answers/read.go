package answers

import (
	"fmt"
	"slices"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
)

// Read reads an answer of any edition. A fault is a *rim.Fault: it names the
// place and never a value. Business rules are for rulecheck.
func Read(root xmldoc.Element) (Answer, error) {
	r := &Reader{}
	a := r.answer(root)
	if err := r.Err(); err != nil {
		return Answer{}, fmt.Errorf("reading answer: %w", err)
	}
	return a, nil
}

func (r *Reader) answer(root xmldoc.Element) Answer {
	a := Answer{Edition: Edition10}
	if !root.Is(rim.Query("QueryResponse")) {
		r.Fail(root, "the document is not a query:QueryResponse")
		return a
	}
	status := r.NeedAttr(root, rim.Plain("status"))
	s := r.Sequence(root)
	slots := r.Slots(&s)
	if slots.Has("SpecificationIdentifier") { // 1.0 does not name itself
		a.Edition = Edition(r.String(slots.Get("SpecificationIdentifier")))
		if !r.Failed() && !slices.Contains(Editions(), a.Edition) && a.Edition != Edition11 {
			r.Fail(root, "SpecificationIdentifier is of no edition that is spoken here")
		}
	}
	for e := range s.Many(rim.RS("Exception"), 0, rim.Many) {
		a.Exceptions = append(a.Exceptions, r.exception(e))
	}
	if e := s.Maybe(rim.RIM("RegistryObjectList")); !e.IsZero() {
		in := r.Sequence(e)
		for e := range in.Many(rim.RIM("RegistryObject"), 0, maxObjects) {
			r.object(e, &a)
		}
		in.End()
	}
	s.End()
	if !r.Failed() && (status == rim.StatusSuccess) != (len(a.Exceptions) == 0) {
		r.Fail(root, "status and content of the answer do not go together")
	}
	return a
}

func (r *Reader) object(e xmldoc.Element, a *Answer) {
	id := r.NeedAttr(e, rim.Plain("id"))
	s := r.Sequence(e)
	slots := r.Slots(&s)
	s.End()
	switch {
	case slots.Has("Requirement"):
		v := r.Requirement(r.Any(slots.Get("Requirement"), rim.SDG("Requirement")))
		v.Object = id
		a.Requirements = append(a.Requirements, v)
	case slots.Has("DataServiceEvidenceType"):
		v := r.DataService(r.Any(slots.Get("DataServiceEvidenceType"), rim.SDG("DataServiceEvidenceType")))
		v.Object = id
		a.Services = append(a.Services, v)
	default:
		r.Fail(e, "RegistryObject holds neither a requirement nor a data service")
	}
}
