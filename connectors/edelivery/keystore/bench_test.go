package keystore

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"testing"

	"oncegate/connectors/pkitest"
)

// providers runs a benchmark with Go's RSA-2048 and, with -tags openssl, OpenSSL's.
func providers(b *testing.B, run func(b *testing.B, key crypto.PrivateKey)) {
	b.Run(ProviderGo, func(b *testing.B) { run(b, pkitest.RSA()) })
	b.Run(ProviderOpenSSL, func(b *testing.B) {
		k, err := throughOpenSSL(pkitest.RSA())
		if err != nil {
			b.Skip(err)
		}
		run(b, k)
	})
}

func BenchmarkSign(b *testing.B) {
	sum := sha256.Sum256([]byte("text"))
	providers(b, func(b *testing.B, key crypto.PrivateKey) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := key.(crypto.Signer).Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecrypt(b *testing.B) {
	c, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &pkitest.RSA().PublicKey, make([]byte, 16), nil)
	if err != nil {
		b.Fatal(err)
	}
	providers(b, func(b *testing.B, key crypto.PrivateKey) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := key.(crypto.Decrypter).Decrypt(rand.Reader, c, &rsa.OAEPOptions{Hash: crypto.SHA256}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
