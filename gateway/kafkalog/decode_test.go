package kafkalog

import (
	"context"
	"os"
	"testing"
	"time"

	"oncegate/gateway/kafkalog/embedded"
)

func TestSmoke(t *testing.T) {
	addr := os.Getenv("ONCEGATE_TEST_KAFKA")
	cfg := Config{Brokers: []string{addr}, Prefix: "smoke" + time.Now().Format("150405.000") + "."}
	if addr == "" {
		b, err := embedded.Start(embedded.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		cfg.Brokers = []string{b.Addr()}
		cfg.Embedded = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	diff, err := c.EnsureTopics(ctx, c.Catalogue()...)
	t.Log(diff, err)
	diff, err = c.EnsureTopics(ctx, c.Catalogue()...)
	t.Log(diff, err)
	p, err := NewProducer(c, ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		s := time.Now()
		r := &Record{Topic: "audit.v1", Partition: -1, Key: []byte("k"), Value: []byte("v"), Headers: []Header{{"a", []byte("b")}, {"n", nil}}}
		err = p.Produce(ctx, r)
		t.Log(time.Since(s), r.Offset, r.Partition, err)
	}
	err = c.Scan(ctx, Range{Topic: "audit.v1", Key: []byte("k")}, func(r Record) error { t.Logf("%+v", r); return nil })
	t.Log(err)
	ts, err := c.Topics(ctx, "audit.v1")
	t.Logf("%+v %v", ts, err)
	l, err := c.Lag(ctx, "g", "audit.v1")
	t.Log(l, err)
	t.Log(p.Close(ctx))
}
