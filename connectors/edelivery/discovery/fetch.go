package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"oncegate/connectors/netguard"
)

// A fetcher gets documents of publishers, whose addresses strangers name.
type fetcher struct {
	client *http.Client
	most   int
}

var errNotFound = errors.New("the publisher knows no such resource (404)")

func newFetcher(c *Config) *fetcher {
	h := netguard.HTTP{Private: c.PrivateAddresses, Resolvers: c.Resolvers, Roots: c.Roots, Timeout: c.Timeout}
	return &fetcher{client: h.Client(), most: c.MaxBytes}
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
	b, err := netguard.Read(resp.Body, f.most)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return b, nil
}

// verdict says whether asking again may help.
func fetchVerdict(err error) Verdict {
	switch {
	case errors.Is(err, errNotFound):
		return Unregistered
	case errors.Is(err, netguard.ErrTooLarge), errors.Is(err, netguard.ErrPrivate):
		return Refused
	}
	return Unreachable
}
