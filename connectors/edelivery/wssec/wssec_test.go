package wssec

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/pkitest"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/schemas/canon"
)

func parse(t testing.TB, b []byte) *xmldoc.Document {
	t.Helper()
	d, err := xmldoc.ParseBytes(b, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func code(err error) ebms.Code {
	var e *ebms.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// header is a user message as small as it can be.
func header(id string) ([]byte, error) {
	p := ebms.Party{ID: canon.Participant{Scheme: "urn:t", ID: "P"}, Role: "urn:r"}
	return ebms.AppendUserMessage(nil, &ebms.UserMessage{
		Timestamp: testNow, MessageID: "m@x", From: p, To: p,
		Service: ebms.Service{Value: "urn:s"}, Action: "a", ConversationID: "c",
	}, id)
}

func sealed(t testing.TB, token Token, parts ...OutPart) *Sealed {
	t.Helper()
	k := ring()
	s, err := Seal(Sealing{Messaging: header, MessageID: "m@x", Parts: parts, SignToken: token, EncryptToken: token,
		Sign: Identity{Certificate: k.sender.cert, Key: k.sender.key}, Recipient: k.receiver.cert})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func pinned(t testing.TB, certs ...*x509.Certificate) *Verifier {
	t.Helper()
	v, err := NewVerifier(Trust{Pinned: certs})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func reopen(t testing.TB, s *Sealed, envelope []byte) (*Opened, error) {
	t.Helper()
	env, err := Locate(parse(t, envelope))
	if err != nil {
		return nil, err
	}
	in := Opening{Envelope: env, Verifier: pinned(t, ring().sender.cert), Now: testNow,
		Decrypt: []Decryption{{Certificate: ring().receiver.cert, Key: ring().receiver.key}}}
	for _, p := range s.Parts {
		in.Parts = append(in.Parts, SealedPart{ID: p.ID, MediaType: p.MediaType, Content: bytes.Clone(p.Content)})
	}
	return Open(t.Context(), in)
}

func TestSealedIsOpened(t *testing.T) {
	t.Parallel()
	for _, token := range []Token{TokenBST, TokenSKI, TokenIssuerSerial} {
		s := sealed(t, token, OutPart{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")}, OutPart{ID: "b&@x", MediaType: "application/pdf"})
		o, err := reopen(t, s, s.Envelope)
		if err != nil {
			t.Fatalf("%s: %v", token, err)
		}
		if string(o.Parts[0].Content) != "one" || len(o.Parts[1].Content) != 0 || !o.Signer.Equal(ring().sender.cert) {
			t.Errorf("%s: %+v", token, o)
		}
		for i, r := range o.References {
			if r.URI != s.References[i].URI || r.DigestValue() != s.References[i].DigestValue() {
				t.Errorf("%s: reference %d is %s, was %s", token, i, r.URI, s.References[i].URI)
			}
		}
	}
}

func TestSealingAgainGivesTheSameDigests(t *testing.T) {
	t.Parallel()
	a := sealed(t, TokenBST, OutPart{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")})
	b := sealed(t, TokenBST, OutPart{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")})
	if bytes.Equal(a.Parts[0].Content, b.Parts[0].Content) {
		t.Error("one session key or nonce was used twice")
	}
	for i := range a.References {
		if a.References[i].URI != b.References[i].URI || a.References[i].DigestValue() != b.References[i].DigestValue() {
			t.Errorf("reference %d differs", i)
		}
	}
}

func TestLayoutIsThatOfWSS4J(t *testing.T) {
	t.Parallel()
	s := sealed(t, TokenBST, OutPart{ID: "a@x", MediaType: "application/gzip", Content: []byte("1")}, OutPart{ID: "b@x", MediaType: "application/gzip", Content: []byte("2")})
	env, err := Locate(parse(t, s.Envelope))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for c := range env.Security.Children() {
		n := c.Name().Local
		if n == "EncryptedData" {
			id, _ := c.Attr(plain("Id"))
			n += id[2:5]
		}
		got = append(got, n)
	}
	if want := "BinarySecurityToken EncryptedKey EncryptedData-2- EncryptedData-1- BinarySecurityToken Signature"; strings.Join(got, " ") != want {
		t.Errorf("got %v", got)
	}
}

// An uncompressed XML part of another stack is signed in canonical form: what is
// handed on is that form, not what else has it.
func TestUncompressedTextIsHandedOnAsItIsSigned(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ mediaType, sent, signed string }{
		{"text/xml; charset=UTF-8", "<?xml version=\"1.0\"?>\r\n<a b='1'><!-- x --></a>", `<a b="1"></a>`},
		{"application/x-ebrs+xml", "<a/>\n", `<a></a>`},
		{"text/plain", "1\n2\r\n3\r4", "1\r\n2\r\n3\r\n4"},
		{"application/pdf", "1\n2", "1\n2"},
		{"", "1\n2", "1\n2"},
	} {
		got, err := signedOctets(tt.mediaType, []byte(tt.sent), DefaultMaxText)
		if err != nil || string(got) != tt.signed {
			t.Errorf("%s: %q, %v; want %q", tt.mediaType, got, err, tt.signed)
		}
	}
	if _, err := signedOctets("text/xml", []byte("<!DOCTYPE a><a/>"), DefaultMaxText); code(err) != ebms.FailedAuthentication {
		t.Errorf("DOCTYPE in a part: %v", err)
	}
}

// The path of a PKIPath goes from the root to the leaf.
// The MimeType of a part is not signed: whoever holds one old envelope can encrypt
// another part for us, as XML that swells when it is canonicalized.
func TestXMLThatSwellsIsRefused(t *testing.T) {
	t.Parallel()
	document := func(space string) []byte {
		return []byte(`<r xmlns:w="urn:` + space + `">` + strings.Repeat("<w:a/>", 30_000) + `</r>`)
	}
	open := func(content []byte) (int, error) {
		b, err := signedOctets("text/xml", content, DefaultMaxText)
		return len(b), err
	}
	if n, err := open(document("example")); err != nil || n != len(`<r></r>`)+30_000*len(`<w:a xmlns:w="urn:example"></w:a>`) {
		t.Errorf("%d bytes, %v", n, err)
	}
	n, err := open(document(strings.Repeat("w", 1000)))
	if code(err) != ebms.FailedAuthentication {
		t.Errorf("%d bytes, error %v; want %s", n, err, ebms.FailedAuthentication)
	}
}

// WSS4J compares names in the order in which the certificate has them, and types that
// RFC 2253 does not name by their DER.
func TestIssuerNameKeepsItsOrder(t *testing.T) {
	t.Parallel()
	rdn := func(oid asn1.ObjectIdentifier, value any) []pkix.AttributeTypeAndValue {
		return []pkix.AttributeTypeAndValue{{Type: oid, Value: value}}
	}
	issuer, err := asn1.Marshal(pkix.RDNSequence{
		rdn(asn1.ObjectIdentifier{2, 5, 4, 6}, "NL"), rdn(asn1.ObjectIdentifier{2, 5, 4, 8}, "Zuid-Holland"),
		rdn(asn1.ObjectIdentifier{2, 5, 4, 10}, "Example, Inc"), rdn(asn1.ObjectIdentifier{2, 5, 4, 11}, "PKI"),
		rdn(asn1.ObjectIdentifier{2, 5, 4, 97}, asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte("NTRNL-1")}),
		rdn(asn1.ObjectIdentifier{2, 5, 4, 3}, "Issuing CA"),
		rdn(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte("ca@example.org")}),
	})
	if err != nil {
		t.Fatal(err)
	}
	ca := newKeypair("ignored", nil, func(c *x509.Certificate) { pkitest.Authority(c); c.RawSubject = issuer })
	cert := certify(ring().sender.key, "AP_NL_01", &ca, nil).cert
	got := string(citation{form: TokenIssuerSerial, certificate: cert}.keyInfo())
	const want = `<ds:X509IssuerName>1.2.840.113549.1.9.1=#160e6361406578616d706c652e6f7267,CN=Issuing CA,2.5.4.97=#0c074e54524e4c2d31,OU=PKI,O=Example\, Inc,ST=Zuid-Holland,C=NL</ds:X509IssuerName>`
	if !strings.Contains(got, want) {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestTokenWithPath(t *testing.T) {
	t.Parallel()
	root := newKeypair("Root", nil, pkitest.Authority)
	leaf := certify(ring().sender.key, "AP_NL_01", &root, nil)
	s, err := Seal(Sealing{Messaging: header, MessageID: "m@x", Sign: Identity{Certificate: leaf.cert, Key: leaf.key}})
	if err != nil {
		t.Fatal(err)
	}
	path, err := asn1.Marshal([]asn1.RawValue{{FullBytes: root.cert.Raw}, {FullBytes: leaf.cert.Raw}})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(s.Envelope), base64.StdEncoding.EncodeToString(leaf.cert.Raw), base64.StdEncoding.EncodeToString(path), 1)
	text = strings.ReplaceAll(text, "#X509v3", "#X509PKIPathv1")
	env, err := Locate(parse(t, []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVerifier(Trust{Anchors: []*x509.Certificate{root.cert}, Names: []string{"AP_NL_01"}})
	if err != nil {
		t.Fatal(err)
	}
	if o, err := Open(t.Context(), Opening{Envelope: env, Verifier: v, Now: testNow}); err != nil || !o.Signer.Equal(leaf.cert) {
		t.Errorf("%v", err)
	}
}

func TestEveryReasonHasACode(t *testing.T) {
	for _, r := range xmlsec.Reasons() {
		c, ok := codeOf[r]
		if _, known := c.Entry(); !ok || !known {
			t.Errorf("%s has no ebMS code", r)
		}
	}
}

func TestErrorTellsThePeerNothing(t *testing.T) {
	t.Parallel()
	s := sealed(t, TokenBST, OutPart{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")})
	s.Parts[0].Content[15] ^= 1
	_, err := reopen(t, s, s.Envelope)
	var e *ebms.Error
	if !errors.As(err, &e) || e.Code != ebms.FailedDecryption || e.Detail != "" || e.Err == nil {
		t.Errorf("err = %#v, want the code alone, and the cause for the log", err)
	}
}

func TestReceiptIsComparedAsASet(t *testing.T) {
	t.Parallel()
	s := sealed(t, TokenBST)
	var refs []ebms.Reference
	for _, r := range s.References {
		refs = append(refs, ebms.Reference{URI: r.URI, Digest: r.DigestValue()})
	}
	for _, tt := range []struct {
		name string
		refs []ebms.Reference
		ok   bool
	}{
		{"same", refs, true},
		{"other order", []ebms.Reference{refs[1], refs[0]}, true},
		{"one missing", refs[:1], false},
		{"one twice", []ebms.Reference{refs[0], refs[0]}, false},
		{"one more", append(refs[:2:2], ebms.Reference{URI: "#x", Digest: "x"}), false},
		{"other digest", []ebms.Reference{refs[0], {URI: refs[1].URI, Digest: refs[0].Digest}}, false},
		{"none", nil, false},
	} {
		if err := CheckReceipt(s.References, &ebms.Receipt{References: tt.refs}); (err == nil) != tt.ok || err != nil && code(err) != ebms.InvalidReceipt {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := CheckReceipt(s.References, nil); err == nil {
		t.Error("no receipt is a receipt")
	}
}

func TestGzipBounds(t *testing.T) {
	t.Parallel()
	var g Gzip
	var z bytes.Buffer
	clear := make([]byte, 3<<20)
	if err := g.Compress(&z, bytes.NewReader(clear)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		b    Bounds
		data []byte
		ok   bool
	}{
		{"fits", Bounds{3 << 20, 1 << 20}, z.Bytes(), true},
		{"one byte too many", Bounds{3<<20 - 1, 1 << 20}, z.Bytes(), false},
		{"ratio", Bounds{1 << 30, 200}, z.Bytes(), false},
		{"two members", Bounds{6 << 20, 1 << 20}, append(bytes.Clone(z.Bytes()), z.Bytes()...), true},
		{"two members too large together", Bounds{4 << 20, 1 << 20}, append(bytes.Clone(z.Bytes()), z.Bytes()...), false},
		{"text behind", Bounds{6 << 20, 1 << 20}, append(bytes.Clone(z.Bytes()), "text"...), false},
		{"cut", Bounds{6 << 20, 1 << 20}, z.Bytes()[:z.Len()-5], false},
		{"empty", Bounds{10, 10}, nil, false},
	} {
		r, err := g.Decompress(tt.data, tt.b)
		var n int64
		if err == nil {
			n, err = io.Copy(io.Discard, r)
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		if (err == nil) != tt.ok || err != nil && code(err) != ebms.DecompressionFailure || n > tt.b.Bytes {
			t.Errorf("%s: %d bytes, %v; want ok = %v", tt.name, n, err, tt.ok)
		}
	}
	var again bytes.Buffer
	if err := g.Compress(&again, bytes.NewReader(clear)); err != nil || !bytes.Equal(again.Bytes(), z.Bytes()) {
		t.Errorf("compressing twice gives other bytes: %v", err)
	}
}

// An independent verifier accepts what we sign.
func TestXmlsec1AcceptsOurSignature(t *testing.T) {
	t.Parallel()
	tool, err := exec.LookPath("xmlsec1")
	if err != nil {
		t.Skip("xmlsec1 is not installed: our envelope is not checked by it")
	}
	dir := t.TempDir()
	pub, err := x509.MarshalPKIXPublicKey(ring().sender.cert.PublicKey.(*rsa.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(dir, "pub.pem")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, token := range []Token{TokenBST, TokenSKI, TokenIssuerSerial} {
		for _, tampered := range []bool{false, true} {
			text := string(sealed(t, token).Envelope)
			if tampered {
				text = strings.Replace(text, "<eb:Action>a<", "<eb:Action>b<", 1)
			}
			file := filepath.Join(dir, string(token)+".xml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), tool, "--verify", "--id-attr:Id", ebms.Namespace+":Messaging", "--id-attr:Id", ebms.SOAPNamespace+":Body", "--pubkey-pem", keyFile, file).CombinedOutput()
			if (err == nil) == tampered {
				t.Errorf("%s tampered=%v: %v\n%s", token, tampered, err, out)
			}
		}
	}
}
