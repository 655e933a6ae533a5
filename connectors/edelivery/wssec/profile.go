package wssec

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"oncegate/connectors/xmlsec"
)

// A Profile is the set of algorithms that an agreement is made of. The zero value
// means Profile115 where a message is sealed or opened.
type Profile string

// The profiles of eDelivery AS4 (b.1, b.5).
const (
	Profile115     Profile = "1.15"      // RSA
	Profile20      Profile = "2.0"       // Ed25519 and X25519
	Profile20ECDSA Profile = "2.0-ecdsa" // the alternative of 2.0: ECDSA and ECDH on NIST curves
)

// Valid reports whether p is one of the profiles.
func (p Profile) Valid() bool { return p == Profile115 || p == Profile20 || p == Profile20ECDSA }

// Algorithms are those that an agreement allows in what it receives. An empty list
// means the one of the agreement's profile; the closed list of xmlsec bounds every
// choice.
type Algorithms struct {
	Signatures []xmlsec.SignatureAlgorithm
	Data       []xmlsec.DataAlgorithm
	Transports []xmlsec.KeyTransport // of 1.15
	Agreements []xmlsec.KeyAgreement // of 2.0
	Tokens     []Token               // default all but thumbprint
}

// Algorithms returns the algorithms of the profile.
func (p Profile) Algorithms() Algorithms {
	a := Algorithms{
		Data:   []xmlsec.DataAlgorithm{xmlsec.AES128GCM},
		Tokens: []Token{TokenBST, TokenPKIPath, TokenSKI, TokenIssuerSerial},
	}
	switch p {
	case Profile20:
		a.Signatures, a.Agreements = []xmlsec.SignatureAlgorithm{xmlsec.Ed25519}, []xmlsec.KeyAgreement{xmlsec.X25519}
	case Profile20ECDSA:
		a.Signatures, a.Agreements = []xmlsec.SignatureAlgorithm{xmlsec.ECDSASHA256}, []xmlsec.KeyAgreement{xmlsec.ECDHES}
	default:
		a.Signatures, a.Transports = []xmlsec.SignatureAlgorithm{xmlsec.RSASHA256}, []xmlsec.KeyTransport{xmlsec.RSAOAEP}
	}
	return a
}

// of fills what is empty from the profile. Key transports are not filled where key
// agreements are named, nor the other way round: what is named is all there is.
func (a Algorithms) of(p Profile) Algorithms {
	d := p.Algorithms()
	if len(a.Signatures) == 0 {
		a.Signatures = d.Signatures
	}
	if len(a.Data) == 0 {
		a.Data = d.Data
	}
	if len(a.Transports) == 0 && len(a.Agreements) == 0 {
		a.Transports, a.Agreements = d.Transports, d.Agreements
	}
	if len(a.Tokens) == 0 {
		a.Tokens = d.Tokens
	}
	return a
}

// Signer returns the first of our identities that signs in this profile now.
func (p Profile) Signer(identities []Identity, now time.Time) (Identity, error) {
	err := errors.New("no signing certificate")
	for _, i := range identities {
		if err = p.signs(i.Certificate); err != nil {
			continue
		}
		if err = usable(i.Certificate, now, x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment); err == nil {
			return i, nil
		}
	}
	return Identity{}, err
}

// Recipient returns the first of the certificates that is good for encryption in
// this profile now.
func (p Profile) Recipient(cs []*x509.Certificate, now time.Time) (*x509.Certificate, error) {
	err := errors.New("no encryption certificate")
	uses := x509.KeyUsageKeyAgreement
	if p != Profile20 && p != Profile20ECDSA {
		uses = x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment
	}
	for _, c := range cs {
		if _, err = p.encryptionKey(c); err != nil {
			continue
		}
		if err = usable(c, now, uses); err == nil {
			return c, nil
		}
	}
	return nil, err
}

// signs says whether the key of a certificate is of the kind that signs here.
func (p Profile) signs(c *x509.Certificate) error {
	switch c.PublicKey.(type) {
	case ed25519.PublicKey:
		if p == Profile20 {
			return nil
		}
	case *ecdsa.PublicKey:
		if p == Profile20ECDSA {
			return nil
		}
	case *rsa.PublicKey:
		if p != Profile20 && p != Profile20ECDSA {
			return nil
		}
	}
	return errors.New("signing certificate without a key of the profile's kind")
}

// encryptionKey returns the key of a certificate as xmlsec wants it.
func (p Profile) encryptionKey(c *x509.Certificate) (crypto.PublicKey, error) {
	switch p {
	case Profile20, Profile20ECDSA:
		key, err := agreementKey(c)
		if err != nil {
			return nil, err
		}
		if (key.Curve() == ecdh.X25519()) != (p == Profile20) {
			return nil, errors.New("encryption certificate on a curve of the other usage profile")
		}
		return key, nil
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok {
		return key, nil
	}
	return nil, errors.New("encryption certificate without an RSA key")
}

// agreementKey returns the key of a certificate for key agreement. x509 leaves the
// PublicKey of an X25519 certificate nil.
func agreementKey(c *x509.Certificate) (*ecdh.PublicKey, error) {
	switch key := c.PublicKey.(type) {
	case nil:
		k, err := xmlsec.AgreementKey(c.RawSubjectPublicKeyInfo)
		if err != nil {
			return nil, fmt.Errorf("encryption certificate: %w", err)
		}
		return k, nil
	case *ecdh.PublicKey:
		return key, nil
	case *ecdsa.PublicKey:
		k, err := key.ECDH()
		if err != nil {
			return nil, fmt.Errorf("encryption certificate on a curve other than P-256, P-384 and P-521: %w", err)
		}
		return k, nil
	}
	return nil, errors.New("encryption certificate without a key for key agreement")
}
