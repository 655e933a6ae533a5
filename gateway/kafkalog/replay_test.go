package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/replay"
)

func TestReplayLogBoundsRanges(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "bounds", "bare")
		p := s.producer(t, c)
		log := NewReplayLog(c, nil)
		t0 := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
		second := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Second) }
		key := []byte(conversationID(1))
		home := partitionOf(key, 3)
		other := (home + 1) % 3
		for i := range 10 {
			for _, r := range []*Record{
				{Topic: "bounds", Partition: -1, Key: key, Value: []byte("x"), Time: second(i)},
				{Topic: "bounds", Partition: other, Value: []byte("y"), Time: second(i + 100)},
			} {
				if err := p.Produce(deadline(t), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		span := func(p int, from, to int64) replay.Span {
			return replay.Span{Topic: "bounds", Partition: p, From: from, To: to}
		}
		for name, tc := range map[string]struct {
			r    replay.Range
			want []replay.Span
		}{
			"everything":             {replay.Range{}, []replay.Span{span(home, 0, 10), span(other, 0, 10)}},
			"of a key":               {replay.Range{Key: key}, []replay.Span{span(home, 0, 10)}},
			"from a time":            {replay.Range{Key: key, From: second(7)}, []replay.Span{span(home, 7, 10)}},
			"from between":           {replay.Range{Key: key, From: second(7).Add(time.Millisecond)}, []replay.Span{span(home, 8, 10)}},
			"before a time":          {replay.Range{Key: key, To: second(3)}, []replay.Span{span(home, 0, 3)}},
			"before a part of a ms":  {replay.Range{Key: key, To: second(3).Add(time.Nanosecond)}, []replay.Span{span(home, 0, 4)}},
			"between times":          {replay.Range{From: second(2), To: second(5)}, []replay.Span{span(home, 2, 5)}},
			"both partitions":        {replay.Range{From: second(9), To: second(101)}, []replay.Span{span(home, 9, 10), span(other, 0, 1)}},
			"before the first":       {replay.Range{To: t0}, nil},
			"before there was a log": {replay.Range{To: time.Unix(-1, 0)}, nil},
			"after the last":         {replay.Range{From: second(1000)}, nil},
			"into the future":        {replay.Range{Key: key, To: second(1000)}, []replay.Span{span(home, 0, 10)}},
		} {
			tc.r.Topic = "bounds"
			got, err := log.Bounds(deadline(t), tc.r)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			byPartition := cmp.Transformer("byPartition", func(in []replay.Span) map[int]replay.Span {
				out := make(map[int]replay.Span)
				for _, s := range in {
					out[s.Partition] = s
				}
				return out
			})
			if d := cmp.Diff(tc.want, got, byPartition); d != "" || len(got) != len(tc.want) {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
		}
		if got, err := log.Bounds(deadline(t), replay.Range{Topic: "bare"}); err != nil || len(got) != 0 {
			t.Errorf("an empty topic: %v, %v", got, err)
		}
		if _, err := log.Bounds(deadline(t), replay.Range{Topic: "nowhere"}); !errors.Is(err, ErrUnknownTopic) {
			t.Errorf("unknown topic: %v", err)
		}
	})
}

func TestReplayLogWritesAndReadsRecordsAsTheyAre(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "raw")
		log := NewReplayLog(c, s.producer(t, c))
		key := []byte(conversationID(1))
		home := partitionOf(key, 3)
		in := []replay.Record{
			{Topic: "raw", Partition: 99, Offset: 99, Key: key, Value: []byte{}},
			{Topic: "raw", Key: key},
			{Topic: "raw", Key: key, Value: []byte("\x00\xff"), Headers: []replay.Header{{Key: "h", Value: []byte("1")}, {Key: "h", Value: nil}, {Key: "", Value: []byte{}}}},
			{Topic: "raw", Key: key, Value: []byte("last")},
		}
		if err := log.Write(deadline(t), in...); err != nil {
			t.Fatal(err)
		}
		read := func(from, to int64) (out []replay.Record) {
			t.Helper()
			err := log.Scan(deadline(t), replay.Span{Topic: "raw", Partition: home, From: from, To: to}, func(r *replay.Record) error {
				if r.Time.IsZero() {
					t.Error("a record without time")
				}
				r.Time = time.Time{}
				out = append(out, *r)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		var want []replay.Record
		for i, r := range in {
			r.Partition, r.Offset = home, int64(i)
			if r.Headers == nil {
				r.Headers = []replay.Header{}
			}
			want = append(want, r)
		}
		// The difference between a tombstone and an empty value is kept.
		if d := cmp.Diff(want, read(0, 4)); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
		if d := cmp.Diff(want[1:3], read(1, 3)); d != "" {
			t.Errorf("a part (-want +got):\n%s", d)
		}
		if got := read(4, 9); len(got) != 0 {
			t.Errorf("beyond the end: %+v", got)
		}
		stop := fmt.Errorf("seen enough")
		n := 0
		err := log.Scan(deadline(t), replay.Span{Topic: "raw", Partition: home, To: 4}, func(*replay.Record) error { n++; return stop })
		if !errors.Is(err, stop) || n != 1 {
			t.Errorf("an error of f: %v after %d", err, n)
		}
		if err := log.Write(deadline(t), replay.Record{Topic: "nowhere", Key: key}); err == nil {
			t.Error("a topic that does not exist was written to")
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := log.Scan(ended, replay.Span{Topic: "raw", Partition: home, To: 4}, func(*replay.Record) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
	})
}
