package main

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"

	"oncegate/connectors/edelivery/wssec"
)

// bare is the cryptography of one message and of its receipt, and nothing else: no
// XML, MIME, gzip or HTTP. It is the bound that an access point is measured against.
type bare struct {
	sign      crypto.Signer    // signs the message, or the receipt
	verify    crypto.PublicKey // of what comes
	unwrap    crypto.Decrypter
	agree     ecdh.KeyExchanger
	recipient crypto.PublicKey

	header, info, clear []byte // what is digested and signed
	value               []byte // a signature by verify
	sum                 [sha256.Size]byte
	wrapped, sealed     []byte
	ephemeral           *ecdh.PublicKey
	salt                [32]byte
}

// newBare has B's keys, as signer and recipient, and works on what A sends of the
// given length when it is compressed. Both parties have keys of one kind, so B's
// stand for A's.
func newBare(sign wssec.Identity, decrypt wssec.Decryption, public crypto.PublicKey, size int) (*bare, error) {
	b := &bare{
		sign: sign.Key, verify: sign.Certificate.PublicKey, unwrap: decrypt.Key, agree: decrypt.Agreement, recipient: public,
		header: make([]byte, 1800), info: make([]byte, 1500), clear: make([]byte, size),
	}
	return b, errors.Join(b.makeSignature(), b.wrap())
}

// digest hashes Messaging, Body and the part, and SignedInfo where the signature does not.
func (b *bare) digest() {
	sha256.Sum256(b.header)
	sha256.Sum256(b.header[:200])
	sha256.Sum256(b.clear)
	if _, ok := b.verify.(ed25519.PublicKey); !ok {
		b.sum = sha256.Sum256(b.info)
	}
}

func (b *bare) makeSignature() (err error) {
	b.digest()
	if _, ok := b.verify.(ed25519.PublicKey); ok {
		b.value, err = b.sign.Sign(nil, b.info, crypto.Hash(0))
	} else {
		b.value, err = b.sign.Sign(rand.Reader, b.sum[:], crypto.SHA256)
	}
	return err
}

func (b *bare) checkSignature() error {
	b.digest()
	switch k := b.verify.(type) {
	case ed25519.PublicKey:
		if !ed25519.Verify(k, b.info, b.value) {
			return errors.New("signature")
		}
		return nil
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, b.sum[:], b.value)
	}
	return errors.New("key of another kind")
}

func (b *bare) wrap() error {
	key := make([]byte, 16)
	_, _ = rand.Read(key) // never fails
	switch k := b.recipient.(type) {
	case *rsa.PublicKey:
		var err error
		if b.wrapped, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, k, key, nil); err != nil {
			return err
		}
	case *ecdh.PublicKey:
		own, err := k.Curve().GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		b.ephemeral = own.PublicKey()
		kek, err := b.kek(own, k)
		if err != nil {
			return err
		}
		b.wrapped = append(b.wrapped[:0], key...)
		for range 12 { // what AES key wrap costs (RFC 3394)
			kek.Encrypt(b.wrapped, b.wrapped)
		}
	}
	gcm, err := aead(key)
	if err != nil {
		return err
	}
	b.sealed = gcm.Seal(b.sealed[:0], nil, b.clear, nil)
	return nil
}

func (b *bare) open() error {
	var key []byte
	if b.unwrap != nil {
		var err error
		if key, err = b.unwrap.Decrypt(rand.Reader, b.wrapped, &rsa.OAEPOptions{Hash: crypto.SHA256}); err != nil {
			return err
		}
	} else {
		kek, err := b.kek(b.agree, b.ephemeral)
		if err != nil {
			return err
		}
		key = append(key, b.wrapped...)
		for range 12 {
			kek.Decrypt(key, key)
		}
	}
	gcm, err := aead(key)
	if err != nil {
		return err
	}
	_, err = gcm.Open(b.clear[:0], nil, b.sealed, nil)
	return err
}

func (b *bare) kek(ours ecdh.KeyExchanger, theirs *ecdh.PublicKey) (cipher.Block, error) {
	secret, err := ours.ECDH(theirs)
	if err != nil {
		return nil, err
	}
	kek, err := hkdf.Key(sha256.New, secret, b.salt[:], "", 16)
	if err != nil {
		return nil, err
	}
	return aes.NewCipher(kek)
}

func aead(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// receive is what a receiver must compute: the signature of the message, the key, the
// content, and the signature of the receipt.
func (b *bare) receive() error {
	return errors.Join(b.checkSignature(), b.open(), b.makeSignature())
}

// send is what a sender must compute, the check of the receipt included.
func (b *bare) send() error {
	return errors.Join(b.makeSignature(), b.wrap(), b.checkSignature())
}

// recipientKey is the public key of a certificate for encryption.
func recipientKey(d wssec.Decryption) (crypto.PublicKey, error) {
	if d.Certificate.PublicKey != nil {
		return d.Certificate.PublicKey, nil
	}
	return x509.ParsePKIXPublicKey(d.Certificate.RawSubjectPublicKeyInfo) // x509 leaves X25519 out
}
