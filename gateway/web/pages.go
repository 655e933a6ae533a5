package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

func (p *Preview) frame(r *http.Request, titleKey, self string) frame {
	l, _ := p.words.choose(r)
	f := frame{
		Lang: l.Code, Title: l.text(titleKey), Site: p.cfg.Site, Style: p.prefix + "/static/oncegate.css?v=" + p.pages.style,
		Self: self, Privacy: p.cfg.PrivacyURL, Support: p.cfg.SupportURL, language: l,
	}
	if self != "" {
		sep := "?"
		if strings.Contains(self, sep) {
			sep = "&"
		}
		for _, o := range p.words.languages {
			f.Languages = append(f.Languages, languageLink{Code: o.Code, Name: o.text("language.name"), Href: self + sep + "lang=" + o.Code, Current: o.Code == l.Code})
		}
	}
	return f
}

// A messagePage says one thing and at most one way on.
type messagePage struct {
	frame
	Heading  string   // key
	Lines    []string // keys
	Link     string
	LinkText string // key
	Back     string // return location
	BackHost string
	Stay     string // address of this page without the timer
	self     string
}

func (p *Preview) message(w http.ResponseWriter, r *http.Request, status int, m messagePage) error {
	m.frame = p.frame(r, m.Heading, m.self)
	m.BackHost = hostOf(m.Back)
	return p.pages.write(w, status, "message", m.Lang, m)
}

func hostOf(location string) string {
	_, rest, _ := strings.Cut(location, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	return host
}

type introPage struct {
	frame
	EID    string
	Action string
	Return string // up to EDM 1.2
}

// intro is all that someone without a session sees. It tells how to identify
// (B-068) and nothing of the request: a forwarded link shows nothing.
func (p *Preview) intro(w http.ResponseWriter, r *http.Request, c *exchange.Conversation) error {
	targets, err := p.eid.formTargets(r.Context())
	if err != nil {
		return err
	}
	secure(w, r, targets)
	back := p.brought(r, c, r.URL.Query().Get(returnField))
	self := p.entrance(c, back) // another language is the same visit
	page := introPage{frame: p.frame(r, "intro.title", self), EID: p.cfg.EID.Name, Action: p.address(c, "identify"), Return: back}
	return p.pages.write(w, http.StatusOK, "intro", page.Lang, page)
}

// waiting looks again by itself, unless the reader stopped it (WCAG 2.2.1).
func (p *Preview) waiting(w http.ResponseWriter, r *http.Request, c *exchange.Conversation, key string) error {
	self := p.address(c)
	if strings.HasSuffix(r.URL.Path, "/done") {
		self = p.address(c, "done")
	}
	m := messagePage{Heading: key + ".title", Lines: []string{key + ".text"}, Link: self, LinkText: "waiting.again", self: self}
	if r.URL.Query().Get("stay") == "" {
		w.Header().Set("Refresh", "2; url="+self)
		m.Stay = self + "?stay=1"
	}
	return p.message(w, r, http.StatusOK, m)
}

// closed is the end of a preview without a decision.
func (p *Preview) closed(w http.ResponseWriter, r *http.Request, c *exchange.Conversation, back string) error {
	key := "closed"
	if p.late(c) {
		key = "expired"
	}
	return p.message(w, r, http.StatusGone, messagePage{
		Heading: key + ".title", Lines: []string{key + ".text", "nothing-sent"}, Back: back, self: p.address(c),
	})
}

// fail turns a fault into a page. One table serves every page.
func (p *Preview) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := canon.AsFault(err)
	a, ok := faultPages[f.Kind]
	if !ok {
		a = faultPages[canon.Internal]
	}
	if f.Code == canon.CodeTicketInvalid {
		a = faultPages[canon.NotFound]
	}
	if a.status >= 500 {
		p.cfg.Log.Error("answering with a failure", "code", f.Code, "error", err)
	} else if cause := errors.Unwrap(f); cause != nil {
		p.cfg.Log.Warn("refusing a request", "code", f.Code, "error", cause)
	}
	if a.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	if err := p.message(w, r, a.status, messagePage{Heading: a.key + ".title", Lines: []string{a.key + ".text"}}); err != nil {
		http.Error(w, http.StatusText(a.status), a.status)
	}
}

type faultPage struct {
	status int
	key    string
}

var faultPages = map[canon.FaultKind]faultPage{
	canon.Invalid:     {http.StatusBadRequest, "error.invalid"},
	canon.Denied:      {http.StatusForbidden, "error.denied"},
	canon.NotFound:    {http.StatusNotFound, "error.not-found"},
	canon.Conflict:    {http.StatusConflict, "error.conflict"},
	canon.Unavailable: {http.StatusServiceUnavailable, "error.unavailable"},
	canon.Internal:    {http.StatusInternalServerError, "error.internal"},
	canon.Expired:     {http.StatusGone, "expired"},
}

// A moment is a time as people read it; the time element holds the exact one.
type moment struct{ Machine, Human string }

func at(t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	t = t.UTC()
	return moment{t.Format(time.RFC3339), t.Format("2006-01-02 15:04") + " UTC"}
}
