package register

import (
	"errors"
	"mime"
	"net/http"
	"strings"

	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
)

// soapVersion is what the two versions of SOAP do not share.
type soapVersion struct {
	name  string // for people
	space string // namespace of the envelope
	media string // of a message over HTTP
}

func soap11() soapVersion {
	return soapVersion{"SOAP 1.1", "http://schemas.xmlsoap.org/soap/envelope/", "text/xml"}
}

func soap12() soapVersion {
	return soapVersion{"SOAP 1.2", "http://www.w3.org/2003/05/soap-envelope", "application/soap+xml"}
}

func (v soapVersion) of(local string) xmldoc.Name { return xmldoc.Name{Space: v.space, Local: local} }

// header says how a message names its action: in a header of its own (SOAP 1.1,
// 6.1.1), or as a parameter of the content type (RFC 3902).
func (v soapVersion) header(action string) http.Header {
	params := map[string]string{"charset": "utf-8"}
	h := http.Header{"Accept": {v.media + ", " + multipartMedia}}
	if v == soap11() {
		h["SOAPAction"] = []string{`"` + action + `"`} // as the specification spells it: some registers compare letters
	} else {
		params["action"] = action
	}
	h.Set("Content-Type", mime.FormatMediaType(v.media, params))
	return h
}

// soap is SOAP over HTTP POST (SOAP 1.1 section 6; SOAP 1.2 part 2, section 7). The
// query rules make the one child of the Body, the reply rules read the one child of
// the reply's Body, which is soap:Fault for a fault.
type soap struct {
	version    soapVersion
	path       string
	action     string
	blocks     []*mapping.Program // of the header
	addressing *addressing
	xroad      *xroadService
}

func readSOAP(version soapVersion) func(yamldoc.Value, *mapping.Scope) transport {
	return func(v yamldoc.Value, scope *mapping.Scope) transport {
		f := v.Fields("kind", "path", "action", "headers", "addressing", "xroad")
		t := &soap{version: version, path: f["path"].Text(), action: f["action"].Text()}
		if version == soap12() {
			f["action"].RequiredText(v, "action")
		}
		if t.path != "" && t.path[0] != '/' {
			f["path"].Fault("want a path that begins with /")
		}
		if mime.FormatMediaType(version.media, map[string]string{"action": t.action}) == "" || strings.ContainsAny(t.action, "\"\\") {
			f["action"].Fault("this cannot stand in a header")
		}
		for _, item := range f["headers"].Items() {
			rules := item.Fields("rules")["rules"]
			if !rules.Exists() {
				item.Fault("missing key %q: what makes the header block", "rules")
				continue
			}
			t.blocks = append(t.blocks, scope.Program(rules, mapping.ValueToXML))
		}
		t.addressing = readAddressing(f["addressing"])
		t.xroad = readXRoad(f["xroad"], scope)
		return t
	}
}

func (t *soap) needsDocument() bool { return true }

func (t *soap) accepts(mediaType string) bool { return mediaType == t.version.media }

func (t *soap) request(in any, query *mapping.Element) (*request, error) {
	e := &envelope{version: t.version, body: query}
	for _, p := range t.blocks {
		block, _, err := p.Build(in)
		if err != nil {
			return nil, err
		}
		e.blocks = append(e.blocks, block)
	}
	r := &request{method: http.MethodPost, target: t.path, header: t.version.header(t.action), envelope: e}
	var err error
	if r.issue, err = t.xroad.issueOf(in); err != nil {
		return nil, err
	}
	r.body, err = e.write()
	return r, err
}

// envelope is a SOAP message to be sent, to which a deployment may add blocks.
type envelope struct {
	version soapVersion
	blocks  []*mapping.Element
	body    *mapping.Element
}

// write makes the document.
func (e *envelope) write(more ...*mapping.Element) ([]byte, error) {
	b := xmldoc.NewBuilder(e.version.of("Envelope"), xmldoc.NS{Prefix: "soap", URI: e.version.space})
	if len(more)+len(e.blocks) > 0 {
		header := b.Root().Add(e.version.of("Header"))
		for _, blocks := range [][]*mapping.Element{more, e.blocks} {
			for _, block := range blocks {
				fill(header.Add(name(block.Name), declarations(block)...), block)
			}
		}
	}
	fill(b.Root().Add(e.version.of("Body")).Add(name(e.body.Name), declarations(e.body)...), e.body)
	return b.Document()
}

// read finds the content of the Body.
func (t *soap) read(r *raw) answer {
	doc, err := r.soap()
	if err != nil {
		return unreadable(err)
	}
	invalid := func(detail string) answer { return answer{outcome: outcomeInvalid, detail: detail} }
	header, content, err := t.version.open(doc)
	if err != nil {
		return invalid(err.Error())
	}
	if !header.IsZero() {
		for block := range header.Children() {
			must, _ := block.Attr(t.version.of("mustUnderstand"))
			if must = strings.TrimSpace(must); (must == "true" || must == "1") && !t.understands(block.Name()) {
				return invalid("the envelope has a header that must be understood and is not") // SOAP 1.1, 4.2.3; SOAP 1.2 part 1, 2.4
			}
		}
	}
	if !content.Is(t.version.of("Fault")) {
		return answer{root: content}
	}
	return t.fault(content)
}

// understands names the header blocks that the wire has read.
func (t *soap) understands(block xmldoc.Name) bool {
	switch block.Space {
	case xmlsec.SpaceWSSE:
		return true // the wire refused it otherwise
	case addressingSpace:
		return t.addressing != nil
	case xroadSpace:
		return t.xroad != nil
	}
	return false
}

// open finds the header, where there is one, and the one child of the body.
func (v soapVersion) open(doc *xmldoc.Document) (header, content xmldoc.Element, err error) {
	fail := func(text string) (xmldoc.Element, xmldoc.Element, error) {
		return xmldoc.Element{}, xmldoc.Element{}, errors.New(text)
	}
	root := doc.Root()
	if !root.Is(v.of("Envelope")) {
		return fail("the reply is no envelope of " + v.name)
	}
	if header, err = root.Maybe(v.of("Header")); err != nil {
		return fail("the envelope has two headers")
	}
	body, err := root.Only(v.of("Body"))
	if err != nil {
		return fail("the envelope has no single body")
	}
	count := 0
	for e := range body.Children() {
		content = e
		count++
	}
	if count != 1 {
		return fail("the body does not hold one element")
	}
	return header, content, nil
}

// fault names a SOAP fault by its code: what the sender did wrong stays wrong,
// everything else may pass.
func (t *soap) fault(fault xmldoc.Element) answer {
	a := answer{root: fault, outcome: outcomeUnavailable, detail: "the register reported a SOAP fault"}
	code := t.version.code(fault)
	class, _, _ := strings.Cut(code, ".") // SOAP 1.1, 4.4.1: from general to fine
	switch class {
	case "Sender", "Client", "VersionMismatch", "MustUnderstand", "DataEncodingUnknown":
		a.outcome = outcomeInvalid
		a.detail = "the register refused the query: SOAP fault " + class
	case "Receiver", "Server":
		a.detail = "the register reported a SOAP fault " + class
	}
	if detail, ok := t.xroad.fault(code); ok {
		a.detail = detail
	}
	return a
}

// code reads the code of a fault; empty where it has none of SOAP's own.
func (v soapVersion) code(fault xmldoc.Element) string {
	if v == soap11() {
		e, err := fault.Only(xmldoc.Name{Local: "faultcode"})
		if err != nil {
			return ""
		}
		text := strings.TrimSpace(e.Text())
		if name, ok := e.ResolveQName(text); ok && name.Space == v.space {
			return name.Local
		}
		if strings.Contains(text, ":") {
			return "" // a code of somebody else
		}
		return text // many registers forget the prefix
	}
	code, err := fault.Only(v.of("Code")) // SOAP 1.2 part 1, 5.4.6
	if err != nil {
		return ""
	}
	value, err := code.Only(v.of("Value"))
	if err != nil {
		return ""
	}
	if name, ok := value.ResolveQName(value.Text()); ok && name.Space == v.space {
		return name.Local
	}
	return ""
}
