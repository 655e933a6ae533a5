package web

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/gateway/payload"
	"oncegate/gateway/payload/payloadtest"
	"oncegate/gateway/preview"
	"oncegate/gateway/routing"
	"oncegate/schemas"
	"oncegate/schemas/canon"
)

const (
	scheme = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:"
	birth  = "https://sr.example.eu/evidencetypeclassifications/birth"
	back1  = "https://portal.example.at/back/5aa8f1a4?x=1&y=2"
)

var start = time.Date(2026, 9, 14, 9, 0, 0, 0, time.UTC)

// A world is the preview space of Latvia with the real core behind it, an eID in
// front of it, and the test as the log, the register and the other access point.
type world struct {
	t        *testing.T
	preview  *Preview
	server   *httptest.Server
	core     *exchange.Core
	store    *exchangetest.Memory
	sessions *sessions
	vault    *payload.Vault
	keyring  *payload.Keyring
	sealer   exchangetest.Sealer
	tickets  *preview.Tickets
	eid      *eidServer

	mu     sync.Mutex
	now    time.Time
	log    []canon.Message
	down   bool
	late   bool   // the register has not answered
	record string // what the register knows
	docs   func(*world, canon.ConversationID) []canon.Document
	found  canon.RecordOutcome
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const birthRecord = `{"child":{"familyName":"Fiktiva","givenName":"Ilze","birthDate":"1999-04-01","birthPlace":"Rīga"},"parents":[{"familyName":"Fiktivs"},{"familyName":"Fiktiva"}],"registration_number":"LV-4711","confirmed":true,"remark":null}`

const birthXML = `<?xml version="1.0"?><birth><child>Ilze</child></birth>`

func newWorld(t *testing.T, change ...func(*PreviewConfig)) *world {
	t.Helper()
	w := &world{t: t, store: &exchangetest.Memory{}, sessions: &sessions{}, now: start, record: birthRecord, found: canon.RecordFound}
	ring, err := payload.NewRing(payload.KEK{ID: "k", NotBefore: start.Add(-time.Hour), Term: start.Add(1000 * time.Hour), Key: payload.Secret{1}})
	fatal(t, err)
	w.keyring, err = payload.NewKeyring(payload.KeyringConfig{Keys: &payloadtest.MemoryKeys{}, Ring: ring, Now: w.clock})
	fatal(t, err)
	w.vault, err = payload.NewVault(payload.VaultConfig{Keyring: w.keyring, Blobs: &payloadtest.MemoryBlobs{}, Store: "memory", TempDir: t.TempDir()})
	fatal(t, err)
	routes, err := routing.NewTable(routing.Config{
		Country: "LV", AccessPoint: scheme + "LV::ap-lv", Partners: []routing.Partner{{Country: "AT", AccessPoint: scheme + "AT::ap-at"}},
		Provide: []routing.Provide{{Name: "birth", Procedures: []string{"T2"}, EvidenceType: birth, Provider: scheme + "LV::births", Register: "lv-births"}},
	})
	fatal(t, err)
	w.eid = newEIDServer(t, w.clock)
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.preview.ServeHTTP(rw, r) }))
	base := "https://" + w.server.Listener.Addr().String() + "/preview"
	w.tickets, err = preview.NewTickets(base, make([]byte, 32))
	fatal(t, err)
	w.core, err = exchange.New(exchange.Config{
		Store: w.store, Routes: routes, Tickets: w.tickets, History: w.history, Now: w.clock,
		OnFinal: func(ctx context.Context, c *exchange.Conversation) error {
			w.sealer.Forget(c.ID)
			return w.keyring.Forget(ctx, c.ID)
		},
	})
	fatal(t, err)
	cfg := PreviewConfig{
		Site: "Register of Latvia", BaseURL: base, Tickets: w.tickets, Sessions: w.sessions, Conversations: w.store, Payloads: w.vault,
		Publish: w.publish, PrivacyURL: "https://www.example.lv/privacy", SupportURL: "mailto:help@example.lv", Now: w.clock,
		EID: EID{Name: "eParaksts", Issuer: w.eid.server.URL, ClientID: "preview", ClientSecret: "s3cret"},
	}
	for _, f := range change {
		f(&cfg)
	}
	w.preview, err = NewPreview(cfg)
	fatal(t, err)
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) publish(ctx context.Context, ms ...canon.Message) error {
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	if down {
		return canon.NewFault(canon.CodeLogUnavailable, errors.New("no broker"), "the log does not answer")
	}
	for _, m := range ms {
		data, err := canon.MarshalBody(m.Body, func(plain []byte) (canon.Box, error) {
			if err := schemas.ValidatePrivate(m.Kind, plain); err != nil {
				return canon.Box{}, err
			}
			return w.sealer.Seal(ctx, m.Conversation, []byte(m.Kind), plain)
		})
		if err == nil {
			err = schemas.Validate(m.Kind, data)
		}
		if err != nil {
			w.t.Errorf("publishing %s: %v", m.Kind, err)
			return err
		}
		w.mu.Lock()
		w.log = append(w.log, m)
		late := w.late
		w.mu.Unlock()
		if q, ok := m.Body.(*canon.RegisterQuery); ok && !late {
			if err := w.answer(ctx, m, q); err != nil {
				return err
			}
		}
		out, err := w.core.Handle(ctx, m)
		if err != nil {
			return err
		}
		if err := w.publish(ctx, out...); err != nil {
			return err
		}
	}
	return nil
}

// answer is the register.
func (w *world) answer(ctx context.Context, m canon.Message, q *canon.RegisterQuery) error {
	rec := &canon.RegisterRecord{Register: q.Register, Mapping: "1", Query: m.ID, Outcome: w.found}
	if w.found == canon.RecordFound {
		ref, err := w.vault.Put(ctx, m.Conversation, "application/json", strings.NewReader(w.record))
		if err != nil {
			return err
		}
		rec.Record = ref
		docs := w.docs
		if docs == nil {
			docs = oneDocument
		}
		rec.Documents = docs(w, m.Conversation)
	} else if w.found == canon.RecordDeferred {
		rec.AvailableAt = start.Add(240 * time.Hour)
	} else {
		rec.Code = canon.CodeEvidenceNotFound
	}
	return w.publish(ctx, canon.Follow(m, "record", w.clock(), rec))
}

func (w *world) put(id canon.ConversationID, mediaType, content string) canon.PayloadRef {
	ref, err := w.vault.Put(context.Background(), id, mediaType, strings.NewReader(content))
	if err != nil {
		w.t.Error(err)
	}
	return ref
}

func oneDocument(w *world, id canon.ConversationID) []canon.Document {
	return []canon.Document{{
		ID: canon.DeriveUUID("d1"), Role: canon.RoleMain, Classification: birth, IssuedOn: "2026-09-14", Languages: []string{"LV"},
		Titles: []canon.Text{{Lang: "EN", Text: "Birth certificate"}, {Lang: "DE", Text: "Geburtsurkunde"}},
		Issuer: agent("LV", "births"), Payload: w.put(id, "application/xml", birthXML),
	}}
}

func twoDocuments(w *world, id canon.ConversationID) []canon.Document {
	d := oneDocument(w, id)
	return append(d, canon.Document{
		ID: canon.DeriveUUID("d2"), Role: "HumanReadableVersion", For: d[0].ID, Titles: []canon.Text{{Lang: "EN", Text: "For reading"}},
		Payload: w.put(id, "application/pdf", "%PDF-1.7 not really"),
	})
}

func (w *world) history(_ context.Context, _ time.Time, id canon.ConversationID) iter.Seq2[canon.Message, error] {
	return func(yield func(canon.Message, error) bool) {
		for _, m := range w.messages("") {
			if (id == "" || m.Conversation == id) && !yield(m, nil) {
				return
			}
		}
	}
}

func (w *world) messages(kind canon.Kind) []canon.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []canon.Message
	for _, m := range w.log {
		if kind == "" || m.Kind == kind {
			out = append(out, m)
		}
	}
	return out
}

func (w *world) steps() string {
	var out []string
	for _, m := range w.messages(canon.KindAudit) {
		if e := m.Body.(*canon.AuditEvent); e.Room == "web" {
			out = append(out, strings.TrimSpace(e.Step+" "+e.Reason))
		}
	}
	return strings.Join(out, ", ")
}

func agent(country, id string) canon.Agent {
	return canon.Agent{ID: canon.Participant{Scheme: scheme + country, ID: id}, Names: []canon.Text{{Lang: "EN", Text: "Authority <" + id + ">"}}, Country: country}
}

var ilze = canon.Subject{Natural: &canon.NaturalPerson{Assurance: "High", Identifier: "LV/AT/0001", FamilyName: "Fiktiva", GivenName: "Ilze", BirthDate: "1999-04-01"}}

// ask is the first request of the other Member State; it returns the location.
func (w *world) ask(change ...func(*canon.EvidenceRequest)) (canon.ConversationID, string) {
	w.t.Helper()
	peer, own := canon.Participant{Scheme: scheme + "AT", ID: "ap-at"}, canon.Participant{Scheme: scheme + "LV", ID: "ap-lv"}
	ex := canon.ExchangeID(canon.DeriveUUID("exchange"))
	id := canon.InboundConversation(peer, ex)
	r := &canon.EvidenceRequest{
		Envelope: canon.Envelope{
			Leg: canon.LegIn, From: peer, To: own, Exchange: ex, Session: "s", Specification: "oots-edm:v2.0", IssuedAt: w.clock(),
			Requester: agent("AT", "university"), Provider: agent("LV", "births"),
		},
		Step: canon.StepFirst, Request: canon.RequestID("urn:uuid:" + canon.DeriveUUID("q1")), Procedure: "T2",
		Requirements: []canon.Requirement{{ID: "https://sr.example.eu/requirements/birth", Names: []canon.Text{{Lang: "EN", Text: "Proof of birth"}}}},
		EvidenceType: canon.EvidenceType{
			ID: canon.DeriveUUID("type"), Classification: birth, Titles: []canon.Text{{Lang: "EN", Text: "Birth certificate"}},
			Distributions: []canon.Distribution{{Format: "application/xml"}},
		},
		PreviewPossible: true,
		ExplicitRequest: canon.ExplicitRequest{Given: true, At: start.Add(-time.Minute), Reference: "case-1"},
		Private:         canon.Clear(canon.RequestPrivate{Subject: ilze}),
	}
	for _, f := range change {
		f(r)
	}
	w.mustPublish(canon.Message{ID: canon.MessageID(canon.DeriveUUID("q1")), Kind: r.Kind(), Conversation: id, At: w.clock(), Body: r})
	c := w.conversation(id)
	if c.Phase != exchange.PreviewOffered {
		w.t.Fatalf("phase is %s %s, want a preview", c.Phase, c.Detail)
	}
	return id, w.tickets.Location(c.ID, c.First)
}

// askAgain is the second request, with the place to go back to.
func (w *world) askAgain(id canon.ConversationID, back string) {
	w.t.Helper()
	first := w.messages(canon.KindEvidenceRequest)[0].Body.(*canon.EvidenceRequest)
	p, _ := first.Private.Get()
	r := *first
	r.Step, r.Request, r.IssuedAt = canon.StepPreview, canon.RequestID("urn:uuid:"+canon.DeriveUUID("q2")), w.clock()
	c := w.conversation(id)
	r.Private = canon.Clear(canon.RequestPrivate{Subject: p.Subject, PreviewLocation: w.tickets.Location(c.ID, c.First), ReturnLocation: back})
	w.mustPublish(canon.Message{ID: canon.MessageID(canon.DeriveUUID("q2")), Kind: r.Kind(), Conversation: id, At: w.clock(), Body: &r})
}

// receipt is the other access point's word that it has the answer.
func (w *world) receipt(id canon.ConversationID) {
	w.t.Helper()
	w.mustPublish(canon.Message{
		ID: canon.MessageID(canon.DeriveUUID("receipt")), Kind: canon.KindDeliveryReceipt, Conversation: id, At: w.clock(),
		Body: &canon.DeliveryReceipt{
			Of: w.conversation(id).Sent, OfKind: canon.KindEvidenceResponse, AS4: "m@example", Outcome: canon.DeliveryAcknowledged, Attempts: 1,
			Peer: canon.Participant{Scheme: scheme + "AT", ID: "ap-at"},
		},
	})
}

func (w *world) mustPublish(m canon.Message) {
	w.t.Helper()
	fatal(w.t, w.publish(w.t.Context(), m))
}

func (w *world) conversation(id canon.ConversationID) *exchange.Conversation {
	w.t.Helper()
	c, err := w.store.Get(w.t.Context(), id)
	fatal(w.t, err)
	return c
}

// set changes a conversation behind the core's back.
func (w *world) set(id canon.ConversationID, f func(*exchange.Conversation)) {
	w.t.Helper()
	w.mu.Lock()
	cause := canon.MessageID(canon.DeriveUUID("set", fmt.Sprint(time.Now().UnixNano())))
	w.mu.Unlock()
	_, err := w.store.Update(w.t.Context(), id, cause, func(c *exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
		next := *c
		f(&next)
		return &next, nil, nil
	})
	fatal(w.t, err)
}

// A browser keeps cookies and follows redirects.
type browser struct {
	w      *world
	client *http.Client
	lang   string
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	fatal(w.t, err)
	c := *w.server.Client()
	c.Jar = jar
	c.Transport = &reader{w.t, c.Transport}
	return &browser{w, &c, "en"}
}

type page struct {
	*http.Response
	body string
}

func (b *browser) do(method, target string, form url.Values) page {
	b.w.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = b.w.server.URL + target
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(b.w.t.Context(), method, target, body)
	fatal(b.w.t, err)
	req.Header.Set("Accept-Language", b.lang)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", b.w.server.URL)
	}
	resp, err := b.client.Do(req)
	fatal(b.w.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	fatal(b.w.t, err)
	return page{resp, string(data)}
}

func (b *browser) get(target string) page { b.w.t.Helper(); return b.do("GET", target, nil) }

func (b *browser) post(target string, form url.Values) page {
	b.w.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return b.do("POST", target, form)
}

// from sends a form that stands on a page of another site.
func (b *browser) from(origin, target string, form url.Values) page {
	b.w.t.Helper()
	req, err := http.NewRequestWithContext(b.w.t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	fatal(b.w.t, err)
	req.Header.Set("Accept-Language", b.lang)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", origin)
	resp, err := b.client.Do(req)
	fatal(b.w.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	fatal(b.w.t, err)
	return page{resp, string(data)}
}

func (p page) want(t *testing.T, status int, parts ...string) page {
	t.Helper()
	if p.StatusCode != status {
		t.Fatalf("%s: got %d, want %d: %s", p.Request.URL.Path, p.StatusCode, status, p.body)
	}
	for _, s := range parts {
		if !strings.Contains(p.body, s) {
			t.Errorf("%s: does not say %q:\n%s", p.Request.URL.Path, s, p.body)
		}
	}
	return p
}

func (p page) wantNot(t *testing.T, parts ...string) page {
	t.Helper()
	for _, s := range parts {
		if strings.Contains(p.body, s) {
			t.Errorf("%s: says %q", p.Request.URL.Path, s)
		}
	}
	return p
}

// identify walks from the location through the eID to the page after it.
func (b *browser) identify(location string) page {
	b.w.t.Helper()
	b.get(location).want(b.w.t, 200, "eParaksts")
	return b.post(location+"/identify", nil)
}

func (p page) csrf(t *testing.T) string {
	t.Helper()
	_, rest, ok := strings.Cut(p.body, `name="csrf" value="`)
	if !ok {
		t.Fatal("no csrf token on the page")
	}
	token, _, _ := strings.Cut(rest, `"`)
	return token
}

// sessions is a preview.Sessions as long as the test.
type sessions struct {
	mu   sync.Mutex
	m    map[string]preview.Session
	down bool
}

var _ preview.Sessions = (*sessions)(nil)

func (s *sessions) Create(_ context.Context, v preview.Session) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = map[string]preview.Session{}
	}
	id := rand.Text()
	s.m[id] = v
	return id, nil
}

func (s *sessions) Get(_ context.Context, id string) (preview.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return preview.Session{}, canon.NewFault(canon.CodePayloadUnavailable, nil, "no store")
	}
	v, ok := s.m[id]
	if !ok {
		return v, preview.ErrNoSession
	}
	return v, nil
}

func (s *sessions) Put(_ context.Context, id string, v preview.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.m[id]; !ok {
		return preview.ErrNoSession
	}
	s.m[id] = v
	return nil
}

func (s *sessions) Delete(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, id)
	return nil
}
