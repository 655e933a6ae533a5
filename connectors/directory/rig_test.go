package directory

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/httpsig"
	"oncegate/connectors/directory/service"
	"oncegate/connectors/pkitest"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

// A rig is an instance of the common services on loopback, with TLS and signatures:
// the service of this gateway over its sample data, or what a test puts in its place.
type rig struct {
	server *httptest.Server
	root   pkitest.Pair
	log    *lines

	mu    sync.Mutex
	now   time.Time
	hook  http.HandlerFunc // answers in place of the service
	asked []*http.Request
	words []string // of metrics
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{now: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), log: &lines{}}
	r.root = pkitest.Root("CS Root")
	r.server = httptest.NewUnstartedServer(nil)
	source, err := service.Open(service.SourceConfig{
		Loader: service.Loader{Lists: codes.Default(), Base: "https://" + r.server.Listener.Addr().String()},
		Path:   filepath.Join("..", "..", "deploy", "directory"),
	})
	if err != nil {
		t.Fatal(err)
	}
	h, err := service.New(service.Config{Source: source, Signer: r.signer(t), Now: r.clock})
	if err != nil {
		t.Fatal(err)
	}
	r.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.asked = append(r.asked, req)
		hook := r.hook
		r.mu.Unlock()
		if hook != nil {
			hook(w, req)
			return
		}
		h.ServeHTTP(w, req)
	})
	r.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	r.server.StartTLS()
	t.Cleanup(r.server.Close)
	return r
}

func (r *rig) signer(t testing.TB) *httpsig.Signer {
	t.Helper()
	leaf := r.root.Issue("CS-TEST", pkitest.Ed25519())
	s, err := httpsig.NewSigner(leaf.Signer(), []*x509.Certificate{leaf.Cert}, r.clock)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) set(h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hook = h
}

// down makes the instance answer 503.
func (r *rig) down() {
	r.set(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
}

// say makes the instance answer with this body, signed.
func (r *rig) say(t testing.TB, body []byte) {
	s := r.signer(t)
	r.set(func(w http.ResponseWriter, _ *http.Request) {
		if err := s.Sign(w.Header(), body); err != nil {
			t.Error(err)
		}
		_, _ = w.Write(body)
	})
}

func (r *rig) write(t testing.TB, a answers.Answer) []byte {
	t.Helper()
	b, err := answers.Write(a)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (r *rig) requests() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*http.Request(nil), r.asked...)
}

// Asked counts for tests of metrics.
func (r *rig) Asked(query, country, outcome string, _ time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.words = append(r.words, query+" "+country+" "+outcome)
}

// config is that of a client of the rig.
func (r *rig) config() Config {
	roots := x509.NewCertPool()
	roots.AddCert(r.server.Certificate())
	return Config{
		Country: "SI", Environment: "testing", Trust: &httpsig.Trust{Anchors: []*x509.Certificate{r.root.Cert}},
		Instances: []Instance{{Country: AnyCountry, EB: r.server.URL + "/eb", DSD: r.server.URL + "/dsd"}},
		Roots:     roots, Private: true, Now: r.clock, Metrics: r, Logger: slog.New(slog.NewTextHandler(r.log, nil)),
	}
}

func (r *rig) client(t testing.TB, edits ...func(*Config)) *Client {
	t.Helper()
	c := r.config()
	for _, edit := range edits {
		edit(&c)
	}
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// lines is a log that tests read.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// fault checks code and text of an error.
func fault(t testing.TB, err error, code canon.Code, part string) *canon.Fault {
	t.Helper()
	f, ok := errors.AsType[*canon.Fault](err)
	if !ok {
		t.Fatalf("got %v, want a fault", err)
	}
	if f.Code != code || !strings.Contains(f.Error(), part) {
		t.Errorf("got %v, want %s with %q", f, code, part)
	}
	return f
}

// What the sample data of the service has.
const (
	birth     = "https://sr.oots.tech.ec.europa.eu/requirements/0b5d6f0e-5a40-4c52-9a39-40d1a5c0e001"
	residence = "https://sr.oots.tech.ec.europa.eu/requirements/0b5d6f0e-5a40-4c52-9a39-40d1a5c0e002"
	birthES   = "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/ES/6c2f1c0e-4b7a-4d53-9a86-0f1d7e5b3a01"
	livesES   = "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/ES/2d9a7f44-5c1b-4e0d-8b32-7a6c9e1f4b02"
	region    = "9be524c1-6efe-417a-974c-088f54f0e001"
)

var bg = context.Background()
