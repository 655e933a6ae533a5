package keystore

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
)

// A Kind is a kind of key, as the profiles of eDelivery tell them apart (b.1, b.5).
type Kind string

// The kinds of key.
const (
	RSA     Kind = "rsa"
	EC      Kind = "ec" // ECDSA, and ECDH on the same curves
	Ed25519 Kind = "ed25519"
	X25519  Kind = "x25519"
)

// x25519 is how the SubjectPublicKeyInfo of an X25519 key begins (RFC 8410): of such a
// certificate x509 leaves PublicKey nil.
var x25519 = []byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00}

// KindOf returns the kind of a certificate's key; empty for another one.
func KindOf(c *x509.Certificate) Kind {
	switch c.PublicKey.(type) {
	case *rsa.PublicKey:
		return RSA
	case *ecdsa.PublicKey:
		return EC
	case ed25519.PublicKey:
		return Ed25519
	case nil:
		if len(c.RawSubjectPublicKeyInfo) == len(x25519)+32 && bytes.HasPrefix(c.RawSubjectPublicKeyInfo, x25519) {
			return X25519
		}
	}
	return ""
}

// PublicKey returns a certificate's key, also where x509 does not parse it.
func PublicKey(c *x509.Certificate) crypto.PublicKey {
	if c.PublicKey == nil && KindOf(c) == X25519 {
		if k, err := ecdh.X25519().NewPublicKey(c.RawSubjectPublicKeyInfo[len(x25519):]); err == nil {
			return k
		}
	}
	return c.PublicKey
}

// matches reports whether the private key is that of the certificate.
func matches(c *x509.Certificate, key crypto.PrivateKey) bool {
	var pub crypto.PublicKey
	switch k := key.(type) {
	case interface{ Public() crypto.PublicKey }: // every key of the standard library
		pub = k.Public()
	case ecdh.KeyExchanger:
		pub = k.PublicKey()
	}
	if x, ok := pub.(*ecdh.PublicKey); ok && x.Curve() != ecdh.X25519() {
		// The certificate of an EC key does not tell signing from agreement.
		e, ok := c.PublicKey.(*ecdsa.PublicKey)
		if !ok {
			return false
		}
		own, err := e.ECDH()
		return err == nil && own.Equal(x)
	}
	own, ok := PublicKey(c).(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub != nil && own.Equal(pub)
}
