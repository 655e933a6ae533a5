package redisstore_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/gateway/redisstore"
)

// remembered is connectors/edelivery.Remembered, memory is gateway/api.Memory,
// as far as their signatures go; neither may be imported here.
type (
	remembered interface {
		Claim(ctx context.Context, key, digest string, lease time.Duration) (state string, stored []byte, err error)
		Complete(ctx context.Context, key, digest string, answer []byte, ttl time.Duration) (stored []byte, err error)
		Release(ctx context.Context, key, digest string) error
	}
	memory interface {
		Claim(ctx context.Context, id, value string, ttl time.Duration) (held string, err error)
		Claimed(ctx context.Context, id string) (held string, err error)
	}
)

var (
	_ remembered = (*redisstore.Once)(nil)
	_ memory     = (*redisstore.Claims)(nil)
)

func TestOnce(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		ctx, p := t.Context(), prefix()
		t.Cleanup(func() { flush(t, s.client, p) })
		o, err := redisstore.NewOnce(redisstore.OnceConfig{Client: s.client, Prefix: p, Room: "as-in"})
		if err != nil {
			t.Fatal(err)
		}
		claim := func(key, digest, wantState, wantStored string) {
			t.Helper()
			state, stored, err := o.Claim(ctx, key, digest, time.Minute)
			if err != nil || state != wantState || string(stored) != wantStored {
				t.Errorf("Claim(%s, %s): got %q, %q, %v; want %q, %q", key, digest, state, stored, err, wantState, wantStored)
			}
		}
		complete := func(key, digest, answer, want string) {
			t.Helper()
			stored, err := o.Complete(ctx, key, digest, []byte(answer), time.Minute)
			if err != nil || string(stored) != want {
				t.Errorf("Complete(%s): got %q, %v; want %q", key, stored, err, want)
			}
		}
		release := func(key, digest string) {
			t.Helper()
			if err := o.Release(ctx, key, digest); err != nil {
				t.Errorf("Release(%s): %v", key, err)
			}
		}
		claim("a", "d1", "claimed", "")
		claim("a", "d1", "busy", "")
		claim("a", "d2", "conflict", "")
		release("a", "d2")
		claim("a", "d1", "busy", "")
		release("a", "d1")
		claim("a", "d1", "claimed", "")
		complete("a", "d1", "answer\nwith a line\x00", "answer\nwith a line\x00")
		claim("a", "d1", "done", "answer\nwith a line\x00")
		claim("a", "d2", "conflict", "")
		complete("a", "d1", "another", "answer\nwith a line\x00")
		release("a", "d1")
		claim("a", "d1", "done", "answer\nwith a line\x00")
		complete("never claimed", "d1", "x", "x")
		claim("never claimed", "d1", "done", "x")
		release("unknown", "d1")
		if s.mini != nil {
			claim("b", "d1", "claimed", "")
			s.mini.FastForward(time.Minute)
			claim("b", "d2", "claimed", "")
			claim("a", "d1", "claimed", "")
		}
	})
}

func TestOnceHasOneWinner(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		p := prefix()
		t.Cleanup(func() { flush(t, s.client, p) })
		o, err := redisstore.NewOnce(redisstore.OnceConfig{Client: s.client, Prefix: p, Room: "as-in"})
		if err != nil {
			t.Fatal(err)
		}
		var winners atomic.Int32
		var wg sync.WaitGroup
		answers := make([]string, 32)
		for i := range answers {
			wg.Go(func() {
				if state, _, err := o.Claim(t.Context(), "k", "d", time.Minute); err != nil {
					t.Errorf("Claim: %v", err)
				} else if state == "claimed" {
					winners.Add(1)
				}
				stored, err := o.Complete(t.Context(), "k", "d", []byte{byte('a' + i)}, time.Minute)
				if err != nil {
					t.Errorf("Complete: %v", err)
				}
				answers[i] = string(stored)
			})
		}
		wg.Wait()
		if winners.Load() > 1 {
			t.Errorf("%d claimed, want at most one", winners.Load())
		}
		for _, a := range answers {
			if a != answers[0] {
				t.Fatalf("got answers %q and %q, want one for all", answers[0], a)
			}
		}
	})
}

func TestClaims(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		ctx, p := t.Context(), prefix()
		t.Cleanup(func() { flush(t, s.client, p) })
		c, err := redisstore.NewClaims(redisstore.OnceConfig{Client: s.client, Prefix: p, Room: "idempotency"})
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct{ id, value, want string }{{"a", "1", "1"}, {"a", "2", "1"}, {"b", "2", "2"}} {
			if held, err := c.Claim(ctx, tc.id, tc.value, time.Minute); err != nil || held != tc.want {
				t.Errorf("Claim(%s, %s): got %q, %v; want %q", tc.id, tc.value, held, err, tc.want)
			}
		}
		for id, want := range map[string]string{"a": "1", "b": "2", "c": ""} {
			if held, err := c.Claimed(ctx, id); err != nil || held != want {
				t.Errorf("Claimed(%s): got %q, %v; want %q", id, held, err, want)
			}
		}
	})
}
