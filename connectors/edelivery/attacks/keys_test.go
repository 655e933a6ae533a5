package attacks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/pkitest"
)

// by makes a message whose signer is another than the partner.
func by(who func(w *pki, k *keyring) identity, edits ...func(*letter)) func(testing.TB, agreement) *parcel {
	return func(t testing.TB, a agreement) *parcel {
		return seal(t, a, append([]func(*letter){func(l *letter) { l.sign = who(world(), a.keys) }}, edits...)...)
	}
}

// certified is a key of the attacker's with a certificate that issuer made.
func certified(issuer func(*pki) pkitest.Pair, name string, edits ...pkitest.Edit) func(*pki, *keyring) identity {
	return func(w *pki, k *keyring) identity {
		return identity{cert: certify(issuer(w), name, k.mallory.Public(), edits...), key: k.mallory}
	}
}

func issuing(w *pki) pkitest.Pair { return w.issuing }
func rogue(w *pki) pkitest.Pair   { return w.rogue }

// Who signs is not who the header says (i.15, i.16).
//
// Covers: B-050, B-051
func TestSigners(t *testing.T) {
	t.Parallel()
	attacks := []attack{
		{name: "another partner", make: by(func(_ *pki, k *keyring) identity { return k.other }), reason: "not one of this partner"},
		{name: "ourselves", make: by(func(_ *pki, k *keyring) identity { return k.ours }), reason: "not one of this partner"},
		{name: "self-signed, under the partner's name", make: by(func(_ *pki, k *keyring) identity {
			return identity{pkitest.SelfSigned(partnerID, k.mallory, edits()...).Cert, k.mallory, nil}
		}), reason: "validating certificate path"},
		{name: "of an authority that bears the name of ours", make: by(certified(rogue, partnerID)), reason: "validating certificate path"},
		{name: "an authority of the PKI, under the partner's name", make: by(certified(issuing, partnerID, asCA)), reason: "one of an authority"},
		{name: "expired", make: by(certified(issuing, partnerID, func(c *x509.Certificate) { c.NotAfter = testNow.AddDate(0, 0, -1) })), reason: "certificate is valid from"},
		{name: "not valid yet", make: by(certified(issuing, partnerID, func(c *x509.Certificate) { c.NotBefore = testNow.AddDate(0, 0, 1) })), reason: "certificate is valid from"},
		{name: "a certificate for encryption", make: by(certified(issuing, partnerID, pkitest.Usage(x509.KeyUsageKeyEncipherment|x509.KeyUsageDataEncipherment))), reason: "does not allow this use"},
		{name: "a certificate for certificates", make: by(certified(issuing, partnerID, pkitest.Usage(x509.KeyUsageCertSign))), reason: "does not allow this use"},
		{name: "a name with blanks around", make: by(certified(issuing, " "+partnerID)), reason: "not one of this partner"},
		{name: "a name in small letters", make: by(certified(issuing, strings.ToLower(partnerID))), reason: "not one of this partner"},
		{name: "a name with a NUL behind", make: by(certified(issuing, partnerID+"\x00.example.org")), reason: "not one of this partner"},
		{name: "the partner's name as the organisation", make: by(certified(issuing, "x", func(c *x509.Certificate) { c.Subject.Organization = []string{partnerID} })), reason: "not one of this partner"},
		{name: "a critical extension that nobody knows", make: by(certified(issuing, partnerID, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, Critical: true, Value: []byte{5, 0}}}
		})), reason: "validating certificate path"},
		{name: "certified by the partner's certificate", make: by(func(_ *pki, k *keyring) identity {
			leaf := pkitest.Pair{Cert: k.partner.cert, Key: k.partner.key}
			return identity{certify(leaf, partnerID, k.mallory.Public()), k.mallory, nil}
		}, func(l *letter) {
			l.seal.SignToken = wssec.TokenPKIPath
			l.seal.Sign = l.sign.signing(world().rsa.partner.cert, world().issuing.Cert)
		}), reason: "validating certificate path"},
		{name: "a path that brings its own anchor", make: by(certified(rogue, partnerID), func(l *letter) {
			l.seal.SignToken = wssec.TokenPKIPath
			l.seal.Sign = l.sign.signing(world().rogue.Cert, world().issuing.Cert)
		}), reason: "validating certificate path"},
		{name: "the key of another, the certificate of the partner", make: by(func(_ *pki, k *keyring) identity { return identity{cert: k.partner.cert, key: k.mallory} }), reason: "signature-invalid"},
		{name: "the identifier of another partner's key", make: by(func(_ *pki, k *keyring) identity { return k.other }, func(l *letter) { l.seal.SignToken = wssec.TokenSKI }), reason: "refers to no certificate"},
		{name: "issuer and serial of another partner", make: by(func(_ *pki, k *keyring) identity { return k.other }, func(l *letter) { l.seal.SignToken = wssec.TokenIssuerSerial }), reason: "refers to no certificate"},
		{name: "a thumbprint, which is not agreed", make: by(func(_ *pki, k *keyring) identity { return k.partner }, func(l *letter) { l.seal.SignToken = wssec.TokenThumbprint }), reason: "form of token reference is not allowed"},
		{name: "a path, which is not agreed", make: by(func(_ *pki, k *keyring) identity { return k.partner }, func(l *letter) {
			l.seal.SignToken = wssec.TokenPKIPath
			l.seal.Sign = l.sign.signing(world().issuing.Cert, world().root.Cert)
		}), reason: "form of token reference is not allowed", with: []stationOption{func(p *pmode.Partner, _ *edelivery.Config) {
			p.Allow.Tokens = []wssec.Token{wssec.TokenBST}
		}}},
		{name: "an RSA key of 1024 bits", make: func(t testing.TB, a agreement) *parcel {
			key := must(rsa.GenerateKey(rand.Reader, 1024))
			p := seal(t, a)
			p.token(certify(world().issuing, partnerID, key.Public()).Raw)
			p.resign(key)
			return p
		}, reason: "key-unfit"},
		{name: "RSA where Ed25519 is agreed", under: "2.0", make: func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) {
				l.sign, l.seal.Profile = world().rsa.partner, wssec.Profile115
				l.parts, l.header.Parts = nil, nil
			})
		}, code: ebms.PolicyNoncompliance, reason: "algorithm-denied"},
		{name: "Ed25519 where RSA is agreed", make: func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) {
				l.sign, l.seal.Profile = world().ed.partner, wssec.Profile20
				l.parts, l.header.Parts = nil, nil
			})
		}, code: ebms.PolicyNoncompliance, reason: "algorithm-denied"},
		{name: "ECDSA where RSA is agreed", make: func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) {
				l.sign, l.seal.Profile = world().ec.partner, wssec.Profile20ECDSA
				l.parts, l.header.Parts = nil, nil
			})
		}, code: ebms.PolicyNoncompliance, reason: "algorithm-denied"},
		{name: "an RSA certificate for ECDSA", under: "2.0-ecdsa", make: edited(func(p *parcel) { p.token(world().rsa.partner.cert.Raw) }), reason: "key-unfit"},
		{name: "an RSA certificate for Ed25519", under: "2.0", make: edited(func(p *parcel) { p.token(world().rsa.partner.cert.Raw) }), reason: "key-unfit"},
		{name: "an X25519 certificate for Ed25519", under: "2.0", make: edited(func(p *parcel) {
			p.token(certify(world().issuing, partnerID, world().ed.partnerDecode.dh.PublicKey()).Raw)
		}), reason: "key-unfit"},
		{name: "a certificate on P-224", under: "2.0-ecdsa", make: edited(func(p *parcel) {
			p.token(certify(world().issuing, partnerID, must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).Public()).Raw)
		}), reason: "key-unfit"},
		{name: "the certificate for encryption, which signs", under: "2.0-ecdsa", make: by(func(_ *pki, k *keyring) identity { return k.partnerDecode }), reason: "does not allow this use"},
		{name: "the certificate for encryption, which signs", make: by(func(_ *pki, k *keyring) identity { return k.partnerDecode }), reason: "does not allow this use"},
	}
	for i := range attacks {
		if attacks[i].code == "" {
			attacks[i].code = ebms.FailedAuthentication
		}
	}
	for _, under := range []string{"2.0", "2.0-ecdsa"} {
		for _, c := range attacks[:14] {
			c.under = under
			attacks = append(attacks, c)
		}
	}
	run(t, attacks)
}

// token puts other bytes into the token that the signature refers to.
func (p *parcel) token(der []byte) {
	p.t.Helper()
	i := strings.LastIndex(p.envelope, "<wsse:BinarySecurityToken")
	from := i + strings.Index(p.envelope[i:], ">") + 1
	to := from + strings.Index(p.envelope[from:], "<")
	p.envelope = p.envelope[:from] + base64.StdEncoding.EncodeToString(der) + p.envelope[to:]
}

// keyInfo puts other content into the ds:KeyInfo of the signature.
func (p *parcel) keyInfo(content string) {
	p.t.Helper()
	p.signature(func(s string) string {
		i := strings.Index(s, "<ds:KeyInfo")
		i += strings.Index(s[i:], ">") + 1
		return s[:i] + content + s[strings.Index(s, "</ds:KeyInfo>"):]
	})
}

const (
	x509v3     = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
	pkiPath    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509PKIPathv1"
	str        = `<wsse:SecurityTokenReference>`
	strEnd     = `</wsse:SecurityTokenReference>`
	unreadable = "token reference cannot be read"
)

// What stands for the key in the message is not the certificate of the partner, or is
// it in two ways. No key is needed for these: KeyInfo and tokens are not signed.
func TestTokens(t *testing.T) {
	t.Parallel()
	sequence := func(certs ...[]byte) []byte {
		return must(asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: slices.Concat(certs...)}))
	}
	w := world()
	der, ca, root := w.rsa.partner.cert.Raw, w.issuing.Cert.Raw, w.root.Cert.Raw
	path := func(b []byte) func(p *parcel) {
		return func(p *parcel) {
			p.token(b)
			i := strings.LastIndex(p.envelope, "<wsse:BinarySecurityToken")
			p.envelope = p.envelope[:i] + strings.Replace(p.envelope[i:], x509v3, pkiPath, 1)
		}
	}
	info := func(content string) func(p *parcel) { return func(p *parcel) { p.keyInfo(content) } }
	direct := func(uri string) string {
		return str + `<wsse:Reference URI="` + uri + `" ValueType="` + x509v3 + `"/>` + strEnd
	}
	own := func(p *parcel) string {
		return value(p.find("<ds:Signature ", "</ds:Signature>"), `<wsse:Reference URI="`, `"`)
	}
	attacks := []attack{
		{name: "a token with two certificates", do: func(p *parcel) { p.token(slices.Concat(der, w.rsa.other.cert.Raw)) }, reason: "parsing certificate"},
		{name: "a token with a certificate and more bytes", do: func(p *parcel) { p.token(append(slices.Clone(der), 0)) }, reason: "parsing certificate"},
		{name: "a token that is cut", do: func(p *parcel) { p.token(der[:len(der)-1]) }, reason: "parsing certificate"},
		{name: "a token with a length of 2^31", do: func(p *parcel) { p.token([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0}) }, reason: "parsing certificate"},
		{name: "a path with a length of 2^31", do: path([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0}), reason: unreadable},
		{name: "a token of nothing", do: func(p *parcel) { p.token(nil) }, reason: unreadable},
		{name: "a token that is not base64", do: func(p *parcel) {
			p.swap("</wsse:BinarySecurityToken><ds:Signature", "!</wsse:BinarySecurityToken><ds:Signature")
		}, reason: unreadable},
		{name: "a token of a megabyte", do: func(p *parcel) { p.token(make([]byte, 600<<10)) }, reason: unreadable},
		{name: "a token of another kind", do: func(p *parcel) { p.every(x509v3, x509v3+"x") }, reason: unreadable},
		{name: "a path with the leaf first", do: path(sequence(der, ca)), reason: "not one of this partner"},
		{name: "a path with another leaf behind", do: path(sequence(ca, der, w.rsa.other.cert.Raw)), reason: "not one of this partner"},
		{name: "a path of nothing", do: path(sequence()), reason: unreadable},
		{name: "a path of a thousand", do: path(sequence(slices.Repeat([][]byte{root}, 1000)...)), reason: unreadable},
		{name: "a path with bytes behind", do: path(append(sequence(ca, der), 0)), reason: unreadable},
		{name: "a path that is a certificate", do: path(der), reason: "parsing certificate"},
		{name: "a reference to itself", do: func(p *parcel) {
			p.keyInfo(`<wsse:SecurityTokenReference xmlns:wsu="` + ebms.WSUNamespace + `" wsu:Id="STR-1"><wsse:Reference URI="#STR-1"/>` + strEnd)
		}, reason: unreadable},
		{name: "references in a ring", do: func(p *parcel) {
			p.keyInfo(`<wsse:SecurityTokenReference wsu:Id="STR-1">` + direct("#STR-2") + strEnd + `<wsse:SecurityTokenReference wsu:Id="STR-2">` + direct("#STR-1") + strEnd)
		}, reason: unreadable},
		{name: "a reference to Messaging", do: func(p *parcel) { p.keyInfo(direct("#" + p.id())) }, reason: unreadable},
		{name: "a reference to an element that looks like a token", do: func(p *parcel) {
			p.swap(headerEnd, `<w:BinarySecurityToken xmlns:w="urn:w" Id="looks" ValueType="`+x509v3+`">`+base64.StdEncoding.EncodeToString(der)+`</w:BinarySecurityToken>`+headerEnd)
			p.keyInfo(direct("#looks"))
		}, reason: unreadable},
		{name: "a reference to a token outside of Security", do: func(p *parcel) {
			p.swap(headerEnd, `<wsse:BinarySecurityToken xmlns:wsse="`+wsseSpace+`" Id="outside" ValueType="`+x509v3+`">`+base64.StdEncoding.EncodeToString(der)+`</wsse:BinarySecurityToken>`+headerEnd)
			p.keyInfo(direct("#outside"))
		}, reason: unreadable},
		{name: "a reference to the web", do: info(direct("http://127.0.0.1/certificate")), reason: unreadable},
		{name: "a reference to nothing", do: info(direct("#nowhere")), reason: unreadable},
		{name: "two references", do: func(p *parcel) { p.keyInfo(direct(own(p)) + direct(own(p))) }, reason: unreadable},
		{name: "two references in one", do: func(p *parcel) {
			p.keyInfo(str + `<wsse:Reference URI="` + own(p) + `"/><wsse:Reference URI="` + own(p) + `"/>` + strEnd)
		}, reason: unreadable},
		{name: "an embedded token", do: info(str + `<wsse:Embedded><wsse:BinarySecurityToken ValueType="` + x509v3 + `">` + base64.StdEncoding.EncodeToString(der) + `</wsse:BinarySecurityToken></wsse:Embedded>` + strEnd), reason: unreadable},
		{name: "a RetrievalMethod", do: info(`<ds:RetrievalMethod URI="http://127.0.0.1/certificate" Type="http://www.w3.org/2000/09/xmldsig#rawX509Certificate"/>`), reason: unreadable},
		{name: "a RetrievalMethod of this document", do: func(p *parcel) { p.keyInfo(`<ds:RetrievalMethod URI="` + own(p) + `"/>`) }, reason: unreadable},
		{name: "a bare key", do: info(`<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>` + base64.StdEncoding.EncodeToString(w.rsa.mallory.Public().(*rsa.PublicKey).N.Bytes()) + `</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>`), reason: unreadable},
		{name: "a bare key beside the token", do: func(p *parcel) {
			p.signature(replace("</ds:KeyInfo>", `<ds:KeyValue><ds:RSAKeyValue/></ds:KeyValue></ds:KeyInfo>`))
		}, reason: unreadable},
		{name: "a certificate in the KeyInfo", do: info(`<ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(der) + `</ds:X509Certificate></ds:X509Data>`), reason: unreadable},
		{name: "the name of a key", do: info(`<ds:KeyName>` + partnerID + `</ds:KeyName>`), reason: unreadable},
		{name: "an empty KeyInfo", do: info(""), reason: unreadable},
		{name: "no KeyInfo", do: func(p *parcel) {
			p.signature(func(s string) string { i := strings.Index(s, "<ds:KeyInfo"); return s[:i] + "</ds:Signature>" })
		}, reason: unreadable},
		{name: "two KeyInfo", do: func(p *parcel) { p.swap("</ds:Signature>", "<ds:KeyInfo></ds:KeyInfo></ds:Signature>") }, reason: "xmlsec: structure: reading Signature"},
		{name: "a serial number of 10,000 digits", do: info(str + `<ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>CN=Issuing</ds:X509IssuerName><ds:X509SerialNumber>` + strings.Repeat("9", 10000) + `</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>` + strEnd), reason: unreadable},
		{name: "an issuer that is not a name", do: info(str + `<ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>OID.=\,,+=#zz</ds:X509IssuerName><ds:X509SerialNumber>1</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>` + strEnd), reason: unreadable},
	}
	for i := range attacks {
		attacks[i].code = ebms.FailedAuthentication
	}
	run(t, attacks)
}

const wsseSpace = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"

// Values of a signature that another algorithm, or a careless one, would take.
func TestSignatureValues(t *testing.T) {
	t.Parallel()
	const more = "http://www.w3.org/2001/04/xmldsig-more#"
	method := func(p *parcel, uri string) {
		p.in("<ds:SignatureMethod", ">", func(s string) string { return strings.Replace(s, value(s, `Algorithm="`, `"`), uri, 1) })
	}
	hash := func(uri string, h crypto.Hash) func(testing.TB, agreement) *parcel {
		return func(t testing.TB, a agreement) *parcel {
			p := seal(t, a)
			method(p, uri)
			d := h.New()
			d.Write(p.info())
			p.setValue(must(rsa.SignPKCS1v15(rand.Reader, a.keys.partner.key.(*rsa.PrivateKey), h, d.Sum(nil))))
			return p
		}
	}
	mac := func(key func(*x509.Certificate) []byte) func(testing.TB, agreement) *parcel {
		return func(t testing.TB, a agreement) *parcel {
			p := seal(t, a)
			method(p, more+"hmac-sha256")
			m := hmac.New(sha256.New, key(a.keys.partner.cert))
			m.Write(p.info())
			p.setValue(m.Sum(nil))
			return p
		}
	}
	digest := func(uri string) func(testing.TB, agreement) *parcel {
		return edited(func(p *parcel) { p.reference(0, replace("http://www.w3.org/2001/04/xmlenc#sha256", uri)) })
	}
	changed := func(edit func([]byte) []byte) func(p *parcel) {
		return func(p *parcel) {
			p.setValue(edit(must(base64.StdEncoding.DecodeString(value(p.envelope, "<ds:SignatureValue>", "<")))))
		}
	}
	const invalid, unknown, denied = "signature-invalid", "unknown-algorithm", "algorithm-denied"
	run(t, []attack{
		{name: "HMAC under the public key", make: mac(func(c *x509.Certificate) []byte { return c.RawSubjectPublicKeyInfo }), code: ebms.FailedAuthentication, reason: unknown},
		{name: "HMAC under the modulus", make: mac(func(c *x509.Certificate) []byte { return c.PublicKey.(*rsa.PublicKey).N.Bytes() }), code: ebms.FailedAuthentication, reason: unknown},
		{name: "HMAC under the certificate", make: mac(func(c *x509.Certificate) []byte { return c.Raw }), code: ebms.FailedAuthentication, reason: unknown},
		{name: "HMAC cut to nothing", make: mac(func(c *x509.Certificate) []byte { return c.Raw }), do: func(p *parcel) {
			p.in("<ds:SignatureMethod", "</ds:SignatureMethod>", func(s string) string {
				return strings.Replace(s, "></", "><ds:HMACOutputLength>0</ds:HMACOutputLength></", 1)
			})
		}, code: ebms.FailedAuthentication, reason: unknown},
		{name: "rsa-sha1", make: hash("http://www.w3.org/2000/09/xmldsig#rsa-sha1", crypto.SHA1), code: ebms.FailedAuthentication, reason: unknown},
		{name: "rsa-md5", make: hash(more+"rsa-md5", crypto.MD5), code: ebms.FailedAuthentication, reason: unknown},
		{name: "rsa-sha224", make: hash(more+"rsa-sha224", crypto.SHA224), code: ebms.FailedAuthentication, reason: unknown},
		{name: "rsa-sha512, which is not agreed", make: hash(more+"rsa-sha512", crypto.SHA512), code: ebms.PolicyNoncompliance, reason: denied},
		{name: "RSA-PSS", make: hash("http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1", crypto.SHA256), code: ebms.FailedAuthentication, reason: unknown},
		{name: "DSA", make: hash("http://www.w3.org/2000/09/xmldsig#dsa-sha1", crypto.SHA256), code: ebms.FailedAuthentication, reason: unknown},
		{name: "no algorithm", make: hash("", crypto.SHA256), code: ebms.FailedAuthentication, reason: unknown},
		{name: "an algorithm in capitals", make: hash(more+"RSA-SHA256", crypto.SHA256), code: ebms.FailedAuthentication, reason: unknown},
		{name: "an algorithm with a blank", make: hash(more+"rsa-sha256 ", crypto.SHA256), code: ebms.FailedAuthentication, reason: unknown},
		{name: "a digest of SHA-1", make: digest("http://www.w3.org/2000/09/xmldsig#sha1"), code: ebms.FailedAuthentication, reason: unknown},
		{name: "a digest of MD5", make: digest(more + "md5"), code: ebms.FailedAuthentication, reason: unknown},
		{name: "a digest of SHA-512, which is not agreed", make: digest("http://www.w3.org/2001/04/xmlenc#sha512"), code: ebms.PolicyNoncompliance, reason: denied},
		{name: "ECDSA under RSA", make: edited(nil), do: func(p *parcel) { method(p, more+"ecdsa-sha256") }, code: ebms.PolicyNoncompliance, reason: denied},
		{name: "eddsa under RSA", make: edited(nil), do: func(p *parcel) { method(p, "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519") }, code: ebms.PolicyNoncompliance, reason: denied},
		{name: "a value changed", do: changed(func(b []byte) []byte { b[0] ^= 1; return b }), code: ebms.FailedAuthentication, reason: invalid},
		{name: "a value with a zero in front", do: changed(func(b []byte) []byte { return append([]byte{0}, b...) }), code: ebms.FailedAuthentication, reason: invalid},
		{name: "a value of zeros", do: changed(func(b []byte) []byte { return make([]byte, len(b)) }), code: ebms.FailedAuthentication, reason: invalid},
		{name: "a value of one", do: changed(func([]byte) []byte { return []byte{1} }), code: ebms.FailedAuthentication, reason: invalid},
		{name: "no value", do: changed(func([]byte) []byte { return nil }), code: ebms.FailedAuthentication, reason: "xmlsec: structure"},
		{name: "a value of a megabyte", do: changed(func([]byte) []byte { return make([]byte, 500<<10) }), code: ebms.FailedAuthentication, reason: "xmlsec: structure"},
		{name: "ECDSA of zeros", under: "2.0-ecdsa", do: changed(func(b []byte) []byte { return make([]byte, len(b)) }), code: ebms.FailedAuthentication, reason: invalid},
		{name: "ECDSA in DER", under: "2.0-ecdsa", do: changed(func(b []byte) []byte {
			return must(asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(b[:32]), new(big.Int).SetBytes(b[32:])}))
		}), code: ebms.FailedAuthentication, reason: invalid},
		{name: "ECDSA with wider numbers", under: "2.0-ecdsa", do: changed(func(b []byte) []byte { return slices.Concat([]byte{0}, b[:32], []byte{0}, b[32:]) }), code: ebms.FailedAuthentication, reason: invalid},
		{name: "Ed25519 with the order added", under: "2.0", do: changed(func(b []byte) []byte {
			l, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
			s := slices.Clone(b[32:])
			slices.Reverse(s)
			sum := new(big.Int).Add(new(big.Int).SetBytes(s), l).FillBytes(make([]byte, 32))
			slices.Reverse(sum)
			return append(slices.Clone(b[:32]), sum...)
		}), code: ebms.FailedAuthentication, reason: invalid},
		{name: "Ed25519 over a digest", under: "2.0", make: func(t testing.TB, a agreement) *parcel {
			p := seal(t, a)
			sum := sha256.Sum256(p.info())
			p.setValue(ed25519.Sign(a.keys.partner.key.(ed25519.PrivateKey), sum[:]))
			return p
		}, code: ebms.FailedAuthentication, reason: invalid},
		{name: "Ed25519 of zeros", under: "2.0", do: changed(func(b []byte) []byte { return make([]byte, len(b)) }), code: ebms.FailedAuthentication, reason: invalid},
		{name: "ecdsa-sha512 where sha256 is agreed", under: "2.0-ecdsa", do: func(p *parcel) { method(p, more+"ecdsa-sha512") }, code: ebms.PolicyNoncompliance, reason: denied},
		{name: "rsa-sha256 in 2.0", under: "2.0", do: func(p *parcel) { method(p, more+"rsa-sha256") }, code: ebms.PolicyNoncompliance, reason: denied},
	})
}
