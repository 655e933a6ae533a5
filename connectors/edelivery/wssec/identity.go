package wssec

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // RFC 5280 4.2.1.2 names keys with it
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"sync"
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

// Trust says which certificates sign for one partner. A certificate is trusted
// when it is pinned, or when a path leads from it to an anchor and its common name
// is one of Names: being in the trust store is not enough to speak for a party.
type Trust struct {
	Pinned        []*x509.Certificate
	Anchors       []*x509.Certificate
	Intermediates []*x509.Certificate
	Names         []string
}

// A Verifier checks the certificates of one partner and remembers those that it
// found good. It is safe for concurrent use.
type Verifier struct {
	trust         Trust
	anchors       *x509.CertPool
	intermediates *x509.CertPool

	mu    sync.Mutex
	known map[[sha256.Size]byte]remembered
}

// A remembered certificate is good until it or an authority on its path expires.
type remembered struct {
	certificate *x509.Certificate
	until       time.Time
}

// NewVerifier returns a verifier of the given trust.
func NewVerifier(t Trust) (*Verifier, error) {
	if len(t.Pinned) == 0 && len(t.Anchors) == 0 {
		return nil, errors.New("neither pinned certificates nor trust anchors")
	}
	if len(t.Anchors) > 0 && len(t.Names) == 0 {
		return nil, errors.New("trust anchors without the names of the partner's certificates")
	}
	v := &Verifier{trust: t, anchors: x509.NewCertPool(), intermediates: x509.NewCertPool(), known: map[[sha256.Size]byte]remembered{}}
	for _, c := range t.Anchors {
		v.anchors.AddCert(c)
	}
	for _, c := range t.Intermediates {
		v.intermediates.AddCert(c)
	}
	return v, nil
}

const maxKnown = 64

// certificate returns the trusted certificate with the given DER. chain holds
// what came with it; it never adds an anchor.
func (v *Verifier) certificate(der []byte, chain [][]byte, now time.Time) (*x509.Certificate, error) {
	for _, c := range v.trust.Pinned {
		if string(c.Raw) == string(der) {
			return c, usable(c, now, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment)
		}
	}
	if len(v.trust.Anchors) == 0 {
		return nil, errors.New("certificate is not pinned for this partner")
	}
	key := sha256.Sum256(der)
	v.mu.Lock()
	r := v.known[key]
	v.mu.Unlock()
	if r.certificate != nil && !now.After(r.until) {
		if err := usable(r.certificate, now, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment); err == nil {
			return r.certificate, nil
		}
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parsing certificate: %w", err)
	}
	until, err := v.path(c, chain, now)
	if err != nil {
		return nil, err
	}
	// Only trusted certificates are remembered, so a stranger cannot fill the memory.
	v.mu.Lock()
	if len(v.known) >= maxKnown {
		clear(v.known)
	}
	v.known[key] = remembered{c, until}
	v.mu.Unlock()
	return c, nil
}

// path finds a path to an anchor and returns until when it holds.
func (v *Verifier) path(c *x509.Certificate, chain [][]byte, now time.Time) (until time.Time, err error) {
	if c.IsCA {
		return until, errors.New("certificate of an authority cannot sign messages")
	}
	if !slices.Contains(v.trust.Names, c.Subject.CommonName) {
		return until, errors.New("certificate is not one of this partner")
	}
	if err := usable(c, now, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment); err != nil {
		return until, err
	}
	intermediates := v.intermediates
	if len(chain) > 0 {
		intermediates = v.intermediates.Clone()
		for _, der := range chain {
			ca, err := x509.ParseCertificate(der)
			if err != nil {
				return until, fmt.Errorf("parsing certificate path: %w", err)
			}
			intermediates.AddCert(ca)
		}
	}
	paths, err := c.Verify(x509.VerifyOptions{
		Roots:         v.anchors,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return until, fmt.Errorf("validating certificate path: %w", err)
	}
	for _, ca := range paths[0] {
		if until.IsZero() || ca.NotAfter.Before(until) {
			until = ca.NotAfter
		}
	}
	return until, nil
}

// named returns the pinned certificate that match accepts. A reference without
// the certificate itself can only mean a pinned one.
func (v *Verifier) named(match func(*x509.Certificate) bool, now time.Time) (*x509.Certificate, error) {
	err := errors.New("token refers to no certificate of this partner")
	for _, c := range v.trust.Pinned {
		if !match(c) {
			continue
		}
		if err = usable(c, now, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment); err == nil {
			return c, nil
		}
	}
	return nil, err
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
