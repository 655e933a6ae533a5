package xmlsec_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// Envelopes with the same shape as an AS4 message: what is signed is Messaging, Body
// and one attachment.
const (
	soapSpace = "http://www.w3.org/2003/05/soap-envelope"
	ebSpace   = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"
	envelope0 = `<S:Envelope xmlns:S="` + soapSpace + `" xmlns:wsu="` + xmlsec.SpaceWSU + `" xmlns:wsse="` + xmlsec.SpaceWSSE + `" xmlns:eb="` + ebSpace + `"><S:Header>` +
		`<wsse:Security S:mustUnderstand="true">SIGNATURE</wsse:Security>` + messaging0 + `</S:Header>` + body0 + `</S:Envelope>`
	messaging0 = `<eb:Messaging S:mustUnderstand="true" wsu:Id="msg"><eb:UserMessage><eb:Action>Ask</eb:Action></eb:UserMessage></eb:Messaging>`
	body0      = `<S:Body wsu:Id="body"/>`
)

var payload = []byte("sealed content of the attachment")

func attachments(content []byte) func(string, crypto.Hash) ([]byte, error) {
	return func(cid string, h crypto.Hash) ([]byte, error) {
		if cid != "payload@test" {
			return nil, xmlsec.ErrAttachmentUnknown
		}
		sum := h.New()
		sum.Write(content)
		return sum.Sum(nil), nil
	}
}

func signedEnvelope(t testing.TB, key crypto.Signer, template string) string {
	t.Helper()
	doc := parse(t, strings.Replace(template, "SIGNATURE", "", 1))
	digest := sha256.Sum256(payload)
	sig, err := xmlsec.Sign(xmlsec.Signing{
		Key: key, ID: "SIG-1", KeyInfo: []byte(tokenReference),
		Targets: []xmlsec.Target{
			{ID: "msg", Element: elementWithID(t, doc, "msg"), Prefixes: []string{"S"}},
			{ID: "body", Element: elementWithID(t, doc, "body")},
			{CID: "payload@test", Digest: digest[:]},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(template, "SIGNATURE", string(sig.XML), 1)
}

func verifyEnvelope(t testing.TB, doc *xmldoc.Document, p xmlsec.Policy) (*xmlsec.Verified, error) {
	t.Helper()
	return xmlsec.Verify(xmlsec.Verification{
		Signature: findSignature(t, doc), Key: xmlsec.WithKey(keys().rsa.Public()), Attachments: attachments(payload), Policy: p,
	})
}

func TestEnvelopeVerifies(t *testing.T) {
	doc := parse(t, signedEnvelope(t, keys().rsa, envelope0))
	v, err := verifyEnvelope(t, doc, xmlsec.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if !v.Covers(elementWithID(t, doc, "msg")) || !v.Covers(elementWithID(t, doc, "body")) || !v.CoversCID("payload@test") || len(v.CIDs()) != 1 || len(v.Elements()) != 2 {
		t.Errorf("covered: %v, %v", v.Elements(), v.CIDs())
	}
	if e, err := elementWithID(t, doc, "msg").Only(xmldoc.Name{Space: ebSpace, Local: "UserMessage"}); err != nil || !v.Includes(e) || v.Covers(e) || v.Includes(doc.Root()) {
		t.Error("Includes is wrong")
	}
	refs := v.References()
	if len(refs) != 3 || refs[2].URI != "cid:payload@test" {
		t.Fatalf("references: %v", refs)
	}
	// A receipt copies ds:Reference verbatim: URI and DigestValue have to survive.
	b := xmldoc.NewBuilder(xmldoc.Name{Local: "receipt"})
	for _, r := range refs {
		b.Root().Copy(r.Element)
	}
	out, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for c := range parse(t, string(out)).Root().Children() {
		uri, _ := c.Attr(xmldoc.Name{Local: "URI"})
		value, err := c.OnlyText(xmldoc.Name{Space: xmlsec.SpaceDS, Local: "DigestValue"})
		if err != nil || uri != refs[i].URI || value != refs[i].DigestValue() {
			t.Errorf("reference %d: %s %s %v", i, uri, value, err)
		}
		i++
	}
}

// In every case of wrapping the forged Messaging stands where a careless reader looks.
// Either Verify refuses, or what it covers is not the forged element.
func TestWrapping(t *testing.T) {
	const forged = `<eb:Messaging S:mustUnderstand="true"><eb:UserMessage><eb:Action>Forged</eb:Action></eb:UserMessage></eb:Messaging>`
	withID := func(id string) string { return strings.Replace(forged, "<eb:Messaging ", "<eb:Messaging "+id+" ", 1) }
	good := signedEnvelope(t, keys().rsa, envelope0)
	move := func(from, to, what string) string {
		s := strings.Replace(good, messaging0, from, 1)
		if s == good && from != messaging0 || !strings.Contains(s, to) {
			t.Fatal("the attack does not apply")
		}
		return strings.Replace(s, to, what, 1)
	}
	sig := good[strings.Index(good, "<ds:Signature") : strings.Index(good, "</ds:Signature>")+len("</ds:Signature>")]
	for _, c := range []struct {
		name, doc string
		want      xmlsec.Reason // unset: verifies, but does not cover the forged element
	}{
		{"the signed element moved into the Security header", move(forged, "</wsse:Security>", messaging0+"</wsse:Security>"), xmlsec.ReasonUnset},
		{"the signed element moved into the body", move(forged, body0, `<S:Body wsu:Id="body">`+messaging0+`</S:Body>`), xmlsec.ReasonDigestMismatch},
		{"the signed element moved into a wrapper after the body", move(forged, "</S:Envelope>", "<w>"+messaging0+"</w></S:Envelope>"), xmlsec.ReasonUnset},
		{"the signed element moved into the forged one", move(strings.Replace(forged, "</eb:Messaging>", messaging0+"</eb:Messaging>", 1), "</S:Envelope>", "</S:Envelope>"), xmlsec.ReasonUnset},
		{"the same id as wsu:Id twice", move(withID(`wsu:Id="msg"`), "</S:Envelope>", "<w>"+messaging0+"</w></S:Envelope>"), xmlsec.ReasonIDCollision},
		{"the same id as Id", move(withID(`Id="msg"`), "</S:Envelope>", "<w>"+messaging0+"</w></S:Envelope>"), xmlsec.ReasonIDCollision},
		{"the same id as ID", move(withID(`ID="msg"`), "</S:Envelope>", "<w>"+messaging0+"</w></S:Envelope>"), xmlsec.ReasonIDCollision},
		{"the signed element moved into ds:Object", move(forged, "</ds:Signature>", "<ds:Object>"+messaging0+"</ds:Object></ds:Signature>"), xmlsec.ReasonStructure},
		{"the signed element moved into ds:KeyInfo", move(forged, "</ds:KeyInfo>", messaging0+"</ds:KeyInfo>"), xmlsec.ReasonUnset},
		{"the signed element kept, a forged one before it", move(forged+messaging0, "</S:Envelope>", "</S:Envelope>"), xmlsec.ReasonUnset},
		{"the whole envelope wrapped", "<S:Envelope xmlns:S=\"" + soapSpace + "\" xmlns:eb=\"" + ebSpace + "\" xmlns:wsu=\"" + xmlsec.SpaceWSU + "\"><S:Header>" + forged + "<w>" + good + "</w></S:Header></S:Envelope>", xmlsec.ReasonUnset},
		{"a prefix spelt otherwise", strings.Replace(strings.Replace(good, `<eb:Messaging S:must`, `<eb:Messaging xmlns:T="`+soapSpace+`" T:must`, 1), "nothing", "", 1), xmlsec.ReasonDigestMismatch},
		{"a comment inside a value changes nothing that is signed", strings.Replace(good, "<eb:Action>Ask", "<eb:Action>A<!-- -->sk", 1), xmlsec.ReasonUnset},
		{"two signatures", strings.Replace(good, sig, sig+sig, 1), xmlsec.ReasonIDCollision},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := parse(t, c.doc)
			v, err := verifyEnvelope(t, doc, xmlsec.Policy{})
			if c.want != xmlsec.ReasonUnset {
				wantReason(t, err, c.want)
				return
			}
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			for e := range doc.Root().Descendants() {
				if e.Is(xmldoc.Name{Space: ebSpace, Local: "Messaging"}) && strings.Contains(e.DeepText(), "Forged") && v.Covers(e) {
					t.Errorf("the forged element at %s is covered", e.Path())
				}
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	good := signedEnvelope(t, keys().rsa, envelope0)
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the document does not hold %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	const (
		sha1Digest = "http://www.w3.org/2000/09/xmldsig#sha1"
		excAlg     = `<ds:Transform Algorithm="` + string(xmlsec.ExclusiveC14N) + `">`
	)
	ref := good[strings.Index(good, "<ds:Reference") : strings.Index(good, "</ds:Reference>")+len("</ds:Reference>")]
	cidRef := good[strings.LastIndex(good, "<ds:Reference") : strings.LastIndex(good, "</ds:Reference>")+len("</ds:Reference>")]
	transform := func(alg string) string { return swap(excAlg, `<ds:Transform Algorithm="`+alg+`">`) }
	for _, c := range []struct {
		name, doc string
		want      xmlsec.Reason
	}{
		{"a changed element", swap("Ask", "Tell"), xmlsec.ReasonDigestMismatch},
		{"a changed body", swap(body0, `<S:Body wsu:Id="body">x</S:Body>`), xmlsec.ReasonDigestMismatch},
		{"a changed SignedInfo", swap(`URI="#body"`, `URI="#SIG-1"`), xmlsec.ReasonSignatureInvalid},
		{"a changed value", swap("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"), xmlsec.ReasonSignatureInvalid},
		{"an empty value", good[:strings.Index(good, "<ds:SignatureValue>")+len("<ds:SignatureValue>")] + good[strings.Index(good, "</ds:SignatureValue>"):], xmlsec.ReasonStructure},
		{"rsa-sha1", swap(string(xmlsec.RSASHA256), "http://www.w3.org/2000/09/xmldsig#rsa-sha1"), xmlsec.ReasonUnknownAlgorithm},
		{"HMAC with the public key", swap(string(xmlsec.RSASHA256), "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"), xmlsec.ReasonUnknownAlgorithm},
		{"rsa-sha512 without leave", swap(string(xmlsec.RSASHA256), string(xmlsec.RSASHA512)), xmlsec.ReasonAlgorithmDenied},
		{"SHA-1", swap(string(xmlsec.SHA256), sha1Digest), xmlsec.ReasonUnknownAlgorithm},
		{"SHA-512 without leave", swap(string(xmlsec.SHA256), string(xmlsec.SHA512)), xmlsec.ReasonAlgorithmDenied},
		{"inclusive C14N without leave", transform(string(xmlsec.InclusiveC14N)), xmlsec.ReasonAlgorithmDenied},
		{"C14N with comments", transform(string(xmlsec.ExclusiveC14N) + "WithComments"), xmlsec.ReasonTransform},
		{"XPath", transform("http://www.w3.org/TR/1999/REC-xpath-19991116"), xmlsec.ReasonTransform},
		{"XPath filter 2", transform("http://www.w3.org/2002/06/xmldsig-filter2"), xmlsec.ReasonTransform},
		{"XSLT", transform("http://www.w3.org/TR/1999/REC-xslt-19991116"), xmlsec.ReasonTransform},
		{"base64", transform("http://www.w3.org/2000/09/xmldsig#base64"), xmlsec.ReasonTransform},
		{"STR-Transform", transform("http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform"), xmlsec.ReasonTransform},
		{"enveloped without leave", transform("http://www.w3.org/2000/09/xmldsig#enveloped-signature"), xmlsec.ReasonTransform},
		{"two canonical forms", swap(excAlg, excAlg+`</ds:Transform>`+excAlg), xmlsec.ReasonTransform},
		{"a reference without a transform", strings.Replace(good, ref[strings.Index(ref, "<ds:Transforms>"):strings.Index(ref, "<ds:DigestMethod")], "", 1), xmlsec.ReasonTransform},
		{"an attachment with C14N", swap("#Attachment-Content-Signature-Transform", "#Attachment-Complete-Signature-Transform"), xmlsec.ReasonTransform},
		{"a whole document", swap(`URI="#msg"`, `URI=""`), xmlsec.ReasonURI},
		{"no URI", swap(` URI="#msg"`, ``), xmlsec.ReasonURI},
		{"xpointer", swap(`URI="#msg"`, `URI="#xpointer(id('msg'))"`), xmlsec.ReasonURI},
		{"xpointer of the root", swap(`URI="#msg"`, `URI="#xpointer(/)"`), xmlsec.ReasonURI},
		{"a web address", swap(`URI="#msg"`, `URI="http://127.0.0.1/x"`), xmlsec.ReasonURI},
		{"a file", swap(`URI="#msg"`, `URI="file:///etc/passwd"`), xmlsec.ReasonURI},
		{"another document", swap(`URI="#msg"`, `URI="other.xml#msg"`), xmlsec.ReasonURI},
		{"an empty fragment", swap(`URI="#msg"`, `URI="#"`), xmlsec.ReasonURI},
		{"an empty cid", swap(`URI="cid:payload@test"`, `URI="cid:"`), xmlsec.ReasonURI},
		{"a cid with a broken escape", swap(`URI="cid:payload@test"`, `URI="cid:payload%4"`), xmlsec.ReasonURI},
		{"an id that does not exist", swap(`wsu:Id="msg"`, `wsu:Id="other"`), xmlsec.ReasonMissingTarget},
		{"an id under another attribute", swap(`wsu:Id="msg"`, `name="msg"`), xmlsec.ReasonMissingTarget},
		{"an attachment that is not there", swap(`cid:payload@test`, `cid:other@test`), xmlsec.ReasonSignatureInvalid},
		{"one element twice", swap(ref, ref+ref), xmlsec.ReasonDuplicateTarget},
		{"one attachment twice, spelt differently", swap(cidRef, cidRef+strings.Replace(cidRef, "cid:p", "cid:%70", 1)), xmlsec.ReasonDuplicateTarget},
		{"31 references", swap(ref, strings.Repeat(ref, 29)), xmlsec.ReasonTooManyReferences},
		{"no references", good[:strings.Index(good, "<ds:Reference")] + good[strings.LastIndex(good, "</ds:Reference>")+len("</ds:Reference>"):], xmlsec.ReasonStructure},
		{"ds:Manifest in the signature", swap("</ds:Signature>", "<ds:Object><ds:Manifest/></ds:Object></ds:Signature>"), xmlsec.ReasonStructure},
		{"HMACOutputLength", swap(string(xmlsec.RSASHA256)+`">`, string(xmlsec.RSASHA256)+`"><ds:HMACOutputLength>1</ds:HMACOutputLength>`), xmlsec.ReasonStructure},
		{"two SignedInfo", swap("<ds:SignatureValue>", "<ds:SignedInfo/><ds:SignatureValue>"), xmlsec.ReasonStructure},
		{"children in DigestValue", swap("<ds:DigestValue>", "<ds:DigestValue><x/>"), xmlsec.ReasonStructure},
		{"a digest that is not base64", swap("<ds:DigestValue>", "<ds:DigestValue>!"), xmlsec.ReasonStructure},
		{"a short digest", swap(ref[strings.Index(ref, "<ds:DigestValue>"):], "<ds:DigestValue>AAAA</ds:DigestValue></ds:Reference>"), xmlsec.ReasonStructure},
		{"a PrefixList without end", swap(`PrefixList="S"`, `PrefixList="`+strings.Repeat("p ", 65)+`"`), xmlsec.ReasonStructure},
		{"an algorithm without a name", swap(`<ds:SignatureMethod Algorithm="`+string(xmlsec.RSASHA256)+`">`, `<ds:SignatureMethod>`), xmlsec.ReasonStructure},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := verifyEnvelope(t, parse(t, c.doc), xmlsec.Policy{})
			wantReason(t, err, c.want)
			if v != nil {
				t.Error("something is covered all the same")
			}
		})
	}
}

func TestVerifyRefusesByKeyAndAttachment(t *testing.T) {
	doc := parse(t, signedEnvelope(t, keys().rsa, envelope0))
	sig := findSignature(t, doc)
	weak := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}
	huge := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 16384), E: 65537}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := xmlsec.WithKey(keys().rsa.Public())
	unknown := func(string, crypto.Hash) ([]byte, error) { return nil, xmlsec.ErrAttachmentUnknown }
	for _, c := range []struct {
		name string
		in   xmlsec.Verification
		want xmlsec.Reason
	}{
		{"no signature", xmlsec.Verification{Key: key}, xmlsec.ReasonNoSignature},
		{"not a signature", xmlsec.Verification{Signature: doc.Root(), Key: key}, xmlsec.ReasonStructure},
		{"no key", xmlsec.Verification{Signature: sig}, xmlsec.ReasonKeyUnresolved},
		{"a key that is not found", xmlsec.Verification{Signature: sig, Key: func(xmldoc.Element) (crypto.PublicKey, error) { return nil, errors.New("none") }}, xmlsec.ReasonKeyUnresolved},
		{"a nil key", xmlsec.Verification{Signature: sig, Key: xmlsec.WithKey(nil)}, xmlsec.ReasonKeyUnfit},
		{"a short key", xmlsec.Verification{Signature: sig, Key: xmlsec.WithKey(weak)}, xmlsec.ReasonKeyUnfit},
		{"a huge key", xmlsec.Verification{Signature: sig, Key: xmlsec.WithKey(huge)}, xmlsec.ReasonKeyUnfit},
		{"a key shorter than the policy wants", xmlsec.Verification{Signature: sig, Key: key, Policy: xmlsec.Policy{MinRSABits: 3072}}, xmlsec.ReasonKeyUnfit},
		{"a key of another kind", xmlsec.Verification{Signature: sig, Key: xmlsec.WithKey(keys().p256.Public())}, xmlsec.ReasonKeyUnfit},
		{"another key", xmlsec.Verification{Signature: sig, Key: xmlsec.WithKey(other.Public())}, xmlsec.ReasonSignatureInvalid},
		{"no attachments", xmlsec.Verification{Signature: sig, Key: key}, xmlsec.ReasonAttachmentUnknown},
		{"an unknown attachment", xmlsec.Verification{Signature: sig, Key: key, Attachments: unknown}, xmlsec.ReasonAttachmentUnknown},
		{"a changed attachment", xmlsec.Verification{Signature: sig, Key: key, Attachments: attachments([]byte("other"))}, xmlsec.ReasonDigestMismatch},
		{"too few references allowed", xmlsec.Verification{Signature: sig, Key: key, Policy: xmlsec.Policy{MaxReferences: 2}}, xmlsec.ReasonTooManyReferences},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := xmlsec.Verify(c.in)
			wantReason(t, err, c.want)
		})
	}
	root := parse(t, `<a xmlns:ds="`+xmlsec.SpaceDS+`"><none/><one><ds:Signature/></one><two><ds:Signature/><ds:Signature/></two></a>`).Root()
	for name, want := range map[string]xmlsec.Reason{"none": xmlsec.ReasonNoSignature, "two": xmlsec.ReasonManySignatures} {
		parent, err := root.Only(xmldoc.Name{Local: name})
		if err != nil {
			t.Fatal(err)
		}
		_, err = xmlsec.FindSignature(parent)
		wantReason(t, err, want)
	}
}

// r and s have one spelling: exactly the width of the curve.
func TestECDSAValueHasOneSpelling(t *testing.T) {
	s := signed(t, xmlsec.Signing{Key: keys().p256})
	from, to := strings.Index(s, "<ds:SignatureValue>")+len("<ds:SignatureValue>"), strings.Index(s, "</ds:SignatureValue>")
	value, err := base64.StdEncoding.DecodeString(s[from:to])
	if err != nil || len(value) != 64 {
		t.Fatalf("value of %d bytes, %v", len(value), err)
	}
	put := func(b []byte) string { return s[:from] + base64.StdEncoding.EncodeToString(b) + s[to:] }
	padded := slices.Concat([]byte{0}, value[:32], []byte{0}, value[32:])
	der := slices.Concat([]byte{0x30, 68, 2, 32}, value[:32], []byte{2, 32}, value[32:])
	plusN := new(big.Int).Add(new(big.Int).SetBytes(value[32:]), elliptic.P256().Params().N)
	for name, b := range map[string][]byte{"padded": padded, "DER": der, "zero": make([]byte, 64), "half": value[:32], "s plus order": append(slices.Clone(value[:32]), plusN.Bytes()...)} {
		_, err := verify(t, put(b), keys().p256.Public(), allowAll)
		wantReason(t, err, xmlsec.ReasonSignatureInvalid)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// Enveloped must hold the signature, and only that one signature is left out.
func TestEnveloped(t *testing.T) {
	const doc = `<r xmlns="urn:r"><part Id="p">x</part>SIGNATURE</r>`
	make1 := func(target xmlsec.Target) string {
		sig, err := xmlsec.Sign(xmlsec.Signing{Key: keys().rsa, Targets: []xmlsec.Target{target}})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Replace(doc, "SIGNATURE", string(sig.XML), 1)
	}
	empty := parse(t, strings.Replace(doc, "SIGNATURE", "", 1))
	good := make1(xmlsec.Target{Enveloped: true, Element: empty.Root()})
	v, err := verify(t, good, keys().rsa.Public(), allowAll)
	if err != nil || len(v.Elements()) != 1 {
		t.Fatalf("refused: %v", err)
	}
	_, err = verify(t, good, keys().rsa.Public(), xmlsec.Policy{})
	wantReason(t, err, xmlsec.ReasonURI)
	second := strings.Replace(good, "</r>", `<Signature xmlns="`+xmlsec.SpaceDS+`"/></r>`, 1)
	_, err = verify(t, second, keys().rsa.Public(), allowAll)
	wantReason(t, err, xmlsec.ReasonDigestMismatch)
	_, err = verify(t, "<?late instruction?>"+good, keys().rsa.Public(), allowAll)
	wantReason(t, err, xmlsec.ReasonDigestMismatch)
	outside := strings.Replace(make1(xmlsec.Target{ID: "p", Element: elementWithID(t, empty, "p")}), `<ds:Transforms>`,
		`<ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>`, 1)
	_, err = verify(t, outside, keys().rsa.Public(), allowAll)
	wantReason(t, err, xmlsec.ReasonTransform)
}

func TestSignRefuses(t *testing.T) {
	root := parse(t, letter).Root()
	digest := make([]byte, 32)
	for name, s := range map[string]xmlsec.Signing{
		"no key":                {Targets: []xmlsec.Target{{ID: "a", Element: root}}},
		"no targets":            {Key: keys().rsa},
		"a key of another kind": {Key: keys().p256, Algorithm: xmlsec.RSASHA256, Targets: []xmlsec.Target{{ID: "a", Element: root}}},
		"an unknown algorithm":  {Key: keys().rsa, Algorithm: "urn:none", Targets: []xmlsec.Target{{ID: "a", Element: root}}},
		"an unknown digest":     {Key: keys().rsa, Digest: "urn:none", Targets: []xmlsec.Target{{ID: "a", Element: root}}},
		"an id with markup":     {Key: keys().rsa, ID: `"><x`, Targets: []xmlsec.Target{{ID: "a", Element: root}}},
		"a target with markup":  {Key: keys().rsa, Targets: []xmlsec.Target{{ID: `"><x`, Element: root}}},
		"a target by two names": {Key: keys().rsa, Targets: []xmlsec.Target{{ID: "a", CID: "b", Digest: digest}}},
		"a target by no name":   {Key: keys().rsa, Targets: []xmlsec.Target{{Digest: digest}}},
		"a target of nothing":   {Key: keys().rsa, Targets: []xmlsec.Target{{ID: "a"}}},
		"two contents":          {Key: keys().rsa, Targets: []xmlsec.Target{{CID: "a", Digest: digest, Canonical: digest}}},
		"a short digest":        {Key: keys().rsa, Targets: []xmlsec.Target{{CID: "a", Digest: digest[1:]}}},
		"an element as a part":  {Key: keys().rsa, Targets: []xmlsec.Target{{CID: "a", Element: root}}},
	} {
		if _, err := xmlsec.Sign(s); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range xmlsec.Reasons() {
		if s := r.String(); s == "" || strings.HasPrefix(s, "reason(") || seen[s] {
			t.Errorf("reason %d is called %q", r, s)
		} else {
			seen[s] = true
		}
	}
}
