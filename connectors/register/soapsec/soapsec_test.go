package soapsec_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/pkitest"
	"oncegate/connectors/register/soapsec"
	"oncegate/connectors/xmldoc"
)

const (
	soap11 = "http://schemas.xmlsoap.org/soap/envelope/"
	soap12 = "http://www.w3.org/2003/05/soap-envelope"
	wsu    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	wsse   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
)

var noon = time.Date(2026, 5, 11, 12, 0, 0, 0, time.UTC)

func clock(at time.Time) func() time.Time { return func() time.Time { return at } }

// letter is an envelope with a WS-Addressing header.
func letter(space string) []byte {
	return []byte(`<?xml version="1.0"?><e:Envelope xmlns:e="` + space + `"><e:Header><a:To xmlns:a="http://www.w3.org/2005/08/addressing">urn:x</a:To><t:Other xmlns:t="urn:t"/></e:Header>` +
		`<e:Body><t:Ask xmlns:t="urn:t" xmlns="urn:d"><name>Ana &amp; &#xD;Eva</name></t:Ask></e:Body></e:Envelope>`)
}

func security(t testing.TB, c soapsec.Config) *soapsec.Security {
	t.Helper()
	if c.Now == nil {
		c.Now = clock(noon)
	}
	s, err := soapsec.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signer(p pkitest.Pair) soapsec.Config {
	return soapsec.Config{Key: p.Signer(), Certificate: p.Cert}
}

func sealed(t testing.TB, c soapsec.Config, message []byte) []byte {
	t.Helper()
	out, err := security(t, c).Seal(message)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func open(t testing.TB, c soapsec.Config, message []byte) (*soapsec.Opened, *xmldoc.Document, error) {
	t.Helper()
	doc, err := xmldoc.ParseBytes(message, xmldoc.Limits{})
	if err != nil {
		t.Fatalf("%v\n%s", err, message)
	}
	o, err := security(t, c).Open(t.Context(), doc)
	return o, doc, err
}

func TestWhatIsSignedHereOpensHere(t *testing.T) {
	ca := pkitest.Root("authority of the register")
	for _, space := range []string{soap11, soap12} {
		for name, pair := range map[string]pkitest.Pair{"rsa": ca.Issue("register", pkitest.RSA()), "ecdsa": ca.Issue("register", pkitest.P256())} {
			t.Run(name+" "+space, func(t *testing.T) {
				c := signer(pair)
				c.User, c.Password = "oncegate", func() string { return "secret" }
				message := sealed(t, c, letter(space))
				if bytes.Contains(message, []byte("#sha1\"")) || bytes.Contains(message, []byte("-sha1\"")) {
					t.Error("something is signed with SHA-1")
				}
				// A reply has no UsernameToken; ours to the register has.
				reply := sealed(t, signer(pair), letter(space))
				o, doc, err := open(t, soapsec.Config{Trust: []*x509.Certificate{ca.Cert}}, reply)
				if err != nil {
					t.Fatalf("%v\n%s", err, reply)
				}
				root := doc.Root()
				header, body := root.First(), root.First().Next()
				for e := range header.Children() {
					if want := e.Name().Local == "To"; o.May(e) != want && e.Name().Local != "Security" {
						t.Errorf("%s may be read: %v, want %v", e.Name().Local, o.May(e), want)
					}
				}
				if !o.May(body.First()) {
					t.Error("the body may not be read")
				}
			})
		}
	}
}

// element cuts an element out of a text.
func element(t testing.TB, text []byte, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?s)<` + name + `[ >].*?</` + name + `>`).Find(text)
	if m == nil {
		t.Fatalf("no %s in %s", name, text)
	}
	return string(m)
}

func content(t testing.TB, text []byte, name string) string {
	e := element(t, text, name)
	return e[strings.IndexByte(e, '>')+1 : strings.LastIndexByte(e, '<')]
}

func TestUsernameToken(t *testing.T) {
	c := soapsec.Config{User: "a<b", Password: func() string { return "pä&ss" }}
	message := sealed(t, c, letter(soap11))
	if got := content(t, message, "wsse:Password"); got != "pä&amp;ss" || !strings.Contains(element(t, message, "wsse:Password"), "#PasswordText") {
		t.Errorf("password %s", got)
	}
	if got := content(t, message, "wsse:Username"); got != "a&lt;b" {
		t.Errorf("user %s", got)
	}
	c.Digest = true
	first, second := sealed(t, c, letter(soap11)), sealed(t, c, letter(soap11))
	if bytes.Contains(first, []byte("ss</")) && strings.Contains(string(first), "pä") {
		t.Error("the password travels")
	}
	nonce, err := base64.StdEncoding.DecodeString(content(t, first, "wsse:Nonce"))
	if err != nil || len(nonce) != 16 {
		t.Fatalf("nonce %x, %v", nonce, err)
	}
	created := content(t, []byte(element(t, first, "wsse:UsernameToken")), "wsu:Created")
	sum := sha1.Sum(append(append(nonce, created...), "pä&ss"...))
	if got, want := content(t, first, "wsse:Password"), base64.StdEncoding.EncodeToString(sum[:]); got != want || created != "2026-05-11T12:00:00.000Z" {
		t.Errorf("digest %s at %s, want %s", got, created, want)
	}
	if content(t, first, "wsse:Nonce") == content(t, second, "wsse:Nonce") {
		t.Error("a nonce came twice")
	}
}

func TestEnvelopesWithoutHeaderOrPrefix(t *testing.T) {
	pair := pkitest.SelfSigned("register", pkitest.P256())
	for _, text := range []string{
		`<Envelope xmlns="` + soap12 + `"><Body><x xmlns=""/></Body></Envelope>`,
		`<s:Envelope xmlns:s="` + soap12 + `"><s:Body><x/></s:Body></s:Envelope>`,
	} {
		message := sealed(t, signer(pair), []byte(text))
		if _, _, err := open(t, soapsec.Config{Trust: []*x509.Certificate{pair.Cert}}, message); err != nil {
			t.Errorf("%v\n%s", err, message)
		}
	}
	for _, text := range []string{`<x/>`, `<s:Envelope xmlns:s="` + soap12 + `"/>`, string(sealed(t, signer(pair), letter(soap11))),
		`<s:Envelope xmlns:s="` + soap12 + `"><s:Body/><s:Body/></s:Envelope>`, `<s:Envelope xmlns:s="` + soap12 + `"><s:Header/><s:Body/></s:Envelope>`} {
		if got, err := security(t, signer(pair)).Seal([]byte(text)); err == nil {
			t.Errorf("%s was sealed: %s", text, got)
		}
	}
}

// TestReplies: what is wrong with a signed reply, each thing alone.
func TestReplies(t *testing.T) {
	ca := pkitest.Root("authority of the register")
	pair := ca.Issue("register", pkitest.P256())
	good := string(sealed(t, signer(pair), letter(soap12)))
	body := element(t, []byte(good), "e:Body")
	stamp := element(t, []byte(good), "wsu:Timestamp")
	signature := element(t, []byte(good), "ds:Signature")
	sec := element(t, []byte(good), "wsse:Security")
	evil := `<e:Body><t:Ask xmlns:t="urn:t"><name>Mallory</name></t:Ask></e:Body>`
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(good) }
	at := func(d time.Duration) func() time.Time { return clock(noon.Add(d)) }
	for _, tc := range []struct {
		rule, text string
		now        func() time.Time
		trust      []*x509.Certificate
		ok         bool
	}{
		{rule: "as it was", text: good, ok: true},
		{rule: "the certificate itself is trusted", text: good, trust: []*x509.Certificate{pair.Cert}, ok: true},
		{rule: "another authority", text: good, trust: []*x509.Certificate{pkitest.Root("other").Cert}},
		{rule: "the body was changed", text: edit("Ana", "Eva")},
		{rule: "the time was changed", text: edit("12:05:00", "13:05:00")},
		{rule: "the signature is gone", text: edit(signature, "")},
		{rule: "two signatures", text: edit(signature, signature+signature)},
		{rule: "the header is gone", text: edit(sec, "")},
		{rule: "two headers", text: edit(sec, sec+`<wsse:Security xmlns:wsse="`+wsse+`"/>`)},
		{rule: "old", text: good, now: at(11 * time.Minute)},
		{rule: "clocks a little apart", text: good, now: at(-3 * time.Minute), ok: true},
		{rule: "of the future", text: good, now: at(-6 * time.Minute)},
		{rule: "two times", text: edit(stamp, stamp+strings.ReplaceAll(stamp, "TS-", "XX-"))},
		{rule: "no time", text: edit(stamp, "")},
		{rule: "for another role", text: edit("<wsse:Security ", `<wsse:Security e:role="urn:other" `)},
		{rule: "encrypted", text: edit(signature, signature+`<x:EncryptedKey xmlns:x="http://www.w3.org/2001/04/xmlenc#"/>`)},
		// The signed body moves away, another stands in its place.
		{rule: "wrapped in the header", text: edit(body, evil, "</e:Header>", `<w xmlns="">`+body+"</w></e:Header>")},
		{rule: "wrapped in the body", text: edit(body, strings.Replace(evil, "</e:Body>", body+"</e:Body>", 1))},
		{rule: "wrapped with its id twice", text: edit(body, strings.Replace(body, "Ana", "Mallory", 1), "</e:Header>", `<w xmlns="">`+body+"</w></e:Header>")},
		{rule: "two bodies", text: edit(body, body+evil)},
		{rule: "a body before", text: edit(body, evil+body)},
		{rule: "the header twice", text: edit("<e:Body ", "<e:Header/><e:Body ")},
		{rule: "the time moved", text: edit(stamp, strings.ReplaceAll(stamp, "TS-", "T2-"), "</e:Header>", `<w xmlns="" xmlns:wsu="`+wsu+`">`+stamp+"</w></e:Header>")},
		{rule: "SHA-1", text: edit("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1")},
		{rule: "HMAC", text: edit("xmldsig-more#ecdsa-sha256", "xmldsig-more#hmac-sha256")},
		{rule: "a key that is no token", text: edit(`<wsse:Reference URI="#X509`, `<wsse:Reference URI="#Y509`)},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			c := soapsec.Config{Trust: tc.trust, Now: tc.now}
			if c.Trust == nil {
				c.Trust = []*x509.Certificate{ca.Cert}
			}
			_, _, err := open(t, c, []byte(tc.text))
			if (err == nil) != tc.ok {
				t.Errorf("got %v, want ok: %v", err, tc.ok)
			}
			if err != nil && strings.Contains(err.Error(), "Ana") {
				t.Errorf("the error tells a person: %v", err)
			}
		})
	}
	authority := string(sealed(t, signer(ca), letter(soap12)))
	if _, _, err := open(t, soapsec.Config{Trust: []*x509.Certificate{ca.Cert}}, []byte(authority)); err == nil {
		t.Error("an authority signed a reply by itself and was believed")
	}
	server := ca.Issue("tls", pkitest.P256(), pkitest.Usage(x509.KeyUsageKeyAgreement))
	if _, _, err := open(t, soapsec.Config{Trust: []*x509.Certificate{ca.Cert}}, sealed(t, signer(server), letter(soap12))); err == nil {
		t.Error("a certificate that is not for signatures was believed")
	}
}

// TestReferences: the other ways in which a register may name its certificate.
func TestReferences(t *testing.T) {
	ca := pkitest.Root("authority of the register")
	pair := ca.Issue("register", pkitest.P256(), func(c *x509.Certificate) { c.SerialNumber = nil })
	good := string(sealed(t, signer(pair), letter(soap12)))
	reference := regexp.MustCompile(`<wsse:Reference [^>]*></wsse:Reference>|<wsse:Reference [^>]*/>`).FindString(good)
	if reference == "" {
		t.Fatal("no reference in " + good)
	}
	const profile = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#"
	identifier := func(kind string, value []byte) string {
		return `<wsse:KeyIdentifier ValueType="` + profile + kind + `">` + base64.StdEncoding.EncodeToString(value) + `</wsse:KeyIdentifier>`
	}
	serial := `<ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>CN=x</ds:X509IssuerName><ds:X509SerialNumber>` + pair.Cert.SerialNumber.String() + `</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>`
	for _, tc := range []struct {
		rule, with string
		trust      *x509.Certificate
		ok         bool
	}{
		{"the certificate itself", identifier("X509v3", pair.Cert.Raw), ca.Cert, true},
		{"the certificate in X509Data", `<ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(pair.Cert.Raw) + `</ds:X509Certificate></ds:X509Data>`, ca.Cert, true},
		{"its key identifier, pinned", identifier("X509SubjectKeyIdentifier", pair.Cert.SubjectKeyId), pair.Cert, true},
		{"its key identifier, unknown", identifier("X509SubjectKeyIdentifier", pair.Cert.SubjectKeyId), ca.Cert, false},
		{"its number, pinned", serial, pair.Cert, true},
		{"its number, unknown", serial, ca.Cert, false},
		{"nothing", "", pair.Cert, false},
		{"two", identifier("X509v3", pair.Cert.Raw) + serial, pair.Cert, false},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, _, err := open(t, soapsec.Config{Trust: []*x509.Certificate{tc.trust}}, []byte(strings.Replace(good, reference, tc.with, 1)))
			if (err == nil) != tc.ok {
				t.Errorf("got %v, want ok: %v", err, tc.ok)
			}
		})
	}
}

// TestRepliesThatNeedNoSignature: a Timestamp is understood, more is not.
func TestRepliesThatNeedNoSignature(t *testing.T) {
	stamp := func(created string) string {
		return `<wsu:Timestamp xmlns:wsu="` + wsu + `"><wsu:Created>` + created + `</wsu:Created></wsu:Timestamp>`
	}
	for _, tc := range []struct {
		rule, header string
		ok           bool
	}{
		{"none", ``, true},
		{"a Timestamp", `<w:Security xmlns:w="` + wsse + `" s:mustUnderstand="1">` + stamp("2026-05-11T14:00:00+02:00") + `</w:Security>`, true},
		{"an old one", `<w:Security xmlns:w="` + wsse + `">` + stamp("2026-05-11T10:00:00Z") + `</w:Security>`, false},
		{"no time at all", `<w:Security xmlns:w="` + wsse + `">` + stamp("noon") + `</w:Security>`, false},
		{"a token that may be passed over", `<w:Security xmlns:w="` + wsse + `"><w:BinarySecurityToken/></w:Security>`, true},
		{"a token that must be understood", `<w:Security xmlns:w="` + wsse + `" s:mustUnderstand="true"><w:BinarySecurityToken/></w:Security>`, false},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			text := `<s:Envelope xmlns:s="` + soap12 + `"><s:Header>` + tc.header + `</s:Header><s:Body><x/></s:Body></s:Envelope>`
			_, _, err := open(t, soapsec.Config{}, []byte(text))
			if (err == nil) != tc.ok {
				t.Errorf("got %v, want ok: %v", err, tc.ok)
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	pair := pkitest.SelfSigned("x", pkitest.P256())
	for _, c := range []soapsec.Config{{}, {User: "me", Now: time.Now}, {Key: pair.Signer(), Now: time.Now}} {
		if _, err := soapsec.New(c); err == nil {
			t.Errorf("%+v was taken", c.User)
		}
	}
}

// TestOthersVerify: xmlsec1 finds our signatures good.
func TestOthersVerify(t *testing.T) {
	program, err := exec.LookPath("xmlsec1")
	if err != nil {
		t.Skip("xmlsec1 is not installed")
	}
	for name, pair := range map[string]pkitest.Pair{"rsa": pkitest.SelfSigned("register", pkitest.RSA()), "ecdsa": pkitest.SelfSigned("register", pkitest.P256())} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := signer(pair)
			c.User, c.Password, c.Digest = "oncegate", func() string { return "secret" }, true
			message := sealed(t, c, letter(soap11))
			cert := filepath.Join(dir, "cert.pem")
			if err := os.WriteFile(cert, pkitest.CertificatePEM(pair.Cert), 0o600); err != nil {
				t.Fatal(err)
			}
			verify := func(text []byte) error {
				file := filepath.Join(dir, "message.xml")
				if err := os.WriteFile(file, text, 0o600); err != nil {
					t.Fatal(err)
				}
				args := []string{"--verify", "--pubkey-cert-pem", cert}
				for _, e := range []string{soap11 + ":Body", wsu + ":Timestamp", wsse + ":UsernameToken", wsse + ":BinarySecurityToken", "http://www.w3.org/2005/08/addressing:To"} {
					args = append(args, "--id-attr:Id", e)
				}
				out, err := exec.CommandContext(t.Context(), program, append(args, file)...).CombinedOutput()
				if err != nil {
					return fmt.Errorf("%w: %s", err, out)
				}
				return nil
			}
			if n := bytes.Count(message, []byte("<ds:Reference ")); n != 4 {
				t.Errorf("%d references, want Body, To, Timestamp and UsernameToken", n)
			}
			if err := verify(message); err != nil {
				t.Errorf("xmlsec1 refuses: %v\n%s", err, message)
			}
			if err := verify(bytes.Replace(message, []byte("Ana"), []byte("Eva"), 1)); err == nil {
				t.Error("xmlsec1 takes a message that was changed")
			}
		})
	}
}

// FuzzOpen: whatever comes, there is an answer, and what was not signed is not read.
func FuzzOpen(f *testing.F) {
	ca := pkitest.Root("authority of the register")
	pair := ca.Issue("register", pkitest.P256())
	f.Add(sealed(f, signer(pair), letter(soap12)))
	f.Add(sealed(f, signer(pair), letter(soap11)))
	f.Add(letter(soap11))
	s := security(f, soapsec.Config{Trust: []*x509.Certificate{ca.Cert}})
	f.Fuzz(func(t *testing.T, text []byte) {
		doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
		if err != nil {
			return
		}
		o, err := s.Open(t.Context(), doc)
		if err == nil && bytes.Contains(text, []byte("Mallory")) {
			for e := range doc.Root().Descendants() {
				if strings.Contains(e.Text(), "Mallory") && o.May(e) {
					t.Error("what was not signed may be read")
				}
			}
		}
	})
}
