package redisstore_test

import (
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/gateway/messages/messagestest"
	"oncegate/gateway/redisstore"
	"oncegate/schemas/canon"
)

func TestMessagesPassTheBattery(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		messagestest.Battery(t, func(t *testing.T) messagestest.Setup {
			p := prefix()
			t.Cleanup(func() { flush(t, s.client, p) })
			var passed atomic.Int64
			store, err := redisstore.NewMessages(redisstore.MessagesConfig{Client: s.client, Prefix: p, Term: time.Hour,
				Now: func() time.Time { return messagestest.Start.Add(time.Duration(passed.Load())) }})
			if err != nil {
				t.Fatal(err)
			}
			x := messagestest.Setup{Store: store, Flush: func() { flush(t, s.client, p) }, Term: time.Hour}
			if s.mini != nil {
				x.Pass = func(d time.Duration) { passed.Add(int64(d)); s.mini.FastForward(d) }
			}
			return x
		})
	})
}

// Rule 25: every key has the prefix, the room and a term; and what a peer chose is
// in none of them.
func TestKeysOfMessages(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		ctx, p := t.Context(), prefix()
		t.Cleanup(func() { flush(t, s.client, p) })
		store, err := redisstore.NewMessages(redisstore.MessagesConfig{Client: s.client, Prefix: p, Now: func() time.Time { return messagestest.Start }})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if err := store.Note(ctx, messagestest.Sample(i, func(n *canon.MessageNote) { n.Exchange = "Aino-Testi" })); err != nil {
				t.Fatal(err)
			}
		}
		keys, err := s.client.Keys(ctx, string(p)+":*").Result()
		if err != nil || len(keys) < 20 {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for _, k := range keys {
			if !strings.HasPrefix(k, string(p)+":message:1:") {
				t.Errorf("key %s is of no room", k)
			}
			if ttl := s.client.PTTL(ctx, k).Val(); ttl <= 0 || ttl > 336*time.Hour {
				t.Errorf("key %s has a term of %v", k, ttl)
			}
			if strings.Contains(k, "gate.example") || strings.Contains(k, "Aino") {
				t.Errorf("key %s says what it holds", k)
			}
		}
	})
}

func TestMessagesWithoutARedisAreUnavailable(t *testing.T) {
	s := embedded(t)
	store, err := redisstore.NewMessages(redisstore.MessagesConfig{Client: s.client, Prefix: prefix()})
	if err != nil {
		t.Fatal(err)
	}
	s.mini.SetError("LOADING of a test")
	_, err = store.Get(t.Context(), "x")
	for what, err := range map[string]error{"Note": store.Note(t.Context(), messagestest.Sample(1)), "Get": err} {
		if f := canon.AsFault(err); f.Code != canon.CodeMemoryUnavailable {
			t.Errorf("%s: %v, want %s", what, err, canon.CodeMemoryUnavailable)
		}
	}
}

func BenchmarkNote(b *testing.B) {
	run := func(b *testing.B, s server) {
		p := prefix()
		store, err := redisstore.NewMessages(redisstore.MessagesConfig{Client: s.client, Prefix: p})
		if err != nil {
			b.Fatal(err)
		}
		var batch []canon.MessageNote
		for i := range 64 {
			batch = append(batch, messagestest.Sample(i))
		}
		for b.Loop() {
			if err := store.Note(b.Context(), batch...); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/note")
		for _, k := range s.client.Keys(b.Context(), string(p)+":*").Val() {
			s.client.Del(b.Context(), k)
		}
	}
	b.Run("embedded", func(b *testing.B) { run(b, embedded(b)) })
	b.Run("real", func(b *testing.B) {
		address := os.Getenv("ONCEGATE_TEST_REDIS")
		if address == "" {
			b.Skip("no real Redis: set ONCEGATE_TEST_REDIS=host:port")
		}
		run(b, server{client: open(b, address)})
	})
}
