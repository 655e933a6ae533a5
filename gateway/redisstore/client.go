package redisstore

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"

	"oncegate/schemas/canon"
)

// A Client is what the stores need of a Redis client; *redis.Client has it.
type Client interface {
	redis.Cmdable
	Watch(ctx context.Context, fn func(*redis.Tx) error, keys ...string) error
}

var _ Client = (*redis.Client)(nil)

// Options says how to reach one Redis server.
type Options struct {
	Address  string         // Required. host:port.
	Username string         // Default: none.
	Password string         // Default: none.
	Database int            // Default: 0.
	TLS      bool           // Default: false; only for loopback and private links.
	RootCAs  *x509.CertPool // With TLS: who vouches for the server. Default: the system's.
	Timeout  time.Duration  // Per command. Default: 3 s.
}

// Prefix is how all keys of one deployment begin, so that several can share a
// server: lower-case letters, digits and hyphens.
type Prefix string

var prefixForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

func (p Prefix) check() error {
	if !prefixForm.MatchString(string(p)) {
		return fmt.Errorf("key prefix %q: want 1 to 32 lower-case letters, digits and hyphens", string(p))
	}
	return nil
}

func (p Prefix) key(room, name string) string { return string(p) + ":" + room + ":" + name }

// unavailable wraps an error of the server: the caller tries again in place.
func unavailable(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return canon.NewFault(canon.CodeMemoryUnavailable, fmt.Errorf("%s: %w", doing, err), "the memory of exchanges does not answer")
}
