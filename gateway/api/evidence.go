package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// state is components/schemas/State.
type state struct {
	ID               canon.ConversationID `json:"id"`
	State            string               `json:"state"`
	Final            bool                 `json:"final"`
	PreviewAvailable bool                 `json:"preview_available"`
	PreviewMethod    string               `json:"preview_method,omitempty"`
	Session          canon.SessionID      `json:"session,omitempty"`
	Procedure        string               `json:"procedure,omitempty"`
	Requirements     []string             `json:"requirements,omitempty"`
	EvidenceType     string               `json:"evidence_type,omitempty"`
	Provider         canon.Participant    `json:"provider,omitzero"`
	Representative   bool                 `json:"representative"`
	Choices          []canon.Choice       `json:"choices,omitempty"`
	Code             canon.Code           `json:"code,omitempty"`
	ErrorCode        string               `json:"error_code,omitempty"`
	Detail           string               `json:"detail,omitempty"`
	Reason           *Reason              `json:"reason,omitempty"`
	Finding          exchange.Finding     `json:"finding,omitempty"`
	NextStep         string               `json:"next_step,omitempty"`
	AvailableAt      time.Time            `json:"available_at,omitzero"`
	Documents        []document           `json:"documents,omitempty"`
	Authentic        *proof               `json:"authentic,omitempty"`
	OpenedAt         time.Time            `json:"opened_at,omitzero"`
	UpdatedAt        time.Time            `json:"updated_at,omitzero"`
	Due              time.Time            `json:"due,omitzero"`
	Links            links                `json:"links"`
}

type document struct {
	ID         string       `json:"id"`
	Role       string       `json:"role"`
	For        string       `json:"for,omitempty"`
	Titles     []canon.Text `json:"titles,omitempty"`
	Languages  []string     `json:"languages,omitempty"`
	ConformsTo string       `json:"conforms_to,omitempty"`
	Issuer     *agentView   `json:"issuer,omitempty"`
	IssuedOn   string       `json:"issued_on,omitempty"`
	ValidFrom  string       `json:"valid_from,omitempty"`
	ValidUntil string       `json:"valid_until,omitempty"`
	MediaType  string       `json:"media_type"`
	Size       int64        `json:"size"`
	Digest     string       `json:"digest"`
	Href       string       `json:"href"`
}

func (a *API) links(id canon.ConversationID) links {
	self := a.link("api/v1/evidence-requests", string(id))
	return links{Self: self, Timeline: self + "/timeline"}
}

func (a *API) state(id canon.ConversationID, c *exchange.Conversation) state {
	s := state{ID: id, State: stateAccepted, Links: a.links(id)}
	if c == nil {
		return s
	}
	s.State = string(c.Phase)
	s.Final = c.Phase.Final()
	s.PreviewAvailable = c.Phase == exchange.PreviewOffered
	s.Procedure, s.EvidenceType, s.Provider = c.Procedure, c.EvidenceType.ID, c.Provider.ID
	s.Code, s.ErrorCode, s.Detail, s.NextStep = c.Code, c.ErrorCode, c.Detail, c.Code.NextStep()
	s.Session, s.Requirements, s.Choices, s.Representative = c.Session, needs(c.Requirements), c.Choices, c.Representation != ""
	s.Reason, s.Finding, s.AvailableAt = ReasonOf(c.Detail), c.Finding, c.AvailableAt.UTC()
	s.OpenedAt, s.UpdatedAt, s.Due = c.OpenedAt.UTC(), c.UpdatedAt.UTC(), c.Due.UTC()
	if s.PreviewAvailable {
		s.Links.Preview = s.Links.Self + "/preview"
		if private, ok := c.Private.Get(); ok { // a portal that cannot send PUT does not even open it
			s.PreviewMethod = private.PreviewMethod
		}
	}
	if s.Final {
		s.Links.Close = s.Links.Self
	} else {
		s.Links.Withdraw = s.Links.Self
	}
	s.Authentic = proofOf(c)
	if c.Phase == exchange.Delivered { // B-032: before the decision there is nothing to see
		for _, d := range c.Documents {
			s.Documents = append(s.Documents, document{
				ID: d.ID, Role: d.Role, For: d.For, Titles: d.Titles, Languages: d.Languages, ConformsTo: d.ConformsTo,
				Issuer: issuerOf(d), IssuedOn: d.IssuedOn, ValidFrom: d.ValidFrom, ValidUntil: d.ValidUntil, MediaType: d.Payload.MediaType, Size: d.Payload.Size, Digest: d.Payload.Digest,
				Href: s.Links.Self + "/evidence/" + d.ID,
			})
		}
	}
	return s
}

func needs(rs []canon.Requirement) []string {
	var out []string
	for _, r := range rs {
		out = append(out, r.ID)
	}
	return out
}

// conversation returns the conversation of a portal, nil when it was accepted
// and the core has not met it yet. Nobody else's is shown.
func (a *API) conversation(ctx context.Context, raw string, who credential) (canon.ConversationID, *exchange.Conversation, error) {
	unknown := canon.NewFault(canon.CodeUnknownExchange, nil, "no such exchange")
	if !canon.ValidUUID(raw) {
		return "", nil, unknown
	}
	id := canon.ConversationID(raw)
	c, err := a.cfg.Conversations.Get(ctx, id)
	switch {
	case errors.Is(err, exchange.ErrUnknown):
		held, err := a.cfg.Memory.Claimed(ctx, raw)
		if err != nil {
			return "", nil, unavailable(err)
		}
		owner, _, _ := strings.Cut(held, " ")
		switch owner {
		case "":
			return "", nil, unknown
		case who.name:
			return id, nil, nil
		}
	case err != nil:
		return "", nil, unavailable(err)
	case c.Role != exchange.Requester:
		return "", nil, unknown
	case c.Portal == who.name:
		return id, c, nil
	}
	a.cfg.Log.Warn("a portal asked for an exchange of another", "conversation", id, "portal", who.name) // B-040
	return "", nil, canon.NewFault(canon.CodeForbidden, nil, "the exchange belongs to another portal")
}

const maxWait = 30 * time.Second

// getRequest answers with the state, on request only when it has changed.
func (a *API) getRequest(w http.ResponseWriter, r *http.Request, who credential) error {
	wait, err := waitOf(r)
	if err != nil {
		return err
	}
	id, c, err := a.conversation(r.Context(), r.PathValue("id"), who)
	if err != nil {
		return err
	}
	data, tag, err := a.tagged(id, c)
	if err != nil {
		return err
	}
	known := r.Header.Get("If-None-Match")
	before := known
	if before == "" {
		before = tag
	}
	if wait > 0 && sameTag(before, tag) && (c == nil || !c.Phase.Final()) {
		// The server's write deadline is for short answers.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(wait + 10*time.Second))
		if data, tag, err = a.await(r.Context(), id, who, before, wait, data, tag); err != nil {
			return err
		}
	}
	w.Header().Set("ETag", tag)
	if known != "" && sameTag(known, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data)
	return nil
}

// await looks until the state differs, the wait is over, or the caller is gone.
func (a *API) await(ctx context.Context, id canon.ConversationID, who credential, before string, wait time.Duration, data []byte, tag string) ([]byte, string, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(a.cfg.Poll)
	defer tick.Stop()
	for sameTag(before, tag) {
		select {
		case <-ctx.Done():
			return data, tag, nil
		case <-tick.C:
		}
		_, c, err := a.conversation(ctx, string(id), who)
		if ctx.Err() != nil {
			return data, tag, nil
		}
		if err != nil {
			return nil, "", err
		}
		if data, tag, err = a.tagged(id, c); err != nil {
			return nil, "", err
		}
	}
	return data, tag, nil
}

func (a *API) tagged(id canon.ConversationID, c *exchange.Conversation) (data []byte, tag string, err error) {
	data, err = json.Marshal(a.state(id, c))
	if err != nil {
		return nil, "", fmt.Errorf("writing a state: %w", err)
	}
	sum := sha256.Sum256(data)
	return data, `"` + hex.EncodeToString(sum[:12]) + `"`, nil
}

func sameTag(header, tag string) bool {
	for _, t := range strings.Split(header, ",") {
		if t = strings.TrimPrefix(strings.TrimSpace(t), "W/"); t == tag || t == "*" {
			return true
		}
	}
	return false
}

func waitOf(r *http.Request) (time.Duration, error) {
	s := r.URL.Query().Get("wait")
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, &refusal{
			Fault:  canon.NewFault(canon.CodeBadInput, nil, "wait is a duration such as 20s"),
			status: http.StatusBadRequest, location: "wait",
		}
	}
	return min(d, maxWait), nil
}

// openPreview sends the second request and says where the person goes.
func (a *API) openPreview(w http.ResponseWriter, r *http.Request, who credential) error {
	var body previewBody
	if r.ContentLength != 0 {
		data, err := readBody(w, r)
		if err != nil {
			return err
		}
		if _, err := decode(a.bodies.preview, data, &body); err != nil {
			return err
		}
	}
	if body.ReturnURL != "" {
		if why := returnFlaw(body.ReturnURL, who.portal); why != "" {
			return refuseFlaws([]flaw{{Location: "/return_url", Detail: why}})
		}
	}
	id, c, err := a.conversation(r.Context(), r.PathValue("id"), who)
	if err != nil {
		return err
	}
	if c == nil || c.Phase != exchange.PreviewOffered && c.Phase != exchange.Continued {
		return canon.NewFault(canon.CodeNotReady, nil, "there is no preview to open in this state")
	}
	private, ok := c.Private.Get()
	if !ok {
		return canon.NewFault(canon.CodePayloadForgotten, nil, "the private part of the exchange was forgotten")
	}
	if !httpsURL(private.PreviewLocation) { // R-EDM-ERR-C019: never javascript:, never http
		return canon.NewFault(canon.CodeResponseInvalid, nil, "the provider's preview location is not an https address")
	}
	back := body.ReturnURL
	if back == "" {
		back = private.ReturnLocation
	}
	if c.Phase == exchange.PreviewOffered {
		if err := a.cfg.Publish(r.Context(), a.message(r, id, "after-preview", a.cfg.Now().UTC(), a.second(c, private, back))); err != nil {
			return fmt.Errorf("publishing the second request: %w", err)
		}
	}
	return a.reply(w, http.StatusOK, wayTo(c.Specification, private, back))
}

// second repeats the first request with both locations (TDD 4.4: a new id, all
// else as before).
func (a *API) second(c *exchange.Conversation, private *exchange.Private, back string) *canon.EvidenceRequest {
	return &canon.EvidenceRequest{
		Envelope: canon.Envelope{
			Leg: canon.LegPortal, From: c.Own, To: c.Peer, Exchange: c.Exchange, Session: c.Session,
			Specification: c.Specification, IssuedAt: a.cfg.Now().UTC(), Requester: c.Requester, Provider: c.Provider,
		},
		Step:            canon.StepPreview,
		Request:         requestID(c.ID, canon.StepPreview),
		Procedure:       c.Procedure,
		Requirements:    c.Requirements,
		EvidenceType:    c.EvidenceType,
		PreviewPossible: c.PreviewPossible,
		ExplicitRequest: c.ExplicitRequest,
		Portal:          c.Portal,
		Private: canon.Clear(canon.RequestPrivate{
			Subject: private.Subject, PreviewLocation: private.PreviewLocation, ReturnLocation: back,
		}),
	}
}

// opening is components/schemas/Preview.
type opening struct {
	URL    string      `json:"preview_url"`
	Method string      `json:"preview_method,omitempty"` // POST, PUT; empty means GET
	Form   *returnForm `json:"preview_form,omitempty"`   // with a method
}

// returnForm is what the browser sends as a form, where it does not send it in the link.
type returnForm struct {
	URL    string `json:"returnurl"`
	Method string `json:"returnmethod"`
}

// wayTo says how the browser opens a preview. Up to EDM 1.2 it brings the return
// address: in the link, or in the form where the provider wants another method than
// GET (TDD 4.9). From 2.0 on that travels in the request alone.
func wayTo(spec string, private *exchange.Private, back string) opening {
	location := private.PreviewLocation
	switch {
	case !strings.HasPrefix(spec, "oots-edm:v1."):
		return opening{URL: location}
	case private.PreviewMethod != "":
		return opening{URL: location, Method: private.PreviewMethod, Form: &returnForm{URL: back, Method: http.MethodGet}}
	}
	sep := "?"
	if strings.Contains(location, "?") {
		sep = "&"
	}
	return opening{URL: location + sep + "returnurl=" + url.QueryEscape(back) + "&returnmethod=GET"}
}

func httpsURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.Fragment == "" && len(s) <= 2048
}

// getEvidence hands out one document, after delivery and not before (B-032).
func (a *API) getEvidence(w http.ResponseWriter, r *http.Request, who credential) error {
	id, c, err := a.conversation(r.Context(), r.PathValue("id"), who)
	if err != nil {
		return err
	}
	if c == nil || c.Phase != exchange.Delivered {
		return canon.NewFault(canon.CodeNotReady, nil, "no evidence was delivered")
	}
	i := slices.IndexFunc(c.Documents, func(d canon.Document) bool { return d.ID == r.PathValue("document") })
	if i < 0 {
		return canon.NewFault(canon.CodeUnknownExchange, nil, "the exchange has no such document")
	}
	doc := c.Documents[i]
	digest, err := hex.DecodeString(strings.TrimPrefix(doc.Payload.Digest, "sha256:"))
	if err != nil || len(digest) != sha256.Size {
		return canon.NewFault(canon.CodePayloadDamaged, err, "the reference of the document has no digest")
	}
	content, err := a.cfg.Payloads.Open(r.Context(), id, doc.Payload)
	if errors.Is(err, canon.ErrForgotten) {
		return canon.NewFault(canon.CodePayloadForgotten, err, "the evidence was erased")
	}
	if err != nil {
		return fmt.Errorf("opening evidence: %w", err)
	}
	defer content.Close()
	// Who fetched what and when is part of the legal record; no byte before it.
	if err := a.audit(r, id, "evidence.fetched", who, c, map[string]string{doc.ID: doc.Payload.Digest}); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", safeMediaType(doc.Payload.MediaType))
	h.Set("Content-Length", strconv.FormatInt(doc.Payload.Size, 10))
	h.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(digest)+":") // RFC 9530
	h.Set("Content-Disposition", `attachment; filename="`+fileName(doc)+`"`)
	h.Set("Link", "<"+a.links(id).Self+`>; rel="describedby"`) // who issued it, and why it is deemed authentic
	if _, err := io.Copy(w, content); err != nil {
		// The length was promised: the connection ends early and the caller sees it.
		a.cfg.Log.Warn("sending evidence", "conversation", id, "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// fileName holds nothing that came from a person or a partner.
func fileName(d canon.Document) string {
	name := "evidence"
	if canon.ValidUUID(strings.ToLower(d.ID)) {
		name += "-" + d.ID
	}
	switch t, _, _ := mime.ParseMediaType(d.Payload.MediaType); t {
	case "application/xml", "text/xml":
		return name + ".xml"
	case "application/pdf":
		return name + ".pdf"
	case "application/json":
		return name + ".json"
	case "image/jpeg":
		return name + ".jpg"
	case "image/png":
		return name + ".png"
	}
	return name + ".bin"
}

func safeMediaType(s string) string {
	t, params, err := mime.ParseMediaType(s)
	if err != nil {
		return "application/octet-stream"
	}
	return mime.FormatMediaType(t, params)
}

// getTimeline shows a portal the hops of its own exchange.
func (a *API) getTimeline(w http.ResponseWriter, r *http.Request, who credential) error {
	id, _, err := a.conversation(r.Context(), r.PathValue("id"), who)
	if err != nil {
		return err
	}
	return a.timeline(w, r, id)
}

// closeRequest says that the portal has what it needs (B-034: no longer than
// necessary). Before the end it takes the request back, as the person wishes: the
// core ends the exchange and nothing is released any more (B-026).
func (a *API) closeRequest(w http.ResponseWriter, r *http.Request, who credential) error {
	id, c, err := a.conversation(r.Context(), r.PathValue("id"), who)
	if err != nil {
		return err
	}
	if c == nil {
		return canon.NewFault(canon.CodeNotReady, nil, "the exchange has not begun")
	}
	if !c.Phase.Final() {
		m := a.message(r, id, "withdrawal", a.cfg.Now().UTC(), &canon.Withdrawal{Portal: who.name, Exchange: c.Exchange})
		if err := a.cfg.Publish(r.Context(), m); err != nil {
			return fmt.Errorf("publishing a withdrawal: %w", err)
		}
		w.Header().Set("Retry-After", "1")
		return a.reply(w, http.StatusAccepted, accepted{ID: id, State: stateWithdrawing, Links: a.links(id)})
	}
	if err := a.cfg.Forget(r.Context(), id); err != nil {
		return fmt.Errorf("forgetting an exchange: %w", err)
	}
	if err := a.audit(r, id, "exchange.closed", who, c, nil); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

const stateWithdrawing = "withdrawing"

// audit records what a portal did with an exchange. Each act is an entry of its
// own, so its time is part of the id.
func (a *API) audit(r *http.Request, id canon.ConversationID, step string, who credential, c *exchange.Conversation, digests map[string]string) error {
	now := a.cfg.Now().UTC()
	event := &canon.AuditEvent{
		Step: step, Room: "api", Outcome: "ok", Exchange: c.Exchange, Procedure: c.Procedure,
		Digests: digests, Reason: "portal " + who.name,
	}
	m := a.message(r, id, step+"@"+now.Format(time.RFC3339Nano), now, event)
	if err := a.cfg.Publish(r.Context(), m); err != nil {
		return fmt.Errorf("recording %s: %w", step, err)
	}
	return nil
}
