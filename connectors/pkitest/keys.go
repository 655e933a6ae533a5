package pkitest

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"sync"
)

// RSA is one key of 2048 bits for all the run, where it does not matter whose it is.
func RSA() *rsa.PrivateKey { return shared() }

var shared = sync.OnceValue(func() *rsa.PrivateKey { return NewRSA(2048) })

// NewRSA makes a key of that many bits, which takes longer than
// using it: tests keep theirs.
func NewRSA(bits int) *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, bits)) }

// P256 makes a key on that curve.
func P256() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// P384 makes a key on that curve.
func P384() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) }

// P521 makes a key on that curve.
func P521() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)) }

// Ed25519 makes a key that signs.
func Ed25519() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(key, err)
}

// X25519 makes a key for key agreement.
func X25519() *ecdh.PrivateKey { return must(ecdh.X25519().GenerateKey(rand.Reader)) }
