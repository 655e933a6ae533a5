package lcm

import (
	"fmt"
	"slices"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/regrep/rim"
)

// Write writes a submission in the shape of an edition. Only the form of 1.0 is
// published; 1.2 and 2.0 are the same form with the nouns of those editions.
func Write(s Submission, edition answers.Edition) ([]byte, error) {
	for _, o := range s.Objects {
		if p := o.Provider; p != nil && edition == answers.Edition10 && !slices.Contains(p.ConformsTo, answers.EDM10) {
			return nil, fmt.Errorf("writing submission: access service %s does not speak %s, and 1.0 can say nothing else", p.ID, answers.EDM10)
		}
	}
	w := &answers.Writer{}
	w.Root("lcm:SubmitObjectsRequest", "xmlns:lcm", rim.SpaceLCM, "id", s.ID, "checkReferences", "true")
	if edition != answers.Edition10 { // which does not name itself
		w.String("SpecificationIdentifier", string(edition))
	}
	w.Open("rim:RegistryObjectList")
	for _, o := range s.Objects {
		w.Open("rim:RegistryObject", "id", o.ID)
		node := o.node()
		w.Slot(node, rim.TypeAny, func() { noun(w, o, answers.Shaper(edition)) })
		w.Empty("rim:Classification", "id", o.Classification, "classificationScheme", schemes[partOf(node)], "classificationNode", node)
		w.Close("rim:RegistryObject")
	}
	for _, a := range s.Associations {
		w.Empty("rim:RegistryObject", "xsi:type", "rim:AssociationType", "id", a.ID,
			"sourceObject", a.Source, "targetObject", a.Target, "type", rim.AssociationPrefix+a.Kind)
	}
	w.Close("rim:RegistryObjectList")
	w.Close("lcm:SubmitObjectsRequest")
	out, err := w.Done()
	if err != nil {
		return nil, fmt.Errorf("writing submission: %w", err)
	}
	return out, nil
}

func noun(w *answers.Writer, o Object, as answers.Shaper) {
	switch {
	case o.Type != nil:
		w.EvidenceType(as.EvidenceType(*o.Type))
	case o.List != nil:
		w.EvidenceTypeList(as.EvidenceTypeList(*o.List))
	case o.Requirement != nil:
		w.Requirement(as.Requirement(*o.Requirement))
	case o.Framework != nil:
		w.Framework(as.Framework(*o.Framework))
	case o.Service != nil:
		w.DataService(as.DataService(*o.Service))
	case o.Provider != nil:
		w.AccessService(as.AccessService(*o.Provider))
	}
}
