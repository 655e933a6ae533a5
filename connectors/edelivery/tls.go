package edelivery

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// ServerTLS returns the settings of eDelivery AS4 1.15 for a server: TLS 1.2 or
// later, suites with forward secrecy. With clients set, a client certificate that
// leads to one of them is required. Go has no CCM suites, x448 or ffdhe groups.
func ServerTLS(cert tls.Certificate, clients *x509.CertPool) *tls.Config {
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: suites(),
		Certificates: []tls.Certificate{cert},
	}
	if clients != nil {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, clients
	}
	return c
}

// ClientTLS returns the settings for a client. roots may be nil for those of the
// system; own may be nil where no client certificate is agreed.
func ClientTLS(roots *x509.CertPool, own *tls.Certificate) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, CipherSuites: suites(), RootCAs: roots}
	if own != nil {
		c.Certificates = []tls.Certificate{*own}
	}
	return c
}

// TLSRules narrow what a connection may use (TA39 to TA43). Nothing older than TLS 1.2
// and no suite without forward secrecy is ever allowed.
type TLSRules struct {
	Min    uint16   // Default TLS 1.2.
	Max    uint16   // Default the latest that there is.
	Suites []uint16 // Default all of the profile. Those of TLS 1.2; 1.3 has its own.
}

// ParseTLS reads rules: versions as "1.2" and "1.3", suites by their IANA names. Empty
// values mean the defaults.
func ParseTLS(oldest, latest string, names []string) (TLSRules, error) {
	var r TLSRules
	var faults []error
	for _, v := range []struct {
		name, text string
		to         *uint16
	}{{"oldest", oldest, &r.Min}, {"latest", latest, &r.Max}} {
		switch v.text {
		case "":
		case "1.2":
			*v.to = tls.VersionTLS12
		case "1.3":
			*v.to = tls.VersionTLS13
		default:
			faults = append(faults, fmt.Errorf("%s TLS version %q is neither 1.2 nor 1.3", v.name, v.text))
		}
	}
	if r.Min != 0 && r.Max != 0 && r.Min > r.Max {
		faults = append(faults, errors.New("oldest TLS version is later than the latest"))
	}
	for _, name := range names {
		i := slices.IndexFunc(suites(), func(id uint16) bool { return tls.CipherSuiteName(id) == name })
		if i < 0 {
			faults = append(faults, fmt.Errorf("cipher suite %q is not one of the profile with forward secrecy", name))
			continue
		}
		r.Suites = append(r.Suites, suites()[i])
	}
	return r, errors.Join(faults...)
}

// Narrow applies the rules to settings of ServerTLS or ClientTLS.
func (r TLSRules) Narrow(c *tls.Config) {
	c.MinVersion = max(c.MinVersion, r.Min)
	c.MaxVersion = r.Max
	if len(r.Suites) > 0 {
		c.CipherSuites = r.Suites
	}
}

// suites are those for TLS 1.2; TLS 1.3 has its own.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
}

// Client returns an HTTP client for a Sender. Attempts are bounded by the
// agreement's timeout; connections are kept for the next message.
func Client(c *tls.Config) *http.Client {
	if c == nil {
		c = ClientTLS(nil, nil)
	}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:       c,
		Proxy:                 nil, // an agreement names an address, not a way to it
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}}
}
