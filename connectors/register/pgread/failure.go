package pgread

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// A Failure is why there are no rows. It holds no value of a query or a row.
type Failure struct {
	Down      bool   // may pass, or is mended by an operator: ask again later
	Untouched bool   // the database has seen nothing of the query
	Detail    string // place and rule
	Err       error  // for the operator's log
}

func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Detail
	}
	return f.Detail + ": " + f.Err.Error()
}

func (f *Failure) Unwrap() error { return f.Err }

func wrongf(format string, args ...any) *Failure {
	return &Failure{Detail: fmt.Sprintf(format, args...)}
}

var errSuperuser = errors.New("the database user is a superuser")

var statePattern = regexp.MustCompile(`^[0-9A-Z]{5}$`)

// meaning is the one table of what SQLSTATE says (PostgreSQL, appendix A): by code,
// or by the class of its first two characters. What is not named is wrong and stays
// wrong: the statement or a value.
func meaning(state string) (detail string, down bool) {
	if !statePattern.MatchString(state) {
		return "the database answered with an error without a code", true
	}
	switch state {
	case "25006":
		return "the statement tries to write, which a read-only transaction refuses", false
	case "57014":
		return "the database stopped the statement: it took too long", true
	case "26000", "42501", "55P03":
		// A pool in between; a right to be given; a lock.
		return "the database refuses the statement for now", true
	case "53300":
		return "the database has too many connections", true
	}
	switch state[:2] {
	case "28", "3D":
		return "the database refuses our user", true // mended by an operator, not by the person's request
	case "08", "40", "53", "57", "58", "XX":
		return "the database cannot answer now", true
	case "22":
		return "the database refuses a value of the query", false
	}
	return "the database refuses the statement", false
}

// failed names an error of PostgreSQL or of the way to it. The server's text is
// dropped: it quotes values.
func failed(ctx context.Context, err error, connected bool) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		detail, down := meaning(e.Code)
		if e.Code == "0A000" && e.Routine == "RevalidateCachedQuery" {
			down = true // a table has changed since the statement was prepared
		}
		f := &Failure{Down: down, Untouched: !connected, Detail: detail}
		if statePattern.MatchString(e.Code) {
			f.Err = errors.New("SQLSTATE " + e.Code)
		}
		return f
	}
	f := &Failure{Down: true, Untouched: !connected, Detail: "the database does not answer"}
	if connected {
		f.Detail = "the connection to the database broke off"
	}
	switch {
	case errors.Is(err, errSuperuser):
		f.Detail = "the database user is a superuser, which no register needs: want a user that may only read"
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		f.Detail, f.Err = "the database did not answer in time", context.Cause(ctx)
	default:
		f.Err = harmless(err)
	}
	return f
}

// harmless finds what of an error may be logged: what the network and TLS say. pgx
// names user and database, and could quote the server.
func harmless(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return e
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return e
	}
	if strings.Contains(err.Error(), errNoTLS.Error()) { // pgconn has no name for it
		return errNoTLS
	}
	return nil
}

var errNoTLS = errors.New("server refused TLS connection")
