package web

import (
	"errors"
	"fmt"
	"net/http"

	"oncegate/gateway/exchange"
	"oncegate/gateway/preview"
	"oncegate/schemas/canon"
)

// identify sends the browser to the eID.
func (p *Preview) identify(w http.ResponseWriter, r *http.Request) error {
	c, err := p.ticket(r)
	if err != nil {
		return err
	}
	if c.Phase.Final() || p.late(c) {
		return p.closed(w, r, c, "")
	}
	var l preview.Login
	for _, v := range []*string{&l.State, &l.Nonce, &l.Verifier} {
		if *v, err = p.secret(); err != nil {
			return err
		}
	}
	lang, _ := p.words.choose(r)
	location, err := p.eid.loginURL(r.Context(), l, lang.Code)
	if err != nil {
		return err
	}
	now := p.cfg.Now().UTC()
	err = p.begin(w, r, preview.Session{
		Conversation: c.ID, Login: l, Language: lang.Code, ReturnLocation: p.brought(r, c, r.PostFormValue(returnField)),
		CreatedAt: now, Expires: now.Add(loginTerm),
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, location, http.StatusSeeOther)
	return nil
}

// callback takes the person back from the eID. It is a GET with effects because
// OpenID Connect has it so; state and PKCE bind it to the browser that left.
func (p *Preview) callback(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	id, s, ok, err := p.session(r)
	if err != nil {
		return err
	}
	used := ok && s.Login == preview.Login{}
	if !ok || !used && !same(s.Login.State, q.Get("state")) {
		return canon.NewFault(canon.CodeUnauthenticated, errors.New("the login came back without its session or state"), "the login could not be checked")
	}
	c, err := p.cfg.Conversations.Get(r.Context(), s.Conversation)
	if errors.Is(err, exchange.ErrUnknown) {
		return errNoTicket
	}
	if err != nil {
		return err
	}
	if used { // the page is loaded again, perhaps because our answer was lost
		http.Redirect(w, r, p.address(c), http.StatusSeeOther)
		return nil
	}
	// The login is used up, however it ends. What stays of its session is nobody's:
	// it leads a browser that did not get our answer to the beginning.
	login := s.Login
	s.Login = preview.Login{}
	if err := p.cfg.Sessions.Put(r.Context(), id, s); err != nil {
		return fmt.Errorf("using up a login: %w", err)
	}
	private, ok := c.Private.Get()
	if c.Phase.Final() || p.late(c) || !ok {
		http.Redirect(w, r, p.address(c), http.StatusSeeOther)
		return nil
	}
	if q.Get("error") != "" {
		http.Redirect(w, r, p.address(c, "login-failed"), http.StatusSeeOther)
		return nil
	}
	who, err := p.eid.subject(r.Context(), q.Get("code"), login, private)
	if f := canon.AsFault(err); f != nil {
		if f.Code != canon.CodeUnauthenticated {
			return err
		}
		p.cfg.Log.Warn("refusing a login", "conversation", c.ID, "code", f.Code, "error", f.Err)
		http.Redirect(w, r, p.address(c, "login-failed"), http.StatusSeeOther)
		return nil
	}
	// The core compares too and records; a second visitor must not see what the
	// first one opened, so the page compares for itself (TDD 4.9).
	match := private.Admits(who)
	var opened canon.MessageID
	if !match || c.Phase == exchange.PreviewOffered {
		opened, err = p.publish(r.Context(), c.ID, "opened:"+login.State, &canon.PreviewOpened{
			Exchange: c.Exchange, Private: canon.Clear(canon.OpenedPrivate{Subject: who, ReturnLocation: s.ReturnLocation}),
		})
		if err != nil {
			return err
		}
	}
	if !match {
		http.Redirect(w, r, p.address(c, "not-you"), http.StatusSeeOther)
		return nil
	}
	csrf, err := p.secret()
	if err != nil {
		return err
	}
	now := p.cfg.Now().UTC()
	err = p.create(w, r, preview.Session{
		Conversation: c.ID, CSRF: csrf, Authenticated: true, Subject: who, Opened: opened, Language: s.Language,
		CreatedAt: now, Expires: now.Add(p.cfg.SessionTerm),
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, p.address(c), http.StatusSeeOther)
	return nil
}

func (p *Preview) loginFailed(w http.ResponseWriter, r *http.Request) error {
	c, err := p.ticket(r)
	if err != nil {
		return err
	}
	return p.message(w, r, http.StatusUnauthorized, messagePage{
		Heading: "login-failed.title", Lines: []string{"login-failed.text"}, Link: p.address(c), LinkText: "login-failed.again", self: p.address(c, "login-failed"),
	})
}

// notYou says no more than that: not who is meant, and not what is asked.
func (p *Preview) notYou(w http.ResponseWriter, r *http.Request) error {
	c, err := p.ticket(r)
	if err != nil {
		return err
	}
	return p.message(w, r, http.StatusForbidden, messagePage{
		Heading: "not-you.title", Lines: []string{"not-you.text", "not-you.recorded"}, Link: p.address(c), LinkText: "not-you.again", self: p.address(c, "not-you"),
	})
}
