package web

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/gateway/preview"
)

// The __Host- prefix binds the cookie to this host, https and no domain
// (RFC 6265bis 4.1.3.2). Lax, because the person comes back from the eID.
const sessionCookie = "__Host-oncegate-preview"

// loginTerm is how long a person may be away at the eID.
const loginTerm = 10 * time.Minute

func (p *Preview) session(r *http.Request) (id string, s preview.Session, ok bool) {
	k, err := r.Cookie(sessionCookie)
	if err != nil || len(k.Value) > 128 {
		return "", s, false
	}
	s, err = p.cfg.Sessions.Get(r.Context(), k.Value)
	if err != nil || !p.cfg.Now().Before(s.Expires) {
		return "", s, false
	}
	return k.Value, s, true
}

// person returns the session of the conversation's person in this browser: a
// login that succeeded and matched, for this conversation and no other.
func (p *Preview) person(r *http.Request, c *exchange.Conversation) (id string, s preview.Session, ok bool) {
	id, s, ok = p.session(r)
	return id, s, ok && s.Authenticated && s.Conversation == c.ID
}

// begin replaces whatever session the browser has: an id that was known before
// the login is worth nothing after it.
func (p *Preview) begin(w http.ResponseWriter, r *http.Request, s preview.Session) error {
	if id, _, ok := p.session(r); ok {
		if err := p.cfg.Sessions.Delete(r.Context(), id); err != nil {
			return fmt.Errorf("ending the old session: %w", err)
		}
	}
	id, err := p.cfg.Sessions.Create(r.Context(), s)
	if err != nil {
		return fmt.Errorf("beginning a session: %w", err)
	}
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: id, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	return nil
}

func (p *Preview) end(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	if id, _, ok := p.session(r); ok {
		if err := p.cfg.Sessions.Delete(r.Context(), id); err != nil {
			return fmt.Errorf("ending the session: %w", err)
		}
	}
	return nil
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
