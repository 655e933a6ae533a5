package wssec

import (
	"crypto/x509"
	"testing"
	"time"

	"oncegate/connectors/pkitest"
)

// BenchmarkVerifier shows what trust costs a message: a remembered verdict, and one
// that must be found anew.
func BenchmarkVerifier(b *testing.B) {
	root := newKeypair("Root", nil, pkitest.Authority)
	middle := certify(ring().receiver.key, "Middle", &root, pkitest.Authority)
	leaf := certify(ring().sender.key, "AP_NL_01", &middle, nil).cert
	v, err := NewVerifier(Trust{Anchors: []*x509.Certificate{root.cert}, Intermediates: []*x509.Certificate{middle.cert}, Names: []string{"AP_NL_01"}, Revocation: &register{until: testNow.Add(time.Hour)}})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.certificate(b.Context(), leaf.Raw, nil, testNow); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("anew", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			clear(v.signers)
			if _, err := v.certificate(b.Context(), leaf.Raw, nil, testNow); err != nil {
				b.Fatal(err)
			}
		}
	})
}
