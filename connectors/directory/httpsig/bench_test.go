package httpsig

import (
	"crypto"
	"net/http"
	"testing"

	"oncegate/connectors/pkitest"
)

func BenchmarkSignature(b *testing.B) {
	for name, key := range map[string]crypto.PrivateKey{"ES256": pkitest.P256(), "EdDSA": pkitest.Ed25519()} {
		p := newPKI(key)
		h, trust := p.signed(b, body), p.trust()
		b.Run("verify "+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := verify(trust, h, body); err != nil {
					b.Fatal(err)
				}
			}
		})
		s := p.newSigner(b)
		b.Run("sign "+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Sign(http.Header{}, []byte(body)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
