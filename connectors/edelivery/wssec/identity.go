package wssec

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // RFC 5280 4.2.1.2 names keys with it
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"
)

// A Token is the form in which a message refers to a certificate.
type Token string

// The forms (b.2). All are read, whatever is set for writing.
const (
	TokenBST          Token = "bst"           // BinarySecurityToken, recommended by the profile
	TokenSKI          Token = "ski"           // SubjectKeyIdentifier, the default of Domibus
	TokenIssuerSerial Token = "issuer-serial" // X509IssuerSerial
)

// Valid reports whether t is one of the forms.
func (t Token) Valid() bool { return t == TokenBST || t == TokenSKI || t == TokenIssuerSerial }

// An Identity is a certificate of ours with the key that signs.
type Identity struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// A Decryption is a certificate of ours with the key that decrypts.
type Decryption struct {
	Certificate *x509.Certificate
	Key         crypto.Decrypter
}

// Recipient returns the first of the certificates that is good for encryption now.
func Recipient(cs []*x509.Certificate, now time.Time) (*x509.Certificate, error) {
	err := errors.New("no encryption certificate")
	for _, c := range cs {
		if err = usable(c, now, x509.KeyUsageKeyEncipherment|x509.KeyUsageDataEncipherment); err == nil {
			if _, ok := c.PublicKey.(*rsa.PublicKey); !ok {
				err = errors.New("encryption certificate without an RSA key")
				continue
			}
			return c, nil
		}
	}
	return nil, err
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
