package wssec

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/xmlsec"
)

// pieces takes the children of the Security header apart: it is not signed, and
// stacks lay it out as they like.
func pieces(t *testing.T, envelope []byte) (before, after string, children []string) {
	t.Helper()
	env, err := Locate(parse(t, envelope))
	if err != nil {
		t.Fatal(err)
	}
	for c := range env.Security.Children() {
		children = append(children, c.Raw())
	}
	inner := strings.Join(children, "")
	before, after, ok := strings.Cut(string(envelope), inner)
	if !ok {
		t.Fatal("the header holds something between its children")
	}
	return before, after, children
}

func TestLayoutsOfOtherStacks(t *testing.T) {
	t.Parallel()
	whole := sealed(t, TokenBST, OutPart{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")}, OutPart{ID: "b@x", MediaType: "application/gzip", Content: []byte("two")})
	before, after, c := pieces(t, whole.Envelope) // token, key, data 2, data 1, token, signature
	if len(c) != 6 {
		t.Fatalf("%d children", len(c))
	}
	const timestamp = `<wsu:Timestamp><wsu:Created>2026-09-14T09:31:07Z</wsu:Created></wsu:Timestamp>`
	wrapped, err := base64.StdEncoding.DecodeString(c[1][strings.Index(c[1], "CipherValue>")+12 : strings.Index(c[1], "</xenc:CipherValue")])
	if err != nil {
		t.Fatal(err)
	}
	name := func(sum [sha1.Size]byte) string {
		at, end := strings.Index(c[2], "<wsse:Reference "), strings.Index(c[2], "</wsse:SecurityTokenReference>")
		return c[2][:at] + `<wsse:KeyIdentifier EncodingType="` + base64Binary + `" ValueType="http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#EncryptedKeySHA1">` +
			base64.StdEncoding.EncodeToString(sum[:]) + `</wsse:KeyIdentifier>` + c[2][end:]
	}
	withoutInfo := func(s string) string {
		return s[:strings.Index(s, "<ds:KeyInfo")] + s[strings.Index(s, "</ds:KeyInfo>")+len("</ds:KeyInfo>"):]
	}
	for _, tt := range []struct {
		name     string
		children []string
		want     ebms.Code
	}{
		{"as we write it", c, ""},
		{"signature first", []string{c[5], c[4], c[0], c[1], c[2], c[3]}, ""},
		{"tokens last", []string{c[1], c[2], c[3], c[5], c[0], c[4]}, ""},
		{"data before its key", []string{c[3], c[2], c[1], c[0], c[5], c[4]}, ""},
		{"indented", []string{"\n  " + strings.Join(c, "\n  ") + "\n"}, ""},
		{"wsu:Id on the key", []string{c[0], strings.Replace(c[1], ` Id="`, ` wsu:Id="`, 1), c[2], c[3], c[4], c[5]}, ""},
		{"a timestamp that is not signed", append([]string{timestamp}, c...), ""},
		{"data without KeyInfo", []string{c[0], c[1], withoutInfo(c[2]), withoutInfo(c[3]), c[4], c[5]}, ""},
		{"data that names its key by SHA-1", []string{c[0], c[1], name(sha1.Sum(wrapped)), c[3], c[4], c[5]}, ""},
		{"data that names another key by SHA-1", []string{c[0], c[1], name(sha1.Sum(nil)), c[3], c[4], c[5]}, ebms.FailedDecryption},
		{"base64 in lines", []string{c[0], strings.Replace(c[1], "CipherValue>", "CipherValue>\n\t ", 1), c[2], c[3], strings.Replace(c[4], "\">", "\">\r\n ", 1), c[5]}, ""},
		{"the key stands twice", append([]string{c[1]}, c...), ebms.FailedAuthentication},
		{"the signature stands twice", append([]string{c[5]}, c...), ebms.FailedAuthentication},
		{"a list of references beside the key", append([]string{`<xenc:ReferenceList xmlns:xenc="` + xmlsec.SpaceXENC + `"/>`}, c...), ebms.PolicyNoncompliance},
		{"the token of the signer is gone", []string{c[0], c[1], c[2], c[3], c[5]}, ebms.FailedAuthentication},
		{"the key is gone", []string{c[0], c[2], c[3], c[4], c[5]}, ebms.PolicyNoncompliance},
		{"one data is gone", []string{c[0], c[1], c[2], c[4], c[5]}, ebms.PolicyNoncompliance},
		{"the signature is gone", c[:5], ebms.PolicyNoncompliance},
	} {
		got, err := reopen(t, whole, []byte(before+strings.Join(tt.children, "")+after))
		if code(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if err == nil && string(got.Parts[0].Content)+string(got.Parts[1].Content) != "onetwo" {
			t.Errorf("%s: other content", tt.name)
		}
	}
}

// Each part may have a key of its own.
func TestSeveralKeys(t *testing.T) {
	t.Parallel()
	a := parties()["RSA"]
	plain := sealedPlain(t, OutPart{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")}, OutPart{ID: "b@x", MediaType: "application/gzip", Content: []byte("two")})
	before, after, children := pieces(t, plain.Envelope)
	whole := &Sealed{Envelope: nil}
	for i, p := range plain.Parts {
		n := string(rune('1' + i))
		enc, err := xmlsec.Encrypt(xmlsec.Encryption{
			Recipient: a.to.decrypt.Certificate.PublicKey, KeyID: "EK-" + n, KeyInfo: citation{form: TokenSKI, certificate: a.to.decrypt.Certificate}.keyInfo(),
			Parts: []xmlsec.Part{{CID: p.ID, DataID: "ED-" + n, MimeType: p.MediaType, Content: bytes.Clone(p.Content)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		children = append([]string{string(enc.Key), string(enc.Data[0])}, children...)
		whole.Parts = append(whole.Parts, swa.OutPart{ID: p.ID, Content: enc.Sealed[0]})
	}
	o, err := reopen(t, whole, []byte(before+strings.Join(children, "")+after))
	if err != nil || string(o.Parts[0].Content)+string(o.Parts[1].Content) != "onetwo" {
		t.Errorf("%v", err)
	}
}
