package interop

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // RFC 5280 4.2.1.2 names keys with it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/connectors/edelivery/wssec"
)

// identity is a certificate with its key, made for the test run and never kept.
type identity struct {
	cert *x509.Certificate
	key  any // *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey or *ecdh.PrivateKey
}

var serial atomic.Int64

func newKey(kind string) any {
	var key any
	var err error
	switch kind {
	case "rsa2048":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "rsa3072":
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	case "rsa4096":
		key, err = rsa.GenerateKey(rand.Reader, 4096)
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "x25519":
		key, err = ecdh.X25519().GenerateKey(rand.Reader)
	case "p256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "p384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "p521":
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	default:
		panic("unknown kind of key " + kind)
	}
	if err != nil {
		panic(err)
	}
	return key
}

func public(key any) any {
	switch k := key.(type) {
	case *ecdh.PrivateKey:
		return k.PublicKey()
	case crypto.Signer:
		return k.Public()
	}
	panic("a key without a public half")
}

// An authority issues certificates.
type authority struct{ identity }

func newAuthority(name, kind string) *authority {
	key := newKey(kind)
	tmpl := template(name)
	tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, public(key), key)
	if err != nil {
		panic(err)
	}
	return &authority{identity{parse(der), key}}
}

func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano() + serial.Add(1)),
		Subject:      pkix.Name{Country: []string{"EU"}, Organization: []string{"Test, \"AP\""}, CommonName: name},
		NotBefore:    now.Add(-24 * time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement,
	}
}

func parse(der []byte) *x509.Certificate {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return c
}

// issue certifies a new key of the kind.
func (a *authority) issue(name, kind string, edit func(*x509.Certificate)) identity {
	key := newKey(kind)
	tmpl := template(name)
	spki, err := x509.MarshalPKIXPublicKey(public(key))
	if err != nil {
		panic(err)
	}
	sum := sha1.Sum(spki) //nolint:gosec // see import
	tmpl.SubjectKeyId = sum[:]
	if edit != nil {
		edit(tmpl)
	}
	if _, ok := key.(*ecdh.PrivateKey); ok {
		return identity{parse(a.issueAny(tmpl, spki)), key}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, public(key), a.key)
	if err != nil {
		panic(err)
	}
	return identity{parse(der), key}
}

// issueAny certifies a key that crypto/x509 does not certify (X25519): a
// certificate for another key is signed again after its key was exchanged.
func (a *authority) issueAny(tmpl *x509.Certificate, spki []byte) []byte {
	_, stand, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, stand.Public(), a.key)
	if err != nil {
		panic(err)
	}
	var c struct {
		TBS       asn1.RawValue
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	unmarshal(der, &c)
	var fields []asn1.RawValue
	for rest := c.TBS.Bytes; len(rest) > 0; {
		var f asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &f); err != nil {
			panic(err)
		}
		fields = append(fields, f)
	}
	fields[6] = asn1.RawValue{FullBytes: spki} // version, serial, signature, issuer, validity, subject, key
	var body []byte
	for _, f := range fields {
		body = append(body, f.FullBytes...)
	}
	tbs := marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: body})
	signature, err := a.key.(ed25519.PrivateKey).Sign(rand.Reader, tbs, crypto.Hash(0))
	if err != nil {
		panic(err)
	}
	c.TBS = asn1.RawValue{FullBytes: tbs}
	c.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	return marshal(c)
}

func unmarshal(der []byte, v any) {
	if _, err := asn1.Unmarshal(der, v); err != nil {
		panic(err)
	}
}

func marshal(v any) []byte {
	der, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return der
}

func (i identity) signing(chain ...*x509.Certificate) wssec.Identity {
	return wssec.Identity{Certificate: i.cert, Chain: chain, Key: i.key.(crypto.Signer)}
}

func (i identity) decryption() wssec.Decryption {
	d := wssec.Decryption{Certificate: i.cert}
	switch k := i.key.(type) {
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
	var b []byte
	for _, c := range cs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return write(t, dir, name, b)
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
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return object{
		"certificate": certificates(t, dir, name+".pem", append([]*x509.Certificate{i.cert}, chain...)...),
		"key":         write(t, dir, name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	}
}

// A ring is the keys of two parties of one profile, made once for all tests.
type ring struct {
	authority                                    *authority
	ourSign, ourDecrypt, theirSign, theirDecrypt identity
}

func newRing(authority, sign, decrypt string) func() *ring {
	return sync.OnceValue(func() *ring {
		r := &ring{authority: newAuthority("Test Authority "+sign, authority)}
		pair := func(name string) (identity, identity) {
			s := r.authority.issue(name, sign, nil)
			if decrypt == "" {
				return s, s
			}
			return s, r.authority.issue(name, decrypt, nil)
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
	return []*x509.Certificate{k.theirSign.cert, k.theirDecrypt.cert}
}
