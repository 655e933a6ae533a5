package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"oncegate/connectors/netguard"
)

// A fetcher gets what instances serve. Their addresses come from the DNS and, for code
// lists, from their answers.
type fetcher struct {
	client *http.Client
	most   int
}

var errTooLarge = errors.New("the answer is larger than allowed")

func newFetcher(c *Config) *fetcher {
	return &fetcher{most: c.MaxBytes, client: &http.Client{
		// The DNS says where an instance is, not another instance.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            netguard.Dialer(c.Private, c.Resolvers).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots}, // TDD 3.7
			TLSHandshakeTimeout:    5 * time.Second,
			ResponseHeaderTimeout:  c.Timeout,
			MaxResponseHeaderBytes: 128 << 10, // the signature takes 8 KiB
			MaxConnsPerHost:        16,
			MaxIdleConnsPerHost:    4,
			MaxIdleConns:           64,
			IdleConnTimeout:        time.Minute,
			DisableCompression:     true, // what is counted is what came
			ForceAttemptHTTP2:      true,
		},
	}}
}

// get returns headers and body of what stands at an address. Its errors do not hold
// the address, which may hold what a person answered.
func (f *fetcher) get(ctx context.Context, address string, header map[string]string, most int) (http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, errors.New("the address cannot be asked")
	}
	req.Header.Set("User-Agent", "oncegate")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := f.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // url.Error repeats the address
		}
		return nil, nil, fmt.Errorf("asking: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read as far as it matters
	if resp.StatusCode != http.StatusOK {    // exceptions come with 200 too (TDD 3.6)
		return nil, nil, fmt.Errorf("asking: status %d", resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the answer: %w", err)
	}
	if len(b) > most {
		return nil, nil, errTooLarge
	}
	return resp.Header, b, nil
}
