package attacks

import (
	"strings"
	"testing"

	"oncegate/connectors/edelivery/ebms"
)

// Text and namespaces that two readers take for two things (i.26).
func TestText(t *testing.T) {
	t.Parallel()
	const (
		parse  = "not acceptable XML"
		spoken = ">conversation<"
	)
	digest := func(name string, do func(p *parcel)) attack {
		return attack{name: name, do: do, code: ebms.FailedAuthentication, reason: "digest-mismatch"}
	}
	bad := func(name, reason string, do func(p *parcel)) attack {
		return attack{name: name, do: do, code: ebms.InvalidHeader, status: 400, reason: reason}
	}
	in := func(old, new string) func(p *parcel) { return func(p *parcel) { p.swap(old, new) } }
	run(t, []attack{
		digest("a value is longer", in(spoken, ">conversation2<")),
		digest("a value is cut by a comment and goes on", in(spoken, ">conversation<!-- -->2<")),
		{name: "a PartyId goes on behind a comment", do: in(">"+partnerID+"<", ">"+partnerID+"<!---->.example<"), code: ebms.ProcessingModeMismatch, reason: partnerID + ".example"},
		{name: "an action goes on behind a comment", do: in(">"+action+"<", ">"+action+"<!---->2<"), code: ebms.ProcessingModeMismatch, reason: action + "2"},
		digest("a blank at the end of a value", in(spoken, ">conversation <")),
		digest("a line end before a value", in(spoken, ">\nconversation<")),
		digest("a carriage return by reference", in(spoken, ">conversation&#13;<")),
		digest("a non-breaking space", in(spoken, ">conversation\u00a0<")),
		digest("a look-alike letter", in(spoken, ">\u0441onversation<")),
		digest("CDATA that holds more", in(spoken, "><![CDATA[conversation&]]><")),
		{name: "a processing instruction in a value", do: in(">"+action+"<", ">ExecuteQuery<?x y?>Request<"), code: ebms.FailedAuthentication, reason: "digest-mismatch"},
		digest("a processing instruction beside the values", in("<eb:UserMessage>", "<eb:UserMessage><?x y?>")),
		{name: "markup in a value", do: in(">"+action+"<", "><x/>"+action+"<"), code: ebms.InvalidHeader, reason: "Action is not text"},
		bad("an entity of HTML", "entity", in(">"+action+"<", ">&eacute;<")),
		bad("an entity by a DOCTYPE", "doctype", func(p *parcel) {
			p.first("<S12:Envelope", `<!DOCTYPE S12:Envelope [<!ENTITY a "`+action+`">]><S12:Envelope`)
			p.swap(">"+action+"<", ">&a;<")
		}),
		bad("an attribute default by a DOCTYPE", "doctype", func(p *parcel) {
			p.first("<S12:Envelope", `<!DOCTYPE S12:Envelope [<!ATTLIST Messaging Id ID "x">]><S12:Envelope`)
		}),
		bad("an external subset", "doctype", func(p *parcel) {
			p.first("<S12:Envelope", `<!DOCTYPE S12:Envelope SYSTEM "http://127.0.0.1/x.dtd"><S12:Envelope`)
		}),
		bad("a NUL by reference", parse, in(spoken, ">conversation&#0;<")),
		bad("a NUL", parse, in(spoken, ">conversation\x00<")),
		bad("half of a surrogate pair by reference", parse, in(spoken, ">conversation&#xD800;<")),
		bad("a reference beyond Unicode", parse, in(spoken, ">conversation&#x110000;<")),
		bad("a reference that wraps around", parse, in(spoken, ">conversation&#x100000041;<")),
		bad("overlong UTF-8", "encoding", in(spoken, ">conversation\xc0\xbc<")),
		bad("UTF-8 that says it is UTF-16", "encoding", in(`encoding="UTF-8"`, `encoding="UTF-16"`)),
		bad("UTF-8 that says it is UTF-7", "encoding", in(`encoding="UTF-8"`, `encoding="UTF-7"`)),
		bad("XML 1.1", "declaration", in(`version="1.0"`, `version="1.1"`)),
		bad("]]> in text", "cdata-end", in(spoken, ">conversation]]><")),
		bad("-- in a comment", "comment", in(spoken, ">conversation<!-- -- --><")),
		bad("one attribute twice", "duplicate-attribute", in("<wsse:Security ", `<wsse:Security S12:mustUnderstand="0" `)),
		bad("one attribute twice under two prefixes", "duplicate-attribute", func(p *parcel) {
			p.first("<wsse:Security ", `<wsse:Security xmlns:q="`+ebms.SOAPNamespace+`" q:mustUnderstand="0" `)
		}),
		bad("a second root", "second-root", func(p *parcel) { p.envelope += "<x/>" }),
		bad("text behind the root", "outside-root", func(p *parcel) { p.envelope += "x" }),
	})
}

func TestNamespaces(t *testing.T) {
	t.Parallel()
	digest := func(name string, do func(p *parcel)) attack {
		return attack{name: name, do: do, code: ebms.FailedAuthentication, reason: "digest-mismatch"}
	}
	bad := func(name, reason string, do func(p *parcel)) attack {
		return attack{name: name, do: do, code: ebms.InvalidHeader, status: 400, reason: reason}
	}
	list := func(prefixes string) string {
		return excC14N + `<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="` + prefixes + `"></ec:InclusiveNamespaces>`
	}
	// prefixed is a message whose reference to Messaging has a PrefixList.
	prefixed := func(prefixes string, then func(p *parcel)) func(testing.TB, agreement) *parcel {
		return func(t testing.TB, a agreement) *parcel {
			p := seal(t, a)
			p.first("<S12:Header>", `<S12:Header xmlns:w="urn:w" xmlns="urn:default">`)
			p.reference(0, replace(excC14N, list(prefixes)))
			p.digestMessaging(strings.Fields(strings.ReplaceAll(prefixes, "#default", ""))...)
			if strings.Contains(prefixes, "#default") {
				p.digestMessaging(strings.Fields(prefixes)...)
			}
			p.resign(a.keys.partner.key)
			newStation(t, a).wantTaken(p)
			then(p)
			return p
		}
	}
	run(t, []attack{
		digest("the prefix of an attribute respelt, as in dataport1", func(p *parcel) {
			p.in("<eb:Messaging ", ">", func(s string) string {
				return strings.Replace(s, `S12:mustUnderstand`, `xmlns:q="`+ebms.SOAPNamespace+`" q:mustUnderstand`, 1)
			})
		}),
		digest("the prefix of an element respelt", func(p *parcel) {
			p.in("<eb:UserMessage>", "</eb:UserMessage>", func(s string) string {
				s = strings.ReplaceAll(strings.ReplaceAll(s, "<eb:", "<q:"), "</eb:", "</q:")
				return strings.Replace(s, "<q:UserMessage", `<q:UserMessage xmlns:q="`+ebms.Namespace+`"`, 1)
			})
		}),
		digest("elements in a default namespace in place of a prefix", func(p *parcel) {
			p.in("<eb:UserMessage>", "</eb:UserMessage>", func(s string) string {
				s = strings.ReplaceAll(strings.ReplaceAll(s, "<eb:", "<"), "</eb:", "</")
				return strings.Replace(s, "<UserMessage", `<UserMessage xmlns="`+ebms.Namespace+`"`, 1)
			})
		}),
		{name: "the prefix means something else further in", do: func(p *parcel) { p.swap("<eb:UserMessage", `<eb:UserMessage xmlns:eb="urn:other"`) }, code: ebms.InvalidHeader, reason: "no message unit"},
		{name: "the prefix means something else around an action", do: func(p *parcel) { p.swap("<eb:Action", `<eb:Action xmlns:eb="urn:other"`) }, code: ebms.InvalidHeader, reason: "Action missing"},
		bad("a prefix undeclared", "reserved-namespace", func(p *parcel) { p.swap("<eb:UserMessage", `<eb:UserMessage xmlns:S12=""`) }),
		bad("a prefix that nobody declared", "undeclared-prefix", func(p *parcel) { p.swap("<eb:UserMessage", `<eb:UserMessage q:x=""`) }),
		bad("xmlns as a prefix", "reserved", func(p *parcel) { p.swap("<eb:UserMessage", `<eb:UserMessage xmlns:xmlns="urn:x"`) }),
		bad("xml bound to something else", "reserved", func(p *parcel) { p.swap("<eb:UserMessage", `<eb:UserMessage xmlns:xml="urn:x"`) }),
		bad("the namespace of xml bound to something else", "reserved", func(p *parcel) {
			p.swap("<eb:UserMessage", `<eb:UserMessage xmlns:q="http://www.w3.org/XML/1998/namespace"`)
		}),
		digest("xml:base on the signed element", func(p *parcel) { p.swap("<eb:Messaging ", `<eb:Messaging xml:base="http://127.0.0.1/" `) }),
		digest("an attribute more", func(p *parcel) { p.swap("<eb:UserMessage", `<eb:UserMessage w="urn:other"`) }),
		{name: "a PrefixList is added", do: func(p *parcel) { p.reference(0, replace(excC14N, list("S12 eb"))) }, code: ebms.FailedAuthentication, reason: "signature-invalid"},
		{name: "a PrefixList is added to SignedInfo", do: func(p *parcel) {
			p.in("<ds:CanonicalizationMethod", "</ds:CanonicalizationMethod>", func(s string) string {
				return strings.Replace(s, "></", `><ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="S12"></ec:InclusiveNamespaces></`, 1)
			})
		}, code: ebms.FailedAuthentication, reason: "signature-invalid"},
		{name: "the namespace of a prefix in the list is changed", make: prefixed("w", func(p *parcel) { p.swap(`xmlns:w="urn:w"`, `xmlns:w="urn:other"`) }), code: ebms.FailedAuthentication, reason: "digest-mismatch: Messaging"},
		{name: "the declaration of a prefix in the list is taken away", make: prefixed("w", func(p *parcel) { p.swap(`xmlns:w="urn:w" `, ``) }), code: ebms.FailedAuthentication, reason: "digest-mismatch: Messaging"},
		{name: "a prefix of the list is declared later", make: prefixed("w v", func(p *parcel) { p.swap(`xmlns:w="urn:w"`, `xmlns:w="urn:w" xmlns:v="urn:v"`) }), code: ebms.FailedAuthentication, reason: "digest-mismatch: Messaging"},
		{name: "the default namespace in the list is changed", make: prefixed("#default", func(p *parcel) { p.swap(`xmlns="urn:default"`, `xmlns="urn:other"`) }), code: ebms.FailedAuthentication, reason: "digest-mismatch: Messaging"},
		{name: "a PrefixList of a thousand", make: edited(func(p *parcel) {
			p.reference(0, replace(excC14N, list(strings.Repeat("S12 ", 1000))))
		}), code: ebms.FailedAuthentication, reason: "a long PrefixList"},
		{name: "two PrefixLists", make: edited(func(p *parcel) {
			p.reference(0, replace(excC14N, list("S12")+strings.TrimPrefix(list("S12"), excC14N)))
		}), code: ebms.FailedAuthentication, reason: "xmlsec: structure"},
	})
}
