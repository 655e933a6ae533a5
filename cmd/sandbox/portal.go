package sandbox

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"oncegate/schemas/canon"
)

// A portal is the procedure portal of a competent authority, as small as one
// can be: it identifies the person, takes the explicit request, asks the gateway
// through the same API as everybody, and sends the person to the preview.
type portal struct {
	base    string // https URL of the portal itself
	api     string // URL of the gateway's API
	token   string // of the portal, at the API
	secret  []byte // of the webhook
	offers  []offer
	http    *http.Client
	oauth   *oauth2.Config
	verify  *oidc.IDTokenVerifier
	now     func() time.Time
	onEvent func(webhookEvent)

	mu       sync.Mutex
	sessions map[string]*visit
	events   []webhookEvent
}

// A visit is one person at the portal.
type visit struct {
	state, nonce, verifier string // until the eID answered
	offer                  offer
	subject                canon.Subject
	caseID                 string         // of the exchange, once asked
	wish                   map[string]any // what is asked, the same however often it is sent
	returns                string         // the unpredictable part of the return location
	form                   string         // against forged forms
	since                  time.Time
	studies                *studies // the procedure with several evidences; nil for the others
}

// A webhookEvent is one notice that the gateway delivered.
type webhookEvent struct {
	ID    string `json:"id"`
	State string `json:"state"`
	Case  string `json:"case"`
}

const (
	portalCookie = "__Host-portal"
	visitLife    = time.Hour
	maxVisits    = 10_000
)

// connect asks the eID for its configuration, so the eID must be running.
func (p *portal) connect(ctx context.Context, client *http.Client, issuer string, eid eIDClient) error {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, client), issuer)
	if err != nil {
		return fmt.Errorf("asking the eID for its configuration: %w", err)
	}
	p.http = client
	p.oauth = &oauth2.Config{ClientID: eid.ID, ClientSecret: eid.Secret, RedirectURL: eid.Redirect, Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID}}
	p.verify = provider.Verifier(&oidc.Config{ClientID: eid.ID, Now: p.now})
	p.sessions = map[string]*visit{}
	return nil
}

func (p *portal) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.home)
	mux.HandleFunc("POST /login", p.login)
	mux.HandleFunc("GET /callback", p.callback)
	mux.HandleFunc("GET /request", p.withVisit(p.ask))
	mux.HandleFunc("POST /request", p.withVisit(p.request))
	mux.HandleFunc("GET /case", p.withVisit(p.show))
	mux.HandleFunc("POST /case/preview", p.withVisit(p.preview))
	mux.HandleFunc("GET /case/evidence/{document}", p.withVisit(p.evidence))
	mux.HandleFunc("GET /return/{token}", p.withVisit(p.returned))
	mux.HandleFunc("POST /webhook", p.webhook)
	p.studiesPages(mux)
	return mux
}

var homePage = template.Must(template.New("home").Parse(pageHead + `
<h1>One-Stop Portal</h1>
<p>What do you want to do? If evidence for it lies in another Member State, we can fetch it from there, at your wish.</p>
<form method="post" action="/login"><ul class="choices cards">{{range .Offers}}
<li><button name="offer" value="{{.Register}}">{{.Purpose}}</button>
<span>Needs: {{.Title}}, held by {{.Provider.Name}}, {{.Provider.Country}}</span></li>{{end}}
<li><button name="offer" value="studies">Applying for a master’s degree</button>
<span>Needs several proofs, from one Member State or several: we look up who has them, and you choose</span></li></ul></form>` + pageFoot))

func (p *portal) home(w http.ResponseWriter, _ *http.Request) {
	render(w, http.StatusOK, homePage, map[string]any{"Title": "One-Stop Portal", "Offers": p.offers})
}

func (p *portal) login(w http.ResponseWriter, r *http.Request) {
	if !p.parse(w, r) {
		return
	}
	for _, o := range append(p.offers[:len(p.offers):len(p.offers)], offer{Register: studiesOffer}) {
		if o.Register != r.PostForm.Get("offer") {
			continue
		}
		v := &visit{state: rand.Text(), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), offer: o, form: rand.Text(), since: p.now()}
		if o.Register == studiesOffer {
			v.studies = newStudies()
		}
		id := rand.Text()
		p.mu.Lock()
		for k, old := range p.sessions {
			if p.now().Sub(old.since) > visitLife {
				delete(p.sessions, k)
			}
		}
		full := len(p.sessions) >= maxVisits
		if !full {
			p.sessions[id] = v
		}
		p.mu.Unlock()
		if full {
			p.fail(w, http.StatusServiceUnavailable, "Too many visitors.")
			return
		}
		http.SetCookie(w, &http.Cookie{Name: portalCookie, Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, p.oauth.AuthCodeURL(v.state, oidc.Nonce(v.nonce), oauth2.S256ChallengeOption(v.verifier)), http.StatusSeeOther)
		return
	}
	p.fail(w, http.StatusBadRequest, "No such offer.")
}

func (p *portal) callback(w http.ResponseWriter, r *http.Request) {
	v, ok := p.visit(r)
	if !ok || v.state == "" || subtle.ConstantTimeCompare([]byte(v.state), []byte(r.URL.Query().Get("state"))) != 1 {
		p.fail(w, http.StatusBadRequest, "This identification was not started here.")
		return
	}
	ctx := oidc.ClientContext(r.Context(), p.http)
	tok, err := p.oauth.Exchange(ctx, r.URL.Query().Get("code"), oauth2.VerifierOption(v.verifier))
	if err != nil {
		p.fail(w, http.StatusBadGateway, "The eID did not confirm.")
		return
	}
	raw, _ := tok.Extra("id_token").(string)
	id, err := p.verify.Verify(ctx, raw)
	if err != nil || subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(v.nonce)) != 1 {
		p.fail(w, http.StatusBadGateway, "The eID's statement does not hold.")
		return
	}
	var c struct {
		Person, Family, Given, Born, Legal, LegalName string
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		p.fail(w, http.StatusBadGateway, "The eID's statement cannot be read.")
		return
	}
	for k, to := range map[string]*string{"person_identifier": &c.Person, "family_name": &c.Family, "given_name": &c.Given, "birthdate": &c.Born, "legal_person_identifier": &c.Legal, "legal_name": &c.LegalName} {
		*to, _ = claims[k].(string)
	}
	var s canon.Subject
	if c.Legal != "" {
		s.Legal = &canon.LegalPerson{Assurance: "High", Identifier: c.Legal, Name: c.LegalName}
	} else {
		s.Natural = &canon.NaturalPerson{Assurance: "High", Identifier: c.Person, FamilyName: c.Family, GivenName: c.Given, BirthDate: c.Born}
	}
	p.mu.Lock()
	v.subject, v.state = s, ""
	next := "/request"
	if v.studies != nil {
		next = "/plan"
	}
	p.mu.Unlock()
	http.Redirect(w, r, next, http.StatusSeeOther)
}

var askPage = template.Must(template.New("ask").Parse(pageHead + `
<h1>{{.Offer.Purpose}}</h1>
<p>For this we need: <strong>{{.Offer.Title}}</strong>. We can fetch it from {{.Offer.Provider.Name}}, {{.Offer.Provider.Country}}, or you can hand it in yourself.</p>
<p>You will see it before we do, and only then you decide whether we get it.</p>
<form method="post" action="/request"><input type="hidden" name="form" value="{{.Form}}">
<p class="wish"><input type="checkbox" name="explicit" id="explicit" value="yes" required><label for="explicit">I ask you to fetch this evidence for me.</label></p>
<p><button id="ask">Fetch it</button></p></form>
<p><a href="/">I will hand it in myself</a></p>` + pageFoot))

func (p *portal) ask(w http.ResponseWriter, _ *http.Request, v *visit) {
	render(w, http.StatusOK, askPage, map[string]any{"Title": "Your request", "Offer": v.offer, "Form": v.form})
}

func (p *portal) request(w http.ResponseWriter, r *http.Request, v *visit) {
	if !p.parse(w, r) || !p.ours(w, r, v) {
		return
	}
	if r.PostForm.Get("explicit") != "yes" {
		p.fail(w, http.StatusBadRequest, "Without your explicit request nothing is fetched.")
		return
	}
	if v.caseID != "" {
		http.Redirect(w, r, "/case", http.StatusSeeOther)
		return
	}
	p.mu.Lock()
	if v.wish == nil {
		v.returns = rand.Text()
		v.wish = apiRequest(v.offer, v.subject, p.base+"/return/"+v.returns, p.now())
	}
	wish := v.wish
	p.mu.Unlock()
	var got struct {
		ID string `json:"id"`
	}
	// The key is the visit's own: pressing twice asks once.
	if err := p.call(r.Context(), http.MethodPost, "/api/v1/evidence-requests", v.form, wish, &got); err != nil {
		p.fail(w, http.StatusBadGateway, "The gateway did not take the request: "+err.Error())
		return
	}
	p.mu.Lock()
	v.caseID = got.ID
	p.mu.Unlock()
	http.Redirect(w, r, "/case", http.StatusSeeOther)
}

// apiRequest is the body of POST /api/v1/evidence-requests.
func apiRequest(o offer, s canon.Subject, returnURL string, at time.Time) map[string]any {
	var dist []map[string]any
	for _, d := range o.Type.Distributions {
		m := map[string]any{"format": d.Format}
		if d.ConformsTo != "" {
			m["conforms_to"] = d.ConformsTo
		}
		if len(d.Languages) > 0 {
			m["languages"] = d.Languages
		}
		dist = append(dist, m)
	}
	return map[string]any{
		"procedure": o.Procedure, "requirements": []any{o.Requirement}, "provider": o.Provider, "subject": subjectOf(s),
		"evidence_type":    map[string]any{"id": o.Type.ID, "classification": o.Type.Classification, "titles": o.Type.Titles, "distributions": dist},
		"explicit_request": explicit(at),
		"return_url":       returnURL,
	}
}

func subjectOf(s canon.Subject) map[string]any {
	out := map[string]any{}
	if n := s.Natural; n != nil {
		out["natural"] = map[string]any{"assurance": n.Assurance, "identifier": n.Identifier, "family_name": n.FamilyName, "given_name": n.GivenName, "birth_date": n.BirthDate}
	}
	if l := s.Legal; l != nil {
		out["legal"] = map[string]any{"assurance": l.Assurance, "identifier": l.Identifier, "name": l.Name}
	}
	return out
}

// explicit is the person's wish. The reference names our own record of it, never
// the person.
func explicit(at time.Time) map[string]any {
	return map[string]any{"given": true, "at": at.UTC().Format(time.RFC3339), "reference": "wish-" + rand.Text()}
}

// caseState is what the API says of an exchange.
type caseState struct {
	ID               string `json:"id"`
	State            string `json:"state"`
	Final            bool   `json:"final"`
	PreviewAvailable bool   `json:"preview_available"`
	PreviewMethod    string `json:"preview_method"`
	Code             string `json:"code"`
	ErrorCode        string `json:"error_code"`
	Detail           string `json:"detail"`
	NextStep         string `json:"next_step"`
	AvailableAt      string `json:"available_at"`
	Documents        []struct {
		ID        string       `json:"id"`
		Role      string       `json:"role"`
		Titles    []canon.Text `json:"titles"`
		MediaType string       `json:"media_type"`
		Size      int64        `json:"size"`
		Digest    string       `json:"digest"`
		Href      string       `json:"href"`
	} `json:"documents"`
}

// caseWords say what a state means to the person. Other states: still waiting.
var caseWords = map[string]string{
	"delivered": "We have received your evidence.",
	"deferred":  "The other Member State must prepare this evidence first.",
	"withdrawn": "You took your request back. Nothing was sent.",
	"declined":  "You decided not to send the evidence, so we did not get it. You can hand it in yourself.",
	"refused":   "The other Member State cannot provide this evidence. You can hand it in yourself.",
	"expired":   "The time for this request has passed. You can begin again.",
	"failed":    "The evidence could not be exchanged. You can begin again, or hand it in yourself.",
}

var casePage = template.Must(template.New("case").Parse(pageHead + `
<h1>{{.Offer.Purpose}}</h1>
{{if .Case.PreviewAvailable}}<p>Your evidence is ready to be looked at in the other Member State. Nothing has reached us yet.</p>
<form method="post" action="/case/preview"><input type="hidden" name="form" value="{{.Form}}"><p><button id="preview">See it and decide</button></p></form>
{{else if .Case.Final}}<p id="final"><strong>{{with .Words}}{{.}}{{else}}This request has ended.{{end}}</strong></p>
{{else}}<p>We are waiting for the other Member State.{{if .Refresh}} This page looks again by itself. <a href="/case?stay">Stop looking by itself</a>{{else}} <a href="/case">Look again</a>{{end}}</p>{{end}}
{{range .Case.Documents}}<p><a id="evidence" class="button" href="/case/evidence/{{.ID}}">Download what we received</a></p>
<p class="quiet">{{.MediaType}}, {{.Size}} bytes, <code>{{.Digest}}</code></p>{{end}}
<dl><dt>Evidence</dt><dd>{{.Offer.Title}}</dd><dt>From</dt><dd>{{.Offer.Provider.Name}}, {{.Offer.Provider.Country}}</dd>
<dt>State</dt><dd id="state">{{.Case.State}}</dd>
{{with .Case.Code}}<dt>Reason</dt><dd id="code">{{.}}</dd>{{end}}{{with .Case.ErrorCode}}<dt>Answer</dt><dd id="error">{{.}}</dd>{{end}}
<dt>Exchange</dt><dd id="exchange">{{.Case.ID}}</dd></dl>
{{if .Case.Final}}<p><a href="/">Back to the start</a></p>{{end}}` + pageFoot))

func (p *portal) show(w http.ResponseWriter, r *http.Request, v *visit) {
	if v.caseID == "" {
		http.Redirect(w, r, "/request", http.StatusSeeOther)
		return
	}
	var st caseState
	if err := p.call(r.Context(), http.MethodGet, "/api/v1/evidence-requests/"+v.caseID, "", nil, &st); err != nil {
		p.fail(w, http.StatusBadGateway, "The gateway does not answer: "+err.Error())
		return
	}
	data := map[string]any{"Title": "Your case", "Offer": v.offer, "Case": st, "Form": v.form, "Words": caseWords[st.State]}
	if !st.Final && !st.PreviewAvailable && !r.URL.Query().Has("stay") {
		data["Refresh"] = "1"
	}
	render(w, http.StatusOK, casePage, data)
}

func (p *portal) preview(w http.ResponseWriter, r *http.Request, v *visit) {
	if !p.parse(w, r) || !p.ours(w, r, v) {
		return
	}
	p.openPreview(w, r, v.caseID, v.form+"-preview")
}

var onwardPage = template.Must(template.New("onward").Parse(pageHead + `
<h1>On to the other Member State</h1>
<p>Your evidence is shown to you at <strong>{{.Host}}</strong>. From there you come back here.</p>
<form method="post" action="{{.To}}">{{range $name, $value := .Fields}}<input type="hidden" name="{{$name}}" value="{{$value}}">{{end}}
<p><button id="onward">Go there</button></p></form>` + pageFoot))

// openPreview sends the person to the preview of an exchange: with the link, or with
// a form where the provider wants POST (up to EDM 1.2). No page can send PUT: then
// nothing is opened, for no person would come.
func (p *portal) openPreview(w http.ResponseWriter, r *http.Request, id, key string) {
	var got struct {
		URL    string            `json:"preview_url"`
		Method string            `json:"preview_method"`
		Form   map[string]string `json:"preview_form"`
	}
	var st caseState
	if err := p.call(r.Context(), http.MethodGet, "/api/v1/evidence-requests/"+id, "", nil, &st); err != nil {
		p.fail(w, http.StatusBadGateway, "The gateway does not answer: "+err.Error())
		return
	}
	const noPage = "The other Member State wants its preview opened with PUT, which no web page can send (preview-method-put). Nothing has reached us. You can hand the evidence in yourself."
	if st.PreviewMethod == http.MethodPut {
		p.fail(w, http.StatusNotImplemented, noPage)
		return
	}
	if err := p.call(r.Context(), http.MethodPost, "/api/v1/evidence-requests/"+id+"/preview", key, map[string]any{}, &got); err != nil {
		p.fail(w, http.StatusBadGateway, "The preview cannot be opened: "+err.Error())
		return
	}
	to, err := url.Parse(got.URL)
	if err != nil || to.Scheme != "https" {
		p.fail(w, http.StatusBadGateway, "The preview location is not https.")
		return
	}
	switch got.Method {
	case http.MethodPut: // offered between the two calls
		p.fail(w, http.StatusNotImplemented, noPage)
		return
	case http.MethodPost:
		render(w, http.StatusOK, onwardPage, map[string]any{"Title": "On to the other Member State", "Host": to.Host, "To": got.URL, "Fields": got.Form})
		return
	}
	http.Redirect(w, r, got.URL, http.StatusSeeOther)
}

func (p *portal) evidence(w http.ResponseWriter, r *http.Request, v *visit) {
	p.document(w, r, v.caseID)
}

func (p *portal) document(w http.ResponseWriter, r *http.Request, caseID string) {
	if !canon.ValidUUID(r.PathValue("document")) {
		p.fail(w, http.StatusNotFound, "No such document.")
		return
	}
	resp, err := p.do(r.Context(), http.MethodGet, "/api/v1/evidence-requests/"+caseID+"/evidence/"+r.PathValue("document"), "", nil)
	if err != nil {
		p.fail(w, http.StatusBadGateway, "The evidence cannot be fetched: "+err.Error())
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.Header().Set("Content-Disposition", "attachment")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.Copy(w, resp.Body) // the visitor may be gone
}

// returned is where the preview sends the person back to.
func (p *portal) returned(w http.ResponseWriter, r *http.Request, v *visit) {
	if v.returns == "" || subtle.ConstantTimeCompare([]byte(v.returns), []byte(r.PathValue("token"))) != 1 {
		p.fail(w, http.StatusNotFound, "This way back is not yours.")
		return
	}
	if v.studies != nil {
		http.Redirect(w, r, "/session", http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, "/case", http.StatusSeeOther)
}

// webhook takes the gateway's notices (Standard Webhooks).
func (p *portal) webhook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	id, at := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	mac := hmac.New(sha256.New, p.secret)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	genuine := false
	for _, s := range strings.Fields(r.Header.Get("webhook-signature")) {
		genuine = genuine || hmac.Equal([]byte(s), []byte(want))
	}
	if !genuine {
		http.Error(w, "signature does not hold", http.StatusUnauthorized)
		return
	}
	var n struct {
		Data struct{ ID, State string } `json:"data"`
	}
	if err := json.Unmarshal(body, &n); err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	ev := webhookEvent{ID: id, State: n.Data.State, Case: n.Data.ID}
	p.mu.Lock()
	p.events = append(p.events, ev)
	p.mu.Unlock()
	if p.onEvent != nil {
		p.onEvent(ev)
	}
	w.WriteHeader(http.StatusNoContent)
}

// received returns the notices that came so far.
func (p *portal) received() []webhookEvent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]webhookEvent(nil), p.events...)
}

func (p *portal) visit(r *http.Request) (*visit, bool) {
	c, err := r.Cookie(portalCookie)
	if err != nil {
		return nil, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	v, ok := p.sessions[c.Value]
	if !ok || p.now().Sub(v.since) > visitLife {
		return nil, false
	}
	return v, true
}

func (p *portal) withVisit(next func(http.ResponseWriter, *http.Request, *visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, ok := p.visit(r)
		if !ok || v.subject == (canon.Subject{}) {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		next(w, r, v)
	}
}

func (p *portal) parse(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil {
		p.fail(w, http.StatusBadRequest, "The form cannot be read.")
		return false
	}
	return true
}

func (p *portal) ours(w http.ResponseWriter, r *http.Request, v *visit) bool {
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("form")), []byte(v.form)) != 1 {
		p.fail(w, http.StatusForbidden, "This form is not from this visit.")
		return false
	}
	return true
}

var failPage = template.Must(template.New("fail").Parse(pageHead + `<h1>That did not work</h1><p>{{.What}}</p><p><a href="/">Back to the start</a></p>` + pageFoot))

func (p *portal) fail(w http.ResponseWriter, status int, what string) {
	render(w, status, failPage, map[string]any{"Title": what, "What": what})
}
