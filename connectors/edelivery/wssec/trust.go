package wssec

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Trust says which certificates sign for one partner. A certificate is trusted
// when it is pinned, or when a path leads from it to an anchor and its common name
// is one of Names: being in the trust store is not enough to speak for a party.
type Trust struct {
	Pinned        []*x509.Certificate
	Anchors       []*x509.Certificate
	Intermediates []*x509.Certificate
	Names         []string
	Policies      []x509.OID // a path must be valid for one of them. Default any
	Revocation    Revocation // Default none
}

// A Revocation says whether a certificate of a path was taken back. The path has the
// leaf first and the anchor last. A good answer holds until the given time at most.
// Errors are *ebms.Error: FailedAuthentication of what was revoked, and
// DeliveryFailure, our temporary fault, where nobody could tell.
type Revocation interface {
	Check(ctx context.Context, path []*x509.Certificate, now time.Time) (until time.Time, err error)
}

// A Verifier checks the certificates of one partner and remembers those that it
// found good. It is safe for concurrent use.
type Verifier struct {
	trust         Trust
	anchors       *x509.CertPool
	intermediates *x509.CertPool

	mu    sync.Mutex
	known map[[sha256.Size]byte]remembered
}

// A remembered certificate is good until it or an authority on its path expires.
type remembered struct {
	certificate *x509.Certificate
	until       time.Time
}

// NewVerifier returns a verifier of the given trust.
func NewVerifier(t Trust) (*Verifier, error) {
	if len(t.Pinned) == 0 && len(t.Anchors) == 0 {
		return nil, errors.New("neither pinned certificates nor trust anchors")
	}
	if len(t.Anchors) > 0 && len(t.Names) == 0 {
		return nil, errors.New("trust anchors without the names of the partner's certificates")
	}
	v := &Verifier{trust: t, anchors: x509.NewCertPool(), intermediates: x509.NewCertPool(), known: map[[sha256.Size]byte]remembered{}}
	for _, c := range t.Anchors {
		v.anchors.AddCert(c)
	}
	for _, c := range t.Intermediates {
		v.intermediates.AddCert(c)
	}
	return v, nil
}

const maxKnown = 64

// certificate returns the trusted certificate with the given DER. chain holds
// what came with it; it never adds an anchor.
func (v *Verifier) certificate(ctx context.Context, der []byte, chain [][]byte, now time.Time) (*x509.Certificate, error) {
	for _, c := range v.trust.Pinned {
		if string(c.Raw) == string(der) {
			return c, usable(c, now, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment)
		}
	}
	if len(v.trust.Anchors) == 0 {
		return nil, errors.New("certificate is not pinned for this partner")
	}
	key := sha256.Sum256(der)
	v.mu.Lock()
	r := v.known[key]
	v.mu.Unlock()
	if r.certificate != nil && !now.After(r.until) {
		if err := usable(r.certificate, now, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment); err == nil {
			return r.certificate, nil
		}
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parsing certificate: %w", err)
	}
	until, err := v.path(ctx, c, chain, now)
	if err != nil {
		return nil, err
	}
	// Only trusted certificates are remembered, so a stranger cannot fill the memory.
	v.mu.Lock()
	if len(v.known) >= maxKnown {
		clear(v.known)
	}
	v.known[key] = remembered{c, until}
	v.mu.Unlock()
	return c, nil
}

// path finds a path to an anchor and returns until when it holds.
func (v *Verifier) path(ctx context.Context, c *x509.Certificate, chain [][]byte, now time.Time) (until time.Time, err error) {
	if c.IsCA {
		return until, errors.New("certificate of an authority cannot sign messages")
	}
	if !slices.Contains(v.trust.Names, c.Subject.CommonName) {
		return until, errors.New("certificate is not one of this partner")
	}
	if err := usable(c, now, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment); err != nil {
		return until, err
	}
	intermediates := v.intermediates
	if len(chain) > 0 {
		intermediates = v.intermediates.Clone()
		for _, der := range chain {
			ca, err := x509.ParseCertificate(der)
			if err != nil {
				return until, fmt.Errorf("parsing certificate path: %w", err)
			}
			intermediates.AddCert(ca)
		}
	}
	paths, err := c.Verify(x509.VerifyOptions{
		Roots:               v.anchors,
		Intermediates:       intermediates,
		CurrentTime:         now,
		KeyUsages:           []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		CertificatePolicies: v.trust.Policies,
	})
	if err != nil {
		return until, fmt.Errorf("validating certificate path: %w", err)
	}
	for _, ca := range paths[0] {
		if until.IsZero() || ca.NotAfter.Before(until) {
			until = ca.NotAfter
		}
	}
	if v.trust.Revocation != nil {
		good, err := v.trust.Revocation.Check(ctx, paths[0], now)
		if err != nil {
			return until, fmt.Errorf("checking revocation: %w", err)
		}
		if good.Before(until) {
			until = good
		}
	}
	return until, nil
}

// named returns the pinned certificate that match accepts. A reference without
// the certificate itself can only mean a pinned one.
func (v *Verifier) named(ctx context.Context, match func(*x509.Certificate) bool, now time.Time) (*x509.Certificate, error) {
	err := errors.New("token refers to no certificate of this partner")
	for _, c := range v.trust.Pinned {
		if !match(c) {
			continue
		}
		if err = usable(c, now, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment); err == nil {
			return c, nil
		}
	}
	return nil, err
}
