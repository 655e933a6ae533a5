package answers

import (
	"fmt"
	"slices"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// Write writes an answer in the shape of its edition: what the edition cannot
// say is left out, as Shaped says.
func Write(a Answer) ([]byte, error) {
	if !slices.Contains(Editions(), a.Edition) {
		return nil, fmt.Errorf("writing answer: unknown edition %q", a.Edition)
	}
	a = a.Shaped()
	b := xmldoc.NewBuilder(queryName("QueryResponse"),
		xmldoc.NS{Prefix: "query", URI: spaceQuery}, xmldoc.NS{Prefix: "rim", URI: spaceRIM}, xmldoc.NS{Prefix: "rs", URI: spaceRS},
		xmldoc.NS{Prefix: "sdg", URI: spaceSDG}, xmldoc.NS{Prefix: "xsi", URI: spaceXSI})
	root := b.Root()
	status := StatusSuccess
	if len(a.Exceptions) > 0 {
		status = StatusFailure
	}
	root.Attr(plainName("status"), status)
	if a.Edition != Edition10 {
		slotValue(root, "SpecificationIdentifier", "StringValueType").Leaf(rimName("Value"), string(a.Edition))
	}
	if len(a.Exceptions) > 0 {
		for _, x := range a.Exceptions {
			exception(root, x)
		}
		return b.Document()
	}
	list := root.Add(rimName("RegistryObjectList"))
	for _, r := range a.Requirements {
		o := list.Add(rimName("RegistryObject")).Attr(plainName("id"), r.Object)
		WriteRequirement(slotValue(o, "Requirement", "AnyValueType"), r)
	}
	for _, s := range a.Services {
		o := list.Add(rimName("RegistryObject")).Attr(plainName("id"), s.Object)
		WriteDataService(slotValue(o, "DataServiceEvidenceType", "AnyValueType"), s)
	}
	return b.Document()
}

func slotValue(t *xmldoc.Tag, name, valueType string) *xmldoc.Tag {
	s := t.Add(rimName("Slot")).Attr(plainName("name"), name)
	v := s.Add(rimName("SlotValue"))
	return v.Attr(xsiType, v.QName(rimName(valueType)))
}

func exception(t *xmldoc.Tag, x Exception) {
	e := t.Add(rsName("Exception"))
	e.Attr(xsiType, e.QName(rsName(x.Type)))
	for _, a := range [][2]string{{"code", x.Code}, {"message", x.Message}, {"severity", x.Severity}, {"detail", x.Detail}} {
		optionalAttr(e, a[0], a[1])
	}
	if x.Service != nil {
		WriteDataService(slotValue(e, "DataServiceEvidenceType", "AnyValueType"), *x.Service)
	}
	if x.Determination != nil {
		writeDetermination(slotValue(e, "JurisdictionDetermination", "AnyValueType"), *x.Determination)
	}
	if len(x.Concepts) > 0 {
		v := slotValue(e, "UserRequestedClassificationConcepts", "CollectionValueType").Attr(plainName("collectionType"), collectionSet)
		for _, c := range x.Concepts {
			el := v.Add(rimName("Element"))
			el.Attr(xsiType, el.QName(rimName("AnyValueType")))
			writeConcept(el, "EvidenceProviderClassification", c)
		}
	}
}

// WriteRequirement appends sdg:Requirement.
func WriteRequirement(t *xmldoc.Tag, r Requirement) {
	e := t.Add(sdgName("Requirement"))
	e.Leaf(sdgName("Identifier"), r.ID)
	texts(e, "Name", r.Names)
	texts(e, "Description", r.Descriptions)
	for _, f := range r.Frameworks {
		WriteFramework(e, f)
	}
	for _, l := range r.Lists {
		WriteEvidenceTypeList(e, l)
	}
}

// WriteFramework appends sdg:ReferenceFramework.
func WriteFramework(t *xmldoc.Tag, f Framework) {
	e := t.Add(sdgName("ReferenceFramework"))
	e.Leaf(sdgName("Identifier"), f.ID)
	texts(e, "Title", f.Titles)
	texts(e, "Description", f.Descriptions)
	for _, p := range f.Procedures {
		e.Add(sdgName("RelatedTo")).Leaf(sdgName("Identifier"), p)
	}
	jurisdiction(e, f.Jurisdiction)
}

// WriteEvidenceTypeList appends sdg:EvidenceTypeList.
func WriteEvidenceTypeList(t *xmldoc.Tag, l EvidenceTypeList) {
	e := t.Add(sdgName("EvidenceTypeList"))
	e.Leaf(sdgName("Identifier"), l.ID)
	texts(e, "Name", l.Names)
	if l.NoMatch {
		e.Leaf(sdgName("MatchType"), "NoMatch")
	}
	texts(e, "MatchDescription", l.MatchDescriptions)
	for _, v := range l.Types {
		WriteEvidenceType(e, v)
	}
	for _, j := range l.Jurisdictions {
		jurisdiction(e, j)
	}
}

// WriteEvidenceType appends sdg:EvidenceType.
func WriteEvidenceType(t *xmldoc.Tag, v EvidenceType) {
	e := t.Add(sdgName("EvidenceType"))
	e.Leaf(sdgName("EvidenceTypeClassification"), v.Classification)
	texts(e, "Title", v.Titles)
	texts(e, "Description", v.Descriptions)
	for _, j := range v.Jurisdictions {
		jurisdiction(e, j)
	}
	for _, d := range v.Distributions {
		distribution(e, "Distribution", d)
	}
}

// WriteDataService appends sdg:DataServiceEvidenceType.
func WriteDataService(t *xmldoc.Tag, s DataService) {
	e := t.Add(sdgName("DataServiceEvidenceType"))
	e.Leaf(sdgName("Identifier"), s.ID)
	e.Leaf(sdgName("EvidenceTypeClassification"), s.Classification)
	texts(e, "Title", s.Titles)
	texts(e, "Description", s.Descriptions)
	for _, d := range s.Distributions {
		distribution(e, "DistributedAs", d)
	}
	for _, a := range s.Access {
		WriteAccessService(e, a)
	}
	optional(e, "AuthenticationLevelOfAssurance", s.Assurance)
	texts(e, "Note", s.Notes)
	if s.Determination != nil {
		writeDetermination(e, *s.Determination)
	}
	for _, c := range s.Concepts {
		writeConcept(e, "EvidenceProviderClassification", c)
	}
}

// WriteAccessService appends sdg:AccessService.
func WriteAccessService(t *xmldoc.Tag, a AccessService) {
	e := t.Add(sdgName("AccessService"))
	identifier(e, a.ID.Scheme, a.ID.ID)
	texts(e, "Name", a.Names)
	for _, c := range a.ConformsTo {
		e.Leaf(sdgName("ConformsTo"), c)
	}
	if p := a.Publisher; !p.ID.IsZero() {
		e := e.Add(sdgName("Publisher"))
		identifier(e, p.ID.Scheme, p.ID.ID)
		texts(e, "Name", p.Names)
		texts(e, "Description", p.Descriptions)
		address(e, p.Address)
		for _, j := range p.Jurisdictions {
			jurisdiction(e, j)
		}
		for _, c := range p.Concepts {
			writeConcept(e, "ClassificationConcept", c)
		}
	}
}

func address(t *xmldoc.Tag, a Address) {
	e := t.Add(sdgName("Address"))
	optional(e, "FullAddress", a.Full)
	optional(e, "LocatorDesignator", a.Locator)
	optional(e, "PostCode", a.PostCode)
	optional(e, "PostCityName", a.City)
	optional(e, "Thoroughfare", a.Street)
	e.Leaf(sdgName("AdminUnitLevel1"), a.Country)
	optional(e, "AdminUnitLevel2", a.Level2)
}

func jurisdiction(t *xmldoc.Tag, j Jurisdiction) {
	if j.IsZero() {
		return
	}
	e := t.Add(sdgName("Jurisdiction"))
	e.Leaf(sdgName("AdminUnitLevel1"), j.Country)
	optional(e, "AdminUnitLevel2", j.Level2)
	optional(e, "AdminUnitLevel3", j.Level3)
	for _, c := range j.Classifications {
		optionalAttr(e.Leaf(sdgName("AdditionalJurisdictionClassification"), c.Code), "listID", c.List)
	}
}

func distribution(t *xmldoc.Tag, name string, d Distribution) {
	e := t.Add(sdgName(name))
	for _, f := range d.Formats {
		e.Leaf(sdgName("Format"), f)
	}
	for _, l := range d.Languages {
		e.Leaf(sdgName("Language"), l)
	}
	optional(e, "ConformsTo", d.ConformsTo)
	optional(e, "Transformation", d.Transformation)
}

func writeDetermination(t *xmldoc.Tag, d Determination) {
	e := t.Add(sdgName("EvidenceProviderJurisdictionDetermination"))
	e.Leaf(sdgName("JurisdictionContextId"), d.ContextID)
	texts(e, "JurisdictionContext", d.Contexts)
	e.Leaf(sdgName("JurisdictionLevel"), d.Level)
}

func writeConcept(t *xmldoc.Tag, name string, c Concept) {
	e := t.Add(sdgName(name))
	identifier(e, c.Scheme, c.ID)
	optional(e, "Type", c.Type)
	optional(e, "ValueExpression", c.ValueExpression)
	texts(e, "Description", c.Descriptions)
	if len(c.Supported.List) > 0 {
		e := e.Add(sdgName("SupportedValue"))
		for _, v := range c.Supported.List {
			e.Leaf(sdgName(string(c.Supported.Kind)), v)
		}
	}
}

func identifier(t *xmldoc.Tag, scheme, id string) {
	optionalAttr(t.Leaf(sdgName("Identifier"), id), "schemeID", scheme)
}

func texts(t *xmldoc.Tag, name string, list []canon.Text) {
	for _, s := range list {
		optionalAttr(t.Leaf(sdgName(name), s.Text), "lang", s.Lang)
	}
}

func optional(t *xmldoc.Tag, name, text string) {
	if text != "" {
		t.Leaf(sdgName(name), text)
	}
}

func optionalAttr(t *xmldoc.Tag, name, value string) {
	if value != "" {
		t.Attr(plainName(name), value)
	}
}
