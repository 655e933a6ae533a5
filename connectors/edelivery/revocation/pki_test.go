package revocation

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
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
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/pkitest"
)

var now = time.Date(2026, 9, 14, 9, 31, 7, 0, time.UTC)

// An entity of the test's own authority. Keys are made for the run and never kept.
type entity struct{ pkitest.Pair }

func newEntity(name string, issuer *entity, edits ...pkitest.Edit) *entity {
	return certify(name, pkitest.P256(), issuer, edits...)
}

func certify(name string, key crypto.Signer, issuer *entity, edits ...pkitest.Edit) *entity {
	edits = append([]pkitest.Edit{pkitest.Usage(x509.KeyUsageDigitalSignature), pkitest.Around(now)}, edits...)
	if issuer == nil {
		return &entity{pkitest.SelfSigned(name, key, edits...)}
	}
	return &entity{issuer.Issue(name, key, edits...)}
}

func (e *entity) crl(t testing.TB, edit func(*x509.RevocationList), revoked ...*entity) []byte {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(7), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(24 * time.Hour)}
	for _, r := range revoked {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: r.Cert.SerialNumber, RevocationTime: now.Add(-2 * time.Hour), ReasonCode: 1})
	}
	if edit != nil {
		edit(l)
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, e.Cert, e.Signer())
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
		certs = append(certs, e.Cert)
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
	responder := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: a.signer.Cert.RawSubject}
	if !a.byName {
		bits, err := keyBits(a.signer.Cert)
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
	if _, ok := a.signer.Key.(ed25519.PrivateKey); ok {
		b.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 3, 101, 112}
		sig, err = a.signer.Signer().Sign(rand.Reader, b.TBS.FullBytes, crypto.Hash(0))
	} else {
		b.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
		sum := sha256.Sum256(b.TBS.FullBytes)
		sig, err = a.signer.Signer().Sign(rand.Reader, sum[:], crypto.SHA256)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.Signature = asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	for _, c := range a.with {
		b.Certificates = append(b.Certificates, asn1.RawValue{FullBytes: c.Cert.Raw})
	}
	var o ocspResponse
	o.Bytes.Type, o.Bytes.Response = oidBasic, must(b, "")
	return must(o, "")
}
