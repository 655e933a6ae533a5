//go:build openssl

package keystore

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"runtime"
	"sync"
	"testing"

	"oncegate/connectors/pkitest"
)

// TestOpenSSL compares with Go's computation.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	m := middle()
	p := m.Issue("AP_NL_01", pkitest.RSA())
	f := &files{data: map[string][]byte{"c.pem": pkitest.CertificatePEM(p.Cert), "k.pem": pkitest.KeyPEM(p.Key)}}
	e, err := Open(t.Context(), Ref{Certificate: "c.pem", Key: "k.pem", Provider: ProviderOpenSSL}, f)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := e.Key.(*opensslRSA); !ok || !matches(p.Cert, e.Key) {
		t.Fatalf("key is a %T", e.Key)
	}
	works(t, e)
	s, _ := e.Signer()
	d, _ := e.Decrypter()
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		w := h.New()
		w.Write([]byte("text"))
		digest := w.Sum(nil)
		want, err := pkitest.RSA().Sign(nil, digest, h)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Sign(nil, digest, h); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: another signature than Go's: %v", h, err)
		}
		if _, err := s.Sign(nil, digest[1:], h); err == nil {
			t.Errorf("%v: short digest is signed", h)
		}
	}
	sum := sha512.Sum512(nil)
	if _, err := s.Sign(nil, sum[:], &rsa.PSSOptions{Hash: crypto.SHA512}); err == nil {
		t.Error("PSS is signed")
	}
	for _, o := range []*rsa.OAEPOptions{
		{Hash: crypto.SHA256}, {Hash: crypto.SHA1}, {Hash: crypto.SHA256, MGFHash: crypto.SHA1}, {Hash: crypto.SHA512, MGFHash: crypto.SHA256, Label: []byte("label")},
	} {
		for _, text := range []string{"", "sixteen byte key"} {
			c, err := rsa.EncryptOAEPWithOptions(rand.Reader, &pkitest.RSA().PublicKey, []byte(text), o)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := d.Decrypt(nil, c, o); err != nil || string(got) != text {
				t.Errorf("%v: got %q, %v", o, got, err)
			}
			for name, bad := range map[string][]byte{"flipped": append([]byte{c[0] ^ 1}, c[1:]...), "short": c[1:], "empty": nil, "zero": make([]byte, len(c)), "above the modulus": bytes.Repeat([]byte{0xff}, len(c))} {
				if _, err := d.Decrypt(nil, bad, o); err != errOpenSSLDecryption {
					t.Errorf("%s: err = %v, want always the same", name, err)
				}
			}
		}
	}
	for _, o := range []crypto.DecrypterOpts{nil, struct{}{}, &rsa.OAEPOptions{}} {
		if _, err := d.Decrypt(nil, make([]byte, 256), o); err == nil {
			t.Errorf("%T is decrypted", o)
		}
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { works(t, e) })
	}
	wg.Wait()
	// A key that nobody holds is freed; one in use is not.
	for range 100 {
		if _, err := throughOpenSSL(pkitest.RSA()); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	works(t, e)
	for kind, k := range kinds() {
		if kind == RSA {
			continue
		}
		if same, err := throughOpenSSL(k); err != nil || !matches(m.Issue("x", k).Cert, same) {
			t.Errorf("%s: %T, %v", kind, same, err)
		}
	}
}
