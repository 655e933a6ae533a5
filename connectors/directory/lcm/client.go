package lcm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/xmldoc"
)

// A Client submits over plain HTTP, to a test bed.
type Client struct {
	URL   string       // Required. Of the service: https://.../eb/lcm or .../dsd/lcm.
	Token string       // Required. Says for which Member State we speak.
	HTTP  *http.Client // Required. With a timeout.
}

const maxResponse = 4 << 20

// Submit sends a written submission and returns what was answered. An error means
// that it is not known whether it was accepted; it may be sent again.
func (c *Client) Submit(ctx context.Context, doc []byte) (_ Response, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(doc))
	if err != nil {
		return Response{}, fmt.Errorf("submitting: %w", err)
	}
	req.Header.Set("Content-Type", answers.MediaType)
	req.Header.Set("Accept", answers.MediaType)
	req.Header.Set("Authorization", "Bearer "+c.Token)
	res, err := c.HTTP.Do(req)
	if err != nil {
		return Response{}, fmt.Errorf("submitting: %w", err)
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode != http.StatusOK {
		return Response{}, fmt.Errorf("submitting: the service answered %s", res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxResponse+1))
	if err != nil {
		return Response{}, fmt.Errorf("submitting: %w", err)
	}
	return ParseResponse(body)
}

// ParseResponse reads the bytes of a response.
func ParseResponse(body []byte) (Response, error) {
	d, err := xmldoc.ParseBytes(body, xmldoc.Limits{MaxBytes: maxResponse})
	if err != nil {
		return Response{}, fmt.Errorf("reading registry response: %w", err)
	}
	return ReadResponse(d.Root())
}
