package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

func TestARequestIsAcceptedAndAsked(t *testing.T) {
	w := newWorld(t)
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	a := w.want(w.do("POST", "/api/v1/evidence-requests", portalToken, request(nil), "Idempotency-Key", key, "traceparent", trace), http.StatusAccepted)
	id := canon.OwnConversation("university", key)
	if got, want := a.Header.Get("Location"), path(id); got != want {
		t.Errorf("Location: got %q, want %q", got, want)
	}
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if got := w.state(id); got["state"] != "asked" || got["preview_available"] != false {
		t.Errorf("state: got %v, want asked", got)
	}
	first := w.messages("")[0]
	r := first.Body.(*canon.EvidenceRequest)
	if first.Conversation != id || r.Leg != canon.LegPortal || r.Step != canon.StepFirst || r.Requester.ID.ID != "university" || r.Portal != "university" || !r.PreviewPossible {
		t.Errorf("first message is not the portal's request: %+v", r)
	}
	if !strings.HasPrefix(first.Trace, "00-0af7651916cd43dd8448eb211c80319c-") || first.Trace == trace {
		t.Errorf("trace %q does not go on from the caller's with a span of ours", first.Trace)
	}
	if n := len(w.sent()); n != 1 {
		t.Errorf("the core sent %d requests, want 1", n)
	}
}

func TestTheSameKeyIsTheSameRequest(t *testing.T) {
	for _, tc := range []struct {
		name    string
		between func(w *world)
	}{
		{"at once", func(*world) {}},
		{"after the memory of keys was lost", func(w *world) { w.memory.held = nil }},
		{"after everything but the log was lost", func(w *world) { w.memory.held = nil; w.store.Flush() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.open(key, request(nil))
			tc.between(w)
			if again := w.open(key, request(nil)); again != id {
				t.Errorf("got another exchange %s, want %s", again, id)
			}
			if n := len(w.sent()); n != 1 {
				t.Errorf("%d requests were sent, want 1", n)
			}
		})
	}
}

func TestTheSameKeyForAnotherRequestIsAConflict(t *testing.T) {
	w := newWorld(t)
	w.open(key, request(nil))
	other := request(func(b map[string]any) { b["procedure"] = "T3" })
	w.problem(w.do("POST", "/api/v1/evidence-requests", portalToken, other, "Idempotency-Key", key), 409, canon.CodeKeyReused, "Idempotency-Key")
	for id, v := range w.memory.held {
		if strings.Contains(id+v, "Fiktiva") || strings.Contains(id+v, key) {
			t.Errorf("the memory holds a person or the key: %s %s", id, v)
		}
	}
}

// The memory of keys may be lost, or end before the exchange does: the exchange
// itself then says what its key was used for. Nobody is led to the evidence of
// another person.
func TestALostMemoryDoesNotGiveOneRequestTheExchangeOfAnother(t *testing.T) {
	person := func(b map[string]any) {
		b["subject"].(map[string]any)["natural"].(map[string]any)["given_name"] = "Anna"
	}
	procedure := func(b map[string]any) { b["procedure"] = "T3" }
	for _, tc := range []struct {
		name   string
		change func(map[string]any)
	}{{"another person", person}, {"another procedure", procedure}} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.open(key, request(nil))
			w.memory.held = nil
			w.problem(w.do("POST", "/api/v1/evidence-requests", portalToken, request(tc.change), "Idempotency-Key", key), 409, canon.CodeKeyReused, "Idempotency-Key")
			w.memory.held = nil
			w.open(key, request(nil)) // the same again is the same
			if n := len(w.sent()); n != 1 {
				t.Errorf("%d requests were sent, want 1", n)
			}
		})
	}
}

func TestAFailureOfTheLogCanBeRepeated(t *testing.T) {
	w := newWorld(t)
	w.down = true
	p := w.problem(w.do("POST", "/api/v1/evidence-requests", portalToken, request(nil), "Idempotency-Key", key), 503, canon.CodeLogUnavailable, "")
	if p["retryable"] != true {
		t.Error("503 is not retryable")
	}
	w.down = false
	w.open(key, request(nil))
	if n := len(w.sent()); n != 1 {
		t.Errorf("%d requests were sent, want 1", n)
	}
	w.memory.down = true
	w.problem(w.do("POST", "/api/v1/evidence-requests", portalToken, request(nil), "Idempotency-Key", key), 503, canon.CodeLogUnavailable, "")
}

func TestWhatTheCoreHasNotMetIsAccepted(t *testing.T) {
	w := newWorld(t)
	w.held = true
	id := w.open(key, request(nil))
	if s := w.state(id); s["state"] != "accepted" || s["final"] != false {
		t.Errorf("got %v, want accepted", s)
	}
	w.problem(w.do("GET", path(id), otherToken, nil), 403, canon.CodeForbidden, "")
	w.problem(w.do("POST", path(id, "preview"), portalToken, nil), 409, canon.CodeNotReady, "")
	w.problem(w.do("DELETE", path(id), portalToken, nil), 409, canon.CodeNotReady, "")
	w.problem(w.do("GET", path(canon.ConversationID(canon.DeriveUUID("none"))), portalToken, nil), 404, canon.CodeUnknownExchange, "")
	w.problem(w.do("GET", "/api/v1/evidence-requests/not-an-id", portalToken, nil), 404, canon.CodeUnknownExchange, "")
}

// Covers: B-006, B-016, B-017, B-018, B-022
func TestABodyIsHeldAgainstItsContract(t *testing.T) {
	type m = map[string]any
	for _, tc := range []struct {
		name     string
		change   func(b m)
		status   int
		location string
	}{
		{"unknown field", func(b m) { b["callback"] = "https://secret.example" }, 422, "/callback"},
		{"unknown field with an odd name", func(b m) { b["secret person"] = 1 }, 422, ""},
		{"missing field", func(b m) { delete(b, "procedure") }, 422, "/procedure"},
		{"deep field", func(b m) { b["evidence_type"].(m)["id"] = "secret" }, 422, "/evidence_type/id"},
		{"wrong type", func(b m) { b["preview_possible"] = "secret" }, 422, "/preview_possible"},
		{"no person", func(b m) { b["subject"] = m{} }, 422, "/subject"},
		{"two persons", func(b m) { b["subject"].(m)["legal"] = m{"identifier": "LV/AT/1", "name": "secret"} }, 422, "/subject"},
		{"a day that does not exist", func(b m) { b["subject"].(m)["natural"].(m)["birth_date"] = "1999-02-31" }, 422, "/subject/natural/birth_date"},
		{"control sign in a name", func(b m) { b["subject"].(m)["natural"].(m)["family_name"] = "secret\u0000" }, 422, "/subject/natural/family_name"},
		{"return over http", func(b m) { b["return_url"] = "http://portal.example.at/secret" }, 422, "/return_url"},
		{"return by script", func(b m) { b["return_url"] = "javascript:secret()" }, 422, "/return_url"},
		{"return with user", func(b m) { b["return_url"] = "https://secret@portal.example.at/" }, 422, "/return_url"},
		{"return to another origin", func(b m) { b["return_url"] = "https://secret.example/" }, 422, "/return_url"},
		{"B-016: no explicit request", func(b m) { b["explicit_request"] = m{"given": false} }, 403, "/explicit_request"},
		{"B-017: no record of it", func(b m) { b["explicit_request"] = m{"given": true, "at": "2026-09-14T08:00:00Z"} }, 422, "/explicit_request/reference"},
		{"B-017: no time", func(b m) { b["explicit_request"] = m{"given": true, "reference": "r"} }, 422, "/explicit_request/at"},
		{"B-017: in the future", func(b m) {
			b["explicit_request"] = m{"given": true, "at": "2026-09-14T10:00:00Z", "reference": "r"}
		}, 422, "/explicit_request/at"},
		{"B-022: both", func(b m) { b["explicit_request"].(m)["exemption"] = "Act 1" }, 422, "/explicit_request/exemption"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			a := w.do("POST", "/api/v1/evidence-requests", portalToken, request(tc.change), "Idempotency-Key", key)
			code := canon.CodeBadInput
			if tc.status == 403 {
				code = canon.CodeNoExplicitRequest
			}
			w.problem(a, tc.status, code, tc.location)
			if strings.Contains(string(a.body), "secret") {
				t.Errorf("the answer repeats a value: %s", a.body)
			}
			if n := len(w.messages("")); n != 0 {
				t.Errorf("%d messages reached the log", n)
			}
		})
	}
}

func TestMalformedRequests(t *testing.T) {
	w := newWorld(t)
	post := func(body any, headers ...string) answer {
		return w.do("POST", "/api/v1/evidence-requests", portalToken, body, headers...)
	}
	w.problem(post(request(nil)), 400, canon.CodeBadInput, "Idempotency-Key")
	w.problem(post(request(nil), "Idempotency-Key", "short"), 400, canon.CodeBadInput, "Idempotency-Key")
	w.problem(post(request(nil), "Idempotency-Key", strings.Repeat("k", 129)), 400, canon.CodeBadInput, "Idempotency-Key")
	w.problem(post("{", "Idempotency-Key", key), 400, canon.CodeBadInput, "")
	w.problem(post("{} {}", "Idempotency-Key", key), 400, canon.CodeBadInput, "")
	w.problem(post("[]", "Idempotency-Key", key), 422, canon.CodeBadInput, "")
	w.problem(post("\"\xff\"", "Idempotency-Key", key), 400, canon.CodeBadInput, "")
	w.problem(post(`"`+strings.Repeat("x", maxBody)+`"`, "Idempotency-Key", key), 413, canon.CodeBadInput, "")
	w.problem(post("<xml/>", "Idempotency-Key", key, "Content-Type", "application/xml"), 415, canon.CodeBadInput, "Content-Type")
	w.problem(w.do("PUT", "/api/v1/evidence-requests", portalToken, nil), 405, canon.CodeBadInput, "")
	w.problem(w.do("GET", "/api/v2/", portalToken, nil), 404, canon.CodeBadInput, "")
	w.problem(w.do("GET", "/api/v1/evidence-requests/"+canon.DeriveUUID("x")+"?wait=soon", portalToken, nil), 400, canon.CodeBadInput, "wait")
}

// Covers: B-040
func TestTokensOpenOnlyTheirOwn(t *testing.T) {
	w := newWorld(t)
	id := w.open(key, request(nil))
	for _, tc := range []struct {
		name, token, path string
		status            int
		code              canon.Code
	}{
		{"no token", "", path(id), 401, canon.CodeUnauthenticated},
		{"unknown token", "nonsense", path(id), 401, canon.CodeUnauthenticated},
		{"another portal", otherToken, path(id), 403, canon.CodeForbidden},
		{"another portal's time line", otherToken, path(id, "timeline"), 403, canon.CodeForbidden},
		{"another portal's evidence", otherToken, path(id, "evidence", canon.DeriveUUID("d")), 403, canon.CodeForbidden},
		{"an operator as portal", operatorToken, path(id), 403, canon.CodeForbidden},
		{"a portal as operator", portalToken, "/api/v1/exchanges", 403, canon.CodeForbidden},
		{"no token as operator", "", "/api/v1/dead-letters", 401, canon.CodeUnauthenticated},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := w.do("GET", tc.path, tc.token, nil)
			w.problem(a, tc.status, tc.code, "")
			if tc.status == 401 && a.Header.Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
		})
	}
}

func TestThePersonGoesToThePreviewOnce(t *testing.T) {
	w := newWorld(t)
	id := w.open(key, request(nil))
	w.problem(w.do("POST", path(id, "preview"), portalToken, nil), 409, canon.CodeNotReady, "")
	w.offer(id)
	s := w.state(id)
	if s["state"] != "preview-offered" || s["preview_available"] != true || s["links"].(map[string]any)["preview"] != path(id, "preview") {
		t.Fatalf("state: got %v", s)
	}
	if strings.Contains(string(w.want(w.do("GET", path(id), portalToken, nil), 200).body), "5f3c") {
		t.Error("a GET gives the preview location away")
	}
	body := map[string]any{"return_url": "https://portal.example.at/back/2"}
	for range 2 { // the second one comes in state continued
		a := w.want(w.do("POST", path(id, "preview"), portalToken, body), 200)
		if got := a.json(t)["preview_url"]; got != "https://preview.example.lv/p/5f3c" {
			t.Errorf("preview_url: got %v", got)
		}
	}
	sent := w.sent()
	if len(sent) != 2 {
		t.Fatalf("%d requests were sent, want 2", len(sent))
	}
	p, _ := sent[1].Private.Get()
	if sent[1].Step != canon.StepPreview || sent[1].Request == sent[0].Request || p.ReturnLocation != "https://portal.example.at/back/2" || p.PreviewLocation != "https://preview.example.lv/p/5f3c" {
		t.Errorf("the second request is not right: %+v", sent[1])
	}
	if s := w.state(id); s["state"] != "continued" {
		t.Errorf("state: got %v, want continued", s["state"])
	}
	w.problem(w.do("POST", path(id, "preview"), portalToken, map[string]any{"return_url": "https://evil.example/"}), 422, canon.CodeBadInput, "/return_url")
}

func TestAPreviewLocationThatIsNoHTTPSIsNotHandedOn(t *testing.T) {
	w := newWorld(t)
	id := w.open(key, request(nil))
	w.offer(id)
	for _, bad := range []string{"javascript:alert(1)", "http://preview.example.lv/", "https://preview.example.lv/#x", ""} {
		w.set(id, func(c *exchange.Conversation) {
			p, _ := c.Private.Get()
			c.Private = canon.Clear(exchange.Private{Subject: p.Subject, PreviewLocation: bad, ReturnLocation: p.ReturnLocation})
		})
		w.problem(w.do("POST", path(id, "preview"), portalToken, nil), 422, canon.CodeResponseInvalid, "")
	}
	if n := len(w.sent()); n != 1 {
		t.Errorf("%d requests were sent, want 1", n)
	}
}

// set changes a conversation in the store.
func (w *world) set(id canon.ConversationID, f func(c *exchange.Conversation)) {
	w.t.Helper()
	w.mu.Lock()
	cause := canon.MessageID(canon.DeriveUUID("set", time.Now().Format(time.RFC3339Nano)))
	w.mu.Unlock()
	_, err := w.store.Update(w.t.Context(), id, cause, func(c *exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
		next := *c
		f(&next)
		return &next, nil, nil
	})
	check0(w.t, err)
}

// Covers: B-032, B-041, B-059
func TestEvidenceIsFetchedAfterDeliveryAndForgotten(t *testing.T) {
	w := newWorld(t)
	id := w.open(key, request(nil))
	w.offer(id)
	w.problem(w.do("GET", path(id, "evidence", canon.DeriveUUID("d")), portalToken, nil), 409, canon.CodeNotReady, "")
	w.want(w.do("POST", path(id, "preview"), portalToken, nil), 200)
	doc := w.deliver(id)
	s := w.state(id)
	if s["state"] != "delivered" || s["final"] != true {
		t.Fatalf("state: got %v, want delivered", s)
	}
	shown := s["documents"].([]any)[0].(map[string]any)
	a := w.want(w.do("GET", shown["href"].(string), portalToken, nil), 200)
	sum := sha256.Sum256([]byte(evidenceXML))
	if string(a.body) != evidenceXML || a.Header.Get("Content-Digest") != "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":" ||
		a.Header.Get("Content-Type") != "application/xml" || a.Header.Get("Content-Disposition") != `attachment; filename="evidence-`+doc.ID+`.xml"` {
		t.Errorf("evidence: %q %v", a.body, a.Header)
	}
	w.problem(w.do("GET", path(id, "evidence", canon.DeriveUUID("other")), portalToken, nil), 404, canon.CodeUnknownExchange, "")
	for range 2 {
		w.want(w.do("DELETE", path(id), portalToken, nil), 204)
	}
	w.problem(w.do("GET", path(id, "evidence", doc.ID), portalToken, nil), 410, canon.CodePayloadForgotten, "")
	var steps []string
	for _, m := range w.messages(canon.KindAudit) {
		if e := m.Body.(*canon.AuditEvent); e.Room == "api" {
			steps = append(steps, e.Step)
		}
	}
	if got := strings.Join(steps, " "); got != "evidence.fetched exchange.closed exchange.closed" {
		t.Errorf("audit: got %q", got)
	}
}

// Covers: B-027
func TestNoEvidenceWithoutItsRecord(t *testing.T) {
	w := newWorld(t)
	id, doc := w.delivered()
	w.down = true
	if a := w.want(w.do("GET", path(id, "evidence", doc.ID), portalToken, nil), 503); strings.Contains(string(a.body), "Rīga") {
		t.Error("evidence was handed out that no audit event tells of")
	}
}

func TestAnUnchangedStateIsNotRepeated(t *testing.T) {
	w := newWorld(t)
	id := w.open(key, request(nil))
	tag := w.want(w.do("GET", path(id), portalToken, nil), 200).Header.Get("ETag")
	w.want(w.do("GET", path(id), portalToken, nil, "If-None-Match", tag), 304)
	w.want(w.do("GET", path(id)+"?wait=5ms", portalToken, nil, "If-None-Match", tag), 304)
	w.offer(id)
	if a := w.want(w.do("GET", path(id), portalToken, nil, "If-None-Match", tag), 200); a.Header.Get("ETag") == tag {
		t.Error("another state has the same ETag")
	}
}

func TestALongPollAnswersWhenTheStateChanges(t *testing.T) {
	w := newWorld(t)
	id := w.open(key, request(nil))
	looked := make(chan struct{}, 1)
	w.api.cfg.Conversations = watched{w.store, func() {
		select {
		case looked <- struct{}{}:
		default:
		}
	}}
	got := make(chan map[string]any)
	go func() { got <- w.want(w.do("GET", path(id)+"?wait=20s", portalToken, nil), 200).json(t) }()
	<-looked // the first look
	<-looked // it waits
	w.offer(id)
	if s := <-got; s["state"] != "preview-offered" {
		t.Errorf("got %v, want preview-offered", s["state"])
	}
}

// watched tells when it is read.
type watched struct {
	Conversations
	told func()
}

func (o watched) Get(ctx context.Context, id canon.ConversationID) (*exchange.Conversation, error) {
	o.told()
	return o.Conversations.Get(ctx, id)
}

func TestOperatorsSeeAllAndNoPerson(t *testing.T) {
	w := newWorld(t)
	ids := map[string]bool{}
	for i := range 5 {
		w.mu.Lock()
		w.now = w.now.Add(time.Minute)
		w.mu.Unlock()
		ids[string(w.open(key+string(rune('a'+i)), request(nil)))] = true
	}
	next, pages := "/api/v1/exchanges?limit=2", 0
	for next != "" {
		a := w.want(w.do("GET", next, operatorToken, nil), 200)
		if strings.Contains(string(a.body), "Fiktiva") {
			t.Fatal("a person is shown")
		}
		page := a.json(t)
		for _, e := range page["exchanges"].([]any) {
			delete(ids, e.(map[string]any)["id"].(string))
		}
		next, _ = page["next"].(string)
		pages++
	}
	if len(ids) != 0 || pages != 3 {
		t.Errorf("%d exchanges were not listed on %d pages", len(ids), pages)
	}
	w.problem(w.do("GET", "/api/v1/exchanges?limit=0", operatorToken, nil), 400, canon.CodeBadInput, "limit")
	w.problem(w.do("GET", "/api/v1/exchanges?cursor=x", operatorToken, nil), 400, canon.CodeBadInput, "cursor")

	id := canon.OwnConversation("university", key+"a")
	w.want(w.do("GET", "/api/v1/exchanges/"+string(id), operatorToken, nil), 200)
	w.problem(w.do("GET", "/api/v1/exchanges/"+canon.DeriveUUID("none"), operatorToken, nil), 404, canon.CodeUnknownExchange, "")
	partition, offset := 0, int64(0)
	w.hops = []Hop{{
		At: start, Kind: canon.KindEvidenceRequest, Message: canon.MessageID(canon.DeriveUUID("m")), Topic: "evidence.request.v1",
		Partition: &partition, Offset: &offset, Duration: HopMilliseconds(1500 * time.Microsecond),
	}}
	for _, p := range []string{"/api/v1/exchanges/" + string(id) + "/timeline", path(id, "timeline")} {
		token := operatorToken
		if strings.Contains(p, "evidence-requests") {
			token = portalToken
		}
		hop := w.want(w.do("GET", p, token, nil), 200).json(t)["hops"].([]any)[0].(map[string]any)
		if hop["offset"] != 0.0 || hop["duration_ms"] != 1.5 {
			t.Errorf("%s: got %v", p, hop)
		}
	}
	w.dead = []DeadLetter{
		{Topic: "register.record.v1.dlq", Code: canon.CodeMappingFailed, FailedAt: start},
		{Topic: "register.record.v1.dlq", Offset: 1, Code: canon.CodeMappingFailed, FailedAt: start},
	}
	page := w.want(w.do("GET", "/api/v1/dead-letters?limit=1", operatorToken, nil), 200).json(t)
	letter := page["dead_letters"].([]any)[0].(map[string]any)
	if letter["next_step"] != canon.CodeMappingFailed.NextStep() || page["next"] == "" {
		t.Errorf("dead letters: got %v", page)
	}
}

func TestServiceRoutes(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{"/livez", "/ping", "/readyz", "/ready", "/metrics", "/openapi.json"} {
		w.want(w.do("GET", p, "", nil), 200)
	}
	w.ready = canon.NewFault(canon.CodeLogUnavailable, nil, "the log does not answer")
	w.problem(w.do("GET", "/readyz", "", nil), 503, canon.CodeLogUnavailable, "")
	w.want(w.do("GET", "/livez", "", nil), 200)
	for _, c := range canon.Codes() {
		if a := w.want(w.do("GET", "/problems/"+string(c), "", nil), 200); !strings.Contains(string(a.body), string(c)) {
			t.Errorf("page of %s does not name it", c)
		}
	}
	a := w.problem(w.do("GET", "/problems/OG-XXX-0000", "", nil), 404, canon.CodeBadInput, "")
	if a["type"] != "/problems/"+string(canon.CodeBadInput) {
		t.Errorf("type does not resolve: %v", a["type"])
	}
}

func TestEveryKindOfFaultHasAStatus(t *testing.T) {
	if len(statuses) != len(canon.FaultKinds()) {
		t.Errorf("the table has %d kinds, canon has %d", len(statuses), len(canon.FaultKinds()))
	}
	for _, k := range canon.FaultKinds() {
		if statuses[k] < 400 {
			t.Errorf("kind %s has no status", k)
		}
	}
	for _, c := range canon.Codes() {
		if s := statusOf(canon.NewFault(c, nil, "")); s < 400 || s > 599 {
			t.Errorf("code %s has status %d", c, s)
		}
	}
	if s := statusOf(canon.AsFault(errDown)); s != 500 {
		t.Errorf("an error without a fault is %d, want 500", s)
	}
}

func TestConfigurationReportsAllFaults(t *testing.T) {
	_, err := New(Config{
		Portals: []Portal{{Name: "a b", TokenHashes: []string{"x"}, ReturnOrigins: []string{"http://x"}}, {Name: "a b"}}, BaseURL: "ftp://x",
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"Conversations is required", "Forget is required", "one word", "not sha256:", "configured twice", "return origin", "TokenHashes is required", "BaseURL", "Authority"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %q: %v", want, err)
		}
	}
}
