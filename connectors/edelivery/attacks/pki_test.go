package attacks

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/x509"
	"sync"
	"time"

	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
)

var testNow = time.Date(2026, 9, 14, 9, 31, 7, 42_000_000, time.UTC)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// edits makes what the authorities of the test run issue: certificates that sign.
func edits(more ...pkitest.Edit) []pkitest.Edit {
	return append([]pkitest.Edit{pkitest.Usage(x509.KeyUsageDigitalSignature), pkitest.Around(testNow),
		func(c *x509.Certificate) { c.Subject.Organization = []string{"Example, PKI"} }}, more...)
}

// asCA makes an authority that could sign messages too.
func asCA(c *x509.Certificate) {
	pkitest.Authority(c)
	c.KeyUsage |= x509.KeyUsageDigitalSignature
}

func newAuthority(name string) pkitest.Pair {
	return pkitest.SelfSigned(name, pkitest.P256(), edits(asCA)...)
}

// certify certifies a key; edits change the certificate.
func certify(by pkitest.Pair, name string, pub crypto.PublicKey, more ...pkitest.Edit) *x509.Certificate {
	return by.Certify(name, pub, edits(more...)...)
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
	root, issuing pkitest.Pair
	rogue         pkitest.Pair // bears the name of root and is trusted by nobody
	rsa, ed, ec   *keyring
}

// world holds all keys: making them takes longer than using them.
var world = sync.OnceValue(func() *pki {
	w := &pki{root: newAuthority("Root"), rogue: newAuthority("Root")}
	w.issuing = w.root.Issue("Issuing", pkitest.P256(), edits(asCA)...)
	w.rsa = w.ring(wssec.Profile115, func() crypto.Signer { return pkitest.NewRSA(2048) }, nil)
	w.ed = w.ring(wssec.Profile20, func() crypto.Signer { return pkitest.Ed25519() }, pkitest.X25519)
	w.ec = w.ring(wssec.Profile20ECDSA, func() crypto.Signer { return pkitest.P256() }, nil)
	return w
})

func (w *pki) ring(profile wssec.Profile, newKey func() crypto.Signer, newDH func() *ecdh.PrivateKey) *keyring {
	sign := func(name string) identity {
		key := newKey()
		return identity{cert: certify(w.issuing, name, key.Public()), key: key}
	}
	decode := func(name string) identity {
		if newDH != nil {
			dh := newDH()
			return identity{cert: certify(w.issuing, name, dh.PublicKey(), pkitest.Usage(x509.KeyUsageKeyAgreement)), dh: dh}
		}
		i := identity{key: newKey()}
		usage := x509.KeyUsageKeyEncipherment
		if k, ok := i.key.(*ecdsa.PrivateKey); ok {
			i.dh, usage = must(k.ECDH()), x509.KeyUsageKeyAgreement
		}
		i.cert = certify(w.issuing, name, i.key.Public(), pkitest.Usage(usage))
		return i
	}
	return &keyring{
		profile: profile, partner: sign(partnerID), other: sign(otherID), ours: sign(ourID), decode: decode(ourID),
		partnerDecode: decode(partnerID), otherDecode: decode(otherID), mallory: newKey(),
	}
}
