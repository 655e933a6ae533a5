package regrep

import (
	"regexp"
	"strings"
	"time"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

const (
	severityPreview = "urn:sr.oots.tech.ec.europa.eu:codes:ErrorSeverity:EDMErrorResponse:PreviewRequired"
	// The host of early drafts is still met (TDD 1.0); it is read, never written.
	severityPreviewDraft = "urn:sr.oots.tech.europa.eu:codes:ErrorSeverity:EDMErrorResponse:PreviewRequired"
)

// Codes that this package itself sends.
const (
	codeMissingAuthorization = "EDM:ERR:0002"
	codeInvalid              = "EDM:ERR:0003"
)

const listErrors = "EDMErrorCodes"

// stableWords are what is kept of a peer's free text: the rules and codes it
// names. The rest might name the person, and a refusal is not sealed.
var stableWords = regexp.MustCompile(`\b(R-[A-Z]+-[A-Za-z]+-[A-Z]?[0-9]{3}|[A-Z]{2,3}:ERR:[0-9]{4}|OG-[A-Z0-9]{2,4}-[0-9]{4}|oots-edm:v[0-9]{1,2}\.[0-9]{1,2})\b`)

const maxStableWords = 10

// A raised exception is what one rs:Exception says.
type raised struct {
	code         string
	at           time.Time
	detail       string
	preview      bool
	location     string
	method       string
	descriptions []canon.Text
}

// readException reads a query:QueryResponse that is an error: a *PreviewRequired or
// an *EvidenceRefusal.
func (r *reader) readException(root xmldoc.Element) (canon.Body, error) {
	if !root.Is(nameResponse) {
		r.Fail(root, "the root is not query:QueryResponse")
	}
	var request canon.RequestID
	if _, ok := root.Attr(rim.Plain("requestId")); ok {
		request = canon.RequestID(r.URN(root, "requestId"))
	}
	if r.NeedAttr(root, rim.Plain("status")) != rim.StatusFailure {
		r.Fail(root, "status is not Failure")
	}
	s := r.Sequence(root)
	slots := r.Slots(&s)
	env := canon.Envelope{Specification: r.specification}
	id := r.identifier(r.need(root, slots, slotResponse))
	var role string
	env.Provider, role = r.Agent(r.Any(r.need(root, slots, slotErrorProvider), nameAgent))
	if e := slots.Get(slotRequester); !e.IsZero() {
		env.Requester, _ = r.Agent(r.Any(e, nameAgent))
	}
	var said raised
	n := 0
	for e := range s.Many(nameException, 1, rim.Many) {
		x := r.exception(e)
		if n++; n == 1 || x.preview && !said.preview { // the way to a preview is worth more than a complaint
			said = x
		}
		if x.code != codeInvalid && (request == "" || env.Requester.ID.IsZero()) {
			r.Fail(root, "the error says neither which request it answers nor that the request could not be read")
		}
	}
	s.End()
	if role != "" && role != "EP" && role != "IP" && role != "ERRP" {
		r.Fail(slots.Get(slotErrorProvider), "Classification of ErrorProvider is not EP, IP or ERRP")
	}
	env.IssuedAt = said.at
	if said.preview {
		return &canon.PreviewRequired{Envelope: env, Request: request, Response: id, Descriptions: said.descriptions,
			Method: said.method, Private: canon.Clear(canon.PreviewPrivate{Location: said.location})}, r.Err()
	}
	return &canon.EvidenceRefusal{Envelope: env, Request: request, Response: id,
		ErrorCode: said.code, Detail: said.detail, ErrorRole: role}, r.Err()
}

func (r *reader) exception(e xmldoc.Element) (out raised) {
	x, slots := r.Exception(e)
	out.code = x.Code
	if len(x.Code) != len(codeInvalid) || !strings.HasPrefix(x.Code, "EDM:ERR:000") || x.Code[11] < '1' || x.Code[11] > '8' {
		r.Fail(e, "code of Exception is not of EDM")
	}
	out.detail = strings.Join(stableWords.FindAllString(x.Detail, maxStableWords), " ")
	out.preview = x.Severity == severityPreview || x.Severity == severityPreviewDraft
	out.at = r.DateTime(slots.Get(slotTimestamp))
	location := slots.Get(slotPreview)
	if r.ed.looseErrors && !out.preview { // a timeout of the Projectathon repeats the place that was not visited
		location = xmldoc.Element{}
	}
	if location.IsZero() == out.preview || out.preview && x.Code != codeMissingAuthorization {
		r.Fail(e, "PreviewLocation, severity PreviewRequired and EDM:ERR:0002 come together or not at all")
	}
	out.location = r.location(location, slotPreview)
	out.descriptions = r.International(slots.Get(slotDescription))
	if r.ed.previewMethod && out.preview {
		if v := slots.Get(slotMethod); !v.IsZero() {
			out.method = r.Matching(v.First(), "GET, POST or PUT", func(s string) bool { return s == "GET" || s == "POST" || s == "PUT" })
		}
	}
	return out
}

// writePreview writes the error that leads to a preview.
func (w *writer) writePreview(p *canon.PreviewRequired, lists *codes.Lists) ([]byte, error) {
	private, ok := p.Private.Get()
	if !ok {
		return nil, noPrivate(p.Private.Forgotten())
	}
	w.openError(&p.Envelope, p.Request, p.Response, "")
	if err := w.openException(lists, codeMissingAuthorization, severityPreview, "Preview by the user is required", &p.Envelope); err != nil {
		return nil, err
	}
	w.String(slotPreview, private.Location)
	if len(p.Descriptions) > 0 {
		w.International(slotDescription, p.Descriptions)
	}
	if w.ed.previewMethod {
		w.String(slotMethod, or(p.Method, "GET"))
	}
	w.Close("rs:Exception")
	w.Close("query:QueryResponse")
	return w.Done()
}

// writeRefusal writes any other error.
func (w *writer) writeRefusal(p *canon.EvidenceRefusal, lists *codes.Lists) ([]byte, error) {
	w.openError(&p.Envelope, p.Request, p.Response, p.ErrorRole)
	if err := w.openException(lists, p.ErrorCode, rim.SeverityError, p.Detail, &p.Envelope); err != nil {
		return nil, err
	}
	w.Close("rs:Exception")
	w.Close("query:QueryResponse")
	return w.Done()
}

func (w *writer) openError(env *canon.Envelope, request canon.RequestID, id, role string) {
	w.Root("query:QueryResponse", "requestId", string(request), "status", rim.StatusFailure)
	w.String(slotSpecification, env.Specification)
	w.String(slotResponse, id)
	w.Slot(slotErrorProvider, rim.TypeAny, func() { w.Agent("sdg:Agent", env.Provider, or(role, "ERRP")) })
	if len(env.Requester.Names) > 0 { // an Agent without a name is not an Agent
		w.Slot(slotRequester, rim.TypeAny, func() { w.Agent("sdg:Agent", env.Requester, "") })
	}
}

// openException writes code, type and wording as the code list of the edition has them.
func (w *writer) openException(lists *codes.Lists, code, severity, detail string, env *canon.Envelope) error {
	entry, ok := lists.In(w.ed.name).Entry(listErrors, code)
	prefix, local, ok2 := strings.Cut(entry.Type, ":")
	if !ok || !ok2 {
		return canon.NewFault(canon.CodeMessageInvalid, nil, "error code is not in EDMErrorCodes")
	}
	typ := rim.RS(local)
	if prefix == "query" {
		typ = rim.Query(local)
	}
	w.OpenException(rim.Exception{Type: typ, Code: code, Message: entry.Name, Severity: severity, Detail: detail})
	w.DateTime(slotTimestamp, env.IssuedAt)
	return nil
}
