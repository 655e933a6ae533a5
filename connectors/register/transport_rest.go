package register

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"oncegate/connectors/register/jsonxml"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
)

// rest is XML or JSON over plain HTTP: POST or PUT with what the query rules make, or
// GET. Parts of the address and headers may come from the query. An address ends in
// logs of every machine on the way, so it may not name a person unless the
// definition accepts that; headers never may (style 22).
type rest struct {
	method  string
	path    []part
	params  []field
	headers []field
	xroad   *xroadService

	sendsJSON, readsJSON bool
}

// part is a piece of the path: constant, or an expression over the query.
type part struct {
	text string
	expr *mapping.Lookup
}

type field struct {
	name string
	expr *mapping.Lookup
}

var headerPattern = regexp.MustCompile(`^X-[A-Za-z0-9-]{1,60}$`)

func readREST(v yamldoc.Value, scope *mapping.Scope) transport {
	f := v.Fields("kind", "method", "path", "params", "headers", "personal_data_in_url", "body", "accept", "xroad")
	t := &rest{
		method:    f["method"].Word(http.MethodPost, http.MethodGet, http.MethodPut),
		sendsJSON: f["body"].Word("xml", "json") == "json",
		readsJSON: f["accept"].Word("xml", "json") == "json",
		xroad:     readXRoad(f["xroad"], scope),
	}
	if f["body"].Exists() && t.method == http.MethodGet {
		f["body"].Fault("GET sends none")
	}
	if t.xroad != nil && len(t.xroad.parts) == 6 {
		f["xroad"].Fault("a service of REST has no version")
	}
	accepted := f["personal_data_in_url"].Word("refused", "accepted") == "accepted"
	inURL := func(v yamldoc.Value, l *mapping.Lookup) {
		if l != nil && !accepted && l.Mentions(personal) {
			v.Fault("this puts personal data into the address; send it in the body (POST), or say personal_data_in_url: accepted")
		}
	}
	f["path"].RequiredText(v, "path")
	t.path = readPath(f["path"], scope, inURL)
	for _, e := range f["params"].Entries() {
		l := scope.Lookup(e.Value)
		inURL(e.Value, l)
		t.params = append(t.params, field{e.Key, l})
	}
	for _, e := range f["headers"].Entries() {
		if !headerPattern.MatchString(e.Key) {
			e.At.Fault("want the name of a header that begins with X-; others belong to the transport or to the deployment")
		}
		l := scope.Lookup(e.Value)
		if l != nil && l.Mentions(personal) {
			e.Value.Fault("a header must not hold personal data")
		}
		t.headers = append(t.headers, field{e.Key, l})
	}
	return t
}

// personal says which top fields of a query hold personal data: all but those
// known not to.
func personal(field string) bool {
	return !slices.Contains([]string{"message", "register", "exchange", "evidenceType", "procedure", "requester"}, field)
}

// readPath reads /persons/{expression}/birth.
func readPath(v yamldoc.Value, scope *mapping.Scope, check func(yamldoc.Value, *mapping.Lookup)) []part {
	text := v.Text()
	if text != "" && text[0] != '/' {
		v.Fault("want a path that begins with /")
		return nil
	}
	if strings.ContainsAny(text, "?#") {
		v.Fault("a path holds no ? or #; use params")
	}
	var out []part
	offset := 0
	for text != "" {
		constant, rest, found := strings.Cut(text, "{")
		if _, err := url.PathUnescape(constant); err != nil || strings.ContainsFunc(constant, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' }) {
			v.FaultAt(offset, "this cannot stand in the path of an address; write %%20 for a blank")
			break
		}
		if constant != "" {
			out = append(out, part{text: constant})
		}
		if !found {
			break
		}
		inner, after, closed := strings.Cut(rest, "}")
		if !closed {
			v.FaultAt(offset+len(constant), "the brace is not closed")
			break
		}
		l := scope.LookupPart(v, offset+len(constant)+1, inner)
		check(v, l)
		out = append(out, part{expr: l})
		offset += len(constant) + len(inner) + 2
		text = after
	}
	return out
}

func (t *rest) needsDocument() bool { return t.method != http.MethodGet }

// sendsValue says that the query rules make a value (valueTransport).
func (t *rest) sendsValue() bool { return t.needsDocument() && t.sendsJSON }

func (t *rest) accepts(mediaType string) bool {
	if t.readsJSON {
		return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
	}
	return mediaType == "application/xml" || mediaType == "text/xml" || strings.HasSuffix(mediaType, "+xml")
}

var errNoValue = errors.New("a part of the address has no value in this query")

func (t *rest) request(in any, query *mapping.Element) (*request, error) {
	r, err := t.addressed(in)
	if err != nil || query == nil {
		return r, err
	}
	if r.body, err = document(query); err != nil {
		return nil, err
	}
	r.header.Set("Content-Type", "application/xml; charset=utf-8")
	return r, nil
}

// requestValue sends a value as JSON.
func (t *rest) requestValue(in, query any) (*request, error) {
	r, err := t.addressed(in)
	if err != nil {
		return nil, err
	}
	if r.body, err = json.Marshal(query); err != nil {
		return nil, errors.New("the query cannot be written as JSON")
	}
	r.header.Set("Content-Type", "application/json")
	return r, nil
}

// addressed is a request without a body.
func (t *rest) addressed(in any) (*request, error) {
	accept := "application/xml"
	if t.readsJSON {
		accept = "application/json"
	}
	r := &request{method: t.method, header: http.Header{"Accept": {accept}}}
	var target strings.Builder
	for _, p := range t.path {
		if p.expr == nil {
			target.WriteString(p.text)
			continue
		}
		value, err := p.expr.Text(in)
		if err != nil {
			return nil, err
		}
		if value == "" || value == "." || value == ".." {
			return nil, errNoValue
		}
		target.WriteString(url.PathEscape(value))
	}
	params := url.Values{}
	for _, p := range t.params {
		value, err := p.expr.Text(in)
		if err != nil {
			return nil, err
		}
		if value != "" {
			params.Set(p.name, value)
		}
	}
	if len(params) > 0 {
		target.WriteString("?" + params.Encode())
	}
	r.target = target.String()
	for _, h := range t.headers {
		value, err := h.expr.Text(in)
		if err != nil {
			return nil, err
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
			return nil, fmt.Errorf("the value of header %s cannot stand in a header", h.name)
		}
		if value != "" {
			r.header.Set(h.name, value)
		}
	}
	var err error
	r.issue, err = t.xroad.issueOf(in)
	return r, err
}

func (t *rest) read(r *raw) answer {
	if t.readsJSON {
		return readJSON(r)
	}
	doc, err := r.document()
	if err != nil {
		return unreadable(err)
	}
	return answer{root: doc.Root()}
}

// readJSON reads a reply of JSON as the tree <json>. It is UTF-8 (RFC 8259 8.1),
// whatever a charset says: JSON has none.
func readJSON(r *raw) answer {
	text, err := jsonxml.Document("json", bytes.TrimPrefix(r.body, []byte("\ufeff")))
	if err != nil {
		return unreadable(err)
	}
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
	if err != nil {
		return unreadable(errors.New("the JSON is too large as XML"))
	}
	return answer{root: doc.Root()}
}
