package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// do calls the gateway's API and turns problems into errors.
func (p *portal) do(ctx context.Context, method, path, key string, body any) (*http.Response, error) {
	var rd io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encoding request: %w", err)
		}
		rd = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.api+path, rd)
	if err != nil {
		return nil, fmt.Errorf("asking the gateway: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the gateway: %w", err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		var problem struct{ Title, Detail, Code string }
		_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&problem) // an empty problem is still an error
		return nil, fmt.Errorf("%s: %s %s %s", resp.Status, problem.Code, problem.Title, problem.Detail)
	}
	return resp, nil
}

func (p *portal) call(ctx context.Context, method, path, key string, body, into any) error {
	resp, err := p.do(ctx, method, path, key, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(into); err != nil {
		return fmt.Errorf("reading the gateway's answer: %w", err)
	}
	return nil
}
