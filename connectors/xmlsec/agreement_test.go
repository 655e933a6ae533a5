package xmlsec_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

var agreements = []xmlsec.KeyAgreement{xmlsec.X25519, xmlsec.ECDHES}

func newAgreementKey(t testing.TB, c ecdh.Curve) *ecdh.PrivateKey {
	t.Helper()
	key, err := c.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func agreed(t testing.TB, to *ecdh.PublicKey) (header string, sealed map[string][]byte) {
	t.Helper()
	out, err := xmlsec.Encrypt(xmlsec.Encryption{
		Recipient: to, KeyID: "EK-1", KeyInfo: []byte(tokenReference),
		Parts: []xmlsec.Part{{CID: "a", DataID: "ED-1", Content: []byte("first content")}, {CID: "b", DataID: "ED-2", Content: []byte("second content")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return "<h>" + string(out.Key) + string(bytes.Join(out.Data, nil)) + "</h>", map[string][]byte{"a": out.Sealed[0], "b": out.Sealed[1]}
}

func agreeing(t testing.TB, header string, sealed map[string][]byte, key ecdh.KeyExchanger) xmlsec.Decryption {
	t.Helper()
	in := decryption(t, header, sealed, nil)
	in.Key = nil
	in.Agree = func(info xmldoc.Element) (ecdh.KeyExchanger, error) {
		if !info.Is(xmldoc.Name{Space: xmlsec.SpaceXENC, Local: "RecipientKeyInfo"}) {
			return nil, errors.New("not a RecipientKeyInfo")
		}
		return key, nil
	}
	in.Policy.Agreements = agreements
	return in
}

func TestAgreementOpensWhatItSeals(t *testing.T) {
	for name, c := range map[string]ecdh.Curve{"X25519": ecdh.X25519(), "P-256": ecdh.P256(), "P-384": ecdh.P384(), "P-521": ecdh.P521()} {
		key := newAgreementKey(t, c)
		header, sealed := agreed(t, key.PublicKey())
		got, err := xmlsec.Decrypt(agreeing(t, header, sealed, key))
		if err != nil || string(got[0].Content) != "first content" || string(got[1].Content) != "second content" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		again, _ := agreed(t, key.PublicKey())
		if header == again {
			t.Errorf("%s: two messages under one key", name)
		}
		_, err = xmlsec.Decrypt(agreeing(t, header, sealed, newAgreementKey(t, c)))
		wantReason(t, err, xmlsec.ReasonDecryption)
	}
}

// Other stacks write the sender's key in the other form too.
func TestOriginatorKeyInEitherForm(t *testing.T) {
	key := newAgreementKey(t, ecdh.P256())
	header, sealed := agreed(t, key.PublicKey())
	start, end := strings.Index(header, "<ds:KeyValue>"), strings.Index(header, "</xenc:OriginatorKeyInfo>")
	text := between(t, header, "<dsig11:PublicKey>", "<")
	point, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	header = header[:start] + `<d:DEREncodedKeyValue xmlns:d="` + xmlsec.SpaceDSIG11 + `">` + base64.StdEncoding.EncodeToString(der) + `</d:DEREncodedKeyValue>` + header[end:]
	if got, err := xmlsec.Decrypt(agreeing(t, header, sealed, key)); err != nil || string(got[0].Content) != "first content" {
		t.Errorf("%v, %v", got, err)
	}
}

func between(t testing.TB, s, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(s, from)
	text, _, ok2 := strings.Cut(rest, to)
	if !ok || !ok2 {
		t.Fatalf("no %s in %s", from, s)
	}
	return text
}

func replaced(from, to string) func(testing.TB, string) string {
	return func(t testing.TB, s string) string {
		t.Helper()
		if !strings.Contains(s, from) {
			t.Fatalf("no %s in %s", from, s)
		}
		return strings.Replace(s, from, to, 1)
	}
}

// cut removes an element with its content.
func cut(name string) func(testing.TB, string) string {
	return func(t testing.TB, s string) string {
		t.Helper()
		start, end := strings.Index(s, "<"+name), strings.Index(s, "</"+name+">")
		if start < 0 || end < 0 {
			t.Fatalf("no %s in %s", name, s)
		}
		return s[:start] + s[end+len("</"+name+">"):]
	}
}

// originator writes another public key for the sender.
func originator(der []byte) func(testing.TB, string) string {
	return func(t testing.TB, s string) string {
		t.Helper()
		return strings.Replace(s, between(t, s, `xmldsig11#">`, "<"), base64.StdEncoding.EncodeToString(der), 1)
	}
}

func marshalled(t testing.TB, key *ecdh.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestAgreementsThatAreRefused(t *testing.T) {
	const hkdfSalt = "<dsig-more:Salt>"
	key := newAgreementKey(t, ecdh.X25519())
	header, sealed := agreed(t, key.PublicKey())
	brainpool := []byte("\x30\x5a\x30\x14\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07\x03\x42\x00\x04" + strings.Repeat("\x01", 64))
	lowOrder := append([]byte("\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00"), make([]byte, 32)...)
	for _, tt := range []struct {
		name string
		edit func(testing.TB, string) string
		want xmlsec.Reason
	}{
		{"unchanged", func(_ testing.TB, s string) string { return s }, xmlsec.ReasonUnset},
		{"PRF absent is HMAC-SHA256", replaced(`<dsig-more:PRF Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"/>`, ""), xmlsec.ReasonUnset},
		{"KeyLength absent is that of the wrapping", cut("dsig-more:KeyLength"), xmlsec.ReasonUnset},
		{"RecipientKeyInfo absent", cut("xenc:RecipientKeyInfo"), xmlsec.ReasonStructure},
		{"OriginatorKeyInfo absent", cut("xenc:OriginatorKeyInfo"), xmlsec.ReasonStructure},
		{"KeyDerivationMethod absent", cut("xenc11:KeyDerivationMethod"), xmlsec.ReasonStructure},
		{"HKDFParams absent", cut("dsig-more:HKDFParams"), xmlsec.ReasonStructure},
		{"KeyInfo absent", cut("ds:KeyInfo"), xmlsec.ReasonStructure},
		{"a nonce", replaced("<xenc11:KeyDerivationMethod", "<xenc:KA-Nonce>AAAA</xenc:KA-Nonce><xenc11:KeyDerivationMethod"), xmlsec.ReasonStructure},
		{"two agreements", func(_ testing.TB, s string) string {
			m := "<xenc:AgreementMethod" + between(t, s, "<xenc:AgreementMethod", "</xenc:AgreementMethod>") + "</xenc:AgreementMethod>"
			return strings.Replace(s, m, m+m, 1)
		}, xmlsec.ReasonStructure},
		{"salt wrapped in Specified", func(_ testing.TB, s string) string {
			salt := between(t, s, hkdfSalt, "<")
			return strings.Replace(s, hkdfSalt+salt, hkdfSalt+"<dsig-more:Specified>"+salt+"</dsig-more:Specified>", 1)
		}, xmlsec.ReasonStructure},
		{"salt that is no base64", replaced(hkdfSalt, hkdfSalt+"!"), xmlsec.ReasonStructure},
		{"salt of 2 KB", replaced(hkdfSalt, hkdfSalt+strings.Repeat("AAAA", 700)), xmlsec.ReasonStructure},
		{"another salt", replaced(hkdfSalt, hkdfSalt+"AAAA"), xmlsec.ReasonDecryption},
		{"info added", replaced("<dsig-more:KeyLength>", "<dsig-more:Info>AAAA</dsig-more:Info><dsig-more:KeyLength>"), xmlsec.ReasonDecryption},
		{"parameters in another order", func(_ testing.TB, s string) string {
			salt := hkdfSalt + between(t, s, hkdfSalt, "</") + "</dsig-more:Salt>"
			return strings.Replace(strings.Replace(s, salt, "", 1), "</dsig-more:KeyLength>", "</dsig-more:KeyLength>"+salt, 1)
		}, xmlsec.ReasonStructure},
		{"key length in bits", replaced("KeyLength>16<", "KeyLength>128<"), xmlsec.ReasonStructure},
		{"key length of 32", replaced("KeyLength>16<", "KeyLength>32<"), xmlsec.ReasonStructure},
		{"PRF with SHA-512", replaced("hmac-sha256", "hmac-sha512"), xmlsec.ReasonUnknownAlgorithm},
		{"ConcatKDF", replaced("http://www.w3.org/2021/04/xmldsig-more#hkdf", "http://www.w3.org/2009/xmlenc11#ConcatKDF"), xmlsec.ReasonUnknownAlgorithm},
		{"Diffie-Hellman", replaced(string(xmlsec.X25519), "http://www.w3.org/2001/04/xmlenc#dh"), xmlsec.ReasonUnknownAlgorithm},
		{"X448", replaced(string(xmlsec.X25519), "http://www.w3.org/2021/04/xmldsig-more#x448"), xmlsec.ReasonUnknownAlgorithm},
		{"AES-256 key wrap", replaced("#kw-aes128", "#kw-aes256"), xmlsec.ReasonUnknownAlgorithm},
		{"Triple-DES key wrap", replaced("#kw-aes128", "#kw-tripledes"), xmlsec.ReasonUnknownAlgorithm},
		{"key transport with an agreement", replaced("http://www.w3.org/2001/04/xmlenc#kw-aes128", string(xmlsec.RSAOAEP)), xmlsec.ReasonAlgorithmDenied},
		{"X25519 said to be ECDH-ES", replaced(string(xmlsec.X25519), string(xmlsec.ECDHES)), xmlsec.ReasonKeyUnfit},
		{"a P-256 key of the sender", originator(marshalled(t, newAgreementKey(t, ecdh.P256()))), xmlsec.ReasonKeyUnfit},
		{"a brainpool key of the sender", originator(brainpool), xmlsec.ReasonKeyUnfit},
		{"a key that is no key", originator([]byte{0x30, 0}), xmlsec.ReasonKeyUnfit},
		{"a key of low order", originator(lowOrder), xmlsec.ReasonDecryption},
		{"wrapped key cut", func(_ testing.TB, s string) string {
			v := between(t, s, "<xenc:CipherValue>", "<")
			return strings.Replace(s, v, v[:16], 1)
		}, xmlsec.ReasonDecryption},
	} {
		in := agreeing(t, tt.edit(t, header), sealed, key)
		_, err := xmlsec.Decrypt(in)
		if tt.want == xmlsec.ReasonUnset {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if r, ok := errors.AsType[*xmlsec.Refusal](err); !ok || r.Reason != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestCurvesThatAreRefused(t *testing.T) {
	key := newAgreementKey(t, ecdh.P256())
	header, sealed := agreed(t, key.PublicKey())
	point := between(t, header, "<dsig11:PublicKey>", "<")
	for _, tt := range []struct{ name, from, to string }{
		{"another curve is named", "urn:oid:1.2.840.10045.3.1.7", "urn:oid:1.3.132.0.34"},
		{"brainpoolP256r1", "urn:oid:1.2.840.10045.3.1.7", "urn:oid:1.3.36.3.3.2.8.1.1.7"},
		{"no curve", "urn:oid:1.2.840.10045.3.1.7", "urn:oid:"},
		{"a point off the curve", point, "BA" + strings.Repeat("A", len(point)-2-1) + "="},
		{"the point at infinity", point, "AA=="},
		{"said to be X25519", string(xmlsec.ECDHES), string(xmlsec.X25519)},
	} {
		_, err := xmlsec.Decrypt(agreeing(t, strings.Replace(header, tt.from, tt.to, 1), sealed, key))
		if r, ok := errors.AsType[*xmlsec.Refusal](err); !ok || r.Reason != xmlsec.ReasonKeyUnfit {
			t.Errorf("%s: %v, want %s", tt.name, err, xmlsec.ReasonKeyUnfit)
		}
	}
	other, sealed := agreed(t, newAgreementKey(t, ecdh.P384()).PublicKey())
	_, err := xmlsec.Decrypt(agreeing(t, other, sealed, key))
	wantReason(t, err, xmlsec.ReasonKeyUnfit)
}

// What the policy does not name is not used, though a key for it is at hand (i.11).
func TestAgreementAndTransportDoNotStandIn(t *testing.T) {
	key := newAgreementKey(t, ecdh.X25519())
	byAgreement, sealed := agreed(t, key.PublicKey())
	in := agreeing(t, byAgreement, sealed, key)
	in.Key = func(xmldoc.Element) (crypto.Decrypter, error) { return keys().rsa, nil }
	for _, p := range []xmlsec.EncryptionPolicy{{}, {Transports: []xmlsec.KeyTransport{xmlsec.RSAOAEP}}, {Agreements: agreements[1:]}} {
		in.Policy = p
		_, err := xmlsec.Decrypt(in)
		wantReason(t, err, xmlsec.ReasonAlgorithmDenied)
	}
	byTransport, sealed := encrypted(t, xmlsec.AES128GCM)
	in = decryption(t, byTransport, sealed, keys().rsa)
	in.Agree = func(xmldoc.Element) (ecdh.KeyExchanger, error) { return key, nil }
	in.Policy.Agreements = agreements
	_, err := xmlsec.Decrypt(in)
	wantReason(t, err, xmlsec.ReasonAlgorithmDenied)

	in = agreeing(t, byAgreement, sealed, key)
	in.Agree, in.Key = nil, func(xmldoc.Element) (crypto.Decrypter, error) { return keys().rsa, nil }
	_, err = xmlsec.Decrypt(in)
	wantReason(t, err, xmlsec.ReasonKeyUnresolved)
}

// A wrapped key that is wrong and a content that is wrong are one failure, in words
// and in work (i.12).
func TestAgreementFailuresLookAlike(t *testing.T) {
	key := newAgreementKey(t, ecdh.X25519())
	header, sealed := agreed(t, key.PublicKey())
	value := between(t, header, "<xenc:CipherValue>", "<")
	wrongKey := strings.Replace(header, value, strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return 'A'
	}, value), 1)
	changed := map[string][]byte{"a": bytes.Clone(sealed["a"]), "b": sealed["b"]}
	changed["a"][20] ^= 1
	_, first := xmlsec.Decrypt(agreeing(t, wrongKey, sealed, key))
	_, second := xmlsec.Decrypt(agreeing(t, header, changed, key))
	if first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("%v and %v", first, second)
	}
}

// An exchanger of another make may not know that zeros are no secret.
func TestSecretOfZerosIsRefused(t *testing.T) {
	key := newAgreementKey(t, ecdh.X25519())
	header, sealed := agreed(t, key.PublicKey())
	_, err := xmlsec.Decrypt(agreeing(t, header, sealed, zeros{key}))
	wantReason(t, err, xmlsec.ReasonDecryption)
}

type zeros struct{ *ecdh.PrivateKey }

func (zeros) ECDH(*ecdh.PublicKey) ([]byte, error) { return make([]byte, 32), nil }
