package kafkalog

import (
	"context"
	"fmt"
	"time"

	"oncegate/gateway/replay"
)

// A ReplayLog gives gateway/replay its view of the log: raw records in, raw
// records out. It is safe for concurrent use.
type ReplayLog struct {
	c *Cluster
	p *Producer
}

// NewReplayLog returns the view. Without a producer it only reads.
func NewReplayLog(c *Cluster, p *Producer) *ReplayLog { return &ReplayLog{c, p} }

var (
	_ replay.Source = (*ReplayLog)(nil)
	_ replay.Sink   = (*ReplayLog)(nil)
)

// Bounds fixes a range by offsets, as the log is now.
func (l *ReplayLog) Bounds(ctx context.Context, r replay.Range) ([]replay.Span, error) {
	n, err := l.c.partitions(ctx, r.Topic)
	if err != nil {
		return nil, fmt.Errorf("bounding %s: %w", r.Topic, err)
	}
	parts := make([]int, 0, n)
	if r.Key != nil {
		parts = append(parts, partitionOf(r.Key, n))
	} else {
		for p := range n {
			parts = append(parts, p)
		}
	}
	var out []replay.Span
	for _, p := range parts {
		from, end, err := l.c.rangeSince(ctx, r.Topic, p, r.From)
		if err != nil {
			return nil, fmt.Errorf("bounding %s/%d: %w", r.Topic, p, err)
		}
		if !r.To.IsZero() {
			// The end of the log bounds what was written before a time in the past. The
			// log knows milliseconds: a part of one belongs to what was before.
			at := max(r.To.Add(time.Millisecond-1).UnixMilli(), 0)
			if to, err := l.c.offsets(ctx, at, map[string][]int{r.Topic: {p}}); err != nil {
				return nil, fmt.Errorf("bounding %s/%d: %w", r.Topic, p, err)
			} else if at := to[r.Topic][p]; at >= 0 {
				end = min(end, at)
			}
		}
		if from < end {
			out = append(out, replay.Span{Topic: r.Topic, Partition: p, From: from, To: end})
		}
	}
	return out, nil
}

// Scan reads one span.
func (l *ReplayLog) Scan(ctx context.Context, s replay.Span, f func(*replay.Record) error) error {
	return l.c.Scan(ctx, Range{Topic: s.Topic, Partitions: []int{s.Partition}, FromOffset: s.From, ToOffset: s.To}, func(r Record) error {
		hs := make([]replay.Header, len(r.Headers))
		for i, h := range r.Headers {
			hs[i] = replay.Header(h)
		}
		return f(&replay.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Time, Key: r.Key, Value: r.Value, Headers: hs})
	})
}

// Write appends the records where their keys belong.
func (l *ReplayLog) Write(ctx context.Context, rs ...replay.Record) error {
	out := make([]*Record, len(rs))
	for i, r := range rs {
		hs := make([]Header, len(r.Headers))
		for j, h := range r.Headers {
			hs[j] = Header(h)
		}
		out[i] = &Record{Topic: r.Topic, Partition: -1, Key: r.Key, Value: r.Value, Headers: hs}
	}
	if err := l.p.Produce(ctx, out...); err != nil {
		return fmt.Errorf("writing %d records: %w", len(rs), asFault(err))
	}
	return nil
}
