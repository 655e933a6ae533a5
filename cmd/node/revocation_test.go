package node

import (
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/connectors/edelivery/revocation"
	"oncegate/connectors/pkitest"
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
	authority := pkitest.Root("authority")
	path := []*x509.Certificate{authority.Issue("AP_XX_01", pkitest.P256()).Cert, authority.Cert}
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
