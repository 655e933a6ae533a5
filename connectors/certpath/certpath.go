// Package certpath finds a path from a certificate to an anchor and says until when
// it holds: validity, policies, revocation. What a certificate may be used for, and
// whose it is, its caller knows. Before it: the access point, discovery and the
// signatures of the common services. After it: the standard library.
package certpath

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Revocation says whether a path is revoked. The path begins with the leaf and ends
// with the anchor. It returns until when its answer holds; zero where it sets no term.
type Revocation interface {
	Check(ctx context.Context, path []*x509.Certificate, now time.Time) (until time.Time, err error)
}

// ErrRevocation is in the error of a path that is revoked, or of which nobody can tell.
var ErrRevocation = errors.New("checking revocation")

// Rules is what a path must keep.
type Rules struct {
	Anchors       *x509.CertPool // Required.
	Intermediates *x509.CertPool
	Policies      []x509.OID       // Default any. Every certificate below the anchor must be for one of them.
	Revocation    Revocation       // Default none.
	Passing       func(error) bool // Default none. An error of Revocation after which no other path is tried: the certificate may be good.
}

// Pool returns a pool of certificates.
func Pool(certificates []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certificates {
		p.AddCert(c)
	}
	return p
}

// Verify returns until when the best path holds. A certificate of an authority is
// refused: it signs certificates and nothing else.
func (r Rules) Verify(ctx context.Context, c *x509.Certificate, now time.Time) (until time.Time, err error) {
	if c.IsCA {
		return until, errors.New("the certificate is one of an authority")
	}
	paths, err := c.Verify(x509.VerifyOptions{
		Roots: r.Anchors, Intermediates: r.Intermediates, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, CertificatePolicies: r.Policies,
	})
	if err != nil {
		return until, fmt.Errorf("validating certificate path: %w", err)
	}
	if len(r.Policies) > 0 {
		if paths = slices.DeleteFunc(paths, func(p []*x509.Certificate) bool { return !policed(p, r.Policies) }); len(paths) == 0 {
			return until, errors.New("no certificate path for the agreed policies")
		}
	}
	// Authorities that certify each other make several paths; one that holds is enough.
	for _, p := range paths {
		end := p[0].NotAfter
		for _, ca := range p[1:] {
			if ca.NotAfter.Before(end) {
				end = ca.NotAfter
			}
		}
		if until, err = r.Unrevoked(ctx, p, end, now); err == nil {
			return until, nil
		}
		if r.Passing != nil && r.Passing(err) {
			return until, err
		}
	}
	return until, err
}

// Unrevoked asks for a path that holds until the given time otherwise.
func (r Rules) Unrevoked(ctx context.Context, path []*x509.Certificate, end, now time.Time) (time.Time, error) {
	if r.Revocation == nil {
		return end, nil
	}
	good, err := r.Revocation.Check(ctx, path, now)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrRevocation, err)
	}
	if !good.IsZero() && good.Before(end) {
		end = good
	}
	return end, nil
}

var anyPolicy, _ = x509.OIDFromInts([]uint64{2, 5, 29, 32, 0})

// policed reports whether a path is valid for one of the policies. Verify alone does not
// say so: to it a path without policies is good unless an authority demands them. A
// policy under another name, by the mappings of an authority, is not known.
func policed(path []*x509.Certificate, policies []x509.OID) bool {
	below := path[:max(len(path)-1, 1)]
	return slices.ContainsFunc(policies, func(want x509.OID) bool {
		inhibit := len(path) // certificates until anyPolicy says nothing (RFC 5280 6.1.2)
		for i, c := range slices.Backward(below) {
			has := func(p x509.OID) bool { return slices.ContainsFunc(c.Policies, p.Equal) }
			if !has(want) && (i == 0 || inhibit <= 0 || !has(anyPolicy)) {
				return false
			}
			if !bytes.Equal(c.RawIssuer, c.RawSubject) {
				inhibit--
			}
			if c.InhibitAnyPolicy > 0 || c.InhibitAnyPolicyZero {
				inhibit = min(inhibit, c.InhibitAnyPolicy)
			}
		}
		return true
	})
}
