package wssec

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
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
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
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
	s, err := Seal(Sealing{Messaging: header, MessageID: "m@x", Parts: parts, Token: token,
		Sign: Identity{k.sender.cert, k.sender.key}, Recipient: k.receiver.cert})
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
		Decrypt: []Decryption{{ring().receiver.cert, ring().receiver.key}}}
	for _, p := range s.Parts {
		in.Parts = append(in.Parts, SealedPart{p.ID, bytes.Clone(p.Content)})
	}
	return Open(in)
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
		got, err := signedOctets(xmlsec.Decrypted{MimeType: tt.mediaType, Content: []byte(tt.sent)})
		if err != nil || string(got) != tt.signed {
			t.Errorf("%s: %q, %v; want %q", tt.mediaType, got, err, tt.signed)
		}
	}
	if _, err := signedOctets(xmlsec.Decrypted{MimeType: "text/xml", Content: []byte("<!DOCTYPE a><a/>")}); code(err) != ebms.FailedAuthentication {
		t.Errorf("DOCTYPE in a part: %v", err)
	}
}

func TestTrust(t *testing.T) {
	t.Parallel()
	root := newKeypair("Root", nil, authority)
	middle := certify(ring().receiver.key, "Middle", &root, authority)
	other := certify(ring().receiver.key, "Root", nil, authority)
	key := ring().sender.key
	leaf := func(issuer *keypair, name string, edit func(*x509.Certificate)) *x509.Certificate {
		return certify(key, name, issuer, edit).cert
	}
	good := leaf(&root, "AP_NL_01", nil)
	anchored := Trust{Anchors: []*x509.Certificate{root.cert}, Names: []string{"AP_NL_01"}}
	for _, tt := range []struct {
		name  string
		trust Trust
		cert  *x509.Certificate
		chain [][]byte
		at    time.Time
		ok    bool
	}{
		{"path to the anchor", anchored, good, nil, testNow, true},
		{"path over a sent intermediate", anchored, leaf(&middle, "AP_NL_01", nil), [][]byte{root.cert.Raw, middle.cert.Raw}, testNow, true},
		{"path over a configured intermediate", Trust{Anchors: anchored.Anchors, Names: anchored.Names, Intermediates: []*x509.Certificate{middle.cert}}, leaf(&middle, "AP_NL_01", nil), nil, testNow, true},
		{"path without the intermediate", anchored, leaf(&middle, "AP_NL_01", nil), nil, testNow, false},
		{"sent path adds no anchor", anchored, leaf(&other, "AP_NL_01", nil), [][]byte{other.cert.Raw}, testNow, false},
		{"another party of the same authority", anchored, leaf(&root, "AP_FI_03", nil), nil, testNow, false},
		{"expired", anchored, good, nil, testNow.AddDate(2, 0, 0), false},
		{"not yet valid", anchored, good, nil, testNow.AddDate(-2, 0, 0), false},
		{"not for signatures", anchored, leaf(&root, "AP_NL_01", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), nil, testNow, false},
		{"any use of the key", anchored, leaf(&root, "AP_NL_01", func(c *x509.Certificate) { c.KeyUsage = 0 }), nil, testNow, true},
		{"authority itself", Trust{Anchors: anchored.Anchors, Names: []string{"Middle"}}, middle.cert, nil, testNow, false},
		{"self-signed", anchored, leaf(nil, "AP_NL_01", nil), nil, testNow, false},
		{"pinned", Trust{Pinned: []*x509.Certificate{good}}, good, nil, testNow, true},
		{"pinned and expired", Trust{Pinned: []*x509.Certificate{good}}, good, nil, testNow.AddDate(2, 0, 0), false},
		{"not the pinned one", Trust{Pinned: []*x509.Certificate{ring().receiver.cert}}, good, nil, testNow, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := NewVerifier(tt.trust)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time from memory
				if _, err := v.certificate(tt.cert.Raw, tt.chain, tt.at); (err == nil) != tt.ok {
					t.Errorf("err = %v, want ok = %v", err, tt.ok)
				}
			}
		})
	}
	t.Run("what was remembered still expires", func(t *testing.T) {
		v, err := NewVerifier(anchored)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.certificate(good.Raw, nil, testNow); err != nil {
			t.Fatal(err)
		}
		if _, err := v.certificate(good.Raw, nil, testNow.AddDate(2, 0, 0)); err == nil {
			t.Error("expired certificate is trusted from memory")
		}
	})
	for name, tr := range map[string]Trust{"nothing": {}, "anchors without names": {Anchors: anchored.Anchors}} {
		if _, err := NewVerifier(tr); err == nil {
			t.Errorf("%s is accepted as trust", name)
		}
	}
}

func TestRecipient(t *testing.T) {
	t.Parallel()
	old := certify(ring().sender.key, "old", nil, func(c *x509.Certificate) { c.NotAfter = testNow.Add(-time.Hour) }).cert
	signOnly := certify(ring().sender.key, "sign", nil, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }).cert
	got, err := Recipient([]*x509.Certificate{old, signOnly, ring().receiver.cert}, testNow)
	if err != nil || got != ring().receiver.cert {
		t.Errorf("got %v, %v", got, err)
	}
	for _, cs := range [][]*x509.Certificate{nil, {old}, {signOnly}} {
		if _, err := Recipient(cs, testNow); err == nil {
			t.Errorf("%v is good for encryption", cs)
		}
	}
}

// The path of a PKIPath goes from the root to the leaf.
func TestTokenWithPath(t *testing.T) {
	t.Parallel()
	root := newKeypair("Root", nil, authority)
	leaf := certify(ring().sender.key, "AP_NL_01", &root, nil)
	s, err := Seal(Sealing{Messaging: header, MessageID: "m@x", Token: TokenBST, Sign: Identity{leaf.cert, leaf.key}})
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
	if o, err := Open(Opening{Envelope: env, Verifier: v, Now: testNow}); err != nil || !o.Signer.Equal(leaf.cert) {
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

// body returns what follows the HTTP header of a captured file.
func body(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("<")) {
		return b
	}
	_, rest, _ := bytes.Cut(bytes.ReplaceAll(b, []byte("\r\n\r\n"), []byte("\n\n")), []byte("\n\n"))
	return rest
}

// ownCertificate returns the certificate in the token that the signature names.
func ownCertificate(t *testing.T, env Envelope) *x509.Certificate {
	t.Helper()
	sig, err := xmlsec.FindSignature(env.Security)
	if err != nil {
		t.Fatal(err)
	}
	info, err := sig.Only(ds("KeyInfo"))
	if err != nil {
		t.Fatal(err)
	}
	ref, err := readReference(info, env.Security)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(ref.der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// EXPECTED.md: signatures of other stacks, valid and not.
func TestCapturedSignals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file       string
		ok         bool
		references int
	}{
		{"phase4/captured/helger.as4in", true, 3},
		{"phase4/captured/dataport1-mustunderstand.as4in", true, 3},
		{"phase4/testfiles/TestReceipt12.xml", true, 3}, // with a remark of phase4 beside the references
		{"phase4/captured/dataport1.as4in", false, 0},   // attribute prefix changed after signing
	} {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			env, err := Locate(parse(t, body(asset(t, tt.file))))
			if err != nil {
				t.Fatal(err)
			}
			c := ownCertificate(t, env)
			o, err := Open(Opening{Envelope: env, Verifier: pinned(t, c), Now: c.NotBefore.Add(time.Hour)})
			if !tt.ok {
				if code(err) != ebms.FailedAuthentication {
					t.Errorf("err = %v, want %s", err, ebms.FailedAuthentication)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			m, err := ebms.Read(o.Messaging)
			if err != nil || m.Signal == nil || m.Signal.Receipt == nil || len(m.Signal.Receipt.References) != tt.references {
				t.Errorf("%+v, %v; want a receipt with %d references", m.Signal, err, tt.references)
			}
		})
	}
}

// The captured message of phase4 is read to the point where its private key is
// needed, which we do not have: its signature was found valid before.
func TestCapturedUserMessage(t *testing.T) {
	t.Parallel()
	raw := asset(t, "phase4/captured/dump-raw.as4out")
	i := bytes.Index(raw, []byte("------=_Part"))
	r, err := swa.NewReader(`multipart/related; boundary="----=_Part_0_1950117092.1769701143986"; type="application/soap+xml"`, bytes.NewReader(raw[i:]), swa.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := r.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	parts, err := r.Parts()
	if err != nil || len(parts) != 1 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	env, err := Locate(parse(t, b))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ebms.Read(env.Messaging)
	if err != nil || len(m.User.Parts) != 1 || m.User.CheckParts([]string{parts[0].ID}) != nil {
		t.Fatalf("%+v, %v", m.User, err)
	}
	content, err := parts[0].Content.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	c := ownCertificate(t, env)
	in := Opening{Envelope: env, Parts: []SealedPart{{parts[0].ID, content}}, Verifier: pinned(t, c), Now: m.User.Timestamp,
		Decrypt: []Decryption{{ring().receiver.cert, ring().receiver.key}}}
	if _, err := Open(in); code(err) != ebms.FailedDecryption {
		t.Errorf("err = %v, want %s: not encrypted for us", err, ebms.FailedDecryption)
	}
	in.Verifier = pinned(t, ring().sender.cert)
	if _, err := Open(in); code(err) != ebms.FailedAuthentication {
		t.Errorf("err = %v, want %s: not a partner", err, ebms.FailedAuthentication)
	}
}

// Messages that their authors indented after signing, and messages made to be
// refused. The code is that of EXPECTED.md; where it gives none any refusal is right.
func TestCollectedMessagesAreRefused(t *testing.T) {
	t.Parallel()
	files := map[string]ebms.Code{
		"phase4/testfiles/TwoUserMessages.xml":             ebms.ValueInconsistent,
		"phase4/testfiles/UserMessageNoPartyID.xml":        ebms.InvalidHeader,
		"phase4/testfiles/NoResponder.xml":                 ebms.InvalidHeader,
		"phase4/testfiles/WrongSigningAlgorithm.xml":       ebms.FailedAuthentication,
		"phase4/testfiles/WrongSigningDigestAlgorithm.xml": ebms.FailedAuthentication,
	}
	for _, f := range []string{
		"as4/MSHAS4Request-signOnly.xml", "as4/MSHAS4Request.xml", "as4/MSHAS4Response-signOnly.xml", "as4/MSHAS4Response.xml", "as4/SOAPMessage.xml",
		"as4/SOAPMessage2.xml", "as4/SoapRequest.xml", "as4/SoapRequestBinaryToken.xml", "as4/blue2redGoodMessage.xml", "as4/validAS4Response.xml",
		"as4-it/encrypted.xml", "as4-it/mshwebserviceit-soapenvelope.xml", "as4-wss/RawXMLMessageWithSpacesAndPkiPath.xml",
		"as4-wss/bst_X509PKIPathv1_incoming_message.xml", "as4-wss/bst_x509v3_incoming_message.xml", "as4-wss/is_incoming_message.xml",
		"as4-wss/ski_incoming_message.xml", "as4-wss/request_BST_PKIP.xml", "as4-wss/response_BST_PKIP.xml",
	} {
		files["harmony/"+f] = ""
	}
	for file, want := range files {
		t.Run(file, func(t *testing.T) {
			doc, err := xmldoc.ParseBytes(asset(t, file), xmldoc.Limits{})
			if err != nil {
				return // refused before it is a message
			}
			root := doc.Root()
			head, err := root.Only(s12("Header"))
			if err != nil {
				return
			}
			// Located by hand, so that a payload in the Body does not end it at once.
			env := Envelope{}
			if env.Body, err = root.Only(s12("Body")); err != nil {
				return
			}
			env.Security, _ = head.Maybe(wsse("Security"))
			if env.Messaging, err = head.Only(ebms.MessagingName); err != nil {
				return
			}
			_, err = ebms.Read(env.Messaging)
			if err == nil || want == ebms.FailedAuthentication {
				v := pinned(t, ring().sender.cert)
				if want == "" && !env.Security.IsZero() {
					if sig, e := xmlsec.FindSignature(env.Security); e == nil {
						if info, e := sig.Only(ds("KeyInfo")); e == nil {
							if ref, e := readReference(info, env.Security); e == nil && ref.der != nil {
								c, e := x509.ParseCertificate(ref.der)
								if e != nil {
									t.Fatal(e)
								}
								v = pinned(t, c)
							}
						}
					}
				}
				_, err = Open(Opening{Envelope: env, Verifier: v, Now: testNow})
			}
			if code(err) == "" || want != "" && code(err) != want {
				t.Errorf("err = %v, want %q", err, want)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	// The seeds are made by hand and signed by a key that is gone: a corpus that is
	// kept holds no key. A fresh one joins them for each run.
	fresh := sealed(f, TokenBST, OutPart{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")})
	f.Add(fresh.Envelope)
	f.Add(sealed(f, TokenSKI).Envelope)
	f.Add(sealed(f, TokenIssuerSerial).Envelope)
	want, err := header("msg-" + newIDs("m@x").seed)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := xmldoc.ParseBytes(b, xmldoc.Limits{MaxBytes: 1 << 16})
		if err != nil {
			return
		}
		env, err := Locate(doc)
		if err != nil {
			if code(err) == "" {
				t.Fatalf("error without a code: %v", err)
			}
			return
		}
		for _, parts := range [][]SealedPart{nil, {{"a@x", bytes.Clone(fresh.Parts[0].Content)}}} {
			o, err := Open(Opening{Envelope: env, Parts: parts, Verifier: pinned(t, ring().sender.cert), Now: testNow,
				Decrypt: []Decryption{{ring().receiver.cert, ring().receiver.key}}})
			if err != nil {
				if code(err) == "" {
					t.Fatalf("error without a code: %v", err)
				}
				continue
			}
			// Only one message was ever signed: whatever opens says the same.
			if got := o.Messaging.AppendCanonical(nil, xmldoc.C14N{}); !bytes.Equal(got, want) {
				t.Fatalf("forged: %s", got)
			}
		}
	})
}
