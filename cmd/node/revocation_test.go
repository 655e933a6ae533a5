package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/connectors/edelivery/revocation"
)

// Certificates and P-Modes name addresses: those of private networks are asked only
// where edelivery.revocation.private says so (i.19).
func TestPrivateNetworksAreAskedOnlyWhereAllowed(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.NotFound(w, nil)
	}))
	defer s.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate := func(name string, parent *x509.Certificate) *x509.Certificate {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name}, IsCA: parent == nil, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
		if parent == nil {
			parent = c
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		return c
	}
	authority := certificate("authority", nil)
	path := []*x509.Certificate{certificate("AP_XX_01", authority), authority}
	for _, private := range []bool{false, true} {
		store, err := RevocationStore(slog.New(slog.DiscardHandler), private)
		if err != nil {
			t.Fatal(err)
		}
		c, err := store.Checker(revocation.Policy{Mode: revocation.Hard, CRL: []string{s.URL + "/ca.crl"}})
		if err != nil {
			t.Fatal(err)
		}
		asked.Store(0)
		if _, err := c.Check(t.Context(), path, time.Now()); err == nil {
			t.Error("accepted without a CRL")
		}
		if got := asked.Load() > 0; got != private {
			t.Errorf("private %t: asked %t", private, got)
		}
	}
}
