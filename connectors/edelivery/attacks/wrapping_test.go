package attacks

import (
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/xmlsec"
)

const forgedID = `wsu:Id="forged"`

// Signature wrapping (i.1): the signed elements move, forged ones take their place.
//
// Covers: B-050
func TestSignatureWrapping(t *testing.T) {
	t.Parallel()
	// move takes the signed Messaging away to where put says; a forged one with the id
	// stands in its place.
	move := func(id string, put func(p *parcel, signed string)) func(p *parcel) {
		return func(p *parcel) {
			m := p.cutMessaging()
			p.swap(headerEnd, forged(m, id)+headerEnd)
			put(p, m)
		}
	}
	into := func(end string) func(p *parcel, m string) {
		return func(p *parcel, m string) { p.swap(end, m+end) }
	}
	wrapped := func(p *parcel, m string) { p.swap(headerEnd, wrap(m)+headerEnd) }
	same := func(p *parcel) string { return p.id() }
	const notSigned = "Messaging is not signed"
	attacks := []attack{
		{name: "1 signed Messaging in a foreign header block behind a forged one", do: move(forgedID, wrapped), code: ebms.PolicyNoncompliance, reason: notSigned},
		{name: "1 signed Messaging in a foreign header block before the forged one", do: move(forgedID, func(p *parcel, m string) { p.first("<S12:Header>", "<S12:Header>"+wrap(m)) }), code: ebms.PolicyNoncompliance, reason: notSigned},
		{name: "1 forged Messaging without an id", do: move("", wrapped), code: ebms.PolicyNoncompliance, reason: notSigned},
		{name: "2 signed Messaging in Security", do: move(forgedID, into(securityEnd)), code: ebms.PolicyNoncompliance, reason: "Security header holds something else"},
		{name: "2 signed Messaging in a wsu:Timestamp of Security", do: move(forgedID, func(p *parcel, m string) { p.swap(securityEnd, "<wsu:Timestamp>"+m+"</wsu:Timestamp>"+securityEnd) }), code: ebms.PolicyNoncompliance, reason: notSigned},
		{name: "2 signed Messaging in the token", do: move(forgedID, func(p *parcel, m string) {
			i := strings.LastIndex(p.envelope, "</wsse:BinarySecurityToken>")
			p.envelope = p.envelope[:i] + m + p.envelope[i:]
		}), code: ebms.FailedAuthentication, reason: "token reference cannot be read"},
		{name: "2 signed Messaging in a ds:Object", do: move(forgedID, func(p *parcel, m string) { p.swap("</ds:Signature>", "<ds:Object>"+m+"</ds:Object></ds:Signature>") }), code: ebms.FailedAuthentication, reason: "xmlsec: structure: reading Signature"},
		{name: "2 signed Messaging in the KeyInfo", do: move(forgedID, func(p *parcel, m string) {
			p.signature(replace("</wsse:SecurityTokenReference>", m+"</wsse:SecurityTokenReference>"))
		}), code: ebms.FailedAuthentication, reason: "token reference cannot be read"},
		{name: "2 signed Messaging in the EncryptedKey", do: move(forgedID, into("</xenc:EncryptedKey>")), code: ebms.FailedDecryption, reason: "xmlsec: structure: reading EncryptedKey"},
		{name: "3 signed Messaging in the Body", do: move(forgedID, into(bodyEnd)), code: ebms.ValueInconsistent, reason: "payload in the SOAP Body"},
		{name: "3 signed Messaging in a fault in the Body", do: move(forgedID, func(p *parcel, m string) { p.swap(bodyEnd, "<S12:Fault>"+m+"</S12:Fault>"+bodyEnd) }), code: ebms.FailedAuthentication, reason: "digest-mismatch: Body"},
		{name: "4 signed Messaging behind the Body", do: move(forgedID, into("</S12:Envelope>")), code: ebms.InvalidHeader, reason: "not one Header and one Body"},
		{name: "4 signed Messaging before the Header", do: move(forgedID, func(p *parcel, m string) { p.swap("<S12:Header>", m+"<S12:Header>") }), code: ebms.InvalidHeader, reason: "not one Header and one Body"},
		{name: "5 signed Messaging as a descendant of the forged one", do: func(p *parcel) {
			m := p.cutMessaging()
			p.swap(headerEnd, strings.Replace(forged(m, forgedID), "</eb:Messaging>", wrap(m)+"</eb:Messaging>", 1)+headerEnd)
		}, code: ebms.PolicyNoncompliance, reason: notSigned},
		{name: "5 signed Messaging as a child of the forged one", do: func(p *parcel) {
			m := p.cutMessaging()
			p.swap(headerEnd, strings.Replace(forged(m, forgedID), "</eb:Messaging>", m+"</eb:Messaging>", 1)+headerEnd)
		}, code: ebms.InvalidHeader, reason: "unknown element in Messaging"},
		{name: "5 signed Messaging as a child of the forged UserMessage", do: func(p *parcel) {
			m := p.cutMessaging()
			p.swap(headerEnd, strings.Replace(forged(m, forgedID), "</eb:UserMessage>", m+"</eb:UserMessage>", 1)+headerEnd)
		}, code: ebms.InvalidHeader, reason: "unexpected or repeated element in UserMessage"},
		{name: "6 two Messaging, the forged one first", do: func(p *parcel) {
			m := p.cutMessaging()
			p.swap(headerEnd, forged(m, forgedID)+m+headerEnd)
		}, code: ebms.ValueInconsistent, reason: "more than one Messaging header"},
		{name: "6 two Messaging, the forged one last", do: func(p *parcel) {
			p.swap(headerEnd, forged(p.find("<eb:Messaging ", "</eb:Messaging>"), forgedID)+headerEnd)
		}, code: ebms.ValueInconsistent, reason: "more than one Messaging header"},
		{name: "6 a second UserMessage in the signed Messaging", do: func(p *parcel) {
			p.in("<eb:UserMessage>", "</eb:UserMessage>", func(u string) string { return forged(u, forgedID) + u })
		}, code: ebms.ValueInconsistent, reason: "more than one message unit"},
		{name: "6 two Body, the forged one last", do: func(p *parcel) { p.swap("</S12:Envelope>", "<S12:Body><x/></S12:Body></S12:Envelope>") }, code: ebms.InvalidHeader, reason: "not one Header and one Body"},
		{name: "6 two Body, the forged one first", do: func(p *parcel) { p.swap("<S12:Body ", "<S12:Body><x/></S12:Body><S12:Body ") }, code: ebms.InvalidHeader, reason: "not one Header and one Body"},
		{name: "6 two Header", do: func(p *parcel) { p.swap(headerEnd, headerEnd+"<S12:Header></S12:Header>") }, code: ebms.InvalidHeader, reason: "not one Header and one Body"},
		{name: "6 signed Body in a header block, a forged one in its place", do: func(p *parcel) {
			b := p.cutBody()
			p.swap(headerEnd, wrap(b)+headerEnd+"<S12:Body></S12:Body>")
		}, code: ebms.PolicyNoncompliance, reason: "Body is not signed"},
		{name: "6 signed Body in a forged one", do: func(p *parcel) {
			b := p.cutBody()
			p.swap(headerEnd, headerEnd+"<S12:Body>"+b+"</S12:Body>")
		}, code: ebms.ValueInconsistent, reason: "payload in the SOAP Body"},
		{name: "6 a payload in the signed Body", do: func(p *parcel) { p.swap(bodyEnd, "evidence"+bodyEnd) }, code: ebms.ValueInconsistent, reason: "payload in the SOAP Body"},
		{name: "6 the whole envelope in the header of another", do: func(p *parcel) {
			inner := p.envelope[strings.Index(p.envelope, "<S12:Envelope"):]
			p.envelope = strings.Replace(strings.Replace(inner, "<S12:Body", wrap(inner)+"<S12:Body", 1), headerEnd, "", 1)
			p.envelope = strings.Replace(p.envelope, "<S12:Body", headerEnd+"<S12:Body", 1)
		}, status: 400, code: ebms.InvalidHeader, reason: "mismatched-tag"},
		{name: "6 an envelope in an envelope", do: func(p *parcel) {
			inner := p.envelope[strings.Index(p.envelope, "<S12:Envelope"):]
			p.envelope = `<S12:Envelope xmlns:S12="` + ebms.SOAPNamespace + `"><S12:Header>` + inner + `</S12:Header><S12:Body/></S12:Envelope>`
		}, code: ebms.InvalidHeader, reason: "no Messaging header"},
		{name: "7 the same wsu:Id on both", do: func(p *parcel) { move(`wsu:Id="`+same(p)+`"`, wrapped)(p) }, code: ebms.FailedAuthentication, reason: "id-collision"},
		{name: "7 wsu:Id on the signed, Id on the forged", do: func(p *parcel) { move(`Id="`+same(p)+`"`, wrapped)(p) }, code: ebms.FailedAuthentication, reason: "id-collision"},
		{name: "7 wsu:Id on the signed, ID on the forged", do: func(p *parcel) { move(`ID="`+same(p)+`"`, wrapped)(p) }, code: ebms.FailedAuthentication, reason: "id-collision"},
		{name: "7 wsu:Id on the signed, xml:id on the forged", do: func(p *parcel) { move(`xml:id="`+same(p)+`"`, wrapped)(p) }, code: ebms.PolicyNoncompliance, reason: notSigned},
		{name: "7 wsu:Id on the signed, id on the forged", do: func(p *parcel) { move(`id="`+same(p)+`"`, wrapped)(p) }, code: ebms.PolicyNoncompliance, reason: notSigned},
		{name: "7 wsu:Id on the signed, AssertionID on the forged", do: func(p *parcel) { move(`AssertionID="`+same(p)+`"`, wrapped)(p) }, code: ebms.PolicyNoncompliance, reason: notSigned},
		{name: "7 wsu:Id on the signed, an Id of a foreign namespace on the forged", do: func(p *parcel) { move(`xmlns:q="urn:q" q:Id="`+same(p)+`"`, wrapped)(p) }, code: ebms.PolicyNoncompliance, reason: notSigned},
		{name: "7 the forged one without wsu:Id, the signed one in front with it", do: func(p *parcel) {
			move("", func(p *parcel, m string) { p.first("<S12:Header>", "<S12:Header>"+wrap(m)) })(p)
		}, code: ebms.PolicyNoncompliance, reason: notSigned},
		{name: "8 the wrapper must be understood", do: move(forgedID, func(p *parcel, m string) {
			p.swap(headerEnd, strings.Replace(wrap(m), "<w:Wrap ", `<w:Wrap S12:mustUnderstand="true" `, 1)+headerEnd)
		}), code: ebms.HeaderNotSupported, reason: "must be understood"},
		{name: "8 the wrapper must be understood, in other words", do: move(forgedID, func(p *parcel, m string) {
			p.swap(headerEnd, strings.Replace(wrap(m), "<w:Wrap ", `<w:Wrap xmlns:q="`+ebms.SOAPNamespace+`" q:mustUnderstand=" 1 " `, 1)+headerEnd)
		}), code: ebms.HeaderNotSupported, reason: "must be understood"},
		{name: "8 the wrapper is for another role", do: move(forgedID, func(p *parcel, m string) {
			p.swap(headerEnd, strings.Replace(wrap(m), "<w:Wrap ", `<w:Wrap S12:role="http://www.w3.org/2003/05/soap-envelope/role/next" `, 1)+headerEnd)
		}), code: ebms.HeaderNotSupported, reason: "for another role"},
		{name: "8 a second Security for another role", do: func(p *parcel) {
			s := p.find("<wsse:Security ", ">")
			p.swap("<S12:Header>", "<S12:Header>"+strings.Replace(s, "<wsse:Security ", `<wsse:Security S12:role="http://www.w3.org/2003/05/soap-envelope/role/next" `, 1)+securityEnd)
		}, code: ebms.HeaderNotSupported, reason: "for another role"},
		{name: "8 a second, empty Security", do: func(p *parcel) { p.swap("<S12:Header>", "<S12:Header>"+p.find("<wsse:Security ", ">")+securityEnd) }, code: ebms.PolicyNoncompliance, reason: "more than one Security header"},
		{name: "8 the only Security has another role", do: func(p *parcel) {
			p.swap("<wsse:Security ", `<wsse:Security S12:role="urn:other" `)
		}, code: ebms.HeaderNotSupported, reason: "for another role"},
		{name: "8 the only Security has an actor of SOAP 1.1", do: func(p *parcel) {
			p.swap("<wsse:Security ", `<wsse:Security xmlns:S11="http://schemas.xmlsoap.org/soap/envelope/" S11:actor="urn:other" `)
		}, code: ebms.HeaderNotSupported, reason: "for another role"},
		{name: "8 the signature stands outside of Security", do: func(p *parcel) {
			p.swap(headerEnd, strings.Replace(p.cutSignature(), "<ds:Signature ", `<ds:Signature xmlns:wsse="`+xmlsec.SpaceWSSE+`" `, 1)+headerEnd)
		}, code: ebms.PolicyNoncompliance, reason: "no ds:Signature"},
		{name: "8 the signature stands below another element of Security", do: func(p *parcel) {
			s := p.cutSignature()
			p.swap(securityEnd, "<wsu:Timestamp>"+s+"</wsu:Timestamp>"+securityEnd)
		}, code: ebms.PolicyNoncompliance, reason: "no ds:Signature"},
		{name: "8 the signature stands twice", do: func(p *parcel) {
			s := p.cutSignature()
			p.swap(securityEnd, s+s+securityEnd)
		}, code: ebms.FailedAuthentication, reason: "many-signatures"},
		{name: "8 a second signature by a stranger, with ids of its own", do: func(p *parcel) {
			q := seal(p.t, p.agreement, func(l *letter) { l.header.MessageID = "second@ap-nl-01.example.org" })
			p.swap(securityEnd, q.cutSignature()+securityEnd)
		}, code: ebms.FailedAuthentication, reason: "many-signatures"},
		{name: "the envelope is of SOAP 1.1", do: func(p *parcel) { p.every(ebms.SOAPNamespace, "http://schemas.xmlsoap.org/soap/envelope/") }, code: ebms.InvalidHeader, reason: "not a SOAP 1.2 envelope"},
		{name: "the Header is of another namespace", do: func(p *parcel) {
			p.swap("<S12:Header>", `<q:Header xmlns:q="urn:q">`)
			p.swap(headerEnd, "</q:Header>")
		}, code: ebms.InvalidHeader, reason: "not one Header and one Body"},
		{name: "Messaging is of another namespace", do: func(p *parcel) { p.every(ebms.Namespace, ebms.Namespace+"x/") }, code: ebms.HeaderNotSupported, reason: "must be understood"},
	}
	for _, under := range []string{"1.15 sign", "2.0", "2.0-ecdsa"} { // the eight again
		for _, c := range attacks[:3] {
			c.under = under
			attacks = append(attacks, c)
		}
	}
	run(t, attacks)
}

// What a partner itself signs must be the elements that are read.
func TestPartnerSignsSomethingElse(t *testing.T) {
	t.Parallel()
	const ref = `<ds:Reference URI="#`
	exc := `<ds:Transforms><ds:Transform Algorithm="` + string(xmlsec.ExclusiveC14N) + `"></ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="` + string(xmlsec.SHA256) + `"></ds:DigestMethod>`
	run(t, []attack{
		{name: "only Messaging and the parts", make: edited(func(p *parcel) {
			p.reference(1, func(string) string { return "" })
		}), code: ebms.PolicyNoncompliance, reason: "Body is not signed"},
		{name: "only Body and the parts", make: edited(func(p *parcel) {
			p.reference(0, func(string) string { return "" })
		}), code: ebms.PolicyNoncompliance, reason: "Messaging is not signed"},
		{name: "all but one part", make: edited(func(p *parcel) {
			p.reference(3, func(string) string { return "" })
		}), code: ebms.PolicyNoncompliance, reason: "a part is not signed"},
		{name: "all but the parts", make: edited(func(p *parcel) {
			p.reference(3, func(string) string { return "" })
			p.reference(2, func(string) string { return "" })
		}), code: ebms.PolicyNoncompliance, reason: "a part is not signed"},
		{name: "all but the parts, which are clear", under: "1.15 sign", make: edited(func(p *parcel) {
			p.reference(3, func(string) string { return "" })
			p.reference(2, func(string) string { return "" })
		}), code: ebms.PolicyNoncompliance, reason: "a part is not signed"},
		{name: "UserMessage in place of Messaging", make: edited(func(p *parcel) {
			p.swap("<eb:UserMessage>", `<eb:UserMessage wsu:Id="user">`)
			id := p.id()
			p.reference(0, replace("#"+id, "#user"))
			_, env := p.parse()
			for c := range env.Messaging.Children() {
				p.digestOf("#user", c)
			}
		}), code: ebms.PolicyNoncompliance, reason: "Messaging is not signed"},
		{name: "an element more", make: edited(func(p *parcel) {
			p.swap(headerEnd, `<w:More xmlns:w="urn:w" Id="more"></w:More>`+headerEnd)
			p.swap("</ds:SignedInfo>", ref+`more">`+exc+`<ds:DigestValue>AAAA</ds:DigestValue></ds:Reference></ds:SignedInfo>`)
			doc, _ := p.parse()
			for e := range doc.Root().Descendants() {
				if e.Name().Local == "More" {
					p.digestOf("#more", e)
				}
			}
		}), code: ebms.PolicyNoncompliance, reason: "signature covers another element"},
	})
}
