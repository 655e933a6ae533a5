package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"oncegate/schemas/canon"
)

// Covers: B-006, B-072
func TestALegalPerson(t *testing.T) {
	w := newWorld(t)
	w.record, w.docs = `{"company":{"name":"SIA Izdoma","legalForm":"SIA"}}`, nil
	_, location := w.ask(func(r *canon.EvidenceRequest) {
		r.Private = canon.Clear(canon.RequestPrivate{Subject: canon.Subject{Legal: &canon.LegalPerson{Assurance: "High", Identifier: "LV/AT/C1", Name: "SIA Izdoma"}}})
	})
	b := w.browser()
	b.identify(location).want(t, http.StatusUnauthorized, "You were not identified") // a natural person's claims
	w.eid.mu.Lock()
	w.eid.claims = map[string]any{"legal_person_identifier": "LV/AT/C1", "legal_name": "SIA Izdoma"}
	w.eid.mu.Unlock()
	b.identify(location).want(t, 200, "SIA Izdoma", "Legal form")
}

// Covers: B-024, B-072
func TestALoginThatCannotBeChecked(t *testing.T) {
	set := func(k string, v any) func(*eidServer) {
		return func(e *eidServer) { e.spoil = func(c map[string]any) { c[k] = v } }
	}
	for _, tc := range []struct {
		name  string
		spoil func(*eidServer)
	}{
		{"cancelled", func(e *eidServer) { e.fail = "access_denied" }},
		{"another nonce", set("nonce", "x")},
		{"another audience", set("aud", "someone-else")},
		{"another issuer", set("iss", "https://evil.example")},
		{"out of date", set("exp", start.Add(-time.Hour).Unix())},
		{"no birthday", set("birthdate", "")},
		{"no day", set("birthdate", "1999")},
		{"an identifier of no form", set("person_identifier", "x")},
		{"a name beyond bounds", set("family_name", strings.Repeat("x", 300))},
		{"too low a level", set("acr", "http://eidas.europa.eu/LoA/low")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, func(c *PreviewConfig) {
				if tc.name == "too low a level" {
					c.EID.ACRValues = []string{"http://eidas.europa.eu/LoA/high"}
				}
			})
			_, location := w.ask()
			tc.spoil(w.eid)
			b := w.browser()
			b.identify(location).want(t, http.StatusUnauthorized, "You were not identified")
			if n := len(w.messages(canon.KindPreviewOpened)); n != 0 {
				t.Error("a login that was not checked was published")
			}
			b.get(location).want(t, 200, "Identify yourself")
		})
	}
}

func TestTheMinimumDataSetMayComeFromUserinfo(t *testing.T) {
	w := newWorld(t)
	_, location := w.ask()
	w.eid.mu.Lock()
	w.eid.userinfo, w.eid.claims = w.eid.claims, nil
	w.eid.userinfo["sub"] = "1"
	w.eid.mu.Unlock()
	w.browser().identify(location).want(t, 200, "Send nothing")
	w.eid.mu.Lock()
	w.eid.userinfo["sub"] = "2" // of another person
	w.eid.mu.Unlock()
	w.browser().identify(location).want(t, http.StatusUnauthorized, "You were not identified")
}

func TestTheCallbackWantsItsOwnBrowser(t *testing.T) {
	w := newWorld(t)
	_, location := w.ask()
	b := w.browser()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	out := b.post(location+"/identify", nil).want(t, http.StatusSeeOther)
	eid := b.get(out.Header.Get("Location")).want(t, http.StatusFound)
	callback := eid.Header.Get("Location")
	w.browser().get(callback).want(t, http.StatusForbidden) // no session: login CSRF
	u, _ := url.Parse(callback)
	q := u.Query()
	q.Set("state", "x")
	b.get(u.Path+"?"+q.Encode()).want(t, http.StatusForbidden)
	b.get(u.Path).want(t, http.StatusForbidden)
	before := cookieOf(b, w.server.URL)
	b.get(callback).want(t, http.StatusSeeOther)
	if after := cookieOf(b, w.server.URL); after == before || after == "" {
		t.Error("the session id is the same after the login")
	}
	if to := b.get(callback).want(t, http.StatusSeeOther).Header.Get("Location"); to != u.Path[:strings.LastIndex(u.Path, "/")]+location[strings.LastIndex(location, "/"):] {
		t.Errorf("the callback asked for again leads to %s", to) // once
	}
	if n := len(w.messages(canon.KindPreviewOpened)); n != 1 {
		t.Errorf("%d openings, want 1", n)
	}
}

// TestTheAnswerToTheCallbackIsLost: the process died, or the network. The browser
// still has its old cookie and asks again.
func TestTheAnswerToTheCallbackIsLost(t *testing.T) {
	w := newWorld(t)
	_, location := w.ask()
	b := w.browser()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	out := b.post(location+"/identify", nil).want(t, http.StatusSeeOther)
	callback := b.get(out.Header.Get("Location")).want(t, http.StatusFound).Header.Get("Location")
	old := cookieOf(b, w.server.URL)
	for range 2 {
		b.get(callback).want(t, http.StatusSeeOther)
		u, _ := url.Parse(w.server.URL)
		b.client.Jar.SetCookies(u, []*http.Cookie{{Name: sessionCookie, Value: old, Path: "/", Secure: true}})
	}
	begin := b.get(callback).want(t, http.StatusSeeOther).Header.Get("Location")
	b.get(begin).want(t, http.StatusOK)
	if n := len(w.messages(canon.KindPreviewOpened)); n != 1 {
		t.Errorf("%d openings, want 1", n)
	}
	b.get(location+"/done").want(t, http.StatusSeeOther) // the old session is nobody's
	b.client.CheckRedirect = nil
	b.post(begin+"/identify", nil).want(t, http.StatusOK)
	if n := len(w.messages(canon.KindRegisterQuery)); n != 1 {
		t.Errorf("%d queries, want 1", n)
	}
}

func cookieOf(b *browser, base string) string {
	u, _ := url.Parse(base)
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == sessionCookie {
			return c.Value
		}
	}
	return ""
}

func TestTheEIDDoesNotAnswer(t *testing.T) {
	w := newWorld(t)
	_, location := w.ask()
	w.eid.server.Close()
	b := w.browser()
	b.get(location).want(t, http.StatusServiceUnavailable, "try again")
	b.post(location+"/identify", nil).want(t, http.StatusServiceUnavailable)
}

func TestAnEIDPrintsNoSecret(t *testing.T) {
	e := EID{Issuer: "https://eid.example", ClientSecret: "s3cret"}
	if s := fmt.Sprintf("%v %+v %#v %+v", e, e, e, PreviewConfig{EID: e}); strings.Contains(s, "s3cret") {
		t.Errorf("got %s", s)
	}
}

func TestCookiesAndStyle(t *testing.T) {
	w := newWorld(t)
	_, location := w.ask()
	b := w.browser()
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp := b.post(location+"/identify", nil).want(t, http.StatusSeeOther)
	c := resp.Header.Get("Set-Cookie")
	for _, want := range []string{"__Host-", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(c, want) {
			t.Errorf("cookie %q without %s", c, want)
		}
	}
	if strings.Contains(c, "Domain") {
		t.Errorf("cookie %q with a domain", c)
	}
	if u, _ := url.Parse(resp.Header.Get("Location")); u.Query().Get("code_challenge_method") != "S256" || u.Query().Get("nonce") == "" || u.Query().Get("ui_locales") != "en" {
		t.Errorf("login: %s", u)
	}
	if p := b.get("/preview/static/oncegate.css").want(t, 200, ":focus-visible"); !strings.HasPrefix(p.Header.Get("Content-Type"), "text/css") {
		t.Errorf("style: %v", p.Header)
	}
}
