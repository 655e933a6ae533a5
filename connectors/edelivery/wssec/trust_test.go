package wssec

import (
	"crypto/x509"
	"testing"
	"time"
)

func TestTrust(t *testing.T) {
	t.Parallel()
	root := newKeypair("Root", nil, authority)
	middle := certify(ring().receiver.key, "Middle", &root, authority)
	other := certify(ring().receiver.key, "Root", nil, authority)
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
		{"not for signatures", anchored, leaf(&root, "AP_NL_01", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), nil, testNow, false},
		{"any use of the key", anchored, leaf(&root, "AP_NL_01", func(c *x509.Certificate) { c.KeyUsage = 0 }), nil, testNow, true},
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
		brief := newKeypair("Brief root", nil, func(c *x509.Certificate) { authority(c); c.NotAfter = testNow.Add(time.Hour) })
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

func TestRecipient(t *testing.T) {
	t.Parallel()
	old := certify(ring().sender.key, "old", nil, func(c *x509.Certificate) { c.NotAfter = testNow.Add(-time.Hour) }).cert
	signOnly := certify(ring().sender.key, "sign", nil, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }).cert
	got, err := Recipient([]*x509.Certificate{old, signOnly, ring().receiver.cert}, testNow)
	if err != nil || got != ring().receiver.cert {
		t.Errorf("got %v, %v", got, err)
	}
	for _, cs := range [][]*x509.Certificate{nil, {old}, {signOnly}} {
		if _, err := Recipient(cs, testNow); err == nil {
			t.Errorf("%v is good for encryption", cs)
		}
	}
}
