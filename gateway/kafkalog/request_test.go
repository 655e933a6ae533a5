package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"oncegate/schemas/canon"
)

// answering is a register on topics, written with another client: it answers each
// request by its body, and counts.
type answering struct {
	mu    sync.Mutex
	asked []string
}

func (a *answering) run(ctx context.Context, client *kgo.Client, replies string, answer func(body string) (string, bool)) {
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) {
			a.mu.Lock()
			a.asked = append(a.asked, string(r.Key))
			a.mu.Unlock()
			var id, to string
			for _, h := range r.Headers {
				switch h.Key {
				case "correlation-id":
					id = string(h.Value)
				case "reply-topic":
					to = string(h.Value)
				}
			}
			text, ok := answer(string(r.Value))
			if !ok || to != replies {
				return
			}
			client.Produce(ctx, &kgo.Record{Topic: to, Value: []byte(text), Headers: []kgo.RecordHeader{
				{Key: "correlation-id", Value: []byte(id)}, {Key: "content-type", Value: []byte("application/xml")},
			}}, nil)
		})
	}
}

func (a *answering) count(id string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range a.asked {
		if k == id {
			n++
		}
	}
	return n
}

func requester(t *testing.T, c *Cluster, cfg RequesterConfig) *Requester {
	t.Helper()
	r, err := NewRequester(c, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return r
}

func TestRequestAndReply(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		// Topics of somebody else: the site's names, seen without our prefix. The
		// requester of a cluster with another prefix asks on them.
		s.topics(t, c, "x.requests", "x.replies")
		requests, answers := s.prefix+"x.requests", s.prefix+"x.replies"
		own := s.cluster(t, func(cfg *Config) { cfg.Prefix = "gateway." })
		client := s.kgo(t, kgo.ConsumeTopics(requests), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		a := &answering{}
		wg.Go(func() {
			a.run(ctx, client, answers, func(body string) (string, bool) { return "re " + body, !strings.HasPrefix(body, "silent") })
		})
		since := time.Now()
		ask := func(r *Requester, id, body string, d time.Duration) (Reply, error) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			return r.Ask(ctx, Request{Topic: requests, Replies: answers, ID: canon.MessageID(id), Since: since, Media: "application/xml", Body: []byte(body)})
		}
		one, two := requester(t, own, RequesterConfig{}), requester(t, own, RequesterConfig{})

		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				r := one
				if i%2 == 1 {
					r = two
				}
				got, err := ask(r, fmt.Sprintf("m-%d", i), fmt.Sprintf("body %d", i), patience)
				if err != nil || string(got.Body) != fmt.Sprintf("re body %d", i) || got.Media != "application/xml" {
					t.Errorf("%d: got %q, %v", i, got.Body, err)
				}
			})
		}
		all.Wait()

		// The same again, anywhere, finds the reply and asks nobody.
		got, err := ask(two, "m-0", "body 0", patience)
		if err != nil || string(got.Body) != "re body 0" {
			t.Errorf("again: got %q, %v", got.Body, err)
		}

		// A reply that comes when nobody waits any more is found by the next try.
		_, err = ask(one, "late", "silent", time.Second)
		if f := canon.AsFault(err); f == nil || f.Kind != canon.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("no reply: got %v", err)
		}
		if err := client.ProduceSync(deadline(t), &kgo.Record{Topic: answers, Key: []byte("late"), Value: []byte("at last")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		got, err = ask(two, "late", "silent", patience)
		if err != nil || string(got.Body) != "at last" {
			t.Errorf("late: got %q, %v", got.Body, err)
		}
		for _, id := range []string{"m-0", "late"} {
			if n := a.count(id); n != 1 {
				t.Errorf("%s was asked %d times", id, n)
			}
		}
	})
}

func TestRequesterRefuses(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "x.replies")
		replies := s.prefix + "x.replies"
		own := s.cluster(t, func(cfg *Config) { cfg.Prefix = "gateway." })
		r := requester(t, own, RequesterConfig{MaxWaiting: 1})
		for _, topic := range []string{"evidence.request.v1", "audit.v1", "payload.key.v1", "evidence.request.v1.dlq", "gateway.anything", "__consumer_offsets"} {
			for _, q := range []Request{{Topic: topic, Replies: replies, ID: "m"}, {Topic: "x", Replies: topic, ID: "m"}} {
				if _, err := r.Ask(deadline(t), q); canon.AsFault(err).Kind != canon.Invalid {
					t.Errorf("%s: got %v", topic, err)
				}
			}
		}
		if _, err := r.Ask(deadline(t), Request{Topic: "x", Replies: s.prefix + "nothing", ID: "m"}); canon.AsFault(err).Kind != canon.Unavailable {
			t.Errorf("no such topic: got %v", err)
		}
		f, err := r.follow(deadline(t), replies)
		if err != nil {
			t.Fatal(err)
		}
		_, leave, err := f.wait("m-1")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.wait("m-2"); canon.AsFault(err).Kind != canon.Unavailable {
			t.Errorf("one too many: got %v", err)
		}
		leave()
		if len(f.waiting) != 0 || f.count != 0 {
			t.Errorf("%d wait", f.count)
		}
	})
}
