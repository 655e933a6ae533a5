package keystore

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
)

// A Ref says where one identity is: PEM files, a PKCS#12 store or a PKCS#11 token.
type Ref struct {
	Certificate string  // PEM file: the certificate, its chain may follow
	Key         string  // PEM file: PKCS#8, PKCS#1 or SEC1
	PKCS12      *PKCS12 // instead of the files
	PKCS11      *PKCS11 // instead of the files
	Provider    string  // Default go. Who computes with a key from a file: ProviderGo or ProviderOpenSSL
}

// PKCS12 names one key in a store.
type PKCS12 struct {
	File         string
	PasswordFile string
	Alias        string // Required where the store holds several keys. Compared without case, as Java does
}

// PKCS11 names one key in a token.
type PKCS11 struct {
	Module      string // absolute path of the library
	Token       string // label of the token
	Label       string // of the key
	PINFile     string
	Certificate string // PEM file. Default: the certificate of the same label in the token
}

// Providers of computation with keys from files. Keys of a token compute in the token.
const (
	ProviderGo      = "go"
	ProviderOpenSSL = "openssl" // needs the build tag openssl
)

// Files reads the files that a Ref names. Both methods bound what they read and
// resolve relative names.
type Files interface {
	// Public reads certificates.
	Public(name string) ([]byte, error)
	// Secret reads keys, stores, passwords and PINs. It refuses a file that others than
	// its owner may read.
	Secret(name string) ([]byte, error)
}

// An Entry is one identity of ours. Key belongs to Certificate: Open checked it.
type Entry struct {
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // issuer of Certificate first; may be empty
	Key         crypto.PrivateKey   // a crypto.Signer, crypto.Decrypter or ecdh.KeyExchanger
}

// Signer returns the key if it signs.
func (e Entry) Signer() (crypto.Signer, bool) {
	s, ok := e.Key.(crypto.Signer)
	return s, ok
}

// Decrypter returns the key if it decrypts.
func (e Entry) Decrypter() (crypto.Decrypter, bool) {
	d, ok := e.Key.(crypto.Decrypter)
	return d, ok
}

// Agreement returns the key if it can agree on a secret. A key for ECDSA can, where its
// certificate allows it: X.509 has one kind of EC key for both.
func (e Entry) Agreement() (ecdh.KeyExchanger, bool) {
	switch k := e.Key.(type) {
	case ecdh.KeyExchanger:
		return k, true
	case *ecdsa.PrivateKey:
		x, err := k.ECDH()
		return x, err == nil
	}
	return nil, false
}

// Open opens one identity. Errors name files and remedies, and nothing of a key or a
// password.
func Open(ctx context.Context, ref Ref, files Files) (Entry, error) {
	e, err := open(ctx, ref, files)
	if err != nil {
		return Entry{}, err
	}
	if !matches(e.Certificate, e.Key) {
		return Entry{}, errors.New("key does not belong to its certificate")
	}
	switch ref.Provider {
	case "", ProviderGo:
	case ProviderOpenSSL:
		if ref.PKCS11 != nil {
			return Entry{}, errors.New("provider is for keys from files: a token computes itself")
		}
		if e.Key, err = throughOpenSSL(e.Key); err != nil {
			return Entry{}, err
		}
	default:
		return Entry{}, errors.New("provider is not go or openssl")
	}
	return e, nil
}

func open(ctx context.Context, ref Ref, files Files) (Entry, error) {
	kinds := 0
	for _, named := range []bool{ref.Certificate != "" || ref.Key != "", ref.PKCS12 != nil, ref.PKCS11 != nil} {
		if named {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return Entry{}, errors.New("want one of: certificate and key, pkcs12, pkcs11")
	case ref.PKCS12 != nil:
		return openPKCS12(*ref.PKCS12, files)
	case ref.PKCS11 != nil:
		return openPKCS11(ctx, *ref.PKCS11, files)
	}
	return openPEM(ref.Certificate, ref.Key, files)
}

func openPEM(certificate, key string, files Files) (Entry, error) {
	if certificate == "" || key == "" {
		return Entry{}, errors.New("want both certificate and key")
	}
	data, err := files.Public(certificate)
	if err != nil {
		return Entry{}, fmt.Errorf("reading certificate: %w", err)
	}
	chain, err := Certificates(data)
	if err != nil {
		return Entry{}, fmt.Errorf("reading certificate %s: %w", certificate, err)
	}
	if data, err = files.Secret(key); err != nil {
		return Entry{}, fmt.Errorf("reading key: %w", err)
	}
	k, err := privateKey(data)
	clear(data)
	if err != nil {
		return Entry{}, fmt.Errorf("reading key %s: %w", key, err)
	}
	return Entry{Certificate: chain[0], Chain: chain[1:], Key: k}, nil
}
