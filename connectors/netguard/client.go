package netguard

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"time"
)

// ErrTooLarge is returned for an answer of more bytes than its reader allows.
var ErrTooLarge = errors.New("the answer is larger than allowed")

// HTTP says how a Client calls.
type HTTP struct {
	Private   bool           // also hosts at private addresses
	Resolvers []string       // Default the system's. They resolve the hosts' names.
	Roots     *x509.CertPool // Default the system's. For https.
	Timeout   time.Duration  // Required. Until an answer begins; contexts bound the whole.
	Header    int64          // Default 32 KiB. Of the header of an answer.
}

// Client returns a client for addresses that strangers name: it uses no proxy, follows
// no redirect, and goes where a Dialer goes.
func (h HTTP) Client() *http.Client {
	if h.Header == 0 {
		h.Header = 32 << 10
	}
	return &http.Client{
		// Who names an address names it to the end; what it leads to is for the caller to judge.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            Dialer(h.Private, h.Resolvers).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: h.Roots}, // TDD 3.7
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  h.Timeout,
			MaxResponseHeaderBytes: h.Header,
			MaxConnsPerHost:        32,
			MaxIdleConnsPerHost:    4,
			MaxIdleConns:           64,
			IdleConnTimeout:        time.Minute,
			DisableCompression:     true, // what is counted is what came
			ForceAttemptHTTP2:      true,
		},
	}
}

// Read returns what a body holds: at most so many bytes, or ErrTooLarge.
func Read(body io.Reader, most int) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(b) > most {
		return nil, ErrTooLarge
	}
	return b, nil
}
