package revocation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"oncegate/connectors/netguard"
)

var errOlder = errors.New("CRL is older than the one before")

// newClient returns a client for the addresses that certificates name (i.19).
func newClient(c Config) *http.Client {
	client := netguard.HTTP{Private: c.Private, Roots: c.Roots, Timeout: c.Timeout}.Client()
	client.Timeout = c.Timeout
	return client
}

// fetch gets a document of limited size.
func (s *Store) fetch(ctx context.Context, address string, limit int) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return s.do(req, limit)
}

// post sends a request of OCSP.
func (s *Store) post(ctx context.Context, address string, body []byte, limit int) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	return s.do(req, limit)
}

func (s *Store) do(req *http.Request, limit int) ([]byte, error) {
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("server answers with status %d", res.StatusCode)
	}
	return netguard.Read(res.Body, limit)
}
