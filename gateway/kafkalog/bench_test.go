package kafkalog

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"oncegate/gateway/kafkalog/embedded"
)

// The benchmarks compare with franz-go's client on the same broker in the same
// run: 64 callers, each writing one record of 1 KiB at a time and waiting for it.
// Rates are those of client and broker together on one machine; read the ratio.

const benchCallers = 64

func benchSites(b *testing.B, f func(b *testing.B, c *Cluster, addr string)) {
	run := func(name string, cfg func(b *testing.B) Config) {
		b.Run(name, func(b *testing.B) {
			conf := cfg(b)
			c, err := New(conf)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(c.Close)
			f(b, c, conf.Brokers[0])
		})
	}
	start := func(cfg embedded.Config) func(b *testing.B) Config {
		return func(b *testing.B) Config {
			if cfg.Dir != "" {
				cfg.Dir = b.TempDir()
			}
			br, err := embedded.Start(cfg)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(br.Close)
			return Config{Brokers: []string{br.Addr()}, Partitions: 4, Embedded: true}
		}
	}
	run("embedded", start(embedded.Config{Dir: "temporary", NoSync: true}))
	run("embedded-fsync", start(embedded.Config{Dir: "temporary"}))
	if addr := os.Getenv("ONCEGATE_TEST_KAFKA"); addr != "" {
		run("kafka", func(b *testing.B) Config {
			s := &site{addr: addr, prefix: fmt.Sprintf("b%d-%d.", os.Getpid(), time.Now().UnixNano())}
			b.Cleanup(func() { s.sweep(b) })
			return Config{Brokers: []string{addr}, Partitions: 4, Prefix: s.prefix}
		})
	}
}

func benchTopic(b *testing.B, c *Cluster, name string) {
	b.Helper()
	if _, err := c.EnsureTopics(b.Context(), TopicSpec{Name: name, Settings: c.kept(0), Purpose: Purpose{For: "test"}}); err != nil {
		b.Fatal(err)
	}
}

// values are 1 KiB and differ, as sealed bodies do.
func benchValues() [][]byte {
	out := make([][]byte, 512)
	for i := range out {
		out[i] = bytes.Repeat(fmt.Appendf(nil, "%08x", i*2654435761), 128)
	}
	return out
}

// measure runs the callers until b.N writes are done, and reports the rate and
// the latency of one write.
func measure(b *testing.B, write func(caller, n int) error) {
	took := make([][]time.Duration, benchCallers)
	for i := range took {
		took[i] = make([]time.Duration, 0, b.N/benchCallers+1)
	}
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range benchCallers {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				start := time.Now()
				if err := write(i, int(n)); err != nil {
					b.Error(err)
					return
				}
				took[i] = append(took[i], time.Since(start))
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	all := slices.Concat(took...)
	slices.Sort(all)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-us")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkWrite(b *testing.B) {
	values := benchValues()
	benchSites(b, func(b *testing.B, c *Cluster, addr string) {
		benchTopic(b, c, "ours")
		benchTopic(b, c, "kgo")
		p, err := NewProducer(c, ProducerConfig{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = p.Close(context.Background()) })
		cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(0))
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(cl.Close)
		b.Run("ours", func(b *testing.B) {
			measure(b, func(caller, n int) error {
				return p.Produce(context.Background(), &Record{Topic: "ours", Partition: caller % 4, Key: []byte("0123456789abcdef0123456789abcdef0123"), Value: values[n%len(values)]})
			})
		})
		b.Run("kgo", func(b *testing.B) {
			measure(b, func(caller, n int) error {
				return cl.ProduceSync(context.Background(), &kgo.Record{Topic: c.wireName("kgo"), Partition: int32(caller % 4), Key: []byte("0123456789abcdef0123456789abcdef0123"), Value: values[n%len(values)]}).FirstErr()
			})
		})
	})
}

// BenchmarkConsume reads what is on the log as fast as it comes; the handler does
// nothing.
func BenchmarkConsume(b *testing.B) {
	values := benchValues()
	benchSites(b, func(b *testing.B, c *Cluster, addr string) {
		benchTopic(b, c, "read")
		p, err := NewProducer(c, ProducerConfig{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = p.Close(context.Background()) })
		const records = 200_000
		var batch []*Record
		for i := range records {
			batch = append(batch, &Record{Topic: "read", Partition: i % 4, Key: []byte("0123456789abcdef0123456789abcdef0123"), Value: values[i%len(values)]})
			if len(batch) == 20_000 {
				if err := p.Produce(b.Context(), batch...); err != nil {
					b.Fatal(err)
				}
				batch = batch[:0]
			}
		}
		b.Run("ours", func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				var n atomic.Int64
				done := make(chan struct{})
				g := newGroup(c, groupConfig{
					name: fmt.Sprintf("read-%d-%d", b.N, i), topics: []string{"read"}, session: 10 * time.Second, rebalance: 10 * time.Second, rejoin: time.Second,
					maxWait: 500 * time.Millisecond, commit: 100 * time.Millisecond, drain: time.Second, stall: time.Minute, queue: 2 << 20,
				}, func(context.Context, *Record) error {
					if n.Add(1) == records {
						close(done)
					}
					return nil
				})
				ctx, cancel := context.WithCancel(b.Context())
				ended := make(chan error, 1)
				go func() { ended <- g.run(ctx) }()
				<-done
				b.StopTimer()
				cancel()
				if err := <-ended; err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.N)*records/b.Elapsed().Seconds(), "records/s")
		})
		b.Run("kgo", func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(c.wireName("read")), kgo.ConsumerGroup(fmt.Sprintf("%skgo-%d-%d", c.cfg.Prefix, b.N, i)),
					kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
				if err != nil {
					b.Fatal(err)
				}
				for n := 0; n < records; {
					fs := cl.PollFetches(b.Context())
					if err := fs.Err(); err != nil {
						b.Fatal(err)
					}
					fs.EachRecord(func(*kgo.Record) { n++ })
				}
				b.StopTimer()
				cl.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(b.N)*records/b.Elapsed().Seconds(), "records/s")
		})
	})
}
