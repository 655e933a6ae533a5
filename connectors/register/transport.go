package register

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"oncegate/connectors/register/care"
	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
	"oncegate/mapping/yamldoc"
	"oncegate/schemas/canon"
)

// transport is how a query travels and an answer comes back. Each kind is one
// file, transport_<kind>.go, and one line of transports. It is knowledge, like
// the rest of the definition: where the register is and who asks, dial is told.
type transport interface {
	// needsDocument says whether the query rules make a document to send.
	needsDocument() bool
	// request makes what goes on the wire. It is pure, and names no deployment: the
	// target is relative to the endpoint's URL, credentials are the wire's.
	request(in any, query *mapping.Element) (*request, error)
	// read makes the tree that rules read of a reply. A fault of the protocol has an
	// outcome of its own unless the register's definition gives it one. It is pure.
	read(r *raw) answer
	// dial gets ready to talk to one deployment's register; it opens no connection
	// that it could open later. Errors are those of the deployment's settings.
	dial(e Endpoint, with Config) (wire, error)
}

// A valueTransport may send a value, such as a JSON object, in place of a document.
// Its query rules are then those of a value from a value.
type valueTransport interface {
	transport
	sendsValue() bool
	// requestValue is request with a value. It is pure.
	requestValue(in, query any) (*request, error)
}

var _ valueTransport = (*rest)(nil)

// A wire is one deployment's way to one register. It is safe for concurrent use.
type wire interface {
	// exchange makes one call and no second one, within the time of ctx; one that was
	// refused for its token is made again with a new one. Errors are *callError: an
	// outcome, and a detail without personal data.
	exchange(ctx context.Context, r *request) (*raw, error)
	Close()
}

// transports is the one table of kinds.
func transports() map[string]func(v yamldoc.Value, scope *mapping.Scope) transport {
	return map[string]func(v yamldoc.Value, scope *mapping.Scope) transport{
		"soap11": readSOAP(soap11()),
		"soap12": readSOAP(soap12()),
		"rest":   readREST,
		"sql":    readSQL,
		"files":  readFiles,
		"kafka":  readKafka,
	}
}

// request is one call without address and credentials. A transport fills what its
// wire reads.
type request struct {
	id     canon.MessageID // of the query: the same on every repetition
	at     time.Time       // of the query: not after it was asked first
	method string
	target string // path and query, appended to the endpoint's URL
	header http.Header
	body   []byte
	args   []any // of a prepared statement

	envelope *envelope       // SOAP: of which body was written, for a wire that adds to it
	issue    string          // X-Road: why it is asked
	encoding xmldoc.Encoding // of the reply, for a wire that looks into it
}

// raw is a reply as it came, whole and within the limits.
type raw struct {
	status   int               // of HTTP; 0 for a transport without
	media    string            // content type; empty where nobody said
	body     []byte            // without the parts of a multipart reply
	parts    map[string][]byte // of a multipart reply, by Content-ID
	encoding xmldoc.Encoding   // where the definition knows better than the document
	doc      *xmldoc.Document  // SOAP: body with its parts, once read
	form     *callError        // why the body cannot be what it should: the status may speak in its place

	// settle, where there is one, puts away what the reply lay in. It is called once,
	// when what was read of it is kept or it proved to be of no use.
	settle func(ctx context.Context, res result) error
}

// answer is the part of a reply that rules read.
type answer struct {
	root    xmldoc.Element // zero when there is none
	outcome outcome        // of a fault of the protocol; unset for an ordinary answer
	detail  string
	err     error
}

func unreadable(err error) answer {
	return answer{outcome: outcomeInvalid, detail: "the reply is not well-formed: " + err.Error(), err: err}
}

// A callError is an outcome of a call that gave no usable reply.
type callError struct {
	outcome outcome
	detail  string
	err     error
	fate    care.Fate // with unavailable, where the wire knows more than that no answer came

	available time.Time // with deferred
}

func (e *callError) Error() string {
	if e.err == nil {
		return e.detail
	}
	return e.detail + ": " + e.err.Error()
}

func (e *callError) Unwrap() error { return e.err }

// statusError says what a status means when the body says nothing.
func statusError(status int) *callError {
	detail := fmt.Sprintf("the register answered with HTTP status %d", status)
	switch {
	case status == 0, status >= 200 && status < 300:
		return nil
	case status >= 500, status >= 300 && status < 400,
		slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired,
			http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}, status):
		// Refused credentials are mended by an operator, not by the person's
		// request: the query waits.
		e := &callError{outcome: outcomeUnavailable, detail: detail, fate: care.Failing}
		if slices.Contains([]int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout}, status) {
			e.fate = care.Unknown // somebody in between may have lost the answer
		}
		return e
	}
	return &callError{outcome: outcomeInvalid, detail: detail}
}
