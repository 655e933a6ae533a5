package kafkalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kgo"

	"oncegate/schemas/canon"
)

func TestAnotherClientReadsEveryFieldWeWrite(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "fields")
		p := s.producer(t, c)
		at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
		long := []byte(strings.Repeat("x", 300_000))
		in := []*Record{
			{Key: []byte("k"), Value: []byte("v"), Time: at},
			{Key: nil, Value: []byte("no key"), Time: at.Add(-time.Hour)},
			{Key: []byte{}, Value: []byte("empty key"), Time: at.Add(time.Millisecond)},
			{Key: []byte("tombstone"), Value: nil, Time: at},
			{Key: []byte("empty"), Value: []byte{}, Time: at},
			{Key: []byte("long"), Value: long, Time: at},
			{Key: []byte("headers"), Value: []byte("h"), Time: at.Add(time.Hour), Headers: []Header{
				{"a", []byte("1")}, {"a", []byte("2")}, {"nil", nil}, {"empty", []byte{}}, {"", []byte("no name")}, {"ö", long[:200]},
			}},
		}
		for _, r := range in {
			r.Topic, r.Partition = "fields", 1
		}
		if err := p.Produce(deadline(t), in...); err != nil {
			t.Fatal(err)
		}
		cl := s.kgo(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.prefix + "fields": {1: kgo.NewOffset().AtStart()}}))
		var got []*kgo.Record
		for len(got) < len(in) {
			fs := cl.PollFetches(deadline(t))
			if err := fs.Err(); err != nil {
				t.Fatal(err)
			}
			got = append(got, fs.Records()...)
		}
		var sequence int64
		for i, g := range got {
			w := in[i]
			want := Record{Topic: s.prefix + "fields", Partition: 1, Offset: int64(i), Time: w.Time, Key: w.Key, Value: w.Value, Headers: w.Headers}
			have := Record{Topic: g.Topic, Partition: int(g.Partition), Offset: g.Offset, Time: g.Timestamp.UTC(), Key: g.Key, Value: g.Value}
			for _, h := range g.Headers {
				have.Headers = append(have.Headers, Header{h.Key, h.Value})
			}
			if d := cmp.Diff(want, have, sameBytes); d != "" {
				t.Errorf("record %d (-want +got):\n%s", i, d)
			}
			if w.Offset != g.Offset || w.Partition != 1 {
				t.Errorf("record %d: we say %v, it is at %d", i, w.Position(), g.Offset)
			}
			if g.ProducerID < 0 || g.ProducerEpoch < 0 || g.Attrs.IsTransactional() || g.Attrs.IsControl() || g.Attrs.CompressionType() != 0 || g.Attrs.TimestampType() != 0 {
				t.Errorf("record %d: producer %d/%d, attributes %v", i, g.ProducerID, g.ProducerEpoch, g.Attrs)
			}
			sequence = g.Offset
		}
		if sequence != int64(len(in)-1) {
			t.Errorf("last offset %d, want %d", sequence, len(in)-1)
		}
		if d := cmp.Diff(scan(t, c, "fields"), dereference(in), sameBytes); d != "" {
			t.Errorf("our own reader (-got +want):\n%s", d)
		}
	})
}

// sameBytes keeps nil and empty apart, and is quick on long values.
var sameBytes = cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) })

func dereference(rs []*Record) []Record {
	out := make([]Record, len(rs))
	for i, r := range rs {
		out[i] = *r
	}
	return out
}

func TestManyCallersEachRecordOnceAndInOrder(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "many")
		p := s.producer(t, c, func(c *ProducerConfig) { c.MaxBatchRecords = 7 })
		const callers, each = 32, 40
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for j := range each {
					r := &Record{Topic: "many", Partition: -1, Key: fmt.Append(nil, "caller", i), Value: fmt.Append(nil, j)}
					if err := p.Produce(deadline(t), r); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		next := make(map[string]int)
		for _, r := range scan(t, c, "many") {
			if want := fmt.Sprint(next[string(r.Key)]); string(r.Value) != want {
				t.Fatalf("%s of %s, want %s", r.Value, r.Key, want)
			}
			next[string(r.Key)]++
			if want := partitionOf(r.Key, 3); r.Partition != want {
				t.Errorf("%s on partition %d, want %d", r.Key, r.Partition, want)
			}
		}
		for i := range callers {
			if n := next[fmt.Sprint("caller", i)]; n != each {
				t.Errorf("caller %d: %d records, want %d", i, n, each)
			}
		}
	})
}

// kafka-go's Writer stores a record twice when its acknowledgement is lost
// (segmentio/kafka-go#233).
func TestLostAcknowledgementStoresOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		w := c.wired(t)
		s.topics(t, c, "lost")
		p := s.producer(t, c)
		for i := range 10 {
			r := w.on(protocol.Produce, 1+i%3, cutAnswer)
			rec := &Record{Topic: "lost", Partition: 0, Value: fmt.Append(nil, i)}
			if err := p.Produce(deadline(t), rec); err != nil {
				t.Fatal(err)
			}
			if rec.Offset != int64(i) {
				t.Errorf("record %d: offset %d", i, rec.Offset)
			}
			if n := len(r.seen); n != 1+i%3 {
				t.Fatalf("%d answers were cut, want %d", n, 1+i%3)
			}
		}
		wantValues(t, c, "lost", 10)
	})
}

func wantValues(t *testing.T, c *Cluster, topic string, n int) {
	t.Helper()
	got := scan(t, c, topic)
	if len(got) != n {
		t.Errorf("%d records, want %d", len(got), n)
	}
	for i, r := range got {
		if string(r.Value) != fmt.Sprint(i) {
			t.Errorf("record %d holds %s", i, r.Value)
		}
	}
}

// A caller that stops waiting does not make the record come twice, nor its
// successors come before it.
func TestUnknownOutcomeIsResolvedBeforeTheNextBatch(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		w := c.wired(t)
		s.topics(t, c, "unknown")
		p := s.producer(t, c)
		hold := make(chan struct{})
		r := w.on(protocol.Produce, 1, func([]byte) []byte { <-hold; return nil })
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := p.Produce(ctx, &Record{Topic: "unknown", Partition: 0, Value: []byte("0")})
		if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want an unknown outcome at the deadline", err)
		}
		if f := canon.AsFault(err); f.Kind != canon.Unavailable {
			t.Errorf("fault %v, want unavailable", f)
		}
		second := make(chan error, 1)
		go func() { second <- p.Produce(deadline(t), &Record{Topic: "unknown", Partition: 0, Value: []byte("1")}) }()
		close(hold)
		receive(t, "the lost answer", r.seen)
		if err := receive(t, "the second record", second); err != nil {
			t.Fatal(err)
		}
		wantValues(t, c, "unknown", 2)
	})
}

// kafka-go's Writer queues without bound while the broker is away, and its Close
// does not return (segmentio/kafka-go#1427).
func TestBrokerAwayBoundsMemoryAndTime(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		w := c.wired(t)
		s.topics(t, c, "away")
		p := s.producer(t, c, func(c *ProducerConfig) { c.MaxBatchBytes, c.MaxBuffered = 32<<10, 64<<10 })
		if err := p.Produce(deadline(t), &Record{Topic: "away", Partition: 0, Value: []byte("before")}); err != nil {
			t.Fatal(err)
		}
		w.take(true)
		value := []byte(strings.Repeat("x", 10<<10))
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		var mu sync.Mutex
		var waiting, unknown int
		for range 100 {
			wg.Go(func() {
				err := p.Produce(ctx, &Record{Topic: "away", Partition: 0, Value: value})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, ErrOutcomeUnknown):
					unknown++
				case errors.Is(err, context.DeadlineExceeded):
					waiting++
				default:
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if unknown > 6 || unknown == 0 || waiting+unknown != 100 {
			t.Errorf("%d records were taken in, at most 6 fit; %d waited", unknown, waiting)
		}
		start := time.Now()
		short, cancel2 := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel2()
		if err := p.Close(short); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("closing: got %v, want an unknown outcome", err)
		}
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("closing took %v", d)
		}
		if err := p.Produce(deadline(t), &Record{Topic: "away", Partition: 0}); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: got %v", err)
		}
	})
}

func TestWritesGoOnWhenTheBrokerIsBack(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		w := c.wired(t)
		s.topics(t, c, "back")
		p := s.producer(t, c)
		w.take(true)
		done := make(chan error, 1)
		go func() {
			var rs []*Record
			for i := range 5 {
				rs = append(rs, &Record{Topic: "back", Partition: 0, Value: fmt.Append(nil, i)})
			}
			done <- p.Produce(deadline(t), rs...)
		}()
		select {
		case err := <-done:
			t.Fatalf("returned while the broker was away: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		w.take(false)
		if err := receive(t, "the write", done); err != nil {
			t.Fatal(err)
		}
		wantValues(t, c, "back", 5)
	})
}

func TestWhatCannotBeWrittenIsRefusedAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "small")
		p := s.producer(t, c)
		for name, tc := range map[string]struct {
			r    *Record
			want error
		}{
			"unknown topic":     {&Record{Topic: "nowhere", Partition: -1}, ErrUnknownTopic},
			"unknown partition": {&Record{Topic: "small", Partition: 3}, ErrUnknownTopic},
			"too large":         {&Record{Topic: "small", Partition: 0, Value: make([]byte, 1<<20)}, ErrTooLarge},
		} {
			start := time.Now()
			if err := p.Produce(deadline(t), tc.r); !errors.Is(err, tc.want) {
				t.Errorf("%s: got %v, want %v", name, err, tc.want)
			}
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("%s: took %v", name, d)
			}
		}
		// A refusal by the broker takes no sequence. The first record waits until the
		// new partition has its leader: what a broker says before leaves it open
		// whether the record is stored.
		if err := p.Produce(deadline(t), &Record{Topic: "small", Partition: 0, Value: []byte("0")}); err != nil {
			t.Fatal(err)
		}
		big := s.producer(t, s.cluster(t, func(c *Config) { c.MaxMessageBytes = 8 << 20 }))
		for i := range 3 {
			err := big.Produce(deadline(t), &Record{Topic: "small", Partition: 0, Value: make([]byte, 3<<20)})
			if err == nil || errors.Is(err, ErrOutcomeUnknown) {
				t.Errorf("3 MiB on a topic that takes 1 MiB: %v", err)
			}
			if err := big.Produce(deadline(t), &Record{Topic: "small", Partition: 0, Value: fmt.Append(nil, i+1)}); err != nil {
				t.Error(err)
			}
		}
		wantValues(t, c, "small", 4)
	})
}
