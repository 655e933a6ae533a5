package register

import (
	"mime"
	"net/http"

	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
)

// soapSpace is the namespace of SOAP 1.2.
const soapSpace = "http://www.w3.org/2003/05/soap-envelope"

const soapMedia = "application/soap+xml"

// soap is SOAP 1.2 over HTTP POST (SOAP 1.2 part 2, section 7). The query rules
// make the one child of the Body, the reply rules read the one child of the
// reply's Body, which is soap:Fault for a fault.
type soap struct {
	path   string
	action string
}

func readSOAP(v yamldoc.Value, _ *mapping.Scope) transport {
	f := v.Fields("kind", "path", "action")
	t := &soap{path: f["path"].Text(), action: f["action"].RequiredText(v, "action")}
	if t.path != "" && t.path[0] != '/' {
		f["path"].Fault("want a path that begins with /")
	}
	if mime.FormatMediaType(soapMedia, map[string]string{"action": t.action}) == "" {
		f["action"].Fault("this cannot stand in a content type")
	}
	return t
}

func (t *soap) needsDocument() bool { return true }

func (t *soap) dial(e Endpoint, _ Config) (wire, error) {
	return dialHTTP(e, func(mediaType string) bool { return mediaType == soapMedia })
}

func (t *soap) request(_ any, query *mapping.Element) (*request, error) {
	const prefix = "soap"
	b := xmldoc.NewBuilder(xmldoc.Name{Space: soapSpace, Local: "Envelope"}, xmldoc.NS{Prefix: prefix, URI: soapSpace})
	body := b.Root().Add(xmldoc.Name{Space: soapSpace, Local: "Body"})
	fill(body.Add(name(query.Name), declarations(query)...), query)
	text, err := b.Document()
	if err != nil {
		return nil, err
	}
	return &request{
		method: http.MethodPost,
		target: t.path,
		header: http.Header{
			"Content-Type": {mime.FormatMediaType(soapMedia, map[string]string{"charset": "utf-8", "action": t.action})},
			"Accept":       {soapMedia},
		},
		body: text,
	}, nil
}

func (t *soap) read(r *raw) answer {
	doc, err := r.document()
	if err != nil {
		return unreadable(err)
	}
	soapName := func(local string) xmldoc.Name { return xmldoc.Name{Space: soapSpace, Local: local} }
	invalid := func(detail string) answer { return answer{outcome: outcomeInvalid, detail: detail} }
	envelope := doc.Root()
	if !envelope.Is(soapName("Envelope")) {
		return invalid("the reply is no SOAP 1.2 envelope")
	}
	if header, err := envelope.Maybe(soapName("Header")); err != nil {
		return invalid("the envelope has two headers")
	} else if !header.IsZero() {
		for block := range header.Children() {
			if must, ok := block.Attr(soapName("mustUnderstand")); ok && (must == "true" || must == "1") {
				return invalid("the envelope has a header that must be understood and is not") // SOAP 1.2 part 1, 2.4
			}
		}
	}
	body, err := envelope.Only(soapName("Body"))
	if err != nil {
		return invalid("the envelope has no single body")
	}
	var content xmldoc.Element
	count := 0
	for e := range body.Children() {
		content = e
		count++
	}
	if count != 1 {
		return invalid("the body does not hold one element")
	}
	if !content.Is(soapName("Fault")) {
		return answer{root: content}
	}
	return t.fault(content, soapName)
}

// fault names a SOAP fault by its code (SOAP 1.2 part 1, 5.4.6): what the sender
// did wrong stays wrong, everything else may pass.
func (t *soap) fault(fault xmldoc.Element, soapName func(string) xmldoc.Name) answer {
	a := answer{root: fault, outcome: outcomeUnavailable, detail: "the register reported a SOAP fault"}
	code, err := fault.Only(soapName("Code"))
	if err != nil {
		return a
	}
	value, err := code.Only(soapName("Value"))
	if err != nil {
		return a
	}
	name, ok := value.ResolveQName(value.Text())
	if !ok || name.Space != soapSpace {
		return a
	}
	switch name.Local {
	case "Sender", "VersionMismatch", "MustUnderstand", "DataEncodingUnknown":
		a.outcome = outcomeInvalid
		a.detail = "the register refused the query: SOAP fault " + name.Local
	case "Receiver":
		a.detail = "the register reported a SOAP fault Receiver"
	}
	return a
}
