package wssec

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"oncegate/connectors/certpath"
	"oncegate/connectors/edelivery/ebms"
)

// Trust says which certificates sign for one partner. A certificate is trusted
// when it is pinned, or when a path leads from it to an anchor and it bears one of
// Names: being in the trust store is not enough to speak for a party (i.15, i.16).
type Trust struct {
	Pinned        []*x509.Certificate
	Anchors       []*x509.Certificate
	Intermediates []*x509.Certificate // also issuers of pinned certificates, for Revocation
	// Names are common names, or whole subjects ("CN=AP_NL_01,O=Gemeente,C=NL").
	// Required with Anchors.
	Names []string
	// Known are certificates to which a message may refer without bringing them. They
	// are checked as if it had.
	Known      []*x509.Certificate
	Policies   []x509.OID              // every certificate below the anchor must be for one of them. Default any
	Usages     []asn1.ObjectIdentifier // a certificate must be for one of these extended uses. Default any
	Revocation Revocation              // Default none
}

// A Revocation says whether a certificate of a path was taken back. Its errors are
// *ebms.Error: FailedAuthentication of what was revoked, and DeliveryFailure, our
// temporary fault, where nobody could tell.
type Revocation = certpath.Revocation

// A Verifier checks the certificates of one partner and remembers those that it
// found good. It is safe for concurrent use.
type Verifier struct {
	trust         Trust
	anchors       *x509.CertPool
	intermediates *x509.CertPool
	subjects      [][][]pair // those of trust.Names that are whole subjects

	mu         sync.Mutex
	signers    map[[sha256.Size]byte]remembered
	recipients map[[sha256.Size]byte]remembered // apart, as who may read may not sign
}

// A remembered certificate is good until it or an authority on its path expires, until
// its revocation must be asked for again, and an hour at most.
type remembered struct {
	certificate *x509.Certificate
	until       time.Time
}

const (
	maxKnown    = 64
	rememberFor = time.Hour
	signs       = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
)

// NewVerifier returns a verifier of the given trust.
func NewVerifier(t Trust) (*Verifier, error) {
	if len(t.Pinned) == 0 && len(t.Anchors) == 0 {
		return nil, errors.New("neither pinned certificates nor trust anchors")
	}
	if len(t.Anchors) > 0 && len(t.Names) == 0 {
		return nil, errors.New("trust anchors without the names of the partner's certificates")
	}
	v := &Verifier{trust: t, anchors: certpath.Pool(t.Anchors), intermediates: certpath.Pool(t.Intermediates)}
	v.signers, v.recipients = map[[sha256.Size]byte]remembered{}, map[[sha256.Size]byte]remembered{}
	for _, n := range t.Names {
		switch subject, err := parseName(n); {
		case n == "":
			return nil, errors.New("name of a certificate is empty")
		case !strings.Contains(n, "="):
		case err != nil || slices.ContainsFunc(slices.Concat(subject...), func(p pair) bool { return p.kind == "" }):
			return nil, fmt.Errorf("%q is not the subject of a certificate", n)
		default:
			v.subjects = append(v.subjects, subject)
		}
	}
	return v, nil
}

// certificate returns the trusted certificate with the given DER. chain holds
// what came with it; it never adds an anchor.
func (v *Verifier) certificate(ctx context.Context, der []byte, chain [][]byte, now time.Time) (*x509.Certificate, error) {
	key := sha256.Sum256(der)
	if c := v.remembers(v.signers, key, now); c != nil {
		return c, nil
	}
	c, until, err := v.judge(ctx, der, chain, now)
	if err != nil {
		return nil, err
	}
	v.remember(v.signers, key, remembered{c, until}, now)
	return c, nil
}

// remember keeps a trusted certificate; only those, so a stranger cannot fill the memory.
func (v *Verifier) remember(in map[[sha256.Size]byte]remembered, key [sha256.Size]byte, r remembered, now time.Time) {
	if latest := now.Add(rememberFor); latest.Before(r.until) {
		r.until = latest
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(in) >= maxKnown {
		clear(in)
	}
	in[key] = r
}

func (v *Verifier) remembers(in map[[sha256.Size]byte]remembered, key [sha256.Size]byte, now time.Time) *x509.Certificate {
	v.mu.Lock()
	r := in[key]
	v.mu.Unlock()
	if r.certificate == nil || now.After(r.until) || now.Before(r.certificate.NotBefore) {
		return nil
	}
	return r.certificate
}

// judge finds out whether a certificate is trusted, and until when.
func (v *Verifier) judge(ctx context.Context, der []byte, chain [][]byte, now time.Time) (c *x509.Certificate, until time.Time, err error) {
	for _, c := range v.trust.Pinned {
		if bytes.Equal(c.Raw, der) {
			if err := usable(c, now, signs); err != nil {
				return nil, until, err
			}
			until, err = v.rules().Unrevoked(ctx, v.upwards(c), c.NotAfter, now)
			return c, until, err
		}
	}
	if len(v.trust.Anchors) == 0 {
		return nil, until, errors.New("certificate is not pinned for this partner")
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		return nil, until, fmt.Errorf("parsing certificate: %w", err)
	}
	until, err = v.path(ctx, c, chain, now)
	return c, until, err
}

// path finds a path to an anchor and returns until when it holds.
func (v *Verifier) path(ctx context.Context, c *x509.Certificate, chain [][]byte, now time.Time) (until time.Time, err error) {
	if !v.bears(c) {
		return until, errors.New("certificate is not one of this partner")
	}
	if err := usable(c, now, signs); err != nil {
		return until, err
	}
	if !v.extended(c) {
		return until, errors.New("certificate does not have the extended use that is agreed")
	}
	intermediates := v.intermediates
	if len(chain) > 0 {
		intermediates = v.intermediates.Clone()
		for _, der := range chain {
			ca, err := x509.ParseCertificate(der)
			if err != nil {
				return until, fmt.Errorf("parsing certificate path: %w", err)
			}
			if err := modest(ca); err != nil {
				return until, err
			}
			intermediates.AddCert(ca)
		}
	}
	rules := v.rules()
	rules.Intermediates = intermediates
	return rules.Verify(ctx, c, now)
}

func (v *Verifier) rules() certpath.Rules {
	return certpath.Rules{
		Anchors: v.anchors, Intermediates: v.intermediates, Policies: v.trust.Policies, Revocation: v.trust.Revocation,
		Passing: func(err error) bool { // nobody can tell now: the peer tries again
			e, ok := errors.AsType[*ebms.Error](err)
			return ok && e.Code == ebms.DeliveryFailure
		},
	}
}

// upwards returns a certificate that needs no path with as many of its issuers as are
// configured: they say whether it was revoked.
func (v *Verifier) upwards(c *x509.Certificate) []*x509.Certificate {
	path := []*x509.Certificate{c}
	for len(path) <= maxPath && !bytes.Equal(c.RawIssuer, c.RawSubject) {
		i := slices.IndexFunc(v.trust.Intermediates, func(ca *x509.Certificate) bool { return issued(ca, c) })
		if i >= 0 {
			c = v.trust.Intermediates[i]
		} else if i = slices.IndexFunc(v.trust.Anchors, func(ca *x509.Certificate) bool { return issued(ca, c) }); i >= 0 {
			return append(path, v.trust.Anchors[i])
		} else {
			break
		}
		path = append(path, c)
	}
	return path
}

func issued(ca, c *x509.Certificate) bool {
	return bytes.Equal(ca.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(ca) == nil
}

// CheckRecipient asks whether a certificate that the agreement names for encryption was
// revoked. It needs no path, as it is configured; a message must not be sealed for a
// key that its owner has given up.
func (v *Verifier) CheckRecipient(ctx context.Context, c *x509.Certificate, now time.Time) error {
	if v.trust.Revocation == nil {
		return nil
	}
	key := sha256.Sum256(c.Raw)
	if v.remembers(v.recipients, key, now) != nil {
		return nil
	}
	until, err := v.rules().Unrevoked(ctx, v.upwards(c), c.NotAfter, now)
	if err != nil {
		return err
	}
	v.remember(v.recipients, key, remembered{c, until}, now)
	return nil
}

// bears reports whether the certificate bears one of the agreed names.
func (v *Verifier) bears(c *x509.Certificate) bool {
	if c.Subject.CommonName != "" && slices.Contains(v.trust.Names, c.Subject.CommonName) {
		return true
	}
	subject := &x509.Certificate{RawIssuer: c.RawSubject}
	return slices.ContainsFunc(v.subjects, func(s [][]pair) bool { return sameIssuer(s, subject) })
}

var oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

func (v *Verifier) extended(c *x509.Certificate) bool {
	if len(v.trust.Usages) == 0 {
		return true
	}
	for _, e := range c.Extensions {
		var uses []asn1.ObjectIdentifier
		if !e.Id.Equal(oidExtKeyUsage) {
			continue
		}
		if rest, err := asn1.Unmarshal(e.Value, &uses); err != nil || len(rest) > 0 {
			return false
		}
		return slices.ContainsFunc(uses, func(u asn1.ObjectIdentifier) bool {
			return slices.ContainsFunc(v.trust.Usages, u.Equal)
		})
	}
	return false
}

// named returns the trusted certificate that match accepts: one that is pinned, one
// that is configured as known, or one that a message brought before. Several may have
// one key and so one identifier; one that is good is taken.
func (v *Verifier) named(ctx context.Context, match func(*x509.Certificate) bool, now time.Time) (*x509.Certificate, error) {
	err := errors.New("token refers to no certificate of this partner")
	for _, list := range []func() []*x509.Certificate{v.pinned, v.listed, v.seen} {
		for _, c := range list() {
			if !match(c) {
				continue
			}
			good, fault := v.certificate(ctx, c.Raw, nil, now)
			if fault == nil {
				return good, nil
			}
			err = fault
		}
	}
	return nil, err
}

func (v *Verifier) pinned() []*x509.Certificate { return v.trust.Pinned }
func (v *Verifier) listed() []*x509.Certificate { return v.trust.Known }

// seen returns the signers that are remembered, always in one order.
func (v *Verifier) seen() []*x509.Certificate {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []*x509.Certificate
	for _, r := range v.signers {
		out = append(out, r.certificate)
	}
	slices.SortFunc(out, func(a, b *x509.Certificate) int { return bytes.Compare(a.Raw, b.Raw) })
	return out
}
