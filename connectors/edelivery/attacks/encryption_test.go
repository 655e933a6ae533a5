package attacks

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // what an old peer would use
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/pkitest"
	"oncegate/connectors/xmlsec"
)

const (
	dsNS   = ` xmlns:ds="http://www.w3.org/2000/09/xmldsig#"`
	encNS  = "http://www.w3.org/2001/04/xmlenc#"
	enc11  = "http://www.w3.org/2009/xmlenc11#"
	moreNS = "http://www.w3.org/2001/04/xmldsig-more#"
	more21 = "http://www.w3.org/2021/04/xmldsig-more#"
)

func encryptionMethod(alg, digest, mgf string) string {
	s := `<xenc:EncryptionMethod Algorithm="` + alg + `">`
	if digest != "" {
		s += `<ds:DigestMethod` + dsNS + ` Algorithm="` + digest + `"></ds:DigestMethod>`
	}
	if mgf != "" {
		s += `<xenc11:MGF xmlns:xenc11="` + enc11 + `" Algorithm="` + mgf + `"></xenc11:MGF>`
	}
	return s + `</xenc:EncryptionMethod>`
}

func paddedAsOfOld(pub *rsa.PublicKey, key []byte) []byte {
	//lint:ignore SA1019 this is the attack
	return must(rsa.EncryptPKCS1v15(rand.Reader, pub, key))
}

// Encryption that is weaker than agreed, done as a peer would that believes in it (i.11).
//
// Covers: B-045, B-049, B-050
func TestEncryptionDowngrade(t *testing.T) {
	t.Parallel()
	transport := func(method string, wrap func(pub *rsa.PublicKey, key []byte) []byte) func(testing.TB, agreement) *parcel {
		return func(t testing.TB, a agreement) *parcel {
			p := seal(t, a)
			p.reencrypt(method, func(key []byte) []byte { return wrap(a.recipient(), key) })
			return p
		}
	}
	oaep256 := func(pub *rsa.PublicKey, key []byte) []byte {
		return must(rsa.EncryptOAEP(sha256.New(), rand.Reader, pub, key, nil))
	}
	oaepSHA1 := func(pub *rsa.PublicKey, key []byte) []byte {
		return must(rsa.EncryptOAEP(sha1.New(), rand.Reader, pub, key, nil)) //nolint:gosec // see import
	}
	data := func(alg string) func(p *parcel) {
		return func(p *parcel) { p.every(enc11+"aes128-gcm", alg) }
	}
	const denied, unknown = "algorithm-denied", "unknown-algorithm"
	const sha256URI, mgf256 = encNS + "sha256", enc11 + "mgf1sha256"
	attacks := []attack{
		{name: "RSA 1.5", make: transport(encryptionMethod(encNS+"rsa-1_5", "", ""), func(pub *rsa.PublicKey, key []byte) []byte {
			return paddedAsOfOld(pub, key)
		}), reason: unknown},
		{name: "OAEP with MGF1 of SHA-1", make: transport(encryptionMethod(encNS+"rsa-oaep-mgf1p", "http://www.w3.org/2000/09/xmldsig#sha1", ""), oaepSHA1), reason: denied},
		{name: "OAEP of today with SHA-1", make: transport(encryptionMethod(enc11+"rsa-oaep", "http://www.w3.org/2000/09/xmldsig#sha1", enc11+"mgf1sha1"), oaepSHA1), reason: denied},
		{name: "OAEP with its defaults, which are SHA-1", make: transport(encryptionMethod(enc11+"rsa-oaep", "", ""), oaepSHA1), reason: denied},
		{name: "OAEP with another mask", make: transport(encryptionMethod(enc11+"rsa-oaep", sha256URI, enc11+"mgf1sha1"), oaep256), reason: denied},
		{name: "OAEP with a mask of SHA-512", make: transport(encryptionMethod(enc11+"rsa-oaep", sha256URI, enc11+"mgf1sha512"), oaep256), reason: denied},
		{name: "OAEP with a label", make: transport(strings.Replace(encryptionMethod(enc11+"rsa-oaep", sha256URI, mgf256), "</xenc:Enc", "<xenc:OAEPparams>AAAA</xenc:OAEPparams></xenc:Enc", 1), oaep256), code: ebms.FailedDecryption, reason: "a parameter of the key transport"},
		{name: "OAEP with two digests", make: transport(strings.Replace(encryptionMethod(enc11+"rsa-oaep", sha256URI, mgf256), "</xenc:Enc", `<ds:DigestMethod`+dsNS+` Algorithm="`+sha256URI+`"/></xenc:Enc`, 1), oaep256), code: ebms.FailedDecryption, reason: "stands twice"},
		{name: "no algorithm for the key", make: transport(encryptionMethod("", "", ""), oaep256), reason: unknown},
		{name: "a key wrapped under a key that is known", make: transport(encryptionMethod(encNS+"kw-aes256", "", ""), oaep256), reason: unknown},
		{name: "key wrap where transport is agreed", make: transport(encryptionMethod(encNS+"kw-aes128", "", ""), oaep256), reason: "algorithm-denied: key agreement"},
		{name: "AES in CBC", do: data(encNS + "aes128-cbc"), reason: unknown},
		{name: "AES-256 in CBC", do: data(encNS + "aes256-cbc"), reason: unknown},
		{name: "triple DES", do: data(encNS + "tripledes-cbc"), reason: unknown},
		{name: "no encryption by name", do: data("http://www.w3.org/2001/04/xmlenc#none"), reason: unknown},
		{name: "no algorithm", do: data(""), reason: unknown},
		{name: "AES-256 in GCM, which is not agreed", do: data(enc11 + "aes256-gcm"), reason: denied},
		{name: "one of two parts in CBC", do: func(p *parcel) { p.first(enc11+"aes128-gcm", encNS+"aes128-cbc") }, reason: unknown},
		{name: "a key size beside the algorithm", do: func(p *parcel) {
			p.in("<xenc:EncryptedData", "</xenc:EncryptedData>", func(s string) string {
				return strings.Replace(s, enc11+`aes128-gcm"/>`, enc11+`aes128-gcm"><xenc:KeySize>40</xenc:KeySize></xenc:EncryptionMethod>`, 1)
			})
		}, code: ebms.FailedDecryption, reason: "xmlsec: structure"},
		{name: "key transport where agreement is agreed", under: "2.0", make: func(t testing.TB, a agreement) *parcel {
			p, q := seal(t, a), seal(t, agreements()["1.15"])
			p.swap(p.find("<xenc:EncryptedKey", "</xenc:EncryptedKey>"), q.find("<xenc:EncryptedKey", "</xenc:EncryptedKey>"))
			return p
		}, reason: "algorithm-denied: key transport"},
		{name: "the key is for another partner", make: func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) { l.seal.Recipient = a.keys.otherDecode.cert })
		}, code: ebms.FailedDecryption, reason: "encrypted for another certificate"},
		{name: "the key is for another partner and names us", make: func(t testing.TB, a agreement) *parcel {
			p := seal(t, a, func(l *letter) { l.seal.Recipient = a.keys.otherDecode.cert })
			p.swap(base64.StdEncoding.EncodeToString(a.keys.otherDecode.cert.Raw), base64.StdEncoding.EncodeToString(a.keys.decode.cert.Raw))
			return p
		}, code: ebms.FailedDecryption, reason: "decryption failed"},
		{name: "the key names our certificate for signing", do: func(p *parcel) {
			p.swap(base64.StdEncoding.EncodeToString(p.agreement.keys.decode.cert.Raw), base64.StdEncoding.EncodeToString(p.agreement.keys.ours.cert.Raw))
		}, code: ebms.FailedDecryption, reason: "encrypted for another certificate"},
	}
	for i := range attacks {
		if attacks[i].code == "" {
			attacks[i].code = ebms.PolicyNoncompliance
		}
	}
	run(t, attacks)
}

// What is refused unless it is agreed is taken where it is.
func TestOldKeyTransportWhereItIsAgreed(t *testing.T) {
	t.Parallel()
	a := agreements()["1.15"]
	p := seal(t, a)
	p.reencrypt(encryptionMethod(encNS+"rsa-oaep-mgf1p", "http://www.w3.org/2000/09/xmldsig#sha1", ""), func(key []byte) []byte {
		return must(rsa.EncryptOAEP(sha1.New(), rand.Reader, a.recipient(), key, nil)) //nolint:gosec // see import
	})
	newStation(t, a, func(p *pmode.Partner, _ *edelivery.Config) {
		p.Allow.Transports = []xmlsec.KeyTransport{xmlsec.RSAOAEPMGF1P}
	}).wantTaken(p)
}

// originator puts another public key into the key agreement.
func originator(info string) func(p *parcel) {
	return func(p *parcel) {
		p.in("<xenc:OriginatorKeyInfo>", "</xenc:OriginatorKeyInfo>", func(string) string {
			return "<xenc:OriginatorKeyInfo>" + info + "</xenc:OriginatorKeyInfo>"
		})
	}
}

func derKey(b []byte) string {
	return `<dsig11:DEREncodedKeyValue xmlns:dsig11="http://www.w3.org/2009/xmldsig11#">` + base64.StdEncoding.EncodeToString(b) + `</dsig11:DEREncodedKeyValue>`
}

func x25519Key(point []byte) string {
	return derKey(append([]byte("\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00"), point...))
}

func ecKey(oid string, point []byte) string {
	return `<ds:KeyValue><dsig11:ECKeyValue xmlns:dsig11="http://www.w3.org/2009/xmldsig11#"><dsig11:NamedCurve URI="urn:oid:` + oid + `"/><dsig11:PublicKey>` +
		base64.StdEncoding.EncodeToString(point) + `</dsig11:PublicKey></dsig11:ECKeyValue></ds:KeyValue>`
}

// lowOrder are the points of small order of Curve25519 and its twist, as RFC 7748 (6.1)
// warns of them: with them everybody knows the shared secret.
var lowOrder = map[string][]byte{
	"zero":      make([]byte, 32),
	"one":       append([]byte{1}, make([]byte, 31)...),
	"order 8":   must(base64.StdEncoding.DecodeString("4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=")),
	"order 8'":  must(base64.StdEncoding.DecodeString("X5yVvKNQjCSx0LFVnIPvWwRExFjEHI6G2CJO3dCfEVc=")),
	"p - 1":     append([]byte{0xec}, append(bytes.Repeat([]byte{0xff}, 30), 0x7f)...),
	"p":         append([]byte{0xed}, append(bytes.Repeat([]byte{0xff}, 30), 0x7f)...),
	"p + 1":     append([]byte{0xee}, append(bytes.Repeat([]byte{0xff}, 30), 0x7f)...),
	"high zero": append(make([]byte, 31), 0x80),
}

// Keys that are agreed on in ways that give them away, or that only look so (i.25).
func TestKeyAgreement(t *testing.T) {
	t.Parallel()
	p256, p384 := ecdh.P256(), must(ecdh.P384().GenerateKey(rand.Reader))
	offCurve := must(p256.GenerateKey(rand.Reader)).PublicKey().Bytes()
	offCurve[len(offCurve)-1] ^= 1
	const (
		oid256, oid384 = "1.2.840.10045.3.1.7", "1.3.132.0.34"
		failed         = "decryption failed"
	)
	key := func(edit func(string) string) func(p *parcel) { return func(p *parcel) { p.encryptedKey(edit) } }
	attacks := []attack{
		{name: "a point off the curve", under: "2.0-ecdsa", do: originator(ecKey(oid256, offCurve)), reason: "key-unfit"},
		{name: "the point at infinity", under: "2.0-ecdsa", do: originator(ecKey(oid256, []byte{0})), reason: "key-unfit"},
		{name: "a compressed point", under: "2.0-ecdsa", do: originator(ecKey(oid256, append([]byte{2}, offCurve[1:33]...))), reason: "key-unfit"},
		{name: "a point of zeros", under: "2.0-ecdsa", do: originator(ecKey(oid256, append([]byte{4}, make([]byte, 64)...))), reason: "key-unfit"},
		{name: "another curve than our certificate's", under: "2.0-ecdsa", do: originator(ecKey(oid384, p384.PublicKey().Bytes())), reason: "another curve"},
		{name: "a point of another curve than it says", under: "2.0-ecdsa", do: originator(ecKey(oid256, p384.PublicKey().Bytes())), reason: "key-unfit"},
		{name: "a brainpool curve", under: "2.0-ecdsa", do: originator(ecKey("1.3.36.3.3.2.8.1.1.7", offCurve)), reason: "key-unfit"},
		{name: "a curve with parameters of the sender's own", under: "2.0-ecdsa", do: originator(`<ds:KeyValue><dsig11:ECKeyValue xmlns:dsig11="http://www.w3.org/2009/xmldsig11#"><dsig11:ECParameters/></dsig11:ECKeyValue></ds:KeyValue>`), reason: "structure"},
		{name: "X25519 where a NIST curve is agreed", under: "2.0-ecdsa", do: originator(x25519Key(pkitest.X25519().PublicKey().Bytes())), reason: "not on a curve of the algorithm"},
		{name: "a NIST curve where X25519 is agreed", do: originator(ecKey(oid384, p384.PublicKey().Bytes())), reason: "not on a curve of the algorithm"},
		{name: "an RSA key", do: originator(derKey(must(x509.MarshalPKIXPublicKey(world().rsa.mallory.Public())))), reason: "key-unfit"},
		{name: "a key that is cut", do: originator(x25519Key(make([]byte, 31))), reason: "key-unfit"},
		{name: "no key", do: originator(""), reason: "structure"},
		{name: "the key of another message", do: func(p *parcel) {
			originator(x25519Key(pkitest.X25519().PublicKey().Bytes()))(p)
		}, reason: failed},
		{name: "a salt changed", do: key(func(s string) string {
			return strings.Replace(s, value(s, "<dsig-more:Salt>", "<"), "AAAAAAAAAAAAAAAAAAAAAA==", 1)
		}), reason: failed},
		{name: "a salt of nothing", do: key(func(s string) string { return strings.Replace(s, value(s, "<dsig-more:Salt>", "<"), "", 1) }), reason: "structure"},
		{name: "a salt of 100 KB", do: key(func(s string) string {
			return strings.Replace(s, value(s, "<dsig-more:Salt>", "<"), strings.Repeat("AAAA", 25<<10), 1)
		}), reason: "structure"},
		{name: "a salt in an element of its own", do: key(func(s string) string {
			v := value(s, "<dsig-more:Salt>", "<")
			return strings.Replace(s, v, "<x>"+v+"</x>", 1)
		}), reason: "structure"},
		{name: "an Info of the attacker's", do: key(replace("<dsig-more:KeyLength>", "<dsig-more:Info>AAAA</dsig-more:Info><dsig-more:KeyLength>")), reason: failed},
		{name: "a key of one byte", do: key(replace("<dsig-more:KeyLength>16<", "<dsig-more:KeyLength>1<")), reason: "another length"},
		{name: "a key of 32 bytes", do: key(replace("<dsig-more:KeyLength>16<", "<dsig-more:KeyLength>32<")), reason: "another length"},
		{name: "a key of 2^31 bytes", do: key(replace("<dsig-more:KeyLength>16<", "<dsig-more:KeyLength>2147483648<")), reason: "another length"},
		{name: "a pseudo-random function of SHA-1", do: key(replace(moreNS+"hmac-sha256", "http://www.w3.org/2000/09/xmldsig#hmac-sha1")), code: ebms.PolicyNoncompliance, reason: "pseudo-random function"},
		{name: "a pseudo-random function of SHA-512", do: key(replace(moreNS+"hmac-sha256", moreNS+"hmac-sha512")), code: ebms.PolicyNoncompliance, reason: "pseudo-random function"},
		{name: "ConcatKDF", do: key(replace(more21+"hkdf", enc11+"ConcatKDF")), code: ebms.PolicyNoncompliance, reason: "unknown-algorithm: key derivation"},
		{name: "PBKDF2 with 2^31 rounds", do: key(replace(more21+"hkdf", enc11+"pbkdf2")), code: ebms.PolicyNoncompliance, reason: "unknown-algorithm: key derivation"},
		{name: "Diffie-Hellman of old", do: key(replace(more21+"x25519", encNS+"dh")), code: ebms.PolicyNoncompliance, reason: "unknown-algorithm: key agreement"},
		{name: "X448", do: key(replace(more21+"x25519", more21+"x448")), code: ebms.PolicyNoncompliance, reason: "unknown-algorithm: key agreement"},
		{name: "ECDH-ES where X25519 is agreed", do: key(replace(more21+"x25519", enc11+"ECDH-ES")), code: ebms.PolicyNoncompliance, reason: "algorithm-denied: key agreement"},
		{name: "key wrap of AES-256", do: key(replace(encNS+"kw-aes128", encNS+"kw-aes256")), code: ebms.PolicyNoncompliance, reason: "unknown-algorithm: key transport"},
		{name: "key wrap of triple DES", do: key(replace(encNS+"kw-aes128", encNS+"kw-tripledes")), code: ebms.PolicyNoncompliance, reason: "unknown-algorithm: key transport"},
		{name: "nothing of the recipient", do: func(p *parcel) { p.cut("<xenc:RecipientKeyInfo>", "</xenc:RecipientKeyInfo>") }, reason: "structure"},
		{name: "two recipients", do: func(p *parcel) { r := p.find("<xenc:RecipientKeyInfo>", "</xenc:RecipientKeyInfo>"); p.swap(r, r+r) }, reason: "structure"},
		{name: "the agreement in another agreement", do: key(func(s string) string {
			a := s[strings.Index(s, "<xenc:AgreementMethod"):strings.Index(s, "</xenc:AgreementMethod>")] + "</xenc:AgreementMethod>"
			return strings.Replace(s, "<xenc:RecipientKeyInfo>", "<xenc:RecipientKeyInfo>"+a, 1)
		}), reason: "finding the private key"},
		{name: "a wrapped key changed", do: key(func(s string) string {
			return strings.Replace(s, value(s, "<xenc:CipherValue>", "<"), base64.StdEncoding.EncodeToString(make([]byte, 24)), 1)
		}), reason: failed},
		{name: "a wrapped key of 8 bytes", do: key(func(s string) string {
			return strings.Replace(s, value(s, "<xenc:CipherValue>", "<"), base64.StdEncoding.EncodeToString(make([]byte, 8)), 1)
		}), reason: failed},
	}
	for name, point := range lowOrder {
		attacks = append(attacks, attack{name: "a point of small order: " + name, do: originator(x25519Key(point)), reason: failed})
	}
	for i := range attacks {
		if attacks[i].under == "" {
			attacks[i].under = "2.0"
		}
		if attacks[i].code == "" {
			attacks[i].code = ebms.FailedDecryption
		}
	}
	run(t, attacks)
}

var (
	anyID   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(X509|SIG|KI|msg|id|body)-[0-9a-f]{32}`)
	digests = regexp.MustCompile(`<ds:(DigestValue|SignatureValue)>[^<]*`)
)

// Whatever fails in decryption, the peer hears one and the same answer after the same
// use of our key: it learns nothing of what was wrong (i.12).
//
// Covers: B-050
func TestDecryptionIsNoOracle(t *testing.T) {
	t.Parallel()
	wrapped := func(b func(p *parcel) []byte) func(p *parcel) {
		return func(p *parcel) {
			v := b(p)
			p.encryptedKey(func(s string) string {
				return strings.Replace(s, value(s, "<xenc:CipherValue>", "<"), base64.StdEncoding.EncodeToString(v), 1)
			})
		}
	}
	encrypted := func(key []byte) func(p *parcel) []byte {
		return func(p *parcel) []byte {
			return must(rsa.EncryptOAEP(sha256.New(), rand.Reader, p.agreement.recipient(), key, nil))
		}
	}
	random := func(n int) func(p *parcel) []byte {
		return func(*parcel) []byte { b := make([]byte, n); _, _ = rand.Read(b); b[0] &= 0x7f; return b }
	}
	content := func(b []byte) func(p *parcel) {
		return func(p *parcel) { p.parts[0].Content, p.parts[1].Content = b, b }
	}
	type failure struct {
		name string
		do   func(p *parcel)
	}
	always := []failure{
		{"content of zeros", content(make([]byte, 100))},
		{"content too short", content([]byte{1})},
		{"no content", content(nil)},
		{"the first part changed", func(p *parcel) { p.parts[0].Content[20] ^= 1 }},
		{"the second part changed", func(p *parcel) { p.parts[1].Content[20] ^= 1 }},
		{"content that says it is XML", func(p *parcel) {
			p.every(`MimeType="application/gzip"`, `MimeType="text/xml"`)
			content(make([]byte, 100))(p)
		}},
	}
	for under, failures := range map[string][]failure{
		"1.15": append([]failure{
			{"a wrapped key that is noise", wrapped(random(256))},
			{"a wrapped key that is short", wrapped(random(200))},
			{"a wrapped key that is longer than the modulus", wrapped(random(300))},
			{"a wrapped key beyond the modulus", wrapped(func(*parcel) []byte { return bytes.Repeat([]byte{0xff}, 256) })},
			{"a wrapped key of zeros", wrapped(func(*parcel) []byte { return make([]byte, 256) })},
			{"a wrapped key of one", wrapped(func(*parcel) []byte { return append(make([]byte, 255), 1) })},
			{"a key of another length", wrapped(encrypted(make([]byte, 32)))},
			{"a key of no length", wrapped(encrypted(nil))},
			{"another key", wrapped(encrypted(make([]byte, 16)))},
			{"another padding", wrapped(func(p *parcel) []byte {
				return paddedAsOfOld(p.agreement.recipient(), make([]byte, 16))
			})},
			{"another label", wrapped(func(p *parcel) []byte {
				return must(rsa.EncryptOAEP(sha256.New(), rand.Reader, p.agreement.recipient(), make([]byte, 16), []byte("x")))
			})},
		}, always...),
		"2.0": append([]failure{
			{"a point of small order", originator(x25519Key(make([]byte, 32)))},
			{"another point", originator(x25519Key(pkitest.X25519().PublicKey().Bytes()))},
			{"a wrapped key that is noise", wrapped(random(24))},
			{"a wrapped key that is longer", wrapped(random(40))},
		}, always...),
	} {
		var first string
		for _, f := range failures {
			a := agreements()[under]
			s, p := newStation(t, a), base(t, a)
			f.do(p)
			rec := s.post(p.pack())
			s.wantRefused(rec, 200, ebms.FailedDecryption, "decryption failed")
			if s.opened != 1 {
				t.Errorf("%s: %s: the private key was used %d times, want once", under, f.name, s.opened)
			}
			got := digests.ReplaceAllString(anyID.ReplaceAllString(rec.Body.String(), "ID"), "VALUE")
			if first == "" {
				first = got
			}
			if got != first {
				t.Errorf("%s: %s: answer differs:\n%s\nis not\n%s", under, f.name, got, first)
			}
		}
	}
}
