package interop

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
)

// identity is a certificate with its key, made for the test run and never kept.
type identity struct{ pkitest.Pair }

func newKey(kind string) crypto.PrivateKey {
	switch kind {
	case "rsa2048":
		return pkitest.NewRSA(2048)
	case "rsa3072":
		return pkitest.NewRSA(3072)
	case "rsa4096":
		return pkitest.NewRSA(4096)
	case "ed25519":
		return pkitest.Ed25519()
	case "x25519":
		return pkitest.X25519()
	case "p256":
		return pkitest.P256()
	case "p384":
		return pkitest.P384()
	case "p521":
		return pkitest.P521()
	}
	panic("unknown kind of key " + kind)
}

func subject(c *x509.Certificate) {
	c.Subject.Country, c.Subject.Organization = []string{"EU"}, []string{"Test, \"AP\""}
}

func newAuthority(name, kind string) identity {
	return identity{pkitest.SelfSigned(name, newKey(kind), subject, pkitest.Authority)}
}

// issue certifies a new key of the kind.
func (i identity) issue(name, kind string, edits ...pkitest.Edit) identity {
	return identity{i.Issue(name, newKey(kind), append([]pkitest.Edit{subject}, edits...)...)}
}

func (i identity) signing(chain ...*x509.Certificate) wssec.Identity {
	return wssec.Identity{Certificate: i.Cert, Chain: chain, Key: i.Signer()}
}

func (i identity) decryption() wssec.Decryption {
	d := wssec.Decryption{Certificate: i.Cert}
	switch k := i.Key.(type) {
	case crypto.Decrypter:
		d.Key = k
	case *ecdh.PrivateKey:
		d.Agreement = k
	case *ecdsa.PrivateKey:
		agree, err := k.ECDH()
		if err != nil {
			panic(err)
		}
		d.Agreement = agree
	}
	return d
}

// certificates writes a PEM file.
func certificates(t testing.TB, dir, name string, cs ...*x509.Certificate) string {
	t.Helper()
	return write(t, dir, name, pkitest.CertificatePEM(cs...))
}

func write(t testing.TB, dir, name string, b []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// files writes what the peer needs of an identity: chain and key.
func (i identity) files(t testing.TB, dir, name string, chain ...*x509.Certificate) object {
	t.Helper()
	if err := i.Write(dir, name, chain...); err != nil {
		t.Fatal(err)
	}
	return object{"certificate": filepath.Join(dir, name+".pem"), "key": filepath.Join(dir, name+".key")}
}

// A ring is the keys of two parties of one profile, made once for all tests.
type ring struct {
	authority, ourSign, ourDecrypt, theirSign, theirDecrypt identity
}

func newRing(authority, sign, decrypt string) func() *ring {
	return sync.OnceValue(func() *ring {
		r := &ring{authority: newAuthority("Test Authority "+sign, authority)}
		pair := func(name string) (identity, identity) {
			s := r.authority.issue(name, sign)
			if decrypt == "" {
				return s, s
			}
			return s, r.authority.issue(name, decrypt)
		}
		r.ourSign, r.ourDecrypt = pair(ourID.ID)
		r.theirSign, r.theirDecrypt = pair(theirID.ID)
		return r
	})
}

var rings = map[string]func() *ring{
	"rsa2048": newRing("rsa2048", "rsa2048", ""),
	"rsa3072": newRing("rsa2048", "rsa3072", ""),
	"rsa4096": newRing("rsa2048", "rsa4096", ""),
	"eddsa":   newRing("ed25519", "ed25519", "x25519"),
	"p256":    newRing("p256", "p256", "p256"),
	"p384":    newRing("p256", "p256", "p384"),
	"p521":    newRing("p256", "p256", "p521"),
}

// known returns the certificates of the peer, for references that name one.
func known(keys string) []*x509.Certificate {
	k := rings[keys]()
	return []*x509.Certificate{k.theirSign.Cert, k.theirDecrypt.Cert}
}
