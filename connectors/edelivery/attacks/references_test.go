package attacks

import (
	"fmt"
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/xmlsec"
)

const (
	excC14N    = `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">`
	attachment = `http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform`
)

// References that point elsewhere than they seem, and ids that stand twice (i.2). All
// are signed by the partner itself, so that nothing else is wrong with them.
func TestReferences(t *testing.T) {
	t.Parallel()
	uri := func(uri string) func(testing.TB, agreement) *parcel {
		return edited(func(p *parcel) {
			id := p.id()
			p.reference(0, replace(`URI="#`+id+`"`, strings.ReplaceAll(uri, "ID", id)))
		})
	}
	collide := func(attr string) func(p *parcel) {
		return func(p *parcel) { p.swap(headerEnd, `<w:Other xmlns:w="urn:w" `+attr+`="`+p.id()+`"/>`+headerEnd) }
	}
	const refused = "xmlsec: uri:"
	attacks := []attack{
		{name: "xpointer by id", make: uri(`URI="#xpointer(id('ID'))"`), reason: refused},
		{name: "xpointer of the root", make: uri(`URI="#xpointer(/)"`), reason: refused},
		{name: "xpointer of a path", make: uri(`URI="#xpointer(//*[local-name()='Messaging'])"`), reason: refused},
		{name: "element scheme", make: uri(`URI="#element(/1/1/2)"`), reason: refused},
		{name: "the whole document", make: uri(`URI=""`), reason: refused},
		{name: "no URI", make: uri(``), reason: refused},
		{name: "an empty fragment", make: uri(`URI="#"`), reason: refused},
		{name: "a blank before the id", make: uri(`URI="# ID"`), reason: refused},
		{name: "a blank before the fragment", make: uri(`URI=" #ID"`), reason: refused},
		{name: "a fragment that is percent-encoded", make: uri(`URI="%23ID"`), reason: refused},
		{name: "an id that is percent-encoded", make: uri(`URI="#%6dsg-0"`), reason: refused},
		{name: "two fragments", make: uri(`URI="#ID#ID"`), reason: refused},
		{name: "a web address", make: uri(`URI="http://127.0.0.1/x"`), reason: refused},
		{name: "a web address with the fragment", make: uri(`URI="http://127.0.0.1/x#ID"`), reason: refused},
		{name: "a file", make: uri(`URI="file:///etc/passwd"`), reason: refused},
		{name: "another document", make: uri(`URI="other.xml#ID"`), reason: refused},
		{name: "an empty cid", make: uri(`URI="cid:"`), reason: refused},
		{name: "a cid in capitals", make: edited(func(p *parcel) { p.reference(2, replace("cid:", "CID:")) }), reason: refused},
		{name: "a cid with a broken escape", make: edited(func(p *parcel) { p.reference(2, replace(partA, partA+"%4")) }), reason: refused},
		{name: "a cid with a NUL", make: edited(func(p *parcel) { p.reference(2, replace(partA, partA+"%00")) }), reason: refused},
		{name: "an id that is not there", make: uri(`URI="#nowhere"`), reason: "missing-target"},
		{name: "the id of the signature", make: edited(func(p *parcel) {
			p.reference(0, replace("#"+p.id(), "#"+value(p.find("<ds:Signature ", ">"), ` Id="`, `"`)))
		}), reason: "digest-mismatch: Signature"},
		{name: "one element twice", make: edited(func(p *parcel) { p.reference(0, func(s string) string { return s + s }) }), reason: "duplicate-target"},
		{name: "one part twice", make: edited(func(p *parcel) { p.reference(2, func(s string) string { return s + s }) }), reason: "duplicate-target"},
		{name: "one part twice, spelt differently", make: edited(func(p *parcel) {
			p.reference(2, func(s string) string { return s + strings.Replace(s, "cid:p", "cid:%70", 1) })
		}), reason: "duplicate-target"},
		{name: "a thousand references", make: edited(func(p *parcel) {
			p.reference(2, func(s string) string {
				var b strings.Builder
				for i := range 1000 {
					b.WriteString(strings.Replace(s, partA, fmt.Sprint(i, "@x"), 1))
				}
				return b.String()
			})
		}), reason: "too-many-references"},
		{name: "a part that is not there", make: edited(func(p *parcel) { p.reference(2, replace(partA, "part-9@example.org")) }), reason: "reference to a part that is not there"},
		{name: "a Manifest in an Object", make: edited(func(p *parcel) {
			p.swap("</ds:Signature>", `<ds:Object Id="o"><ds:Manifest></ds:Manifest></ds:Object></ds:Signature>`)
		}), reason: "xmlsec: structure: reading Signature"},
		{name: "SignedInfo twice", do: func(p *parcel) { p.swap("<ds:SignatureValue>", "<ds:SignedInfo></ds:SignedInfo><ds:SignatureValue>") }, reason: "xmlsec: structure: reading Signature"},
		{name: "a value with markup inside", make: edited(nil), do: func(p *parcel) { p.swap("<ds:SignatureValue>", "<ds:SignatureValue><x/>") }, reason: "xmlsec: structure: reading SignatureValue"},
		{name: "a digest with a comment cut", make: edited(func(p *parcel) {
			p.reference(0, replace("<ds:DigestValue>", "<ds:DigestValue>AAAA<!-- -->"))
		}), reason: "xmlsec: structure"},
		{name: "a digest that is short", make: edited(func(p *parcel) {
			p.reference(0, func(s string) string {
				return strings.Replace(s, value(s, "<ds:DigestValue>", "<"), "AAAA", 1)
			})
		}), reason: "a digest of another length"},
		{name: "no references", make: edited(func(p *parcel) {
			for range 4 {
				p.reference(0, func(string) string { return "" })
			}
		}), reason: "a signature without references"},
	}
	for _, attr := range []string{"wsu:Id", "Id", "ID"} {
		attacks = append(attacks, attack{name: "the id of Messaging again as " + attr, do: func(p *parcel) {
			if attr == "wsu:Id" {
				p.swap(headerEnd, `<w:Other xmlns:w="urn:w" xmlns:wsu="`+ebms.WSUNamespace+`" wsu:Id="`+p.id()+`"/>`+headerEnd)
				return
			}
			collide(attr)(p)
		}, reason: "id-collision"})
	}
	attacks = append(attacks,
		attack{name: "the id of Messaging on the KeyInfo", do: func(p *parcel) {
			p.signature(func(s string) string {
				return strings.Replace(s, `<ds:KeyInfo Id="`, `<ds:KeyInfo Id="`+p.id()+`" w="`, 1)
			})
		}, reason: "id-collision"},
		attack{name: "two ids on one element, one of them taken", do: func(p *parcel) { p.swap("<S12:Body ", `<S12:Body Id="`+p.id()+`" `) }, reason: "id-collision"},
	)
	for i := range attacks {
		attacks[i].code = ebms.FailedAuthentication
	}
	run(t, attacks)
}

// Transforms beyond the two that the profile has (i.4), signed by the partner.
func TestTransforms(t *testing.T) {
	t.Parallel()
	element := func(alg string) func(testing.TB, agreement) *parcel {
		return edited(func(p *parcel) {
			p.reference(0, replace(excC14N, `<ds:Transform Algorithm="`+alg+`">`))
		})
	}
	transforms := func(n int, content string) func(testing.TB, agreement) *parcel {
		return edited(func(p *parcel) {
			p.reference(n, func(s string) string {
				return strings.Replace(s, value(s, "<ds:Transforms>", "</ds:Transforms>"), content, 1)
			})
		})
	}
	const x = "xmlsec: transform:"
	attacks := []attack{
		{name: "XSLT", make: transforms(0, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"><xsl:template match="/"><xsl:copy-of select="document('file:///etc/passwd')"/></xsl:template></xsl:stylesheet></ds:Transform>`), reason: x},
		{name: "XPath", make: transforms(0, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>false()</ds:XPath></ds:Transform>`), reason: x},
		{name: "XPath filter 2", make: element("http://www.w3.org/2002/06/xmldsig-filter2"), reason: x},
		{name: "XPointer", make: element("http://www.w3.org/2001/04/xmldsig-more#xptr"), reason: x},
		{name: "base64", make: element("http://www.w3.org/2000/09/xmldsig#base64"), reason: x},
		{name: "enveloped on an id", make: element("http://www.w3.org/2000/09/xmldsig#enveloped-signature"), reason: x},
		{name: "enveloped before C14N", make: transforms(0, `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform>`+excC14N+`</ds:Transform>`), reason: x},
		{name: "exclusive C14N with comments", make: element("http://www.w3.org/2001/10/xml-exc-c14n#WithComments"), reason: x},
		{name: "inclusive C14N", make: element("http://www.w3.org/TR/2001/REC-xml-c14n-20010315"), code: ebms.PolicyNoncompliance, reason: "algorithm-denied: a canonical form"},
		{name: "inclusive C14N 1.1", make: element("http://www.w3.org/2006/12/xml-c14n11"), code: ebms.PolicyNoncompliance, reason: "algorithm-denied: a canonical form"},
		{name: "C14N twice", make: transforms(0, excC14N+`</ds:Transform>`+excC14N+`</ds:Transform>`), reason: x},
		{name: "no transform", make: transforms(0, ""), reason: x},
		{name: "decryption", make: element("http://www.w3.org/2002/07/decrypt#XML"), reason: x},
		{name: "STR-Transform", make: element("http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform"), reason: x},
		{name: "an unknown one", make: element("urn:none"), reason: x},
		{name: "an empty one", make: element(""), reason: "xmlsec:"},
		{name: "one inside the other", make: transforms(0, excC14N+excC14N+`</ds:Transform></ds:Transform>`), reason: "xmlsec: structure"},
		{name: "the part transform on an element", make: element(attachment), reason: x},
		{name: "C14N on a part", make: transforms(2, excC14N+"</ds:Transform>"), reason: x},
		{name: "the complete part", make: transforms(2, `<ds:Transform Algorithm="`+strings.Replace(attachment, "-Content-", "-Complete-", 1)+`"></ds:Transform>`), reason: x},
		{name: "the part transform twice", make: transforms(2, strings.Repeat(`<ds:Transform Algorithm="`+attachment+`"></ds:Transform>`, 2)), reason: x},
		{name: "the part transform with parameters", make: transforms(2, `<ds:Transform Algorithm="`+attachment+`"><x xmlns=""></x></ds:Transform>`), reason: "xmlsec: structure"},
		{name: "no transform on a part", make: transforms(2, ""), reason: x},
		{name: "SignedInfo in inclusive C14N", make: edited(func(p *parcel) {
			p.in("<ds:CanonicalizationMethod", ">", replace(string(xmlsec.ExclusiveC14N), string(xmlsec.InclusiveC14N)))
		}), code: ebms.PolicyNoncompliance, reason: "algorithm-denied: a canonical form"},
		{name: "SignedInfo by XSLT", make: edited(func(p *parcel) {
			p.in("<ds:CanonicalizationMethod", ">", replace(string(xmlsec.ExclusiveC14N), "http://www.w3.org/TR/1999/REC-xslt-19991116"))
		}), reason: "unknown-algorithm: a canonical form"},
		{name: "SignedInfo with comments", make: edited(func(p *parcel) {
			p.in("<ds:CanonicalizationMethod", ">", replace(string(xmlsec.ExclusiveC14N), string(xmlsec.ExclusiveC14N)+"WithComments"))
		}), reason: "unknown-algorithm: a canonical form"},
	}
	for i := range attacks {
		if attacks[i].code == "" {
			attacks[i].code = ebms.FailedAuthentication
		}
	}
	run(t, attacks)
}
