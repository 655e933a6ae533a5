package attacks

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
)

// otherMessage is one of the same partner to us, whose pieces an attacker has.
func otherMessage(p *parcel) *parcel {
	return seal(p.t, p.agreement, func(l *letter) {
		l.header.MessageID = "earlier@ap-nl-01.example.org"
		for i := range l.parts {
			l.parts[i].Content = gzipped("false evidence")
		}
	})
}

const oaep = `<xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#rsa-oaep"><ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod><xenc11:MGF xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"></xenc11:MGF></xenc:EncryptionMethod>`

// Attachments are exchanged, added, taken away and replayed (i.5).
//
// Covers: B-049, B-050
func TestAttachments(t *testing.T) {
	t.Parallel()
	last := func(p *parcel) []byte { return p.parts[len(p.parts)-1].Content }
	more := func(p *parcel, id string) {
		p.parts = append(p.parts, swa.OutPart{ID: id, MediaType: "application/octet-stream", Content: bytes.Clone(p.parts[0].Content)})
	}
	attacks := []attack{
		{name: "two parts exchange their Content-IDs", do: func(p *parcel) { p.parts[0].ID, p.parts[1].ID = partB, partA }, code: ebms.FailedAuthentication, reason: "digest-mismatch: an attachment"},
		{name: "two clear parts exchange their Content-IDs", under: "1.15 sign", do: func(p *parcel) { p.parts[0].ID, p.parts[1].ID = partB, partA }, code: ebms.FailedAuthentication, reason: "digest-mismatch: an attachment"},
		{name: "one Content-ID twice", do: func(p *parcel) { more(p, partA) }, code: ebms.MimeInconsistency, reason: "two parts with one Content-ID"},
		{name: "one Content-ID twice in place of two", do: func(p *parcel) { p.parts[1].ID = partA }, code: ebms.MimeInconsistency, reason: "two parts with one Content-ID"},
		{name: "one Content-ID, its case changed", do: func(p *parcel) { more(p, strings.ToUpper(partA)) }, code: ebms.MimeInconsistency, reason: "two parts with one Content-ID"},
		{name: "one Content-ID, percent-encoded", do: func(p *parcel) { more(p, strings.Replace(partA, "p", "%70", 1)) }, code: ebms.MimeInconsistency, reason: "two parts with one Content-ID"},
		{name: "a Content-ID percent-encoded on the wire", do: func(p *parcel) { p.parts[0].ID = strings.Replace(partA, "p", "%70", 1) }, code: ebms.ValueInconsistent, reason: "names a part that is not there"},
		{name: "a Content-ID in capitals on the wire", do: func(p *parcel) { p.parts[0].ID = strings.ToUpper(partA) }, code: ebms.ValueInconsistent, reason: "names a part that is not there"},
		{name: "a part more, not signed", do: func(p *parcel) { more(p, "part-3@example.org") }, code: ebms.ExternalPayloadError, reason: "3 parts for 2 PartInfo"},
		{name: "a part more with its EncryptedData", do: func(p *parcel) {
			more(p, "part-3@example.org")
			d := p.find("<xenc:EncryptedData", "</xenc:EncryptedData>")
			id := value(d, ` Id="`, `"`)
			d = strings.Replace(strings.Replace(d, id, "third", 1), "cid:"+value(d, `URI="cid:`, `"`), "cid:part-3@example.org", 1)
			p.encryptedKey(replace("<xenc:DataReference", `<xenc:DataReference URI="#third"/><xenc:DataReference`))
			p.first("<xenc:EncryptedData", d+"<xenc:EncryptedData")
		}, code: ebms.PolicyNoncompliance, reason: "encrypted data that is not a part"},
		{name: "a part less", do: func(p *parcel) { p.parts = p.parts[:1] }, code: ebms.ExternalPayloadError, reason: "1 parts for 2 PartInfo"},
		{name: "no parts", do: func(p *parcel) { p.parts = nil }, code: ebms.ExternalPayloadError, reason: "0 parts for 2 PartInfo"},
		{name: "a PartInfo points to another part", make: func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) { l.header.Parts[1].ID = "elsewhere@example.org" })
		}, code: ebms.ValueInconsistent, reason: "names a part that is not there"},
		{name: "two PartInfo point to one part", make: edited(func(p *parcel) {
			p.swap(`<eb:PartInfo href="cid:`+partB, `<eb:PartInfo href="cid:`+partA)
			p.digestMessaging()
		}), code: ebms.ValueInconsistent, reason: "two PartInfo for one part"},
		{name: "two PartInfo point to one part, spelt differently", make: edited(func(p *parcel) {
			p.swap(`<eb:PartInfo href="cid:`+partB, `<eb:PartInfo href="cid:%70`+partA[1:])
			p.digestMessaging()
		}), code: ebms.ValueInconsistent, reason: "two PartInfo for one part"},
		{name: "a PartInfo points to the web", make: edited(func(p *parcel) {
			p.swap(`href="cid:`+partB, `href="https://example.org/evidence`)
			p.digestMessaging()
		}), code: ebms.ExternalPayloadError, reason: "external payload"},
		{name: "a PartInfo points to a file", make: edited(func(p *parcel) {
			p.swap(`href="cid:`+partB, `href="file:///etc/passwd`)
			p.digestMessaging()
		}), code: ebms.ExternalPayloadError, reason: "external payload"},
		{name: "a PartInfo points into the Body", make: edited(func(p *parcel) {
			p.swap(`href="cid:`+partB, `href="#body`)
			p.digestMessaging()
		}), code: ebms.ValueInconsistent, reason: "payload in the SOAP Body"},
		{name: "the signed references exchange their cids", make: edited(func(p *parcel) {
			p.reference(2, replace(partA, partB))
			p.reference(3, replace(partB, partA))
		}), code: ebms.FailedAuthentication, reason: "digest-mismatch: an attachment"},
		{name: "both CipherReferences point to one part", do: func(p *parcel) {
			p.swap(`<xenc:CipherReference URI="cid:`+partB, `<xenc:CipherReference URI="cid:`+partA)
		}, code: ebms.FailedDecryption, reason: "a part encrypted twice"},
		{name: "both CipherReferences point to one part, spelt differently", do: func(p *parcel) {
			p.swap(`<xenc:CipherReference URI="cid:`+partB, `<xenc:CipherReference URI="cid:%70`+partA[1:])
		}, code: ebms.FailedDecryption, reason: "a part encrypted twice"},
		{name: "a CipherReference points to no part", do: func(p *parcel) {
			p.swap(`<xenc:CipherReference URI="cid:`+partB, `<xenc:CipherReference URI="cid:elsewhere`)
		}, code: ebms.FailedDecryption, reason: "missing-target"},
		{name: "a CipherReference points to the web", do: func(p *parcel) {
			p.swap(`<xenc:CipherReference URI="cid:`+partB, `<xenc:CipherReference URI="http://127.0.0.1/`)
		}, code: ebms.FailedDecryption, reason: "xmlsec: uri: xenc:CipherReference"},
		{name: "a CipherReference points into the envelope", do: func(p *parcel) {
			p.swap(`<xenc:CipherReference URI="cid:`+partB, `<xenc:CipherReference URI="#body`)
		}, code: ebms.FailedDecryption, reason: "xmlsec: uri: xenc:CipherReference"},
		{name: "a CipherReference with XPath", do: func(p *parcel) {
			p.first("#Attachment-Ciphertext-Transform", "#Attachment-XPath")
		}, code: ebms.FailedDecryption, reason: "transform: xenc:CipherReference"},
		{name: "EncryptedData with a CipherValue in place of the part", do: func(p *parcel) {
			p.in("<xenc:CipherReference", "</xenc:CipherReference>", func(string) string { return "<xenc:CipherValue>AAAA</xenc:CipherValue>" })
		}, code: ebms.FailedDecryption, reason: "xmlsec: structure"},
		{name: "EncryptedData that says it is the whole part", do: func(p *parcel) { p.first("#Attachment-Content-Only", "#Attachment-Complete") }, code: ebms.FailedDecryption, reason: "not the content of an attachment"},
		{name: "EncryptedData that says it is an element", do: func(p *parcel) {
			p.first(`Type="http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Only"`, `Type="http://www.w3.org/2001/04/xmlenc#Element"`)
		}, code: ebms.FailedDecryption, reason: "not the content of an attachment"},
		{name: "EncryptedData that stands twice", do: func(p *parcel) {
			d := p.cut("<xenc:EncryptedData", "</xenc:EncryptedData>")
			p.cut("<xenc:EncryptedData", "</xenc:EncryptedData>")
			p.first("</xenc:EncryptedKey>", "</xenc:EncryptedKey>"+d+d)
		}, code: ebms.FailedAuthentication, reason: "id-collision"},
		{name: "a part whose EncryptedData is gone", do: func(p *parcel) { p.cut("<xenc:EncryptedData", "</xenc:EncryptedData>") }, code: ebms.PolicyNoncompliance, reason: "a part is not encrypted"},
		{name: "EncryptedData that no key refers to", do: func(p *parcel) {
			p.encryptedKey(func(s string) string {
				return strings.Replace(s, s[strings.Index(s, "<xenc:DataReference"):strings.Index(s, "</xenc:ReferenceList>")], s[strings.LastIndex(s, "<xenc:DataReference"):strings.Index(s, "</xenc:ReferenceList>")], 1)
			})
		}, code: ebms.FailedDecryption, reason: "no key refers to"},
		{name: "a DataReference to the web", do: func(p *parcel) {
			p.encryptedKey(replace(`<xenc:DataReference URI="#`, `<xenc:DataReference URI="http://127.0.0.1/#`))
		}, code: ebms.FailedDecryption, reason: "xmlsec: uri: xenc:ReferenceList"},
		{name: "a DataReference to another element", do: func(p *parcel) {
			id := p.id()
			p.encryptedKey(func(s string) string { return strings.Replace(s, value(s, `<xenc:DataReference URI="#`, `"`), id, 1) })
		}, code: ebms.FailedDecryption, reason: "missing-target: xenc:DataReference"},
		{name: "two keys for one EncryptedData", do: func(p *parcel) {
			k := p.find("<xenc:EncryptedKey", "</xenc:EncryptedKey>")
			p.swap(k, k+strings.Replace(k, ` Id="`, ` Id="second-`, 1))
		}, code: ebms.FailedDecryption, reason: "encrypted data with two keys"},
		{name: "a key in the message for whoever decrypts the key", do: func(p *parcel) {
			p.swap("</xenc:EncryptedKey>", "<xenc:CarriedKeyName>x</xenc:CarriedKeyName></xenc:EncryptedKey>")
		}, code: ebms.FailedDecryption, reason: "reading EncryptedKey"},
		{name: "ciphertext of another message", do: func(p *parcel) { p.parts[0].Content = otherMessage(p).parts[0].Content }, code: ebms.FailedDecryption, reason: "decryption failed"},
		{name: "ciphertext and key of another message", do: func(p *parcel) {
			o := otherMessage(p)
			k := o.cut("<xenc:EncryptedKey", "</xenc:EncryptedKey>")
			ours := p.find("<xenc:EncryptedKey", "</xenc:EncryptedKey>")
			p.swap(ours, strings.Replace(ours, value(ours, "<xenc:CipherValue>", "<"), value(k, "<xenc:CipherValue>", "<"), 1))
			p.parts[0].Content, p.parts[1].Content = o.parts[0].Content, o.parts[1].Content
		}, code: ebms.FailedAuthentication, reason: "digest-mismatch: an attachment"},
		{name: "other content under a new key of the attacker's", make: func(t testing.TB, a agreement) *parcel {
			p := seal(t, a)
			p.reencrypt(oaep, func(key []byte) []byte {
				for i := range p.parts {
					p.parts[i].Content = gcm(key, gzipped("false evidence"))
				}
				return must(rsa.EncryptOAEP(sha256.New(), rand.Reader, a.recipient(), key, nil))
			})
			return p
		}, code: ebms.FailedAuthentication, reason: "digest-mismatch: an attachment"},
		{name: "the tag cut short", do: func(p *parcel) { p.parts[0].Content = p.parts[0].Content[:len(p.parts[0].Content)-4] }, code: ebms.FailedDecryption, reason: "decryption failed"},
		{name: "no tag", do: func(p *parcel) { p.parts[0].Content = p.parts[0].Content[:len(p.parts[0].Content)-16] }, code: ebms.FailedDecryption, reason: "decryption failed"},
		{name: "a tag of zeros", do: func(p *parcel) { clear(last(p)[len(last(p))-16:]) }, code: ebms.FailedDecryption, reason: "decryption failed"},
		{name: "a nonce changed", do: func(p *parcel) { p.parts[0].Content[0] ^= 1 }, code: ebms.FailedDecryption, reason: "decryption failed"},
		{name: "one bit of the last part changed", do: func(p *parcel) { last(p)[14] ^= 1 }, code: ebms.FailedDecryption, reason: "decryption failed"},
		{name: "an empty part", do: func(p *parcel) { p.parts[0].Content = nil }, code: ebms.FailedDecryption, reason: "decryption failed"},
		{name: "a nonce and nothing else", do: func(p *parcel) { p.parts[0].Content = p.parts[0].Content[:12] }, code: ebms.FailedDecryption, reason: "decryption failed"},
		{name: "a clear part changed", under: "1.15 sign", do: func(p *parcel) { p.parts[1].Content[3] ^= 1 }, code: ebms.FailedAuthentication, reason: "digest-mismatch: an attachment"},
		{name: "a clear XML part that says it is text", under: "1.15 sign", make: clearXML(func(p *parcel) { p.parts[0].MediaType = "text/plain" }), code: ebms.FailedAuthentication, reason: "digest-mismatch: an attachment"},
		{name: "a clear XML part with a DOCTYPE", under: "1.15 sign", make: clearXML(func(p *parcel) {
			p.parts[0].Content = append([]byte(`<!DOCTYPE doc [<!ENTITY x SYSTEM "file:///etc/passwd">]>`), p.parts[0].Content...)
		}), code: ebms.FailedAuthentication, reason: "doctype"},
		{name: "a clear XML part of a thousand levels", under: "1.15 sign", make: clearXML(func(p *parcel) {
			p.parts[0].Content = []byte(strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000))
		}), code: ebms.FailedAuthentication, reason: "too-deep"},
		{name: "clear parts where encryption is agreed", make: func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) { l.seal.SignOnly, l.seal.Recipient = true, nil })
		}, code: ebms.PolicyNoncompliance, reason: "a part is not encrypted"},
		{name: "clear parts where encryption is agreed", under: "2.0", make: func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) { l.seal.SignOnly, l.seal.Recipient = true, nil })
		}, code: ebms.PolicyNoncompliance, reason: "a part is not encrypted"},
		{name: "a part that is signed and has no PartInfo", make: func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) {
				l.parts = append(l.parts, wssec.OutPart{ID: "part-3@example.org", MediaType: "application/gzip", Content: gzipped("hidden")})
			})
		}, code: ebms.PolicyNoncompliance, reason: "encrypted data that is not a part"},
		{name: "a PartInfo without a part", make: func(t testing.TB, a agreement) *parcel {
			return seal(t, a, func(l *letter) { l.parts = l.parts[:1] })
		}, code: ebms.PolicyNoncompliance, reason: "a part is not encrypted"},
	}
	for _, under := range []string{"2.0", "2.0-ecdsa"} {
		for _, name := range []string{"two parts exchange their Content-IDs", "ciphertext of another message", "a tag of zeros", "the tag cut short"} {
			for _, c := range attacks {
				if c.name == name && c.under == "" {
					c.under = under
					attacks = append(attacks, c)
				}
			}
		}
	}
	run(t, attacks)
}

// clearXML has an XML part that is not compressed: what is signed is its canonical form.
func clearXML(edit func(p *parcel)) func(testing.TB, agreement) *parcel {
	return func(t testing.TB, a agreement) *parcel {
		p := seal(t, a, func(l *letter) {
			l.parts[0] = wssec.OutPart{ID: partA, MediaType: "application/xml", Content: []byte("<?xml version=\"1.0\"?>\n<doc b='' a=''/>")}
			l.header.Parts[0].Properties = l.header.Parts[0].Properties[:1]
		})
		edit(p)
		return p
	}
}
