package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/gateway/messages"
	"oncegate/gateway/messages/messagestest"
	"oncegate/gateway/payload"
	"oncegate/gateway/payload/payloadtest"
	"oncegate/gateway/preview"
	"oncegate/gateway/routing"
	"oncegate/schemas"
	"oncegate/schemas/canon"
)

const (
	scheme        = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:"
	birth         = "https://sr.example.eu/evidencetypeclassifications/birth"
	portalToken   = "portal-token-0123456789abcdef0123456789"
	otherToken    = "other-token-0123456789abcdef01234567890"
	operatorToken = "operator-token-0123456789abcdef01234567"
	key           = "7d3f4f0e-7a55-4c43-9c5e-0f1f5a2b1c11"
)

var start = time.Date(2026, 9, 14, 9, 0, 0, 0, time.UTC)

// A world is the API with the real core behind it; the log is a slice.
type world struct {
	t      testing.TB
	api    *API
	server *httptest.Server
	core   *exchange.Core
	store  *exchangetest.Memory
	memory *memory

	messageLog *messagestest.Memory
	orders     []messages.Order
	resent     canon.MessageNote
	refused    error

	vault   *payload.Vault
	keyring *payload.Keyring
	sealer  exchangetest.Sealer

	mu    sync.Mutex
	log   []canon.Message
	now   time.Time
	down  bool // the log does not answer
	held  bool // the core does not run
	hops  []Hop
	dead  []DeadLetter
	ready error
}

func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, store: &exchangetest.Memory{}, memory: &memory{}, now: start}
	w.messageLog = messagestest.NewMemory(w.clock, 1000*time.Hour)
	var kek payload.KEK
	kek.ID, kek.NotBefore, kek.Term, kek.Key = "k", start.Add(-time.Hour), start.Add(1000*time.Hour), payload.Secret{1}
	ring, err := payload.NewRing(kek)
	check0(t, err)
	w.keyring, err = payload.NewKeyring(payload.KeyringConfig{Keys: &payloadtest.MemoryKeys{}, Ring: ring, Now: w.clock})
	check0(t, err)
	w.vault, err = payload.NewVault(payload.VaultConfig{Keyring: w.keyring, Blobs: &payloadtest.MemoryBlobs{}, Store: "memory", TempDir: t.TempDir()})
	check0(t, err)
	routes, err := routing.NewTable(routing.Config{
		Country: "AT", AccessPoint: scheme + "AT::ap-at", Partners: []routing.Partner{{Country: "LV", AccessPoint: scheme + "LV::ap-lv"}},
		Ask: []routing.Ask{{Name: "birth", Procedures: []string{"T2"}, EvidenceType: birth, Provider: scheme + "LV::births", Country: "LV"}},
	})
	check0(t, err)
	tickets, err := preview.NewTickets("https://preview.example.at/preview", make([]byte, 32))
	check0(t, err)
	w.core, err = exchange.New(exchange.Config{Store: w.store, Routes: routes, Tickets: tickets, History: w.history, Now: w.clock})
	check0(t, err)
	cfg := Config{
		Portals: []Portal{
			{Name: "university", TokenHashes: []string{TokenHash(portalToken)}, Authority: agent("AT", "university"), ReturnOrigins: []string{"https://portal.example.at"}},
			{Name: "chamber", TokenHashes: []string{TokenHash(otherToken)}, Authority: agent("AT", "chamber")},
		},
		Operators:     []Operator{{Name: "ops", TokenHashes: []string{TokenHash(operatorToken)}}},
		Conversations: w.store, Payloads: w.vault, Publish: w.publish, Memory: w.memory,
		Timeline: func(context.Context, canon.ConversationID) ([]Hop, error) { return w.hops, nil },
		DeadLetters: func(_ context.Context, _ string, limit int) ([]DeadLetter, string, error) {
			if len(w.dead) > limit {
				return w.dead[:limit], "1", nil
			}
			return w.dead, "", nil
		},
		Messages: w.messageLog,
		Resend: func(_ context.Context, o messages.Order) (canon.MessageNote, error) {
			w.orders = append(w.orders, o)
			return w.resent, w.refused
		},
		Forget:  w.keyring.Forget,
		Ready:   func(context.Context) error { return w.ready },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up 1\n") }),
		Poll:    time.Millisecond, Now: w.clock,
	}
	for _, f := range change {
		f(&cfg)
	}
	w.api, err = New(cfg)
	check0(t, err)
	w.server = httptest.NewTLSServer(w.api)
	t.Cleanup(w.server.Close)
	w.server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.server.Client().Transport = &checked{t: t, next: w.server.Client().Transport, base: w.server.URL}
	return w
}

func check0(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func agent(country, id string) canon.Agent {
	return canon.Agent{ID: canon.Participant{Scheme: scheme + country, ID: id}, Names: []canon.Text{{Lang: "EN", Text: id}}, Country: country}
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// publish is the log and its consumer: the core's words follow at once.
func (w *world) publish(ctx context.Context, ms ...canon.Message) error {
	w.mu.Lock()
	if w.down {
		w.mu.Unlock()
		return canon.NewFault(canon.CodeLogUnavailable, errors.New("no broker"), "the log does not answer")
	}
	for _, m := range ms { // the log takes what keeps its contract
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
			w.mu.Unlock()
			w.t.Errorf("publishing %s: %v", m.Kind, err)
			return err
		}
	}
	w.log = append(w.log, ms...)
	held := w.held
	w.mu.Unlock()
	if held {
		return nil
	}
	return w.handle(ctx, ms...)
}

func (w *world) handle(ctx context.Context, ms ...canon.Message) error {
	for _, m := range ms {
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

func (w *world) history(_ context.Context, _ time.Time, id canon.ConversationID) iter.Seq2[canon.Message, error] {
	return func(yield func(canon.Message, error) bool) {
		for _, m := range w.messages("") {
			if (id == "" || m.Conversation == id) && !yield(m, nil) {
				return
			}
		}
	}
}

// messages returns what is on the log, of one kind or of all.
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

// sent returns the distinct requests that the core sent to another access point.
func (w *world) sent() []*canon.EvidenceRequest {
	var out []*canon.EvidenceRequest
	seen := map[canon.MessageID]bool{}
	for _, m := range w.messages(canon.KindEvidenceRequest) {
		if r := m.Body.(*canon.EvidenceRequest); r.Leg == canon.LegOut && !seen[m.ID] {
			seen[m.ID] = true
			out = append(out, r)
		}
	}
	return out
}

// hear puts the answer of the other access point on the log.
func (w *world) hear(id canon.ConversationID, body canon.Body) {
	w.t.Helper()
	last := w.sent()[len(w.sent())-1]
	e := canon.EnvelopeOf(body)
	*e = last.Envelope
	e.Leg, e.From, e.To = canon.LegIn, last.To, last.From
	m := canon.Message{ID: canon.MessageID(canon.DeriveUUID("test", string(id), string(body.Kind()), string(last.Request))), Kind: body.Kind(), Conversation: id, At: w.clock(), Body: body}
	if err := w.publish(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) offer(id canon.ConversationID, method ...string) {
	w.t.Helper()
	w.hear(id, &canon.PreviewRequired{
		Request: w.sent()[0].Request, Response: canon.DeriveUUID("r", "1"), Method: strings.Join(method, ""),
		Private: canon.Clear(canon.PreviewPrivate{Location: "https://preview.example.lv/p/5f3c"}),
	})
}

const evidenceXML = `<?xml version="1.0"?><birth><place>Rīga</place></birth>`

// deliver answers the second request with one document.
func (w *world) deliver(id canon.ConversationID) canon.Document {
	w.t.Helper()
	ref, err := w.vault.Put(w.t.Context(), id, "application/xml", strings.NewReader(evidenceXML))
	check0(w.t, err)
	doc := canon.Document{
		ID: canon.DeriveUUID("d"), Role: canon.RoleMain, Classification: birth, IssuedOn: "2026-09-14",
		Titles: []canon.Text{{Lang: "EN", Text: "Birth certificate"}}, Payload: ref,
	}
	w.hear(id, &canon.EvidenceResponse{
		Request: w.sent()[len(w.sent())-1].Request, Response: canon.DeriveUUID("r", "2"), Status: canon.StatusDelivered, Documents: []canon.Document{doc},
		Private: canon.Clear(canon.ResponsePrivate{Subject: canon.Subject{Natural: &canon.NaturalPerson{FamilyName: "Fiktiva", GivenName: "Ilze", BirthDate: "1999-04-01", Identifier: "LV/AT/0001"}}}),
	})
	return doc
}

// delivered walks the whole way and returns the exchange and its document.
func (w *world) delivered() (canon.ConversationID, canon.Document) {
	w.t.Helper()
	id := w.open(key, request(nil))
	w.offer(id)
	w.want(w.do("POST", path(id, "preview"), portalToken, nil), 200)
	return id, w.deliver(id)
}

func path(id canon.ConversationID, more ...string) string {
	return strings.Join(append([]string{"/api/v1/evidence-requests", string(id)}, more...), "/")
}

// request is a body that is accepted, changed by change.
func request(change func(map[string]any)) map[string]any {
	text := func(s string) []any { return []any{map[string]any{"lang": "EN", "text": s}} }
	b := map[string]any{
		"procedure":    "T2",
		"requirements": []any{map[string]any{"id": "https://sr.example.eu/requirements/birth", "names": text("Proof of birth")}},
		"evidence_type": map[string]any{
			"id": canon.DeriveUUID("type"), "classification": birth, "titles": text("Birth certificate"),
			"distributions": []any{map[string]any{"format": "application/xml", "conforms_to": "https://sr.example.eu/datamodels/birth-1.0"}},
		},
		"provider":         map[string]any{"id": map[string]any{"scheme": scheme + "LV", "id": "births"}, "names": text("Register of births"), "country": "LV"},
		"subject":          map[string]any{"natural": map[string]any{"assurance": "High", "identifier": "LV/AT/0001", "family_name": "Fiktiva", "given_name": "Ilze", "birth_date": "1999-04-01"}},
		"explicit_request": map[string]any{"given": true, "at": "2026-09-14T08:59:00Z", "reference": "case-4711"},
		"return_url":       "https://portal.example.at/back/5aa8f1a4",
	}
	if change != nil {
		change(b)
	}
	return b
}

type answer struct {
	*http.Response
	body []byte
}

func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("answer is no JSON object: %v", err)
	}
	return v
}

func (w *world) do(method, target, token string, body any, headers ...string) answer {
	w.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		check0(w.t, err)
		r = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.server.URL+target, r)
	check0(w.t, err)
	if r != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.server.Client().Do(req)
	check0(w.t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	check0(w.t, err)
	return answer{resp, data}
}

func (w *world) want(a answer, status int) answer {
	w.t.Helper()
	if a.StatusCode != status {
		w.t.Fatalf("%s %s: got %d %s, want %d", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.body, status)
	}
	return a
}

// problem checks status, code and location of a failure.
func (w *world) problem(a answer, status int, code canon.Code, location string) map[string]any {
	w.t.Helper()
	w.want(a, status)
	p := a.json(w.t)
	if got, _ := p["location"].(string); p["code"] != string(code) || got != location {
		w.t.Fatalf("%s %s: got code %v at %q, want %s at %q: %s", a.Request.Method, a.Request.URL.Path, p["code"], got, code, location, a.body)
	}
	return p
}

func (w *world) open(key string, body any) canon.ConversationID {
	w.t.Helper()
	a := w.want(w.do("POST", "/api/v1/evidence-requests", portalToken, body, "Idempotency-Key", key), http.StatusAccepted)
	return canon.ConversationID(a.json(w.t)["id"].(string))
}

func (w *world) state(id canon.ConversationID) map[string]any {
	w.t.Helper()
	return w.want(w.do("GET", path(id), portalToken, nil), 200).json(w.t)
}

// memory is a Memory as long as the test.
type memory struct {
	mu   sync.Mutex
	held map[string]string
	down bool
}

var errDown = errors.New("no memory")

func (m *memory) Claim(_ context.Context, id, value string, _ time.Duration) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return "", errDown
	}
	if m.held == nil {
		m.held = map[string]string{}
	}
	if held, ok := m.held[id]; ok {
		return held, nil
	}
	m.held[id] = value
	return value, nil
}

func (m *memory) Claimed(_ context.Context, id string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return "", errDown
	}
	return m.held[id], nil
}
