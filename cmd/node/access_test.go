package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// authority signs certificates of tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.key = key
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) issue(t *testing.T, name string, use x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	a.n++
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1 + a.n), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{use},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func writePEM(t *testing.T, file, kind string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheListenerAsksForClientCertificates(t *testing.T) {
	ours, theirs, others := newAuthority(t, "ours"), newAuthority(t, "theirs"), newAuthority(t, "others")
	dir := t.TempDir()
	server := ours.issue(t, "localhost", x509.ExtKeyUsageServerAuth)
	key, err := x509.MarshalPKCS8PrivateKey(server.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	conf := ServerConfig{Cert: writePEM(t, filepath.Join(dir, "tls.pem"), "CERTIFICATE", server.Certificate[0]), Key: writePEM(t, filepath.Join(dir, "tls.key"), "PRIVATE KEY", key)}
	ca := writePEM(t, filepath.Join(dir, "clients.pem"), "CERTIFICATE", theirs.cert.Raw)
	known, unknown := theirs.issue(t, "client", x509.ExtKeyUsageClientAuth), others.issue(t, "client", x509.ExtKeyUsageClientAuth)
	roots := x509.NewCertPool()
	roots.AddCert(ours.cert)

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
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	dir := t.TempDir()
	server, client := ours.issue(t, "localhost", x509.ExtKeyUsageServerAuth), theirs.issue(t, "client", x509.ExtKeyUsageClientAuth)
	key, err := x509.MarshalPKCS8PrivateKey(server.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	conf := ServerConfig{Cert: writePEM(t, filepath.Join(dir, "tls.pem"), "CERTIFICATE", server.Certificate[0]), Key: writePEM(t, filepath.Join(dir, "tls.key"), "PRIVATE KEY", key)}
	roots := x509.NewCertPool()
	roots.AddCert(ours.cert)
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
	ca := writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", []byte{1})
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
