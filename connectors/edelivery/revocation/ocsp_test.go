package revocation

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"oncegate/connectors/pkitest"
)

func responds(c *x509.Certificate) {
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
}

func TestOCSP(t *testing.T) {
	t.Parallel()
	root := newEntity("Root", nil, pkitest.Authority)
	edRoot := certify("Ed root", pkitest.Ed25519(), nil, pkitest.Authority)
	other := newEntity("Other root", nil, pkitest.Authority)
	leaf := newEntity("AP_NL_01", root)
	edLeaf := newEntity("AP_NL_02", edRoot)
	delegate := newEntity("Responder", root, responds)
	// One responder for two authorities, with one key and a certificate of each.
	both := certify("Responder", delegate.Signer(), other, responds)
	id := func(c, issuer *entity) certID {
		id, err := newCertID(c.Cert, issuer.Cert)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	good := ocspAnswer{id: id(leaf, root), this: now.Add(-time.Hour), next: now.Add(time.Hour), signer: root}
	change := func(edit func(*ocspAnswer)) []byte {
		a := good
		edit(&a)
		return a.der(t)
	}
	tampered := good.der(t)
	i := bytes.Index(tampered, []byte("20260914083107Z")) // thisUpdate
	if i < 0 {
		t.Fatal("thisUpdate not found")
	}
	tampered[i+9]++
	written, err := ocsp.CreateResponse(root.Cert, delegate.Cert, ocsp.Response{
		Status: ocsp.Good, SerialNumber: leaf.Cert.SerialNumber, ThisUpdate: now, NextUpdate: now.Add(time.Hour), Certificate: delegate.Cert,
	}, delegate.Signer())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		body []byte
		path []*entity
		want string
	}{
		{"good, of the issuer by key", good.der(t), nil, "good"},
		{"good, of the issuer by name", change(func(a *ocspAnswer) { a.byName = true }), nil, "good"},
		{"good, with the issuer's certificate", change(func(a *ocspAnswer) { a.with = []*entity{root} }), nil, "good"},
		{"good, of a delegate", change(func(a *ocspAnswer) { a.signer, a.with = delegate, []*entity{root, delegate} }), nil, "good"},
		{"good, as another library writes it", written, nil, "good"},
		{"good, with Ed25519", ocspAnswer{id: id(edLeaf, edRoot), this: now, next: now.Add(time.Hour), signer: edRoot}.der(t), []*entity{edLeaf, edRoot}, "good"},
		{"good, without an end", change(func(a *ocspAnswer) { a.next = time.Time{} }), nil, "good"},
		{"old, without an end", change(func(a *ocspAnswer) { a.this, a.next = now.AddDate(0, 0, -2), time.Time{} }), nil, "unknown"},
		{"revoked", change(func(a *ocspAnswer) { a.status = 1 }), nil, "revoked"},
		{"revoked, of a delegate", change(func(a *ocspAnswer) { a.status, a.signer, a.with = 1, delegate, []*entity{delegate} }), nil, "revoked"},
		{"not known to the responder", change(func(a *ocspAnswer) { a.status = 2 }), nil, "unknown"},
		{"old", change(func(a *ocspAnswer) { a.next = now }), nil, "unknown"},
		{"of tomorrow", change(func(a *ocspAnswer) { a.this = now.Add(time.Hour) }), nil, "unknown"},
		{"about another certificate", change(func(a *ocspAnswer) { a.id = id(edLeaf, root) }), nil, "unknown"},
		{"about the same number of another authority", change(func(a *ocspAnswer) { a.id = id(leaf, other); a.signer, a.with = delegate, []*entity{delegate} }), nil, "unknown"},
		{"of another authority", change(func(a *ocspAnswer) { a.signer = other }), nil, "unknown"},
		{"of another authority's delegate", change(func(a *ocspAnswer) { a.signer, a.with = both, []*entity{both} }), nil, "unknown"},
		{"of a certificate that is no delegate", change(func(a *ocspAnswer) { e := newEntity("Shop", root); a.signer, a.with = e, []*entity{e} }), nil, "unknown"},
		{"of a delegate that expired", change(func(a *ocspAnswer) {
			e := newEntity("Old", root, func(c *x509.Certificate) { responds(c); c.NotAfter = now.Add(-time.Hour) })
			a.signer, a.with = e, []*entity{e}
		}), nil, "unknown"},
		{"of a delegate without its certificate", change(func(a *ocspAnswer) { a.signer = delegate }), nil, "unknown"},
		{"tampered", tampered, nil, "unknown"},
		{"try later", []byte{0x30, 3, 0x0a, 1, 3}, nil, "unknown"},
		{"garbage", []byte("<html>"), nil, "unknown"},
		{"too large", bytes.Repeat([]byte{0x30}, maxAnswer+1), nil, "unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				if _, parse := ocsp.ParseRequest(b); err != nil || parse != nil || r.Header.Get("Content-Type") != "application/ocsp-request" {
					t.Errorf("request: %v, %v", err, parse)
				}
				_, _ = w.Write(tt.body)
			}))
			defer srv.Close()
			if tt.path == nil {
				tt.path = []*entity{leaf, root}
			}
			if got := verdict(t, newStore(t, &files{}, nil), Policy{OCSP: OCSP{URL: srv.URL}}, now, tt.path...); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOCSPNonce(t *testing.T) {
	t.Parallel()
	root := newEntity("Root", nil, pkitest.Authority)
	leaf := newEntity("AP_NL_01", root)
	var answer func(nonce []byte) []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		var req ocspRequest
		if _, err := asn1.Unmarshal(b, &req); err != nil || len(req.TBS.Extensions) != 1 {
			t.Errorf("request: %v, %d extensions", err, len(req.TBS.Extensions))
			return
		}
		var nonce []byte
		if _, err := asn1.Unmarshal(req.TBS.Extensions[0].Value, &nonce); err != nil || len(nonce) != 32 {
			t.Errorf("nonce %x, %v", nonce, err)
		}
		id := req.TBS.Requests[0].ID
		_, _ = w.Write(ocspAnswer{id: id, this: now, next: now.Add(time.Hour), signer: root, nonce: answer(nonce)}.der(t))
	}))
	defer srv.Close()
	for name, tt := range map[string]struct {
		answer func([]byte) []byte
		want   string
	}{
		"repeated": {func(n []byte) []byte { return n }, "good"},
		"missing":  {func([]byte) []byte { return nil }, "unknown"},
		"another":  {func(n []byte) []byte { n[0] ^= 1; return n }, "unknown"},
	} {
		answer = tt.answer
		if got := verdict(t, newStore(t, &files{}, nil), Policy{OCSP: OCSP{URL: srv.URL, Nonce: true}}, now, leaf, root); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func TestResponderOfTheCertificate(t *testing.T) {
	t.Parallel()
	root := newEntity("Root", nil, pkitest.Authority)
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		b, _ := io.ReadAll(r.Body)
		var req ocspRequest
		_, _ = asn1.Unmarshal(b, &req)
		_, _ = w.Write(ocspAnswer{id: req.TBS.Requests[0].ID, this: now, next: now.Add(time.Hour), signer: root}.der(t))
	}))
	defer srv.Close()
	leaf := newEntity("AP_NL_01", root, func(c *x509.Certificate) { c.OCSPServer = []string{srv.URL} })
	host := srv.Listener.Addr().String()
	if got := verdict(t, newStore(t, &files{}, nil), Policy{OCSP: OCSP{Hosts: []string{"ocsp.example.test"}}}, now, leaf, root); got != "unknown" || asked.Load() != 0 {
		t.Errorf("host that is not allowed: %q after %d requests", got, asked.Load())
	}
	s := newStore(t, &files{}, nil)
	c := newChecker(t, s, Policy{Mode: Hard, OCSP: OCSP{Hosts: []string{host}}})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.Check(t.Context(), []*x509.Certificate{leaf.Cert, root.Cert}, now); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// Those that come together ask once; one may come between answer and memory.
	if n := asked.Load(); n < 1 || n > 3 {
		t.Errorf("asked %d times for one certificate", n)
	}
	n := asked.Load()
	for _, tt := range []struct {
		after time.Duration
		more  int64
	}{{14 * time.Minute, 0}, {16 * time.Minute, 1}} {
		if _, err := c.Check(t.Context(), []*x509.Certificate{leaf.Cert, root.Cert}, now.Add(tt.after)); err != nil || asked.Load() != n+tt.more {
			t.Errorf("after %s: %v, %d more requests, want %d", tt.after, err, asked.Load()-n, tt.more)
		}
	}
	// A responder that has gone is good for what it said, not longer.
	srv.Close()
	if _, err := c.Check(t.Context(), []*x509.Certificate{leaf.Cert, root.Cert}, now.Add(time.Hour)); err == nil {
		t.Error("an answer outlives its end")
	}
}

// TestAgainstOpenSSL has an independent authority revoke, list and answer.
func TestAgainstOpenSSL(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not there")
	}
	now := time.Now()
	dir := t.TempDir()
	live := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.Add(-time.Hour), now.Add(time.Hour) }
	root := newEntity("Root", nil, func(c *x509.Certificate) { pkitest.Authority(c); live(c) })
	responder := newEntity("Responder", root, func(c *x509.Certificate) { responds(c); live(c) })
	good, bad := newEntity("AP_NL_01", root, live), newEntity("AP_NL_02", root, live)
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	keys := func(name string, e *entity) (string, string) {
		if err := e.Write(dir, name); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	}
	line := func(state, revoked string, e *entity) string {
		return fmt.Sprintf("%s\t%s\t%s\t%X\tunknown\t/CN=%s\n", state, e.Cert.NotAfter.Format("060102150405Z"), revoked, e.Cert.SerialNumber.Bytes(), e.Cert.Subject.CommonName)
	}
	rootFile, rootKey := keys("root", root)
	index := write("index.txt", []byte(line("V", "", good)+line("R", now.Add(-time.Minute).UTC().Format("060102150405Z"), bad)))
	write("number", []byte("1000\n"))
	conf := write("ca.cnf", fmt.Appendf(nil, "[ca]\ndefault_ca=d\n[d]\ndatabase=%s\ncrlnumber=%s\ndefault_md=sha256\ndefault_crl_days=1\n", index, filepath.Join(dir, "number")))
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", args[0], err, out)
		}
	}
	crl := filepath.Join(dir, "root.crl")
	run("ca", "-config", conf, "-gencrl", "-cert", rootFile, "-keyfile", rootKey, "-out", crl)
	responderFile, responderKey := keys("responder", responder)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		n := fmt.Sprint(time.Now().UnixNano())
		in, out := write(n+".req", b), filepath.Join(dir, n+".res")
		if log, err := exec.Command(tool, "ocsp", "-index", index, "-CA", rootFile, "-rsigner", responderFile, "-rkey", responderKey, "-nmin", "10", "-reqin", in, "-respout", out).CombinedOutput(); err != nil {
			t.Errorf("openssl ocsp: %v\n%s", err, log)
		}
		b, _ = os.ReadFile(out)
		_, _ = w.Write(b)
	}))
	defer srv.Close()
	for name, p := range map[string]Policy{"crl": {CRL: []string{crl}}, "ocsp": {OCSP: OCSP{URL: srv.URL}}, "ocsp with nonce": {OCSP: OCSP{URL: srv.URL, Nonce: true}}} {
		s := newStore(t, nil, func(c *Config) { c.Read = os.ReadFile })
		if got := verdict(t, s, p, now, good, root); got != "good" {
			t.Errorf("%s: %q, want good", name, got)
		}
		if got := verdict(t, s, p, now, bad, root); got != "revoked" {
			t.Errorf("%s: %q, want revoked", name, got)
		}
	}
}

func FuzzOCSPResponse(f *testing.F) {
	root := newEntity("Root", nil, pkitest.Authority)
	leaf := newEntity("AP_NL_01", root)
	id, err := newCertID(leaf.Cert, root.Cert)
	if err != nil {
		f.Fatal(err)
	}
	a := ocspAnswer{id: id, this: now, next: now.Add(time.Hour), signer: root, nonce: []byte("nonce")}
	f.Add(a.der(f))
	a.byName, a.status, a.with = true, 1, []*entity{root}
	f.Add(a.der(f))
	stranger := newEntity("Root", nil, pkitest.Authority)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseResponse(b)
		if err != nil {
			return
		}
		if r.signedFor(stranger.Cert, now) == nil {
			t.Error("signed for somebody who signed nothing")
		}
		_ = r.signedFor(root.Cert, now)
		if s, err := r.about(id); err == nil {
			_, _ = s.holds(now)
		}
	})
}

func FuzzCRL(f *testing.F) {
	root := newEntity("Root", nil, pkitest.Authority)
	leaf := newEntity("AP_NL_01", root)
	f.Add(root.crl(f, nil, leaf))
	f.Add(asPEM(root.crl(f, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{issuingDP(0x81, 1, 0xff)} })))
	f.Fuzz(func(t *testing.T, b []byte) {
		lists, err := parseCRLs(b)
		if err != nil {
			return
		}
		for _, l := range lists {
			l.covers(leaf.Cert)
			l.fresh(now)
			_ = l.signedBy(root.Cert)
		}
	})
}
