package discovery_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery/discovery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

// Every dialect, with the canonical form that publishers of it use, leads to an agreement.
func TestResolve(t *testing.T) {
	for _, tt := range []struct {
		name, service, path string
		document            func(meta) string
		form                xmlsec.C14NAlgorithm
	}{
		{"SMP 1.0", "Meta:SMP", path1, meta.smp1, xmlsec.InclusiveC14N},
		{"SMP 1.0, exclusive", "meta:smp", path1, meta.smp1, xmlsec.ExclusiveC14N},
		{"Peppol", "Meta:SMP", path1, meta.peppol, xmlsec.InclusiveC14N},
		{"SMP 2.0", "oasis-bdxr-smp-2", path2, meta.smp2, xmlsec.InclusiveC14N11},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.dns.clear()
			r.dns.naptr(t, queryName(t, peppolID(participant)), 100, 10, "u", tt.service, "!^.*$!"+r.smp.URL+"!")
			r.serve(tt.path, signed(t, tt.document(r.meta()), tt.form, r.signer))
			p, service, err := resolve(t, r.resolver(t, nil))
			if err != nil {
				t.Fatal(err)
			}
			want := ebms.Service{Value: procValue, Type: procScheme}
			if service != want {
				t.Errorf("service: got %v, want %v", service, want)
			}
			if got := (canon.Participant{Scheme: partyType, ID: "AP_XX_01"}); p.Party.ID != got {
				t.Errorf("party: got %v", p.Party)
			}
			if p.URL != "https://ap.example.test/as4" || len(p.Encrypt) != 1 || !p.Encrypt[0].Equal(r.endpoint) {
				t.Errorf("url %s, encryption %d", p.URL, len(p.Encrypt))
			}
			if diff := cmp.Diff([]string{"AP_XX_01"}, p.Trust.Names); diff != "" {
				t.Error(diff)
			}
			if p.Verifier() == nil || p.Retry.Attempts == 0 {
				t.Error("the agreement is not made ready")
			}
			if p.Services[0].Service != want || p.Services[0].Actions[0] != "Ask" {
				t.Errorf("services: %+v", p.Services)
			}
		})
	}
}

// Each refusal says at which step it was, and what it means for who asked.
func TestRefusals(t *testing.T) {
	other := func(r *rig, t testing.TB) *x509.Certificate {
		return leaf(newAuthority("Other CA"), "SMP Example", x509.KeyUsageDigitalSignature)
	}
	for _, tt := range []struct {
		name    string
		change  func(t testing.TB, r *rig, m *meta, c *discovery.Config) (signer []*x509.Certificate)
		after   func(string) string
		step    discovery.Step
		verdict discovery.Verdict
		text    string
	}{
		{name: "nothing signed", after: func(s string) string {
			return s[:strings.Index(s, "<Signature")] + s[strings.Index(s, "</Signature>")+12:]
		}, step: discovery.StepSignature, verdict: discovery.Refused, text: "no-signature"},
		{name: "two signatures", after: func(s string) string {
			sig := s[strings.Index(s, "<Signature "):strings.Index(s, "</SignedServiceMetadata>")]
			return strings.Replace(s, "</SignedServiceMetadata>", sig+"</SignedServiceMetadata>", 1)
		}, step: discovery.StepSignature, verdict: discovery.Refused, text: "many-signatures"},
		{name: "changed address", after: func(s string) string { return strings.Replace(s, "ap.example.test", "ap.example.evil", 1) }, step: discovery.StepSignature, verdict: discovery.Refused, text: "digest-mismatch"},
		{name: "changed signed info", after: func(s string) string { return strings.Replace(s, `<SignedInfo>`, `<SignedInfo Id="x">`, 1) }, step: discovery.StepSignature, verdict: discovery.Refused, text: "signature-invalid"},
		{name: "weak hash", after: func(s string) string {
			return strings.Replace(s, string(xmlsec.RSASHA256), "http://www.w3.org/2000/09/xmldsig#rsa-sha1", 1)
		}, step: discovery.StepSignature, verdict: discovery.Refused, text: "unknown-algorithm"},
		{name: "another authority signs", change: func(t testing.TB, r *rig, _ *meta, _ *discovery.Config) []*x509.Certificate {
			return []*x509.Certificate{other(r, t)}
		}, step: discovery.StepSignature, verdict: discovery.Refused, text: "unknown authority"},
		{name: "the chain brings its own anchor", change: func(t testing.TB, r *rig, _ *meta, _ *discovery.Config) []*x509.Certificate {
			ca := newAuthority("Other CA")
			return []*x509.Certificate{leaf(ca, "SMP Example", x509.KeyUsageDigitalSignature), ca.Cert}
		}, step: discovery.StepSignature, verdict: discovery.Refused, text: "unknown authority"},
		{name: "an access point signs", change: func(t testing.TB, r *rig, _ *meta, c *discovery.Config) []*x509.Certificate {
			return []*x509.Certificate{r.endpoint}
		}, step: discovery.StepSignature, verdict: discovery.Refused, text: "unknown authority"},
		{name: "subject does not fit", change: func(t testing.TB, r *rig, _ *meta, c *discovery.Config) []*x509.Certificate {
			return []*x509.Certificate{leaf(r.smps, "Somebody", x509.KeyUsageDigitalSignature)}
		}, step: discovery.StepSignature, verdict: discovery.Refused, text: "pattern"},
		{name: "key not for signing", change: func(t testing.TB, r *rig, _ *meta, _ *discovery.Config) []*x509.Certificate {
			return []*x509.Certificate{leaf(r.smps, "SMP Example", x509.KeyUsageKeyEncipherment)}
		}, step: discovery.StepSignature, verdict: discovery.Refused, text: "does not allow"},
		{name: "signer expired", change: func(t testing.TB, r *rig, _ *meta, _ *discovery.Config) []*x509.Certificate {
			return []*x509.Certificate{leaf(r.smps, "SMP Example", x509.KeyUsageDigitalSignature, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0) })}
		}, step: discovery.StepSignature, verdict: discovery.Refused, text: "valid from"},
		{name: "no certificate", change: func(testing.TB, *rig, *meta, *discovery.Config) []*x509.Certificate {
			return []*x509.Certificate{}
		}, step: discovery.StepSignature, verdict: discovery.Refused, text: "key-unresolved"},
		{name: "doctype", after: func(s string) string { return strings.Replace(s, "<!--", `<!DOCTYPE x><!--`, 1) }, step: discovery.StepDocument, verdict: discovery.Refused, text: "doctype"},
		{name: "about another participant", change: func(_ testing.TB, _ *rig, m *meta, _ *discovery.Config) []*x509.Certificate {
			m.participant = "0088:test02"
			return nil
		}, step: discovery.StepDocument, verdict: discovery.Refused, text: "another participant"},
		{name: "about another document", change: func(_ testing.TB, _ *rig, m *meta, _ *discovery.Config) []*x509.Certificate {
			m.document = "urn:other"
			return nil
		}, step: discovery.StepDocument, verdict: discovery.Refused, text: "urn:other"},
		{name: "not yet active", change: func(_ testing.TB, _ *rig, m *meta, _ *discovery.Config) []*x509.Certificate {
			m.from = "2026-12-01T00:00:00+02:00"
			return nil
		}, step: discovery.StepEndpoint, verdict: discovery.Refused, text: "active from"},
		{name: "expired", change: func(_ testing.TB, _ *rig, m *meta, _ *discovery.Config) []*x509.Certificate {
			m.to = "2026-11-01T00:00:00"
			return nil
		}, step: discovery.StepEndpoint, verdict: discovery.Refused, text: "expired"},
		{name: "other transport", change: func(_ testing.TB, _ *rig, m *meta, _ *discovery.Config) []*x509.Certificate {
			m.profile = "bdxr-transport-ebms3-as4-split-join-v1p0"
			return nil
		}, step: discovery.StepEndpoint, verdict: discovery.Unregistered, text: "split-join"},
		{name: "endpoint without TLS", change: func(_ testing.TB, _ *rig, m *meta, _ *discovery.Config) []*x509.Certificate {
			m.address = "http://ap.example.test/as4"
			return nil
		}, step: discovery.StepEndpoint, verdict: discovery.Refused, text: "https"},
		{name: "endpoint certificate of a stranger", change: func(t testing.TB, r *rig, m *meta, _ *discovery.Config) []*x509.Certificate {
			m.certificate = base64.StdEncoding.EncodeToString(leaf(newAuthority("Other CA"), "AP_XX_01", x509.KeyUsageKeyEncipherment).Raw)
			return nil
		}, step: discovery.StepCertificate, verdict: discovery.Refused, text: "unknown authority"},
		{name: "endpoint certificate is nonsense", change: func(_ testing.TB, _ *rig, m *meta, _ *discovery.Config) []*x509.Certificate {
			m.certificate = "blacert"
			return nil
		}, step: discovery.StepCertificate, verdict: discovery.Refused, text: "base64"},
		{name: "endpoint certificate cannot encrypt", change: func(t testing.TB, r *rig, m *meta, _ *discovery.Config) []*x509.Certificate {
			m.certificate = base64.StdEncoding.EncodeToString(leaf(r.domain, "AP_XX_01", x509.KeyUsageDigitalSignature).Raw)
			return nil
		}, step: discovery.StepCertificate, verdict: discovery.Refused, text: "does not allow"},
		{name: "our own access point", change: func(t testing.TB, r *rig, m *meta, _ *discovery.Config) []*x509.Certificate {
			m.certificate = base64.StdEncoding.EncodeToString(leaf(r.domain, "AP_LV_01", x509.KeyUsageKeyEncipherment).Raw)
			return nil
		}, step: discovery.StepAgreement, verdict: discovery.Refused, text: "own"},
		{name: "unknown process", change: func(_ testing.TB, _ *rig, _ *meta, c *discovery.Config) []*x509.Certificate {
			c.Activities[0].Process = discovery.Identifier{Scheme: procScheme, Value: "urn:example:other"}
			return nil
		}, step: discovery.StepEndpoint, verdict: discovery.Unregistered, text: "process"},
		{name: "unknown document", change: func(_ testing.TB, _ *rig, _ *meta, c *discovery.Config) []*x509.Certificate {
			c.Activities[0].Document.Value = "urn:example:unknown"
			return nil
		}, step: discovery.StepFetch, verdict: discovery.Unregistered, text: "404"},
		{name: "too large", change: func(_ testing.TB, _ *rig, _ *meta, c *discovery.Config) []*x509.Certificate {
			c.MaxBytes = 1000
			return nil
		}, step: discovery.StepFetch, verdict: discovery.Refused, text: "max_size"},
		{name: "private address", change: func(_ testing.TB, _ *rig, _ *meta, c *discovery.Config) []*x509.Certificate {
			c.PrivateAddresses = false
			return nil
		}, step: discovery.StepFetch, verdict: discovery.Refused, text: "public"},
		{name: "unknown TLS authority", change: func(_ testing.TB, _ *rig, _ *meta, c *discovery.Config) []*x509.Certificate {
			c.Roots = x509.NewCertPool()
			return nil
		}, step: discovery.StepFetch, verdict: discovery.Unreachable, text: "unknown authority"},
		{name: "HTTP redirect", change: func(_ testing.TB, r *rig, _ *meta, _ *discovery.Config) []*x509.Certificate {
			r.serveWith(path1, func(w http.ResponseWriter) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(http.StatusFound)
			})
			return nil
		}, step: discovery.StepFetch, verdict: discovery.Unreachable, text: "302"},
		{name: "server error", change: func(_ testing.TB, r *rig, _ *meta, _ *discovery.Config) []*x509.Certificate {
			r.serveWith(path1, func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) })
			return nil
		}, step: discovery.StepFetch, verdict: discovery.Unreachable, text: "502"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			m, c := r.meta(), r.config()
			c.Signers.Subject = mustRegexp(`(^|,)CN=SMP Example(,|$)|CN=AP_`)
			signers := []*x509.Certificate{r.signer}
			if tt.change != nil {
				if s := tt.change(t, r, &m, &c); s != nil {
					signers = s
				}
			}
			doc := signed(t, m.smp1(), xmlsec.InclusiveC14N, signers...)
			if tt.after != nil {
				changed := tt.after(doc)
				if changed == doc {
					t.Fatal("the document was not changed")
				}
				doc = changed
			}
			r.mu.Lock()
			_, given := r.documents[path1]
			r.mu.Unlock()
			if !given {
				r.serve(path1, doc)
			}
			res, err := discovery.New(c)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = resolve(t, res)
			f := failure(t, err)
			if f.Step != tt.step || f.Verdict != tt.verdict || !strings.Contains(f.Error(), tt.text) {
				t.Errorf("got %s, %s, %v; want %s, %s, %s", f.Step, f.Verdict, f, tt.step, tt.verdict, tt.text)
			}
			if fault := canon.AsFault(err); fault.Code != f.Code() || strings.Contains(fault.Detail, "https://") {
				t.Errorf("fault: got %s %q", fault.Code, fault.Detail)
			}
			if f.Rule == "" || f.Remedy == "" || f.Where == "" {
				t.Errorf("no place, rule or remedy: %+v", f)
			}
		})
	}
}

// The certificate of an endpoint comes as DER in base64, in lines, as PEM, or as PEM in base64.
func TestCertificateForms(t *testing.T) {
	r := newRig(t)
	armour := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.endpoint.Raw}))
	one := base64.StdEncoding.EncodeToString(r.endpoint.Raw)
	for name, content := range map[string]string{
		"base64": one, "lines": "\n   " + one[:70] + "\r\n   " + one[70:] + "\n", "pem": armour,
		"pem in one line": strings.ReplaceAll(armour, "\n", " "), "pem in base64": base64.StdEncoding.EncodeToString([]byte(armour)),
	} {
		m := r.meta()
		m.certificate = strings.ReplaceAll(content, "\r", "&#13;")
		r.serve(path1, signed(t, m.smp1(), xmlsec.InclusiveC14N, r.signer))
		if p, _, err := resolve(t, r.resolver(t, nil)); err != nil || !p.Encrypt[0].Equal(r.endpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A redirect is followed once, over signed documents only, to the signer it names.
func TestRedirect(t *testing.T) {
	r := newRig(t)
	second := leaf(r.smps, "SMP Second", x509.KeyUsageDigitalSignature)
	good := r.meta()
	for _, tt := range []struct {
		name string
		uid  string
		next func() string
		want discovery.Step
	}{
		{"common name", "SMP Second", nil, ""},
		{"subject", "CN=SMP Second,O=Example,C=XX", nil, ""},
		{"subject the other way round", "C=XX, O=Example, CN=SMP Second", nil, ""},
		{"another signer", "SMP Example", nil, discovery.StepRedirect},
		{"no name", "", nil, discovery.StepRedirect},
		{"another redirect", "SMP Second", func() string {
			m := good
			m.redirect, m.uid = r.smp.URL+"/third", "SMP Second"
			return m.smp1()
		}, discovery.StepRedirect},
		{"another participant", "SMP Second", func() string {
			m := good
			m.participant = "0088:test02"
			return m.smp1()
		}, discovery.StepDocument},
	} {
		m := good
		m.redirect, m.uid = r.smp.URL+"/second", tt.uid
		r.serve(path1, signed(t, m.smp1(), xmlsec.InclusiveC14N, r.signer))
		next := good.smp1()
		if tt.next != nil {
			next = tt.next()
		}
		r.serve("/second", signed(t, next, xmlsec.InclusiveC14N, second))
		_, _, err := resolve(t, r.resolver(t, nil))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || failure(t, err).Step != tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	if n := r.asked("/third"); n != 0 {
		t.Errorf("the second redirect was followed %d times", n)
	}
}

// In SMP 2.0 the redirect names a publisher and the certificate of its signer.
func TestRedirect2(t *testing.T) {
	r := newRig(t)
	r.dns.clear()
	r.dns.naptr(t, queryName(t, peppolID(participant)), 1, 1, "U", "oasis-bdxr-smp-2", "!.*!"+r.smp.URL+"!")
	second := leaf(r.smps, "SMP Second", x509.KeyUsageDigitalSignature)
	m := r.meta()
	m.redirect, m.uid = r.smp.URL+"/second", base64.StdEncoding.EncodeToString(second.Raw)
	r.serve(path2, signed(t, m.smp2(), xmlsec.InclusiveC14N11, r.signer))
	for _, tt := range []struct {
		signer *x509.Certificate
		good   bool
	}{{second, true}, {r.signer, false}} {
		r.serve("/second"+path2, signed(t, r.meta().smp2(), xmlsec.InclusiveC14N11, tt.signer))
		if _, _, err := resolve(t, r.resolver(t, nil)); (err == nil) != tt.good {
			t.Errorf("signer %s: got %v", tt.signer.Subject.CommonName, err)
		}
	}
}

// Answers are kept for their time, refusals for a short one, and an old answer
// serves for a while when there is none.
func TestRemembering(t *testing.T) {
	r := newRig(t)
	doc := signed(t, r.meta().smp1(), xmlsec.InclusiveC14N, r.signer)
	r.serve(path1, doc)
	res := r.resolver(t, nil)
	want := func(step string, good bool, hits, questions int) {
		t.Helper()
		if _, _, err := resolve(t, res); (err == nil) != good {
			t.Fatalf("%s: %v", step, err)
		}
		if h, q := r.asked(path1), len(r.dns.questions()); h != hits || q != questions {
			t.Fatalf("%s: publisher asked %d times, DNS %d; want %d and %d", step, h, q, hits, questions)
		}
	}
	want("first", true, 1, 1)
	want("again", true, 1, 1)
	r.pass(61 * time.Second) // the TTL of the record is 60 s
	want("record is old", true, 1, 2)
	r.serveWith(path1, func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) })
	r.pass(time.Hour)
	want("publisher is down", true, 2, 3)
	r.pass(3*time.Hour + 59*time.Minute)
	want("too old to serve", false, 3, 4)
	r.serveWith(path1, notFound)
	want("gone", false, 4, 4)
	want("gone is remembered", false, 4, 4)
	r.serve(path1, doc)
	want("gone is remembered still", false, 4, 4)
	r.pass(61 * time.Second)
	want("back", true, 5, 5)
}

// A dynamic receiver trusts a sender that no agreement names as far as the domain
// vouches for its name.
func TestInbound(t *testing.T) {
	r := newRig(t)
	service := ebms.Service{Value: procValue, Type: procScheme}
	res := r.resolver(t, func(c *discovery.Config) {
		c.Transports[0].Receive = true
		c.Transports[0].Partner.Services = append(c.Transports[0].Partner.Services, pmodeService(service, "Ask"))
	})
	header := func(change func(*ebms.UserMessage)) *ebms.UserMessage {
		h := &ebms.UserMessage{
			From: ebms.Party{ID: canon.Participant{Scheme: partyType, ID: "AP_XX_01"}, Role: r.own.Own().Party.Role},
			To:   r.own.Own().Party, Service: service, Action: "Ask",
		}
		change(h)
		return h
	}
	p, err := res.Inbound(header(func(*ebms.UserMessage) {}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"AP_XX_01"}, p.Trust.Names); diff != "" || p.URL != "" || p.Verifier() == nil {
		t.Errorf("agreement: %s %q", diff, p.URL)
	}
	if again, err := res.Inbound(header(func(*ebms.UserMessage) {})); err != nil || again != p {
		t.Errorf("the agreement was made again: %v", err)
	}
	for name, change := range map[string]func(*ebms.UserMessage){
		"other party type": func(h *ebms.UserMessage) { h.From.ID.Scheme += ":other" },
		"no id":            func(h *ebms.UserMessage) { h.From.ID.ID = "" },
		"long id":          func(h *ebms.UserMessage) { h.From.ID.ID = strings.Repeat("x", 256) },
		"ourselves":        func(h *ebms.UserMessage) { h.From.ID = h.To.ID },
		"other service":    func(h *ebms.UserMessage) { h.Service.Value += ":other" },
		"other action":     func(h *ebms.UserMessage) { h.Action = "Other" },
		"other role":       func(h *ebms.UserMessage) { h.From.Role = "urn:other" },
		"not for us":       func(h *ebms.UserMessage) { h.To.ID.ID = "AP_YY_01" },
	} {
		if _, err := res.Inbound(header(change)); err == nil {
			t.Errorf("%s: an agreement was made", name)
		} else if e, ok := errors.AsType[*ebms.Error](err); !ok || e.Code != ebms.ProcessingModeMismatch {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := r.resolver(t, nil).Inbound(header(func(*ebms.UserMessage) {})); err == nil {
		t.Error("an agreement was made although nobody is to be received")
	}
}

// A configuration says all its faults at once.
func TestConfigFaults(t *testing.T) {
	_, err := discovery.New(discovery.Config{Resolvers: []string{"dns.example.test"}, Transports: []discovery.Transport{{Name: "x", Receive: true}}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"agreements are required", "zone or a publisher", "dns.example.test", "signers:", "trust anchors of the domain", "party type", "services are required"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}
