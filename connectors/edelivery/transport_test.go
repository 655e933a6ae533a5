package edelivery

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/schemas/canon"
)

// Large parts wait in unlinked files on both sides and are decrypted in place.
func TestLargePartsWaitOnDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, plain := range []bool{false, true} {
		r := newRig(t, func(_ *rig, a, b *pmode.Partner, c *Config) {
			a.Plain, b.Plain = plain, plain
			c.Limits = swa.Limits{Memory: 1000, TempDir: dir}
		})
		random := make([]byte, 3<<20)
		src := rand.NewChaCha8([32]byte{1})
		if _, err := src.Read(random); err != nil {
			t.Fatal(err)
		}
		docs := []document{xmlDocument(0), {"random@x", "application/octet-stream", string(random)}, {"text@x", "text/csv", strings.Repeat("a;b;c\n", 150_000)}}
		got, err := r.sender.Handle(context.Background(), r.message("m", docs...))
		if err != nil {
			t.Fatal(err)
		}
		if d := got[0].Body.(*canon.DeliveryReceipt); d.Outcome != canon.DeliveryAcknowledged {
			t.Fatalf("plain=%v: %+v", plain, d)
		}
		for i, d := range docs {
			if r.codec.inbox[0][i] != d.content {
				t.Errorf("plain=%v: part %d has %d bytes, want %d", plain, i, len(r.codec.inbox[0][i]), len(d.content))
			}
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("files are left: %v, %v", files, err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	keys := ring()
	pool := func(k keypair) *x509.CertPool {
		p := x509.NewCertPool()
		p.AddCert(k.cert)
		return p
	}
	server := newKeypair("127.0.0.1", func(c *x509.Certificate) {
		c.IPAddresses = append(c.IPAddresses, []byte{127, 0, 0, 1})
		c.IsCA, c.BasicConstraintsValid = true, true
		c.KeyUsage |= x509.KeyUsageCertSign
	})
	pair := func(k keypair) *tls.Certificate {
		return &tls.Certificate{Certificate: [][]byte{k.cert.Raw}, PrivateKey: k.key}
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = ServerTLS(*pair(server), pool(keys.requester))
	s.StartTLS()
	t.Cleanup(s.Close)
	for _, tt := range []struct {
		name   string
		client *tls.Config
		ok     bool
	}{
		{"client certificate of the partner", ClientTLS(pool(server), pair(keys.requester)), true},
		{"no client certificate", ClientTLS(pool(server), nil), false},
		{"client certificate of a stranger", ClientTLS(pool(server), pair(keys.stranger)), false},
		{"server that is not known", ClientTLS(pool(keys.provider), pair(keys.requester)), false},
		{"TLS 1.1", func() *tls.Config {
			c := ClientTLS(pool(server), pair(keys.requester))
			c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
			return c
		}(), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := Client(tt.client).Post(s.URL, "text/plain", bytes.NewReader([]byte("x")))
			if err == nil {
				_ = resp.Body.Close()
			}
			if (err == nil) != tt.ok {
				t.Errorf("err = %v, want ok = %v", err, tt.ok)
			}
		})
	}
}

// A peer that sends a byte now and then, and no key to show, must not hold a slot.
func TestSlowBodyLosesItsSlot(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, _, _ *pmode.Partner, c *Config) { c.Concurrent, c.Patience = 1, 100*time.Millisecond })
	srv := httptest.NewServer(r.receiver)
	t.Cleanup(srv.Close)
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST /as4 HTTP/1.1\r\nHost: x\r\nContent-Type: application/soap+xml\r\nContent-Length: 100000\r\n\r\n<"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer to a body that does not come: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status = %d, want %d", resp.StatusCode, http.StatusServiceUnavailable)
	}
	ct, body := r.letter(t, r.message("m", xmlDocument(0)))
	for range 2 { // over one connection: the bound of a body ends with it
		got, err := srv.Client().Post(srv.URL, ct, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(got.Body); err != nil || got.StatusCode != http.StatusOK || !bytes.Contains(b, []byte("NonRepudiation")) {
			t.Errorf("answer %d, %v", got.StatusCode, err)
		}
		got.Body.Close()
	}
}

// A request that is refused unread must not hold its connection either: the server
// reads the rest of a small body before it answers.
func TestSlowBodyOfARefusedRequestLosesItsConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *rig, _, _ *pmode.Partner, c *Config) { c.Concurrent, c.Patience = 1, 100*time.Millisecond })
	srv := httptest.NewServer(r.receiver)
	t.Cleanup(srv.Close)
	r.receiver.slots <- struct{}{}
	for method, want := range map[string]int{http.MethodPut: http.StatusMethodNotAllowed, http.MethodPost: http.StatusServiceUnavailable} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, method+" /as4 HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n<"); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(conn) // until the server closes it
		if err != nil || !bytes.HasPrefix(b, fmt.Appendf(nil, "HTTP/1.1 %d ", want)) {
			t.Errorf("%s: %q, %v; want %d and the end", method, b, err, want)
		}
	}
}
