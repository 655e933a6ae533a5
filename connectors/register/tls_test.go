package register_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net/http/httptest"
	"testing"
	"time"

	"oncegate/connectors/register"
	"oncegate/connectors/registers"
	"oncegate/schemas/canon"
)

// issue makes a certificate; without a parent it signs itself.
func issue(t *testing.T, name string, parent *tls.Certificate, usage x509.ExtKeyUsage) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, IsCA: parent == nil, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	signer, signerKey := template, any(key)
	if parent != nil {
		signer, signerKey = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, key.Public(), signerKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestBothSidesProveThemselves(t *testing.T) {
	ours := issue(t, "our authority", nil, x509.ExtKeyUsageAny)
	theirs := issue(t, "another authority", nil, x509.ExtKeyUsageAny)
	clients := x509.NewCertPool()
	clients.AddCert(ours.Leaf)

	server := httptest.NewUnstartedServer(reply(200, soapType, sample(t, "births/testdata/notfound.reply.xml")))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	defs, err := register.Load(registers.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		rule  string
		cert  *tls.Certificate
		roots *x509.CertPool
		ok    bool
	}{
		{"our certificate, their authority", issue(t, "gateway", ours, x509.ExtKeyUsageClientAuth), roots, true},
		{"no certificate", nil, roots, false},
		{"a certificate of another authority", issue(t, "gateway", theirs, x509.ExtKeyUsageClientAuth), roots, false},
		{"a register nobody vouches for", issue(t, "gateway", ours, x509.ExtKeyUsageClientAuth), x509.NewCertPool(), false},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			c, err := register.New(defs["births"], register.Endpoint{URL: server.URL, ClientCert: tc.cert, RootCAs: tc.roots},
				register.Config{Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			ms, err := c.Handle(t.Context(), query(t, "births"))
			if tc.ok {
				if rec := record(t, ms, err); rec.Outcome != canon.RecordNotFound {
					t.Errorf("got %s, want an answer", rec.Outcome)
				}
			} else if f := canon.AsFault(err); f == nil || f.Code != canon.CodeRegisterDown {
				t.Errorf("got %v, want %s", err, canon.CodeRegisterDown)
			}
		})
	}
}
