package certpath_test

import (
	"context"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/certpath"
	"oncegate/connectors/pkitest"
)

type revocation struct {
	err   error
	until time.Time
}

func (r revocation) Check(context.Context, []*x509.Certificate, time.Time) (time.Time, error) {
	return r.until, r.err
}

func oid(t *testing.T, s string) x509.OID {
	t.Helper()
	o, err := x509.ParseOID(s)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

var now = time.Date(2026, 9, 14, 9, 0, 0, 0, time.UTC)

// A certificate without any policy is good to x509 even where one is demanded.
func TestPoliciesAreDemandedOfEveryCertificateBelowTheAnchor(t *testing.T) {
	want, other := oid(t, "1.2.3.4"), oid(t, "1.2.3.5")
	with := func(os ...x509.OID) pkitest.Edit { return func(c *x509.Certificate) { c.Policies = os } }
	root := pkitest.Root("root", pkitest.Around(now))
	for name, tc := range map[string]struct {
		ca, leaf []x509.OID
		good     bool
	}{
		"both":                     {[]x509.OID{want}, []x509.OID{want}, true},
		"any at the authority":     {[]x509.OID{oid(t, "2.5.29.32.0")}, []x509.OID{want}, true},
		"any at the leaf":          {[]x509.OID{want}, []x509.OID{oid(t, "2.5.29.32.0")}, false},
		"none at the leaf":         {[]x509.OID{want}, nil, false},
		"none anywhere":            {nil, nil, false},
		"another at the leaf":      {[]x509.OID{want}, []x509.OID{other}, false},
		"none at the authority":    {nil, []x509.OID{want}, false},
		"another at the authority": {[]x509.OID{other}, []x509.OID{want}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ca := root.Issue("ca", pkitest.P256(), pkitest.Around(now), pkitest.Authority, with(tc.ca...))
			leaf := ca.Issue("leaf", pkitest.P256(), pkitest.Around(now), with(tc.leaf...))
			r := certpath.Rules{Anchors: certpath.Pool([]*x509.Certificate{root.Cert}), Intermediates: certpath.Pool([]*x509.Certificate{ca.Cert}), Policies: []x509.OID{want}}
			if _, err := r.Verify(t.Context(), leaf.Cert, now); (err == nil) != tc.good {
				t.Errorf("got %v, want good: %t", err, tc.good)
			}
		})
	}
}

func TestAPathHoldsUntilItsFirstEnd(t *testing.T) {
	ends := func(d time.Duration) pkitest.Edit {
		return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-time.Hour), now.Add(d) }
	}
	root := pkitest.Root("root", ends(50*time.Hour))
	ca := root.Issue("ca", pkitest.P256(), pkitest.Authority, ends(20*time.Hour))
	leaf := ca.Issue("leaf", pkitest.P256(), ends(40*time.Hour))
	rules := certpath.Rules{Anchors: certpath.Pool([]*x509.Certificate{root.Cert}), Intermediates: certpath.Pool([]*x509.Certificate{ca.Cert})}
	down := errors.New("nobody answers")
	for name, tc := range map[string]struct {
		revocation certpath.Revocation
		want       time.Duration
		err        error
	}{
		"no revocation":      {nil, 20 * time.Hour, nil},
		"no term":            {revocation{}, 20 * time.Hour, nil},
		"an answer of today": {revocation{until: now.Add(2 * time.Hour)}, 2 * time.Hour, nil},
		"a longer answer":    {revocation{until: now.Add(90 * time.Hour)}, 20 * time.Hour, nil},
		"nobody can tell":    {revocation{err: down}, 0, down},
	} {
		t.Run(name, func(t *testing.T) {
			r := rules
			r.Revocation = tc.revocation
			until, err := r.Verify(t.Context(), leaf.Cert, now)
			if !errors.Is(err, tc.err) || (err != nil) != errors.Is(err, certpath.ErrRevocation) {
				t.Fatalf("got %v, want %v", err, tc.err)
			}
			if want := now.Add(tc.want); err == nil && !until.Equal(want) {
				t.Errorf("holds until %v, want %v", until, want)
			}
		})
	}
	if _, err := rules.Verify(t.Context(), ca.Cert, now); err == nil || !strings.Contains(err.Error(), "authority") {
		t.Errorf("the certificate of an authority: got %v", err)
	}
	if _, err := (certpath.Rules{Anchors: x509.NewCertPool()}).Verify(t.Context(), leaf.Cert, now); err == nil {
		t.Error("a path without an anchor is good")
	}
}
