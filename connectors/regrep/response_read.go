package regrep

import (
	"net/url"
	"reflect"
	"strings"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

var (
	nameResponse       = rim.Query("QueryResponse")
	nameEvidence       = rim.SDG("Evidence")
	nameAbout          = rim.SDG("IsAbout")
	nameIssuer         = rim.SDG("IssuingAuthority")
	nameConformant     = rim.SDG("IsConformantTo")
	nameIssued         = rim.SDG("IssuingDate")
	nameDistribution   = rim.SDG("Distribution")
	nameValidity       = rim.SDG("ValidityPeriod")
	nameStart          = rim.SDG("StartDate")
	nameEnd            = rim.SDG("EndDate")
	nameJurisdiction   = rim.SDG("Jurisdiction")
	nameItem           = rim.RIM("RepositoryItemRef")
	nameRIMClass       = rim.RIM("Classification")
	nameContentVersion = rim.RIM("ContentVersionInfo")
	attrHref           = xmldoc.Name{Space: rim.SpaceXLink, Local: "href"}
	attrTitle          = xmldoc.Name{Space: rim.SpaceXLink, Local: "title"}
)

// A response is an EvidenceResponse with what ties its documents to parts of
// the message.
type response struct {
	body  *canon.EvidenceResponse
	items []item // one for each of body.Documents
}

// An item is the carrier of one document.
type item struct {
	content string   // Content-ID of the part
	formats []string // media types that the metadata state; none for most supplements
}

// readResponse reads a query:QueryResponse that is no error.
func (r *reader) readResponse(root xmldoc.Element) (*response, error) {
	if !root.Is(nameResponse) {
		r.Fail(root, "the root is not query:QueryResponse")
	}
	body := new(canon.EvidenceResponse)
	out := &response{body: body}
	body.Specification = r.specification
	body.Request = canon.RequestID(r.URN(root, "requestId"))
	s := r.Sequence(root)
	slots := r.Slots(&s)
	list := s.One(nameList)
	s.End()

	body.Response = r.identifier(r.need(root, slots, slotResponse))
	body.IssuedAt = r.DateTime(slots.Get(slotIssued))
	providers := 0
	for e := range r.Collection(r.need(root, slots, slotProvider), nameAgent) {
		a, class := r.Agent(e)
		switch {
		case class == "EP":
			body.Provider = a
			providers++
		case len(body.Intermediaries) < maxAgents:
			body.Intermediaries = append(body.Intermediaries, a)
		default:
			r.Fail(e, "there are too many intermediaries")
		}
	}
	if providers != 1 {
		r.Fail(slots.Get(slotProvider), "EvidenceProvider has not exactly one Agent classified EP")
	}
	body.Requester, _ = r.Agent(r.Any(r.need(root, slots, slotRequester), nameAgent))
	available := slots.Get(slotAvailable)
	body.AvailableAt = r.DateTime(available)

	switch seen := map[string]bool{}; {
	case r.Failed():
	case r.ed.packages:
		r.packages(list, out, seen)
	default:
		r.flat(list, out, seen)
	}
	switch status := r.NeedAttr(root, rim.Plain("status")); {
	case r.Failed():
	case status == rim.StatusUnavailable:
		body.Status = canon.StatusDeferred
		if len(body.Documents) > 0 || available.IsZero() {
			r.Fail(root, "status Unavailable goes with a date and without evidence")
		}
	case status != rim.StatusSuccess || !available.IsZero():
		r.Fail(root, "status is neither Success nor Unavailable, or Success has a date of availability")
	case len(body.Documents) > 0:
		body.Status = canon.StatusDelivered
	default:
		body.Status = canon.StatusDeclined
	}
	return out, r.Err()
}

// registryID reads the id of a RegistryObject.
func (r *reader) registryID(e xmldoc.Element, seen map[string]bool) string {
	s := r.URN(e, "id")
	if seen[s] {
		r.Fail(e, "id of RegistryObject is not unique")
	}
	seen[s] = true
	return s
}

// object starts reading a RegistryObject: its slots and its classifications.
func (r *reader) object(e xmldoc.Element) (s rim.Sequence, slots rim.Slots, classes []xmldoc.Element) {
	s = r.Sequence(e)
	slots = r.Slots(&s)
	for _, name := range [...]string{"Name", "Description", "VersionInfo"} {
		s.Maybe(rim.RIM(name))
	}
	for c := range s.Many(nameRIMClass, 0, rim.Many) {
		classes = append(classes, c)
	}
	s.Skip(rim.RIM("ExternalIdentifier"))
	s.Skip(rim.RIM("ExternalLink"))
	return s, slots, classes
}

// flat reads the list of EDM 1.x: evidences side by side.
func (r *reader) flat(list xmldoc.Element, out *response, seen map[string]bool) {
	s := r.Sequence(list)
	for e := range s.Many(nameObject, 0, maxObjects) {
		r.registryID(e, seen)
		if !r.Failed() && !r.Is(e, "ExtrinsicObjectType") {
			r.Fail(e, "RegistryObject is not an ExtrinsicObjectType")
		}
		r.document(e, out)
	}
	s.End()
}

// packages reads the list of EDM 2.0.
func (r *reader) packages(list xmldoc.Element, out *response, seen map[string]bool) {
	s := r.Sequence(list)
	for e := range s.Many(nameObject, 0, maxObjects) {
		if !r.Is(e, "RegistryPackageType") {
			r.Fail(e, "RegistryObject is not a RegistryPackageType")
			return
		}
		r.registryID(e, seen)
		in, _, _ := r.object(e)
		inner := in.One(nameList)
		in.End()
		r.readPackage(inner, out, seen)
	}
	s.End()
}

// readPackage reads the documents of one package and ties each supplement to the
// document that it completes.
func (r *reader) readPackage(list xmldoc.Element, out *response, seen map[string]bool) {
	first := len(out.body.Documents)
	byID := map[string]int{}
	mains := 0
	var associations []xmldoc.Element
	s := r.Sequence(list)
	for e := range s.Many(nameObject, 0, maxObjects) {
		id := r.registryID(e, seen)
		switch {
		case r.Failed():
			return
		case r.Is(e, "AssociationType"):
			associations = append(associations, e)
		case r.Is(e, "ExtrinsicObjectType"):
			byID[id] = len(out.body.Documents)
			if r.document(e, out) == canon.RoleMain {
				mains++
			}
		default:
			r.Fail(e, "RegistryObject in a package is neither ExtrinsicObjectType nor AssociationType")
		}
	}
	s.End()
	if mains == 0 { // several are accepted, one is written
		r.Fail(list, "the package has no MainEvidence")
	}
	docs := out.body.Documents
	target := map[int]int{}
	for _, e := range associations {
		from, to := r.association(e, docs, byID)
		if r.Failed() {
			return
		}
		if _, ok := target[from]; !ok {
			target[from] = to
		}
	}
	for i := first; i < len(docs); i++ {
		if docs[i].Role == canon.RoleMain {
			continue
		}
		to, ok := target[i]
		if ok {
			docs[i].For = docs[to].ID
		}
		for steps := 0; ok && docs[to].Role != canon.RoleMain && steps <= len(docs); steps++ {
			to, ok = target[to]
		}
		if !ok || docs[to].Role != canon.RoleMain {
			r.Fail(list, "the associations of a supplementary document do not lead to a MainEvidence")
			return
		}
	}
}

// association reads one association and returns its ends as indexes of docs.
func (r *reader) association(e xmldoc.Element, docs []canon.Document, byID map[string]int) (from, to int) {
	from, ok := byID[r.NeedAttr(e, rim.Plain("sourceObject"))]
	to, ok2 := byID[r.NeedAttr(e, rim.Plain("targetObject"))]
	kind, ok3 := strings.CutPrefix(r.NeedAttr(e, rim.Plain("type")), rim.AssociationPrefix)
	switch {
	case r.Failed():
	case !ok || !ok2 || from == to:
		r.Fail(e, "the ends of the association are not two documents of the package")
	case !ok3 || docs[from].Role != kind:
		r.Fail(e, "type of the association is not the class of its source")
	}
	return from, to
}

// role reads the classification of the EDM scheme.
func (r *reader) role(e xmldoc.Element, classes []xmldoc.Element) (role string) {
	if !r.ed.packages {
		return canon.RoleMain
	}
	for _, c := range classes {
		if r.Attr(c, rim.Plain("classificationScheme")) != packagingScheme {
			continue
		}
		if role != "" {
			r.Fail(c, "RegistryObject has more than one classification of the EDM scheme")
		}
		if role = r.NeedAttr(c, rim.Plain("classificationNode")); role != canon.RoleMain && !supplement(role) {
			r.Fail(c, "classificationNode is not a kind of document")
		}
	}
	if role == "" {
		r.Fail(e, "RegistryObject has no classification of the EDM scheme")
	}
	return role
}

// document reads one ExtrinsicObject and returns its role.
func (r *reader) document(e xmldoc.Element, out *response) string {
	if r.Failed() {
		return ""
	}
	s, slots, classes := r.object(e)
	s.Maybe(nameContentVersion)
	ref := s.One(nameItem)
	s.End()
	role := r.role(e, classes)
	evidence := r.Any(r.need(e, slots, slotMetadata), nameEvidence)
	doc, about, formats := r.evidence(evidence, role)
	it := item{content: r.contentID(ref), formats: formats}
	title := r.Attr(ref, attrTitle)
	if role != canon.RoleMain && title != "" {
		doc.Titles = []canon.Text{{Lang: "EN", Text: title}} // the default of LanguageCode; a link has no language
	}
	if r.Failed() {
		return role
	}
	body := out.body
	for _, other := range body.Documents {
		if other.ID == doc.ID {
			r.Fail(evidence, "Identifier of Evidence is not unique")
			return role
		}
	}
	if role == canon.RoleMain {
		if known, ok := body.Private.Get(); ok && !reflect.DeepEqual(known.Subject, about) {
			r.Fail(evidence, "the evidences are not about one person")
		}
		body.Private = canon.Clear(canon.ResponsePrivate{Subject: about})
	}
	if len(body.Documents) == maxDocuments {
		r.Fail(e, "there are too many documents")
	}
	body.Documents = append(body.Documents, doc)
	out.items = append(out.items, it)
	return role
}

// contentID reads the Content-ID that an item refers to (RFC 2392).
func (r *reader) contentID(ref xmldoc.Element) string {
	href := r.NeedAttr(ref, attrHref)
	if r.Failed() {
		return ""
	}
	cid, ok := strings.CutPrefix(href, "cid:")
	id, err := url.PathUnescape(cid)
	if !ok || err != nil || id == "" {
		r.Fail(ref, "xlink:href is not cid: and a Content-ID")
	}
	return id
}

// evidence reads the metadata of a document: whole for a MainEvidence, hardly any
// for a supplement.
func (r *reader) evidence(e xmldoc.Element, role string) (doc canon.Document, about canon.Subject, formats []string) {
	doc.Role = role
	s := r.Sequence(e)
	id := s.One(nameIdentifier)
	doc.ID = strings.TrimPrefix(r.Text(id), rim.UUIDPrefix)
	if !id.IsZero() && !r.Failed() && !rim.IsUUID(doc.ID) {
		r.Fail(id, "Identifier is not a UUID")
	}
	if role != canon.RoleMain {
		// Of a supplement the form may be stated; all else stands at its main evidence.
		if d := s.Maybe(nameDistribution); !d.IsZero() {
			var form canon.Distribution
			formats, form = r.form(d, false)
			doc.Languages = form.Languages
		}
		s.End()
		return doc, about, formats
	}
	about = r.about(s.One(nameAbout))
	doc.Issuer, _ = r.Agent(s.One(nameIssuer))
	r.conformant(s.One(nameConformant), &doc)
	doc.IssuedOn = r.Date(s.One(nameIssued))
	var form canon.Distribution
	formats, form = r.form(s.One(nameDistribution), false)
	doc.Languages, doc.ConformsTo, doc.Transformation = form.Languages, form.ConformsTo, form.Transformation
	if v := s.Maybe(nameValidity); !v.IsZero() {
		p := r.Sequence(v)
		doc.ValidFrom, doc.ValidUntil = r.Date(p.One(nameStart)), r.Date(p.One(nameEnd))
		p.End()
	}
	s.End()
	return doc, about, formats
}

func (r *reader) conformant(e xmldoc.Element, doc *canon.Document) {
	s := r.Sequence(e)
	doc.Classification = r.uri(s.One(nameClassification))
	doc.Titles = r.Texts(s.Many(nameTitle, 1, rim.Many))
	doc.Descriptions = r.Texts(s.Many(nameDescription, 0, rim.Many))
	// The rest of the type belongs to the directory.
	s.Skip(nameJurisdiction)
	s.Skip(nameDistribution)
	s.End()
}
