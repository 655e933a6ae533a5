package attacks

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"oncegate/connectors/edelivery/wssec"
)

var testNow = time.Date(2026, 9, 14, 9, 31, 7, 42_000_000, time.UTC)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var serial atomic.Int64

// An authority of the test run.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1000 + serial.Add(1)), Subject: pkix.Name{CommonName: name, Organization: []string{"Example, PKI"}},
		NotBefore: testNow.AddDate(-1, 0, 0), NotAfter: testNow.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

func asCA(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
}

func newAuthority(name string, issuer *authority) *authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	tmpl := template(name)
	asCA(tmpl)
	if issuer == nil {
		issuer = &authority{tmpl, key}
	}
	der := must(x509.CreateCertificate(rand.Reader, tmpl, issuer.cert, key.Public(), issuer.key))
	return &authority{must(x509.ParseCertificate(der)), key}
}

// certify makes a certificate; edits change its template.
func (a *authority) certify(name string, pub crypto.PublicKey, edits ...func(*x509.Certificate)) *x509.Certificate {
	tmpl := template(name)
	for _, e := range edits {
		e(tmpl)
	}
	if x, ok := pub.(*ecdh.PublicKey); ok {
		return a.certifyX25519(tmpl, x)
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, tmpl, a.cert, pub, a.key))))
}

// certifyX25519 writes the key into a certificate of an Ed25519 key, whose encoding is
// as long, and signs it again: x509.CreateCertificate refuses such keys.
func (a *authority) certifyX25519(tmpl *x509.Certificate, pub *ecdh.PublicKey) *x509.Certificate {
	placeholder, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	draft := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, tmpl, a.cert, placeholder, a.key))))
	tbs := bytes.Replace(draft.RawTBSCertificate, draft.RawSubjectPublicKeyInfo, must(x509.MarshalPKIXPublicKey(pub)), 1)
	h := crypto.SHA256.New()
	h.Write(tbs)
	sig := must(a.key.Sign(rand.Reader, h.Sum(nil), crypto.SHA256))
	return must(x509.ParseCertificate(must(asn1.Marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}, asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}}))))
}

// An identity is a certificate with its key, of whatever kind.
type identity struct {
	cert *x509.Certificate
	key  crypto.Signer    // nil for X25519
	dh   *ecdh.PrivateKey // of keys for key agreement
}

func (i identity) signing(chain ...*x509.Certificate) wssec.Identity {
	return wssec.Identity{Certificate: i.cert, Key: i.key, Chain: chain}
}

// The parties. AP_NL_01 sends, AP_FI_03 is us, AP_SE_02 is another partner.
const (
	partnerID = "AP_NL_01"
	ourID     = "AP_FI_03"
	otherID   = "AP_SE_02"
)

// keyring holds the keys of one profile.
type keyring struct {
	profile                      wssec.Profile
	partner, other, ours, decode identity
	partnerDecode, otherDecode   identity
	mallory                      crypto.Signer // a key nobody certified
}

type pki struct {
	root, issuing *authority
	rogue         *authority // bears the name of root and is trusted by nobody
	rsa, ed, ec   *keyring
}

func keyUsage(u x509.KeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.KeyUsage = u }
}

// world holds all keys: making them takes longer than using them.
var world = sync.OnceValue(func() *pki {
	w := &pki{root: newAuthority("Root", nil)}
	w.issuing, w.rogue = newAuthority("Issuing", w.root), newAuthority("Root", nil)
	w.rsa = w.ring(wssec.Profile115, func() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) }, nil)
	w.ed = w.ring(wssec.Profile20, func() crypto.Signer {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	}, func() *ecdh.PrivateKey { return must(ecdh.X25519().GenerateKey(rand.Reader)) })
	w.ec = w.ring(wssec.Profile20ECDSA, func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }, nil)
	return w
})

func (w *pki) ring(profile wssec.Profile, newKey func() crypto.Signer, newDH func() *ecdh.PrivateKey) *keyring {
	sign := func(name string) identity {
		key := newKey()
		return identity{cert: w.issuing.certify(name, key.Public()), key: key}
	}
	decode := func(name string) identity {
		if newDH != nil {
			dh := newDH()
			return identity{cert: w.issuing.certify(name, dh.PublicKey(), keyUsage(x509.KeyUsageKeyAgreement)), dh: dh}
		}
		i := identity{key: newKey()}
		usage := x509.KeyUsageKeyEncipherment
		if k, ok := i.key.(*ecdsa.PrivateKey); ok {
			i.dh, usage = must(k.ECDH()), x509.KeyUsageKeyAgreement
		}
		i.cert = w.issuing.certify(name, i.key.Public(), keyUsage(usage))
		return i
	}
	return &keyring{
		profile: profile, partner: sign(partnerID), other: sign(otherID), ours: sign(ourID), decode: decode(ourID),
		partnerDecode: decode(partnerID), otherDecode: decode(otherID), mallory: newKey(),
	}
}
