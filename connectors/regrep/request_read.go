package regrep

import (
	"strings"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

var (
	nameRequest        = rim.Query("QueryRequest")
	nameOption         = rim.Query("ResponseOption")
	nameQuery          = rim.Query("Query")
	nameAgent          = rim.SDG("Agent")
	nameRequirement    = rim.SDG("Requirement")
	nameConcept        = rim.SDG("EvidenceProviderClassification")
	nameEvidenceType   = rim.SDG("DataServiceEvidenceType")
	nameClassification = rim.SDG("EvidenceTypeClassification")
	nameDistributed    = rim.SDG("DistributedAs")
	namePerson         = rim.SDG("Person")
	nameType           = rim.SDG("Type")
	nameExpression     = rim.SDG("ValueExpression")
	nameSupported      = rim.SDG("SupportedValue")
)

// readRequest reads a query:QueryRequest.
func (r *reader) readRequest(root xmldoc.Element) (*canon.EvidenceRequest, error) {
	if !root.Is(nameRequest) {
		r.Fail(root, "the root is not query:QueryRequest")
	}
	q := new(canon.EvidenceRequest)
	q.Specification = r.specification
	q.Request = canon.RequestID(r.URN(root, "id"))
	if _, ok := root.Attr(rim.XMLLang); ok && r.ed.rootLanguage {
		q.Language = r.Lang(root, rim.XMLLang)
	}
	s := r.Sequence(root)
	slots := r.Slots(&s)
	s.One(nameOption)
	query := s.One(nameQuery)
	s.End()

	q.IssuedAt = r.DateTime(slots.Get(slotIssued))
	q.Procedure = r.procedure(slots.Get(slotProcedure))
	q.PreviewPossible = r.Boolean(r.need(root, slots, slotPossible))
	q.ExplicitRequest.Given = r.Boolean(r.need(root, slots, slotExplicit))
	var private canon.RequestPrivate
	q.Step = canon.StepFirst
	if preview := slots.Get(slotPreview); !preview.IsZero() {
		q.Step = canon.StepPreview
		private.PreviewLocation = r.location(preview, slotPreview)
		if r.ed.returnLocation {
			private.ReturnLocation = r.location(r.need(root, slots, slotReturn), slotReturn)
		}
	} else if back := slots.Get(slotReturn); !back.IsZero() && r.ed.returnLocation {
		r.Fail(back, "ReturnLocation without PreviewLocation")
	}
	for e := range r.Collection(slots.Get(slotRequirements), nameRequirement) {
		q.Requirements = append(q.Requirements, r.requirement(e))
	}
	r.parties(root, slots, q)
	for e := range r.Collection(slots.Get(slotConcepts), nameConcept) {
		private.Concepts = append(private.Concepts, r.concept(e))
	}
	r.query(query, q, &private)
	if len(q.Requirements) == 0 { // the log could not carry it
		r.Fail(root, "there are no Requirements")
	}
	q.Private = canon.Clear(private)
	return q, r.Err()
}

// need returns a slot that must be there.
func (r *reader) need(of xmldoc.Element, slots rim.Slots, name string) xmldoc.Element {
	v := slots.Get(name)
	if v.IsZero() && !r.Failed() {
		r.Fail(of, of.Name().Local+" lacks the slot "+name)
	}
	return v
}

// procedure reads the code of a procedure: a string, and before 2.0 the value of
// the one localised string.
func (r *reader) procedure(v xmldoc.Element) string {
	var code string
	if r.ed.procedureText {
		texts := r.International(v)
		for i, t := range texts {
			if i > 0 && t.Text != texts[0].Text {
				r.Fail(v, "Procedure names several procedures")
			}
		}
		if len(texts) > 0 {
			code = texts[0].Text
		}
	} else {
		code = r.String(v)
	}
	if !r.Failed() && (!word(code) || len(code) > 8 || strings.ToUpper(code) != code) {
		r.Fail(v, "Procedure is not a code")
	}
	return code
}

func (r *reader) requirement(e xmldoc.Element) canon.Requirement {
	s := r.Sequence(e)
	q := canon.Requirement{ID: r.uri(s.One(nameIdentifier)), Names: r.Texts(s.Many(nameName, 1, rim.Many))}
	if r.ed.descriptions {
		q.Descriptions = r.Texts(s.Many(nameDescription, 0, rim.Many))
	}
	s.End()
	return q
}

func (r *reader) parties(root xmldoc.Element, slots rim.Slots, q *canon.EvidenceRequest) {
	requesters := 0
	for e := range r.Collection(r.need(root, slots, slotRequester), nameAgent) {
		a, class := r.Agent(e)
		switch {
		case class == "ER":
			q.Requester = a
			requesters++
		case class == "IP" && len(q.Intermediaries) < maxAgents:
			q.Intermediaries = append(q.Intermediaries, a)
		default:
			r.Fail(e, "Agent is neither ER nor IP, or there are too many")
		}
	}
	if requesters != 1 {
		r.Fail(slots.Get(slotRequester), "EvidenceRequester has not exactly one Agent classified ER")
	}
	q.Provider, _ = r.Agent(r.Any(r.need(root, slots, slotProvider), nameAgent))
}

// concept reads the answer to a question of the directory (DSD:ERR:0005).
func (r *reader) concept(e xmldoc.Element) canon.ConceptAnswer {
	s := r.Sequence(e)
	id := s.One(nameIdentifier)
	a := canon.ConceptAnswer{ID: strings.TrimPrefix(r.Text(id), rim.UUIDPrefix), Scheme: r.Attr(id, attrScheme)}
	if !r.Failed() && !rim.IsUUID(a.ID) {
		r.Fail(id, "Identifier is not a UUID")
	}
	if a.Scheme != "" && !httpsURI(a.Scheme) {
		r.Fail(id, "schemeID of Identifier is not an https URI")
	}
	a.Type = r.code(s.One(nameType))
	if v := s.Maybe(nameExpression); !v.IsZero() {
		a.ValueURL = r.uri(v)
	}
	a.Descriptions = r.Texts(s.Many(nameDescription, 0, rim.Many))
	v := r.Sequence(s.One(nameSupported))
	s.End()
	for _, kind := range valueKinds {
		if e := v.Next(); e.IsZero() || r.Failed() || !e.Is(kind.name) {
			continue
		}
		a.Kind = kind.kind
		for e := range v.Many(kind.name, 1, rim.Many) {
			a.Values = append(a.Values, r.Matching(e, "such a value", kind.ok))
		}
		break
	}
	v.End()
	if len(a.Values) == 0 {
		r.Fail(e, "SupportedValue holds no value")
	}
	return a
}

// valueKinds are the choices of SupportedValue.
var valueKinds = []struct {
	kind    string // of canon.ConceptAnswer
	element string
	name    xmldoc.Name
	ok      func(string) bool
}{
	{"", "sdg:StringValue", rim.SDG("StringValue"), func(s string) bool { return s != "" }},
	{"date", "sdg:DateValue", rim.SDG("DateValue"), rim.IsDate},
	{"boolean", "sdg:BooleanValue", rim.SDG("BooleanValue"), func(s string) bool {
		return s == "true" || s == "false" || s == "1" || s == "0"
	}},
}

// query reads what is asked for and about whom.
func (r *reader) query(e xmldoc.Element, q *canon.EvidenceRequest, private *canon.RequestPrivate) {
	s := r.Sequence(e)
	slots := r.Slots(&s)
	s.End()
	q.EvidenceType = r.evidenceType(r.Any(r.need(e, slots, slotEvidence), nameEvidenceType))
	natural, legal := slots.Get(slotNatural), slots.Get(slotLegal)
	switch {
	case natural.IsZero() == legal.IsZero():
		r.Fail(e, "there is not exactly one of NaturalPerson and LegalPerson")
	case legal.IsZero():
		private.Subject.Natural = r.person(r.Any(natural, namePerson))
	default:
		private.Subject.Legal = r.legalPerson(r.Any(legal, nameLegal))
	}
	if v := slots.Get(slotActing); !v.IsZero() {
		private.Representative.Natural = r.person(r.Any(v, namePerson))
	}
	if v := slots.Get(slotLegalActing); !v.IsZero() {
		if !r.ed.legalActing { // whoever acts must not be overlooked
			r.Fail(v, slotLegalActing+" is no slot of this version")
		}
		private.Representative.Legal = r.legalPerson(r.Any(v, nameLegal))
	}
}

// evidenceType reads sdg:DataServiceEvidenceType as a request repeats it.
func (r *reader) evidenceType(e xmldoc.Element) canon.EvidenceType {
	s := r.Sequence(e)
	t := canon.EvidenceType{
		ID:             r.UUID(s.One(nameIdentifier)),
		Classification: r.uri(s.One(nameClassification)),
		Titles:         r.Texts(s.Many(nameTitle, 1, rim.Many)),
		Descriptions:   r.Texts(s.Many(nameDescription, 0, rim.Many)),
	}
	for d := range s.Many(nameDistributed, 0, maxForms) {
		formats, form := r.form(d, true)
		for _, f := range formats {
			form.Format = f
			t.Distributions = append(t.Distributions, form)
		}
		if len(t.Distributions) > maxForms {
			r.Fail(d, "there are too many distributions")
		}
	}
	s.End()
	return t
}
