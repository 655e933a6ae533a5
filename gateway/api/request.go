package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

const (
	maxBody = 64 << 10
	// clockSkew is how far ahead a portal's clock may be.
	clockSkew = 5 * time.Minute
	// specification is what a portal's request begins with; the route may say otherwise.
	specification = "oots-edm:v2.0"
)

// requestBody is components/schemas/EvidenceRequest.
type requestBody struct {
	Session      string            `json:"session"`
	Procedure    string            `json:"procedure"`
	Requirements []requirementBody `json:"requirements"`
	EvidenceType evidenceTypeBody  `json:"evidence_type"`
	Provider     agentBody         `json:"provider"`
	personBody
}

// personBody is what a request says about the person and their wish.
type personBody struct {
	Subject         subjectBody        `json:"subject"`
	Representative  representativeBody `json:"representative"`
	ExplicitRequest explicitBody       `json:"explicit_request"`
	ReturnURL       string             `json:"return_url"`
	PreviewPossible *bool              `json:"preview_possible"`
	Language        string             `json:"language"`
}

type requirementBody struct {
	ID    string       `json:"id"`
	Names []canon.Text `json:"names"`
}

type evidenceTypeBody struct {
	ID             string       `json:"id"`
	Classification string       `json:"classification"`
	Titles         []canon.Text `json:"titles"`
	Distributions  []struct {
		Format     string   `json:"format"`
		Languages  []string `json:"languages"`
		ConformsTo string   `json:"conforms_to"`
		Associated []string `json:"associated"`
	} `json:"distributions"`
}

type agentBody struct {
	ID      canon.Participant `json:"id"`
	Names   []canon.Text      `json:"names"`
	Country string            `json:"country"`
}

type explicitBody struct {
	Given      bool      `json:"given"`
	At         time.Time `json:"at"`
	Reference  string    `json:"reference"`
	Exemption  string    `json:"exemption"`
	InformedAt time.Time `json:"informed_at"`
	Notice     string    `json:"notice"`
}

type previewBody struct {
	ReturnURL string `json:"return_url"`
}

type links struct {
	Self     string `json:"self"`
	Timeline string `json:"timeline"`
	Preview  string `json:"preview,omitempty"`
	Close    string `json:"close,omitempty"`
	Withdraw string `json:"withdraw,omitempty"`
}

type accepted struct {
	ID    canon.ConversationID `json:"id"`
	State string               `json:"state"`
	Links links                `json:"links"`
}

const stateAccepted = "accepted"

// openRequest takes a portal's request. It answers only after the log has it.
func (a *API) openRequest(w http.ResponseWriter, r *http.Request, who credential) error {
	key, err := idempotencyKey(r)
	if err != nil {
		return err
	}
	data, err := readBody(w, r)
	if err != nil {
		return err
	}
	var body requestBody
	normal, err := decode(a.bodies.request, data, &body)
	if err != nil {
		return err
	}
	now := a.cfg.Now().UTC()
	if fs := check(body.personBody, who.portal, now); len(fs) > 0 {
		return refuseFlaws(fs)
	}
	if err := checkExplicit(body.ExplicitRequest); err != nil {
		return err
	}
	id := canon.OwnConversation(who.name, key)
	value := claim(who.name, key, normal)
	held, err := a.cfg.Memory.Claim(r.Context(), string(id), value, a.cfg.Term)
	if err != nil {
		return unavailable(err)
	}
	reused := &refusal{Fault: canon.NewFault(canon.CodeKeyReused, nil, "the key was used for a different request"), location: "Idempotency-Key"}
	if held != value {
		return reused
	}
	// A repeated call publishes again unless the core is known to have the first:
	// the answer to that one may have been a failure. The derived id makes it one.
	c, err := a.cfg.Conversations.Get(r.Context(), id)
	switch {
	case errors.Is(err, exchange.ErrUnknown):
		if err := a.cfg.Publish(r.Context(), a.message(r, id, "evidence-request", now, body.canon(id, who, now))); err != nil {
			return fmt.Errorf("publishing a request: %w", err)
		}
	case err != nil:
		return unavailable(err)
	case !body.opened(c): // the memory of keys was lost, the exchange was not
		return reused
	}
	w.Header().Set("Location", a.link("api/v1/evidence-requests", string(id)))
	w.Header().Set("Retry-After", "1")
	return a.reply(w, http.StatusAccepted, accepted{ID: id, State: stateAccepted, Links: a.links(id)})
}

// message is one fact that enters at this edge: its id follows from the
// conversation and the step, so that a repeated call yields the same one.
func (a *API) message(r *http.Request, id canon.ConversationID, step string, at time.Time, body canon.Body) canon.Message {
	return canon.Message{
		ID:           canon.MessageID(canon.DeriveUUID("api", string(id), step)),
		Kind:         body.Kind(),
		Conversation: id,
		At:           at,
		Trace:        traceparent(r.Context()),
		Body:         body,
	}
}

// opened reports that the exchange may be the one that this request opened: it is
// about the same and, as long as that is known, about the same person.
func (b requestBody) opened(c *exchange.Conversation) bool {
	private, ok := c.Private.Get()
	return c.Procedure == b.Procedure && c.EvidenceType.Classification == b.EvidenceType.Classification && c.Provider.ID == b.Provider.ID &&
		(!ok || private.Subject == (canon.Subject{}) || private.Subject.Matches(b.Subject.canon()))
}

func (b requestBody) canon(id canon.ConversationID, who credential, now time.Time) *canon.EvidenceRequest {
	session := canon.SessionID(b.Session)
	if session == "" {
		session = canon.SessionID(canon.DeriveUUID("session", string(id)))
	}
	req := b.request(id, session, who, now)
	req.Provider = canon.Agent{ID: b.Provider.ID, Names: b.Provider.Names, Country: b.Provider.Country}
	req.Procedure = b.Procedure
	req.EvidenceType = canon.EvidenceType{ID: b.EvidenceType.ID, Classification: b.EvidenceType.Classification, Titles: b.EvidenceType.Titles}
	for _, q := range b.Requirements {
		req.Requirements = append(req.Requirements, canon.Requirement{ID: q.ID, Names: q.Names})
	}
	for _, d := range b.EvidenceType.Distributions {
		req.EvidenceType.Distributions = append(req.EvidenceType.Distributions, canon.Distribution{
			Format: d.Format, Languages: d.Languages, ConformsTo: d.ConformsTo, Associated: d.Associated,
		})
	}
	return req
}

// request is a first request of the person, without what it is about.
func (b personBody) request(id canon.ConversationID, session canon.SessionID, who credential, now time.Time) *canon.EvidenceRequest {
	e := b.ExplicitRequest
	return &canon.EvidenceRequest{
		Envelope: canon.Envelope{
			Leg: canon.LegPortal, Exchange: canon.ExchangeID(id), Session: session, Specification: specification,
			IssuedAt: now, Requester: who.portal.Authority,
		},
		Step:            canon.StepFirst,
		Request:         requestID(id, canon.StepFirst),
		Language:        b.Language,
		PreviewPossible: b.PreviewPossible == nil || *b.PreviewPossible,
		ExplicitRequest: canon.ExplicitRequest{
			Given: e.Given, At: e.At, Reference: e.Reference, Exemption: e.Exemption, InformedAt: e.InformedAt, Notice: e.Notice,
		},
		Portal:  who.name,
		Private: canon.Clear(canon.RequestPrivate{Subject: b.Subject.canon(), Representative: b.Representative.canon(), ReturnLocation: b.ReturnURL}),
	}
}

// requestID names one of the two requests (TDD 4.7: new for each, R-EDM-REQ-C001).
func requestID(id canon.ConversationID, step canon.Step) canon.RequestID {
	return canon.RequestID("urn:uuid:" + canon.DeriveUUID("request", string(id), string(step)))
}

// claim says who used a key and for what, without saying what: the digest is
// keyed by the Idempotency-Key, which is not stored, so a body with a person in
// it cannot be guessed from the memory.
func claim(portal, key string, normal []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(normal)
	return portal + " " + hex.EncodeToString(mac.Sum(nil))
}

func idempotencyKey(r *http.Request) (string, error) {
	v := r.Header.Values("Idempotency-Key")
	if len(v) != 1 || len(v[0]) < 16 || len(v[0]) > 128 || strings.ContainsFunc(v[0], func(c rune) bool { return c < '!' || c > '~' }) {
		return "", &refusal{
			Fault:  canon.NewFault(canon.CodeBadInput, nil, "one Idempotency-Key of 16 to 128 visible characters is required"),
			status: http.StatusBadRequest, location: "Idempotency-Key",
		}
	}
	return v[0], nil
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, &refusal{
			Fault:  canon.NewFault(canon.CodeBadInput, nil, "the body must be application/json"),
			status: http.StatusUnsupportedMediaType, location: "Content-Type",
		}
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooBig, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &refusal{
			Fault:  canon.NewFault(canon.CodeBadInput, nil, "the body is longer than %d bytes", tooBig.Limit),
			status: http.StatusRequestEntityTooLarge,
		}
	}
	if err != nil {
		return nil, malformed(err)
	}
	return data, nil
}

// check holds what a schema cannot say.
func check(b personBody, p Portal, now time.Time) []flaw {
	out := append(b.Subject.flaws("/subject", now), subjectBody(b.Representative).flaws("/representative", now)...)
	bad := func(at, detail, rule string) { out = append(out, flaw{Location: at, Detail: detail, Rule: rule}) }
	if why := returnFlaw(b.ReturnURL, p); why != "" {
		bad("/return_url", why, "")
	}
	if e := b.ExplicitRequest; e.Given {
		// B-017: the record of the wish says when and where it stands.
		if e.At.IsZero() {
			bad("/explicit_request/at", "is required when the request was given", "B-017")
		} else if e.At.After(now.Add(clockSkew)) {
			bad("/explicit_request/at", "lies in the future", "B-017")
		}
		if e.Reference == "" {
			bad("/explicit_request/reference", "is required when the request was given", "B-017")
		}
		if e.Exemption != "" {
			bad("/explicit_request/exemption", "must be absent when the request was given", "B-022")
		}
	}
	return out
}

// checkExplicit refuses what has neither the person's wish nor a provision that
// replaces it (Reg. 2018/1724 Art. 14(4); B-016, B-022).
func checkExplicit(e explicitBody) error {
	if e.Given || e.Exemption != "" {
		return nil
	}
	return &refusal{
		Fault:    canon.NewFault(canon.CodeNoExplicitRequest, nil, "no evidence is asked for without the person's explicit request"),
		location: "/explicit_request", rule: "B-016",
	}
}

// returnFlaw says what is wrong with an address that a person will be sent to.
func returnFlaw(s string, p Portal) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return "is not an https address without user and fragment"
	}
	if len(p.ReturnOrigins) > 0 && !slices.Contains(p.ReturnOrigins, "https://"+u.Host) {
		return "is not at an origin of this portal"
	}
	return ""
}

// unavailable is a memory or store that does not answer: the call may be repeated.
func unavailable(err error) error {
	f := canon.AsFault(err)
	if f.Kind == canon.Internal {
		f = &canon.Fault{Kind: canon.Unavailable, Code: canon.CodeLogUnavailable, Detail: "the gateway's memory does not answer", Err: err}
	}
	return f
}
