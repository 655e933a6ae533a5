package edelivery

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

func (r *rig) ping(t *testing.T, parts ...Part) PingReport {
	t.Helper()
	report, err := r.sender.Ping(context.Background(), "provider", parts...)
	if err != nil {
		t.Fatal(err)
	}
	if report.OK != (report.Problem == nil) {
		t.Errorf("ok %t with problem %+v", report.OK, report.Problem)
	}
	if p := report.Problem; p != nil && (p.Symptom == "" || p.Cause == "" || p.Remedy == "") {
		t.Errorf("a problem without words: %+v", p)
	}
	return report
}

// TA16, TA17: a test message is processed and receipted, not delivered.
func TestPingOfAPartnerThatAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	report := r.ping(t, Part{ID: "p@example.org", MediaType: "application/pdf", Size: -1, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("%PDF")), nil
	}})
	if !report.OK || report.Status != http.StatusOK || report.Answer.Kind != "receipt" || report.Answer.References != 3 {
		text, _ := json.MarshalIndent(report, "", " ")
		t.Fatalf("report = %s", text)
	}
	if !strings.Contains(report.Answer.Signer, "AP_FI_03") || report.Request == 0 || report.Answer.Bytes == 0 {
		t.Errorf("answer = %+v of a request of %d bytes", report.Answer, report.Request)
	}
	var names []string
	for _, s := range report.Steps {
		names = append(names, s.Name)
		if !s.OK || s.Took < 0 {
			t.Errorf("step %+v", s)
		}
	}
	if !slices.Equal(names, []string{"tcp", "request", "answer"}) { // an address without DNS and TLS
		t.Errorf("steps = %v", names)
	}
	if m := report.PMode; m.Service != ebms.TestService || m.Action != ebms.TestAction || m.From != requesterID.ID || m.To != providerID.ID || m.FromRole == "" {
		t.Errorf("P-Mode = %+v", m)
	}
	uses := map[string]int{}
	for _, k := range report.Keys {
		uses[k.Use] = k.DaysLeft
	}
	for _, use := range []string{"we sign with", "we encrypt for them with", "they encrypt for us with", "they sign with (pinned)", "they signed the answer with"} {
		if uses[use] < 3000 {
			t.Errorf("%q has %d days left", use, uses[use])
		}
	}
	if len(r.codec.decoded) != 0 || len(r.topic.of(canon.KindEvidenceRequest)) != 0 {
		t.Error("the test message was delivered")
	}
}

func TestPingEachTimeIsAnotherMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if a, b := r.ping(t), r.ping(t); !a.OK || !b.OK || a.MessageID == b.MessageID {
		t.Errorf("ids %s and %s", a.MessageID, b.MessageID)
	}
}

func TestPingOfAnswersThatDoNotHold(t *testing.T) {
	t.Parallel()
	keys := ring()
	status := func(code int, header ...string) func(*rig) {
		return func(r *rig) {
			r.wire = func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				for i := 0; i+1 < len(header); i += 2 {
					w.Header().Set(header[i], header[i+1])
				}
				w.WriteHeader(code)
				_, _ = w.Write([]byte("<html>\x1b[31m</html>"))
			}
		}
	}
	signed := func(code ebms.Code) func(*rig) {
		return func(r *rig) {
			r.reply(http.StatusOK, func(id string) []byte {
				b, _ := r.receiver.signedError(r.provider(), r.requester(), id, ebms.Errorf(code, "no such thing"))
				return b
			})
		}
	}
	for _, tt := range []struct {
		name    string
		wire    func(*rig)
		symptom string
		kind    string
		compare string // must stand in what is to be compared
		words   string // must stand in the cause or the remedy
	}{
		{"no P-Mode", signed(ebms.ProcessingModeMismatch), "EBMS:0010", "error", "From/PartyId AP_NL_01 (type urn:", "no P-Mode"},
		{"not authentic", signed(ebms.FailedAuthentication), "EBMS:0101", "error", "we sign with CN=AP_NL_01", "signing certificate"},
		{"not decrypted", signed(ebms.FailedDecryption), "EBMS:0102", "error", "we encrypt for them with CN=AP_FI_03", "encryption certificate"},
		{"another policy", signed(ebms.PolicyNoncompliance), "EBMS:0103", "error", "", "sign and encrypt"},
		{"a value", signed(ebms.ValueInconsistent), "EBMS:0003", "error", "Action " + ebms.TestAction, "value"},
		{"busy", signed(ebms.DeliveryFailure), "EBMS:0202", "error", "", "repeated"},
		{"an unsigned error", func(r *rig) {
			r.reply(http.StatusInternalServerError, func(id string) []byte {
				return r.receiver.plainError(r.provider(), id, ebms.Errorf(ebms.ProcessingModeMismatch, ""))
			})
		}, "not signed: EBMS:0010", "error", "Service " + ebms.TestService, "not proven"},
		{"an error of somebody else", func(r *rig) {
			r.reply(http.StatusOK, func(id string) []byte {
				b, _ := r.receiver.signedError(table(t, providerID, keys.stranger), r.requester(), id, ebms.Errorf(ebms.Other, ""))
				return b
			})
		}, "signature is not that of the partner", "error", "", "not proven"},
		{"a receipt of somebody else", func(r *rig) {
			r.reply(http.StatusOK, func(id string) []byte {
				b, _ := r.receiver.receipt(table(t, providerID, keys.stranger), r.requester(), id, nil)
				return b
			})
		}, "signature of the receipt", "receipt", "", "signing.pinned"},
		{"an unsigned receipt", func(r *rig) {
			r.reply(http.StatusOK, func(id string) []byte {
				s := &ebms.Signal{Timestamp: testNow, MessageID: "s@x", RefToMessageID: id}
				b := []byte(`<S12:Envelope xmlns:S12="` + ebms.SOAPNamespace + `"><S12:Header>`)
				return append(ebms.AppendReceipt(b, s, nil, "i"), `</S12:Header><S12:Body></S12:Body></S12:Envelope>`...)
			})
		}, "receipt is not signed", "receipt", "", "nonRepudiation"},
		{"a receipt for other content", func(r *rig) {
			r.reply(http.StatusOK, func(id string) []byte {
				b, _ := r.receiver.receipt(r.provider(), r.requester(), id, nil)
				return b
			})
		}, "EBMS:0302", "receipt", "only sent: ", "2 references, the receipt has 0"},
		{"a receipt for another message", func(r *rig) {
			r.reply(http.StatusOK, func(string) []byte {
				b, _ := r.receiver.receipt(r.provider(), r.requester(), "other@example.org", nil)
				return b
			})
		}, "another message", "receipt", "they answer other@example.org", ""},
		{"not found", status(http.StatusNotFound), "HTTP status 404", "other", "", "path"},
		{"forbidden", status(http.StatusForbidden), "HTTP status 403", "other", "", "tls.certificate"},
		{"moved", status(http.StatusMovedPermanently, "Location", "https://elsewhere.example/as4"), "HTTP status 301", "other", "", "moved"},
		{"a page", status(http.StatusOK, "Content-Type", "text/html"), "HTTP status 200", "other", "", "web page"},
		{"failed", status(http.StatusInternalServerError), "HTTP status 500", "other", "", "MessageId"},
		{"gateway", status(http.StatusBadGateway), "HTTP status 502", "other", "", "proxy"},
		{"later", func(r *rig) {
			r.wire = func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { w.WriteHeader(http.StatusAccepted) }
		}, "HTTP status 202", "none", "", "replyPattern"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			tt.wire(r)
			report := r.ping(t)
			p := report.Problem
			if p == nil || !strings.Contains(p.Symptom, tt.symptom) || report.Answer.Kind != tt.kind {
				t.Fatalf("problem = %+v, answer %+v; want %q of kind %s", p, report.Answer, tt.symptom, tt.kind)
			}
			if !strings.Contains(strings.Join(p.Compare, "\n"), tt.compare) {
				t.Errorf("compare %q, want %q", p.Compare, tt.compare)
			}
			if !strings.Contains(p.Cause+p.Remedy, tt.words) {
				t.Errorf("cause %q, remedy %q; want %q", p.Cause, p.Remedy, tt.words)
			}
			if text, _ := json.Marshal(report); bytes.Contains(text, []byte("\\u001b")) {
				t.Error("control characters of the peer in the report")
			}
		})
	}
}

// secure makes the partner one that is reached over TLS.
func secure(t *testing.T, conf *tls.Config, edit func(p *pmode.Partner, server *x509.Certificate)) *rig {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = conf
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes are meant to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	r := newRig(t, func(_ *rig, _, provider *pmode.Partner, _ *Config) {
		provider.URL = s.URL
		provider.TLS.CA = []*x509.Certificate{s.Certificate()}
		provider.Timeout = time.Minute
		if edit != nil {
			edit(provider, s.Certificate())
		}
	})
	s.Config.Handler = r.receiver
	return r
}

func TestPingOverTLS(t *testing.T) {
	t.Parallel()
	r := secure(t, &tls.Config{}, nil)
	report := r.ping(t)
	if !report.OK || report.TLS == nil || report.TLS.Version != "TLS 1.3" || report.TLS.Cipher == "" || report.TLS.Server.Subject == "" {
		t.Fatalf("report = %+v, TLS %+v, problem %+v", report, report.TLS, report.Problem)
	}
	if !slices.ContainsFunc(report.Steps, func(s PingStep) bool { return s.Name == "tls" && s.OK }) {
		t.Errorf("steps = %+v", report.Steps)
	}
}

func TestPingOfAPartnerThatIsNotReached(t *testing.T) {
	t.Parallel()
	keys := ring()
	at := func(url string, patience time.Duration) func(t *testing.T) *rig {
		return func(t *testing.T) *rig {
			return newRig(t, func(_ *rig, _, provider *pmode.Partner, _ *Config) {
				provider.URL, provider.Timeout = url, patience
			})
		}
	}
	for _, tt := range []struct {
		name    string
		rig     func(t *testing.T) *rig
		symptom string
		cause   string
		steps   string
	}{
		{"nothing listens", at("https://127.0.0.1:1/as4", time.Minute), "connection refused", "nothing listens", "tcp"},
		{"unknown authority", func(t *testing.T) *rig {
			return secure(t, &tls.Config{}, func(p *pmode.Partner, _ *x509.Certificate) { p.TLS.CA = []*x509.Certificate{keys.stranger.cert} })
		}, "leads to no authority", "not among those we trust", "tcp tls"},
		{"another host", func(t *testing.T) *rig {
			return secure(t, &tls.Config{}, func(p *pmode.Partner, _ *x509.Certificate) { p.TLS.ServerName = "ap.example.fi" })
		}, "for another host", "example.com", "tcp tls"},
		{"expired", func(t *testing.T) *rig {
			old := newKeypair("127.0.0.1", func(c *x509.Certificate) {
				c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
				c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
			})
			return secure(t, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{old.cert.Raw}, PrivateKey: old.key}}},
				func(p *pmode.Partner, _ *x509.Certificate) { p.TLS.CA = []*x509.Certificate{old.cert} })
		}, "expired", "clock", "tcp tls"},
		{"client certificate wanted", func(t *testing.T) *rig {
			return secure(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, nil)
		}, "no TLS version or cipher suite in common", "client certificate", "tcp tls"},
		// The handshake of TLS 1.3 is over for us when the server refuses: its alert may
		// come after our request broke on the closed connection.
		{"client certificate wanted, TLS 1.3", func(t *testing.T) *rig {
			return secure(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}, nil)
		}, "", "", "tcp tls"},
		{"another client certificate wanted", func(t *testing.T) *rig {
			pool := x509.NewCertPool()
			pool.AddCert(keys.provider.cert)
			return secure(t, &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MaxVersion: tls.VersionTLS12}, func(p *pmode.Partner, _ *x509.Certificate) {
				p.TLS.Own = &tls.Certificate{Certificate: [][]byte{keys.stranger.cert.Raw}, PrivateKey: keys.stranger.key}
			})
		}, "no TLS version or cipher suite in common", "", "tcp tls"},
		{"plain HTTP", func(t *testing.T) *rig {
			s := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(s.Close)
			return at("https://"+strings.TrimPrefix(s.URL, "http://"), time.Minute)(t)
		}, "does not speak TLS", "plain HTTP", "tcp"},
		{"old TLS", func(t *testing.T) *rig {
			return secure(t, &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, nil)
		}, "no TLS version", "", "tcp tls"},
		{"silence", func(t *testing.T) *rig {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return at("https://"+l.Addr().String(), 200*time.Millisecond)(t)
		}, "no answer in time", "firewall", "tcp"},
		{"cut off", func(t *testing.T) *rig {
			r := newRig(t)
			r.wire = func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
					c.Close()
				}
			}
			return r
		}, "closed before the answer", "proxy", "tcp request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			report := tt.rig(t).ping(t)
			p := report.Problem
			if p == nil || !strings.Contains(p.Symptom, tt.symptom) || !strings.Contains(p.Cause, tt.cause) {
				t.Fatalf("problem = %+v; want %q because %q", p, tt.symptom, tt.cause)
			}
			var steps []string
			for _, s := range report.Steps {
				steps = append(steps, s.Name)
			}
			if !strings.HasPrefix(strings.Join(steps, " "), tt.steps) {
				t.Errorf("steps = %+v, want %s", report.Steps, tt.steps)
			}
			if report.Answer.Kind != "none" {
				t.Errorf("answer = %+v", report.Answer)
			}
		})
	}
}

// What TLS 1.3 servers say; over TCP an alert has no type of its own.
func TestAlertsAboutClientCertificates(t *testing.T) {
	for _, alert := range []string{"tls: certificate required", "tls: bad certificate", "tls: unknown certificate authority", "tls: expired certificate", "tls: access denied"} {
		err := &net.OpError{Op: "remote error", Err: errors.New(alert)}
		if p := unreachable(err, &pmode.Partner{}); !strings.Contains(p.Symptom, "demands a client certificate") || !strings.Contains(p.Cause, "mutual TLS") {
			t.Errorf("%s: %+v", alert, p)
		}
		if p := unreachable(err, &pmode.Partner{TLS: pmode.TLS{Own: &tls.Certificate{}}}); p.Symptom != "the server refuses our client certificate" {
			t.Errorf("%s: %+v", alert, p)
		}
		if got := explain(err); got != "the server refuses our client certificate; see tls.certificate" {
			t.Errorf("%s: %s", alert, got)
		}
	}
}

func TestNamesThatAreNotFound(t *testing.T) {
	p := &pmode.Partner{}
	unknown := unreachable(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "ap.example.fi", IsNotFound: true}}, p)
	if !strings.Contains(unknown.Symptom, "name of the host") || !strings.Contains(unknown.Cause, "misspelt") {
		t.Errorf("unknown name: %+v", unknown)
	}
	silent := unreachable(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "i/o timeout", Name: "ap.example.fi", IsTimeout: true}}, p)
	if !strings.Contains(silent.Cause, "DNS server") {
		t.Errorf("silent server: %+v", silent)
	}
}

func TestPingThatCannotBeMade(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if _, err := r.sender.Ping(context.Background(), "nobody"); canon.AsFault(err).Code != canon.CodeNoAgreement {
		t.Errorf("unknown partner: %v", err)
	}
	r = newRig(t, func(_ *rig, _, provider *pmode.Partner, _ *Config) {
		provider.URL, provider.MEP, provider.MPC = "", pmode.Pull, "urn:mpc:x"
	})
	if _, err := r.sender.Ping(context.Background(), "provider"); err == nil || !strings.Contains(err.Error(), "fetches its messages") {
		t.Errorf("a partner without a url: %v", err)
	}
	old := newKeypair("old", func(c *x509.Certificate) { c.NotAfter = testNow.Add(-time.Hour) })
	r = newRig(t, func(_ *rig, _, provider *pmode.Partner, _ *Config) {
		provider.Trust = wssec.Trust{Pinned: []*x509.Certificate{old.cert}}
	})
	if report := r.ping(t); report.OK || !slices.ContainsFunc(report.Keys, func(k PingCertificate) bool { return k.DaysLeft < 0 }) {
		t.Errorf("an expired certificate is not shown: %+v", report.Keys)
	}
}
