package wssec

import (
	"crypto"
	"crypto/ecdh"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // RFC 5280 4.2.1.2 names keys with it
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"
)

// An Identity is a certificate of ours with the key that signs.
type Identity struct {
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // of its authorities, issuer first; for TokenPKIPath
	Key         crypto.Signer
}

// A Decryption is a certificate of ours with the key that decrypts: Key for RSA,
// Agreement for X25519 and the NIST curves.
type Decryption struct {
	Certificate *x509.Certificate
	Key         crypto.Decrypter
	Agreement   ecdh.KeyExchanger
}

// usable checks validity at now and that the key may be used so. A certificate
// without the key usage extension allows every use (RFC 5280 4.2.1.3).
func usable(c *x509.Certificate, now time.Time, any x509.KeyUsage) error {
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return fmt.Errorf("certificate is valid from %s to %s", c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
	}
	if c.KeyUsage != 0 && c.KeyUsage&any == 0 {
		return errors.New("certificate does not allow this use of its key")
	}
	return nil
}

// maxRSABits is more than any authority has. A stranger names the issuers of his
// certificate, and what it costs to check a signature grows with the square of the key.
const maxRSABits = 16384

var errGiant = errors.New("key of a certificate is too large")

// modest refuses certificates with which no signature shall be checked.
func modest(c *x509.Certificate) error {
	if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxRSABits {
		return errGiant
	}
	return nil
}

// subjectKeyID returns the extension's value, or the SHA-1 of the public key bits
// where there is none (RFC 5280 4.2.1.2, method 1).
func subjectKeyID(c *x509.Certificate) []byte {
	if len(c.SubjectKeyId) > 0 {
		return c.SubjectKeyId
	}
	var spki struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &spki); err != nil {
		return nil
	}
	sum := sha1.Sum(spki.Key.RightAlign()) //nolint:gosec // see import
	return sum[:]
}

// thumbprint returns the SHA-1 of a certificate, as WS-Security 1.1 names it.
func thumbprint(c *x509.Certificate) []byte {
	sum := sha1.Sum(c.Raw) //nolint:gosec // a name, not a proof: the certificate found by it is checked
	return sum[:]
}
