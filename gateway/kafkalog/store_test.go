package kafkalog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/payload"
	"oncegate/gateway/payload/payloadtest"
	"oncegate/schemas/canon"
)

func TestChunksPassTheBatteryOfBlobs(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, TopicPayload)
		p := s.producer(t, c)
		payloadtest.Blobs(t, func(*testing.T) payload.Blobs { return NewChunks(c, p) })
	})
}

func TestKeysPassTheBattery(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		if _, err := c.EnsureTopics(deadline(t), c.Catalogue()[len(c.Catalogue())-1]); err != nil {
			t.Fatal(err)
		}
		p := s.producer(t, c)
		payloadtest.Keys(t, func(t *testing.T) payload.Keys { return s.keys(t, c, p) })
	})
}

func (s *site) keys(t *testing.T, c *Cluster, p *Producer) *Keys {
	t.Helper()
	k := NewKeys(c, p)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := receive(t, "the index to end", done); err != nil {
			t.Error(err)
		}
	})
	return k
}

func TestKeysOfTwoInstancesAgree(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, TopicPayloadKey)
		one, two := s.keys(t, c, s.producer(t, c)), s.keys(t, c, s.producer(t, c))
		ctx := deadline(t)
		for i := range 20 {
			id := conversationID(i)
			if err := one.Add(ctx, id, "a", []byte{1}); err != nil {
				t.Fatal(err)
			}
			if err := two.Add(ctx, id, "b", []byte{2}); err != nil {
				t.Fatal(err)
			}
			if ks, err := one.Get(ctx, id); err != nil || len(ks) != 2 {
				t.Fatalf("keys %v, %v", ks, err)
			}
			// Adding and forgetting at once: whoever the log puts second decides.
			added := make(chan error, 1)
			go func() { added <- one.Add(ctx, id, "c", []byte{3}) }()
			if err := two.Forget(ctx, id); err != nil {
				t.Fatal(err)
			}
			if err := receive(t, "the key", added); err != nil && !errors.Is(err, canon.ErrForgotten) {
				t.Fatal(err)
			}
			for _, k := range []*Keys{one, two} {
				if ks, err := k.Get(ctx, id); !errors.Is(err, canon.ErrForgotten) {
					t.Errorf("after forgetting: %v, %v", ks, err)
				}
			}
		}
		// Every key that was written has a tombstone behind it, or gets one from the
		// next Forget: what compaction leaves holds no key.
		for i := range 20 {
			if err := one.Forget(ctx, conversationID(i)); err != nil {
				t.Fatal(err)
			}
		}
		last := make(map[string][]byte)
		for _, r := range scan(t, c, TopicPayloadKey) {
			last[string(r.Key)] = r.Value
		}
		for key, value := range last {
			if strings.Contains(key, "/") && value != nil {
				t.Errorf("the key %s has no tombstone", key)
			}
		}
		// A third instance comes to the same view from the log alone.
		three := s.keys(t, c, s.producer(t, c))
		for i := range 20 {
			if _, err := three.Get(ctx, conversationID(i)); !errors.Is(err, canon.ErrForgotten) {
				t.Errorf("a new instance: %v", err)
			}
		}
	})
}

// What compaction leaves of the topic tells the same, and holds no forgotten key.
func TestKeysOnACompactedTopic(t *testing.T) {
	s := realSite(t) // the embedded broker must not compact
	t.Parallel()
	c := s.cluster(t, func(c *Config) { c.Partitions = 1 })
	settings := c.Catalogue()[len(c.Catalogue())-1].Settings
	if settings["cleanup.policy"] != "compact" {
		t.Fatalf("settings %v", settings)
	}
	settings["segment.ms"], settings["min.cleanable.dirty.ratio"], settings["max.compaction.lag.ms"], settings["delete.retention.ms"] = "100", "0.001", "100", "100"
	if _, err := c.EnsureTopics(deadline(t), TopicSpec{Name: TopicPayloadKey, Settings: settings, Purpose: purposeOf(TopicPayloadKey)}); err != nil {
		t.Fatal(err)
	}
	p := s.producer(t, c)
	k := s.keys(t, c, p)
	gone, kept := conversationID("gone"), conversationID("kept")
	for _, id := range []canon.ConversationID{gone, kept} {
		if err := k.Add(deadline(t), id, "k", []byte("wrapped")); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Forget(deadline(t), gone); err != nil {
		t.Fatal(err)
	}
	await(t, "compaction", func() bool {
		// Only closed segments are compacted: writing closes them.
		if err := k.Add(deadline(t), kept, "other", []byte("wrapped")); err != nil {
			t.Fatal(err)
		}
		keys := 0
		for _, r := range scan(t, c, TopicPayloadKey) {
			if strings.HasPrefix(string(r.Key), string(gone)+"/") && r.Value != nil {
				keys++
			}
		}
		return keys == 0
	})
	again := s.keys(t, c, p)
	if ks, err := again.Get(deadline(t), gone); !errors.Is(err, canon.ErrForgotten) {
		t.Errorf("the forgotten one: %v, %v", ks, err)
	}
	if ks, err := again.Get(deadline(t), kept); err != nil || len(ks) != 2 {
		t.Errorf("the other one: %v, %v", ks, err)
	}
}

func TestChunksOfTwoWritersDoNotMix(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, TopicPayload)
		store := NewChunks(c, s.producer(t, c))
		id, blob := conversationID(1), canon.DeriveUUID("blob")
		data := map[byte][]byte{'a': bytes.Repeat([]byte("a"), 3*chunkBytes+7), 'b': bytes.Repeat([]byte("b"), 2*chunkBytes)}
		where := make(chan string, 2)
		for _, d := range data {
			go func() {
				w, err := store.Put(deadline(t), id, blob, bytes.NewReader(d))
				if err != nil {
					t.Error(err)
				}
				where <- w
			}()
		}
		for range 2 {
			w := receive(t, "the blob", where)
			r, err := store.Open(deadline(t), id, w)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil || len(got) == 0 || !bytes.Equal(got, data[got[0]]) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, bad := range []string{"", "1.0.0.0.1." + blob + "x", "2.0.0.0.1." + blob, "1.0.0.0.0." + blob, "1.0.5.4.1." + blob, "1.99.0.0.1." + blob, "1.0.99.99.1." + blob} {
			if _, err := store.Open(deadline(t), id, bad); !errors.Is(err, payload.ErrNoBlob) {
				t.Errorf("locator %q: %v", bad, err)
			}
		}
	})
}

func FuzzParseLocator(f *testing.F) {
	f.Add("1.0.5.9.3." + canon.DeriveUUID("x"))
	f.Fuzz(func(t *testing.T, s string) {
		if l, err := parseLocator(s); err == nil && (l.chunks < 1 || l.first < 0 || l.last < l.first) {
			t.Errorf("%q: %+v", s, l)
		}
	})
}

func TestKeysTellWhichAreOld(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, TopicPayloadKey)
		k := s.keys(t, c, s.producer(t, c))
		ctx := deadline(t)
		start := time.Now()
		for i := range 3 {
			if err := k.Add(ctx, conversationID(i), "a", []byte{1}); err != nil {
				t.Fatal(err)
			}
		}
		if err := k.Add(ctx, conversationID(1), "b", []byte{1}); err != nil {
			t.Fatal(err)
		}
		if err := k.Forget(ctx, conversationID(2)); err != nil {
			t.Fatal(err)
		}
		if got := k.Older(start.Add(-time.Minute), 10); len(got) != 0 {
			t.Errorf("older than all: %v, want none", got)
		}
		later := time.Now().Add(time.Minute)
		got := k.Older(later, 10)
		slices.Sort(got)
		want := []canon.ConversationID{conversationID(0), conversationID(1)}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want those that were not forgotten: %v", got, want)
		}
		if got := k.Older(later, 1); len(got) != 1 {
			t.Errorf("with limit 1: %v", got)
		}
	})
}
