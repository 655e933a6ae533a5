package answers

import (
	"fmt"
	"slices"

	"oncegate/connectors/regrep/rim"
)

// Write writes an answer in the shape of its edition: what the edition cannot
// say is left out, as Shaped says.
func Write(a Answer) ([]byte, error) {
	if !slices.Contains(Editions(), a.Edition) {
		return nil, fmt.Errorf("writing answer: unknown edition %q", a.Edition)
	}
	a = a.Shaped()
	w := &Writer{}
	status := rim.StatusSuccess
	if len(a.Exceptions) > 0 {
		status = rim.StatusFailure
	}
	w.Root("query:QueryResponse", "status", status)
	if a.Edition != Edition10 {
		w.String("SpecificationIdentifier", string(a.Edition))
	}
	if len(a.Exceptions) == 0 {
		w.Open("rim:RegistryObjectList")
		for _, r := range a.Requirements {
			w.object(r.Object, "Requirement", func() { w.Requirement(r) })
		}
		for _, s := range a.Services {
			w.object(s.Object, "DataServiceEvidenceType", func() { w.DataService(s) })
		}
		w.Close("rim:RegistryObjectList")
	}
	for _, x := range a.Exceptions {
		w.exception(x)
	}
	w.Close("query:QueryResponse")
	out, err := w.Done()
	if err != nil {
		return nil, fmt.Errorf("writing answer: %w", err)
	}
	return out, nil
}

// A Writer writes the nouns of this package into a RegRep document. It writes
// what it is given; Shaped says what an edition knows.
type Writer struct{ rim.Writer }

func (w *Writer) object(id, slot string, f func()) {
	w.Open("rim:RegistryObject", "id", id)
	w.Slot(slot, rim.TypeAny, f)
	w.Close("rim:RegistryObject")
}

func (w *Writer) exception(x Exception) {
	w.OpenException(rim.Exception{Type: rim.RS(x.Type), Code: x.Code, Message: x.Message, Severity: x.Severity, Detail: x.Detail})
	if x.Service != nil {
		w.Slot("DataServiceEvidenceType", rim.TypeAny, func() { w.DataService(*x.Service) })
	}
	if x.Determination != nil {
		w.Slot("JurisdictionDetermination", rim.TypeAny, func() { w.determination(*x.Determination) })
	}
	if len(x.Concepts) > 0 {
		w.Slot("UserRequestedClassificationConcepts", rim.TypeCollection, func() {
			for _, c := range x.Concepts {
				w.Element(func() { w.concept("sdg:EvidenceProviderClassification", c) })
			}
		})
	}
	w.Close("rs:Exception")
}

// Requirement writes sdg:Requirement.
func (w *Writer) Requirement(r Requirement) {
	w.Open("sdg:Requirement")
	w.Leaf("sdg:Identifier", r.ID)
	w.Texts("sdg:Name", r.Names)
	w.Texts("sdg:Description", r.Descriptions)
	for _, f := range r.Frameworks {
		w.Framework(f)
	}
	for _, l := range r.Lists {
		w.EvidenceTypeList(l)
	}
	w.Close("sdg:Requirement")
}

// Framework writes sdg:ReferenceFramework.
func (w *Writer) Framework(f Framework) {
	w.Open("sdg:ReferenceFramework")
	w.Leaf("sdg:Identifier", f.ID)
	w.Texts("sdg:Title", f.Titles)
	w.Texts("sdg:Description", f.Descriptions)
	for _, p := range f.Procedures {
		w.Open("sdg:RelatedTo")
		w.Leaf("sdg:Identifier", p)
		w.Close("sdg:RelatedTo")
	}
	w.jurisdictions(f.Jurisdiction)
	w.Close("sdg:ReferenceFramework")
}

// EvidenceTypeList writes sdg:EvidenceTypeList.
func (w *Writer) EvidenceTypeList(l EvidenceTypeList) {
	w.Open("sdg:EvidenceTypeList")
	w.Leaf("sdg:Identifier", l.ID)
	w.Texts("sdg:Name", l.Names)
	if l.NoMatch {
		w.Leaf("sdg:MatchType", "NoMatch")
	}
	w.Texts("sdg:MatchDescription", l.MatchDescriptions)
	for _, t := range l.Types {
		w.EvidenceType(t)
	}
	w.jurisdictions(l.Jurisdictions...)
	w.Close("sdg:EvidenceTypeList")
}

// EvidenceType writes sdg:EvidenceType.
func (w *Writer) EvidenceType(t EvidenceType) {
	w.Open("sdg:EvidenceType")
	w.Leaf("sdg:EvidenceTypeClassification", t.Classification)
	w.Texts("sdg:Title", t.Titles)
	w.Texts("sdg:Description", t.Descriptions)
	w.jurisdictions(t.Jurisdictions...)
	w.distributions("sdg:Distribution", t.Distributions)
	w.Close("sdg:EvidenceType")
}

// DataService writes sdg:DataServiceEvidenceType.
func (w *Writer) DataService(s DataService) {
	w.Open("sdg:DataServiceEvidenceType")
	w.Leaf("sdg:Identifier", s.ID)
	w.Leaf("sdg:EvidenceTypeClassification", s.Classification)
	w.Texts("sdg:Title", s.Titles)
	w.Texts("sdg:Description", s.Descriptions)
	w.distributions("sdg:DistributedAs", s.Distributions)
	for _, a := range s.Access {
		w.AccessService(a)
	}
	w.Optional("sdg:AuthenticationLevelOfAssurance", s.Assurance)
	w.Texts("sdg:Note", s.Notes)
	if s.Determination != nil {
		w.determination(*s.Determination)
	}
	for _, c := range s.Concepts {
		w.concept("sdg:EvidenceProviderClassification", c)
	}
	w.Close("sdg:DataServiceEvidenceType")
}

// AccessService writes sdg:AccessService.
func (w *Writer) AccessService(a AccessService) {
	w.Open("sdg:AccessService")
	w.Leaf("sdg:Identifier", a.ID.ID, "schemeID", a.ID.Scheme)
	w.Texts("sdg:Name", a.Names)
	for _, c := range a.ConformsTo {
		w.Leaf("sdg:ConformsTo", c)
	}
	if p := a.Publisher; !p.ID.IsZero() {
		w.Open("sdg:Publisher")
		w.Leaf("sdg:Identifier", p.ID.ID, "schemeID", p.ID.Scheme)
		w.Texts("sdg:Name", p.Names)
		w.Texts("sdg:Description", p.Descriptions)
		w.Address("sdg:Address", p.Address)
		w.jurisdictions(p.Jurisdictions...)
		for _, c := range p.Concepts {
			w.concept("sdg:ClassificationConcept", c)
		}
		w.Close("sdg:Publisher")
	}
	w.Close("sdg:AccessService")
}

func (w *Writer) jurisdictions(list ...Jurisdiction) {
	for _, j := range list {
		if j.IsZero() {
			continue
		}
		w.Open("sdg:Jurisdiction")
		w.Leaf("sdg:AdminUnitLevel1", j.Country)
		w.Optional("sdg:AdminUnitLevel2", j.Level2)
		w.Optional("sdg:AdminUnitLevel3", j.Level3)
		for _, c := range j.Classifications {
			w.Leaf("sdg:AdditionalJurisdictionClassification", c.Code, "listID", c.List)
		}
		w.Close("sdg:Jurisdiction")
	}
}

func (w *Writer) distributions(name string, list []Distribution) {
	for _, d := range list {
		w.Open(name)
		for _, f := range d.Formats {
			w.Leaf("sdg:Format", f)
		}
		for _, l := range d.Languages {
			w.Leaf("sdg:Language", l)
		}
		w.Optional("sdg:ConformsTo", d.ConformsTo)
		w.Optional("sdg:Transformation", d.Transformation)
		w.Close(name)
	}
}

func (w *Writer) determination(d Determination) {
	w.Open("sdg:EvidenceProviderJurisdictionDetermination")
	w.Leaf("sdg:JurisdictionContextId", d.ContextID)
	w.Texts("sdg:JurisdictionContext", d.Contexts)
	w.Leaf("sdg:JurisdictionLevel", d.Level)
	w.Close("sdg:EvidenceProviderJurisdictionDetermination")
}

func (w *Writer) concept(name string, c Concept) {
	w.Open(name)
	w.Leaf("sdg:Identifier", c.ID, "schemeID", c.Scheme)
	w.Optional("sdg:Type", c.Type)
	w.Optional("sdg:ValueExpression", c.ValueExpression)
	w.Texts("sdg:Description", c.Descriptions)
	if len(c.Supported.List) > 0 {
		w.Open("sdg:SupportedValue")
		for _, v := range c.Supported.List {
			w.Leaf("sdg:"+string(c.Supported.Kind), v)
		}
		w.Close("sdg:SupportedValue")
	}
	w.Close(name)
}
