package web

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

var d1, d2 = canon.DeriveUUID("d1"), canon.DeriveUUID("d2")

// Covers: B-028, B-031
func TestThePersonApproves(t *testing.T) {
	w := newWorld(t)
	id, location := w.ask()
	w.askAgain(id, back1)
	b := w.browser()
	page := b.identify(location).want(t, 200,
		"Authority &lt;university&gt;", "(AT)", "Proof of birth", "Birth certificate", "T2", "2026-09-14 08:59 UTC", // what was asked
		"Date of birth", "1999-04-01", "Registration number", "LV-4711", "Confirmed", "Yes", "Not stated", "Rīga", // the evidence as data
		"&lt;birth&gt;&lt;child&gt;Ilze", "sha256:", // and as bytes
		"Send it", "Do not send it", "Send nothing",
	).wantNot(t, " checked")
	file := b.get(location+"/document/"+d1).want(t, 200)
	if file.body != birthXML || file.Header.Get("Content-Disposition") != `attachment; filename="evidence-1.xml"` || !strings.Contains(file.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("download: %q %v", file.body, file.Header)
	}
	done := b.post(location+"/decision", url.Values{"csrf": {page.csrf(t)}, "action": {"decide"}, "document-" + d1: {"approve"}}).
		want(t, 200, "Your decision is recorded", "is sent", `href="https://portal.example.at/back/5aa8f1a4?x=1&amp;y=2"`, `rel="noreferrer"`)
	if done.Request.Method != "GET" || !strings.HasSuffix(done.Request.URL.Path, "/done") {
		t.Error("the decision was not answered with a redirect to a page of its own")
	}
	if got := done.Header.Get("Refresh"); got != "10; url="+back1 {
		t.Errorf("Refresh: got %q", got)
	}
	if got := b.get(location + "/done?stay=1").Header.Get("Refresh"); got != "" {
		t.Errorf("a page that was told to stay leaves: %q", got)
	}
	c := w.conversation(id)
	if c.Phase != exchange.Answered || c.Outcome != exchange.Delivered || len(c.Decisions) != 1 || !c.Decisions[0].Approved {
		t.Errorf("conversation: %s %s %v", c.Phase, c.Outcome, c.Decisions)
	}
	if got := w.steps(); got != "preview.shown, preview.fetched" {
		t.Errorf("audit: got %q", got)
	}
	// The key is forgotten at the end; the way back is not.
	w.receipt(id)
	w.set(id, func(c *exchange.Conversation) { c.Private = canon.Sealed[exchange.Private]{} })
	b.get(location).want(t, 200, "Your decision is recorded", "Go back to portal.example.at").wantNot(t, "Fiktiva")
	b.get(location+"/document/"+d1).want(t, http.StatusConflict)
}

// Covers: B-018, B-029, B-030, B-033
func TestADecisionForEachDocument(t *testing.T) {
	for _, tc := range []struct {
		name    string
		form    url.Values
		want    map[string]bool // nil: no decision yet
		outcome exchange.Phase
		audit   string
	}{
		{"both", url.Values{"action": {"decide"}, "document-" + d1: {"approve"}, "document-" + d2: {"approve"}}, map[string]bool{d1: true, d2: true}, exchange.Delivered, "preview.shown"},
		{"one of two", url.Values{"action": {"decide"}, "document-" + d1: {"approve"}, "document-" + d2: {"decline"}}, map[string]bool{d1: true, d2: false}, exchange.Delivered, "preview.shown"},
		{"none, one by one", url.Values{"action": {"decide"}, "document-" + d1: {"decline"}, "document-" + d2: {"decline"}}, map[string]bool{d1: false, d2: false}, exchange.Declined, "preview.shown"},
		{"none, with one button and a reason", url.Values{"action": {"refuse-all"}, "document-" + d1: {"approve"}, "reason": {"outdated"}}, map[string]bool{d1: false, d2: false}, exchange.Declined, "preview.shown, decision.reasoned outdated"},
		{"none, with an invented reason", url.Values{"action": {"refuse-all"}, "reason": {"Ilze says no"}}, map[string]bool{d1: false, d2: false}, exchange.Declined, "preview.shown"},
		{"an answer is missing", url.Values{"action": {"decide"}, "document-" + d1: {"approve"}}, nil, "", "preview.shown, preview.shown"},
		{"no answer counts as none", url.Values{"action": {"decide"}}, nil, "", "preview.shown, preview.shown"},
		{"an unknown answer counts as none", url.Values{"action": {"decide"}, "document-" + d1: {"yes"}, "document-" + d2: {"approve"}}, nil, "", "preview.shown, preview.shown"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.docs = twoDocuments
			id, location := w.ask()
			w.askAgain(id, back1)
			b := w.browser()
			tc.form.Set("csrf", b.identify(location).csrf(t))
			page := b.post(location+"/decision", tc.form)
			decisions := w.messages(canon.KindConsentDecision)
			if tc.want == nil {
				page.want(t, http.StatusUnprocessableEntity, "A decision is missing", `role="alert"`)
				if len(decisions) != 0 {
					t.Error("a decision was recorded")
				}
			} else {
				page.want(t, 200, "Your decision is recorded")
				got := map[string]bool{}
				for _, d := range decisions[0].Body.(*canon.ConsentDecision).Decisions {
					got[d.Document] = d.Approved
				}
				if !maps.Equal(got, tc.want) {
					t.Errorf("decision: got %v, want %v", got, tc.want)
				}
			}
			if c := w.conversation(id); c.Outcome != tc.outcome {
				t.Errorf("outcome: got %s, want %s", c.Outcome, tc.outcome)
			}
			if got := w.steps(); got != tc.audit {
				t.Errorf("audit: got %q, want %q", got, tc.audit)
			}
		})
	}
}

// Covers: B-029
func TestDecidingTwiceIsDecidingOnce(t *testing.T) {
	w := newWorld(t)
	id, location := w.ask()
	w.askAgain(id, back1)
	b := w.browser()
	csrf := b.identify(location).csrf(t)
	b.post(location+"/decision", url.Values{"csrf": {csrf}, "action": {"refuse-all"}}).want(t, 200, "is not sent")
	b.post(location+"/decision", url.Values{"csrf": {csrf}, "action": {"decide"}, "document-" + d1: {"approve"}}).want(t, 200, "is not sent")
	b.get(location).want(t, 200, "is not sent") // the back button
	if n := len(w.messages(canon.KindConsentDecision)); n != 1 {
		t.Errorf("%d decisions were published, want 1", n)
	}
}

// Covers: B-024, B-032
func TestAForwardedLinkShowsNothing(t *testing.T) {
	w := newWorld(t)
	id, location := w.ask()
	w.askAgain(id, back1)
	owner := w.browser()
	csrf := owner.identify(location).want(t, 200, "Fiktiva").csrf(t)
	stranger := w.browser()
	secrets := []string{"university", "Birth certificate", "Fiktiva", "Ilze", "T2", "portal.example.at", d1}
	stranger.get(location).want(t, 200, "Identify yourself").wantNot(t, secrets...)
	stranger.get(location+"/done").want(t, 200, "Identify yourself").wantNot(t, secrets...)
	stranger.get(location+"/document/"+d1).want(t, 200, "Identify yourself").wantNot(t, secrets...)
	stranger.post(location+"/decision", url.Values{"csrf": {csrf}, "action": {"decide"}, "document-" + d1: {"approve"}}).want(t, 200, "Identify yourself").wantNot(t, secrets...)
	if n := len(w.messages(canon.KindConsentDecision)); n != 0 {
		t.Error("a stranger decided")
	}
	// Nor to another person who identifies, while the owner goes on undisturbed.
	w.eid.is("LV/AT/0002", "Fiktivs", "Jānis", "1980-01-01")
	stranger.identify(location).want(t, http.StatusForbidden, "This preview is for another person").wantNot(t, secrets...)
	stranger.get(location).want(t, 200, "Identify yourself").wantNot(t, secrets...)
	owner.get(location).want(t, 200, "Fiktiva")
}

// Covers: B-024
func TestAnotherPersonIsRefusedAndRecorded(t *testing.T) {
	for _, tc := range []struct{ name, identifier, family, given, born string }{
		{"another identifier", "LV/AT/0002", "Fiktiva", "Ilze", "1999-04-01"},
		{"another name", "LV/AT/0001", "Fiktivs", "Ilze", "1999-04-01"},
		{"another birthday", "LV/AT/0001", "Fiktiva", "Ilze", "1999-04-02"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			id, location := w.ask()
			w.eid.is(tc.identifier, tc.family, tc.given, tc.born)
			b := w.browser()
			b.identify(location).want(t, http.StatusForbidden, "This preview is for another person")
			if n := len(w.messages(canon.KindRegisterQuery)); n != 0 {
				t.Error("the register was asked")
			}
			recorded := slices.ContainsFunc(w.messages(canon.KindAudit), func(m canon.Message) bool {
				return m.Body.(*canon.AuditEvent).Code == canon.CodePersonMismatch
			})
			if !recorded {
				t.Error("the refusal is not recorded")
			}
			// The right person can still come.
			w.eid.is("LV/AT/0001", "Fiktiva", "Ilze", "1999-04-01")
			b.identify(location).want(t, 200, "Send nothing")
			if c := w.conversation(id); c.Phase != exchange.Held {
				t.Errorf("phase: got %s, want held", c.Phase)
			}
		})
	}
}

func TestAFormOfAnotherPlaceIsRefused(t *testing.T) {
	w := newWorld(t)
	id, location := w.ask()
	w.askAgain(id, back1)
	b := w.browser()
	page := b.identify(location)
	approve := url.Values{"action": {"decide"}, "document-" + d1: {"approve"}}
	b.post(location+"/decision", approve).want(t, http.StatusForbidden)
	approve.Set("csrf", "x")
	b.post(location+"/decision", approve).want(t, http.StatusForbidden)
	approve.Set("csrf", page.csrf(t))
	for _, other := range []string{"/decision", "/identify"} { // but the entrance, which changes nothing
		b.from("https://evil.example", location+other, approve).want(t, http.StatusForbidden)
	}
	b.from("https://evil.example", location[:len(location)-2], nil).want(t, http.StatusNotFound)
	b.post(location+"/decision", url.Values{"csrf": {strings.Repeat("x", maxForm)}}).want(t, http.StatusBadRequest)
	if n := len(w.messages(canon.KindConsentDecision)); n != 0 {
		t.Error("a decision was recorded")
	}
}

// Covers: B-029
func TestTheTimeIsOver(t *testing.T) {
	t.Run("before the visit", func(t *testing.T) {
		w := newWorld(t)
		_, location := w.ask()
		w.pass(17 * time.Minute)
		b := w.browser()
		b.get(location).want(t, http.StatusGone, "The time has passed").wantNot(t, "university")
		b.post(location+"/identify", nil).want(t, http.StatusGone)
	})
	t.Run("before the decision", func(t *testing.T) {
		w := newWorld(t, func(c *PreviewConfig) { c.SessionTerm = 2 * time.Hour })
		id, location := w.ask()
		w.askAgain(id, back1)
		b := w.browser()
		csrf := b.identify(location).csrf(t)
		w.pass(41 * time.Minute)
		b.post(location+"/decision", url.Values{"csrf": {csrf}, "action": {"refuse-all"}}).want(t, http.StatusGone, "The time has passed", "Go back to portal.example.at")
		b.get(location+"/document/"+d1).want(t, http.StatusConflict)
		if n := len(w.messages(canon.KindConsentDecision)); n != 0 {
			t.Error("a late decision was recorded")
		}
	})
	t.Run("of the session", func(t *testing.T) {
		w := newWorld(t, func(c *PreviewConfig) { c.SessionTerm = time.Minute })
		id, location := w.ask()
		w.askAgain(id, back1)
		b := w.browser()
		b.identify(location).want(t, 200, "Fiktiva")
		w.pass(2 * time.Minute)
		b.get(location).want(t, 200, "Identify yourself").wantNot(t, "Fiktiva")
	})
}

func TestWaitingForTheRegister(t *testing.T) {
	w := newWorld(t)
	w.late = true
	id, location := w.ask()
	w.askAgain(id, back1)
	b := w.browser()
	page := b.identify(location).want(t, 200, "The register is being asked")
	if got := page.Header.Get("Refresh"); !strings.HasPrefix(got, "2; url=/preview/") {
		t.Errorf("Refresh: got %q", got)
	}
	if got := b.get(location+"?stay=1").want(t, 200, "Look again now").Header.Get("Refresh"); got != "" {
		t.Errorf("a page that was told to stay looks again: %q", got)
	}
	m := w.messages(canon.KindRegisterQuery)[0]
	fatal(t, w.answer(t.Context(), m, m.Body.(*canon.RegisterQuery)))
	b.get(location).want(t, 200, "Send nothing")
}

func TestNoEvidence(t *testing.T) {
	w := newWorld(t)
	w.found = canon.RecordNotFound
	id, location := w.ask()
	w.askAgain(id, back1)
	w.browser().identify(location).want(t, 200, "No evidence was found", "Go back to portal.example.at")
}

func TestTheRequesterHasNotSaidWhereToReturn(t *testing.T) {
	w := newWorld(t)
	id, location := w.ask()
	b := w.browser()
	csrf := b.identify(location).csrf(t)
	done := b.post(location+"/decision", url.Values{"csrf": {csrf}, "action": {"refuse-all"}}).want(t, 200, "has not yet told where you go on")
	if !strings.HasPrefix(done.Header.Get("Refresh"), "3; url=/preview/") {
		t.Errorf("Refresh: got %q", done.Header.Get("Refresh"))
	}
	w.askAgain(id, back1)
	b.get(location+"/done").want(t, 200, "Go back to portal.example.at")
}

// TestTheWayBackOutlivesTheExchange: request 2 arrives after the login, and the
// exchange ends and is forgotten before the person's page looks again.
func TestTheWayBackOutlivesTheExchange(t *testing.T) {
	w := newWorld(t)
	w.found = canon.RecordNotFound
	id, location := w.ask()
	b := w.browser()
	b.identify(location).want(t, 200, "No evidence was found").wantNot(t, "Go back to")
	w.askAgain(id, back1)
	w.receipt(id)
	w.set(id, func(c *exchange.Conversation) { c.Private = canon.Sealed[exchange.Private]{} })
	b.get(location).want(t, 200, "Go back to portal.example.at")
}

func TestOnlyAnHTTPSReturnLocationIsALink(t *testing.T) {
	for _, bad := range []string{"javascript:alert(1)", "http://portal.example.at/", "data:text/html,x", "//evil.example/", "https://user@evil.example/", "https:///x", "\x00", "https://portal.example.at/\r\nX: y"} {
		w := newWorld(t)
		id, location := w.ask()
		w.askAgain(id, back1)
		b := w.browser()
		b.identify(location).want(t, 200)
		w.set(id, func(c *exchange.Conversation) { c.Back = w.tickets.SealBack(id, bad) })
		w.set(id, func(c *exchange.Conversation) { c.Phase, c.Outcome = exchange.Answered, exchange.Delivered })
		page := b.get(location+"/done").want(t, 200).wantNot(t, "javascript:", "evil.example", "data:text", `rel="noreferrer"`)
		if !strings.HasPrefix(page.Header.Get("Refresh"), "3; url=/preview/") || page.Header.Get("X") != "" {
			t.Errorf("%q: Refresh %q", bad, page.Header.Get("Refresh"))
		}
	}
}

func TestWhatOthersWroteIsShownAsText(t *testing.T) {
	const evil = `</dd><script>alert(1)</script><img src=x onerror=alert(1)>`
	w := newWorld(t)
	data, err := json.Marshal(map[string]any{"name": evil, evil: "x", "list": []any{evil, map[string]any{"a": "\u202eevil\u0007"}}})
	fatal(t, err)
	w.record = string(data)
	w.docs = func(w *world, id canon.ConversationID) []canon.Document {
		d := oneDocument(w, id)
		d[0].Titles = []canon.Text{{Lang: "EN", Text: evil}}
		d[0].Issuer.Names[0].Text = evil
		d[0].Payload = w.put(id, "text/html; charset=utf-8", evil)
		return d
	}
	_, location := w.ask(func(r *canon.EvidenceRequest) {
		r.Requester.Names = []canon.Text{{Lang: "EN", Text: evil}}
		r.Requirements[0].Names[0].Text = evil
		r.EvidenceType.Titles[0].Text = evil
		r.EvidenceType.Distributions = []canon.Distribution{{Format: "text/html"}}
	})
	b := w.browser()
	b.identify(location).want(t, 200, "&lt;script&gt;").wantNot(t, "<script", "<img", "\u202e", "\u0007")
	file := b.get(location+"/document/"+d1).want(t, 200)
	if !strings.HasPrefix(file.Header.Get("Content-Disposition"), "attachment") || !strings.Contains(file.Header.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("an HTML document is not kept apart: %v", file.Header)
	}
}

// Covers: B-027
func TestNothingIsShownThatIsNotRecorded(t *testing.T) {
	w := newWorld(t)
	id, location := w.ask()
	w.askAgain(id, back1)
	b := w.browser()
	csrf := b.identify(location).csrf(t)
	w.down = true
	b.get(location).want(t, http.StatusServiceUnavailable, "try again").wantNot(t, "Fiktiva")
	b.get(location+"/document/"+d1).want(t, http.StatusServiceUnavailable).wantNot(t, "birth>")
	b.post(location+"/decision", url.Values{"csrf": {csrf}, "action": {"refuse-all"}}).want(t, http.StatusServiceUnavailable)
	w.down = false
	b.post(location+"/decision", url.Values{"csrf": {csrf}, "action": {"refuse-all"}}).want(t, 200, "is not sent")
}

func TestTheStoreOfSessionsDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	_, location := w.ask()
	b := w.browser()
	csrf := b.identify(location).csrf(t)
	w.sessions.down = true
	for _, p := range []string{"", "/done", "/document/" + d1} {
		b.get(location+p).want(t, http.StatusServiceUnavailable, "try again")
	}
	b.post(location+"/decision", url.Values{"csrf": {csrf}, "action": {"refuse-all"}}).want(t, http.StatusServiceUnavailable)
	w.sessions.down = false
	b.get(location).want(t, 200, "Send nothing")
}

func TestForgottenEvidence(t *testing.T) {
	w := newWorld(t)
	id, location := w.ask()
	b := w.browser()
	b.identify(location)
	fatal(t, w.keyring.Forget(t.Context(), id))
	b.get(location).want(t, http.StatusNotFound).wantNot(t, "Fiktiva")
}

func TestAnAddressThatIsNone(t *testing.T) {
	w := newWorld(t)
	id, location := w.ask()
	b := w.browser()
	token := location[strings.LastIndex(location, "/")+1:]
	other := w.tickets.Token(id, "urn:uuid:"+canon.RequestID(canon.DeriveUUID("other")))
	for _, p := range []string{"/preview/x", "/preview/" + other, "/preview/" + token + "A", "/preview/" + token[:len(token)-1], "/", "/preview/" + token + "/x", "/preview/" + other + "/done", "/preview/" + other + "/not-you", "/preview/" + other + "/login-failed"} {
		b.get(p).want(t, http.StatusNotFound, "There is no such page")
	}
	w.set(id, func(c *exchange.Conversation) { c.Role = exchange.Requester })
	b.get(location).want(t, http.StatusNotFound)
}

func TestPreviewConfigurationReportsAllFaults(t *testing.T) {
	_, err := NewPreview(PreviewConfig{BaseURL: "http://x", PrivacyURL: "javascript:x", EID: EID{Issuer: "http://eid.example", Scopes: []string{"profile"}, FormOrigins: []string{"x"}}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"Site", "Tickets", "Sessions", "Conversations", "Payloads", "Publish", "BaseURL", "link", "Name and ClientID", "issuer", "without openid", "form origin"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %q: %v", want, err)
		}
	}
}
