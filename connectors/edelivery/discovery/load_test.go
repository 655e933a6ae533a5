package discovery_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery/discovery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

func loader(files map[string][]byte) pmode.Loader {
	read := func(name string) ([]byte, error) {
		if b, ok := files[name]; ok {
			return b, nil
		}
		return nil, fmt.Errorf("no file %s", name)
	}
	return pmode.Loader{File: "discovery.yaml", Public: read, Secret: read}
}

const sampleFile = `
zone: sml.example.test
resolvers: [RESOLVER]
services:
  - {name: "Meta:SMP", version: "1.0"}
signers:
  anchors: [smp-ca.pem]
  subject: '(^|,)CN=SMP Example(,|$)'
ca: [tls.pem]
private_addresses: true
transports:
  - name: bdxr-transport-ebms3-as4-v1p0
    receive: true
    partner:
      party: {type: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:test"}
      role: urn:example:role:gateway
      signing: {anchors: [domain-ca.pem]}
      services:
        - {service: urn:example:process:once, type: example-procid, actions: [Ask, Answer]}
      retry: {attempts: 3}
document_scheme: busdox-docid-qns
activities:
  - {action: Ask, document: "busdox-docid-qns::urn:example:evidence::Certificate##v1::1.0", process: "example-procid::urn:example:process:once"}
ttl: 10m
stale: 0s
`

// The file that docs/operating.md shows leads to an access point.
func TestLoad(t *testing.T) {
	r := newRig(t)
	r.serve(path1, signed(t, r.meta().smp1(), xmlsec.InclusiveC14N, r.signer))
	files := map[string][]byte{"smp-ca.pem": pkitest.CertificatePEM(r.smps.Cert), "domain-ca.pem": pkitest.CertificatePEM(r.domain.Cert), "tls.pem": pkitest.CertificatePEM(r.smp.Certificate())}
	c, err := discovery.Load(context.Background(), loader(files), []byte(strings.Replace(sampleFile, "RESOLVER", `"`+r.dns.address+`"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	c.PModes, c.Now = r.own, func() time.Time { return now }
	if c.TTL != 10*time.Minute || c.Stale >= 0 || !c.Transports[0].Receive {
		t.Errorf("read %+v", c)
	}
	res, err := discovery.New(c)
	if err != nil {
		t.Fatal(err)
	}
	p, service, err := resolve(t, res)
	if err != nil {
		t.Fatal(err)
	}
	if p.Retry.Attempts != 3 || p.Party.Role != "urn:example:role:gateway" || p.Services[0].Actions[0] != "Ask" || service.Value != procValue {
		t.Errorf("agreement %+v, service %v", p, service)
	}
	h := &ebms.UserMessage{From: ebms.Party{ID: canon.Participant{Scheme: partyType, ID: "AP_XX_01"}, Role: "urn:example:role:gateway"}, To: r.own.Own().Party, Service: service, Action: "Answer"}
	if p, err := res.Inbound(h); err != nil || p.Retry.Attempts != 3 {
		t.Errorf("inbound: %v", err)
	}
}

func TestLoadFaults(t *testing.T) {
	r := newRig(t)
	files := map[string][]byte{"smp-ca.pem": pkitest.CertificatePEM(r.smps.Cert), "domain-ca.pem": pkitest.CertificatePEM(r.domain.Cert), "tls.pem": pkitest.CertificatePEM(r.smp.Certificate()), "empty.pem": nil}
	for _, tt := range []struct{ name, from, to, want string }{
		{"unknown key", "zone:", "zones: x\nzone:", "zones"},
		{"key twice", "ttl: 10m", "ttl: 10m\nttl: 1m", "ttl"},
		{"two documents", "ttl: 10m", "ttl: 10m\n---\nzone: x", "more than one document"},
		{"duration", "ttl: 10m", "ttl: soon", "duration"},
		{"identifier", `"example-procid::urn:example:process:once"`, `"a b"`, "identifier"},
		{"pattern", `'(^|,)CN=SMP Example(,|$)'`, `'('`, "regular expression"},
		{"names of signers", "subject:", "names:", "want subject"},
		{"missing file", "domain-ca.pem", "gone.pem", "gone.pem"},
		{"missing file of signers", "smp-ca.pem", "gone.pem", "gone.pem"},
		{"empty file", "tls.pem", "empty.pem", "no certificate"},
		{"unknown key of a partner", "retry: {attempts: 3}", "retries: 3", "retries"},
		{"no signers", "signers:", "#", "signers"},
	} {
		text := strings.Replace(sampleFile, tt.from, tt.to, 1)
		if tt.name == "no signers" {
			text = "zone: sml.example.test\n"
		}
		if _, err := discovery.Load(context.Background(), loader(files), []byte(text)); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "discovery.yaml") {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

// A report tells every step, and where a discovery ended.
func TestExplain(t *testing.T) {
	r := newRig(t)
	r.serve(path1, signed(t, r.meta().smp1(), xmlsec.InclusiveC14N, r.signer))
	group := strings.TrimSuffix(path1[:strings.Index(path1, "/services/")], "/")
	r.serve(group, `<ServiceGroup xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2016/05"><ParticipantIdentifier scheme="iso6523-actorid-upis">0088:TEST01</ParticipantIdentifier><ServiceMetadataReferenceCollection><ServiceMetadataReference href="https://smp.example.test/x"/></ServiceMetadataReferenceCollection></ServiceGroup>`)
	res := r.resolver(t, nil)
	document, process := discovery.Identifier{Scheme: docScheme, Value: docValue}, discovery.Identifier{Scheme: procScheme, Value: procValue}
	rep, err := res.Explain(t.Context(), peppolID(participant), document, process)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(rep)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"LMHBM64R2VOF2IJIOGG2FXVWGYE42GF3CT7UF6EMOEWDS7ID3I2A", "Meta:SMP", "CN=SMP Example", `"chosen":true`, `"spoken":true`, "AP_XX_01", "https://ap.example.test/as4", `"step":"agreement","ok":true`} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s is missing in %s", want, b)
		}
	}
	if rep, err := res.Explain(t.Context(), peppolID(participant), discovery.Identifier{}, discovery.Identifier{}); err != nil || len(rep.Documents) != 1 {
		t.Errorf("group: %+v, %v", rep, err)
	}
	rep, err = res.Explain(t.Context(), peppolID("0088:unknown"), document, process)
	if f := failure(t, err); f.Step != discovery.StepDNS || len(rep.Steps) != 1 || rep.Steps[0].OK || rep.Steps[0].Remedy == "" || rep.DNS == nil {
		t.Errorf("unknown: %+v", rep)
	}
	r.pass(2 * 365 * 24 * time.Hour)
	rep, err = res.Explain(t.Context(), peppolID(participant), document, process)
	if f := failure(t, err); f.Step != discovery.StepSignature || len(rep.Steps) != 2 {
		t.Errorf("expired: %+v, %v", rep, err)
	}
}

// An endpoint of the 2.0 transport makes an agreement of profile 2.0: its certificate
// has a key for agreement, which the standard library does not read by itself.
func TestProfile2(t *testing.T) {
	r := newRig(t)
	certified := func(cn string, key crypto.PrivateKey, use x509.KeyUsage) *x509.Certificate {
		return r.domain.Issue(cn, key, pkitest.Usage(use), pkitest.Around(now)).Cert
	}
	edKey, own := pkitest.Ed25519(), pkitest.X25519()
	ours := certified("AP_LV_01", edKey, x509.KeyUsageDigitalSignature)
	agree := certified("AP_LV_01", own, x509.KeyUsageKeyAgreement)
	theirs := certified("AP_XX_01", pkitest.X25519(), x509.KeyUsageKeyAgreement)
	table, err := pmode.New(pmode.Own{
		Party: r.own.Own().Party, Domain: "ap.example.test",
		Signing: append([]wssec.Identity{{Certificate: ours, Key: edKey}}, r.own.Own().Signing...),
		Decrypt: append([]wssec.Decryption{{Certificate: agree, Agreement: own}}, r.own.Own().Decrypt...),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := r.meta()
	m.profile, m.certificate = discovery.TransportAS4v2, base64.StdEncoding.EncodeToString(theirs.Raw)
	r.serve(path1, signed(t, m.smp1(), xmlsec.InclusiveC14N, r.signer))
	p, _, err := resolve(t, r.resolver(t, func(c *discovery.Config) {
		c.PModes = table
		v2 := c.Transports[0]
		v2.Name = discovery.TransportAS4v2
		c.Transports = append(c.Transports, v2)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if p.Profile != wssec.Profile20 {
		t.Errorf("profile %q", p.Profile)
	}
	if _, err := p.Profile.Recipient(p.Encrypt, now); err != nil {
		t.Error(err)
	}
}
