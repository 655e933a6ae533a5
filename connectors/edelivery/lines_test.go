package edelivery

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/pkitest"
	"oncegate/schemas/canon"
)

func TestPartnersWithEqualSettingsShareConnections(t *testing.T) {
	t.Parallel()
	keys := ring()
	l := newLines(nil)
	own := &tls.Certificate{Certificate: [][]byte{keys.requester.cert.Raw}, PrivateKey: keys.requester.key}
	again := &tls.Certificate{Certificate: [][]byte{bytes.Clone(keys.requester.cert.Raw)}, PrivateKey: keys.requester.key}
	with := func(s pmode.TLS) *pmode.Partner { return &pmode.Partner{TLS: s} }
	if l.to(with(pmode.TLS{})) != l.plain || l.to(with(pmode.TLS{Min: tls.VersionTLS12})) != l.plain {
		t.Error("a partner without settings has a client of its own")
	}
	a := l.to(with(pmode.TLS{Own: own, CA: []*x509.Certificate{keys.provider.cert}}))
	if a == l.plain || l.to(with(pmode.TLS{Own: again, CA: []*x509.Certificate{keys.provider.cert}})) != a {
		t.Error("equal settings of another table have another client")
	}
	for _, other := range []pmode.TLS{{Own: own}, {CA: []*x509.Certificate{keys.provider.cert}}, {ServerName: "x"}, {Min: tls.VersionTLS13},
		{Own: own, CA: []*x509.Certificate{keys.stranger.cert}}} {
		if c := l.to(with(other)); c == a || c == l.plain {
			t.Errorf("settings %+v share a client", other)
		}
	}
	for i := range 2 * maxLines {
		l.to(with(pmode.TLS{ServerName: fmt.Sprint(i)}))
	}
	if l.recent.Len() != maxLines || len(l.byTLS) != maxLines {
		t.Errorf("%d clients are held", l.recent.Len())
	}
}

// A rule about addresses is asked with the one that the connection really goes to.
func TestConnectionIsControlled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var asked []string
	p := r.partner
	p.URL = strings.Replace(r.server.URL, "127.0.0.1", "localhost", 1)
	p.Retry.Attempts = 1
	p.TLS.Control = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		asked = append(asked, address)
		return errors.New("private address")
	}
	r.sender.PModes = table(t, requesterID, ring().requester, p)
	got, err := r.sender.Handle(context.Background(), r.message("m", xmlDocument(0)))
	if err != nil {
		t.Fatal(err)
	}
	if d := got[0].Body.(*canon.DeliveryReceipt); d.Outcome != canon.DeliveryFailed || len(asked) == 0 || strings.Contains(asked[0], "localhost") {
		t.Errorf("delivery %+v, asked for %q", d, asked)
	}
}

// The settings of the agreement make the connection, and where they do not the
// operator is told why.
func TestConnectionSettingsOfThePartner(t *testing.T) {
	t.Parallel()
	keys := ring()
	server := newKeypair("as4.example.org", pkitest.Hosts("as4.example.org"))
	pair := func(k keypair) *tls.Certificate {
		return &tls.Certificate{Certificate: [][]byte{k.cert.Raw}, PrivateKey: k.key}
	}
	pool := x509.NewCertPool()
	pool.AddCert(keys.requester.cert)
	right := pmode.TLS{CA: []*x509.Certificate{server.cert}, Own: pair(keys.requester), ServerName: "as4.example.org"}
	with := func(f func(*pmode.TLS)) pmode.TLS { s := right; f(&s); return s }
	for name, tt := range map[string]struct {
		tls    pmode.TLS
		reason string // empty: acknowledged
	}{
		"as agreed":             {right, ""},
		"other authority":       {with(func(s *pmode.TLS) { s.CA = []*x509.Certificate{keys.stranger.cert} }), "tls.ca"},
		"other host":            {with(func(s *pmode.TLS) { s.ServerName = "" }), "tls.server_name"},
		"no client certificate": {with(func(s *pmode.TLS) { s.Own = nil }), "tls.certificate"},
		"newer TLS":             {with(func(s *pmode.TLS) { s.Min = tls.VersionTLS13 }), "no TLS version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			s := httptest.NewUnstartedServer(r.receiver)
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.TLS = ServerTLS(*pair(server), pool)
			s.TLS.MaxVersion = tls.VersionTLS12
			s.StartTLS()
			defer s.Close()
			p := r.partner
			p.URL, p.TLS = s.URL, tt.tls
			r.sender.PModes = table(t, requesterID, keys.requester, p)
			got, err := r.sender.Handle(context.Background(), r.message("m", xmlDocument(0)))
			if err != nil {
				t.Fatal(err)
			}
			outcome, reason := got[0].Body.(*canon.DeliveryReceipt).Outcome, got[1].Body.(*canon.AuditEvent).Reason
			if (outcome == canon.DeliveryAcknowledged) != (tt.reason == "") || !strings.Contains(reason, tt.reason) {
				t.Errorf("%s: %q", outcome, reason)
			}
		})
	}
}
