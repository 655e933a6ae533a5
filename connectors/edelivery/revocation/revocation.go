package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

// A Mode says what follows when nobody can tell whether a certificate was revoked. A
// certificate that was revoked is refused in both.
type Mode string

// The modes.
const (
	Off  Mode = "off"
	Soft Mode = "soft" // not knowing is logged and accepted
	Hard Mode = "hard" // not knowing is refused as our temporary fault: the peer tries again
)

// A Policy is that of one agreement.
type Policy struct {
	Mode Mode     // Required
	CRL  []string // files in PEM or DER, and https or http addresses
	OCSP OCSP
}

// OCSP says which responders are asked where no CRL covers a certificate.
type OCSP struct {
	URL   string   // the responder for every certificate. Default: the one that the certificate names
	Hosts []string // host or host:port of responders that a certificate may name. Default: none
	Nonce bool     // send a nonce and require it in the answer
}

// Config is that of a Store.
type Config struct {
	Read    func(name string) ([]byte, error) // Required for CRLs in files, up to 32 MiB
	Rand    io.Reader                         // Required for nonces
	Logger  *slog.Logger                      // Required
	Private bool                              // servers in private networks and on this host may be asked
	Timeout time.Duration                     // Default 10s. Of one request
	Refresh time.Duration                     // Default 1m. How long a verdict from CRLs holds until the files are looked at again
	Keep    time.Duration                     // Default 15m. How long an answer of OCSP holds at most
	Roots   *x509.CertPool                    // Default: the system's. For https
}

// A Store keeps CRLs and answers for all agreements, so that partners of one authority
// share them. It is safe for concurrent use.
type Store struct {
	Config
	client *http.Client

	mu      sync.Mutex
	sources map[string]*source
	answers map[answerKey]answer
	warned  map[string]time.Time
	asking  singleflight.Group
}

// New returns a store. It reads nothing yet.
func New(c Config) (*Store, error) {
	if c.Logger == nil {
		return nil, errors.New("logger is required")
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Refresh == 0 {
		c.Refresh = time.Minute
	}
	if c.Keep == 0 {
		c.Keep = 15 * time.Minute
	}
	if c.Timeout < 0 || c.Refresh < 0 || c.Keep < 0 {
		return nil, errors.New("durations are positive")
	}
	return &Store{
		Config: c, client: newClient(c),
		sources: map[string]*source{}, answers: map[answerKey]answer{}, warned: map[string]time.Time{},
	}, nil
}

// A Checker applies one policy. It is a wssec.Revocation.
type Checker struct {
	store   *Store
	policy  Policy
	sources []*source
}

// Checker returns the checker of a policy; nil for one that is off. All faults of the
// policy are reported at once. Files are read when they are first needed: one that
// cannot be read then is as if nobody could tell.
func (s *Store) Checker(p Policy) (*Checker, error) {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	switch p.Mode {
	case Off:
		if len(p.CRL) > 0 || p.OCSP.URL != "" || len(p.OCSP.Hosts) > 0 {
			bad("revocation is off, but sources are named")
		}
		return nil, errors.Join(faults...)
	case Soft, Hard:
	default:
		bad("revocation mode is not off, soft or hard")
	}
	if len(p.CRL) == 0 && p.OCSP.URL == "" && len(p.OCSP.Hosts) == 0 {
		bad("revocation is %s, but neither crl nor ocsp is named", p.Mode)
	}
	c := &Checker{store: s, policy: p}
	for _, name := range p.CRL {
		switch {
		case isURL(name):
			if err := checkURL(name); err != nil {
				bad("crl: %w", err)
			}
		case s.Read == nil:
			bad("crl: %q is neither an https nor an http address", name)
		}
		c.sources = append(c.sources, s.source(name))
	}
	if p.OCSP.URL != "" {
		if err := checkURL(p.OCSP.URL); err != nil {
			bad("ocsp: %w", err)
		}
	}
	for _, h := range p.OCSP.Hosts {
		if h == "" || h != strings.ToLower(h) || strings.ContainsAny(h, "/@?# ") {
			bad("ocsp: %q is not a host in lower case", h)
		}
	}
	if p.OCSP.Nonce && s.Rand == nil {
		bad("ocsp: no randomness for nonces")
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return c, nil
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || !isURL(s) || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%q is not an https or http address without credentials", s)
	}
	return nil
}

// errRevoked and errUnknown are the two ways of not being good. A source that does not
// cover a certificate gives errUnknown, with its reason.
var (
	errRevoked = errors.New("certificate was revoked")
	errUnknown = errors.New("revocation is not known")
)

func unknownf(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errUnknown}, args...)...)
}

// Check asks for every certificate of the path but the last, the anchor. The answer
// holds until the given time. A revoked certificate is an *ebms.Error
// FailedAuthentication; not knowing is, under Hard, an *ebms.Error DeliveryFailure: the
// fault is ours or the authority's and passes, so the peer shall try again.
func (c *Checker) Check(ctx context.Context, path []*x509.Certificate, now time.Time) (until time.Time, err error) {
	if c == nil { // the checker of a policy that is off
		return now.Add(time.Hour), nil
	}
	for i, cert := range path {
		var issuer *x509.Certificate
		if i+1 < len(path) {
			issuer = path[i+1]
		} else if i > 0 || bytes.Equal(cert.RawIssuer, cert.RawSubject) {
			break // nobody can revoke an anchor
		}
		good, err := c.one(ctx, cert, issuer, now)
		switch {
		case err == nil:
		case errors.Is(err, errRevoked):
			return until, ebms.Because(ebms.FailedAuthentication, err, "")
		case c.policy.Mode == Hard:
			return until, ebms.Because(ebms.DeliveryFailure, canon.NewFault(canon.CodeRevocationUnknown, err, "revocation is not known"), "certificate cannot be checked now")
		default:
			c.store.warn(ctx, cert, err, now)
			good = now.Add(c.store.Refresh)
		}
		if until.IsZero() || good.Before(until) {
			until = good
		}
	}
	if until.IsZero() {
		until = now.Add(c.store.Keep)
	}
	return until, nil
}

// one asks CRLs first, which are here, and OCSP where none covers the certificate.
func (c *Checker) one(ctx context.Context, cert, issuer *x509.Certificate, now time.Time) (until time.Time, err error) {
	if issuer == nil {
		return until, unknownf("no certificate of the issuer is configured")
	}
	var covered bool
	var faults []error
	for _, s := range c.sources {
		good, err := c.store.ask(ctx, s, cert, issuer, now)
		switch {
		case errors.Is(err, errRevoked):
			return until, err // one list that names it is enough
		case err != nil:
			faults = append(faults, err)
		default:
			if covered = true; until.IsZero() || good.Before(until) {
				until = good
			}
		}
	}
	if covered {
		return until, nil
	}
	if responder := c.responder(cert); responder != "" {
		until, err := c.store.ocsp(ctx, responder, c.policy.OCSP.Nonce, cert, issuer, now)
		if err == nil || errors.Is(err, errRevoked) {
			return until, err
		}
		faults = append(faults, err)
	}
	if len(faults) == 0 {
		return until, unknownf("no source covers the certificate")
	}
	return until, errors.Join(faults...)
}

// responder returns the address of the responder to ask; empty where there is none.
// What a certificate names is used only if the policy allows its host (i.19).
func (c *Checker) responder(cert *x509.Certificate) string {
	if c.policy.OCSP.URL != "" {
		return c.policy.OCSP.URL
	}
	for _, s := range cert.OCSPServer {
		if u, err := url.Parse(s); err == nil && checkURL(s) == nil && slices.Contains(c.policy.OCSP.Hosts, strings.ToLower(u.Host)) {
			return s
		}
	}
	return ""
}

// warnEvery is how often one authority's silence is logged.
const warnEvery = time.Hour

func (s *Store) warn(ctx context.Context, cert *x509.Certificate, err error, now time.Time) {
	key := string(cert.RawIssuer)
	s.mu.Lock()
	last, ok := s.warned[key]
	again := !ok || now.Sub(last) >= warnEvery
	if again {
		if len(s.warned) >= maxWarned {
			clear(s.warned)
		}
		s.warned[key] = now
	}
	s.mu.Unlock()
	if again {
		s.Logger.WarnContext(ctx, "revocation of certificates is not known; accepted as the policy is soft",
			"issuer", cert.Issuer.CommonName, "cause", err)
	}
}

const maxWarned = 256
