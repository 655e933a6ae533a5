package register

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"strings"

	"oncegate/connectors/register/care"
)

// httpWire is the way to a register over HTTP.
type httpWire struct {
	endpoint Endpoint
	client   *http.Client
	tokens   *tokens                     // nil where none is wanted
	accepts  func(mediaType string) bool // says whether a media type may hold an answer
}

// dialHTTP gets ready to call an address of the web.
func dialHTTP(e Endpoint, with Config, accepts func(mediaType string) bool) (*httpWire, error) {
	if err := e.validateHTTP(); err != nil {
		return nil, err
	}
	client := e.client()
	return &httpWire{endpoint: e, client: client, tokens: newTokens(e.OAuth, client, with.Now), accepts: accepts}, nil
}

// Close ends idle connections.
func (w *httpWire) Close() { w.client.CloseIdleConnections() }

func (w *httpWire) exchange(ctx context.Context, r *request) (*raw, error) {
	reply, _, err := w.send(ctx, r)
	return reply, err
}

// send is exchange, with the headers of the reply.
func (w *httpWire) send(ctx context.Context, r *request) (*raw, http.Header, error) {
	if w.tokens == nil {
		return w.sendWith(ctx, r, "")
	}
	token, err := w.tokens.get(ctx)
	if err != nil {
		return nil, nil, &callError{outcome: outcomeUnavailable, detail: "there is no token for the register", err: err, fate: care.Untouched}
	}
	reply, header, err := w.sendWith(ctx, r, token)
	if err != nil {
		return nil, nil, err
	}
	if w.tokens.told(token, reply.status == http.StatusUnauthorized) {
		// The register did nothing. The repetition is a call like any other: the
		// register's budget counts it.
		e := statusError(reply.status)
		e.fate = care.Untouched
		return nil, nil, e
	}
	return reply, header, nil
}

func (w *httpWire) sendWith(ctx context.Context, r *request, token string) (*raw, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, strings.TrimRight(w.endpoint.URL, "/")+r.target, bytes.NewReader(r.body))
	if err != nil {
		return nil, nil, &callError{outcome: outcomeInvalid, detail: "the request cannot be made"} // err would quote the URL
	}
	if r.method == http.MethodGet {
		// net/http sends a GET again by itself when a connection ends, unless it has a
		// body that cannot be had again: no budget would count that, and the register may
		// have done what was asked.
		req.Body, req.GetBody = io.NopCloser(strings.NewReader("")), nil
	}
	req.Header = r.header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("User-Agent", "oncegate")
	if w.endpoint.Auth.User != "" {
		req.SetBasicAuth(w.endpoint.Auth.User, string(w.endpoint.Auth.Password))
	}
	if w.endpoint.Auth.Header != "" {
		req.Header.Set(w.endpoint.Auth.Header, string(w.endpoint.Auth.Value))
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	trace, told := traced()
	res, err := w.client.Do(req.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		return nil, nil, &callError{outcome: outcomeUnavailable, detail: "the register does not answer", err: broken(err), fate: told.fate(ctx, err)}
	}
	defer res.Body.Close()
	limit := w.endpoint.MaxReply
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return nil, nil, &callError{outcome: outcomeUnavailable, detail: "the reply broke off", err: broken(err)}
	case int64(len(body)) > limit:
		return nil, nil, &callError{outcome: outcomeInvalid, detail: fmt.Sprintf("the reply is larger than %d bytes", limit)}
	}
	reply := &raw{status: res.StatusCode, media: res.Header.Get("Content-Type"), body: body}
	reply.form = checkForm(res.Header, len(body) == 0, w.accepts)
	return reply, res.Header, nil
}

var errBroken = errors.New("what came over the connection is no HTTP, or broke off")

// broken is what of an error of net/http may be told: the rest quotes the URL or what
// the peer wrote, and either may name a person.
func broken(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return e
	}
	for _, known := range []error{context.DeadlineExceeded, context.Canceled, io.EOF, io.ErrUnexpectedEOF, http.ErrSchemeMismatch} {
		if errors.Is(err, known) {
			return known
		}
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return os.ErrDeadlineExceeded
	}
	return errBroken
}

// checkForm refuses replies that are not what they claim to be.
func checkForm(header http.Header, empty bool, accepts func(mediaType string) bool) *callError {
	invalid := func(format string, args ...any) *callError {
		return &callError{outcome: outcomeInvalid, detail: fmt.Sprintf(format, args...)}
	}
	if enc := header.Get("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return invalid("the reply is compressed, which was not asked for")
	}
	if empty && header.Get("Content-Type") == "" {
		return nil // nothing claims nothing; its status may say all
	}
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return invalid("the reply has no readable content type")
	}
	if !accepts(mediaType) {
		return invalid("the reply is not of a media type of the register's transport")
	}
	return nil
}
