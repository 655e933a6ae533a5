package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"oncegate/connectors/edelivery/discovery"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/revocation"
)

// maxDiscovery bounds the file that configures discovery.
const maxDiscovery = 1 << 20

// newDiscovery returns the resolver that a file configures. Names in the file are
// relative to it.
func newDiscovery(ctx context.Context, path string, source pmode.Source, store *revocation.Store, log *slog.Logger) (*discovery.Resolver, error) {
	data, err := readBounded(path, maxDiscovery, false)
	if err != nil {
		return nil, fmt.Errorf("reading discovery: %w", err)
	}
	conf, err := discovery.Load(ctx, PModes(path, store), data)
	if err != nil {
		return nil, err
	}
	conf.PModes, conf.Logger = source, log
	r, err := discovery.New(conf)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Discovery returns a resolver for an operator's look-up: that of a file, or that of
// the configuration where file is empty.
func (c *Config) Discovery(ctx context.Context, file string, log *slog.Logger) (*discovery.Resolver, error) {
	if file == "" {
		if c.EDelivery.Discovery == "" {
			return nil, errors.New("edelivery.discovery is not set: discovery is off")
		}
		file = c.path(c.EDelivery.Discovery)
	}
	table, err := c.loadPModes()
	if err != nil {
		return nil, err
	}
	store, err := RevocationStore(log, c.EDelivery.Revocation.Private)
	if err != nil {
		return nil, err
	}
	return newDiscovery(ctx, file, table, store, log)
}
