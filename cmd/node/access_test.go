package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"oncegate/connectors/pkitest"
)

// issue makes one end of TLS.
func issue(by pkitest.Pair, name string, use x509.ExtKeyUsage) pkitest.Pair {
	return by.Issue(name, pkitest.P256(), pkitest.Hosts(name), pkitest.Extended(use))
}

// written writes what a server proves itself with.
func written(t *testing.T, dir string, server pkitest.Pair) ServerConfig {
	t.Helper()
	if err := server.Write(dir, "tls"); err != nil {
		t.Fatal(err)
	}
	return ServerConfig{Cert: filepath.Join(dir, "tls.pem"), Key: filepath.Join(dir, "tls.key")}
}

func TestTheListenerAsksForClientCertificates(t *testing.T) {
	ours, theirs, others := pkitest.Root("ours"), pkitest.Root("theirs"), pkitest.Root("others")
	dir := t.TempDir()
	server := issue(ours, "localhost", x509.ExtKeyUsageServerAuth)
	conf := written(t, dir, server)
	ca := filepath.Join(dir, "clients.pem")
	if err := os.WriteFile(ca, pkitest.CertificatePEM(theirs.Cert), 0o600); err != nil {
		t.Fatal(err)
	}
	known, unknown := issue(theirs, "client", x509.ExtKeyUsageClientAuth).TLS(), issue(others, "client", x509.ExtKeyUsageClientAuth).TLS()
	roots := pkitest.Pool(ours.Cert)

	for name, c := range map[string]struct {
		auth, ca string
		pmodes   bool // name clients
		want     [3]string
	}{
		"as P-Modes say, none does": {"", "", false, [3]string{"0", "0", "0"}},
		"as P-Modes say, one does":  {"", "", true, [3]string{"0", "1", "1"}},
		"none":                      {clientsNone, "", true, [3]string{"0", "0", "0"}},
		"request":                   {clientsRequest, "", false, [3]string{"0", "1", "1"}},
		"request, with a CA":        {clientsRequest, ca, false, [3]string{"0", "1", "refused"}},
		"require":                   {clientsRequire, ca, false, [3]string{"refused", "1", "refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := &Node{cfg: &Config{EDelivery: EDeliveryConfig{ServerConfig: conf, ClientAuth: c.auth, ClientCA: c.ca}}, log: slog.New(slog.DiscardHandler)}
			var named atomic.Bool
			tlsConf, err := n.as4TLS(named.Load)
			if err != nil {
				t.Fatal(err)
			}
			s, err := listen(RoleEDelivery, "127.0.0.1:0", tlsConf, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Certificates", string(rune('0'+len(r.TLS.PeerCertificates))))
			}), n.log)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.serve(ctx) }()
			defer func() {
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			named.Store(c.pmodes) // after the listener began: a reload is enough
			for i, client := range []*tls.Certificate{nil, &known, &unknown} {
				own := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
				if client != nil { // whatever the server says whom it trusts
					own.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return client, nil }
				}
				hc := &http.Client{Transport: &http.Transport{TLSClientConfig: own, DisableKeepAlives: true}}
				_, port, _ := net.SplitHostPort(s.ln.Addr().String())
				got := "refused"
				if resp, err := hc.Get("https://127.0.0.1:" + port + "/"); err == nil {
					got = resp.Header.Get("Certificates")
					resp.Body.Close()
				}
				if got != c.want[i] {
					t.Errorf("client %d: %s certificates seen, want %s", i, got, c.want[i])
				}
			}
		})
	}
}

// A client that was not asked for its certificate resumes its session for hours: when a
// P-Mode names clients it must be asked all the same.
func TestTheListenerAsksWhoResumes(t *testing.T) {
	ours, theirs := pkitest.Root("ours"), pkitest.Root("theirs")
	dir := t.TempDir()
	server, client := issue(ours, "localhost", x509.ExtKeyUsageServerAuth), issue(theirs, "client", x509.ExtKeyUsageClientAuth).TLS()
	conf := written(t, dir, server)
	roots := pkitest.Pool(ours.Cert)
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			n := &Node{cfg: &Config{EDelivery: EDeliveryConfig{ServerConfig: conf}}, log: slog.New(slog.DiscardHandler)}
			var named atomic.Bool
			tlsConf, err := n.as4TLS(named.Load)
			if err != nil {
				t.Fatal(err)
			}
			s, err := listen(RoleEDelivery, "127.0.0.1:0", tlsConf, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Certificates", string(rune('0'+len(r.TLS.PeerCertificates))))
			}), n.log)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- s.serve(ctx) }()
			defer func() {
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			own := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: version, MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(4)}
			own.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &client, nil }
			hc := &http.Client{Transport: &http.Transport{TLSClientConfig: own, DisableKeepAlives: true}}
			for i, want := range []string{"0", "0", "1", "1"} {
				named.Store(i >= 2)
				resp, err := hc.Get("https://" + s.ln.Addr().String() + "/")
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if got := resp.Header.Get("Certificates"); got != want {
					t.Errorf("connection %d: %s certificates seen, want %s", i, got, want)
				}
			}
		})
	}
}

func TestFaultsOfTheListener(t *testing.T) {
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, pkitest.PEM("CERTIFICATE", []byte{1}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		e    EDeliveryConfig
		want string
	}{
		"a word of nobody":     {EDeliveryConfig{ClientAuth: "maybe"}, "none, request or require"},
		"behind a proxy":       {EDeliveryConfig{ClientAuth: clientsRequest}, "needs tls_cert"},
		"nobody vouches":       {EDeliveryConfig{ServerConfig: ServerConfig{Cert: "x"}, ClientAuth: clientsRequire}, "edelivery.client_ca: is required"},
		"who asks nobody":      {EDeliveryConfig{ClientCA: ca}, "goes with client_auth"},
		"TLS of yesterday":     {EDeliveryConfig{TLS: TLSConfig{Min: "1.1"}}, "neither 1.2 nor 1.3"},
		"the latest first":     {EDeliveryConfig{TLS: TLSConfig{Min: "1.3", Max: "1.2"}}, "later than the latest"},
		"suites of everywhere": {EDeliveryConfig{TLS: TLSConfig{Suites: []string{"TLS_RSA_WITH_AES_128_CBC_SHA"}}}, "forward secrecy"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &Config{EDelivery: c.e, Roles: []string{RoleEDelivery}}
			if err := cfg.Validate(true); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
