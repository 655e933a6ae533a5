package register

import "context"

// call makes one call within the endpoint's limits.
func (c *Connector) call(ctx context.Context, r *request) (*raw, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, c.endpoint.Timeout)
	defer cancel()
	return c.wire.exchange(ctx, r)
}
