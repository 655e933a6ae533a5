package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Open returns a client after the server has answered. Its owner closes it.
func Open(ctx context.Context, o Options) (*redis.Client, error) {
	if o.Address == "" {
		return nil, errors.New("redis: Address is required")
	}
	if o.Timeout <= 0 {
		o.Timeout = 3 * time.Second
	}
	opts := &redis.Options{
		Addr: o.Address, Username: o.Username, Password: o.Password, DB: o.Database,
		DialTimeout: o.Timeout, ReadTimeout: o.Timeout, WriteTimeout: o.Timeout,
		ContextTimeoutEnabled:    true,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if o.TLS {
		opts.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs}
	}
	c := redis.NewClient(opts)
	if err := c.Ping(ctx).Err(); err != nil {
		return nil, errors.Join(unavailable("reaching redis", err), c.Close())
	}
	return c, nil
}
