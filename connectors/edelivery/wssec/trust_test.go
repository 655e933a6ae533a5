package wssec

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/pkitest"
)

func TestTrust(t *testing.T) {
	t.Parallel()
	root := newKeypair("Root", nil, pkitest.Authority)
	middle := certify(ring().receiver.key, "Middle", &root, pkitest.Authority)
	other := certify(ring().receiver.key, "Root", nil, pkitest.Authority)
	key := ring().sender.key
	leaf := func(issuer *keypair, name string, edit func(*x509.Certificate)) *x509.Certificate {
		return certify(key, name, issuer, edit).cert
	}
	good := leaf(&root, "AP_NL_01", nil)
	anchored := Trust{Anchors: []*x509.Certificate{root.cert}, Names: []string{"AP_NL_01"}}
	for _, tt := range []struct {
		name  string
		trust Trust
		cert  *x509.Certificate
		chain [][]byte
		at    time.Time
		ok    bool
	}{
		{"path to the anchor", anchored, good, nil, testNow, true},
		{"path over a sent intermediate", anchored, leaf(&middle, "AP_NL_01", nil), [][]byte{root.cert.Raw, middle.cert.Raw}, testNow, true},
		{"path over a configured intermediate", Trust{Anchors: anchored.Anchors, Names: anchored.Names, Intermediates: []*x509.Certificate{middle.cert}}, leaf(&middle, "AP_NL_01", nil), nil, testNow, true},
		{"path without the intermediate", anchored, leaf(&middle, "AP_NL_01", nil), nil, testNow, false},
		{"sent path adds no anchor", anchored, leaf(&other, "AP_NL_01", nil), [][]byte{other.cert.Raw}, testNow, false},
		{"another party of the same authority", anchored, leaf(&root, "AP_FI_03", nil), nil, testNow, false},
		{"expired", anchored, good, nil, testNow.AddDate(2, 0, 0), false},
		{"not yet valid", anchored, good, nil, testNow.AddDate(-2, 0, 0), false},
		{"not for signatures", anchored, leaf(&root, "AP_NL_01", pkitest.Usage(x509.KeyUsageKeyEncipherment)), nil, testNow, false},
		{"any use of the key", anchored, leaf(&root, "AP_NL_01", pkitest.Usage(0)), nil, testNow, true},
		{"authority itself", Trust{Anchors: anchored.Anchors, Names: []string{"Middle"}}, middle.cert, nil, testNow, false},
		{"self-signed", anchored, leaf(nil, "AP_NL_01", nil), nil, testNow, false},
		{"pinned", Trust{Pinned: []*x509.Certificate{good}}, good, nil, testNow, true},
		{"pinned and expired", Trust{Pinned: []*x509.Certificate{good}}, good, nil, testNow.AddDate(2, 0, 0), false},
		{"not the pinned one", Trust{Pinned: []*x509.Certificate{ring().receiver.cert}}, good, nil, testNow, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := NewVerifier(tt.trust)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time from memory
				if _, err := v.certificate(t.Context(), tt.cert.Raw, tt.chain, tt.at); (err == nil) != tt.ok {
					t.Errorf("err = %v, want ok = %v", err, tt.ok)
				}
			}
		})
	}
	t.Run("what was remembered still expires", func(t *testing.T) {
		v, err := NewVerifier(anchored)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.certificate(t.Context(), good.Raw, nil, testNow); err != nil {
			t.Fatal(err)
		}
		if _, err := v.certificate(t.Context(), good.Raw, nil, testNow.AddDate(2, 0, 0)); err == nil {
			t.Error("expired certificate is trusted from memory")
		}
	})
	t.Run("what was remembered expires with its authority", func(t *testing.T) {
		brief := newKeypair("Brief root", nil, func(c *x509.Certificate) { pkitest.Authority(c); c.NotAfter = testNow.Add(time.Hour) })
		v, err := NewVerifier(Trust{Anchors: []*x509.Certificate{brief.cert}, Names: []string{"AP_NL_01"}})
		if err != nil {
			t.Fatal(err)
		}
		der := leaf(&brief, "AP_NL_01", nil).Raw
		if _, err := v.certificate(t.Context(), der, nil, testNow); err != nil {
			t.Fatal(err)
		}
		if _, err := v.certificate(t.Context(), der, nil, testNow.Add(2*time.Hour)); err == nil {
			t.Error("certificate of an expired authority is trusted from memory")
		}
	})
	for name, tr := range map[string]Trust{"nothing": {}, "anchors without names": {Anchors: anchored.Anchors}} {
		if _, err := NewVerifier(tr); err == nil {
			t.Errorf("%s is accepted as trust", name)
		}
	}
}

// A register is a Revocation that counts and answers as told.
type register struct {
	asked int
	path  []*x509.Certificate
	until time.Time
	err   map[string]error // by common name of the leaf's issuer
}

func (r *register) Check(_ context.Context, path []*x509.Certificate, _ time.Time) (time.Time, error) {
	r.asked++
	r.path = path
	return r.until, r.err[path[0].Issuer.CommonName]
}

func TestTrustDemands(t *testing.T) {
	t.Parallel()
	policy, err := x509.OIDFromInts([]uint64{1, 3, 6, 1, 4, 1, 99999, 1})
	if err != nil {
		t.Fatal(err)
	}
	root := newKeypair("Root", nil, pkitest.Authority)
	subject := pkix.Name{CommonName: "AP_NL_01", Organization: []string{"Gemeente, Z"}, Country: []string{"NL"}}
	good := certify(ring().sender.key, "", &root, func(c *x509.Certificate) {
		c.Subject, c.Policies = subject, []x509.OID{policy}
		c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 99999, 2}}
	}).cert
	anchors := []*x509.Certificate{root.cert}
	other, err := x509.OIDFromInts([]uint64{1, 3, 6, 1, 4, 1, 99999, 9})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		trust Trust
		ok    bool
	}{
		{"whole subject", Trust{Names: []string{`CN=AP_NL_01,O=Gemeente\, Z,C=NL`}}, true},
		{"whole subject the other way round", Trust{Names: []string{`C=NL, O="Gemeente, Z", CN=AP_NL_01`}}, true},
		{"subject of another organisation", Trust{Names: []string{"CN=AP_NL_01,O=Other,C=NL"}}, false},
		{"part of the subject", Trust{Names: []string{"CN=AP_NL_01,C=NL"}}, false},
		{"agreed policy", Trust{Names: []string{"AP_NL_01"}, Policies: []x509.OID{other, policy}}, true},
		{"another policy", Trust{Names: []string{"AP_NL_01"}, Policies: []x509.OID{other}}, false},
		{"agreed extended use", Trust{Names: []string{"AP_NL_01"}, Usages: []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 99999, 2}}}, true},
		{"another extended use", Trust{Names: []string{"AP_NL_01"}, Usages: []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 99999, 3}}}, false},
	} {
		tt.trust.Anchors = anchors
		v, err := NewVerifier(tt.trust)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.certificate(t.Context(), good.Raw, nil, testNow); (err == nil) != tt.ok {
			t.Errorf("%s: err = %v, want ok = %v", tt.name, err, tt.ok)
		}
	}
	// Authorities between: with the policy, with any policy, without one, not allowed any.
	anyway, err := x509.OIDFromInts([]uint64{2, 5, 29, 32, 0})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		ca   func(*x509.Certificate)
		leaf []x509.OID
		ok   bool
	}{
		{"authority of the policy", func(c *x509.Certificate) { c.Policies = []x509.OID{policy} }, []x509.OID{policy}, true},
		{"authority of any policy", func(c *x509.Certificate) { c.Policies = []x509.OID{anyway} }, []x509.OID{policy}, true},
		{"authority without policies", func(*x509.Certificate) {}, []x509.OID{policy}, false},
		{"leaf of any policy", func(c *x509.Certificate) { c.Policies = []x509.OID{policy} }, []x509.OID{anyway}, false},
		{"leaf without policies", func(c *x509.Certificate) { c.Policies = []x509.OID{policy} }, nil, false},
	} {
		middle := certify(ring().receiver.key, "Middle", &root, func(c *x509.Certificate) { pkitest.Authority(c); tt.ca(c) })
		leaf := certify(ring().sender.key, "AP_NL_01", &middle, func(c *x509.Certificate) { c.Policies = tt.leaf })
		v, err := NewVerifier(Trust{Anchors: anchors, Names: []string{"AP_NL_01"}, Policies: []x509.OID{policy}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.certificate(t.Context(), leaf.cert.Raw, [][]byte{middle.cert.Raw}, testNow); (err == nil) != tt.ok {
			t.Errorf("%s: err = %v, want ok = %v", tt.name, err, tt.ok)
		}
	}
	for _, name := range []string{"", "WHAT=AP_NL_01", "CN=a,=b"} {
		if _, err := NewVerifier(Trust{Anchors: anchors, Names: []string{name}}); err == nil {
			t.Errorf("name %q is accepted", name)
		}
	}
}

func TestReferenceWithoutCertificate(t *testing.T) {
	t.Parallel()
	root := newKeypair("Root", nil, pkitest.Authority)
	good := certify(ring().sender.key, "AP_NL_01", &root, nil).cert
	stranger := certify(ring().sender.key, "AP_FI_03", &root, nil).cert
	is := func(c *x509.Certificate) func(*x509.Certificate) bool {
		return func(x *x509.Certificate) bool { return x.Equal(c) }
	}
	trust := Trust{Anchors: []*x509.Certificate{root.cert}, Names: []string{"AP_NL_01"}}
	v, err := NewVerifier(trust)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.named(t.Context(), is(good), testNow); err == nil {
		t.Error("a certificate that nobody brought is found")
	}
	if _, err := v.certificate(t.Context(), good.Raw, nil, testNow); err != nil {
		t.Fatal(err)
	}
	if c, err := v.named(t.Context(), is(good), testNow); err != nil || !c.Equal(good) {
		t.Errorf("what a message brought is not found: %v", err)
	}
	trust.Known = []*x509.Certificate{good, stranger}
	if v, err = NewVerifier(trust); err != nil {
		t.Fatal(err)
	}
	if c, err := v.named(t.Context(), is(good), testNow); err != nil || !c.Equal(good) {
		t.Errorf("what is configured is not found: %v", err)
	}
	if _, err := v.named(t.Context(), is(stranger), testNow); err == nil {
		t.Error("a configured certificate of another name is trusted")
	}
	if _, err := v.named(t.Context(), is(good), testNow.AddDate(2, 0, 0)); err == nil {
		t.Error("a configured certificate is trusted after its end")
	}
}

func TestTrustAsksForRevocation(t *testing.T) {
	t.Parallel()
	root := newKeypair("Root", nil, pkitest.Authority)
	good := certify(ring().sender.key, "AP_NL_01", &root, nil).cert
	der := good.Raw
	anchored := Trust{Anchors: []*x509.Certificate{root.cert}, Names: []string{"AP_NL_01"}}
	pinned := Trust{Pinned: []*x509.Certificate{good}, Intermediates: []*x509.Certificate{root.cert}}
	for name, trust := range map[string]Trust{"anchored": anchored, "pinned": pinned} {
		t.Run(name, func(t *testing.T) {
			r := &register{until: testNow.Add(time.Minute)}
			trust.Revocation = r
			v, err := NewVerifier(trust)
			if err != nil {
				t.Fatal(err)
			}
			ask := func(at time.Time) error {
				_, err := v.certificate(t.Context(), der, nil, at)
				return err
			}
			if err := errors.Join(ask(testNow), ask(testNow.Add(30*time.Second))); err != nil || r.asked != 1 {
				t.Fatalf("asked %d times, %v: want once", r.asked, err)
			}
			if len(r.path) != 2 || !r.path[0].Equal(good) || !r.path[1].Equal(root.cert) {
				t.Errorf("path of %d", len(r.path))
			}
			r.err = map[string]error{"Root": ebms.Because(ebms.FailedAuthentication, nil, "")}
			if err := ask(testNow.Add(2 * time.Minute)); err == nil || r.asked != 2 {
				t.Errorf("asked %d times, err = %v: a verdict has an end", r.asked, err)
			}
			if err := v.CheckRecipient(t.Context(), good, testNow); err == nil {
				t.Error("a revoked certificate may read")
			}
			r.err, r.until = nil, testNow.AddDate(1, 0, 0)
			if err := ask(testNow.Add(2 * time.Minute)); err != nil {
				t.Fatal(err)
			}
			if err := ask(testNow.Add(2 * time.Hour)); err != nil || r.asked != 5 {
				t.Errorf("asked %d times, %v: a verdict is kept for an hour at most", r.asked, err)
			}
		})
	}
	t.Run("one path of two is revoked", func(t *testing.T) {
		// The middle authority has certificates of both roots.
		old := newKeypair("Old root", nil, pkitest.Authority)
		middle := certify(ring().receiver.key, "Middle", &root, pkitest.Authority)
		crossed := certify(ring().receiver.key, "Middle", &old, pkitest.Authority)
		leaf := certify(ring().sender.key, "AP_NL_01", &middle, nil).cert
		r := &byAnchor{bad: "Old root"}
		v, err := NewVerifier(Trust{
			Anchors: []*x509.Certificate{root.cert, old.cert}, Intermediates: []*x509.Certificate{crossed.cert, middle.cert},
			Names: anchored.Names, Revocation: r,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.certificate(t.Context(), leaf.Raw, nil, testNow); err != nil {
			t.Errorf("the path that holds is not taken: %v", err)
		}
	})
}

// TestRevocationHasItsCode: what was revoked and what nobody can tell reach the caller
// of Open as different codes.
func TestRevocationHasItsCode(t *testing.T) {
	t.Parallel()
	root := newKeypair("Root", nil, pkitest.Authority)
	leaf := certify(ring().sender.key, "AP_NL_01", &root, nil)
	s, err := Seal(Sealing{Messaging: header, MessageID: "m@x", SignToken: TokenBST, Sign: Identity{Certificate: leaf.cert, Key: leaf.key}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []ebms.Code{ebms.FailedAuthentication, ebms.DeliveryFailure} {
		env, err := Locate(parse(t, []byte(s.Envelope)))
		if err != nil {
			t.Fatal(err)
		}
		v, err := NewVerifier(Trust{
			Anchors: []*x509.Certificate{root.cert}, Names: []string{"AP_NL_01"},
			Revocation: &register{err: map[string]error{"Root": ebms.Because(want, nil, "")}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Opening{Envelope: env, Verifier: v, Now: testNow}); code(err) != want {
			t.Errorf("code %s, want %s: %v", code(err), want, err)
		}
	}
}

type byAnchor struct{ bad string }

func (r *byAnchor) Check(_ context.Context, path []*x509.Certificate, now time.Time) (time.Time, error) {
	if path[len(path)-1].Subject.CommonName == r.bad {
		return now, ebms.Because(ebms.FailedAuthentication, nil, "")
	}
	return now.Add(time.Minute), nil
}

func TestRecipient(t *testing.T) {
	t.Parallel()
	old := certify(ring().sender.key, "old", nil, func(c *x509.Certificate) { c.NotAfter = testNow.Add(-time.Hour) }).cert
	signOnly := certify(ring().sender.key, "sign", nil, pkitest.Usage(x509.KeyUsageDigitalSignature)).cert
	got, err := Profile115.Recipient([]*x509.Certificate{old, signOnly, ring().receiver.cert}, testNow)
	if err != nil || got != ring().receiver.cert {
		t.Errorf("got %v, %v", got, err)
	}
	for _, cs := range [][]*x509.Certificate{nil, {old}, {signOnly}} {
		if _, err := Profile115.Recipient(cs, testNow); err == nil {
			t.Errorf("%v is good for encryption", cs)
		}
	}
}

// A stranger may name as issuer whom he likes; one with an enormous key would cost half a
// second for each of his messages.
func TestEnormousKeyOfAnIssuer(t *testing.T) {
	t.Parallel()
	root := selfSigned()
	n := make([]byte, 20<<10)
	n[0], n[len(n)-1] = 0x80, 1
	enormous := root.Certify("Middle", &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 1<<31 - 1}, pkitest.Authority, pkitest.Around(testNow))
	middle := newKeypair("Middle", nil, pkitest.Authority)
	leaf := certify(ring().sender.key, "AP_NL_01", &middle, nil).cert
	v, err := NewVerifier(Trust{Anchors: []*x509.Certificate{root.Cert}, Names: []string{"AP_NL_01"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.certificate(t.Context(), leaf.Raw, [][]byte{enormous.Raw}, testNow); !errors.Is(err, errGiant) {
		t.Errorf("err = %v, want %v", err, errGiant)
	}
}
