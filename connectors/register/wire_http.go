package register

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
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
	refused := ""
	for {
		token, err := w.tokens.get(ctx, refused)
		if err != nil {
			return nil, nil, &callError{outcome: outcomeUnavailable, detail: "there is no token for the register", err: err, fate: care.Untouched}
		}
		reply, header, err := w.sendWith(ctx, r, token)
		if err != nil || reply.status != http.StatusUnauthorized || refused != "" {
			return reply, header, err
		}
		refused = token // a server may end a token before its time; the register did nothing
	}
}

func (w *httpWire) sendWith(ctx context.Context, r *request, token string) (*raw, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, strings.TrimRight(w.endpoint.URL, "/")+r.target, bytes.NewReader(r.body))
	if err != nil {
		return nil, nil, &callError{outcome: outcomeInvalid, detail: "the request cannot be made"} // err would quote the URL
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
		var ue *url.Error // quotes the URL, which may name a person
		if errors.As(err, &ue) {
			err = ue.Err
		}
		return nil, nil, &callError{outcome: outcomeUnavailable, detail: "the register does not answer", err: err, fate: told.fate(ctx)}
	}
	defer res.Body.Close()
	limit := w.endpoint.MaxReply
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	switch {
	case err != nil:
		return nil, nil, &callError{outcome: outcomeUnavailable, detail: "the reply broke off", err: err}
	case int64(len(body)) > limit:
		return nil, nil, &callError{outcome: outcomeInvalid, detail: fmt.Sprintf("the reply is larger than %d bytes", limit)}
	}
	reply := &raw{status: res.StatusCode, media: res.Header.Get("Content-Type"), body: body}
	reply.form = checkForm(res.Header, len(body) == 0, w.accepts)
	return reply, res.Header, nil
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
