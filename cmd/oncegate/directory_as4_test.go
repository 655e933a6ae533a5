package main

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/pkitest"
)

// TestDirectoryOverAS4 submits over AS4 to a directory that serves.
func TestDirectoryOverAS4(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "data"), os.DirFS(sampleData)); err != nil {
		t.Fatal(err)
	}
	ca := pkitest.Root("Directory Test CA")
	as4 := pkitest.Usage(x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment)
	for name, p := range map[string]pkitest.Pair{
		"tls": ca.Issue("127.0.0.1", pkitest.P256(), pkitest.Hosts("127.0.0.1"), pkitest.Extended(x509.ExtKeyUsageServerAuth), pkitest.Usage(x509.KeyUsageDigitalSignature)),
		"cs":  pkitest.SelfSigned("AP_CS_TEST", pkitest.NewRSA(2048), as4),
		"si":  pkitest.SelfSigned("AP_SI_TEST", pkitest.NewRSA(2048), as4),
	} {
		if err := p.Write(dir, name); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("ca.pem", string(pkitest.CertificatePEM(ca.Cert)))
	var ports [2]string
	for i := range ports {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = ln.Addr().String()
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
	}
	const unregistered = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:"
	pmodes := func(file, own, ownType, cert, name, party, partyType, partner, url, tls string) string {
		return write(file, fmt.Sprintf(`own:
  party: {id: %s, type: %s}
  domain: ap.example
  signing: {certificate: %s.pem, key: %s.key}
  decryption: [{certificate: %s.pem, key: %s.key}]
partners:
  - name: %s
    party: {id: %s, type: %s}
    url: %s
    signing: {pinned: [%s.pem]}
    encryption: [%s.pem]
    retry: {attempts: 1}
%s    services:
      - service: LifecycleManager
        type: urn:oasis:names:tc:ebcore:ebrs:ebms:binding:1.0
        actions: [SubmitObjectsRequest, SubmitObjectsResponse, ExceptionResponse]
`, own, ownType, cert, cert, cert, cert, name, party, partyType, url, partner, partner, tls))
	}
	pmodes("cs-pmodes.yaml", "AP_CS_TEST", unregistered+"oots", "cs", "slovenia", "AP_SI_TEST", unregistered+"SI", "si", "http://"+ports[1]+"/as4", "")
	client := pmodes("si-pmodes.yaml", "AP_SI_TEST", unregistered+"SI", "si", "common-services", "AP_CS_TEST", unregistered+"oots", "cs", "https://"+ports[0]+"/as4", "    tls: {ca: [ca.pem]}\n")
	serveForTest(t, "-f", write("server.yaml", `data: data
listen: `+ports[0]+`
tls: {certificate: tls.pem, key: tls.key}
unsigned: true
pmodes: cs-pmodes.yaml
submitters: [{country: SI, party: "`+unregistered+`SI::AP_SI_TEST"}]
`))
	over := func(words ...string) ran {
		return cli(t, append(append([]string{"directory"}, words...), "--pmodes", client, "--partner", "common-services", "--listen", ports[1], "--timeout", "30s")...)
	}
	if r := over("submit", sampleData, "--country", "SI", "--part", "broker"); r.code != exitOK || !strings.Contains(r.out, "accepted: 12 objects") {
		t.Errorf("submit: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := over("withdraw", sampleData, "--country", "SI", "--part", "directory", "--all"); r.code != exitOK || !strings.Contains(r.out, "accepted: 0 objects") {
		t.Errorf("withdraw: exit %d\n%s%s", r.code, r.out, r.err)
	}
	if r := over("submit", sampleData, "--country", "ES", "--part", "directory"); r.code != exitFindings || !strings.Contains(r.out, "another Member State") {
		t.Errorf("data of another Member State: exit %d\n%s%s", r.code, r.out, r.err)
	}
}
