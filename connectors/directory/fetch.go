package directory

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"oncegate/connectors/netguard"
)

// A fetcher gets what instances serve. Their addresses come from the DNS and, for code
// lists, from their answers.
type fetcher struct{ client *http.Client }

func newFetcher(c *Config) *fetcher {
	h := netguard.HTTP{Private: c.Private, Resolvers: c.Resolvers, Roots: c.Roots, Timeout: c.Timeout, Header: 128 << 10} // the signature takes 8 KiB
	return &fetcher{h.Client()}
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
	b, err := netguard.Read(resp.Body, most)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the answer: %w", err)
	}
	return resp.Header, b, nil
}
