package edelivery

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
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
