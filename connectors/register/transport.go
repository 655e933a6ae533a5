package register

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
)

// transport is how a query travels and an answer comes back. Each kind is one
// file, transport_<kind>.go, and one line of transports.
type transport interface {
	// needsDocument says whether the query rules make a document to send.
	needsDocument() bool
	// request makes what goes on the wire. The URL of the result is relative to
	// the endpoint's.
	request(in any, query *mapping.Element) (*request, error)
	// accepts says whether a media type may hold an answer.
	accepts(mediaType string) bool
	// answer finds what the rules read in a parsed reply. A fault of the protocol
	// has an outcome of its own unless the register's definition gives it one.
	answer(doc *xmldoc.Document) answer
}

// transports is the one table of kinds.
func transports() map[string]func(v yamldoc.Value, scope *mapping.Scope) transport {
	return map[string]func(v yamldoc.Value, scope *mapping.Scope) transport{
		"soap12": readSOAP,
		"rest":   readREST,
	}
}

// request is one HTTP request without address and credentials.
type request struct {
	method string
	target string // path and query, appended to the endpoint's URL
	header http.Header
	body   []byte
}

// answer is the part of a reply that rules read.
type answer struct {
	root    xmldoc.Element // zero when there is none
	outcome outcome        // of a fault of the protocol; unset for an ordinary answer
	detail  string
}

// raw is an HTTP reply, read whole and checked for form.
type raw struct {
	status int
	body   []byte
}

// A callError is an outcome of a call that gave no usable reply.
type callError struct {
	outcome outcome
	detail  string
	err     error
}

func (e *callError) Error() string {
	if e.err == nil {
		return e.detail
	}
	return e.detail + ": " + e.err.Error()
}

func (e *callError) Unwrap() error { return e.err }

// call sends one request and reads the reply within the endpoint's limits.
func (c *Connector) call(ctx context.Context, r *request) (*raw, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, c.endpoint.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, strings.TrimRight(c.endpoint.URL, "/")+r.target, bytes.NewReader(r.body))
	if err != nil {
		return nil, &callError{outcome: outcomeInvalid, detail: "the request cannot be made"} // err would quote the URL
	}
	req.Header = r.header
	req.Header.Set("User-Agent", "oncegate")
	if c.endpoint.Auth.User != "" {
		req.SetBasicAuth(c.endpoint.Auth.User, string(c.endpoint.Auth.Password))
	}
	if c.endpoint.Auth.Header != "" {
		req.Header.Set(c.endpoint.Auth.Header, string(c.endpoint.Auth.Value))
	}
	res, err := c.client.Do(req)
	if err != nil {
		var ue *url.Error // quotes the URL, which may name a person
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, &callError{outcomeUnavailable, "the register does not answer", err}
	}
	defer res.Body.Close()
	return c.readReply(res)
}

func (c *Connector) readReply(res *http.Response) (*raw, error) {
	limit := c.endpoint.MaxReply
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return nil, &callError{outcomeUnavailable, "the reply broke off", err}
	case int64(len(body)) > limit:
		return nil, &callError{outcome: outcomeInvalid, detail: fmt.Sprintf("the reply is larger than %d bytes", limit)}
	}
	reply := &raw{status: res.StatusCode, body: body}
	if err := checkForm(res.Header, body, c.def.transport); err != nil {
		// A reply of another form with a bad status is what gateways in between
		// send: the status speaks.
		if byStatus := statusError(res.StatusCode); byStatus != nil {
			return nil, byStatus
		}
		return nil, err
	}
	return reply, nil
}

// statusError says what a status means when the body says nothing.
func statusError(status int) *callError {
	detail := fmt.Sprintf("the register answered with HTTP status %d", status)
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 500, status >= 300 && status < 400,
		slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired,
			http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}, status):
		// Refused credentials are mended by an operator, not by the person's
		// request: the query waits.
		return &callError{outcome: outcomeUnavailable, detail: detail}
	}
	return &callError{outcome: outcomeInvalid, detail: detail}
}

// checkForm refuses replies that are not what they claim to be.
func checkForm(header http.Header, body []byte, t transport) *callError {
	invalid := func(format string, args ...any) *callError {
		return &callError{outcome: outcomeInvalid, detail: fmt.Sprintf(format, args...)}
	}
	if enc := header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return invalid("the reply is compressed, which was not asked for")
	}
	mediaType, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return invalid("the reply has no readable content type")
	}
	if !t.accepts(mediaType) {
		return invalid("the reply is not XML of the register's transport")
	}
	if charset, declared := params["charset"], declaredEncoding(body); charset != "" && !sameEncoding(charset, declared) { // RFC 7303 3.2
		return invalid("content type and XML declaration name different encodings")
	}
	return nil
}

// declaredEncoding finds the encoding of an XML declaration; UTF-8 when there is none.
func declaredEncoding(body []byte) string {
	head := string(body[:min(len(body), 200)])
	head = strings.TrimPrefix(head, "\ufeff")
	switch {
	case strings.HasPrefix(head, "\xff\xfe"), strings.HasPrefix(head, "\xfe\xff"):
		return "utf-16"
	case !strings.HasPrefix(head, "<?xml"):
		return "utf-8"
	}
	decl, _, _ := strings.Cut(head, "?>")
	_, after, found := strings.Cut(decl, "encoding")
	after = strings.TrimLeft(after, " \t\r\n=")
	if !found || after == "" {
		return "utf-8"
	}
	enc, _, _ := strings.Cut(after[1:], after[:1])
	return enc
}

func sameEncoding(a, b string) bool {
	plain := func(s string) string {
		s = strings.ToLower(strings.ReplaceAll(s, "_", "-"))
		switch s {
		case "utf8", "us-ascii", "ascii":
			return "utf-8" // ASCII is UTF-8
		case "latin1":
			return "iso-8859-1"
		case "utf-16le", "utf-16be":
			return "utf-16"
		}
		return s
	}
	return plain(a) == plain(b)
}
