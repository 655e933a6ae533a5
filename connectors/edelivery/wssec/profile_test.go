package wssec

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/pkitest"
	"oncegate/connectors/xmlsec"
)

func TestEveryProfileWithEveryToken(t *testing.T) {
	t.Parallel()
	for name, a := range parties() {
		for _, sign := range Tokens() {
			for _, encrypt := range Tokens() {
				if a.profile != Profile115 && sign != encrypt {
					continue // forms and algorithms do not know of each other
				}
				s, err := Seal(Sealing{Messaging: header, MessageID: "m@x", Profile: a.profile, Sign: a.from.sign, SignToken: sign,
					Recipient: a.to.decrypt.Certificate, EncryptToken: encrypt,
					Parts: []OutPart{{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")}, {ID: "b@x", MediaType: "application/pdf", Content: []byte("two")}}})
				if err != nil {
					t.Fatalf("%s %s %s: %v", name, sign, encrypt, err)
				}
				o, err := open(t, s, Opening{Verifier: pinned(t, a.from.sign.Certificate), Profile: a.profile,
					Allow: Algorithms{Tokens: Tokens()}, Decrypt: []Decryption{{Certificate: ring().sender.cert, Key: ring().sender.key}, a.to.decrypt}})
				if err != nil {
					t.Errorf("%s %s %s: %v", name, sign, encrypt, err)
					continue
				}
				if got := string(o.Parts[0].Content) + string(o.Parts[1].Content); got != "onetwo" || !o.Signer.Equal(a.from.sign.Certificate) {
					t.Errorf("%s %s %s: %q", name, sign, encrypt, got)
				}
				for i, r := range s.References {
					if r.CID != "" && o.Parts[i-2].Digest != r.DigestValue() {
						t.Errorf("%s: digest of part %d is %s, want %s", name, i, o.Parts[i-2].Digest, r.DigestValue())
					}
				}
			}
		}
	}
}

// No algorithm of one profile is accepted in another, unless the agreement names it (i.11).
func TestProfilesDoNotMix(t *testing.T) {
	t.Parallel()
	for sent, a := range parties() {
		for agreed, b := range parties() {
			if a.profile == b.profile {
				continue
			}
			s, err := Seal(Sealing{Messaging: header, MessageID: "m@x", Profile: a.profile, Sign: a.from.sign, Recipient: a.to.decrypt.Certificate,
				Parts: []OutPart{{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")}}})
			if err != nil {
				t.Fatal(err)
			}
			in := Opening{Verifier: pinned(t, a.from.sign.Certificate), Profile: b.profile, Decrypt: []Decryption{a.to.decrypt, b.to.decrypt}}
			if _, err := open(t, s, in); code(err) != ebms.PolicyNoncompliance {
				t.Errorf("%s sent, %s agreed: %v, want %s", sent, agreed, err, ebms.PolicyNoncompliance)
			}
			in.Allow.Signatures = a.profile.Algorithms().Signatures
			if _, err := open(t, s, in); code(err) != ebms.PolicyNoncompliance {
				t.Errorf("%s sent, %s agreed with the signature allowed: %v, want %s", sent, agreed, err, ebms.PolicyNoncompliance)
			}
			in.Allow.Transports, in.Allow.Agreements = a.profile.Algorithms().Transports, a.profile.Algorithms().Agreements
			if _, err := open(t, s, in); err != nil {
				t.Errorf("%s sent, %s agreed and all allowed: %v", sent, agreed, err)
			}
		}
	}
}

func TestKeysOfAnotherProfileAreNotUsed(t *testing.T) {
	t.Parallel()
	var ids []Identity
	var certs []*x509.Certificate
	all := parties()
	for _, name := range []string{"RSA", "Ed25519", "P-256"} {
		ids, certs = append(ids, all[name].to.sign), append(certs, all[name].to.decrypt.Certificate)
	}
	for i, p := range []Profile{Profile115, Profile20, Profile20ECDSA} {
		id, err := p.Signer(ids, testNow)
		if err != nil || id.Certificate != ids[i].Certificate {
			t.Errorf("%s signs with %v, %v", p, id.Certificate.Subject, err)
		}
		c, err := p.Recipient(certs, testNow)
		if err != nil || c != certs[i] {
			t.Errorf("%s encrypts for another certificate, %v", p, err)
		}
		others := append(certs[:i:i], certs[i+1:]...)
		if _, err := p.Recipient(others, testNow); err == nil {
			t.Errorf("%s encrypts for a certificate of another profile", p)
		}
		if _, err := p.Signer(append(ids[:i:i], ids[i+1:]...), testNow); err == nil {
			t.Errorf("%s signs with a key of another profile", p)
		}
		if _, err := p.Recipient(certs[i:i+1], testNow.AddDate(2, 0, 0)); err == nil {
			t.Errorf("%s encrypts for an expired certificate", p)
		}
		for j, c := range certs {
			_, err := Seal(Sealing{Messaging: header, MessageID: "m@x", Profile: p, Sign: ids[i], Recipient: c, Parts: []OutPart{{ID: "a@x"}}})
			if (err == nil) != (i == j) {
				t.Errorf("%s sealed for certificate %d: %v", p, j, err)
			}
			_, err = Seal(Sealing{Messaging: header, MessageID: "m@x", Profile: p, Sign: ids[j]})
			if (err == nil) != (i == j) {
				t.Errorf("%s signed with key %d: %v", p, j, err)
			}
		}
	}
	// A certificate for signing is not one for key agreement, whatever its curve.
	if _, err := Profile20ECDSA.Recipient([]*x509.Certificate{all["P-256"].to.sign.Certificate}, testNow); err == nil {
		t.Error("encrypts for a certificate that may only sign")
	}
}

func TestProfileFillsWhatIsNotNamed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		profile Profile
		allow   Algorithms
		want    Algorithms
	}{
		{"unset is 1.15", "", Algorithms{}, Profile115.Algorithms()},
		{"2.0", Profile20, Algorithms{}, Profile20.Algorithms()},
		{"named transports leave no agreement", Profile20, Algorithms{Transports: []xmlsec.KeyTransport{xmlsec.RSAOAEP}}, Algorithms{
			Signatures: Profile20.Algorithms().Signatures, Data: Profile20.Algorithms().Data,
			Transports: []xmlsec.KeyTransport{xmlsec.RSAOAEP}, Tokens: Profile20.Algorithms().Tokens,
		}},
	} {
		if diff := cmp.Diff(tt.want, tt.allow.of(tt.profile)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// The layout of the 2.0 profile, as WSS4J reads it.
func TestLayoutOfKeyAgreement(t *testing.T) {
	t.Parallel()
	a := parties()["Ed25519"]
	s, err := Seal(Sealing{Messaging: header, MessageID: "m@x", Profile: a.profile, Sign: a.from.sign, Recipient: a.to.decrypt.Certificate,
		Parts: []OutPart{{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")}}})
	if err != nil {
		t.Fatal(err)
	}
	text := string(s.Envelope)
	at := 0
	for _, want := range []string{
		`<wsse:BinarySecurityToken `, `<xenc:EncryptedKey xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" Id="EK-`,
		`<xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#kw-aes128"/>`, `<ds:KeyInfo `,
		`<xenc:AgreementMethod Algorithm="http://www.w3.org/2021/04/xmldsig-more#x25519">`,
		`<xenc11:KeyDerivationMethod xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2021/04/xmldsig-more#hkdf">`,
		`<dsig-more:HKDFParams xmlns:dsig-more="http://www.w3.org/2021/04/xmldsig-more#">`,
		`<dsig-more:PRF Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"/><dsig-more:Salt>`,
		`</dsig-more:Salt><dsig-more:KeyLength>16</dsig-more:KeyLength></dsig-more:HKDFParams></xenc11:KeyDerivationMethod>`,
		`<xenc:OriginatorKeyInfo><dsig11:DEREncodedKeyValue xmlns:dsig11="http://www.w3.org/2009/xmldsig11#">MCowBQYDK2VuAyEA`,
		`</dsig11:DEREncodedKeyValue></xenc:OriginatorKeyInfo><xenc:RecipientKeyInfo><wsse:SecurityTokenReference><wsse:Reference URI="#X509-EK-`,
		`</xenc:RecipientKeyInfo></xenc:AgreementMethod></ds:KeyInfo><xenc:CipherData>`,
		`<xenc:ReferenceList>`, `<xenc:EncryptedData `, `<wsse:BinarySecurityToken `,
		`<ds:SignatureMethod Algorithm="http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519">`,
	} {
		i := strings.Index(text[at:], want)
		if i < 0 {
			t.Fatalf("after byte %d there is no %s in\n%s", at, want, text)
		}
		at += i + len(want)
	}
	_, rest, _ := strings.Cut(text, "<ds:SignatureValue>")
	value, _, _ := strings.Cut(rest, "<")
	if b, err := base64.StdEncoding.DecodeString(value); err != nil || len(b) != 64 {
		t.Errorf("signature value of %d bytes, %v; want 64", len(b), err)
	}
}

// A path goes from the authority that the anchor certified to the leaf (X.509 10.1).
func TestPathEndsWithTheLeaf(t *testing.T) {
	t.Parallel()
	root := newKeypair("Root", nil, pkitest.Authority)
	middle := newKeypair("Issuing CA", &root, pkitest.Authority)
	leaf := certify(ring().sender.key, "AP_NL_01", &middle, nil)
	for _, tt := range []struct {
		name  string
		chain []*x509.Certificate
		want  [][]byte
	}{
		{"with the anchor", []*x509.Certificate{middle.cert, root.cert}, [][]byte{middle.cert.Raw, leaf.cert.Raw}},
		{"without the anchor", []*x509.Certificate{middle.cert}, [][]byte{middle.cert.Raw, leaf.cert.Raw}},
		{"leaf alone", nil, [][]byte{leaf.cert.Raw}},
	} {
		var got []asn1.RawValue
		if _, err := asn1.Unmarshal(citation{form: TokenPKIPath, certificate: leaf.cert, chain: tt.chain}.path(), &got); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(tt.want) {
			t.Fatalf("%s: %d certificates, want %d", tt.name, len(got), len(tt.want))
		}
		for i := range got {
			if !bytes.Equal(got[i].FullBytes, tt.want[i]) {
				t.Errorf("%s: certificate %d is another", tt.name, i)
			}
		}
	}
	v, err := NewVerifier(Trust{Anchors: []*x509.Certificate{root.cert}, Names: []string{"AP_NL_01"}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Seal(Sealing{Messaging: header, MessageID: "m@x", SignToken: TokenPKIPath, Sign: Identity{Certificate: leaf.cert, Chain: []*x509.Certificate{middle.cert, root.cert}, Key: leaf.key}})
	if err != nil {
		t.Fatal(err)
	}
	if o, err := open(t, s, Opening{Verifier: v}); err != nil || !o.Signer.Equal(leaf.cert) {
		t.Errorf("path is not followed: %v", err)
	}
}

func TestTokensThatAreNotAllowed(t *testing.T) {
	t.Parallel()
	a := parties()["RSA"]
	for _, tt := range []struct {
		name          string
		sign, encrypt Token
		allow         []Token
		want          ebms.Code
	}{
		{"thumbprint of the signer", TokenThumbprint, TokenBST, nil, ebms.FailedAuthentication},
		{"thumbprint of the recipient", TokenBST, TokenThumbprint, nil, ebms.FailedDecryption},
		{"thumbprint allowed", TokenThumbprint, TokenThumbprint, []Token{TokenThumbprint}, ""},
		{"only tokens with the certificate", TokenSKI, TokenBST, []Token{TokenBST, TokenPKIPath}, ebms.FailedAuthentication},
	} {
		s, err := Seal(Sealing{Messaging: header, MessageID: "m@x", Sign: a.from.sign, SignToken: tt.sign, Recipient: a.to.decrypt.Certificate, EncryptToken: tt.encrypt,
			Parts: []OutPart{{ID: "a@x", MediaType: "application/gzip", Content: []byte("one")}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, s, Opening{Verifier: pinned(t, a.from.sign.Certificate), Allow: Algorithms{Tokens: tt.allow}, Decrypt: []Decryption{a.to.decrypt}}); code(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
