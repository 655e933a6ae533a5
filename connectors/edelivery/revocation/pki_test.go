package revocation

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
)

var now = time.Date(2026, 9, 14, 9, 31, 7, 0, time.UTC)

// An entity of the test's own authority. Keys are made for the run and never kept.
type entity struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var serials atomic.Int64

func newEntity(t testing.TB, name string, issuer *entity, edit func(*x509.Certificate)) *entity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certify(t, name, key, issuer, edit)
}

func certify(t testing.TB, name string, key crypto.Signer, issuer *entity, edit func(*x509.Certificate)) *entity {
	t.Helper()

	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serials.Add(1) + 1000), Subject: pkix.Name{CommonName: name},
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if edit != nil {
		edit(tmpl)
	}
	by := &entity{tmpl, key}
	if issuer != nil {
		by = issuer
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &entity{c, key}
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
}

func (e *entity) crl(t testing.TB, edit func(*x509.RevocationList), revoked ...*entity) []byte {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(7), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(24 * time.Hour)}
	for _, r := range revoked {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: r.cert.SerialNumber, RevocationTime: now.Add(-2 * time.Hour), ReasonCode: 1})
	}
	if edit != nil {
		edit(l)
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, e.cert, e.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// issuingDP is the extension with the given content in DER.
func issuingDP(content ...byte) pkix.Extension {
	return pkix.Extension{Id: oidIssuingDP, Critical: true, Value: append([]byte{0x30, byte(len(content))}, content...)}
}

func asPEM(ders ...[]byte) []byte {
	var b bytes.Buffer
	for _, der := range ders {
		_ = pem.Encode(&b, &pem.Block{Type: "X509 CRL", Bytes: der})
	}
	return b.Bytes()
}

// files are in memory and may change.
type files struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (f *files) put(name string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.files == nil {
		f.files = map[string][]byte{}
	}
	f.files[name] = data
}

func (f *files) read(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b, ok := f.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return b, nil
}

func newStore(t testing.TB, f *files, edit func(*Config)) *Store {
	t.Helper()
	c := Config{Read: f.read, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler), Private: true}
	if edit != nil {
		edit(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newChecker(t testing.TB, s *Store, p Policy) *Checker {
	t.Helper()
	c, err := s.Checker(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// verdict asks under both modes and says good, revoked or unknown.
func verdict(t testing.TB, s *Store, p Policy, at time.Time, path ...*entity) string {
	t.Helper()
	var certs []*x509.Certificate
	for _, e := range path {
		certs = append(certs, e.cert)
	}
	p.Mode = Soft
	_, soft := newChecker(t, s, p).Check(t.Context(), certs, at)
	p.Mode = Hard
	until, hard := newChecker(t, s, p).Check(t.Context(), certs, at)
	code := func(err error) ebms.Code {
		if e, ok := errors.AsType[*ebms.Error](err); ok {
			return e.Code
		}
		return ""
	}
	switch {
	case soft == nil && hard == nil:
		if !until.After(at) || until.After(at.Add(time.Hour)) {
			t.Errorf("verdict holds until %s", until)
		}
		return "good"
	case code(soft) == ebms.FailedAuthentication && code(hard) == ebms.FailedAuthentication:
		return "revoked"
	case soft == nil && code(hard) == ebms.DeliveryFailure:
		return "unknown"
	}
	t.Errorf("soft: %v, hard: %v", soft, hard)
	return ""
}

// An ocspAnswer is one answer of a responder, with everything that may be wrong in it.
type ocspAnswer struct {
	id     certID
	status int // 0 good, 1 revoked, 2 unknown
	this   time.Time
	next   time.Time
	nonce  []byte
	signer *entity
	with   []*entity
	byName bool
}

func (a ocspAnswer) der(t testing.TB) []byte {
	t.Helper()
	must := func(v any, params string) []byte {
		b, err := asn1.MarshalWithParams(v, params)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	responder := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: a.signer.cert.RawSubject}
	if !a.byName {
		bits, err := keyBits(a.signer.cert)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha1.Sum(bits)
		responder = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, IsCompound: true, Bytes: must(sum[:], "")}
	}
	d := responseData{Responder: responder, ProducedAt: now, Responses: []singleResponse{{ID: a.id, ThisUpdate: a.this, NextUpdate: a.next}}}
	switch a.status {
	case 0:
		d.Responses[0].Good = true
	case 1:
		d.Responses[0].Revoked = revokedInfo{At: now.Add(-time.Hour), Reason: 1}
	case 2:
		d.Responses[0].Unknown = true
	}
	if a.nonce != nil {
		d.Extensions = []pkix.Extension{{Id: oidNonce, Value: must(a.nonce, "")}}
	}
	b := basicResponse{TBS: asn1.RawValue{FullBytes: must(d, "")}}
	var sig []byte
	var err error
	if _, ok := a.signer.key.(ed25519.PrivateKey); ok {
		b.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 3, 101, 112}
		sig, err = a.signer.key.Sign(rand.Reader, b.TBS.FullBytes, crypto.Hash(0))
	} else {
		b.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
		sum := sha256.Sum256(b.TBS.FullBytes)
		sig, err = a.signer.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.Signature = asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	for _, c := range a.with {
		b.Certificates = append(b.Certificates, asn1.RawValue{FullBytes: c.cert.Raw})
	}
	var o ocspResponse
	o.Bytes.Type, o.Bytes.Response = oidBasic, must(b, "")
	return must(o, "")
}
