package regrep

import (
	"oncegate/connectors/regrep/rim"
	"oncegate/schemas/canon"
)

// A writer is a rim.Writer that knows the edition of its document.
type writer struct {
	rim.Writer
	ed *edition
}

// writeRequest writes a query:QueryRequest. What an edition has no place for is
// left out: what the provider needs it finds elsewhere.
func (w *writer) writeRequest(q *canon.EvidenceRequest) ([]byte, error) {
	private, ok := q.Private.Get()
	if !ok {
		return nil, noPrivate(q.Private.Forgotten())
	}
	if private.Representative.Legal != nil && !w.ed.legalActing { // nobody's powers may get lost on the way
		return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "EDM %s has no authorised representative that is a company", w.ed.name)
	}
	language := ""
	if w.ed.rootLanguage {
		language = preferred(q)
	}
	w.Root("query:QueryRequest", "xml:lang", language, "id", string(q.Request))
	w.String(slotSpecification, q.Specification)
	w.DateTime(slotIssued, q.IssuedAt)
	if w.ed.procedureText {
		w.International(slotProcedure, []canon.Text{{Lang: "EN", Text: q.Procedure}})
	} else {
		w.String(slotProcedure, q.Procedure)
	}
	if q.Step == canon.StepPreview {
		w.String(slotPreview, private.PreviewLocation)
		if w.ed.returnLocation {
			w.String(slotReturn, private.ReturnLocation)
		}
	}
	w.Boolean(slotPossible, q.PreviewPossible)
	w.Boolean(slotExplicit, q.ExplicitRequest.Given)
	w.Slot(slotRequirements, rim.TypeCollection, func() {
		for _, req := range q.Requirements {
			w.Element(func() { w.requirement(req) })
		}
	})
	w.Slot(slotRequester, rim.TypeCollection, func() {
		w.Element(func() { w.Agent("sdg:Agent", q.Requester, "ER") })
		for _, a := range q.Intermediaries {
			w.Element(func() { w.Agent("sdg:Agent", a, "IP") })
		}
	})
	w.Slot(slotProvider, rim.TypeAny, func() { w.Agent("sdg:Agent", q.Provider, "") })
	if len(private.Concepts) > 0 {
		w.Slot(slotConcepts, rim.TypeCollection, func() {
			for _, a := range private.Concepts {
				w.Element(func() { w.concept(a) })
			}
		})
	}
	w.Empty("query:ResponseOption", "returnType", "LeafClassWithRepositoryItem")
	w.Open("query:Query", "queryDefinition", "DocumentQuery")
	w.Slot(slotEvidence, rim.TypeAny, func() { w.evidenceType(q) })
	w.subjects(private)
	w.Close("query:Query")
	w.Close("query:QueryRequest")
	return w.Done()
}

func noPrivate(forgotten bool) error {
	if forgotten {
		return canon.NewFault(canon.CodePayloadForgotten, canon.ErrForgotten, "the private part was forgotten")
	}
	return canon.NewFault(canon.CodeMessageInvalid, nil, "the private part is missing")
}

// preferred returns the language in which the person would like the evidence.
func preferred(q *canon.EvidenceRequest) string {
	if q.Language != "" {
		return q.Language
	}
	for _, d := range q.EvidenceType.Distributions {
		for _, l := range d.Languages {
			return l
		}
	}
	return ""
}

func (w *writer) requirement(req canon.Requirement) {
	w.Open("sdg:Requirement")
	w.Leaf("sdg:Identifier", req.ID)
	w.Texts("sdg:Name", req.Names)
	if w.ed.descriptions {
		w.Texts("sdg:Description", req.Descriptions)
	}
	w.Close("sdg:Requirement")
}

func (w *writer) concept(a canon.ConceptAnswer) {
	w.Open("sdg:EvidenceProviderClassification")
	w.Leaf("sdg:Identifier", a.ID, "schemeID", a.Scheme)
	w.Leaf("sdg:Type", a.Type)
	w.Optional("sdg:ValueExpression", a.ValueURL)
	w.Texts("sdg:Description", a.Descriptions)
	w.Open("sdg:SupportedValue")
	for _, kind := range valueKinds {
		if kind.kind != a.Kind && (kind.kind != "" || a.Kind != "string") {
			continue
		}
		for _, v := range a.Values {
			w.Leaf(kind.element, v)
		}
	}
	w.Close("sdg:SupportedValue")
	w.Close("sdg:EvidenceProviderClassification")
}

func (w *writer) evidenceType(q *canon.EvidenceRequest) {
	t := q.EvidenceType
	w.Open("sdg:DataServiceEvidenceType")
	w.Leaf("sdg:Identifier", t.ID)
	w.Leaf("sdg:EvidenceTypeClassification", t.Classification)
	w.Texts("sdg:Title", t.Titles)
	w.Texts("sdg:Description", t.Descriptions)
	for i, d := range t.Distributions {
		if i == w.ed.forms {
			break // before 2.0 a request names one form; the first is the one liked best
		}
		if len(d.Languages) == 0 && q.Language != "" && !w.ed.rootLanguage {
			d.Languages = []string{q.Language}
		}
		w.form("sdg:DistributedAs", d)
	}
	w.Close("sdg:DataServiceEvidenceType")
}

// form writes DistributedAs or Distribution.
func (w *writer) form(name string, d canon.Distribution) {
	w.Open(name)
	w.Leaf("sdg:Format", d.Format)
	if w.ed.formLanguages || name == "sdg:Distribution" {
		for _, l := range d.Languages {
			w.Leaf("sdg:Language", l)
		}
	}
	w.Optional("sdg:ConformsTo", d.ConformsTo)
	if w.ed.transformation {
		w.Optional("sdg:Transformation", d.Transformation)
	}
	if w.ed.associated {
		for _, a := range d.Associated {
			w.Leaf("sdg:AssociatedDocumentRequest", a)
		}
	}
	w.Close(name)
}

// subjects writes whom the request is about and who acts for them.
func (w *writer) subjects(p *canon.RequestPrivate) {
	natural := func(slot string, n *canon.NaturalPerson) {
		if n != nil {
			w.Slot(slot, rim.TypeAny, func() { w.person("sdg:Person", n, true) })
		}
	}
	legal := func(slot string, l *canon.LegalPerson) {
		if l != nil {
			w.Slot(slot, rim.TypeAny, func() { w.legalPerson(l, true) })
		}
	}
	natural(slotNatural, p.Subject.Natural)
	legal(slotLegal, p.Subject.Legal)
	natural(slotActing, p.Representative.Natural)
	legal(slotLegalActing, p.Representative.Legal)
}

// person writes a person; whole is false for the data set of an answer.
func (w *writer) person(name string, p *canon.NaturalPerson, whole bool) {
	w.Open(name)
	if whole {
		w.Optional("sdg:LevelOfAssurance", p.Assurance)
	}
	w.Optional("sdg:Identifier", p.Identifier, "schemeID", or(p.Scheme, canon.SchemeEidas))
	w.named("sdg:FamilyName", p.FamilyName, p.NonLatin.FamilyName)
	w.named("sdg:GivenName", p.GivenName, p.NonLatin.GivenName)
	w.Leaf("sdg:DateOfBirth", p.BirthDate)
	if whole && p.BirthName != "" {
		w.named("sdg:BirthName", p.BirthName, p.NonLatin.BirthName)
	}
	if p.PlaceOfBirth != "" {
		w.named("sdg:PlaceOfBirth", p.PlaceOfBirth, p.NonLatin.PlaceOfBirth)
	}
	if whole {
		w.Address("sdg:CurrentAddress", p.Address)
		w.Optional("sdg:Gender", p.Gender)
		if w.ed.attributes {
			w.further(p)
		}
		w.attributes(p.Attributes)
	}
	w.Close(name)
}

// further writes what 1.1 added.
func (w *writer) further(p *canon.NaturalPerson) {
	w.Optional("sdg:Nationality", p.Nationality)
	for _, c := range p.OtherNationalities {
		w.Leaf("sdg:Nationality", c)
	}
	w.Optional("sdg:CountryOfBirth", p.CountryOfBirth)
	if p.TownOfBirth != "" {
		w.named("sdg:TownOfBirth", p.TownOfBirth, p.NonLatin.TownOfBirth)
	}
	w.Optional("sdg:CountryOfResidence", p.Residence)
	w.Optional("sdg:PhoneNumber", p.Phone)
	w.Optional("sdg:EmailAddress", p.Email)
}

// named writes a name with its spelling in another script.
func (w *writer) named(element, name, nonLatin string) {
	if !w.ed.attributes {
		nonLatin = ""
	}
	w.Leaf(element, name, "nonLatin", nonLatin)
}

func (w *writer) attributes(list []canon.Attribute) {
	for _, a := range list {
		w.Open("sdg:SectorSpecificAttribute")
		w.Leaf("sdg:AttributeName", a.Name)
		w.Leaf("sdg:AttributeURI", a.URI)
		w.Leaf("sdg:AttributeValue", a.Value)
		w.Close("sdg:SectorSpecificAttribute")
	}
}

// legalPerson writes a company; whole is false for the data set of an answer.
func (w *writer) legalPerson(p *canon.LegalPerson, whole bool) {
	w.Open("sdg:LegalPerson")
	if whole {
		w.Optional("sdg:LevelOfAssurance", p.Assurance)
		for _, id := range p.Others {
			w.Leaf("sdg:Identifier", id.ID, "schemeID", id.Scheme)
		}
	}
	w.Optional("sdg:LegalPersonIdentifier", p.Identifier, "schemeID", or(p.Scheme, canon.SchemeEidas))
	w.named("sdg:LegalName", p.Name, p.NonLatinName)
	if whole {
		w.Address("sdg:RegisteredAddress", p.Address)
		if w.ed.attributes {
			w.Optional("sdg:LegalPhoneNumber", p.Phone)
			w.Optional("sdg:LegalEmailAddress", p.Email)
		}
		w.attributes(p.Attributes)
	}
	w.Close("sdg:LegalPerson")
}
