package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// Up to EDM 1.2 the browser brings where the portal wants its person back (TDD 4.9):
// it survives another language, a login that failed, and a request 2 that says nothing
// of it. From 2.0 on what stands in a link leads nowhere. Where a portal sends a form
// instead of the link, it is all the same.
// Covers: B-055
func TestTheBrowserBringsTheWayBack(t *testing.T) {
	const hidden = `name="returnurl" value="https://portal.example.at/back/5aa8f1a4?x=1&amp;y=2"`
	link := "?returnurl=" + url.QueryEscape(back1) + "&returnmethod=GET"
	old := func(r *canon.EvidenceRequest) { r.Specification = "oots-edm:v1.2" }
	for _, tt := range []struct {
		name  string
		edit  func(*canon.EvidenceRequest)
		query string
		back  string
	}{
		{"1.2", old, link, back1},
		{"1.2, not https", old, "?returnurl=" + url.QueryEscape("http://portal.example.at/"), ""},
		{"1.2, a script", old, "?returnurl=" + url.QueryEscape("javascript:alert(1)"), ""},
		{"1.2, with a user", old, "?returnurl=" + url.QueryEscape("https://portal.example.at@evil.example/"), ""},
		{"1.2, too long", old, "?returnurl=" + url.QueryEscape("https://portal.example.at/"+strings.Repeat("a", maxLocation)), ""},
		{"2.0", func(*canon.EvidenceRequest) {}, link, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			id, location := w.ask(tt.edit)
			b := w.browser()
			page := b.get(location+tt.query).want(t, http.StatusOK, "eParaksts")
			fields, err := url.ParseQuery(strings.TrimPrefix(tt.query, "?"))
			fatal(t, err)
			if posted := w.browser().from("https://portal.example.at", location, fields).want(t, http.StatusOK); posted.body != page.body {
				t.Errorf("a form leads to another page than the link does:\n%s", posted.body)
			}
			form := url.Values{}
			if tt.back == "" {
				page.wantNot(t, "returnurl")
			} else {
				page.want(t, http.StatusOK, hidden, "&amp;lang=sl")
				b.get(location+tt.query+"&lang=sl").want(t, http.StatusOK, hidden)
				form.Set(returnField, tt.back)
				// The first login is not finished; the second does not bring it again.
				fail := func(code string) { w.eid.mu.Lock(); w.eid.fail = code; w.eid.mu.Unlock() }
				fail("access_denied")
				b.post(location+"/identify", form).want(t, http.StatusUnauthorized)
				b.get(location).want(t, http.StatusOK, hidden)
				fail("")
			}
			b.post(location+"/identify", nil).want(t, http.StatusOK)
			w.askAgain(id, "")
			c := w.conversation(id)
			if c.Phase != exchange.Held && tt.back != "" {
				t.Fatalf("phase %s %s", c.Phase, c.Detail)
			}
			if got := w.preview.back(c); got != tt.back {
				t.Errorf("way back %q, want %q", got, tt.back)
			}
		})
	}
}
