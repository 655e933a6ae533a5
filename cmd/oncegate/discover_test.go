package main

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/edelivery/discovery"
	"oncegate/connectors/pkitest"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// A look-up by hand says each step: at a publisher on loopback, with the P-Mode that
// follows, and with what is wrong where there is none.
func TestDiscover(t *testing.T) {
	dir := t.TempDir()
	key := pkitest.RSA()
	root := pkitest.SelfSigned("Example CA", key, pkitest.Authority)
	issue := func(cn string) *x509.Certificate { return root.Issue(cn, key).Cert }
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ap, smp, ours := issue("AP_XX_01"), issue("SMP Example"), issue("AP_LV_01")
	document := signedMetadata(t, key, smp, ap)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/iso6523-actorid-upis%3A%3A0088%3Atest01/services/example-docid%3A%3Aurn%3Aexample%3Acertificate" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(document) // the client says what it got
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()

	write("ca.pem", pkitest.CertificatePEM(root.Cert))
	write("tls.pem", pkitest.CertificatePEM(server.Certificate()))
	write("ours.pem", pkitest.CertificatePEM(ours))
	write("ours.key", pkitest.KeyPEM(key))
	write("oncegate.yaml", []byte("name: test\nedelivery: {pmodes: pmodes.yaml, discovery: discovery.yaml}\n"))
	write("pmodes.yaml", []byte(`own:
  party: {id: AP_LV_01, type: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:test"}
  domain: ap.example.test
  signing: {certificate: ours.pem, key: ours.key}
  decryption: [{certificate: ours.pem, key: ours.key}]
partners: []
`))
	write("discovery.yaml", []byte(`publisher: {url: "`+server.URL+`"}
signers: {anchors: [ca.pem], subject: '^CN=SMP'}
ca: [tls.pem]
private_addresses: true
transports:
  - name: `+discovery.TransportAS4+`
    partner:
      party: {type: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:test"}
      signing: {anchors: [ca.pem]}
`))
	conf := filepath.Join(dir, "oncegate.yaml")
	words := []string{"discover", "iso6523-actorid-upis::0088:test01", "-c", conf, "--document", "example-docid::urn:example:certificate"}
	out := ok(t, words...)
	for _, want := range []string{"SMP Example", "https://ap.example.test/as4  <- chosen", "AP_XX_01", "P-Mode", "ok   agreement"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	var rep discovery.Report
	parsed(t, &rep, words...)
	if rep.Signer == nil || len(rep.Endpoints) != 1 || len(rep.Agreement) == 0 || rep.Publisher != server.URL {
		t.Errorf("report %+v", rep)
	}
	r := cli(t, "discover", "iso6523-actorid-upis::0088:test02", "-c", conf, "--document", "example-docid::urn:example:certificate")
	if r.code != exitFindings || !strings.Contains(r.out, "FAIL smp") || !strings.Contains(r.out, "remedy: check participant") {
		t.Errorf("unknown participant: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := cli(t, "discover", "a b", "-c", conf); r.code != exitUsage || !strings.Contains(r.err, "scheme::value") {
		t.Errorf("malformed participant: exit %d %s", r.code, r.err)
	}
}

// signedMetadata is a document of SMP 1.0 about 0088:test01.
func signedMetadata(t *testing.T, key crypto.Signer, smp, ap *x509.Certificate) []byte {
	t.Helper()
	const head = `<SignedServiceMetadata xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2016/05">`
	body := `<ServiceMetadata><ServiceInformation><ParticipantIdentifier scheme="iso6523-actorid-upis">0088:test01</ParticipantIdentifier>` +
		`<DocumentIdentifier scheme="example-docid">urn:example:certificate</DocumentIdentifier><ProcessList><Process><ProcessIdentifier scheme="example-procid">urn:example:process</ProcessIdentifier>` +
		`<ServiceEndpointList><Endpoint transportProfile="` + discovery.TransportAS4 + `"><EndpointURI>https://ap.example.test/as4</EndpointURI><RequireBusinessLevelSignature>false</RequireBusinessLevelSignature>` +
		`<Certificate>` + base64.StdEncoding.EncodeToString(ap.Raw) + `</Certificate></Endpoint></ServiceEndpointList></Process></ProcessList></ServiceInformation></ServiceMetadata>`
	doc, err := xmldoc.ParseBytes([]byte(head+body+`</SignedServiceMetadata>`), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	sig, err := xmlsec.Sign(xmlsec.Signing{Key: key, KeyInfo: xmlsec.X509Data(smp.Raw), Targets: []xmlsec.Target{{Enveloped: true, Element: doc.Root()}}})
	if err != nil {
		t.Fatal(err)
	}
	return []byte(head + body + string(sig.XML) + `</SignedServiceMetadata>`)
}
