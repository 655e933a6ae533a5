package register_test

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"oncegate/connectors/pkitest"
	"oncegate/connectors/register"
	"oncegate/connectors/registers"
	"oncegate/schemas/canon"
)

func TestBothSidesProveThemselves(t *testing.T) {
	ours, theirs := pkitest.Root("our authority"), pkitest.Root("another authority")
	client := func(by pkitest.Pair) *tls.Certificate {
		c := by.Issue("gateway", pkitest.P256(), pkitest.Extended(x509.ExtKeyUsageClientAuth)).TLS()
		return &c
	}

	server := httptest.NewUnstartedServer(reply(200, soapType, sample(t, "births/testdata/notfound.reply.xml")))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pkitest.Pool(ours.Cert)}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := pkitest.Pool(server.Certificate())

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
		{"our certificate, their authority", client(ours), roots, true},
		{"no certificate", nil, roots, false},
		{"a certificate of another authority", client(theirs), roots, false},
		{"a register nobody vouches for", client(ours), x509.NewCertPool(), false},
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
