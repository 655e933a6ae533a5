package keystore

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/pkitest"
)

// works uses the key and checks the outcome with the certificate.
func works(t *testing.T, e Entry) {
	t.Helper()
	sum := sha256.Sum256([]byte("text"))
	switch pub := PublicKey(e.Certificate).(type) {
	case *rsa.PublicKey:
		s, ok := e.Signer()
		if !ok {
			t.Fatal("no signer")
		}
		sig, err := s.Sign(rand.Reader, sum[:], crypto.SHA256)
		if err != nil || rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], sig) != nil {
			t.Errorf("signature does not verify: %v", err)
		}
		d, ok := e.Decrypter()
		if !ok {
			t.Fatal("no decrypter")
		}
		c, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, pub, []byte("secret"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := d.Decrypt(rand.Reader, c, &rsa.OAEPOptions{Hash: crypto.SHA256}); err != nil || string(p) != "secret" {
			t.Errorf("decrypted %q, %v", p, err)
		}
	case *ecdsa.PublicKey:
		s, ok := e.Signer()
		if !ok {
			t.Fatal("no signer")
		}
		if sig, err := s.Sign(rand.Reader, sum[:], crypto.SHA256); err != nil || !ecdsa.VerifyASN1(pub, sum[:], sig) {
			t.Errorf("signature does not verify: %v", err)
		}
		own, err := pub.ECDH()
		if err != nil {
			t.Fatal(err)
		}
		agrees(t, e, own)
	case *ecdh.PublicKey:
		if _, ok := e.Signer(); ok {
			t.Error("a key of X25519 signs")
		}
		agrees(t, e, pub)
	default: // Ed25519
		s, ok := e.Signer()
		if !ok {
			t.Fatal("no signer")
		}
		sig, err := s.Sign(rand.Reader, []byte("text"), crypto.Hash(0))
		if err != nil || e.Certificate.CheckSignature(x509.PureEd25519, []byte("text"), sig) != nil {
			t.Errorf("signature does not verify: %v", err)
		}
	}
}

func agrees(t *testing.T, e Entry, pub *ecdh.PublicKey) {
	t.Helper()
	a, ok := e.Agreement()
	if !ok {
		t.Fatal("no agreement")
	}
	other, err := pub.Curve().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	want, err := other.ECDH(pub)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := a.ECDH(other.PublicKey()); err != nil || string(got) != string(want) {
		t.Errorf("secrets differ: %v", err)
	}
}

func TestPEM(t *testing.T) {
	t.Parallel()
	m := middle()
	keys := kinds()
	certs := map[Kind]*x509.Certificate{}
	for kind, k := range keys {
		certs[kind] = m.Issue("AP_NL_01", k).Cert
		if got := KindOf(certs[kind]); got != kind {
			t.Errorf("certificate of %s is one of %q", kind, got)
		}
	}
	sec1, err := x509.MarshalECPrivateKey(keys[EC].(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(keys[RSA].(*rsa.PrivateKey))
	sealed := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: pkcs1})
	for _, tt := range []struct {
		name string
		cert []byte
		key  []byte
		want string // part of the error
	}{
		{"rsa, PKCS#8", pkitest.CertificatePEM(certs[RSA], m.Cert), pkitest.KeyPEM(keys[RSA]), ""},
		{"rsa, PKCS#1", pkitest.CertificatePEM(certs[RSA], m.Cert), pkitest.PEM("RSA PRIVATE KEY", pkcs1), ""},
		{"ec, PKCS#8", pkitest.CertificatePEM(certs[EC], m.Cert), pkitest.KeyPEM(keys[EC]), ""},
		{"ec, SEC1 with parameters before it", pkitest.CertificatePEM(certs[EC], m.Cert), append(pkitest.PEM("EC PARAMETERS", []byte{5, 0}), pkitest.PEM("EC PRIVATE KEY", sec1)...), ""},
		{"ed25519", pkitest.CertificatePEM(certs[Ed25519], m.Cert), pkitest.KeyPEM(keys[Ed25519]), ""},
		{"x25519", pkitest.CertificatePEM(certs[X25519], m.Cert), pkitest.KeyPEM(keys[X25519]), ""},
		{"key of another certificate", pkitest.CertificatePEM(certs[RSA]), pkitest.KeyPEM(keys[EC]), "does not belong"},
		{"key of another certificate of its kind", pkitest.CertificatePEM(m.Issue("x", pkitest.P256()).Cert), pkitest.KeyPEM(keys[EC]), "does not belong"},
		{"x25519 key of another certificate", pkitest.CertificatePEM(certs[X25519]), pkitest.KeyPEM(kinds()[X25519]), "does not belong"},
		{"authority first", pkitest.CertificatePEM(m.Cert, certs[RSA]), pkitest.KeyPEM(keys[RSA]), "does not belong"},
		{"encrypted key", pkitest.CertificatePEM(certs[RSA]), pkitest.PEM("ENCRYPTED PRIVATE KEY", []byte{1}), "password"},
		{"encrypted key of old", pkitest.CertificatePEM(certs[RSA]), sealed, "password"},
		{"two keys", pkitest.CertificatePEM(certs[RSA]), append(pkitest.KeyPEM(keys[RSA]), pkitest.KeyPEM(keys[EC])...), "several"},
		{"broken key", pkitest.CertificatePEM(certs[RSA]), pkitest.PEM("PRIVATE KEY", []byte("hunter2")), "cannot be read: want|not a private key"},
		{"no key", pkitest.CertificatePEM(certs[RSA]), pkitest.CertificatePEM(certs[RSA]), "no private key"},
		{"key in DER", pkitest.CertificatePEM(certs[RSA]), pkcs1, "DER"},
		{"no certificate", pkitest.KeyPEM(keys[RSA]), pkitest.KeyPEM(keys[RSA]), "no certificate"},
		{"too large", pkitest.CertificatePEM(certs[RSA]), make([]byte, maxFile+1), "larger"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &files{data: map[string][]byte{"c.pem": tt.cert, "k.pem": tt.key}}
			e, err := Open(t.Context(), Ref{Certificate: "c.pem", Key: "k.pem"}, f)
			if tt.want != "" {
				if err == nil || !slices.ContainsFunc(strings.Split(tt.want, "|"), func(w string) bool { return strings.Contains(err.Error(), w) }) {
					t.Fatalf("err = %v, want %q", err, tt.want)
				}
				if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("error tells of the key: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(e.Chain) != 1 || !e.Chain[0].Equal(m.Cert) {
				t.Errorf("chain of %d", len(e.Chain))
			}
			if !slices.Contains(f.secret, "k.pem") || slices.Contains(f.secret, "c.pem") {
				t.Errorf("secrets read: %v", f.secret)
			}
			works(t, e)
		})
	}
}

func TestRefFaults(t *testing.T) {
	t.Parallel()
	f := &files{}
	for name, ref := range map[string]Ref{
		"nothing":                {},
		"certificate without":    {Certificate: "c.pem"},
		"two places":             {Certificate: "c.pem", Key: "k.pem", PKCS12: &PKCS12{File: "s", PasswordFile: "p"}},
		"store without password": {PKCS12: &PKCS12{File: "s"}},
		"missing file":           {Certificate: "c.pem", Key: "k.pem"},
		"token of nowhere":       {PKCS11: &PKCS11{}},
	} {
		if _, err := Open(t.Context(), ref, f); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	m := middle()
	p := m.Issue("AP_NL_01", pkitest.RSA())
	f.data = map[string][]byte{"c.pem": pkitest.CertificatePEM(p.Cert), "k.pem": pkitest.KeyPEM(p.Key)}
	if _, err := Open(t.Context(), Ref{Certificate: "c.pem", Key: "k.pem", Provider: "other"}, f); err == nil {
		t.Error("unknown provider is accepted")
	}
}
