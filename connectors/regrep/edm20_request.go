package regrep

import (
	"strings"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

var requestSlots = []slot{
	{name: "SpecificationIdentifier", once: "S005", value: typeString, typeRule: "S020"},
	{name: "IssueDateTime", once: "S006", value: typeDateTime, typeRule: "S021"},
	{name: "Procedure", once: "S007", value: typeString, typeRule: "S022"},
	{name: "PreviewLocation", value: typeString, typeRule: "S023"},
	{name: "ReturnLocation", value: typeString, typeRule: "S061"},
	{name: "PossibilityForPreview", once: "S009", value: typeBoolean, typeRule: "S024"},
	{name: "ExplicitRequestGiven", once: "S010", value: typeBoolean, typeRule: "S025"},
	{name: "Requirements", once: "S011", value: typeCollection, typeRule: "S026", element: "S027"},
	{name: "EvidenceRequester", once: "S012", value: typeCollection, typeRule: "S028", element: "S029"},
	{name: "EvidenceProvider", once: "S013", value: typeAny, typeRule: "S030"},
	{name: "EvidenceProviderClassification", value: typeCollection, typeRule: "S031", element: "S032"},
}

var querySlots = []slot{
	{name: "EvidenceRequest", once: "S015", value: typeAny, typeRule: "S033"},
	{name: "NaturalPerson", value: typeAny, typeRule: "S035"},
	{name: "LegalPerson", value: typeAny, typeRule: "S034"},
	{name: "AuthorizedRepresentative", value: typeAny, typeRule: "S036"},
	{name: "AuthorizedRepresentativeLegalPerson", value: typeAny, typeRule: "S055"},
}

var (
	requestSlotRules = slotRules{closed: "S019", one: "S050", filled: "S051", elements: "S052", set: "S053"}
	querySlotRules   = slotRules{closed: "S049", one: "S050", filled: "S051", elements: "S052", set: "S053"}
)

// readRequest implements edition.
func (d *edm20) readRequest(root xmldoc.Element) (*canon.EvidenceRequest, error) {
	r := d.reader(familyRequest)
	if !root.Is(queryName("QueryRequest")) {
		r.fail(root, "S001", "the root is not query:QueryRequest")
	}
	q := new(canon.EvidenceRequest)
	q.Request = canon.RequestID(r.attr(root, plainName("id"), "S004"))
	if id, ok := strings.CutPrefix(string(q.Request), uuidURN); r.bad == nil && (!ok || !uuid(id)) {
		r.fail(root, "S004", "id is not urn:uuid: and a UUID")
	}
	if _, ok := root.Attr(xmlLang); ok {
		r.fail(root, "S059", "xml:lang is not allowed in EDM 2.0")
	}
	f := r.parts(root, "",
		part{name: rimName("Slot"), max: many},
		part{name: queryName("ResponseOption"), min: 1, max: 1},
		part{name: queryName("Query"), min: 1, max: 1},
	)
	s := r.slots(root, requestSlotRules, requestSlots)
	q.Specification = specification20
	q.IssuedAt = r.dateTime(r.value(s["IssueDateTime"]), "C002")
	q.Procedure = r.code(r.value(s["Procedure"]), "C003", d.procedure)
	q.PreviewPossible = r.boolean(s["PossibilityForPreview"], "S024", "PossibilityForPreview")
	q.ExplicitRequest.Given = r.boolean(s["ExplicitRequestGiven"], "S025", "ExplicitRequestGiven")
	var private canon.RequestPrivate
	q.Step = canon.StepFirst
	preview, back := s["PreviewLocation"], s["ReturnLocation"]
	if preview.IsZero() != back.IsZero() {
		r.fail(root, "S062", "PreviewLocation and ReturnLocation come together or not at all")
	}
	if !preview.IsZero() {
		q.Step = canon.StepPreview
		private.PreviewLocation = r.location(r.value(preview), "C005", "PreviewLocation")
		private.ReturnLocation = r.location(r.value(back), "C120", "ReturnLocation")
	}
	for e := range r.collection(s["Requirements"], "Requirement", "S037") {
		if len(q.Requirements) == many {
			r.fail(e, "limit", "there are too many requirements")
		}
		q.Requirements = append(q.Requirements, r.requirement(e))
	}
	d.readParties(r, q, s)
	for e := range r.collection(s["EvidenceProviderClassification"], "EvidenceProviderClassification", "S041") {
		r.providerClassification(e)
	}
	r.constant(f.one("ResponseOption"), "returnType", "LeafClassWithRepositoryItem", "C024")
	r.constant(f.one("Query"), "queryDefinition", "DocumentQuery", "C025")
	d.readQuery(r, f.one("Query"), q, &private)
	q.Private = canon.Clear(private)
	return q, r.err()
}

func (r *reader) constant(e xmldoc.Element, name, want, rule string) {
	if s := r.attr(e, plainName(name), rule); r.bad == nil && !e.IsZero() && s != want {
		r.fail(e, rule, name+" is not "+want)
	}
}

func (d *edm20) readParties(r *reader, q *canon.EvidenceRequest, s slots) {
	requesters := 0
	for e := range r.collection(s["EvidenceRequester"], "Agent", "S039") {
		if len(q.Intermediaries)+requesters == maxAgents {
			r.fail(e, "limit", "EvidenceRequester has too many agents")
		}
		a, class := r.agent(e, &requesterInRequest)
		if class == "ER" {
			q.Requester = a
			requesters++
		} else {
			q.Intermediaries = append(q.Intermediaries, a)
		}
	}
	if requesters != 1 {
		r.fail(s["EvidenceRequester"], "TDD 4.5.1", "EvidenceRequester has not exactly one Agent classified ER")
	}
	q.Provider, _ = r.agent(r.any(s["EvidenceProvider"], "Agent", "S042"), &providerInRequest)
}

// requirement reads an sdg:Requirement.
func (r *reader) requirement(e xmldoc.Element) canon.Requirement {
	f := r.parts(e, "S038",
		part{name: sdgName("Identifier"), min: 1, max: 1},
		part{name: sdgName("Name"), min: 1, max: many},
		part{name: sdgName("Description"), max: many},
	)
	r.texts(f.all("Description"), "C094", "C093")
	return canon.Requirement{
		ID:    r.code(f.one("Identifier"), "C008", requirementURI),
		Names: r.texts(f.all("Name"), "C010", "C009"),
	}
}

// providerClassification checks an answer to DSD:ERR:0005. It served to find the
// provider, so it ends here.
func (r *reader) providerClassification(e xmldoc.Element) {
	f := r.parts(e, "",
		part{name: sdgName("Identifier"), min: 1, max: 1, rule: "C019"},
		part{name: sdgName("Type"), min: 1, max: 1, rule: "C020"},
		part{name: sdgName("ValueExpression"), max: 1},
		part{name: sdgName("Description"), max: many},
		part{name: sdgName("SupportedValue"), min: 1, max: 1, rule: "C023"},
	)
	id := f.one("Identifier")
	r.code(id, "C019", uuid)
	if list := r.attr(id, plainName("schemeID"), "C098"); r.bad == nil && !codeListURI(list) {
		r.fail(id, "C098", "schemeID is not a code list of the Semantic Repository")
	}
	r.code(f.one("Type"), "C020", oneOf("codelist", "string", "boolean"))
	if v := f.one("ValueExpression"); !v.IsZero() {
		r.code(v, "TDD 4.5.1", Location)
	}
	r.texts(f.all("Description"), "C022", "C021")
	v := r.parts(f.one("SupportedValue"), "",
		part{name: sdgName("StringValue"), max: many},
		part{name: sdgName("DateValue"), max: many},
		part{name: sdgName("BooleanValue"), max: many},
	)
	kinds := 0
	for _, els := range v.els {
		if len(els) > 0 {
			kinds++
		}
	}
	if kinds != 1 {
		r.fail(e, "C023", "SupportedValue holds not exactly one kind of value")
	}
	for _, s := range v.all("StringValue") {
		r.text(s, 1)
	}
	for _, s := range v.all("DateValue") {
		r.date(s, "XSD")
	}
	for _, s := range v.all("BooleanValue") {
		r.code(s, "XSD", oneOf("true", "false", "0", "1"))
	}
}

// readQuery reads what is asked for and about whom.
func (d *edm20) readQuery(r *reader, query xmldoc.Element, q *canon.EvidenceRequest, private *canon.RequestPrivate) {
	r.parts(query, "", part{name: rimName("Slot"), max: many})
	s := r.slots(query, querySlotRules, querySlots)
	natural, legal := s["NaturalPerson"], s["LegalPerson"]
	if natural.IsZero() == legal.IsZero() {
		r.fail(query, "S016", "there is not exactly one of NaturalPerson and LegalPerson")
	}
	q.EvidenceType = d.readEvidenceType(r, r.any(s["EvidenceRequest"], "DataServiceEvidenceType", "S044"))
	var wallet bool
	if !natural.IsZero() {
		var p canon.NaturalPerson
		p, wallet = r.person(r.any(natural, "Person", "S046"), &naturalPerson, d.procedure)
		private.Subject.Natural = &p
	} else {
		var p canon.LegalPerson
		p, wallet = r.legalPerson(r.any(legal, "LegalPerson", "S047"), &legalPerson, d.procedure)
		private.Subject.Legal = &p
	}
	if e := s["AuthorizedRepresentative"]; !e.IsZero() {
		r.person(r.any(e, "Person", "S048"), &naturalRepresentative, d.procedure)
		r.failAs(e, codeUnsupported, "TDD 4.5.1", "AuthorizedRepresentative is not supported")
	}
	if e := s["AuthorizedRepresentativeLegalPerson"]; !e.IsZero() {
		r.legalPerson(r.any(e, "LegalPerson", "S056"), &legalRepresentative, d.procedure)
		r.failAs(e, codeUnsupported, "TDD 4.5.1", "AuthorizedRepresentativeLegalPerson is not supported")
	}
	if wallet { // testing only, until there is a legal basis
		r.failAs(query, codeUnsupported, "TDD 4.5.1", "identity scheme eidas2 is not supported")
	}
}

// readEvidenceType reads sdg:DataServiceEvidenceType as a request repeats it.
func (d *edm20) readEvidenceType(r *reader, e xmldoc.Element) canon.EvidenceType {
	f := r.parts(e, "S045",
		part{name: sdgName("Identifier"), min: 1, max: 1, rule: "C106"},
		part{name: sdgName("EvidenceTypeClassification"), min: 1, max: 1, rule: "C027"},
		part{name: sdgName("Title"), min: 1, max: many},
		part{name: sdgName("Description"), max: many},
		part{name: sdgName("DistributedAs"), min: 1, max: many, rule: "C032"},
	)
	if id := f.one("Identifier"); r.bad == nil && !id.IsZero() && r.text(id, 0) == "" {
		r.fail(id, "C106", "Identifier is empty")
	}
	t := canon.EvidenceType{
		ID:             r.code(f.one("Identifier"), "C026", uuid),
		Classification: r.code(f.one("EvidenceTypeClassification"), "C027", classificationURI),
		Titles:         r.texts(f.all("Title"), "C029", "C028"),
	}
	r.texts(f.all("Description"), "C031", "C030")
	for _, dist := range f.all("DistributedAs") {
		t.Distributions = append(t.Distributions, d.readDistributedAs(r, dist)...)
		if len(t.Distributions) > maxForms {
			r.fail(dist, "limit", "there are too many distributions")
		}
	}
	return t
}

// readDistributedAs returns one distribution for each Format.
func (d *edm20) readDistributedAs(r *reader, e xmldoc.Element) []canon.Distribution {
	f := r.parts(e, "",
		part{name: sdgName("Format"), min: 1, max: many, rule: "C033"},
		part{name: sdgName("Language"), max: many},
		part{name: sdgName("ConformsTo"), max: 1},
		part{name: sdgName("AssociatedDocumentRequest"), max: many, loose: true},
	)
	var langs []string
	for _, l := range f.all("Language") {
		langs = append(langs, r.code(l, "C118", in(languages)))
	}
	conforms := r.code(f.one("ConformsTo"), "C034", dataModelURI)
	for _, a := range f.all("AssociatedDocumentRequest") {
		r.code(a, "C119", in(associated))
	}
	var out []canon.Distribution
	for _, format := range f.all("Format") {
		out = append(out, canon.Distribution{
			Format:     r.code(format, "C033", in(mediaTypes)),
			Languages:  langs,
			ConformsTo: conforms,
		})
	}
	return out
}

// dataModelURI implements R-EDM-REQ-C034 and R-EDM-RESP-C022.
func dataModelURI(s string) bool { return repositoryItem(s, "datamodels") }
