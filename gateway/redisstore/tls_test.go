package redisstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func TestOpenTrustsTheGivenAuthorityAlone(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	server := miniredis.NewMiniRedis()
	if err := server.StartTLS(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ours := x509.NewCertPool()
	ours.AddCert(cert)
	for _, tc := range []struct {
		name string
		pool *x509.CertPool
		ok   bool
	}{{"the authority of the server", ours, true}, {"somebody else", x509.NewCertPool(), false}} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := Open(t.Context(), Options{Address: server.Addr(), TLS: true, RootCAs: tc.pool, Timeout: time.Second})
			if err == nil {
				defer c.Close()
			}
			if (err == nil) != tc.ok {
				t.Errorf("opening: %v, want it to succeed: %v", err, tc.ok)
			}
		})
	}
}
