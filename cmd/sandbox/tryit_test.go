package sandbox

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/register"
	"oncegate/connectors/registers"
)

func tryPageOf(t *testing.T) (*tryit, http.Handler) {
	t.Helper()
	builtIn, err := register.Load(registers.FS)
	if err != nil {
		t.Fatal(err)
	}
	finnish, err := register.Load(finnishRegisters())
	if err != nil {
		t.Fatal(err)
	}
	p, err := newTryit(func() time.Time { return time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC) }, builtIn, finnish)
	if err != nil {
		t.Fatal(err)
	}
	return p, p.handler()
}

func send(t *testing.T, h http.Handler, form url.Values) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("the policy is %q", csp)
	}
	return w.Code, w.Body.String()
}

var textarea = regexp.MustCompile(`(?s)<textarea id="(\w+)"[^>]*>\n(.*?)</textarea>`)

// fields are the texts of the page's fields, as a browser sends them.
func fields(page string) url.Values {
	out := url.Values{}
	for _, m := range textarea.FindAllStringSubmatch(page, -1) {
		out.Set(m[1], strings.ReplaceAll(html.UnescapeString(m[2]), "\n", "\r\n"))
	}
	return out
}

func TestEveryRegisterCanBeTriedOnThePage(t *testing.T) {
	p, h := tryPageOf(t)
	for name := range p.defs {
		t.Run(name, func(t *testing.T) {
			code, page := send(t, h, url.Values{"register": {name}, "do": {"fill"}})
			form := fields(page)
			if code != http.StatusOK || form.Get("rules") == "" || form.Get("input") == "" {
				t.Fatalf("filling in: status %d, rules %d and input %d bytes", code, len(form.Get("rules")), len(form.Get("input")))
			}
			form.Set("register", name)
			code, page = send(t, h, form)
			if code != http.StatusOK || !strings.Contains(page, "Outcome: found") {
				t.Fatalf("status %d\n%s", code, page)
			}
			for _, want := range []string{"Which element fed which field", `id="h-record"`, `id="h-evidence"`} {
				if !strings.Contains(page, want) {
					t.Errorf("the page has no %q", want)
				}
			}
		})
	}
}

func TestThePageShowsWhatIsWrong(t *testing.T) {
	p, h := tryPageOf(t)
	births := p.texts["births"]
	value := "apiVersion: oncegate/v1\nkind: Mapping\nname: x\ndirection: xml-to-value\nprefixes: {q: 'urn:q'}\nrules:\n  - {to: a, from: r/b}\n"
	for name, c := range map[string]struct {
		form   url.Values
		status int
		want   []string
	}{
		"nothing":              {url.Values{}, 200, []string{"Choose a register, or paste rules."}},
		"unknown register":     {url.Values{"register": {"../etc"}}, 200, []string{"Try a mapping"}},
		"a fault has a caret":  {url.Values{"rules": {strings.Replace(births, "date(b:Registered", "dat(b:Registered", 1)}}, 200, []string{"The rules have faults", "register.yaml:87:", "^"}},
		"pasted, no reply":     {url.Values{"rules": {births}}, 200, []string{"there is no reply"}},
		"not well-formed":      {url.Values{"rules": {births}, "input": {"<a>"}}, 200, []string{"Outcome: invalid"}},
		"no JSON":              {url.Values{"rules": {births}, "input": {"<a/>"}, "query": {"{"}}, 200, []string{"The query is no JSON"}},
		"a mapping":            {url.Values{"rules": {value}, "input": {"<r><b>1</b></r>"}}, 200, []string{"Done: xml-to-value", "&#34;a&#34;: &#34;1&#34;", "unused-prefix"}},
		"markup stays text":    {url.Values{"rules": {value}, "input": {"<r><b>&lt;script>alert(1)&lt;/script></b></r>"}}, 200, []string{"&lt;script&gt;"}},
		"declared as Latin":    {url.Values{"rules": {value}, "input": {`<?xml version="1.0" encoding="ISO-8859-1"?><r><b>Ö</b></r>`}}, 200, []string{"Ö&#34;"}},
		"wrong input":          {url.Values{"rules": {strings.ReplaceAll(strings.ReplaceAll(value, "xml-to-value", "value-to-value"), "prefixes: {q: 'urn:q'}\n", "")}, "input": {"<r/>"}}, 200, []string{"The input cannot be read"}},
		"too much":             {url.Values{"rules": {value}, "input": {strings.Repeat("x", maxTryInput+1)}}, 413, []string{"too much"}},
		"much too much":        {url.Values{"input": {strings.Repeat("x", maxTryForm+1)}}, 413, []string{"too much"}},
		"no text":              {url.Values{"rules": {value}, "input": {"\xff"}}, 400, []string{"no text"}},
		"unknown code":         {url.Values{"rules": {strings.Replace(births, "{to: sex, from: c:Sex, lookup: sex, unmapped: fail}", "{to: sex, from: c:Sex, lookup: sex, unmapped: omit}", 1)}, "input": {strings.Replace(p.fill("births").Input, "<ns3:Sex>2", "<ns3:Sex>7", 1)}}, 200, []string{"Codes that no list knows"}},
		"an answer is nothing": {url.Values{"register": {"births"}, "input": {`<x/>`}}, 200, []string{"Outcome: invalid"}},
	} {
		t.Run(name, func(t *testing.T) {
			status, page := send(t, h, c.form)
			if status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			for _, want := range c.want {
				if !strings.Contains(page, want) {
					t.Errorf("the page has no %q\n%s", want, page)
				}
			}
			if strings.Contains(page, "<script") {
				t.Error("the page has a script")
			}
		})
	}
}

// What another site makes a browser send is refused.
func TestThePageIsForItsOwnForms(t *testing.T) {
	_, h := tryPageOf(t)
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader("register=births"))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusForbidden {
		t.Errorf("status %d, want 403", w.Code)
	}
	r = httptest.NewRequestWithContext(t.Context(), "GET", "/?register=births", nil)
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusOK || fields(w.Body.String()).Get("rules") == "" {
		t.Errorf("status %d; a register can be named in the address", w.Code)
	}
}
