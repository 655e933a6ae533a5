package netguard_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/netguard"
)

func TestClient(t *testing.T) {
	gzipped := false
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gzipped = gzipped || r.Header.Get("Accept-Encoding") != ""
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/header":
			w.Header().Set("X", strings.Repeat("x", 40<<10))
		}
		_, _ = io.WriteString(w, "12345678")
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	good := netguard.HTTP{Private: true, Roots: roots, Timeout: 5 * time.Second}
	public, stranger, wide := good, good, good
	public.Private = false
	stranger.Roots = x509.NewCertPool()
	wide.Header = 64 << 10
	for _, tt := range []struct {
		name   string
		from   netguard.HTTP
		path   string
		most   int
		status int
		is     func(error) bool // nil: it is read
	}{
		{"an answer", good, "/", 8, 200, nil},
		{"a redirect is an answer", good, "/away", 100, 302, nil},
		{"a byte too many", good, "/", 7, 200, func(err error) bool { return errors.Is(err, netguard.ErrTooLarge) }},
		{"a private address", public, "/", 8, 0, func(err error) bool { return errors.Is(err, netguard.ErrPrivate) }},
		{"a certificate of a stranger", stranger, "/", 8, 0, func(err error) bool {
			_, ok := errors.AsType[*tls.CertificateVerificationError](err)
			return ok
		}},
		{"too long a header", good, "/header", 8, 0, func(err error) bool { return err != nil }},
		{"a longer one where it is allowed", wide, "/header", 8, 200, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.from.Client()
			defer c.CloseIdleConnections()
			resp, err := c.Get(s.URL + tt.path)
			if err == nil {
				if resp.StatusCode != tt.status {
					t.Errorf("status: got %d, want %d", resp.StatusCode, tt.status)
				}
				_, err = netguard.Read(resp.Body, tt.most)
				_ = resp.Body.Close()
			}
			if (err == nil) != (tt.is == nil) || err != nil && !tt.is(err) {
				t.Errorf("got %v", err)
			}
		})
	}
	if gzipped {
		t.Error("compression is offered")
	}
}
