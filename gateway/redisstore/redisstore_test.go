package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"oncegate/gateway/exchange/exchangetest"
	"oncegate/gateway/preview/previewtest"
	"oncegate/gateway/redisstore"
)

// server is one Redis under test.
type server struct {
	client *redis.Client
	mini   *miniredis.Miniredis // nil for a real one
}

var prefixes atomic.Int64

// prefix returns one that no other test and no other run uses.
func prefix() redisstore.Prefix {
	return redisstore.Prefix(fmt.Sprintf("t%d-%d", time.Now().UnixNano(), prefixes.Add(1)))
}

func embedded(t testing.TB) server {
	m := miniredis.RunT(t)
	return server{open(t, m.Addr()), m}
}

func open(t testing.TB, address string) *redis.Client {
	c, err := redisstore.Open(context.Background(), redisstore.Options{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// each runs f on the embedded Redis and on a real one.
func each(t *testing.T, f func(t *testing.T, s server)) {
	t.Run("embedded", func(t *testing.T) { f(t, embedded(t)) })
	t.Run("real", func(t *testing.T) {
		address := os.Getenv("ONCEGATE_TEST_REDIS")
		if address == "" {
			if os.Getenv("ONCEGATE_REQUIRE_SERVICES") == "1" {
				t.Fatal("ONCEGATE_TEST_REDIS is not set: the services are required here")
			}
			t.Skip("no real Redis: set ONCEGATE_TEST_REDIS=host:port")
		}
		f(t, server{client: open(t, address)})
	})
}

// flush removes the keys of one prefix; a real server may hold others.
func flush(t *testing.T, c *redis.Client, p redisstore.Prefix) {
	t.Helper()
	ctx := context.Background()
	keys, err := c.Keys(ctx, string(p)+":*").Result()
	if err == nil && len(keys) > 0 {
		err = c.Del(ctx, keys...).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func conversations(t testing.TB, c redisstore.Client, p redisstore.Prefix, s *exchangetest.Sealer) *redisstore.Conversations {
	t.Helper()
	store, err := redisstore.NewConversations(redisstore.ConversationsConfig{Client: c, Prefix: p, Sealer: s})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestConversationsBattery(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		exchangetest.Run(t, func(t *testing.T) exchangetest.Opened {
			p := prefix()
			t.Cleanup(func() { flush(t, s.client, p) })
			return exchangetest.Opened{
				Store: conversations(t, s.client, p, &exchangetest.Sealer{}),
				Flush: func(t *testing.T) { flush(t, s.client, p) },
			}
		})
	})
}

func TestSessionsBattery(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		p := prefix()
		t.Cleanup(func() { flush(t, s.client, p) })
		store, err := redisstore.NewSessions(redisstore.SessionsConfig{Client: s.client, Prefix: p, Key: []byte(strings.Repeat("k", 32))})
		if err != nil {
			t.Fatal(err)
		}
		previewtest.Run(t, store, time.Now)
	})
}

func TestConfigReportsAllFaults(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  func() error
		want []string
	}{
		{"conversations", func() error {
			_, err := redisstore.NewConversations(redisstore.ConversationsConfig{Prefix: "Bad Prefix"})
			return err
		}, []string{"Client", "Sealer", "Bad Prefix"}},
		{"sessions", func() error {
			_, err := redisstore.NewSessions(redisstore.SessionsConfig{Key: []byte("short")})
			return err
		}, []string{"Client", "prefix", "32 bytes"}},
		{"once", func() error { _, err := redisstore.NewOnce(redisstore.OnceConfig{Room: "conversation"}); return err }, []string{"Client", "prefix", "taken"}},
		{"claims", func() error { _, err := redisstore.NewClaims(redisstore.OnceConfig{Room: "A"}); return err }, []string{"Client", "prefix", `"A"`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.err()
			if err == nil {
				t.Fatal("got no error")
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("got %q, want it to name %q", err, w)
				}
			}
		})
	}
}
