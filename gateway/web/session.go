package web

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/gateway/preview"
)

// The __Host- prefix binds the cookie to this host, https and no domain
// (RFC 6265bis 4.1.3.2). Lax, because the person comes back from the eID.
const sessionCookie = "__Host-oncegate-preview"

// loginTerm is how long a person may be away at the eID.
const loginTerm = 10 * time.Minute

// session returns the session of this browser. A store that does not answer is
// an error: nobody is sent away for it.
func (p *Preview) session(r *http.Request) (id string, s preview.Session, ok bool, err error) {
	k, err := r.Cookie(sessionCookie)
	if err != nil || len(k.Value) > 128 {
		return "", s, false, nil
	}
	s, err = p.cfg.Sessions.Get(r.Context(), k.Value)
	switch {
	case errors.Is(err, preview.ErrNoSession):
		return "", s, false, nil
	case err != nil:
		return "", s, false, fmt.Errorf("reading a session: %w", err)
	}
	return k.Value, s, p.cfg.Now().Before(s.Expires), nil
}

// person returns the session of the conversation's person in this browser: a
// login that succeeded and matched, for this conversation and no other.
func (p *Preview) person(r *http.Request, c *exchange.Conversation) (id string, s preview.Session, ok bool, err error) {
	id, s, ok, err = p.session(r)
	return id, s, ok && s.Authenticated && s.Conversation == c.ID, err
}

// toBeginning sends whoever is not the person to the first page.
func (p *Preview) toBeginning(w http.ResponseWriter, r *http.Request, c *exchange.Conversation, err error) error {
	if err == nil {
		http.Redirect(w, r, p.address(c), http.StatusSeeOther)
	}
	return err
}

// begin replaces whatever session the browser has: an id that was known before
// the login is worth nothing after it.
func (p *Preview) begin(w http.ResponseWriter, r *http.Request, s preview.Session) error {
	if err := p.end(w, r); err != nil {
		return err
	}
	return p.create(w, r, s)
}

// create gives the browser a session with an id of its own.
func (p *Preview) create(w http.ResponseWriter, r *http.Request, s preview.Session) error {
	id, err := p.cfg.Sessions.Create(r.Context(), s)
	if err != nil {
		return fmt.Errorf("beginning a session: %w", err)
	}
	setSession(w, id, 0)
	return nil
}

// end forgets the session of this browser, in the store and in the browser.
func (p *Preview) end(w http.ResponseWriter, r *http.Request) error {
	if k, err := r.Cookie(sessionCookie); err == nil && len(k.Value) <= 128 {
		if err := p.cfg.Sessions.Delete(r.Context(), k.Value); err != nil {
			return fmt.Errorf("ending a session: %w", err)
		}
	}
	setSession(w, "", -1)
	return nil
}

// setSession writes the cookie in place of one that this answer already had.
func setSession(w http.ResponseWriter, id string, maxAge int) {
	c := http.Cookie{Name: sessionCookie, Value: id, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	h := w.Header()
	h["Set-Cookie"] = slices.DeleteFunc(h["Set-Cookie"], func(s string) bool { return strings.HasPrefix(s, sessionCookie+"=") })
	http.SetCookie(w, &c)
}

// secret returns 256 random bits in base64url.
func (p *Preview) secret() (string, error) {
	var b [32]byte
	if _, err := io.ReadFull(p.cfg.Rand, b[:]); err != nil {
		return "", fmt.Errorf("reading randomness: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

func same(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
