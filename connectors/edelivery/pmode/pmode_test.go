package pmode

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

// files are made for the test run and never kept.
var files = sync.OnceValue(func() map[string][]byte {
	out := map[string][]byte{"empty.pem": []byte("nothing"), "broken.pem": []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "broken-key.pem": []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}
	put := func(name string, key crypto.PrivateKey) {
		p := pkitest.SelfSigned(name, key, pkitest.Around(time.Now()))
		out[name+".pem"], out[name+"-key.pem"] = pkitest.CertificatePEM(p.Cert), pkitest.KeyPEM(key)
	}
	for _, name := range []string{"own", "fi"} {
		k := pkitest.NewRSA(2048)
		put(name, k)
		out[name+"-pkcs1.pem"] = pkitest.PEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k))
	}
	put("ec", pkitest.P256())
	put("ed", pkitest.Ed25519())
	return out
})

func readFile(name string) ([]byte, error) {
	b, ok := files()[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	return bytes.Clone(b), nil
}

const good = `own:
  party: {id: AP_NL_01, type: "urn:t"}
  domain: as4.example.nl
  signing: {certificate: own.pem, key: own-key.pem}
  decryption:
    - {certificate: own.pem, key: own-pkcs1.pem}
partners:
  - name: finland
    party: {id: AP_FI_03, type: "urn:t"}
    url: https://as4.example.fi/msh
    signing:
      pinned: [fi.pem]
      anchors: [own.pem]
      names: [AP_FI_03]
    encryption: [fi.pem]
    token: ski
    agreement: {value: "urn:agreement", pmode: pm-1}
    algorithms: {signature: [rsa-sha256, rsa-sha512], key_transport: [rsa-oaep, rsa-oaep-mgf1p]}
    services:
      - {service: "urn:service", actions: [a, b]}
    compress: false
    retry: {attempts: 4, initial: 2s, factor: 1.5, max: 10s}
    timeout: 30s
    limits: {part: 25MiB, message: 100 MiB, ratio: 100}
  - name: sweden
    party: {id: AP_SE_01, type: "urn:t"}
    signing: {pinned: [fi.pem]}
`

func load(t testing.TB, text string) (*Table, error) {
	t.Helper()
	return Load("pmodes.yaml", []byte(text), readFile)
}

func TestLoad(t *testing.T) {
	tab, err := load(t, good)
	if err != nil {
		t.Fatal(err)
	}
	ps := tab.Partners()
	if len(ps) != 2 {
		t.Fatalf("%d partners", len(ps))
	}
	p := *ps[0]
	if p.Name != "finland" || p.Token != wssec.TokenSKI || !p.Plain || p.Timeout != 30*time.Second || p.Party.Role != OOTSRole ||
		p.Agreement != (ebms.Agreement{Value: "urn:agreement", PMode: "pm-1"}) || len(p.Trust.Pinned) != 1 || len(p.Trust.Anchors) != 1 || p.Verifier() == nil {
		t.Errorf("partner = %+v", p)
	}
	if diff := cmp.Diff(wssec.Algorithms{
		Signatures: []xmlsec.SignatureAlgorithm{xmlsec.RSASHA256, xmlsec.RSASHA512}, Transports: []xmlsec.KeyTransport{xmlsec.RSAOAEP, xmlsec.RSAOAEPMGF1P},
	}, p.Allow); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Limits{Part: 25 << 20, Message: 100 << 20, Ratio: 100, Parts: 28}, p.Limits); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Retry{Attempts: 4, Initial: 2 * time.Second, Factor: 1.5, Max: 10 * time.Second, Jitter: 0.1}, p.Retry); diff != "" {
		t.Error(diff)
	}
	d := *ps[1]
	if d.Token != wssec.TokenBST || d.Plain || d.Timeout != time.Minute || d.Limits != (Limits{64 << 20, 128 << 20, 200, 28}) || d.Retry != (Retry{Attempts: 5, Initial: time.Second, Factor: 2, Max: time.Minute, Jitter: 0.1}) {
		t.Errorf("defaults = %+v", d)
	}
	want := []Service{{Service: ebms.Service{Value: OOTSService, Type: OOTSServiceType}, Actions: OOTSActions()}}
	if diff := cmp.Diff(want, d.Services); diff != "" {
		t.Error(diff)
	}
	if o := tab.Own(); o.Domain != "as4.example.nl" || o.Sign.Key == nil || len(o.Decrypt) != 1 || o.Party.Role != OOTSRole {
		t.Errorf("own = %+v", o.Party)
	}
}

func TestFaultsOfAFileNameTheirPlace(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		want           []string
	}{
		{"unknown key", "domain:", "domian:", []string{`pmodes.yaml:3:3: unknown key "domian"`, `2:3: key "domain" is missing`}},
		{"key twice", "    url:", "    name: x\n    url:", []string{`10:5: key "name" twice`}},
		{"missing file", "[fi.pem]\n    token", "[gone.pem]\n    token", []string{"15:18: reading file"}},
		{"no certificate", "[fi.pem]\n    token", "[empty.pem]\n    token", []string{"15:18: no certificate in PEM"}},
		{"broken certificate", "[fi.pem]\n    token", "[broken.pem]\n    token", []string{"15:18: not a certificate"}},
		{"no key", "key: own-key.pem", "key: own.pem", []string{"4:12: reading key own.pem: no private key"}},
		{"broken key", "key: own-key.pem", "key: broken-key.pem", []string{"4:12: reading key broken-key.pem"}},
		{"key that cannot decrypt", "{certificate: own.pem, key: own-pkcs1.pem}", "{certificate: ed.pem, key: ed-key.pem}", []string{"6:7: key cannot decrypt"}},
		{"several at once", "token: ski", "token: xml\n    timeout: soon\n    timeout2: x", []string{"16:12: want one of bst", "17:14: want a duration", `18:5: unknown key "timeout2"`}},
		{"not a mapping", "agreement: {value: \"urn:agreement\", pmode: pm-1}", "agreement: x", []string{"want a mapping"}},
		{"not a list", "encryption: [fi.pem]", "encryption: fi.pem", []string{"want a list"}},
		{"not a truth", "compress: false", "compress: maybe", []string{"want true or false"}},
		{"not a size", "25MiB", "25 parts", []string{"want a size"}},
		{"size without end", "25MiB", "99999999999GiB", []string{"want a size"}},
		{"not a number", "attempts: 4", "attempts: 0", []string{"want a number"}},
		{"not a factor", "factor: 1.5", "factor: NaN", []string{"want a factor"}},
		{"unknown algorithm", "rsa-sha512", "rsa-sha1", []string{"want one of ecdsa-sha256"}},
		{"empty text", "domain: as4.example.nl", "domain:", []string{"want text"}},
		{"alias", "domain: as4.example.nl\n  signing: {", "domain: &d as4.example.nl\n  role: *d\n  signing: {", []string{"aliases are not read"}},
		{"two documents", "own:", "a: b\n---\nown:", []string{"more than one document"}},
		{"no YAML", "own:", "own: [", []string{"pmodes.yaml"}},
		// What only the whole table shows.
		{"foreign key", "key: own-key.pem", "key: fi-key.pem", []string{"4:12: key does not belong to its certificate"}},
		{"elliptic key", "{certificate: own.pem, key: own-key.pem}", "{certificate: ec.pem, key: ec-key.pem}", []string{"8:5: profile 1.15 needs a signing identity of ours with an rsa key"}},
		{"elliptic certificate of a partner", "pinned: [fi.pem]\n      anchors", "pinned: [ec.pem]\n      anchors", []string{"12:15: a certificate's key is not RSA"}},
		{"address", "https://as4.example.fi/msh", "ftp://as4.example.fi", []string{"url is not"}},
		{"credentials in the address", "https://as4.example.fi/msh", "https://u:p@as4.example.fi", []string{"url is not"}},
		{"no encryption certificate", "    encryption: [fi.pem]\n", "", []string{"encryption certificate is required"}},
		{"anchors without names", "      names: [AP_FI_03]\n", "", []string{"anchors without the names"}},
		{"name taken", "name: sweden", "name: finland", []string{"name is taken"}},
		{"our own party", "id: AP_SE_01", "id: AP_NL_01", []string{"party is our own"}},
		{"limits", "100 MiB", "1MiB", []string{"limits are not positive"}},
		{"pauses", "max: 10s", "max: 1s", []string{"retry pauses"}},
		{"untyped party", `{id: AP_SE_01, type: "urn:t"}`, "{id: AP_SE_01}", []string{"party type is required and is a urn, unless the id is a URI"}},
		{"party with the type of none", `{id: AP_SE_01, type: "urn:t"}`, `{id: AP_SE_01, type: "urn:oncegate:partyid:untyped"}`, []string{"party id without a type is not a URI"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(good, tt.old) {
				t.Fatalf("no %q", tt.old)
			}
			_, err := load(t, strings.Replace(good, tt.old, tt.new, 1))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error lacks %q:\n%v", w, err)
				}
			}
		})
	}
}

func TestSamePartyTwice(t *testing.T) {
	second := strings.Replace(good, "name: sweden\n    party: {id: AP_SE_01", "name: second\n    party: {id: AP_FI_03", 1)
	tab, err := load(t, second)
	if err != nil {
		t.Fatalf("another agreement with the same party: %v", err)
	}
	h := &ebms.UserMessage{From: ebms.Party{ID: canon.Participant{Scheme: "urn:t", ID: "AP_FI_03"}, Role: OOTSRole}, To: tab.Own().Party,
		Service: ebms.Service{Value: OOTSService, Type: OOTSServiceType}, Action: "ExecuteQueryRequest"}
	if p, err := tab.Match(h); err != nil || p.Name != "second" {
		t.Errorf("%v, %v", p, err)
	}
	same := strings.Replace(second, `    agreement: {value: "urn:agreement", pmode: pm-1}`+"\n    algorithms: {signature: [rsa-sha256, rsa-sha512], key_transport: [rsa-oaep, rsa-oaep-mgf1p]}\n    services:\n      - {service: \"urn:service\", actions: [a, b]}\n", "", 1)
	if _, err := load(t, same); err == nil || !strings.Contains(err.Error(), "same party, agreement and action") {
		t.Errorf("err = %v", err)
	}
}

func TestMatch(t *testing.T) {
	tab, err := load(t, good)
	if err != nil {
		t.Fatal(err)
	}
	header := func() *ebms.UserMessage {
		return &ebms.UserMessage{
			From: ebms.Party{ID: canon.Participant{Scheme: "urn:t", ID: "AP_FI_03"}, Role: OOTSRole}, To: tab.Own().Party,
			Agreement: ebms.Agreement{Value: "urn:agreement"}, Service: ebms.Service{Value: "urn:service"}, Action: "a",
		}
	}
	if p, err := tab.Match(header()); err != nil || p.Name != "finland" {
		t.Fatalf("%v, %v", p, err)
	}
	for _, tt := range []struct {
		name  string
		edit  func(*ebms.UserMessage)
		ok    bool
		known bool // a partner comes with the refusal
	}{
		{"default partition", func(h *ebms.UserMessage) { h.MPC = ebms.DefaultMPC }, true, true},
		{"another name of the agreement", func(h *ebms.UserMessage) { h.Agreement.PMode = "theirs" }, true, true},
		{"test service", func(h *ebms.UserMessage) {
			h.Service, h.Action = ebms.Service{Value: ebms.TestService}, ebms.TestAction
		}, true, true},
		{"unknown party", func(h *ebms.UserMessage) { h.From.ID.ID = "AP_XX" }, false, false},
		{"party of another type", func(h *ebms.UserMessage) { h.From.ID.Scheme = "urn:u" }, false, false},
		{"role of the sender", func(h *ebms.UserMessage) { h.From.Role = "x" }, false, true},
		{"role of the receiver", func(h *ebms.UserMessage) { h.To.Role = "x" }, false, true},
		{"for another party", func(h *ebms.UserMessage) { h.To.ID.ID = "AP_XX" }, false, true},
		{"another partition", func(h *ebms.UserMessage) { h.MPC = "urn:mpc" }, false, true},
		{"without the agreement", func(h *ebms.UserMessage) { h.Agreement = ebms.Agreement{} }, false, true},
		{"agreement of another type", func(h *ebms.UserMessage) { h.Agreement.Type = "x" }, false, true},
		{"another service", func(h *ebms.UserMessage) { h.Service.Value = "urn:other" }, false, true},
		{"service of another type", func(h *ebms.UserMessage) { h.Service.Type = "x" }, false, true},
		{"another action", func(h *ebms.UserMessage) { h.Action = "c" }, false, true},
	} {
		h := header()
		tt.edit(h)
		p, err := tab.Match(h)
		var e *ebms.Error
		if (err == nil) != tt.ok || (p != nil) != tt.known || err != nil && (!errors.As(err, &e) || e.Code != ebms.ProcessingModeMismatch || e.Detail == "") {
			t.Errorf("%s: %v, %v", tt.name, p, err)
		}
	}
}

func TestOutbound(t *testing.T) {
	tab, err := load(t, good)
	if err != nil {
		t.Fatal(err)
	}
	fi := canon.Participant{Scheme: "urn:t", ID: "AP_FI_03"}
	p, s, err := tab.Outbound(fi, "b")
	if err != nil || p.Name != "finland" || s.Value != "urn:service" {
		t.Errorf("%v, %v, %v", p, s, err)
	}
	for _, tt := range []struct {
		to     canon.Participant
		action string
	}{{fi, "c"}, {canon.Participant{Scheme: "urn:t", ID: "AP_XX"}, "a"}, {canon.Participant{Scheme: "urn:t", ID: "AP_SE_01"}, "ExecuteQueryRequest"}} {
		if _, _, err := tab.Outbound(tt.to, tt.action); canon.AsFault(err) == nil || canon.AsFault(err).Code != canon.CodeNoAgreement {
			t.Errorf("%v %s: %v", tt.to, tt.action, err)
		}
	}
}

func TestPausesGrowToTheirMaximum(t *testing.T) {
	r := Retry{Attempts: 9, Initial: time.Second, Factor: 2, Max: 10 * time.Second}
	var got []time.Duration
	for n := 1; n < 7; n++ {
		got = append(got, r.Pause(n)/time.Second)
	}
	if diff := cmp.Diff([]time.Duration{1, 2, 4, 8, 10, 10}, got); diff != "" {
		t.Error(diff)
	}
	if d := r.Pause(100_000); d != r.Max {
		t.Errorf("pause = %s", d)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("own: &a {party: *a}\npartners: []"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if tab, err := Load("f", b, readFile); (tab == nil) == (err == nil) {
			t.Fatalf("table %v with error %v", tab, err)
		}
	})
}
