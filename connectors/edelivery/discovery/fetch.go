package discovery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"oncegate/connectors/netguard"
)

// A fetcher gets documents of publishers, whose addresses strangers name.
type fetcher struct {
	client *http.Client
	most   int
}

var (
	errNotFound = errors.New("the publisher knows no such resource (404)")
	errTooLarge = errors.New("the answer is larger than allowed")
)

// newFetcher returns a fetcher. servers, where given, also resolve the publishers' names.
func newFetcher(c *Config) *fetcher {
	return &fetcher{most: c.MaxBytes, client: &http.Client{
		// A publisher leads elsewhere by a signed redirect only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            netguard.Dialer(c.PrivateAddresses, c.Resolvers).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots},
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  c.Timeout,
			MaxResponseHeaderBytes: 32 << 10,
			MaxIdleConnsPerHost:    2,
			MaxIdleConns:           64,
			IdleConnTimeout:        time.Minute,
			DisableCompression:     true, // what is counted is what came
			ForceAttemptHTTP2:      true,
		},
	}}
}

// get returns the document at an address.
func (f *fetcher) get(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("making request: %w", err)
	}
	req.Header.Set("Accept", "application/xml, text/xml")
	req.Header.Set("User-Agent", "oncegate")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read as far as it matters
	switch {
	case resp.StatusCode == http.StatusOK:
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return nil, errNotFound
	default:
		return nil, fmt.Errorf("the publisher answers with status %d", resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, int64(f.most)+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if len(b) > f.most {
		return nil, errTooLarge
	}
	return b, nil
}

// verdict says whether asking again may help.
func fetchVerdict(err error) Verdict {
	switch {
	case errors.Is(err, errNotFound):
		return Unregistered
	case errors.Is(err, errTooLarge), errors.Is(err, netguard.ErrPrivate):
		return Refused
	}
	return Unreachable
}
