package xmlsec_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// keys are made once for all tests: RSA keys are slow to make.
var keys = sync.OnceValue(func() (k struct {
	rsa        *rsa.PrivateKey
	p256, p384 *ecdsa.PrivateKey
	ed         ed25519.PrivateKey
}) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var err error
	k.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.p256, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	k.p384, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(err)
	_, k.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	return k
})

var (
	allowAll = xmlsec.Policy{
		Signatures: []xmlsec.SignatureAlgorithm{
			xmlsec.RSASHA256, xmlsec.RSASHA384, xmlsec.RSASHA512, xmlsec.ECDSASHA256, xmlsec.ECDSASHA384, xmlsec.ECDSASHA512, xmlsec.Ed25519,
		},
		Digests:   []xmlsec.DigestAlgorithm{xmlsec.SHA256, xmlsec.SHA384, xmlsec.SHA512},
		C14N:      []xmlsec.C14NAlgorithm{xmlsec.ExclusiveC14N, xmlsec.InclusiveC14N},
		Enveloped: true,
	}
)

// letter is a document with two parts; the signature goes in place of the mark.
const letter = `<t:letter xmlns:t="urn:test" xmlns:unused="urn:unused" xmlns="urn:default"><t:security><!--signature--></t:security>
<t:part Id="one" b="2" a='1'>text &amp; more &#13; <x xml:lang="lv">ā</x></t:part><t:part Id="two"/></t:letter>`

func parse(t testing.TB, s string) *xmldoc.Document {
	t.Helper()
	doc, err := xmldoc.ParseBytes([]byte(s), xmldoc.Limits{})
	if err != nil {
		t.Fatalf("parsing: %v\n%s", err, s)
	}
	return doc
}

func elementWithID(t testing.TB, doc *xmldoc.Document, id string) xmldoc.Element {
	t.Helper()
	for e := range doc.Root().Descendants() {
		for a := range e.Attrs() {
			if strings.EqualFold(a.Name.Local, "id") && a.Value == id {
				return e
			}
		}
	}
	t.Fatalf("no element with id %s", id)
	return xmldoc.Element{}
}

func findSignature(t testing.TB, doc *xmldoc.Document) xmldoc.Element {
	t.Helper()
	for e := range doc.Root().Descendants() {
		if e.Is(xmldoc.Name{Space: xmlsec.SpaceDS, Local: "Signature"}) {
			return e
		}
	}
	t.Fatal("no signature in the document")
	return xmldoc.Element{}
}

// signed signs the parts of letter and puts the signature into it.
func signed(t testing.TB, s xmlsec.Signing) string {
	t.Helper()
	doc := parse(t, letter)
	if s.Targets == nil {
		s.Targets = []xmlsec.Target{
			{ID: "one", Element: elementWithID(t, doc, "one"), Prefixes: []string{"unused", "#default"}},
			{ID: "two", Element: elementWithID(t, doc, "two")},
		}
	}
	sig, err := xmlsec.Sign(s)
	if err != nil {
		t.Fatalf("signing: %v", err)
	}
	return strings.Replace(letter, "<!--signature-->", string(sig.XML), 1)
}

func verify(t testing.TB, s string, key crypto.PublicKey, p xmlsec.Policy) (*xmlsec.Verified, error) {
	t.Helper()
	return xmlsec.Verify(xmlsec.Verification{Signature: findSignature(t, parse(t, s)), Key: xmlsec.WithKey(key), Policy: p})
}

func wantReason(t testing.TB, err error, want xmlsec.Reason) {
	t.Helper()
	var r *xmlsec.Refusal
	if !errors.As(err, &r) || r.Reason != want {
		t.Errorf("got %v, want reason %s", err, want)
	}
}

type algorithmCase struct {
	name string
	key  crypto.Signer
	alg  xmlsec.SignatureAlgorithm
	hash xmlsec.DigestAlgorithm
}

func algorithmCases() []algorithmCase {
	k := keys()
	return []algorithmCase{
		{"rsa-sha256", k.rsa, xmlsec.RSASHA256, xmlsec.SHA256},
		{"rsa-sha384", k.rsa, xmlsec.RSASHA384, xmlsec.SHA384},
		{"rsa-sha512", k.rsa, xmlsec.RSASHA512, xmlsec.SHA512},
		{"ecdsa-sha256", k.p256, xmlsec.ECDSASHA256, xmlsec.SHA256},
		{"ecdsa-sha384 on P-256", k.p256, xmlsec.ECDSASHA384, xmlsec.SHA256},
		{"ecdsa-sha384", k.p384, xmlsec.ECDSASHA384, xmlsec.SHA384},
		{"ecdsa-sha512 on P-384", k.p384, xmlsec.ECDSASHA512, xmlsec.SHA512},
		{"ed25519", k.ed, xmlsec.Ed25519, xmlsec.SHA256},
	}
}

func TestVerifyAcceptsWhatSignMakes(t *testing.T) {
	for _, c := range algorithmCases() {
		t.Run(c.name, func(t *testing.T) {
			s := signed(t, xmlsec.Signing{Key: c.key, Algorithm: c.alg, Digest: c.hash, ID: "sig", KeyInfoID: "ki", KeyInfo: xmlsec.X509Data([]byte("x"))})
			doc := parse(t, s)
			v, err := xmlsec.Verify(xmlsec.Verification{Signature: findSignature(t, doc), Key: xmlsec.WithKey(c.key.Public()), Policy: allowAll})
			if err != nil {
				t.Fatalf("verifying: %v\n%s", err, s)
			}
			if !v.Covers(elementWithID(t, doc, "one")) || !v.Covers(elementWithID(t, doc, "two")) || v.Covers(doc.Root()) {
				t.Errorf("covered elements are wrong: %v", v.Elements())
			}
			if v.Algorithm() != c.alg || len(v.References()) != 2 || v.References()[0].URI != "#one" {
				t.Errorf("verified says %s, %v", v.Algorithm(), v.References())
			}
			tampered := strings.Replace(s, "text &amp; more", "text &amp; less", 1)
			_, err = verify(t, tampered, c.key.Public(), allowAll)
			wantReason(t, err, xmlsec.ReasonDigestMismatch)
			tampered = strings.Replace(s, `URI="#two"`, `URI="#sig"`, 1)
			_, err = verify(t, tampered, c.key.Public(), allowAll)
			wantReason(t, err, xmlsec.ReasonSignatureInvalid)
		})
	}
}

func TestLargeElementIsStreamed(t *testing.T) {
	big := strings.Replace(letter, "text", strings.Repeat("long &amp; ", 20000), 1)
	doc := parse(t, big)
	s, err := xmlsec.Sign(xmlsec.Signing{Key: keys().ed, Targets: []xmlsec.Target{{ID: "one", Element: elementWithID(t, doc, "one")}}})
	if err != nil {
		t.Fatal(err)
	}
	wire := strings.Replace(big, "<!--signature-->", string(s.XML), 1)
	if _, err := verify(t, wire, keys().ed.Public(), allowAll); err != nil {
		t.Error(err)
	}
	octets := elementWithID(t, doc, "one").AppendCanonical(nil, xmldoc.C14N{})
	byHand, err := xmlsec.Sign(xmlsec.Signing{Key: keys().ed, Targets: []xmlsec.Target{{ID: "one", Canonical: octets}}})
	if err != nil || !bytes.Equal(s.XML, byHand.XML) {
		t.Errorf("canonical octets by hand give another signature, %v", err)
	}
}

func xmlsec1(t *testing.T, args ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("xmlsec1")
	if err != nil {
		t.Skip("xmlsec1 is not installed")
	}
	cmd := exec.Command(program, args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", errors.New(said.String())
	}
	return out.String(), nil
}

func writeFile(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pemFiles(t *testing.T, dir string, key crypto.Signer) (private, public string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))),
		writeFile(t, dir, "pub.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki})))
}

func TestXmlsec1VerifiesOurSignatures(t *testing.T) {
	for _, c := range algorithmCases() {
		if c.alg == xmlsec.Ed25519 {
			continue // xmlsec1 before 1.3 does not know it
		}
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			_, pub := pemFiles(t, dir, c.key)
			byID := signed(t, xmlsec.Signing{Key: c.key, Algorithm: c.alg, Digest: c.hash})
			enveloped := signed(t, xmlsec.Signing{Key: c.key, Algorithm: c.alg, Digest: c.hash,
				Targets: []xmlsec.Target{{Enveloped: true, Element: parse(t, strings.Replace(letter, "<!--signature-->", "", 1)).Root()}}})
			for name, s := range map[string]string{"by-id": byID, "enveloped": enveloped} {
				file := writeFile(t, dir, name+".xml", s)
				if _, err := xmlsec1(t, "--verify", "--id-attr:Id", "part", "--pubkey-pem", pub, file); err != nil {
					t.Errorf("%s: xmlsec1 refuses: %v", name, err)
				}
				if _, err := verify(t, s, c.key.Public(), allowAll); err != nil {
					t.Errorf("%s: we refuse: %v", name, err)
				}
				file = writeFile(t, dir, name+"-tampered.xml", strings.Replace(s, "ā", "a", 1))
				if _, err := xmlsec1(t, "--verify", "--id-attr:Id", "part", "--pubkey-pem", pub, file); err == nil {
					t.Errorf("%s: xmlsec1 accepts a tampered document", name)
				}
			}
		})
	}
}

// An envelope as AS4 has it: two elements by wsu:Id, one of them with a PrefixList.
func TestXmlsec1VerifiesOurEnvelope(t *testing.T) {
	doc := parse(t, strings.Replace(benchEnvelope, "SIGNATURE", "", 1))
	sig, err := xmlsec.Sign(xmlsec.Signing{Key: keys().rsa, KeyInfo: []byte(tokenReference), Targets: []xmlsec.Target{
		{ID: "msg", Element: elementWithID(t, doc, "msg"), Prefixes: []string{"S", "wsse"}},
		{ID: "body", Element: elementWithID(t, doc, "body")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, pub := pemFiles(t, dir, keys().rsa)
	good := strings.Replace(benchEnvelope, "SIGNATURE", string(sig.XML), 1)
	verify := func(s string) error {
		_, err := xmlsec1(t, "--verify", "--id-attr:Id", "Messaging", "--id-attr:Id", "Body", "--pubkey-pem", pub, writeFile(t, dir, "envelope.xml", s))
		return err
	}
	if err := verify(good); err != nil {
		t.Errorf("xmlsec1 refuses: %v", err)
	}
	if err := verify(strings.Replace(good, "ExecuteQueryRequest", "ExecuteQueryResponse", 1)); err == nil {
		t.Error("xmlsec1 accepts a changed envelope")
	}
}

func TestVerifyAcceptsWhatXmlsec1Signs(t *testing.T) {
	for _, c := range algorithmCases() {
		if c.alg == xmlsec.Ed25519 {
			continue
		}
		for _, form := range []xmlsec.C14NAlgorithm{xmlsec.ExclusiveC14N, xmlsec.InclusiveC14N} {
			name := c.name + " exclusive"
			if form == xmlsec.InclusiveC14N {
				name = c.name + " inclusive"
			}
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				private, _ := pemFiles(t, dir, c.key)
				reference := func(uri, transforms string) string {
					return `<Reference URI="` + uri + `"><Transforms>` + transforms + `<Transform Algorithm="` + string(form) + `"/></Transforms><DigestMethod Algorithm="` +
						string(c.hash) + `"/><DigestValue/></Reference>`
				}
				template := func(references string) string {
					return strings.Replace(letter, "<!--signature-->", `<Signature xmlns="`+xmlsec.SpaceDS+`"><SignedInfo><CanonicalizationMethod Algorithm="`+
						string(form)+`"/><SignatureMethod Algorithm="`+string(c.alg)+`"/>`+references+`</SignedInfo><SignatureValue/></Signature>`, 1)
				}
				for name, refs := range map[string]string{
					"by-id":     reference("#one", "") + reference("#two", ""),
					"enveloped": reference("", `<Transform Algorithm="`+xmlsec.SpaceDS+`enveloped-signature"/>`),
				} {
					file := writeFile(t, dir, name+".xml", template(refs))
					s, err := xmlsec1(t, "--sign", "--id-attr:Id", "part", "--privkey-pem", private, file)
					if err != nil {
						t.Fatalf("%s: xmlsec1 does not sign: %v", name, err)
					}
					v, err := verify(t, s, c.key.Public(), allowAll)
					if err != nil {
						t.Errorf("%s: we refuse: %v\n%s", name, err, s)
						continue
					}
					if len(v.Elements()) == 0 {
						t.Errorf("%s: nothing is covered", name)
					}
					_, err = verify(t, strings.Replace(s, `"lv"`, `"lt"`, 1), c.key.Public(), allowAll)
					wantReason(t, err, xmlsec.ReasonDigestMismatch)
				}
			})
		}
	}
}
