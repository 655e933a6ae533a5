package regrep

import (
	"net/url"

	"oncegate/schemas/canon"
)

// writeRequest implements edition.
func (d *edm20) writeRequest(q *canon.EvidenceRequest) ([]byte, error) {
	private, ok := q.Private.Get()
	if !ok {
		return nil, noPrivate(q.Private.Forgotten())
	}
	w := new(writer)
	w.root("query:QueryRequest", "id", string(q.Request))
	w.string("SpecificationIdentifier", specification20)
	w.dateTime("IssueDateTime", q.IssuedAt)
	w.string("Procedure", q.Procedure)
	if q.Step == canon.StepPreview {
		w.string("PreviewLocation", private.PreviewLocation)
		w.string("ReturnLocation", private.ReturnLocation)
	}
	w.boolean("PossibilityForPreview", q.PreviewPossible)
	w.boolean("ExplicitRequestGiven", q.ExplicitRequest.Given)
	w.slot("Requirements", typeCollection, func() {
		for _, req := range q.Requirements {
			w.element(func() {
				w.open("sdg:Requirement")
				w.leaf("sdg:Identifier", req.ID)
				w.texts("sdg:Name", req.Names)
				w.close("sdg:Requirement")
			})
		}
	})
	w.slot("EvidenceRequester", typeCollection, func() {
		w.element(func() { w.agent("sdg:Agent", q.Requester, "ER") })
		for _, a := range q.Intermediaries {
			w.element(func() { w.agent("sdg:Agent", a, "IP") })
		}
	})
	w.slot("EvidenceProvider", typeAny, func() { w.agent("sdg:Agent", q.Provider, "") })
	w.empty("query:ResponseOption", "returnType", "LeafClassWithRepositoryItem")
	w.open("query:Query", "queryDefinition", "DocumentQuery")
	w.slot("EvidenceRequest", typeAny, func() { w.evidenceType(q.EvidenceType) })
	switch s := private.Subject; {
	case s.Natural != nil:
		w.slot("NaturalPerson", typeAny, func() { w.person(s.Natural) })
	case s.Legal != nil:
		w.slot("LegalPerson", typeAny, func() {
			w.open("sdg:LegalPerson")
			w.leaf("sdg:LevelOfAssurance", s.Legal.Assurance)
			w.legalPerson(s.Legal)
			w.close("sdg:LegalPerson")
		})
	}
	w.close("query:Query")
	w.close("query:QueryRequest")
	return w.done()
}

func noPrivate(forgotten bool) error {
	if forgotten {
		return canon.NewFault(canon.CodePayloadForgotten, canon.ErrForgotten, "the private part was forgotten")
	}
	return canon.NewFault(canon.CodeMessageInvalid, nil, "the private part is missing")
}

func (w *writer) evidenceType(t canon.EvidenceType) {
	w.open("sdg:DataServiceEvidenceType")
	w.leaf("sdg:Identifier", t.ID)
	w.leaf("sdg:EvidenceTypeClassification", t.Classification)
	w.texts("sdg:Title", t.Titles)
	for _, dist := range t.Distributions {
		w.distribution("sdg:DistributedAs", dist.Format, dist.Languages, dist.ConformsTo)
	}
	w.close("sdg:DataServiceEvidenceType")
}

func (w *writer) distribution(name, format string, langs []string, model string) {
	w.open(name)
	w.leaf("sdg:Format", format)
	for _, l := range langs {
		w.leaf("sdg:Language", l)
	}
	w.optional("sdg:ConformsTo", model)
	w.close(name)
}

func (w *writer) person(p *canon.NaturalPerson) {
	w.open("sdg:Person")
	w.leaf("sdg:LevelOfAssurance", p.Assurance)
	w.identity(p)
	w.optional("sdg:PlaceOfBirth", p.PlaceOfBirth)
	w.optional("sdg:Gender", p.Gender)
	w.optional("sdg:Nationality", p.Nationality)
	w.close("sdg:Person")
}

// identity writes the attributes that a person has in a request and in an answer.
func (w *writer) identity(p *canon.NaturalPerson) {
	w.optional("sdg:Identifier", p.Identifier, "schemeID", "eidas")
	w.leaf("sdg:FamilyName", p.FamilyName)
	w.leaf("sdg:GivenName", p.GivenName)
	w.leaf("sdg:DateOfBirth", p.BirthDate)
}

func (w *writer) legalPerson(p *canon.LegalPerson) {
	w.leaf("sdg:LegalPersonIdentifier", p.Identifier, "schemeID", "eidas")
	w.leaf("sdg:LegalName", p.Name)
}

// writeResponse implements edition.
func (d *edm20) writeResponse(x *response) ([]byte, error) {
	p := x.body
	status := statusSuccess
	if p.Status == canon.StatusDeferred {
		status = statusUnavailable
	}
	w := new(writer)
	w.root("query:QueryResponse", "requestId", string(p.Request), "status", status)
	w.string("SpecificationIdentifier", specification20)
	w.string("EvidenceResponseIdentifier", p.Response)
	w.dateTime("IssueDateTime", p.IssuedAt)
	w.slot("EvidenceProvider", typeCollection, func() {
		w.element(func() { w.agent("sdg:Agent", p.Provider, "EP") })
	})
	w.slot("EvidenceRequester", typeAny, func() { w.agent("sdg:Agent", p.Requester, "") })
	if p.Status == canon.StatusDeferred {
		w.dateTime("ResponseAvailableDateTime", p.AvailableAt)
	}
	if len(p.Documents) == 0 {
		w.empty("rim:RegistryObjectList")
		w.close("query:QueryResponse")
		return w.done()
	}
	private, ok := p.Private.Get()
	if !ok {
		return nil, noPrivate(p.Private.Forgotten())
	}
	packageOf, err := packages(p.Documents)
	if err != nil {
		return nil, err
	}
	w.open("rim:RegistryObjectList")
	for i, doc := range p.Documents {
		if doc.Role == canon.RoleMain {
			w.writePackage(x, i, packageOf, private.Subject)
		}
	}
	w.close("rim:RegistryObjectList")
	w.close("query:QueryResponse")
	return w.done()
}

// packages returns, for each document, the index of the MainEvidence in whose
// package it travels: one package for each MainEvidence.
func packages(docs []canon.Document) ([]int, error) {
	index := map[string]int{}
	for i, d := range docs {
		index[d.ID] = i
	}
	out := make([]int, len(docs))
	for i, d := range docs {
		at, steps := i, 0
		for d.Role != canon.RoleMain {
			next, ok := index[d.For]
			if steps++; !ok || steps > len(docs) {
				return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "document %s supplements no main evidence", docs[i].ID)
			}
			at, d = next, docs[next]
		}
		out[i] = at
	}
	return out, nil
}

func (w *writer) writePackage(x *response, main int, packageOf []int, about canon.Subject) {
	p := x.body
	w.open("rim:RegistryObject", "xsi:type", "rim:RegistryPackageType", "id", urn("package", p.Response, p.Documents[main].ID))
	w.open("rim:RegistryObjectList")
	for i, doc := range p.Documents {
		if packageOf[i] == main {
			w.document(x, doc, x.items[i], about)
		}
	}
	for i, doc := range p.Documents {
		if packageOf[i] == main && i != main {
			w.empty("rim:RegistryObject", "xsi:type", "rim:AssociationType",
				"id", urn("association", p.Response, doc.ID),
				"sourceObject", urn("document", p.Response, doc.ID),
				"targetObject", urn("document", p.Response, doc.For),
				"type", associationPrefix+doc.Role)
		}
	}
	w.close("rim:RegistryObjectList")
	w.close("rim:RegistryObject")
}

func (w *writer) document(x *response, doc canon.Document, it item, about canon.Subject) {
	w.open("rim:RegistryObject", "xsi:type", "rim:ExtrinsicObjectType", "id", urn("document", x.body.Response, doc.ID))
	w.slot("EvidenceMetadata", typeAny, func() { w.evidence(doc, about, x.body.Provider) })
	w.empty("rim:Classification", "id", urn("classification", x.body.Response, doc.ID),
		"classificationScheme", packagingScheme, "classificationNode", doc.Role)
	title := doc.ID
	if len(doc.Titles) > 0 {
		title = doc.Titles[0].Text
	}
	w.empty("rim:RepositoryItemRef", "xlink:href", "cid:"+url.PathEscape(it.content), "xlink:title", title)
	w.close("rim:RegistryObject")
}

// evidence writes the metadata of one document. A supplement repeats nothing of
// its main evidence (R-EDM-RESP-S063); its language is said where it is known.
func (w *writer) evidence(doc canon.Document, about canon.Subject, provider canon.Agent) {
	w.open("sdg:Evidence")
	w.leaf("sdg:Identifier", doc.ID)
	switch {
	case doc.Role == canon.RoleMain:
		w.mainEvidence(doc, about, provider)
	case len(doc.Languages) > 0:
		w.distribution("sdg:Distribution", doc.Payload.MediaType, doc.Languages, "")
	}
	w.close("sdg:Evidence")
}

func (w *writer) mainEvidence(doc canon.Document, about canon.Subject, provider canon.Agent) {
	w.open("sdg:IsAbout")
	switch {
	case about.Natural != nil:
		w.open("sdg:NaturalPerson")
		w.identity(about.Natural)
		w.optional("sdg:PlaceOfBirth", about.Natural.PlaceOfBirth)
		w.close("sdg:NaturalPerson")
	case about.Legal != nil:
		w.open("sdg:LegalPerson")
		w.legalPerson(about.Legal)
		w.close("sdg:LegalPerson")
	}
	w.close("sdg:IsAbout")
	issuer := doc.Issuer
	if issuer.ID.IsZero() { // an extract that the provider drew itself
		issuer = provider
	}
	w.agent("sdg:IssuingAuthority", issuer, "")
	w.open("sdg:IsConformantTo")
	w.leaf("sdg:EvidenceTypeClassification", doc.Classification)
	w.texts("sdg:Title", doc.Titles)
	w.close("sdg:IsConformantTo")
	w.leaf("sdg:IssuingDate", doc.IssuedOn)
	w.distribution("sdg:Distribution", doc.Payload.MediaType, doc.Languages, doc.ConformsTo)
}

// writePreview implements edition.
func (d *edm20) writePreview(p *canon.PreviewRequired) ([]byte, error) {
	private, ok := p.Private.Get()
	if !ok {
		return nil, noPrivate(p.Private.Forgotten())
	}
	x, _ := exceptionByCode(codeMissingAuthorization)
	w := new(writer)
	w.openError(&p.Envelope, p.Request, p.Response, "")
	w.openException(x, severityPreview, "Preview by the user is required", &p.Envelope)
	w.string("PreviewLocation", private.Location)
	if len(p.Descriptions) > 0 {
		w.slot("PreviewDescription", typeInternational, func() {
			w.open("rim:Value")
			for _, t := range p.Descriptions {
				w.empty("rim:LocalizedString", "xml:lang", t.Lang, "value", t.Text)
			}
			w.close("rim:Value")
		})
	}
	w.close("rs:Exception")
	w.close("query:QueryResponse")
	return w.done()
}

// writeRefusal implements edition.
func (d *edm20) writeRefusal(p *canon.EvidenceRefusal) ([]byte, error) {
	x, ok := exceptionByCode(p.ErrorCode)
	if !ok {
		return nil, canon.NewFault(canon.CodeMessageInvalid, nil, "error code is not in EDMErrorCodes")
	}
	w := new(writer)
	w.openError(&p.Envelope, p.Request, p.Response, p.ErrorRole)
	w.openException(x, severityError, p.Detail, &p.Envelope)
	w.close("rs:Exception")
	w.close("query:QueryResponse")
	return w.done()
}

func (w *writer) openError(env *canon.Envelope, request canon.RequestID, id, role string) {
	w.root("query:QueryResponse", "requestId", string(request), "status", statusFailure)
	w.string("SpecificationIdentifier", specification20)
	w.string("EvidenceResponseIdentifier", id)
	w.slot("ErrorProvider", typeAny, func() { w.agent("sdg:Agent", env.Provider, or(role, "ERRP")) })
	if len(env.Requester.Names) > 0 { // an Agent without a name is not an Agent
		w.slot("EvidenceRequester", typeAny, func() { w.agent("sdg:Agent", env.Requester, "") })
	}
}

func (w *writer) openException(x exception, severity, detail string, env *canon.Envelope) {
	prefix := "rs:"
	if x.typ.Space == spaceQuery {
		prefix = "query:"
	}
	w.open("rs:Exception", "xsi:type", prefix+x.typ.Local, "code", x.code, "message", x.message,
		"severity", severity, "detail", detail)
	w.dateTime("Timestamp", env.IssuedAt)
}
