package pkitest

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"time"
)

// A Pair is a certificate with its key. Every pair can issue, also one that may not:
// whoever verifies has to refuse what it issued.
type Pair struct {
	Cert *x509.Certificate
	Key  crypto.PrivateKey // *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey or *ecdh.PrivateKey
}

// An Edit changes a certificate before it is signed. Those below are the frequent ones;
// policies, addresses of CRLs and all else are fields to be set by one's own.
type Edit = func(*x509.Certificate)

// Authority makes a certificate one that issues certificates and lists of revoked ones.
func Authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
}

// Usage says what the key is for, and nothing else.
func Usage(u x509.KeyUsage) Edit { return func(c *x509.Certificate) { c.KeyUsage = u } }

// Extended says which extended usages the key is for.
func Extended(us ...x509.ExtKeyUsage) Edit {
	return func(c *x509.Certificate) { c.ExtKeyUsage = us }
}

// Around makes a certificate valid from a year before t to a year after it.
func Around(t time.Time) Edit {
	return func(c *x509.Certificate) { c.NotBefore, c.NotAfter = t.AddDate(-1, 0, 0), t.AddDate(1, 0, 0) }
}

// Hosts names the servers, or their IP addresses, of a TLS certificate.
func Hosts(names ...string) Edit {
	return func(c *x509.Certificate) {
		for _, n := range names {
			if ip := net.ParseIP(n); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, n)
			}
		}
	}
}

// template is a certificate of an access point for every use, valid from 2020 to 2040,
// with a random serial number.
func template(name string, pub crypto.PublicKey, edits []Edit) *x509.Certificate {
	id := sha256.Sum256(must(x509.MarshalPKIXPublicKey(pub)))
	c := &x509.Certificate{
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement,
		SubjectKeyId: id[:20],
	}
	for _, edit := range edits {
		if edit != nil {
			edit(c)
		}
	}
	return c
}

// SelfSigned certifies a key by itself.
func SelfSigned(name string, key crypto.PrivateKey, edits ...Edit) Pair {
	c := template(name, public(key), edits)
	return Pair{parse(must(x509.CreateCertificate(rand.Reader, c, c, public(key), key))), key}
}

// Root is a new authority with a key on P-256.
func Root(name string, edits ...Edit) Pair {
	return SelfSigned(name, P256(), append([]Edit{Authority}, edits...)...)
}

// Issue certifies the key.
func (p Pair) Issue(name string, key crypto.PrivateKey, edits ...Edit) Pair {
	return Pair{p.Certify(name, public(key), edits...), key}
}

// Certify certifies a key of which only the public half is at hand.
func (p Pair) Certify(name string, pub crypto.PublicKey, edits ...Edit) *x509.Certificate {
	c := template(name, pub, edits)
	if x, ok := pub.(*ecdh.PublicKey); ok {
		return p.certifyX25519(c, x)
	}
	return parse(must(x509.CreateCertificate(rand.Reader, c, p.Cert, pub, p.Key)))
}

// certifyX25519 writes the key into a certificate of an Ed25519 key, whose encoding is
// as long, and signs it again: x509.CreateCertificate refuses such keys.
func (p Pair) certifyX25519(c *x509.Certificate, pub *ecdh.PublicKey) *x509.Certificate {
	draft := parse(must(x509.CreateCertificate(rand.Reader, c, p.Cert, Ed25519().Public(), p.Key)))
	tbs := bytes.Replace(draft.RawTBSCertificate, draft.RawSubjectPublicKeyInfo, must(x509.MarshalPKIXPublicKey(pub)), 1)
	var out struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	must(asn1.Unmarshal(draft.Raw, &out))
	hashes := map[x509.SignatureAlgorithm]crypto.Hash{
		x509.SHA256WithRSA: crypto.SHA256, x509.ECDSAWithSHA256: crypto.SHA256, x509.ECDSAWithSHA384: crypto.SHA384, x509.ECDSAWithSHA512: crypto.SHA512,
		x509.PureEd25519: 0,
	}
	hash, ok := hashes[draft.SignatureAlgorithm]
	if !ok {
		panic("pkitest: no hash for " + draft.SignatureAlgorithm.String())
	}
	sig := must(crypto.SignMessage(p.Key.(crypto.Signer), rand.Reader, tbs, hash))
	out.TBS, out.Signature = asn1.RawValue{FullBytes: tbs}, asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	return parse(must(asn1.Marshal(out)))
}

// Signer is the key as one that signs; one for key agreement alone does not.
func (p Pair) Signer() crypto.Signer { return p.Key.(crypto.Signer) }

// TLS is the pair as an end of TLS shows it.
func (p Pair) TLS(chain ...*x509.Certificate) tls.Certificate {
	c := tls.Certificate{Certificate: [][]byte{p.Cert.Raw}, PrivateKey: p.Key, Leaf: p.Cert}
	for _, a := range chain {
		c.Certificate = append(c.Certificate, a.Raw)
	}
	return c
}

// Pool holds the certificates.
func Pool(cs ...*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range cs {
		pool.AddCert(c)
	}
	return pool
}

func parse(der []byte) *x509.Certificate { return must(x509.ParseCertificate(der)) }

func public(key crypto.PrivateKey) crypto.PublicKey {
	switch k := key.(type) {
	case *ecdh.PrivateKey:
		return k.PublicKey()
	case crypto.Signer:
		return k.Public()
	}
	panic("pkitest: a key without a public half")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic("pkitest: " + err.Error())
	}
	return v
}
