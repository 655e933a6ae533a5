package regrep

import (
	"net/url"

	"oncegate/connectors/regrep/rim"
	"oncegate/schemas/canon"
)

// writeResponse writes a query:QueryResponse that is no error.
func (w *writer) writeResponse(x *response) ([]byte, error) {
	p := x.body
	status := rim.StatusSuccess
	if p.Status == canon.StatusDeferred {
		status = rim.StatusUnavailable
	}
	w.Root("query:QueryResponse", "requestId", string(p.Request), "status", status)
	w.String(slotSpecification, p.Specification)
	w.String(slotResponse, p.Response)
	w.DateTime(slotIssued, p.IssuedAt)
	w.Slot(slotProvider, rim.TypeCollection, func() {
		w.Element(func() { w.Agent("sdg:Agent", p.Provider, "EP") })
		for _, a := range p.Intermediaries {
			w.Element(func() { w.Agent("sdg:Agent", a, "IP") })
		}
	})
	w.Slot(slotRequester, rim.TypeAny, func() { w.Agent("sdg:Agent", p.Requester, "") })
	if p.Status == canon.StatusDeferred {
		w.DateTime(slotAvailable, p.AvailableAt)
	}
	if err := w.documents(x); err != nil {
		return nil, err
	}
	w.Close("query:QueryResponse")
	return w.Done()
}

func (w *writer) documents(x *response) error {
	p := x.body
	if len(p.Documents) == 0 {
		w.Empty("rim:RegistryObjectList")
		return nil
	}
	private, ok := p.Private.Get()
	if !ok {
		return noPrivate(p.Private.Forgotten())
	}
	mainOf, err := mains(p.Documents)
	if err != nil {
		return err
	}
	w.Open("rim:RegistryObjectList")
	for i, doc := range p.Documents {
		switch {
		case !w.ed.packages:
			w.document(x, i, p.Documents[mainOf[i]], private.Subject)
		case doc.Role == canon.RoleMain:
			w.bundle(x, i, mainOf, private.Subject)
		}
	}
	w.Close("rim:RegistryObjectList")
	return nil
}

// mains returns, for each document, the index of the MainEvidence that it belongs to.
func mains(docs []canon.Document) ([]int, error) {
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

// bundle writes a package: one for each MainEvidence.
func (w *writer) bundle(x *response, main int, mainOf []int, about canon.Subject) {
	p := x.body
	w.Open("rim:RegistryObject", "xsi:type", "rim:RegistryPackageType", "id", rim.URN("package", p.Response, p.Documents[main].ID))
	w.Open("rim:RegistryObjectList")
	for i := range p.Documents {
		if mainOf[i] == main {
			w.document(x, i, p.Documents[main], about)
		}
	}
	for i, doc := range p.Documents {
		if mainOf[i] == main && i != main {
			w.Empty("rim:RegistryObject", "xsi:type", "rim:AssociationType",
				"id", rim.URN("association", p.Response, doc.ID),
				"sourceObject", rim.URN("document", p.Response, doc.ID),
				"targetObject", rim.URN("document", p.Response, doc.For),
				"type", rim.AssociationPrefix+doc.Role)
		}
	}
	w.Close("rim:RegistryObjectList")
	w.Close("rim:RegistryObject")
}

// document writes one ExtrinsicObject. main is the evidence that it belongs to: a
// flat list has no other way to say so than to repeat its metadata.
func (w *writer) document(x *response, i int, main canon.Document, about canon.Subject) {
	doc, response := x.body.Documents[i], x.body.Response
	w.Open("rim:RegistryObject", "xsi:type", "rim:ExtrinsicObjectType", "id", rim.URN("document", response, doc.ID))
	w.Slot(slotMetadata, rim.TypeAny, func() {
		w.Open("sdg:Evidence")
		w.Leaf("sdg:Identifier", doc.ID)
		switch {
		case doc.Role == canon.RoleMain:
			w.evidence(doc, about, x.body.Provider)
		case !w.ed.packages:
			w.evidence(flattened(doc, main), about, x.body.Provider)
		case len(doc.Languages) > 0:
			w.form("sdg:Distribution", canon.Distribution{Format: doc.Payload.MediaType, Languages: doc.Languages})
		}
		w.Close("sdg:Evidence")
	})
	if w.ed.packages {
		w.Empty("rim:Classification", "id", rim.URN("classification", response, doc.ID),
			"classificationScheme", packagingScheme, "classificationNode", doc.Role)
	}
	title := doc.ID
	if len(doc.Titles) > 0 {
		title = doc.Titles[0].Text
	}
	w.Empty("rim:RepositoryItemRef", "xlink:href", "cid:"+url.PathEscape(x.items[i].content), "xlink:title", title)
	w.Close("rim:RegistryObject")
}

// flattened is a supplement as it stands in a flat list: an evidence of its own.
func flattened(doc, main canon.Document) canon.Document {
	out := main
	out.ID, out.Languages, out.Payload, out.ConformsTo, out.Transformation = doc.ID, doc.Languages, doc.Payload, "", ""
	if len(doc.Titles) > 0 {
		out.Titles = doc.Titles
	}
	out.Descriptions = doc.Descriptions
	return out
}

// evidence writes the metadata of a main evidence after its identifier.
func (w *writer) evidence(doc canon.Document, about canon.Subject, provider canon.Agent) {
	w.Open("sdg:IsAbout")
	switch {
	case about.Natural != nil:
		w.person("sdg:NaturalPerson", about.Natural, false)
	case about.Legal != nil:
		w.legalPerson(about.Legal, false)
	}
	w.Close("sdg:IsAbout")
	issuer := doc.Issuer
	if issuer.ID.IsZero() { // an extract that the provider drew itself
		issuer = provider
	}
	w.Agent("sdg:IssuingAuthority", issuer, "")
	w.Open("sdg:IsConformantTo")
	w.Leaf("sdg:EvidenceTypeClassification", doc.Classification)
	w.Texts("sdg:Title", doc.Titles)
	w.Texts("sdg:Description", doc.Descriptions)
	w.Close("sdg:IsConformantTo")
	w.Leaf("sdg:IssuingDate", doc.IssuedOn)
	w.form("sdg:Distribution", canon.Distribution{
		Format: doc.Payload.MediaType, Languages: doc.Languages, ConformsTo: doc.ConformsTo, Transformation: doc.Transformation,
	})
	if doc.ValidFrom != "" && doc.ValidUntil != "" {
		w.Open("sdg:ValidityPeriod")
		w.Leaf("sdg:StartDate", doc.ValidFrom)
		w.Leaf("sdg:EndDate", doc.ValidUntil)
		w.Close("sdg:ValidityPeriod")
	}
}
