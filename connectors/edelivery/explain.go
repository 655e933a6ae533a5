package edelivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"oncegate/connectors/edelivery/ebms"
)

// explain says in fixed words why a partner was not reached. docs/operating.md has
// the remedy beside each of them.
func explain(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		dns       *net.DNSError
		timeout   net.Error
	)
	switch {
	case errors.As(err, &authority):
		return "the server's certificate leads to no authority in tls.ca"
	case errors.As(err, &host):
		return "the server's certificate is for another host; see tls.server_name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not yet valid"
	case errors.As(err, &invalid):
		return "the server's certificate is not fit for its use"
	case alerted(err) != "":
		return alerted(err)
	case errors.As(err, &record):
		return "the server does not speak TLS at this address"
	case errors.As(err, &dns):
		return "the name of the host is not found"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused: nothing listens at this address"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to the host"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed before the answer"
	}
	return "connection failed"
}

// alerted explains the alert with which a server ended the handshake. crypto/tls has
// no type for it but on QUIC, so its words are read.
func alerted(err error) string {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" || op.Err == nil {
		return ""
	}
	words := op.Err.Error()
	for _, known := range []string{"certificate", "unknown authority", "access denied"} {
		if strings.Contains(words, known) {
			return "the server refuses our client certificate; see tls.certificate"
		}
	}
	switch {
	case strings.Contains(words, "protocol version"):
		return "no TLS version in common"
	case strings.Contains(words, "handshake failure"), strings.Contains(words, "insufficient security"):
		return "no cipher suite in common, or the server wants a client certificate; see tls.certificate"
	}
	return "the server broke off the TLS handshake"
}

// unanswered says in fixed words why an answer is no receipt.
func unanswered(status int, err error) string {
	if b, ok := errors.AsType[*setback](err); ok {
		return b.reason
	}
	e, _ := errors.AsType[*ebms.Error](err)
	switch {
	case e != nil && e.Code == ebms.InvalidReceipt:
		return "the receipt does not hold: " + invalidity(e)
	case status >= 300:
		return fmt.Sprintf("HTTP status %d and no signed answer", status)
	}
	return fmt.Sprintf("HTTP status %d and no receipt in the answer", status)
}

func invalidity(e *ebms.Error) string {
	if e.Detail != "" {
		return e.Detail
	}
	return "it is not signed by the partner"
}
