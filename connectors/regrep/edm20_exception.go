package regrep

import (
	"regexp"
	"strings"
	"time"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

var errorSlots = []slot{
	{name: "SpecificationIdentifier", once: "S009", value: typeString, typeRule: "S018"},
	{name: "EvidenceResponseIdentifier", once: "S010", value: typeString, typeRule: "S019"},
	{name: "ErrorProvider", once: "S011", value: typeAny, typeRule: "S020"},
	{name: "EvidenceRequester", value: typeAny, typeRule: "S021"},
}

var exceptionSlots = []slot{
	{name: "Timestamp", once: "S013", value: typeDateTime, typeRule: "S022"},
	{name: "PreviewLocation", value: typeString, typeRule: "S023"},
	{name: "PreviewDescription", value: typeInternational, typeRule: "S024"},
}

var (
	errorSlotRules     = slotRules{closed: "S017", one: "S028", filled: "S029"}
	exceptionSlotRules = slotRules{closed: "S027", one: "S028", filled: "S029"}
)

// stableWords are what is kept of a peer's free text: the rules and codes it
// names. The rest might name the person, and a refusal is not sealed.
var stableWords = regexp.MustCompile(`\b(R-[A-Z]+-[A-Za-z]+-[A-Z]?[0-9]{3}|[A-Z]{2,3}:ERR:[0-9]{4}|OG-[A-Z0-9]{2,4}-[0-9]{4})\b`)

const maxStableWords = 10

// A raised exception is what one rs:Exception says.
type raised struct {
	exception    exception
	at           time.Time
	detail       string
	preview      bool
	location     string
	descriptions []canon.Text
}

// readException implements edition.
func (d *edm20) readException(root xmldoc.Element) (canon.Body, error) {
	r := d.reader(familyError)
	if !root.Is(queryName("QueryResponse")) {
		r.fail(root, "S001", "the root is not query:QueryResponse")
	}
	request := r.requestID(root, "", "S004")
	if status := r.attr(root, plainName("status"), "S006"); r.bad == nil && status != statusFailure {
		r.fail(root, "S006", "status is not Failure")
	}
	f := r.parts(root, "",
		part{name: rimName("Slot"), max: many},
		part{name: rsName("Exception"), min: 1, max: many, rule: "S008"},
		part{name: rimName("RegistryObjectList"), rule: "S007"},
	)
	s := r.slots(root, errorSlotRules, errorSlots)
	env := canon.Envelope{Specification: specification20}
	id := r.identifier(s["EvidenceResponseIdentifier"], "C002", "EvidenceResponseIdentifier")
	var role string
	env.Provider, role = r.agent(r.any(s["ErrorProvider"], "Agent", "S026"), &errorProvider)
	if e := s["EvidenceRequester"]; !e.IsZero() {
		env.Requester, _ = r.agent(r.any(e, "Agent", "C023"), &requesterInError)
	}
	var said raised
	for i, e := range f.all("Exception") {
		x := d.readRaised(r, e)
		if i == 0 || x.preview && !said.preview { // the way to a preview is worth more than a complaint
			said = x
		}
		if x.exception.code != codeInvalid {
			if request == "" {
				r.fail(root, "C025", "requestId is missing")
			}
			if s["EvidenceRequester"].IsZero() {
				r.fail(root, "S012", "EvidenceRequester is missing")
			}
		}
	}
	env.IssuedAt = said.at
	if said.preview {
		return &canon.PreviewRequired{Envelope: env, Request: request, Response: id, Descriptions: said.descriptions,
			Private: canon.Clear(canon.PreviewPrivate{Location: said.location})}, r.err()
	}
	return &canon.EvidenceRefusal{Envelope: env, Request: request, Response: id,
		ErrorCode: said.exception.code, Detail: said.detail, ErrorRole: role}, r.err()
}

func (d *edm20) readRaised(r *reader, e xmldoc.Element) (x raised) {
	name, known := e.ResolveQName(r.attr(e, xsiType, "C012"))
	byType, listed := exceptionByType(name)
	if r.bad == nil && (!known || !listed) {
		r.fail(e, "C013", "xsi:type of Exception is not in EDMErrorCodes")
	}
	var ok bool
	if x.exception, ok = exceptionByCode(r.attr(e, plainName("code"), "C026")); !ok {
		r.fail(e, "C017", "code of Exception is not in EDMErrorCodes")
	}
	if r.bad == nil && byType.code != x.exception.code {
		r.fail(e, "C026", "code of Exception does not belong to its xsi:type")
	}
	// The wording (C027) is not compared: it changed between releases, and the code says it all.
	r.attr(e, plainName("message"), "C016")
	x.detail = strings.Join(stableWords.FindAllString(r.attr(e, plainName("detail"), ""), maxStableWords), " ")
	switch r.attr(e, plainName("severity"), "C014") {
	case severityError, "":
	case severityPreview, severityPreviewDraft:
		x.preview = true
	default:
		r.fail(e, "C014", "severity of Exception is not in ErrorSeverity")
	}
	if x.preview && x.exception.code != codeMissingAuthorization {
		r.fail(e, "C015", "severity PreviewRequired belongs to EDM:ERR:0002")
	}
	s := r.slots(e, exceptionSlotRules, exceptionSlots)
	x.at = r.dateTime(r.value(s["Timestamp"]), "C018")
	location := s["PreviewLocation"]
	if location.IsZero() == x.preview {
		r.fail(e, "C022", "PreviewLocation and severity PreviewRequired come together or not at all")
	}
	x.location = r.location(r.value(location), "C019", "PreviewLocation")
	x.descriptions = r.international(s["PreviewDescription"], "C020")
	return x
}
