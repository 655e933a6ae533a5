package edelivery

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// A parcel is a message taken apart: what an attacker on the way holds.
type parcel struct {
	t           testing.TB
	contentType string // set to post Raw as it is
	raw         []byte
	envelope    string
	parts       []swa.OutPart
}

func open(t testing.TB, contentType string, body []byte) *parcel {
	t.Helper()
	rd, err := swa.NewReader(contentType, bytes.NewReader(body), swa.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	env, err := rd.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	parts, err := rd.Parts()
	if err != nil {
		t.Fatal(err)
	}
	p := &parcel{t: t, envelope: string(env)}
	for _, part := range parts {
		b, err := part.Content.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		p.parts = append(p.parts, swa.OutPart{ID: part.ID, MediaType: part.MediaType, Content: bytes.Clone(b)})
	}
	return p
}

func (p *parcel) close() (contentType string, body []byte) {
	if p.contentType != "" {
		return p.contentType, p.raw
	}
	b := swa.Write([]byte(p.envelope), p.parts, "ATTACKBOUNDARY")
	body, err := io.ReadAll(b.Reader())
	if err != nil {
		p.t.Fatal(err)
	}
	return b.ContentType, body
}

// swap replaces exactly one place of the envelope.
func (p *parcel) swap(old, new string) {
	p.t.Helper()
	if n := strings.Count(p.envelope, old); n != 1 {
		p.t.Fatalf("%d places with %q", n, old)
	}
	p.envelope = strings.Replace(p.envelope, old, new, 1)
}

// cut removes and returns the text from the first start to the end that follows.
func (p *parcel) cut(start, end string) string {
	p.t.Helper()
	i := strings.Index(p.envelope, start)
	j := -1
	if i >= 0 {
		j = strings.Index(p.envelope[i:], end)
	}
	if j < 0 {
		p.t.Fatalf("no %q followed by %q", start, end)
	}
	text := p.envelope[i : i+j+len(end)]
	p.envelope = p.envelope[:i] + p.envelope[i+j+len(end):]
	return text
}

func (p *parcel) cutMessaging() string { return p.cut("<eb:Messaging ", "</eb:Messaging>") }

const headerEnd = "</wsse:Security>"

// sealWith makes a message by hand: the attacker is a partner with its own key.
func sealWith(t testing.TB, k keypair, header func(*ebms.UserMessage), parts ...wssec.OutPart) *parcel {
	t.Helper()
	h := &ebms.UserMessage{
		Timestamp: testNow, MessageID: "by-hand@as4.example.org",
		From: ebms.Party{ID: requesterID, Role: pmode.OOTSRole}, To: ebms.Party{ID: providerID, Role: pmode.OOTSRole},
		Service: ebms.Service{Value: pmode.OOTSService, Type: pmode.OOTSServiceType}, Action: "ExecuteQueryRequest", ConversationID: "conversation",
	}
	for _, p := range parts {
		h.Parts = append(h.Parts, ebms.PartInfo{ID: p.ID, Properties: []ebms.Property{
			{Name: ebms.PropertyMimeType, Value: "application/pdf"}, {Name: ebms.PropertyCompressionType, Value: ebms.CompressionGzip}}})
	}
	if header != nil {
		header(h)
	}
	sealed, err := wssec.Seal(wssec.Sealing{
		Messaging: func(id string) ([]byte, error) { return ebms.AppendUserMessage(nil, h, id) },
		MessageID: h.MessageID, Parts: parts,
		Sign: wssec.Identity{Certificate: k.cert, Key: k.key}, Recipient: ring().provider.cert,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &parcel{t: t, envelope: string(sealed.Envelope), parts: sealed.Parts}
}

func gzipped(t testing.TB, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := new(wssec.Gzip).Compress(&b, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// signOnly signs the given targets of a hand-made message and encrypts nothing.
func signOnly(t testing.TB, parts []wssec.OutPart, targets ...string) *parcel {
	t.Helper()
	full := sealWith(t, ring().requester, nil, parts...)
	doc, err := xmldoc.ParseBytes([]byte(full.envelope), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	env, err := wssec.Locate(doc)
	if err != nil {
		t.Fatal(err)
	}
	s := xmlsec.Signing{Key: ring().requester.key, KeyInfo: []byte(
		`<wsse:SecurityTokenReference><wsse:Reference URI="#tok" ValueType="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"/></wsse:SecurityTokenReference>`)}
	idOf := func(e xmldoc.Element) string {
		v, _ := e.Attr(xmldoc.Name{Space: ebms.WSUNamespace, Local: "Id"})
		return v
	}
	for _, target := range targets {
		switch target {
		case "Messaging":
			s.Targets = append(s.Targets, xmlsec.Target{ID: idOf(env.Messaging), Element: env.Messaging})
		case "Body":
			s.Targets = append(s.Targets, xmlsec.Target{ID: idOf(env.Body), Element: env.Body})
		default:
			for _, p := range parts {
				if p.ID == target {
					s.Targets = append(s.Targets, xmlsec.Target{CID: p.ID, Content: bytes.NewReader(p.Content)})
				}
			}
		}
	}
	sig, err := xmlsec.Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	p := &parcel{t: t, envelope: full.envelope, parts: full.parts}
	security := p.cut("<wsse:Security ", headerEnd)
	// The encryption of the original stays where the parts stay encrypted.
	start := security[:strings.Index(security, ">")+1]
	enc := ""
	if i, j := strings.Index(security, "<xenc:EncryptedKey"), strings.LastIndex(security, "</xenc:EncryptedData>"); i >= 0 {
		enc = security[strings.Index(security, "<wsse:BinarySecurityToken"):i] + security[i:j+len("</xenc:EncryptedData>")]
	}
	k := sealWith(t, ring().requester, nil) // for its token
	token := k.cut("<wsse:BinarySecurityToken", "</wsse:BinarySecurityToken>")
	at := strings.Index(token, `wsu:Id="`)
	token = token[:at] + `wsu:Id="tok"` + token[at+len(`wsu:Id="`)+strings.Index(token[at+len(`wsu:Id="`):], `"`)+1:]
	p.envelope = strings.Replace(p.envelope, "<S12:Header>", "<S12:Header>"+start+enc+token+string(sig.XML)+headerEnd, 1)
	return p
}

type attack struct {
	name   string
	code   ebms.Code
	status int  // default 200
	plain  bool // the answer cannot be signed: the sender is not known
	do     func(p *parcel) *parcel
}

func edit(f func(p *parcel)) func(*parcel) *parcel {
	return func(p *parcel) *parcel { f(p); return p }
}

func attacks() []attack {
	const forgedAction = "ExceptionResponse"
	part := func(p *parcel, content string) wssec.OutPart {
		return wssec.OutPart{ID: "a@example.org", MediaType: ebms.CompressionGzip, Content: gzipped(p.t, content)}
	}
	return []attack{
		{name: "attachment changed", code: ebms.FailedDecryption, do: edit(func(p *parcel) { p.parts[0].Content[20] ^= 1 })},
		{name: "attachment cut short", code: ebms.FailedDecryption, do: edit(func(p *parcel) { p.parts[0].Content = p.parts[0].Content[:8] })},
		{name: "attachments exchanged", code: ebms.FailedAuthentication, do: edit(func(p *parcel) {
			p.parts[0].Content, p.parts[1].Content = p.parts[1].Content, p.parts[0].Content
		})},
		{name: "attachment encrypted anew with other content", code: ebms.FailedAuthentication, do: func(p *parcel) *parcel {
			a := sealWith(p.t, ring().requester, nil, part(p, "true"))
			b := sealWith(p.t, ring().stranger, nil, part(p, "false"))
			a.parts = b.parts
			key := b.cut("<xenc:EncryptedKey", "</xenc:EncryptedKey>")
			a.cut("<xenc:EncryptedKey", "</xenc:EncryptedKey>")
			a.swap("<xenc:EncryptedData", key+"<xenc:EncryptedData")
			return a
		}},
		{name: "no Security header", code: ebms.PolicyNoncompliance, do: edit(func(p *parcel) { p.cut("<wsse:Security ", headerEnd) })},
		{name: "no signature", code: ebms.PolicyNoncompliance, do: edit(func(p *parcel) { p.cut("<ds:Signature ", "</ds:Signature>") })},
		{name: "part signed and not encrypted", code: ebms.PolicyNoncompliance, do: func(p *parcel) *parcel {
			parts := []wssec.OutPart{part(p, "x")}
			a := signOnly(p.t, parts, "Messaging", "Body", parts[0].ID)
			a.cut("<xenc:EncryptedKey", "</xenc:EncryptedKey>")
			a.cut("<xenc:EncryptedData", "</xenc:EncryptedData>")
			a.parts[0].Content = parts[0].Content
			return a
		}},
		{name: "one of two parts not encrypted", code: ebms.PolicyNoncompliance, do: edit(func(p *parcel) {
			p.cut("<xenc:EncryptedData", "</xenc:EncryptedData>")
		})},
		{name: "part not signed", code: ebms.PolicyNoncompliance, do: func(p *parcel) *parcel {
			return signOnly(p.t, []wssec.OutPart{part(p, "x")}, "Messaging", "Body")
		}},
		{name: "Body not signed", code: ebms.PolicyNoncompliance, do: func(p *parcel) *parcel {
			return signOnly(p.t, []wssec.OutPart{part(p, "x")}, "Messaging", "a@example.org")
		}},
		{name: "Messaging not signed", code: ebms.PolicyNoncompliance, do: func(p *parcel) *parcel {
			return signOnly(p.t, []wssec.OutPart{part(p, "x")}, "Body", "a@example.org")
		}},
		{name: "header changed", code: ebms.FailedAuthentication, do: edit(func(p *parcel) { p.swap(">ExecuteQueryRequest<", ">"+forgedAction+"<") })},
		{name: "wrapped: signed Messaging in another header block", code: ebms.PolicyNoncompliance, do: edit(func(p *parcel) {
			m := p.cutMessaging()
			forged := strings.Replace(strings.Replace(m, "ExecuteQueryRequest", forgedAction, 1), `wsu:Id="msg-`, `wsu:Id="forged-`, 1)
			p.swap("</S12:Header>", `<w:Wrap xmlns:w="urn:w">`+m+`</w:Wrap>`+forged+"</S12:Header>")
		})},
		{name: "wrapped: with the same id", code: ebms.FailedAuthentication, do: edit(func(p *parcel) {
			m := p.cutMessaging()
			p.swap("</S12:Header>", `<w:Wrap xmlns:w="urn:w">`+m+`</w:Wrap>`+strings.Replace(m, "ExecuteQueryRequest", forgedAction, 1)+"</S12:Header>")
		})},
		{name: "wrapped: without an id", code: ebms.PolicyNoncompliance, do: edit(func(p *parcel) {
			m := p.cutMessaging()
			i := strings.Index(m, ` wsu:Id="`)
			j := i + len(` wsu:Id="`) + strings.Index(m[i+len(` wsu:Id="`):], `"`) + 1
			p.swap("</S12:Header>", `<w:Wrap xmlns:w="urn:w">`+m+`</w:Wrap>`+m[:i]+m[j:]+"</S12:Header>")
		})},
		{name: "wrapped: both in the header", code: ebms.ValueInconsistent, plain: true, do: edit(func(p *parcel) {
			m := p.cutMessaging()
			p.swap("</S12:Header>", strings.Replace(m, `wsu:Id="msg-`, `wsu:Id="forged-`, 1)+m+"</S12:Header>")
		})},
		{name: "wrapped: signed Messaging in Security", code: ebms.PolicyNoncompliance, do: edit(func(p *parcel) {
			m := p.cutMessaging()
			p.swap(headerEnd, m+headerEnd)
			p.swap("</S12:Header>", strings.Replace(m, `wsu:Id="msg-`, `wsu:Id="forged-`, 1)+"</S12:Header>")
		})},
		{name: "wrapped: signed Messaging in the signature", code: ebms.FailedAuthentication, do: edit(func(p *parcel) {
			m := p.cutMessaging()
			p.swap("</ds:Signature>", "<ds:Object>"+m+"</ds:Object></ds:Signature>")
			p.swap("</S12:Header>", strings.Replace(m, `wsu:Id="msg-`, `wsu:Id="forged-`, 1)+"</S12:Header>")
		})},
		{name: "wrapped: signed Messaging in the Body", code: ebms.ValueInconsistent, plain: true, do: edit(func(p *parcel) {
			m := p.cutMessaging()
			p.swap("</S12:Body>", m+"</S12:Body>")
			p.swap("</S12:Header>", strings.Replace(m, `wsu:Id="msg-`, `wsu:Id="forged-`, 1)+"</S12:Header>")
		})},
		{name: "wrapped: signed Messaging in a forged one", code: ebms.InvalidHeader, do: edit(func(p *parcel) {
			m := p.cutMessaging()
			p.swap("</S12:Header>", strings.Replace(strings.Replace(m, `wsu:Id="msg-`, `wsu:Id="forged-`, 1), "</eb:UserMessage>", m+"</eb:UserMessage>", 1)+"</S12:Header>")
		})},
		{name: "wrapped: second Body", code: ebms.InvalidHeader, plain: true, do: edit(func(p *parcel) {
			p.swap("</S12:Envelope>", "<S12:Body></S12:Body></S12:Envelope>")
		})},
		{name: "wrapped: second Header", code: ebms.InvalidHeader, plain: true, do: edit(func(p *parcel) {
			p.swap("</S12:Header>", "</S12:Header><S12:Header></S12:Header>")
		})},
		{name: "wrapped: envelope in an envelope", code: ebms.InvalidHeader, plain: true, do: edit(func(p *parcel) {
			inner := strings.TrimPrefix(p.envelope, `<?xml version="1.0" encoding="UTF-8"?>`)
			p.envelope = `<S12:Envelope xmlns:S12="http://www.w3.org/2003/05/soap-envelope"><S12:Header>` + inner + `</S12:Header><S12:Body/></S12:Envelope>`
		})},
		{name: "wrapped: signed Body elsewhere", code: ebms.PolicyNoncompliance, do: edit(func(p *parcel) {
			b := p.cut("<S12:Body ", "</S12:Body>")
			p.swap("</S12:Header>", `<w:Wrap xmlns:w="urn:w">`+b+`</w:Wrap></S12:Header><S12:Body></S12:Body>`)
		})},
		{name: "two signatures", code: ebms.FailedAuthentication, do: edit(func(p *parcel) {
			s := p.cut("<ds:Signature ", "</ds:Signature>")
			p.swap(headerEnd, s+strings.ReplaceAll(strings.ReplaceAll(s, `Id="SIG-`, `Id="S2-`), `Id="KI-`, `Id="K2-`)+headerEnd)
		})},
		{name: "two Security headers", code: ebms.PolicyNoncompliance, plain: true, do: edit(func(p *parcel) {
			s := p.cut("<wsse:Security ", headerEnd)
			p.swap("<S12:Header>", "<S12:Header>"+s+s[:strings.Index(s, ">")+1]+headerEnd)
		})},
		{name: "DOCTYPE", code: ebms.InvalidHeader, status: http.StatusBadRequest, plain: true, do: edit(func(p *parcel) {
			p.swap("<S12:Envelope ", `<!DOCTYPE S12:Envelope [<!ENTITY x SYSTEM "file:///etc/passwd">]><S12:Envelope `)
		})},
		{name: "duplicate id", code: ebms.FailedAuthentication, do: edit(func(p *parcel) {
			p.swap("</S12:Header>", `<w:Wrap xmlns:w="urn:w" Id="`+p.envelope[strings.Index(p.envelope, `"msg-`)+1:][:len("msg-")+32]+`"/></S12:Header>`)
		})},
		{name: "duplicate cid", code: ebms.MimeInconsistency, do: edit(func(p *parcel) { p.parts = append(p.parts, p.parts[0]) })},
		{name: "cid that differs in case", code: ebms.MimeInconsistency, do: edit(func(p *parcel) {
			two := p.parts[0]
			two.ID = strings.ToUpper(two.ID)
			p.parts = append(p.parts, two)
		})},
		{name: "extra part", code: ebms.ExternalPayloadError, do: edit(func(p *parcel) {
			p.parts = append(p.parts, swa.OutPart{ID: "extra@example.org", MediaType: "application/octet-stream", Content: []byte("extra")})
		})},
		{name: "part missing", code: ebms.ExternalPayloadError, do: edit(func(p *parcel) { p.parts = p.parts[:1] })},
		{name: "part under another id", code: ebms.ValueInconsistent, do: edit(func(p *parcel) { p.parts[0].ID = "other@example.org" })},
		{name: "header block that must be understood", code: ebms.HeaderNotSupported, plain: true, do: edit(func(p *parcel) {
			p.swap("</S12:Header>", `<w:New xmlns:w="urn:w" S12:mustUnderstand="true"/></S12:Header>`)
		})},
		{name: "fragment of split and join", code: ebms.HeaderNotSupported, plain: true, do: edit(func(p *parcel) {
			p.swap("</S12:Header>", `<mf:MessageFragment xmlns:mf="`+ebms.MFNamespace+`"/></S12:Header>`)
		})},
		{name: "unknown signature algorithm", code: ebms.FailedAuthentication, do: edit(func(p *parcel) { p.swap("xmldsig-more#rsa-sha256", "xmldsig-more#rsa-magic") })},
		{name: "rsa-sha1", code: ebms.FailedAuthentication, do: edit(func(p *parcel) {
			p.swap("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#rsa-sha1")
		})},
		{name: "hmac", code: ebms.FailedAuthentication, do: edit(func(p *parcel) { p.swap("xmldsig-more#rsa-sha256", "xmldsig-more#hmac-sha256") })},
		{name: "signature algorithm known and not allowed", code: ebms.PolicyNoncompliance, do: edit(func(p *parcel) { p.swap("xmldsig-more#rsa-sha256", "xmldsig-more#rsa-sha384") })},
		{name: "unknown digest algorithm", code: ebms.FailedAuthentication, do: edit(func(p *parcel) {
			s := p.cut("<ds:Signature ", "</ds:Signature>")
			p.swap(headerEnd, strings.Replace(s, "xmlenc#sha256", "xmlenc#sha1024", 1)+headerEnd)
		})},
		{name: "XSLT transform", code: ebms.FailedAuthentication, do: edit(func(p *parcel) {
			s := p.cut("<ds:Signature ", "</ds:Signature>")
			p.swap(headerEnd, strings.Replace(s, `<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"`, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"`, 1)+headerEnd)
		})},
		{name: "reference to the whole document", code: ebms.FailedAuthentication, do: edit(func(p *parcel) {
			s := p.cut("<ds:Signature ", "</ds:Signature>")
			i := strings.Index(s, `URI="#msg-`)
			p.swap(headerEnd, s[:i]+`URI=""`+s[i+len(`URI="#msg-`)+33:]+headerEnd)
		})},
		{name: "CBC encryption", code: ebms.PolicyNoncompliance, do: edit(func(p *parcel) {
			p.envelope = strings.ReplaceAll(p.envelope, "http://www.w3.org/2009/xmlenc11#aes128-gcm", "http://www.w3.org/2001/04/xmlenc#aes128-cbc")
		})},
		{name: "RSA 1.5 key transport", code: ebms.PolicyNoncompliance, do: edit(func(p *parcel) {
			p.swap("http://www.w3.org/2009/xmlenc11#rsa-oaep", "http://www.w3.org/2001/04/xmlenc#rsa-1_5")
		})},
		{name: "external payload", code: ebms.ExternalPayloadError, do: func(p *parcel) *parcel {
			a := sealWith(p.t, ring().requester, nil)
			a.swap("</eb:UserMessage>", `<eb:PayloadInfo><eb:PartInfo href="https://example.org/evidence"/></eb:PayloadInfo></eb:UserMessage>`)
			return a
		}},
		{name: "payload in the Body", code: ebms.ValueInconsistent, plain: true, do: edit(func(p *parcel) { p.swap("</S12:Body>", "<x/></S12:Body>") })},
		{name: "two user messages", code: ebms.ValueInconsistent, plain: true, do: edit(func(p *parcel) {
			u := p.cut("<eb:UserMessage>", "</eb:UserMessage>")
			p.swap("</eb:Messaging>", u+u+"</eb:Messaging>")
		})},
		{name: "signed by a stranger", code: ebms.FailedAuthentication, do: func(p *parcel) *parcel { return sealWith(p.t, ring().stranger, nil, part(p, "x")) }},
		{name: "signed by the receiver's own key", code: ebms.FailedAuthentication, do: func(p *parcel) *parcel { return sealWith(p.t, ring().provider, nil, part(p, "x")) }},
		{name: "party without an agreement", code: ebms.ProcessingModeMismatch, plain: true, do: func(p *parcel) *parcel {
			return sealWith(p.t, ring().requester, func(h *ebms.UserMessage) { h.From.ID.ID = "AP_XX_09" })
		}},
		{name: "action without an agreement", code: ebms.ProcessingModeMismatch, do: func(p *parcel) *parcel {
			return sealWith(p.t, ring().requester, func(h *ebms.UserMessage) { h.Action = "SubmitObjects" })
		}},
		{name: "message for another party", code: ebms.ProcessingModeMismatch, do: func(p *parcel) *parcel {
			return sealWith(p.t, ring().requester, func(h *ebms.UserMessage) { h.To.ID.ID = "AP_SE_01" })
		}},
		{name: "old message", code: ebms.ValueInconsistent, do: func(p *parcel) *parcel {
			return sealWith(p.t, ring().requester, func(h *ebms.UserMessage) { h.Timestamp = testNow.AddDate(0, -1, 0) })
		}},
		{name: "message from the future", code: ebms.ValueInconsistent, do: func(p *parcel) *parcel {
			return sealWith(p.t, ring().requester, func(h *ebms.UserMessage) { h.Timestamp = testNow.Add(time.Hour) })
		}},
		{name: "not gzip", code: ebms.DecompressionFailure, do: func(p *parcel) *parcel {
			return sealWith(p.t, ring().requester, nil, wssec.OutPart{ID: "a@example.org", MediaType: ebms.CompressionGzip, Content: []byte("not gzip")})
		}},
		{name: "gzip cut short", code: ebms.DecompressionFailure, do: func(p *parcel) *parcel {
			o := part(p, "some text that is cut")
			o.Content = o.Content[:len(o.Content)-6]
			return sealWith(p.t, ring().requester, nil, o)
		}},
		{name: "other compression", code: ebms.ValueInconsistent, do: func(p *parcel) *parcel {
			return sealWith(p.t, ring().requester, func(h *ebms.UserMessage) { h.Parts[0].Properties[1].Value = "application/rar" }, part(p, "x"))
		}},
		{name: "no MimeType", code: ebms.ValueInconsistent, do: func(p *parcel) *parcel {
			return sealWith(p.t, ring().requester, func(h *ebms.UserMessage) { h.Parts[0].Properties = h.Parts[0].Properties[1:] }, part(p, "x"))
		}},
		{name: "bad CharacterSet", code: ebms.ValueInconsistent, do: func(p *parcel) *parcel {
			return sealWith(p.t, ring().requester, func(h *ebms.UserMessage) {
				h.Parts[0].Properties = append(h.Parts[0].Properties, ebms.Property{Name: ebms.PropertyCharacterSet, Value: "!utf-8"})
			}, part(p, "x"))
		}},
		{name: "no multipart", code: ebms.MimeInconsistency, status: http.StatusUnsupportedMediaType, plain: true, do: edit(func(p *parcel) {
			p.contentType, p.raw = "text/xml", []byte(p.envelope)
		})},
		{name: "broken off", code: ebms.MimeInconsistency, status: http.StatusBadRequest, plain: false, do: edit(func(p *parcel) {
			ct, b := p.close()
			p.contentType, p.raw = ct, b[:len(b)-40]
		})},
		{name: "pull request for a partition of nobody", code: ebms.ProcessingModeMismatch, plain: true, do: edit(func(p *parcel) {
			p.cut("<eb:UserMessage>", "</eb:UserMessage>")
			p.swap("</eb:Messaging>", `<eb:SignalMessage><eb:MessageInfo><eb:Timestamp>2026-09-14T09:31:07.000Z</eb:Timestamp><eb:MessageId>p@x</eb:MessageId></eb:MessageInfo><eb:PullRequest/></eb:SignalMessage></eb:Messaging>`)
		})},
	}
}
