package interop

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/pkitest"
	"oncegate/schemas/canon"
)

// TestParts: 28 payloads are what every stack takes (fact 10). With more nothing
// leaves us; where phase4 sends more to us, they are taken.
func TestParts(t *testing.T) {
	t.Parallel()
	t.Run("we send 29", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, setup{})
		d := r.send(t, documents(29)...)
		if _, out := r.traffic(); d.Outcome != canon.DeliveryFailed || len(out) != 0 {
			t.Errorf("delivery = %+v after %d requests, want failed without any", d, len(out))
		}
	})
	t.Run("we send 29 where the agreement allows it", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, setup{partner: func(p *pmode.Partner) { p.Limits.Parts = 40 }})
		d := r.send(t, documents(29)...)
		_, out := r.traffic()
		// The reason of the limit: Santuario verifies 30 references and no more.
		if d.Outcome != canon.DeliveryFailed || !security(codeOf(out[0].answer)) {
			t.Errorf("delivery = %+v, %s", d, brief(out[0].answer))
		}
	})
	t.Run("phase4 sends 29", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, setup{})
		s := r.phase4Sends(t, r.command(t, documents(29)...))
		if e := codeOf(s.Response); e != "" {
			t.Errorf("we answer %s", brief(s.Response))
		}
		if in, _ := r.codec.taken(); len(in) != 1 || len(in[0].Parts) != 29 {
			t.Errorf("we took %d messages", len(in))
		}
	})
}

// TestLarge: payloads that do not compress. phase4 sends 100 MiB; it gets 4 MiB, since
// decrypting takes WSS4J on Java 17 a time that grows with the square of the size.
func TestLarge(t *testing.T) {
	t.Parallel()
	content := make([]byte, 100<<20)
	if _, err := io.ReadFull(rand.Reader, content); err != nil {
		t.Fatal(err)
	}
	doc := func(size int) []document {
		return []document{{id: "large@example.org", mediaType: "application/octet-stream", content: content[:size]}}
	}
	large := setup{
		partner: func(p *pmode.Partner) { p.Limits.Part, p.Limits.Message = 128<<20, 128<<20 },
		config:  func(c *edelivery.Config) { c.Limits.TempDir = t.TempDir() },
	}
	weSend(t, newRig(t, large), doc(4<<20))
	phase4Sends(t, newRig(t, large), doc(len(content)))
}

// TestTLS: phase4 connects with TLS 1.2 and 1.3 and shows its client certificate;
// with another one, or none, its rightly signed message is refused (TA39 to TA43).
func TestTLS(t *testing.T) {
	t.Parallel()
	k := rings["rsa2048"]()
	server := k.authority.issue("localhost", "p256", pkitest.Hosts("127.0.0.1"), pkitest.Extended(x509.ExtKeyUsageServerAuth))
	client := k.authority.issue("client of AP_FI_03", "p256")
	other := k.authority.issue("client of AP_XX_09", "p256")
	for _, version := range []string{"1.2", "1.3"} {
		for name, c := range map[string]struct {
			client *identity
			result string
		}{"its certificate": {&client, "SUCCESS"}, "another certificate": {&other, "AS4_ERROR_MESSAGE_RECEIVED"}, "no certificate": {nil, "AS4_ERROR_MESSAGE_RECEIVED"}} {
			t.Run(fmt.Sprint(version, " ", name), func(t *testing.T) {
				t.Parallel()
				r := newRig(t, setup{partner: func(p *pmode.Partner) { p.TLS.Clients.Pinned = []*x509.Certificate{client.Cert} }})
				s := httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
				s.TLS = &tls.Config{
					Certificates: []tls.Certificate{server.TLS()},
					ClientAuth:   tls.RequestClientCert,
				}
				s.StartTLS()
				t.Cleanup(s.Close)
				command := r.command(t, documents(1)...)
				way := object{"version": version, "trust": certificates(t, r.dir, "tls.pem", k.authority.Cert)}
				if c.client != nil {
					way["client"] = c.client.files(t, r.dir, "client", k.authority.Cert)
				}
				command["url"], command["tls"] = s.URL, way
				if got := r.phase4Sends(t, command); got.Result != c.result {
					t.Errorf("phase4 says %s %s, errors %v", got.Result, got.Exception, got.Errors)
				}
			})
		}
	}
}

// TestPackaging: a message without payloads is taken as plain SOAP and as
// multipart with one part (TA21, TA22).
func TestPackaging(t *testing.T) {
	t.Parallel()
	for _, multipart := range []bool{false, true} {
		r := newRig(t, setup{})
		c := r.command(t)
		c["multipart"] = multipart
		if s := r.phase4Sends(t, c); s.Result != "SUCCESS" {
			t.Errorf("multipart=%v: phase4 says %s, errors %v", multipart, s.Result, s.Errors)
		}
		in, _ := r.traffic()
		if got := bytes.HasPrefix([]byte(in[0].contentType), []byte("multipart/")); got != multipart {
			t.Errorf("phase4 sent %s", in[0].contentType)
		}
	}
}
