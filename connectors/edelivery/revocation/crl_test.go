package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/connectors/pkitest"
)

func TestCRL(t *testing.T) {
	t.Parallel()
	root := newEntity("Root", nil, pkitest.Authority)
	middle := newEntity("Middle", root, pkitest.Authority)
	impostor := newEntity("Middle", nil, pkitest.Authority)
	mute := newEntity("Mute", root, func(c *x509.Certificate) { pkitest.Authority(c); c.KeyUsage = x509.KeyUsageCertSign })
	leaf := newEntity("AP_NL_01", middle)
	split := newEntity("AP_NL_02", middle, func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://crl.example.test/2"} })
	ofMute := newEntity("AP_NL_03", mute)
	rootCRL := root.crl(t, nil)
	with := func(ext ...pkix.Extension) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) { l.ExtraExtensions = ext }
	}
	dp := func(uri string) pkix.Extension {
		name := append([]byte{0x86, byte(len(uri))}, uri...)
		full := append([]byte{0xa0, byte(len(name))}, name...)
		return issuingDP(append([]byte{0xa0, byte(len(full))}, full...)...)
	}
	foreign := func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = []x509.RevocationListEntry{{
			SerialNumber: big.NewInt(1), RevocationTime: now,
			ExtraExtensions: []pkix.Extension{{Id: []int{2, 5, 29, 29}, Critical: true, Value: []byte{0x30, 0}}},
		}}
	}
	for _, tt := range []struct {
		name string
		crls [][]byte
		path []*entity
		want string
	}{
		{"not on the list", [][]byte{middle.crl(t, nil), rootCRL}, []*entity{leaf, middle, root}, "good"},
		{"on the list", [][]byte{middle.crl(t, nil, leaf), rootCRL}, []*entity{leaf, middle, root}, "revoked"},
		{"authority on the list of its own", [][]byte{middle.crl(t, nil), root.crl(t, nil, middle)}, []*entity{leaf, middle, root}, "revoked"},
		{"no list of the root", [][]byte{middle.crl(t, nil)}, []*entity{leaf, middle, root}, "unknown"},
		{"no list at all", nil, []*entity{leaf, middle, root}, "unknown"},
		{"in PEM, both in one file", [][]byte{asPEM(middle.crl(t, nil), rootCRL)}, []*entity{leaf, middle, root}, "good"},
		{"in PEM and revoked", [][]byte{asPEM(rootCRL, middle.crl(t, nil, leaf))}, []*entity{leaf, middle, root}, "revoked"},
		{"on one of two lists", [][]byte{middle.crl(t, nil), middle.crl(t, nil, leaf), rootCRL}, []*entity{leaf, middle, root}, "revoked"},
		{"list is over", [][]byte{middle.crl(t, func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = now.AddDate(0, 0, -2), now.Add(-time.Second)
		}), rootCRL}, []*entity{leaf, middle, root}, "unknown"},
		{"list is over and names it", [][]byte{middle.crl(t, func(l *x509.RevocationList) {
			l.ThisUpdate, l.NextUpdate = now.AddDate(0, 0, -2), now.Add(-time.Second)
		}, leaf), rootCRL}, []*entity{leaf, middle, root}, "revoked"},
		{"list of tomorrow", [][]byte{middle.crl(t, func(l *x509.RevocationList) { l.ThisUpdate = now.Add(time.Hour) }), rootCRL}, []*entity{leaf, middle, root}, "unknown"},
		{"clock of the authority runs ahead", [][]byte{middle.crl(t, func(l *x509.RevocationList) { l.ThisUpdate = now.Add(time.Minute) }), rootCRL}, []*entity{leaf, middle, root}, "good"},
		{"signed by another of the same name", [][]byte{impostor.crl(t, nil), rootCRL}, []*entity{leaf, middle, root}, "unknown"},
		{"revoked by another of the same name", [][]byte{impostor.crl(t, nil, leaf), rootCRL}, []*entity{leaf, middle, root}, "unknown"},
		{"authority that may not sign lists", [][]byte{mustCRL(t, mute), rootCRL}, []*entity{ofMute, mute, root}, "unknown"},
		{"delta", [][]byte{middle.crl(t, with(pkix.Extension{Id: oidDeltaCRL, Critical: true, Value: []byte{2, 1, 1}})), rootCRL}, []*entity{leaf, middle, root}, "unknown"},
		{"indirect", [][]byte{middle.crl(t, with(issuingDP(0x84, 1, 0xff))), rootCRL}, []*entity{leaf, middle, root}, "unknown"},
		{"entry of another authority", [][]byte{middle.crl(t, foreign), rootCRL}, []*entity{leaf, middle, root}, "unknown"},
		{"some reasons only", [][]byte{middle.crl(t, with(issuingDP(0x83, 2, 6, 0x40))), rootCRL}, []*entity{leaf, middle, root}, "unknown"},
		{"users only, about a user", [][]byte{middle.crl(t, with(issuingDP(0x81, 1, 0xff))), rootCRL}, []*entity{leaf, middle, root}, "good"},
		{"users only, about an authority", [][]byte{middle.crl(t, nil), root.crl(t, with(issuingDP(0x81, 1, 0xff)))}, []*entity{leaf, middle, root}, "unknown"},
		{"authorities only, about a user", [][]byte{middle.crl(t, with(issuingDP(0x82, 1, 0xff))), rootCRL}, []*entity{leaf, middle, root}, "unknown"},
		{"part of the list that is its own", [][]byte{middle.crl(t, with(dp("http://crl.example.test/2"))), rootCRL}, []*entity{split, middle, root}, "good"},
		{"another part of the list", [][]byte{middle.crl(t, with(dp("http://crl.example.test/1"))), rootCRL}, []*entity{split, middle, root}, "unknown"},
		{"critical extension that is not known", [][]byte{middle.crl(t, with(pkix.Extension{Id: []int{1, 3, 9}, Critical: true, Value: []byte{5, 0}})), rootCRL}, []*entity{leaf, middle, root}, "unknown"},
		{"no CRL", [][]byte{[]byte("no CRL"), rootCRL}, []*entity{leaf, middle, root}, "unknown"},
		{"pinned without its issuer", [][]byte{middle.crl(t, nil)}, []*entity{leaf}, "unknown"},
		{"pinned with its issuer", [][]byte{middle.crl(t, nil)}, []*entity{leaf, middle}, "good"},
		{"nobody revokes an anchor", [][]byte{rootCRL}, []*entity{root}, "good"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &files{}
			p := Policy{CRL: []string{"missing.crl"}}
			for i, b := range tt.crls {
				name := fmt.Sprintf("%d.crl", i)
				f.put(name, b)
				p.CRL = append(p.CRL, name)
			}
			if got := verdict(t, newStore(t, f, nil), p, now, tt.path...); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// mustCRL signs a list with a key whose certificate does not allow it.
func mustCRL(t *testing.T, e *entity) []byte {
	c := *e.Cert
	c.KeyUsage |= x509.KeyUsageCRLSign
	return (&entity{pkitest.Pair{Cert: &c, Key: e.Key}}).crl(t, nil)
}

func TestFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	root := newEntity("Root", nil, pkitest.Authority)
	leaf := newEntity("AP_NL_01", root)
	f := &files{}
	s := newStore(t, f, nil)
	p := Policy{CRL: []string{"root.crl"}}
	at := now
	next := func() time.Time { at = at.Add(2 * time.Minute); return at }
	expect := func(want string) {
		t.Helper()
		if got := verdict(t, s, p, next(), leaf, root); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect("unknown") // no file yet
	f.put("root.crl", root.crl(t, nil))
	expect("good")
	f.put("root.crl", []byte("half a fi"))
	expect("good") // the old list is still fresh
	f.put("root.crl", root.crl(t, nil, leaf))
	expect("revoked")
	f.put("root.crl", root.crl(t, nil))
	expect("good")
	states := newChecker(t, s, Policy{Mode: Soft, CRL: p.CRL}).Lists(t.Context(), false, at)
	if len(states) != 1 || states[0].Issuer != "Root" || !states[0].NextUpdate.Equal(now.Add(24*time.Hour).Truncate(time.Second)) || states[0].Fault != nil {
		t.Errorf("states %+v", states)
	}
}

func TestCRLFromServer(t *testing.T) {
	t.Parallel()
	root := newEntity("Root", nil, pkitest.Authority)
	leaf := newEntity("AP_NL_01", root)
	var body []byte
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch {
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/crl", http.StatusFound)
		case body == nil:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = w.Write(body)
		}
	}))
	defer srv.Close()
	s := newStore(t, &files{}, nil)
	p := Policy{CRL: []string{srv.URL + "/crl"}}
	expect := func(at time.Time, want string, requests int) {
		t.Helper()
		if got := verdict(t, s, p, at, leaf, root); got != want || asked != requests {
			t.Errorf("got %q after %d requests, want %q after %d", got, asked, want, requests)
		}
	}
	expect(now, "unknown", 1)
	expect(now.Add(time.Second), "unknown", 1) // a failure is not asked for again at once
	body = root.crl(t, nil, leaf)
	expect(now.Add(time.Minute), "revoked", 2)
	body = root.crl(t, func(l *x509.RevocationList) { l.ThisUpdate = now.Add(-2 * time.Hour) })
	expect(now.Add(2*time.Hour), "revoked", 3) // an older list does not come back
	body = root.crl(t, func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = now.Add(2*time.Hour), now.Add(4*time.Hour) })
	expect(now.Add(3*time.Hour), "good", 4)
	expect(now.Add(3*time.Hour+time.Minute), "good", 4)
	if got := verdict(t, s, Policy{CRL: []string{srv.URL + "/moved"}}, now, leaf, root); got != "unknown" {
		t.Errorf("redirected: %q", got)
	}
	asked = 0
	closed := newStore(t, &files{}, func(c *Config) { c.Private = false })
	if got := verdict(t, closed, p, now, leaf, root); got != "unknown" || asked != 0 {
		t.Errorf("in a private network: %q after %d requests", got, asked)
	}
}

// A server that hangs holds up nobody for long while the list that is here is good, and
// what it says at last is heeded.
func TestCRLFromServerThatHangs(t *testing.T) {
	t.Parallel()
	root := newEntity("Root", nil, pkitest.Authority)
	leaf := newEntity("AP_NL_01", root)
	later := now.Add(2 * time.Hour)
	lists := [][]byte{
		root.crl(t, func(l *x509.RevocationList) { l.NextUpdate = now.Add(24 * time.Hour) }),
		root.crl(t, func(l *x509.RevocationList) { l.ThisUpdate, l.NextUpdate = later, now.Add(24*time.Hour) }, leaf),
	}
	var asked atomic.Int32
	hang := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		if n > 1 {
			<-hang
		}
		_, _ = w.Write(lists[n-1])
	}))
	defer srv.Close()
	s := newStore(t, &files{}, nil)
	p := Policy{CRL: []string{srv.URL}}
	if got := verdict(t, s, p, now, leaf, root); got != "good" {
		t.Fatalf("first list: %q", got)
	}
	start := time.Now()
	if got := verdict(t, s, p, later, leaf, root); got != "good" {
		t.Errorf("while the server hangs: %q", got)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("while the server hangs a message waits %s", took)
	}
	close(hang)
	if got := verdict(t, s, p, later.Add(time.Minute), leaf, root); got != "revoked" {
		t.Errorf("when the server has answered: %q", got)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestPolicyFaults(t *testing.T) {
	t.Parallel()
	s := newStore(t, &files{}, nil)
	for _, p := range []Policy{
		{},
		{Mode: "maybe", CRL: []string{"a"}},
		{Mode: Off, CRL: []string{"a"}},
		{Mode: Soft},
		{Mode: Hard, CRL: []string{"https://user:pw@host/crl"}},
		{Mode: Hard, OCSP: OCSP{URL: "ldap://host"}},
		{Mode: Hard, OCSP: OCSP{Hosts: []string{"OCSP.example.test"}}},
	} {
		if _, err := s.Checker(p); err == nil {
			t.Errorf("%+v is accepted", p)
		}
	}
	c, err := s.Checker(Policy{Mode: Off})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Check(t.Context(), nil, now); err != nil {
		t.Errorf("off: %v", err)
	}
}

func TestSoftWarnsOnce(t *testing.T) {
	t.Parallel()
	root := newEntity("Root", nil, pkitest.Authority)
	leaf := newEntity("AP_NL_01", root)
	var log bytes.Buffer
	f := &files{}
	f.put("x.crl", newEntity("Other", nil, pkitest.Authority).crl(t, nil))
	s := newStore(t, f, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	c := newChecker(t, s, Policy{Mode: Soft, CRL: []string{"x.crl"}})
	for i := range 100 {
		if _, err := c.Check(context.Background(), []*x509.Certificate{leaf.Cert, root.Cert}, now.Add(time.Duration(i)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "revocation of certificates is not known"); n != 2 {
		t.Errorf("warned %d times in 100 minutes, want once an hour", n)
	}
}
