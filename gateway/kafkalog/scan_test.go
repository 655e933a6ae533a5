package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kgo"

	"oncegate/schemas/canon"
)

func TestAllCodecsOfOtherWritersAreRead(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "codecs")
		var want []Record
		for i, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
			cl := s.kgo(t, kgo.ProducerBatchCompression(codec))
			var rs []*kgo.Record
			for j := range 50 {
				r := &kgo.Record{
					Topic: s.prefix + "codecs", Partition: 2, Key: fmt.Append(nil, i), Value: fmt.Appendf(nil, "value %d value %d value", j, j),
					Timestamp: time.UnixMilli(1_700_000_000_000 + int64(j)), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("v")}},
				}
				rs = append(rs, r)
				want = append(want, Record{Topic: "codecs", Partition: 2, Offset: int64(len(want)), Time: r.Timestamp.UTC(), Key: r.Key, Value: r.Value, Headers: []Header{{"h", []byte("v")}}})
			}
			if err := cl.ProduceSync(deadline(t), rs...).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(want, scan(t, c, "codecs")); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	})
}

// kafka-go's Reader delivers aborted records and the control records of
// transactions (segmentio/kafka-go#1332).
func TestAbortedAndControlRecordsAreNotDelivered(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "txn")
		plain := s.kgo(t)
		one, two := s.kgo(t, kgo.TransactionalID(s.prefix+"one")), s.kgo(t, kgo.TransactionalID(s.prefix+"two"))
		write := func(cl *kgo.Client, v string) {
			t.Helper()
			if err := cl.ProduceSync(deadline(t), &kgo.Record{Topic: s.prefix + "txn", Partition: 0, Value: []byte(v)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		begin := func(cl *kgo.Client) {
			t.Helper()
			if err := cl.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
		}
		end := func(cl *kgo.Client, commit kgo.TransactionEndTry) {
			t.Helper()
			if err := cl.EndTransaction(deadline(t), commit); err != nil {
				t.Fatal(err)
			}
		}
		write(plain, "a")
		begin(one)
		write(one, "aborted 1")
		begin(two)
		write(two, "b")
		write(plain, "c")
		write(one, "aborted 2")
		end(two, kgo.TryCommit)
		end(one, kgo.TryAbort)
		write(plain, "d")
		begin(one)
		write(one, "e")
		end(one, kgo.TryCommit)
		begin(two)
		write(two, "open")
		write(plain, "beyond the open transaction")

		var got []string
		for _, r := range scan(t, c, "txn") {
			got = append(got, string(r.Value))
		}
		want := []string{"a", "b", "c", "d", "e"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("scan (-want +got):\n%s", d)
		}

		ch := make(chan string, 20)
		run := startGroup(t, c, "txn", []string{"txn"}, func(_ context.Context, r *Record) error { ch <- string(r.Value); return nil })
		for _, w := range want {
			if g := receive(t, w, ch); g != w {
				t.Errorf("consumer got %q, want %q", g, w)
			}
		}
		end(two, kgo.TryAbort)
		if g := receive(t, "the rest", ch); g != "beyond the open transaction" {
			t.Errorf("consumer got %q", g)
		}
		// The markers are passed over, and count as done.
		await(t, "lag 0", func() bool { return lagOf(t, c, "txn", "txn") == 0 })
		run()
	})
}

// startGroup runs a member over records; the returned function ends it.
func startGroup(t *testing.T, c *Cluster, name string, topics []string, h func(context.Context, *Record) error, change ...func(*groupConfig)) func() {
	t.Helper()
	cfg := groupConfig{
		name: name, topics: topics, session: 2 * time.Second, rebalance: 2 * time.Second, rejoin: 20 * time.Millisecond,
		maxWait: 100 * time.Millisecond, commit: 5 * time.Millisecond, drain: time.Second, stall: time.Minute, queue: 2 << 20,
	}
	for _, f := range change {
		f(&cfg)
	}
	g := newGroup(c, cfg, h)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.run(ctx) }()
	ended := false
	stop := func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := receive(t, "the member to end", done); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func lagOf(t *testing.T, c *Cluster, group string, topics ...string) int64 {
	t.Helper()
	ls, err := c.Lag(deadline(t), group, topics...)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for _, l := range ls {
		n += l.Lag
	}
	return n
}

// kafka-go's Reader cannot tell an empty value from a tombstone.
func TestEmptyValueIsNoTombstone(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "empty")
		p := s.producer(t, c)
		if err := p.Produce(deadline(t), &Record{Topic: "empty", Partition: 0, Key: []byte("k"), Value: []byte{}}, &Record{Topic: "empty", Partition: 0, Key: []byte("k")}); err != nil {
			t.Fatal(err)
		}
		ch := make(chan []byte, 2)
		startGroup(t, c, "empty", []string{"empty"}, func(_ context.Context, r *Record) error { ch <- r.Value; return nil })
		if v := receive(t, "the empty value", ch); v == nil || len(v) != 0 {
			t.Errorf("got %#v, want an empty value", v)
		}
		if v := receive(t, "the tombstone", ch); v != nil {
			t.Errorf("got %#v, want nil", v)
		}
	})
}

func TestScanReadsWhatTheRangeSays(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "range")
		p := s.producer(t, c)
		t0 := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
		one, two := conversationID(1), conversationID(2)
		for i := range 20 {
			key := one
			if i%2 == 1 {
				key = two
			}
			if err := p.Produce(deadline(t), &Record{Topic: "range", Partition: 1, Key: []byte(key), Value: fmt.Append(nil, i), Time: t0.Add(time.Duration(i) * time.Second)}); err != nil {
				t.Fatal(err)
			}
		}
		only := []int{1}
		for name, tc := range map[string]struct {
			r    Range
			want []int
		}{
			"everything":        {Range{}, seq(0, 20)},
			"from an offset":    {Range{Partitions: only, FromOffset: 17}, seq(17, 20)},
			"to an offset":      {Range{Partitions: only, ToOffset: 3}, seq(0, 3)},
			"between offsets":   {Range{Partitions: only, FromOffset: 5, ToOffset: 8}, seq(5, 8)},
			"beyond the end":    {Range{Partitions: only, FromOffset: 100}, nil},
			"from a time":       {Range{FromTime: t0.Add(15 * time.Second)}, seq(15, 20)},
			"between times":     {Range{FromTime: t0.Add(2 * time.Second), ToTime: t0.Add(4 * time.Second)}, seq(2, 4)},
			"after the last":    {Range{FromTime: t0.Add(time.Hour)}, nil},
			"one conversation":  {Range{Partitions: only, Conversation: one, ToOffset: 6}, []int{0, 2, 4}},
			"another partition": {Range{Partitions: []int{0}}, nil},
		} {
			tc.r.Topic = "range"
			var got []int
			err := c.Scan(deadline(t), tc.r, func(r Record) error {
				var n int
				_, err := fmt.Sscan(string(r.Value), &n)
				got = append(got, n)
				return err
			})
			if d := cmp.Diff(tc.want, got); d != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
			}
		}
		n := 0
		if err := c.Scan(deadline(t), Range{Topic: "range"}, func(Record) error { n++; return ErrStop }); err != nil || n != 1 {
			t.Errorf("stopping: %d records, %v", n, err)
		}
		if err := c.Scan(deadline(t), Range{Topic: "nowhere"}, nil); !errors.Is(err, ErrUnknownTopic) {
			t.Errorf("unknown topic: %v", err)
		}
		at, err := c.OffsetsAt(deadline(t), "range", t0.Add(10*time.Second))
		if d := cmp.Diff([]int64{0, 10, 0}, at); d != "" || err != nil {
			t.Errorf("offsets by time: %v\n%s", err, d)
		}
		r, err := c.At(deadline(t), Position{"range", 1, 7})
		if err != nil || string(r.Value) != "7" {
			t.Errorf("At: %+v, %v", r, err)
		}
		if _, err := c.At(deadline(t), Position{"range", 1, 70}); canon.AsFault(err).Code != canon.CodeBadInput {
			t.Errorf("At beyond the end: %v", err)
		}
		// A conversation's partition follows from its key alone.
		if err := p.Produce(deadline(t), &Record{Topic: "range", Partition: -1, Key: []byte(conversationID(3)), Value: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		n = 0
		if err := c.Scan(deadline(t), Range{Topic: "range", Conversation: conversationID(3)}, func(Record) error { n++; return nil }); err != nil || n != 1 {
			t.Errorf("by conversation: %d records, %v", n, err)
		}
	})
}

func seq(from, to int) []int {
	var out []int
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

// A batch that the wire or a disk has changed is refused. kafka-go's Reader
// delivers it.
func TestCorruptBatchEndsAScan(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		w := c.wired(t)
		s.topics(t, c, "flip")
		p := s.producer(t, c)
		for i := range 3 {
			if err := p.Produce(deadline(t), &Record{Topic: "flip", Partition: 0, Value: fmt.Appendf(nil, "value-%d", i)}); err != nil {
				t.Fatal(err)
			}
		}
		w.on(protocol.Fetch, 1, flip("value-1"))
		var got []string
		err := c.Scan(deadline(t), Range{Topic: "flip", Partitions: []int{0}}, func(r Record) error { got = append(got, string(r.Value)); return nil })
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("got %v, want a corrupt batch", err)
		}
		if d := cmp.Diff([]string{"value-0"}, got); d != "" {
			t.Errorf("delivered:\n%s", d)
		}
	})
}

func TestEnsureTopicsReportsWhatDiffers(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		if d, err := c.EnsureTopics(deadline(t), c.Catalogue()...); err != nil || len(d) != 0 {
			t.Fatalf("first: %v, %v", d, err)
		}
		if d, err := c.EnsureTopics(deadline(t), c.Catalogue()...); err != nil || len(d) != 0 {
			t.Fatalf("again: %v, %v", d, err)
		}
		other := s.cluster(t, func(c *Config) { c.Partitions, c.MaxMessageBytes = 5, 2<<20 })
		got, err := other.EnsureTopics(deadline(t), other.Catalogue()[0])
		topic := TopicOf(canon.Kinds()[0])
		want := []Difference{{topic, "partitions", "5", "3"}, {topic, "max.message.bytes", "2097152", "1048576"}}
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
		ts, err := c.Topics(deadline(t))
		if err != nil || len(ts) != len(c.Catalogue()) {
			t.Errorf("%d topics, want %d: %v", len(ts), len(c.Catalogue()), err)
		}
		one, err := c.Topics(deadline(t), topic)
		wantInfo := []TopicInfo{{Name: topic, Partitions: []PartitionInfo{{Partition: 0, Replicas: 1, InSync: 1}, {Partition: 1, Replicas: 1, InSync: 1}, {Partition: 2, Replicas: 1, InSync: 1}}}}
		if d := cmp.Diff(wantInfo, one, cmpopts.IgnoreFields(PartitionInfo{}, "Leader")); d != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, d)
		}
		if _, err := c.Topics(deadline(t), "nowhere"); !errors.Is(err, ErrUnknownTopic) {
			t.Errorf("unknown: %v", err)
		}
	})
}
