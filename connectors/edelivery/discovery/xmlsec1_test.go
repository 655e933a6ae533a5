package discovery_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/pkitest"
	"oncegate/connectors/xmlsec"
)

// forms are the canonical forms of publishers: SMP 1.0 and Peppol, SMP 2.0, others.
var forms = map[string]xmlsec.C14NAlgorithm{"inclusive": xmlsec.InclusiveC14N, "inclusive11": xmlsec.InclusiveC14N11, "exclusive": xmlsec.ExclusiveC14N}

func xmlsec1(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	program, err := exec.LookPath("xmlsec1")
	if err != nil {
		t.Skip("xmlsec1 is not installed")
	}
	return exec.Command(program, args...).CombinedOutput()
}

func file(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// What these tests sign is what xmlsec1 takes for signed, and not when it is changed:
// otherwise they would prove little.
func TestXMLSec1Verifies(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	cert := file(t, dir, "signer.pem", pkitest.CertificatePEM(r.signer))
	for name, form := range forms {
		for kind, document := range map[string]func(meta) string{"smp1": meta.smp1, "peppol": meta.peppol, "smp2": meta.smp2} {
			doc := signed(t, document(r.meta()), form, r.signer)
			in := file(t, dir, name+kind+".xml", []byte(doc))
			if out, err := xmlsec1(t, "--verify", "--insecure", "--pubkey-cert-pem", cert, in); err != nil {
				t.Errorf("%s %s: xmlsec1 refuses: %v %s", name, kind, err, firstLine(out))
			}
			in = file(t, dir, name+kind+".bad.xml", []byte(strings.Replace(doc, "ap.example.test", "ap.example.evil", 1)))
			if _, err := xmlsec1(t, "--verify", "--insecure", "--pubkey-cert-pem", cert, in); err == nil {
				t.Errorf("%s %s: xmlsec1 takes a changed document", name, kind)
			}
		}
	}
}

// What xmlsec1 signs, in the way of publishers, is taken; changed it is not.
func TestXMLSec1Signs(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	key := file(t, dir, "key.pem", pkitest.KeyPEM(pkitest.RSA()))
	cert := file(t, dir, "signer.pem", pkitest.CertificatePEM(r.signer))
	for name, form := range forms {
		for kind, document := range map[string]func(meta) string{"smp1": meta.smp1, "peppol": meta.peppol} {
			doc := document(r.meta())
			transform := ""
			if form != xmlsec.InclusiveC14N {
				transform = `<ds:Transform Algorithm="` + string(form) + `"/>`
			}
			template := `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="` + string(form) + `"/><ds:SignatureMethod Algorithm="` + string(xmlsec.RSASHA256) + `"/>
  <ds:Reference URI=""><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>` + transform + `</ds:Transforms><ds:DigestMethod Algorithm="` + string(xmlsec.SHA256) + `"/><ds:DigestValue/></ds:Reference></ds:SignedInfo>
  <ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509SubjectName/><ds:X509IssuerSerial/><ds:X509Certificate/></ds:X509Data></ds:KeyInfo></ds:Signature>`
			end := strings.LastIndex(doc, "</")
			in := file(t, dir, name+kind+".xml", []byte(doc[:end]+template+"\n"+doc[end:]))
			result := filepath.Join(dir, name+kind+".signed.xml")
			if out, err := xmlsec1(t, "--sign", "--privkey-pem", key+","+cert, "--output", result, in); err != nil {
				t.Fatalf("%s %s: %v %s", name, kind, err, out)
			}
			done, err := os.ReadFile(result)
			if err != nil {
				t.Fatal(err)
			}
			r.serve(path1, string(done))
			if p, _, err := resolve(t, r.resolver(t, nil)); err != nil || p.Party.ID.ID != "AP_XX_01" {
				t.Errorf("%s %s: %v", name, kind, err)
			}
			r.serve(path1, strings.Replace(string(done), "ap.example.test", "ap.example.evil", 1))
			if _, _, err := resolve(t, r.resolver(t, nil)); err == nil || !strings.Contains(failure(t, err).Error(), "digest-mismatch") {
				t.Errorf("%s %s changed: %v", name, kind, err)
			}
		}
	}
}
