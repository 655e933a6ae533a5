package register

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"oncegate/connectors/register/care"
)

// An Endpoint is what a deployment says about one register: where it is, how to
// prove who we are, how much to bear.
type Endpoint struct {
	URL        string            // Required; for HTTP https, or http to a loopback address
	ClientCert *tls.Certificate  // Default none
	RootCAs    *x509.CertPool    // Default the system's
	Auth       Auth              // Default none
	KnownHosts []byte            // Required for SFTP: the server's key
	SSHKey     Secret            // SFTP: who we are. Default the password
	NameKey    Secret            // of names of files where replies are deferred
	OAuth      *OAuth            // Default none
	WSS        *WSS              // SOAP only. Default none
	XRoad      XRoad             // Required for a register of X-Road
	Secrets    map[string]Secret // by name: what query rules write for secret('name'). Required for those that they name
	Timeout    time.Duration     // Default that of register.yaml; one call, from dialling to the last byte, repetitions included
	Care       care.Settings     // Default as register.yaml says; tighter, never looser
	MaxReply   int64             // Default 4 MiB

	PersonalDataOnTopic bool // Kafka: the deployment accepts that persons stand on the register's topics in clear

	MaxInFlight int // calls at one time; New sets it by the terms of care
}

// Format prints no content: an endpoint holds keys.
func (e Endpoint) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[endpoint]") }

// LogValue prints no content.
func (e Endpoint) LogValue() slog.Value { return slog.StringValue("[endpoint]") }

// MarshalText writes no content.
func (e Endpoint) MarshalText() ([]byte, error) { return []byte("[endpoint]"), nil }

// Auth is one way to prove who we are beside a client certificate.
type Auth struct {
	User     string // with Password: HTTP Basic
	Password Secret
	Header   string // with Value: one header, such as an API key
	Value    Secret
}

// A Secret does not print.
type Secret string

// Format prints no content, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue prints no content.
func (s Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText writes no content, so that no configuration dump holds it.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

const (
	defaultMaxReply = 4 << 20
)

// Validate reports all faults at once, but those that only one transport knows.
func (e Endpoint) Validate() error {
	var errs []error
	u, err := url.Parse(e.URL)
	switch {
	case e.URL == "":
	case err != nil:
		errs = append(errs, errors.New("url cannot be read"))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		errs = append(errs, errors.New("url must hold no user, query or fragment"))
	case u.Scheme == "http" && !loopback(u.Hostname()):
		errs = append(errs, errors.New("url: http is for loopback addresses only, want https: a record would travel in clear"))
	}
	if (e.Auth.User == "") != (e.Auth.Password == "" && e.SSHKey == "") {
		errs = append(errs, errors.New("user and password go together"))
	}
	if (e.Auth.Header == "") != (e.Auth.Value == "") {
		errs = append(errs, errors.New("header and its value go together"))
	}
	if e.Auth.Header != "" && (!httpguts.ValidHeaderFieldName(e.Auth.Header) || !httpguts.ValidHeaderFieldValue(string(e.Auth.Value))) {
		errs = append(errs, errors.New("header: this name cannot be that of a header, or the value holds characters, such as the end of a line, that no header can"))
	}
	if e.Timeout < 0 || e.MaxReply < 0 {
		errs = append(errs, errors.New("timeout and limits must not be negative"))
	}
	if e.OAuth != nil && (e.Auth.User != "" || strings.EqualFold(e.Auth.Header, "Authorization")) {
		errs = append(errs, errors.New("oauth2 and a user or a header of its own exclude each other"))
	}
	errs = append(errs, e.OAuth.validate(), e.WSS.validate(e.URL), e.XRoad.validate())
	return errors.Join(errs...)
}

// validateHTTP refuses what is no address of the web.
func (e Endpoint) validateHTTP() error {
	u, err := url.Parse(e.URL)
	switch {
	case e.URL == "":
		return errors.New("url is required")
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("url must begin with https://")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// within is the endpoint with what the terms say, and with defaults.
func (e Endpoint) within(t care.Terms) Endpoint {
	e.Timeout, e.MaxInFlight = t.Timeout, t.Budget.Concurrency
	if e.MaxReply == 0 {
		e.MaxReply = defaultMaxReply
	}
	return e
}

// client makes the HTTP client of one register. It follows no redirect (a query
// holds a person), asks no proxy of the environment and accepts no compression
// (a small reply must not become a large one).
func (e Endpoint) client() *http.Client {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: e.RootCAs}
	if e.ClientCert != nil {
		conf.Certificates = []tls.Certificate{*e.ClientCert}
	}
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:        conf,
			DisableCompression:     true,
			MaxIdleConnsPerHost:    e.MaxInFlight,
			MaxConnsPerHost:        e.MaxInFlight,
			IdleConnTimeout:        time.Minute,
			TLSHandshakeTimeout:    min(e.Timeout, 10*time.Second),
			ResponseHeaderTimeout:  e.Timeout,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
