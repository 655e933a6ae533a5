package keystore

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// files are in memory; what was read as public or as a secret is noted.
type files struct {
	data   map[string][]byte
	public []string
	secret []string
}

func (f *files) Public(name string) ([]byte, error) {
	f.public = append(f.public, name)
	return f.read(name)
}

func (f *files) Secret(name string) ([]byte, error) {
	f.secret = append(f.secret, name)
	return f.read(name)
}

func (f *files) read(name string) ([]byte, error) {
	b, ok := f.data[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return bytes.Clone(b), nil
}

// A pair is a certificate of the test's own authority with its key, made for the run.
type pair struct {
	cert *x509.Certificate
	key  crypto.PrivateKey
}

var (
	root   = sync.OnceValue(func() pair { return newPair(ecKey(), "Root", nil) })
	middle = sync.OnceValue(func() pair { r := root(); return newPair(ecKey(), "Middle", &r) })
)

func ecKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	})
	serial = func() *big.Int {
		n, err := rand.Int(rand.Reader, big.NewInt(1<<60))
		if err != nil {
			panic(err)
		}
		return n
	}
)

// newPair certifies a key; without an issuer as an authority.
func newPair(key crypto.PrivateKey, name string, issuer *pair) pair {
	ca := issuer == nil || name == "Middle"
	tmpl := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: ca, BasicConstraintsValid: ca,
	}
	parent, by := tmpl, key
	if issuer != nil {
		parent, by = issuer.cert, issuer.key
	}
	var pub crypto.PublicKey
	x, isX := key.(*ecdh.PrivateKey)
	if isX {
		pub = ecKey().Public() // x509 certifies no X25519 key: the place holder is exchanged below
	} else {
		pub = key.(crypto.Signer).Public()
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, by)
	if err != nil {
		panic(err)
	}
	if isX {
		der = withKey(der, x.PublicKey(), by.(*ecdsa.PrivateKey))
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return pair{c, key}
}

// withKey puts another key into a certificate and signs it anew.
func withKey(der []byte, key *ecdh.PublicKey, by *ecdsa.PrivateKey) []byte {
	type tbs struct {
		Version    asn1.RawValue
		Serial     *big.Int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		Validity   asn1.RawValue
		Subject    asn1.RawValue
		Key        asn1.RawValue
		Extensions asn1.RawValue `asn1:"optional,explicit,tag:3"`
	}
	var c struct {
		TBS       tbs
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	_, err := asn1.Unmarshal(der, &c)
	must(err)
	spki, err := x509.MarshalPKIXPublicKey(key)
	must(err)
	c.TBS.Key = asn1.RawValue{FullBytes: spki}
	body, err := asn1.Marshal(c.TBS)
	must(err)
	h := crypto.SHA256.New()
	h.Write(body)
	sig, err := by.Sign(rand.Reader, h.Sum(nil), crypto.SHA256)
	must(err)
	c.Signature = asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	out, err := asn1.Marshal(c)
	must(err)
	return out
}

// kinds are one key of each kind.
func kinds() map[Kind]crypto.PrivateKey {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	x, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return map[Kind]crypto.PrivateKey{RSA: rsaKey(), EC: ecKey(), Ed25519: ed, X25519: x}
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func certPEM(cs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range cs {
		out = append(out, pemOf("CERTIFICATE", c.Raw)...)
	}
	return out
}

func keyPEM(k crypto.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return pemOf("PRIVATE KEY", der)
}

// tool runs a program of the system; without it the test is skipped.
func tool(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		t.Skipf("%s is not there", name)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
