package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/kafkalog"
	"oncegate/gateway/kafkalog/embedded"
)

func start(t *testing.T, cfg embedded.Config) *embedded.Broker {
	t.Helper()
	b, err := embedded.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, b *embedded.Broker) (*kafkalog.Cluster, *kafkalog.Producer) {
	t.Helper()
	c, err := kafkalog.New(kafkalog.Config{Brokers: []string{b.Addr()}, Embedded: true, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if _, err := c.EnsureTopics(within(t), c.Catalogue()...); err != nil {
		t.Fatal(err)
	}
	p, err := kafkalog.NewProducer(c, kafkalog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // the test's own has ended
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return c, p
}

func values(t *testing.T, c *kafkalog.Cluster, topic string) (out []string) {
	t.Helper()
	err := c.Scan(within(t), kafkalog.Range{Topic: topic}, func(r kafkalog.Record) error { out = append(out, string(r.Value)); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	b := start(t, embedded.Config{Dir: dir})
	if _, err := embedded.Start(embedded.Config{Dir: dir}); !errors.Is(err, embedded.ErrInUse) {
		t.Fatalf("got %v, want %v", err, embedded.ErrInUse)
	}
	b.Close()
	b.Close() // twice is no harm
	start(t, embedded.Config{Dir: dir})
}

func TestOnlyLoopbackIsServed(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "example.org:0", "192.0.2.1:0", "nonsense"} {
		if b, err := embedded.Start(embedded.Config{Addr: addr}); err == nil {
			b.Close()
			t.Errorf("%s was taken", addr)
		}
	}
}

func TestARestartKeepsTheLogAndItsPort(t *testing.T) {
	dir := t.TempDir()
	b := start(t, embedded.Config{Dir: dir})
	addr := b.Addr()
	var want []string
	for round := range 3 {
		c, p := open(t, b)
		for i := range 10 {
			v := fmt.Sprint(round, "-", i)
			want = append(want, v)
			r := &kafkalog.Record{Topic: "audit.v1", Partition: 1, Value: []byte(v)}
			if err := p.Produce(within(t), r); err != nil {
				t.Fatal(err)
			}
			if r.Offset != int64(len(want)-1) {
				t.Errorf("offset %d, want %d", r.Offset, len(want)-1)
			}
		}
		if d := cmp.Diff(want, values(t, c, "audit.v1")); d != "" {
			t.Errorf("round %d (-want +got):\n%s", round, d)
		}
		if err := p.Close(within(t)); err != nil {
			t.Error(err)
		}
		b.Close()
		b = start(t, embedded.Config{Dir: dir, Addr: addr})
	}
}

// The broker forgets the offsets of a partition that retention has emptied, and a
// group that was further then misses what follows. Size is all the retention that
// our topics have here, and it never takes the last batch.
func TestNoTopicHasASettingThatCanEmptyAPartition(t *testing.T) {
	c, _ := open(t, start(t, embedded.Config{}))
	for _, s := range c.Catalogue() {
		if s.Settings["retention.ms"] != "-1" || s.Settings["cleanup.policy"] != "delete" || s.Settings["retention.bytes"] == "" {
			t.Errorf("%s: %v", s.Name, s.Settings)
		}
	}
}
