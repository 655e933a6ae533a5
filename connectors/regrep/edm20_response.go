package regrep

import (
	"net/url"
	"reflect"
	"strings"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

var responseSlots = []slot{
	{name: "SpecificationIdentifier", once: "S009", value: typeString, typeRule: "S017"},
	{name: "EvidenceResponseIdentifier", once: "S010", value: typeString, typeRule: "S018"},
	{name: "IssueDateTime", once: "S011", value: typeDateTime, typeRule: "S019"},
	{name: "EvidenceProvider", once: "S012", value: typeCollection, typeRule: "S020", element: "S021"},
	{name: "EvidenceRequester", once: "S013", value: typeAny, typeRule: "S022"},
	{name: "ResponseAvailableDateTime", value: typeDateTime, typeRule: "S023"},
}

var responseSlotRules = slotRules{closed: "S016", one: "XSD", filled: "XSD", elements: "XSD", set: "XSD"}

// readResponse implements edition.
func (d *edm20) readResponse(root xmldoc.Element) (*response, error) {
	r := d.reader(familyResponse)
	if !root.Is(queryName("QueryResponse")) {
		r.fail(root, "S001", "the root is not query:QueryResponse")
	}
	body := new(canon.EvidenceResponse)
	out := &response{body: body}
	body.Request = r.requestID(root, "S003", "S004")
	status := r.attr(root, plainName("status"), "S005")
	f := r.parts(root, "S016",
		part{name: rimName("Slot"), max: many},
		part{name: rsName("Exception"), rule: "S008"},
		part{name: rimName("RegistryObjectList"), min: 1, max: 1, rule: "S007"},
	)
	s := r.slots(root, responseSlotRules, responseSlots)
	body.Specification = specification20
	body.Response = r.identifier(s["EvidenceResponseIdentifier"], "C003", "EvidenceResponseIdentifier")
	body.IssuedAt = r.dateTime(r.value(s["IssueDateTime"]), "C004")
	providers := 0
	for e := range r.collection(s["EvidenceProvider"], "Agent", "S025") {
		if a, class := r.agent(e, &providerInResponse); class == "EP" {
			body.Provider = a
			providers++
		}
	}
	if providers != 1 {
		r.fail(s["EvidenceProvider"], "C046", "EvidenceProvider has not exactly one Agent classified EP")
	}
	body.Requester, _ = r.agent(r.any(s["EvidenceRequester"], "Agent", "S027"), &requesterInResponse)
	available := s["ResponseAvailableDateTime"]
	body.AvailableAt = r.dateTime(r.value(available), "C005")

	d.readPackages(r, f.one("RegistryObjectList"), out)
	switch {
	case r.bad != nil:
	case status == statusUnavailable:
		body.Status = canon.StatusDeferred
		if len(body.Documents) > 0 {
			r.fail(root, "TDD 4.9", "status is Unavailable and there is evidence")
		}
		if available.IsZero() {
			r.fail(root, "S045", "status is Unavailable without ResponseAvailableDateTime")
		}
	case status != statusSuccess:
		r.fail(root, "S006", "status is neither Success nor Unavailable")
	case !available.IsZero():
		r.fail(available, "S045", "ResponseAvailableDateTime without status Unavailable")
	case len(body.Documents) > 0:
		body.Status = canon.StatusDelivered
	default:
		body.Status = canon.StatusDeclined
	}
	return out, r.err()
}

// requestID reads the id of the answered request; present is empty where it may
// be left out.
func (r *reader) requestID(root xmldoc.Element, present, format string) canon.RequestID {
	s := r.attr(root, plainName("requestId"), present)
	if id, ok := strings.CutPrefix(s, uuidURN); s != "" && r.bad == nil && (!ok || !uuid(id)) {
		r.fail(root, format, "requestId is not urn:uuid: and a UUID")
	}
	return canon.RequestID(s)
}

// registryParts are the children of a RegistryObject, followed by those of its type.
func registryParts(more ...part) []part {
	return append([]part{
		{name: rimName("Slot"), max: many},
		{name: rimName("Name"), max: 1},
		{name: rimName("Description"), max: 1},
		{name: rimName("VersionInfo"), max: 1},
		{name: rimName("Classification"), max: many},
		{name: rimName("ExternalIdentifier"), max: many},
		{name: rimName("ExternalLink"), max: many},
	}, more...)
}

func (d *edm20) readPackages(r *reader, list xmldoc.Element, out *response) {
	f := r.parts(list, "", part{name: rimName("RegistryObject"), max: maxObjects})
	seen := map[string]bool{}
	for _, e := range f.all("RegistryObject") {
		if !r.isType(e, "RegistryPackageType") {
			r.fail(e, "S066", "the list holds something else than packages")
			return
		}
		r.registryID(e, seen)
		p := r.parts(e, "", registryParts(part{name: rimName("RegistryObjectList"), min: 1, max: 1, rule: "S046"})...)
		d.readPackage(r, p.one("RegistryObjectList"), out, seen)
	}
}

// registryID reads the id of a RegistryObject.
func (r *reader) registryID(e xmldoc.Element, seen map[string]bool) string {
	s := r.attr(e, plainName("id"), "S036")
	if r.bad != nil {
		return ""
	}
	if id, ok := strings.CutPrefix(s, uuidURN); !ok || !uuid(id) {
		r.fail(e, "S037", "id of RegistryObject is not urn:uuid: and a UUID")
	} else if seen[s] {
		r.fail(e, "S037", "id of RegistryObject is not unique")
	}
	seen[s] = true
	return s
}

// readPackage reads the documents of one package and ties each supplement to the
// document that it completes.
func (d *edm20) readPackage(r *reader, list xmldoc.Element, out *response, seen map[string]bool) {
	f := r.parts(list, "", part{name: rimName("RegistryObject"), max: maxObjects})
	first := len(out.body.Documents)
	byID := map[string]int{}
	mains := 0
	var associations []xmldoc.Element
	for _, e := range f.all("RegistryObject") {
		id := r.registryID(e, seen)
		switch {
		case r.bad != nil:
			return
		case r.isType(e, "AssociationType"):
			associations = append(associations, e)
		case r.isType(e, "ExtrinsicObjectType"):
			byID[id] = len(out.body.Documents)
			if d.readDocument(r, e, out) == canon.RoleMain {
				mains++
			}
		default:
			r.fail(e, "XSD", "RegistryObject in a package is neither ExtrinsicObjectType nor AssociationType")
		}
	}
	if mains == 0 { // several are accepted, one is written
		r.fail(list, "S047", "the package has no MainEvidence")
	}
	docs := out.body.Documents
	target := map[int]int{}
	for _, e := range associations {
		from, to := r.association(e, docs, byID)
		if r.bad != nil {
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
		if !ok {
			r.fail(list, "S050", "a supplementary document is the source of no association")
			return
		}
		docs[i].For = docs[to].ID
		for steps := 0; docs[to].Role != canon.RoleMain; steps++ {
			if to, ok = target[to]; !ok || steps > len(docs) {
				r.fail(list, "S050", "the associations of a supplementary document do not lead to a MainEvidence")
				return
			}
		}
	}
}

// association reads one association and returns its ends as indexes of docs.
func (r *reader) association(e xmldoc.Element, docs []canon.Document, byID map[string]int) (from, to int) {
	from, ok := byID[r.attr(e, plainName("sourceObject"), "S051")]
	if !ok {
		r.fail(e, "S051", "sourceObject is not in the package")
	}
	to, ok = byID[r.attr(e, plainName("targetObject"), "S055")]
	if !ok || to == from {
		r.fail(e, "S055", "targetObject is not another object of the package")
	}
	kind, ok := strings.CutPrefix(r.attr(e, plainName("type"), "XSD"), associationPrefix)
	switch {
	case r.bad != nil:
	case !ok || !associated[kind]:
		r.fail(e, "XSD", "type of the association is not Annex, HumanReadableVersion or Translation")
	case docs[from].Role != kind:
		rule := map[string]string{"Annex": "S059", "Translation": "S060", "HumanReadableVersion": "S061"}
		r.fail(e, or(rule[docs[from].Role], "S061"), "type of the association is not the class of its source")
	}
	return from, to
}

// readDocument reads one ExtrinsicObject and returns its role.
func (d *edm20) readDocument(r *reader, e xmldoc.Element, out *response) string {
	f := r.parts(e, "", registryParts(
		part{name: rimName("ContentVersionInfo"), max: 1},
		part{name: rimName("RepositoryItemRef"), min: 1, max: 1, rule: "S033"},
	)...)
	role := ""
	for _, c := range f.all("Classification") {
		if r.attr(c, plainName("classificationScheme"), "S048") != packagingScheme {
			continue
		}
		id, ok := strings.CutPrefix(r.attr(c, plainName("id"), "S065"), uuidURN)
		if r.bad == nil && (!ok || !uuid(id)) {
			r.fail(c, "S065", "id of Classification is not urn:uuid: and a UUID")
		}
		if role != "" {
			r.fail(e, "S048", "RegistryObject has more than one classification of the EDM scheme")
		}
		role = r.attr(c, plainName("classificationNode"), "S049")
		if r.bad == nil && role != canon.RoleMain && !associated[role] {
			r.fail(c, "S049", "classificationNode is not in the list")
		}
	}
	if role == "" {
		r.fail(e, "S048", "RegistryObject has no classification of the EDM scheme")
	}
	s := r.slots(e, slotRules{closed: "XSD", one: "XSD", filled: "XSD"},
		[]slot{{name: "EvidenceMetadata", once: "S015", value: typeAny, typeRule: "S024"}})
	evidence := r.any(s["EvidenceMetadata"], "Evidence", "S029")
	var doc canon.Document
	var it item
	var about canon.Subject
	if role == canon.RoleMain {
		doc, it.formats, about = r.mainEvidence(evidence)
	} else {
		doc, it.formats = r.supplement(evidence)
	}
	doc.Role = role
	ref := f.one("RepositoryItemRef")
	it.content = r.contentID(ref)
	title := r.attr(ref, xmldoc.Name{Space: spaceXLink, Local: "title"}, "S035")
	r.atMost(ref, title, maxText)
	if role != canon.RoleMain {
		doc.Titles = []canon.Text{{Lang: "EN", Text: title}} // the default of LanguageCode; a link has no language
	}
	if r.bad != nil {
		return role
	}
	for _, other := range out.body.Documents {
		if other.ID == doc.ID {
			r.fail(evidence, "C015", "Identifier of Evidence is not unique")
			return role
		}
	}
	if role == canon.RoleMain {
		if known, ok := out.body.Private.Get(); ok && !sameSubject(known.Subject, about) {
			r.fail(evidence, "TDD 4.5.2", "the evidences are not about one person")
		}
		out.body.Private = canon.Clear(canon.ResponsePrivate{Subject: about})
	}
	if len(out.body.Documents) == maxDocuments {
		r.fail(e, "limit", "there are too many documents")
	}
	out.body.Documents = append(out.body.Documents, doc)
	out.items = append(out.items, it)
	return role
}

func sameSubject(a, b canon.Subject) bool {
	return reflect.DeepEqual(a, b)
}

// contentID reads the Content-ID that an item refers to (RFC 2392).
func (r *reader) contentID(ref xmldoc.Element) string {
	href := r.attr(ref, xmldoc.Name{Space: spaceXLink, Local: "href"}, "S034")
	if r.bad != nil {
		return ""
	}
	cid, ok := strings.CutPrefix(href, "cid:")
	id, err := url.PathUnescape(cid)
	if !ok || err != nil || !strings.Contains(id, "@") {
		r.fail(ref, "C042", "xlink:href is not cid: and a Content-ID")
	}
	return id
}

// mainEvidence reads the metadata of a MainEvidence (R-EDM-RESP-S062).
func (r *reader) mainEvidence(e xmldoc.Element) (doc canon.Document, formats []string, about canon.Subject) {
	f := r.parts(e, "",
		part{name: sdgName("Identifier"), min: 1, max: 1, rule: "S062"},
		part{name: sdgName("IsAbout"), min: 1, max: 1, rule: "S062"},
		part{name: sdgName("IssuingAuthority"), min: 1, max: 1, rule: "S062"},
		part{name: sdgName("IsConformantTo"), min: 1, max: 1, rule: "S062"},
		part{name: sdgName("IssuingDate"), min: 1, max: 1, rule: "S062"},
		part{name: sdgName("Distribution"), min: 1, max: 1, rule: "S062"},
		part{name: sdgName("ValidityPeriod"), max: 1},
	)
	doc.ID = r.code(f.one("Identifier"), "C015", uuid)
	about = r.about(f.one("IsAbout"))
	doc.Issuer, _ = r.agent(f.one("IssuingAuthority"), &issuer)
	c := r.parts(f.one("IsConformantTo"), "S030",
		part{name: sdgName("EvidenceTypeClassification"), min: 1, max: 1, rule: "C017"},
		part{name: sdgName("Title"), min: 1, max: many},
		part{name: sdgName("Description"), max: many},
	)
	doc.Classification = r.code(c.one("EvidenceTypeClassification"), "C017", classificationURI)
	doc.Titles = r.texts(c.all("Title"), "C019", "C018")
	r.texts(c.all("Description"), "C021", "C020")
	doc.IssuedOn = r.date(f.one("IssuingDate"), "C016")
	formats, doc.Languages, doc.ConformsTo = r.distribution(f.one("Distribution"), "XSD", 1)
	if v := f.one("ValidityPeriod"); !v.IsZero() {
		p := r.parts(v, "",
			part{name: sdgName("StartDate"), min: 1, max: 1},
			part{name: sdgName("EndDate"), min: 1, max: 1},
		)
		r.date(p.one("StartDate"), "C040")
		r.date(p.one("EndDate"), "C041")
	}
	return doc, formats, about
}

// supplement reads the metadata of a document that completes another one.
// Format and Language are tolerated, all that S063 names is not.
func (r *reader) supplement(e xmldoc.Element) (doc canon.Document, formats []string) {
	f := r.parts(e, "S063",
		part{name: sdgName("Identifier"), min: 1, max: 1},
		part{name: sdgName("Distribution"), max: 1},
	)
	doc.ID = r.code(f.one("Identifier"), "C015", uuid)
	formats, doc.Languages, _ = r.distribution(f.one("Distribution"), "S063", 0)
	return doc, formats
}

// distribution reads sdg:Distribution; conforms is how many ConformsTo it may have.
func (r *reader) distribution(e xmldoc.Element, rule string, conforms int) (formats, langs []string, model string) {
	f := r.parts(e, "",
		part{name: sdgName("Format"), min: 1, max: many, rule: "C023"},
		part{name: sdgName("Language"), max: many},
		part{name: sdgName("ConformsTo"), max: conforms, rule: rule},
	)
	for _, c := range f.all("Format") {
		formats = append(formats, r.code(c, "C023", in(mediaTypes)))
	}
	for _, c := range f.all("Language") {
		langs = append(langs, r.code(c, "C026", in(languages)))
	}
	return formats, langs, r.code(f.one("ConformsTo"), "C022", dataModelURI)
}
