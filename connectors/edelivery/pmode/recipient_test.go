package pmode

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
)

// states says by serial number what an authority says of a certificate.
type states map[string]error

func (s states) Check(_ context.Context, path []*x509.Certificate, now time.Time) (time.Time, error) {
	return now.Add(time.Hour), s[path[0].SerialNumber.String()]
}

var _ wssec.Revocation = states{}

func TestRecipientIsTheFirstCertificateThatHolds(t *testing.T) {
	tab, err := load(t, good)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := tab.Named("finland")
	q, _ := tab.Named("sweden")
	one := p.Encrypt[0]
	var two *x509.Certificate
	for _, c := range tab.Own().Signing {
		two = c.Certificate // any other one will do
	}
	revoked := ebms.Errorf(ebms.FailedAuthentication, "certificate was revoked")
	unknown := ebms.Errorf(ebms.DeliveryFailure, "nobody can tell")
	a, b := one.SerialNumber.String(), two.SerialNumber.String()
	if a == b {
		t.Fatal("the certificates have one serial number")
	}
	now := one.NotBefore.Add(time.Hour)
	for _, tt := range []struct {
		name   string
		states states
		want   *x509.Certificate
		err    error
	}{
		{"both good", nil, one, nil},
		{"first revoked", states{a: revoked}, two, nil},
		{"first not known", states{a: unknown}, two, nil},
		{"second revoked", states{b: revoked}, one, nil},
		{"both revoked", states{a: revoked, b: revoked}, nil, revoked},
		{"first revoked, second not known", states{a: revoked, b: unknown}, nil, unknown},
		{"first not known, second revoked", states{a: unknown, b: revoked}, nil, unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			trust := p.Trust
			trust.Revocation = tt.states
			verifier, err := wssec.NewVerifier(trust)
			if err != nil {
				t.Fatal(err)
			}
			p := Partner{Profile: p.Profile, Encrypt: []*x509.Certificate{one, two}, verifier: verifier}
			got, err := p.Recipient(t.Context(), now)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %v, %v", got != nil, err)
			}
		})
	}
	if c, err := q.Recipient(t.Context(), one.NotAfter.Add(time.Hour)); c != nil || err == nil {
		t.Errorf("after its end: %v, %v", c != nil, err)
	}
	if c, err := (&Partner{SignOnly: true}).Recipient(t.Context(), now); c != nil || err != nil {
		t.Errorf("sign only: %v, %v", c != nil, err)
	}
}
