package pmode

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// Allow says whether a connection may carry messages of the partner: its client
// certificate is pinned, or comes from one of the authorities and has one of the
// names. state is nil for a connection without TLS.
func (c Clients) Allow(state *tls.ConnectionState, now time.Time) error {
	if c.None() {
		return nil
	}
	if state == nil || len(state.PeerCertificates) == 0 {
		return errors.New("the agreement asks for a client certificate, and the connection has none")
	}
	leaf := state.PeerCertificates[0]
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return errors.New("client certificate is not valid now")
	}
	if slices.ContainsFunc(c.Pinned, leaf.Equal) {
		return nil
	}
	if len(c.CA) == 0 || !c.names(leaf) {
		return errors.New("client certificate is not one of this partner")
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, ca := range c.CA {
		roots.AddCert(ca)
	}
	for _, ca := range state.PeerCertificates[1:] {
		between.AddCert(ca)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return errors.New("client certificate does not lead to an authority of this partner")
	}
	return nil
}

func (c Clients) names(leaf *x509.Certificate) bool {
	return slices.Contains(c.Names, leaf.Subject.CommonName) ||
		slices.ContainsFunc(leaf.DNSNames, func(n string) bool { return slices.Contains(c.Names, n) })
}
