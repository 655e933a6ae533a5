package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"oncegate/gateway/exchange"
	"oncegate/gateway/preview"
	"oncegate/schemas/canon"
)

// An EID says how people prove who they are: an OpenID Connect provider in
// front of the national means and the eIDAS node.
type EID struct {
	Name         string       // Required: the means as people know it, shown before the login (B-068).
	Issuer       string       // Required: https, or http on a loopback address.
	ClientID     string       // Required.
	ClientSecret string       // Default: a public client; PKCE is used always.
	Scopes       []string     // Default: openid profile.
	ACRValues    []string     // Default: any level. Otherwise asked for, and one of them required.
	Claims       Claims       // Default: see there.
	FormOrigins  []string     // Default: the provider's own. Further origins the login is passed on to.
	HTTPClient   *http.Client // Default: one with a timeout of 10 seconds.
}

// Format prints no secret, whatever the verb.
func (e EID) Format(f fmt.State, _ rune) { fmt.Fprint(f, "eID at "+e.Issuer) }

// LogValue prints no secret.
func (e EID) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(e)) }

// Claims names the claims of the ID token or the userinfo answer.
type Claims struct {
	PersonIdentifier string // Default: person_identifier. XX/YY/unique part.
	FamilyName       string // Default: family_name.
	GivenName        string // Default: given_name.
	BirthDate        string // Default: birthdate. YYYY-MM-DD.
	LegalIdentifier  string // Default: legal_person_identifier.
	LegalName        string // Default: legal_name.
}

type eid struct {
	cfg      EID
	redirect string
	now      func() time.Time

	mu       sync.Mutex
	provider *oidc.Provider // nil until its metadata was read
}

func newEID(cfg EID, redirect string, now func() time.Time) (*eid, error) {
	var errs []error
	if cfg.Name == "" || cfg.ClientID == "" {
		errs = append(errs, errors.New("EID: Name and ClientID are required"))
	}
	if u, err := url.Parse(cfg.Issuer); err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u)) {
		errs = append(errs, fmt.Errorf("EID: issuer %q: want https, or http on a loopback address", cfg.Issuer))
	}
	for _, o := range cfg.FormOrigins {
		if u, err := url.Parse(o); err != nil || u.Host == "" || u.Scheme+"://"+u.Host != o {
			errs = append(errs, fmt.Errorf("EID: form origin %q: want scheme://host[:port]", o))
		}
	}
	if len(cfg.Scopes) == 0 {
		cfg.Scopes = []string{oidc.ScopeOpenID, "profile"}
	}
	if !slices.Contains(cfg.Scopes, oidc.ScopeOpenID) {
		errs = append(errs, errors.New("EID: scopes without openid"))
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{Timeout: 10 * time.Second}
	}
	client := *cfg.HTTPClient
	client.Transport = limited{client.Transport}
	cfg.HTTPClient = &client
	for name, def := range map[*string]string{
		&cfg.Claims.PersonIdentifier: "person_identifier", &cfg.Claims.FamilyName: "family_name", &cfg.Claims.GivenName: "given_name",
		&cfg.Claims.BirthDate: "birthdate", &cfg.Claims.LegalIdentifier: "legal_person_identifier", &cfg.Claims.LegalName: "legal_name",
	} {
		if *name == "" {
			*name = def
		}
	}
	return &eid{cfg: cfg, redirect: redirect, now: now}, errors.Join(errs...)
}

// limited bounds what the eID may answer: its library reads to the end.
type limited struct{ next http.RoundTripper }

const maxAnswer = 1 << 20

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	next := l.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

func loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}

// metadata reads the provider's metadata once; a failure is tried again by the
// next person.
func (e *eid) metadata(ctx context.Context) (*oidc.Provider, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.provider != nil {
		return e.provider, nil
	}
	// The provider keeps the client for its keys; its requests end by its timeout.
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, e.cfg.HTTPClient), e.cfg.Issuer)
	if err != nil {
		return nil, canon.NewFault(canon.CodePeerUnreachable, fmt.Errorf("reading metadata of the eID: %w", err), "the eID does not answer")
	}
	e.provider = p
	return p, nil
}

func (e *eid) config(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: e.cfg.ClientID, ClientSecret: e.cfg.ClientSecret, Endpoint: p.Endpoint(), RedirectURL: e.redirect, Scopes: e.cfg.Scopes,
	}
}

// formTargets are the origins that the identify form may lead to: browsers hold
// redirects of a form against the page's policy (CSP3 form-action).
func (e *eid) formTargets(ctx context.Context) (string, error) {
	p, err := e.metadata(ctx)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(p.Endpoint().AuthURL)
	if err != nil {
		return "", fmt.Errorf("reading the address of the eID: %w", err)
	}
	out := " " + u.Scheme + "://" + u.Host
	for _, o := range e.cfg.FormOrigins {
		out += " " + o
	}
	return out, nil
}

// loginURL is where the browser goes to prove who its person is: code flow,
// state, nonce and PKCE (OpenID Connect Core 3.1.2, RFC 7636).
func (e *eid) loginURL(ctx context.Context, l preview.Login, lang string) (string, error) {
	p, err := e.metadata(ctx)
	if err != nil {
		return "", err
	}
	opts := []oauth2.AuthCodeOption{
		oidc.Nonce(l.Nonce), oauth2.S256ChallengeOption(l.Verifier), oauth2.SetAuthURLParam("ui_locales", lang),
	}
	if len(e.cfg.ACRValues) > 0 {
		opts = append(opts, oauth2.SetAuthURLParam("acr_values", strings.Join(e.cfg.ACRValues, " ")))
	}
	return e.config(p).AuthCodeURL(l.State, opts...), nil
}

// subject turns the code into the person that the eID means states. want says
// which of the two kinds of person is looked for.
func (e *eid) subject(ctx context.Context, code string, l preview.Login, private *exchange.Private) (canon.Subject, error) {
	denied := func(err error) (canon.Subject, error) {
		return canon.Subject{}, canon.NewFault(canon.CodeUnauthenticated, err, "the login could not be checked")
	}
	p, err := e.metadata(ctx)
	if err != nil {
		return canon.Subject{}, err
	}
	ctx = oidc.ClientContext(ctx, e.cfg.HTTPClient)
	token, err := e.config(p).Exchange(ctx, code, oauth2.VerifierOption(l.Verifier))
	if err != nil {
		return denied(withoutBody(err))
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: e.cfg.ClientID, Now: e.now}).Verify(ctx, raw)
	if err != nil {
		return denied(fmt.Errorf("checking the ID token: %w", err))
	}
	var claims struct {
		ACR string `json:"acr"`
	}
	all := map[string]any{}
	if err := errors.Join(id.Claims(&claims), id.Claims(&all)); err != nil {
		return denied(errors.New("reading the claims of the ID token"))
	}
	if !same(l.Nonce, id.Nonce) {
		return denied(errors.New("the ID token has another nonce"))
	}
	if len(e.cfg.ACRValues) > 0 && !slices.Contains(e.cfg.ACRValues, claims.ACR) {
		return denied(errors.New("the level of assurance is not one of those asked for"))
	}
	if _, ok := e.party(all, private); !ok && p.UserInfoEndpoint() != "" {
		info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return denied(withoutBody(err))
		}
		more := map[string]any{}
		if err := info.Claims(&more); err != nil || info.Subject != id.Subject { // OpenID Connect Core 5.3.2
			return denied(errors.New("the userinfo answer is of another person"))
		}
		for k, v := range more {
			if _, ok := all[k]; !ok {
				all[k] = v
			}
		}
	}
	s, ok := e.party(all, private)
	if !ok {
		return denied(errors.New("the eID states no minimum data set"))
	}
	return s, nil
}

// identifier is the form of an eIDAS person identifier.
var identifier = regexp.MustCompile(`^[A-Za-z]{2}/[A-Za-z]{2}/\S{1,250}$`)

// party takes out of the claims whoever of the request they are about: the person
// or company itself, or who acts for it. Where it is nobody of these, it is whom the
// claims are about at all.
func (e *eid) party(claims map[string]any, private *exchange.Private) (first canon.Subject, ok bool) {
	r := private.Representative
	for _, want := range []canon.Subject{private.Subject, {Natural: r.Natural}, {Legal: r.Legal}} {
		if want == (canon.Subject{}) {
			continue
		}
		who, readable := e.read(claims, want)
		if readable && private.Admits(who) {
			return who, true
		}
		if readable && !ok {
			first, ok = who, true
		}
	}
	return first, ok
}

// read takes the minimum data set out of the claims.
func (e *eid) read(claims map[string]any, want canon.Subject) (canon.Subject, bool) {
	get := func(name string) string {
		s, _ := claims[name].(string)
		return s
	}
	n := e.cfg.Claims
	if want.Legal != nil {
		l := canon.LegalPerson{Identifier: get(n.LegalIdentifier), Name: get(n.LegalName)}
		return canon.Subject{Legal: &l}, identifier.MatchString(l.Identifier) && l.Name != "" && len(l.Name) <= 512
	}
	p := canon.NaturalPerson{
		Identifier: get(n.PersonIdentifier), FamilyName: get(n.FamilyName), GivenName: get(n.GivenName), BirthDate: get(n.BirthDate),
	}
	_, err := time.Parse(time.DateOnly, p.BirthDate)
	return canon.Subject{Natural: &p}, err == nil && p.FamilyName != "" && p.GivenName != "" &&
		len(p.FamilyName) <= 256 && len(p.GivenName) <= 256 && (p.Identifier == "" || identifier.MatchString(p.Identifier))
}

// withoutBody keeps an answer of the token endpoint out of the log: it may hold
// tokens.
func withoutBody(err error) error {
	if re, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return fmt.Errorf("asking the eID: %d %s", re.Response.StatusCode, re.ErrorCode)
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("asking the eID: %w", err)
	}
	return errors.New("asking the eID: unusable answer")
}
