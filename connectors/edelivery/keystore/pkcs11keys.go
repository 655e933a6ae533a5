//go:build pkcs11

package keystore

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sync/atomic"

	"github.com/miekg/pkcs11"
)

// PKCS#11 3.0 names, which the library's headers of 2.40 do not have.
const ckmEdDSA = 0x00001057

var (
	errDecryption = errors.New("decryption failed") // the one answer to every bad ciphertext (i.12)
	errHash       = errors.New("digest is not one that the token signs")
)

// newTokenKey wraps a key as what its certificate says it is, and proves that it
// belongs to it.
func newTokenKey(t *token, c *x509.Certificate) (crypto.PrivateKey, error) {
	var key crypto.PrivateKey
	var err error
	switch pub := PublicKey(c).(type) {
	case *rsa.PublicKey:
		k := &tokenRSA{token: t, public: pub}
		key, err = k, k.prove()
	case *ecdsa.PublicKey:
		k := &tokenEC{token: t, public: pub}
		if k.agreement, err = pub.ECDH(); err == nil {
			err = k.prove()
		}
		key = k
	case ed25519.PublicKey:
		k := &tokenEd25519{token: t, public: pub}
		key, err = k, k.prove()
	case *ecdh.PublicKey:
		k := &tokenX25519{token: t, public: pub}
		key, err = k, proveAgreement(k)
	default:
		err = errors.New("certificate's key is not RSA, EC, Ed25519 or X25519")
	}
	if err != nil {
		return nil, err
	}
	t.closeUnused(key)
	return key, nil
}

var errNotPair = errors.New("key in the token does not belong to the certificate, or may not be used")

// A tokenRSA signs with PKCS #1 v1.5 and decrypts OAEP.
type tokenRSA struct {
	*token
	public *rsa.PublicKey
	raw    atomic.Bool // the token does not know this OAEP: it gives the block and the padding is read here
}

var (
	_ crypto.Signer    = (*tokenRSA)(nil)
	_ crypto.Decrypter = (*tokenRSA)(nil)
)

// Public returns the certificate's key.
func (k *tokenRSA) Public() crypto.PublicKey { return k.public }

func (k *tokenRSA) prove() error {
	return k.do(func(s session) error {
		v, err := k.module.GetAttributeValue(s.handle, s.key, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_MODULUS, nil)})
		if err != nil {
			return fmt.Errorf("reading modulus: %w", err)
		}
		if new(big.Int).SetBytes(v[0].Value).Cmp(k.public.N) != 0 {
			return errNotPair
		}
		return nil
	})
}

// prefixes are the DigestInfo of RFC 8017 9.2 before the digest.
var prefixes = map[crypto.Hash][]byte{
	crypto.SHA256: {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20},
	crypto.SHA384: {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30},
	crypto.SHA512: {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40},
}

// Sign signs a digest.
func (k *tokenRSA) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, pss := opts.(*rsa.PSSOptions); pss {
		return nil, errors.New("no signature algorithm of the profiles is RSA-PSS")
	}
	prefix, ok := prefixes[opts.HashFunc()]
	if !ok || len(digest) != opts.HashFunc().Size() {
		return nil, errHash
	}
	return k.sign(pkcs11.CKM_RSA_PKCS, append(prefix[:len(prefix):len(prefix)], digest...))
}

// sign has the token sign with a mechanism.
func (t *token) sign(mechanism uint, data []byte) (sig []byte, err error) {
	err = t.do(func(s session) error {
		if err := t.module.SignInit(s.handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(mechanism, nil)}, s.key); err != nil {
			return fmt.Errorf("signing: %w", err)
		}
		sig, err = t.module.Sign(s.handle, data)
		if err != nil {
			return fmt.Errorf("signing: %w", err)
		}
		return nil
	})
	return sig, err
}

var (
	tokenHashes = map[crypto.Hash]uint{crypto.SHA1: pkcs11.CKM_SHA_1, crypto.SHA256: pkcs11.CKM_SHA256, crypto.SHA384: pkcs11.CKM_SHA384, crypto.SHA512: pkcs11.CKM_SHA512}
	tokenMGFs   = map[crypto.Hash]uint{crypto.SHA1: pkcs11.CKG_MGF1_SHA1, crypto.SHA256: pkcs11.CKG_MGF1_SHA256, crypto.SHA384: pkcs11.CKG_MGF1_SHA384, crypto.SHA512: pkcs11.CKG_MGF1_SHA512}
)

// Decrypt decrypts OAEP and nothing else. Tokens that know OAEP with SHA-1 only, as
// SoftHSM 2.6, give the block, and its padding is read here in constant time.
func (k *tokenRSA) Decrypt(_ io.Reader, msg []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	o, ok := opts.(*rsa.OAEPOptions)
	if !ok {
		return nil, errors.New("no key transport of the profiles is other than OAEP")
	}
	mgf := o.MGFHash
	if mgf == 0 {
		mgf = o.Hash
	}
	if tokenHashes[o.Hash] == 0 || tokenMGFs[mgf] == 0 {
		return nil, errHash
	}
	if len(msg) != k.public.Size() {
		return nil, errDecryption
	}
	if !k.raw.Load() || o.Hash == crypto.SHA1 && mgf == crypto.SHA1 {
		params := pkcs11.NewOAEPParams(tokenHashes[o.Hash], tokenMGFs[mgf], pkcs11.CKZ_DATA_SPECIFIED, o.Label)
		out, err := k.decrypt(pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_OAEP, params), msg)
		if !is(err, pkcs11.CKR_ARGUMENTS_BAD, pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_MECHANISM_INVALID) {
			return out, err
		}
		k.raw.Store(true)
	}
	em, err := k.decrypt(pkcs11.NewMechanism(pkcs11.CKM_RSA_X_509, nil), msg)
	if err != nil {
		return nil, err
	}
	block := make([]byte, k.public.Size())
	if len(em) > len(block) {
		return nil, errDecryption
	}
	copy(block[len(block)-len(em):], em)
	return unpadOAEP(o.Hash, mgf, o.Label, block)
}

func (t *token) decrypt(m *pkcs11.Mechanism, msg []byte) (out []byte, err error) {
	err = t.do(func(s session) error {
		if err := t.module.DecryptInit(s.handle, []*pkcs11.Mechanism{m}, s.key); err != nil {
			return fmt.Errorf("decrypting: %w", err)
		}
		out, err = t.module.Decrypt(s.handle, msg)
		if err != nil && !lost(err) {
			return errDecryption
		}
		return err
	})
	return out, err
}

// A tokenEC signs with ECDSA and agrees with ECDH, as far as the token allows the key.
type tokenEC struct {
	*token
	public    *ecdsa.PublicKey
	agreement *ecdh.PublicKey
}

var (
	_ crypto.Signer     = (*tokenEC)(nil)
	_ ecdh.KeyExchanger = (*tokenEC)(nil)
)

// Public returns the certificate's key.
func (k *tokenEC) Public() crypto.PublicKey { return k.public }

// PublicKey returns the certificate's key.
func (k *tokenEC) PublicKey() *ecdh.PublicKey { return k.agreement }

// Curve returns that of the key.
func (k *tokenEC) Curve() ecdh.Curve { return k.agreement.Curve() }

func (k *tokenEC) prove() error {
	digest := sha256.Sum256([]byte("oncegate"))
	if sig, err := k.Sign(nil, digest[:], crypto.SHA256); err == nil {
		if !ecdsa.VerifyASN1(k.public, digest[:], sig) {
			return errNotPair
		}
		return nil
	}
	return proveAgreement(k)
}

// Sign signs a digest.
func (k *tokenEC) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	sig, err := k.sign(pkcs11.CKM_ECDSA, digest)
	if err != nil {
		return nil, err
	}
	n := (k.public.Curve.Params().BitSize + 7) / 8
	if len(sig) != 2*n {
		return nil, errors.New("token's signature has a wrong length")
	}
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:])})
}

// ECDH agrees on a secret.
func (k *tokenEC) ECDH(remote *ecdh.PublicKey) ([]byte, error) {
	return k.agree(k.agreement, remote)
}

// A tokenEd25519 signs.
type tokenEd25519 struct {
	*token
	public ed25519.PublicKey
}

var _ crypto.Signer = (*tokenEd25519)(nil)

// Public returns the certificate's key.
func (k *tokenEd25519) Public() crypto.PublicKey { return k.public }

func (k *tokenEd25519) prove() error {
	msg := []byte("oncegate")
	sig, err := k.Sign(nil, msg, crypto.Hash(0))
	if err != nil {
		return err
	}
	if !ed25519.Verify(k.public, msg, sig) {
		return errNotPair
	}
	return nil
}

// Sign signs a message, not a digest.
func (k *tokenEd25519) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != 0 {
		return nil, errHash
	}
	return k.sign(ckmEdDSA, message)
}

// A tokenX25519 agrees.
type tokenX25519 struct {
	*token
	public *ecdh.PublicKey
}

var _ ecdh.KeyExchanger = (*tokenX25519)(nil)

// PublicKey returns the certificate's key.
func (k *tokenX25519) PublicKey() *ecdh.PublicKey { return k.public }

// Curve returns X25519.
func (k *tokenX25519) Curve() ecdh.Curve { return k.public.Curve() }

// ECDH agrees on a secret.
func (k *tokenX25519) ECDH(remote *ecdh.PublicKey) ([]byte, error) {
	return k.agree(k.public, remote)
}

func proveAgreement(k ecdh.KeyExchanger) error {
	other, err := k.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	want, err := other.ECDH(k.PublicKey())
	if err != nil {
		return err
	}
	got, err := k.ECDH(other.PublicKey())
	if err != nil {
		return err
	}
	if string(got) != string(want) {
		return errNotPair
	}
	return nil
}

// agree has the token derive the secret, which is then read: the key derivation of the
// profile, HKDF, is not one of PKCS#11 2.40.
func (t *token) agree(own, remote *ecdh.PublicKey) (secret []byte, err error) {
	if remote == nil || remote.Curve() != own.Curve() {
		return nil, errors.New("key of another curve")
	}
	wrapped, err := asn1.Marshal(remote.Bytes())
	if err != nil {
		return nil, err
	}
	// Tokens do not agree whether the point is in an OCTET STRING (PKCS#11 2.40 2.3.13).
	for _, point := range [][]byte{remote.Bytes(), wrapped} {
		if secret, err = t.derive(point, (len(own.Bytes())-1)/2, own.Curve() == ecdh.X25519()); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	zero := byte(0)
	for _, b := range secret {
		zero |= b
	}
	if zero == 0 {
		return nil, errors.New("agreed secret is all zero") // i.25
	}
	return secret, nil
}

func (t *token) derive(point []byte, size int, x bool) (secret []byte, err error) {
	if x {
		size = 32
	}
	template := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_GENERIC_SECRET),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, false),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, size),
	}
	err = t.do(func(s session) error {
		params := pkcs11.NewECDH1DeriveParams(pkcs11.CKD_NULL, nil, point)
		h, err := t.module.DeriveKey(s.handle, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDH1_DERIVE, params)}, s.key, template)
		if err != nil {
			return fmt.Errorf("agreeing: %w", err)
		}
		defer func() { _ = t.module.DestroyObject(s.handle, h) }()
		v, err := t.module.GetAttributeValue(s.handle, h, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil)})
		if err != nil {
			return fmt.Errorf("reading agreed secret: %w", err)
		}
		if secret = v[0].Value; len(secret) != size {
			return errors.New("agreed secret has a wrong length")
		}
		return nil
	})
	return secret, err
}
