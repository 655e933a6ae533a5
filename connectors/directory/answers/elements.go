package answers

import (
	"slices"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
)

// Bounds on what a document may repeat, besides those of rim: the whole
// catalogue of a network is one answer.
const (
	maxObjects    = 20_000 // registry objects of one document
	maxFrameworks = 20_000 // of one requirement
	maxLists      = 2_000  // of one requirement
	maxAccess     = 20_000 // of one data service
	maxPlaces     = 5_000  // jurisdictions of one provider
)

// A Reader reads the nouns of this package as any edition writes them. It keeps
// the first fault, as rim's reader does; the zero Reader is ready.
type Reader struct{ rim.Reader }

// Requirement reads sdg:Requirement.
func (r *Reader) Requirement(e xmldoc.Element) Requirement {
	s := r.Sequence(e)
	v := Requirement{ID: r.Filled(s.One(rim.SDG("Identifier")), rim.MaxURL)}
	v.Names = r.Texts(s.Many(rim.SDG("Name"), 1, rim.Many))
	v.Descriptions = r.Texts(s.Many(rim.SDG("Description"), 0, rim.Many))
	for e := range s.Many(rim.SDG("ReferenceFramework"), 0, maxFrameworks) {
		v.Frameworks = append(v.Frameworks, r.Framework(e))
	}
	for e := range s.Many(rim.SDG("EvidenceTypeList"), 0, maxLists) {
		v.Lists = append(v.Lists, r.EvidenceTypeList(e))
	}
	s.End()
	return v
}

// Framework reads sdg:ReferenceFramework.
func (r *Reader) Framework(e xmldoc.Element) Framework {
	s := r.Sequence(e)
	v := Framework{ID: r.UUID(s.One(rim.SDG("Identifier")))}
	v.Titles = r.Texts(s.Many(rim.SDG("Title"), 0, rim.Many))
	v.Descriptions = r.Texts(s.Many(rim.SDG("Description"), 0, rim.Many))
	for e := range s.Many(rim.SDG("RelatedTo"), 0, rim.Many) {
		in := r.Sequence(e)
		v.Procedures = append(v.Procedures, r.Filled(in.One(rim.SDG("Identifier")), 64))
		in.End() // R-EB-REQ-S015: nothing else
	}
	v.Jurisdiction = r.jurisdiction(s.Maybe(rim.SDG("Jurisdiction")))
	s.End()
	return v
}

// EvidenceTypeList reads sdg:EvidenceTypeList. Where MatchType and
// MatchDescription stand in it is not settled: they are read at any place.
func (r *Reader) EvidenceTypeList(e xmldoc.Element) EvidenceTypeList {
	s := r.Sequence(e)
	var v EvidenceTypeList
	match := func() {
		for {
			if e := s.Maybe(rim.SDG("MatchType")); !e.IsZero() {
				v.NoMatch = r.Filled(e, 64) == "NoMatch"
			} else if e := s.Maybe(rim.SDG("MatchDescription")); !e.IsZero() {
				v.MatchDescriptions = append(v.MatchDescriptions, r.Texts(slices.Values([]xmldoc.Element{e}))...)
			} else {
				return
			}
		}
	}
	match()
	v.ID = r.UUID(s.One(rim.SDG("Identifier")))
	match()
	v.Names = r.Texts(s.Many(rim.SDG("Name"), 0, rim.Many))
	match()
	for e := range s.Many(rim.SDG("EvidenceType"), 0, rim.Many) {
		v.Types = append(v.Types, r.EvidenceType(e))
	}
	match()
	v.Jurisdictions = r.jurisdictions(&s)
	match()
	s.End()
	return v
}

// EvidenceType reads sdg:EvidenceType.
func (r *Reader) EvidenceType(e xmldoc.Element) EvidenceType {
	s := r.Sequence(e)
	v := EvidenceType{Classification: r.Filled(s.One(rim.SDG("EvidenceTypeClassification")), rim.MaxURL)}
	v.Titles = r.Texts(s.Many(rim.SDG("Title"), 1, rim.Many))
	v.Descriptions = r.Texts(s.Many(rim.SDG("Description"), 0, rim.Many))
	v.Jurisdictions = r.jurisdictions(&s)
	v.Distributions = r.distributions(&s, "Distribution")
	s.End()
	return v
}

// DataService reads sdg:DataServiceEvidenceType.
func (r *Reader) DataService(e xmldoc.Element) DataService {
	s := r.Sequence(e)
	v := DataService{ID: r.UUID(s.One(rim.SDG("Identifier")))}
	v.Classification = r.Filled(s.One(rim.SDG("EvidenceTypeClassification")), rim.MaxURL)
	v.Titles = r.Texts(s.Many(rim.SDG("Title"), 1, rim.Many))
	v.Descriptions = r.Texts(s.Many(rim.SDG("Description"), 0, rim.Many))
	v.Distributions = r.distributions(&s, "DistributedAs")
	for e := range s.Many(rim.SDG("AccessService"), 0, maxAccess) {
		v.Access = append(v.Access, r.AccessService(e))
	}
	v.Assurance = r.TextMax(s.Maybe(rim.SDG("AuthenticationLevelOfAssurance")), 64)
	v.Notes = r.Texts(s.Many(rim.SDG("Note"), 0, rim.Many))
	v.Determination = r.determination(s.Maybe(rim.SDG("EvidenceProviderJurisdictionDetermination")))
	for e := range s.Many(rim.SDG("EvidenceProviderClassification"), 0, rim.Many) {
		v.Concepts = append(v.Concepts, r.Concept(e))
	}
	s.End()
	return v
}

// AccessService reads sdg:AccessService.
func (r *Reader) AccessService(e xmldoc.Element) AccessService {
	s := r.Sequence(e)
	v := AccessService{ID: r.Participant(s.One(rim.SDG("Identifier")))}
	v.Names = r.Texts(s.Many(rim.SDG("Name"), 0, rim.Many))
	for e := range s.Many(rim.SDG("ConformsTo"), 1, rim.Many) {
		v.ConformsTo = append(v.ConformsTo, r.Filled(e, 64))
	}
	if e := s.Maybe(rim.SDG("Publisher")); !e.IsZero() {
		v.Publisher = r.provider(e)
	}
	s.End()
	return v
}

func (r *Reader) provider(e xmldoc.Element) Provider {
	s := r.Sequence(e)
	v := Provider{ID: r.Participant(s.One(rim.SDG("Identifier")))}
	v.Names = r.Texts(s.Many(rim.SDG("Name"), 1, rim.Many))
	v.Descriptions = r.Texts(s.Many(rim.SDG("Description"), 0, rim.Many))
	v.Address = r.Address(s.One(rim.SDG("Address")))
	v.Jurisdictions = r.jurisdictions(&s)
	for e := range s.Many(rim.SDG("ClassificationConcept"), 0, rim.Many) {
		v.Concepts = append(v.Concepts, r.Concept(e))
	}
	s.End()
	return v
}

func (r *Reader) jurisdictions(s *rim.Sequence) []Jurisdiction {
	var out []Jurisdiction
	for e := range s.Many(rim.SDG("Jurisdiction"), 0, maxPlaces) {
		out = append(out, r.jurisdiction(e))
	}
	return out
}

func (r *Reader) jurisdiction(e xmldoc.Element) Jurisdiction {
	if e.IsZero() {
		return Jurisdiction{}
	}
	s := r.Sequence(e)
	v := Jurisdiction{Country: r.Country(s.One(rim.SDG("AdminUnitLevel1")))}
	v.Level2 = r.TextMax(s.Maybe(rim.SDG("AdminUnitLevel2")), 64)
	v.Level3 = r.TextMax(s.Maybe(rim.SDG("AdminUnitLevel3")), 64)
	for e := range s.Many(rim.SDG("AdditionalJurisdictionClassification"), 0, rim.Many) {
		v.Classifications = append(v.Classifications, ListedCode{List: r.Attr(e, rim.Plain("listID")), Code: r.Filled(e, rim.MaxName)})
	}
	s.End()
	return v
}

func (r *Reader) distributions(s *rim.Sequence, name string) []Distribution {
	var out []Distribution
	for e := range s.Many(rim.SDG(name), 0, rim.Many) {
		in := r.Sequence(e)
		var d Distribution
		for e := range in.Many(rim.SDG("Format"), 1, rim.Many) {
			d.Formats = append(d.Formats, r.Filled(e, rim.MaxName))
		}
		for e := range in.Many(rim.SDG("Language"), 0, rim.Many) {
			d.Languages = append(d.Languages, r.Language(e))
		}
		d.ConformsTo = r.TextMax(in.Maybe(rim.SDG("ConformsTo")), rim.MaxURL)
		d.Transformation = r.TextMax(in.Maybe(rim.SDG("Transformation")), rim.MaxURL)
		in.End()
		out = append(out, d)
	}
	return out
}

func (r *Reader) determination(e xmldoc.Element) *Determination {
	if e.IsZero() {
		return nil
	}
	s := r.Sequence(e)
	v := &Determination{ContextID: r.UUID(s.One(rim.SDG("JurisdictionContextId")))}
	v.Contexts = r.Texts(s.Many(rim.SDG("JurisdictionContext"), 1, rim.Many))
	v.Level = r.Filled(s.One(rim.SDG("JurisdictionLevel")), 64)
	s.End()
	return v
}

// Concept reads an element of sdg:InformationConceptType.
func (r *Reader) Concept(e xmldoc.Element) Concept {
	s := r.Sequence(e)
	id := s.One(rim.SDG("Identifier"))
	v := Concept{ID: r.Filled(id, rim.MaxName)}
	if !id.IsZero() {
		v.Scheme = r.Attr(id, rim.Plain("schemeID"))
	}
	v.Type = r.TextMax(s.Maybe(rim.SDG("Type")), 64)
	v.ValueExpression = r.TextMax(s.Maybe(rim.SDG("ValueExpression")), rim.MaxURL)
	v.Descriptions = r.Texts(s.Many(rim.SDG("Description"), 0, rim.Many))
	if e := s.Maybe(rim.SDG("SupportedValue")); !e.IsZero() {
		v.Supported = r.values(e)
	}
	s.End()
	return v
}

func (r *Reader) values(e xmldoc.Element) Values {
	s := r.Sequence(e)
	v := Values{Kind: ValueKind(s.Next().Name().Local)}
	if !slices.Contains([]ValueKind{StringValue, DateValue, BooleanValue}, v.Kind) {
		r.Fail(e, "SupportedValue holds no value")
		return Values{}
	}
	for e := range s.Many(rim.SDG(string(v.Kind)), 1, maxPlaces) {
		v.List = append(v.List, r.Filled(e, rim.MaxText))
	}
	s.End()
	return v
}

// exception reads rs:Exception with the slots of DSD:ERR:0005.
func (r *Reader) exception(e xmldoc.Element) Exception {
	x, slots := r.Exception(e)
	v := Exception{Type: x.Type.Local, Code: x.Code, Message: x.Message, Severity: x.Severity, Detail: x.Detail}
	if slots.Has("DataServiceEvidenceType") {
		s := r.DataService(r.Any(slots.Get("DataServiceEvidenceType"), rim.SDG("DataServiceEvidenceType")))
		v.Service = &s
	}
	v.Determination = r.determination(r.Any(slots.Get("JurisdictionDetermination"), rim.SDG("EvidenceProviderJurisdictionDetermination")))
	for e := range r.Collection(slots.Get("UserRequestedClassificationConcepts"), rim.SDG("EvidenceProviderClassification")) {
		v.Concepts = append(v.Concepts, r.Concept(e))
	}
	return v
}
