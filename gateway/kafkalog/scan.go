package kafkalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"oncegate/schemas/canon"
)

// A Range says which records of one topic to read.
type Range struct {
	Topic      string    // Required.
	Partitions []int     // Default: all.
	FromOffset int64     // Default: the first. Only with one partition.
	ToOffset   int64     // Exclusive; default: the end as it is when the scan begins. Only with one partition.
	FromTime   time.Time // Default: none. Written at or after.
	ToTime     time.Time // Default: none. Written before.

	// Conversation reads only the partition of its key and only its records.
	Conversation canon.ConversationID
	// Key is the same for any key.
	Key []byte
}

// ErrStop ends a scan early without an error.
var ErrStop = errors.New("stop reading")

var errStopScan = ErrStop

// Scan calls f for every committed record of the range, partition after
// partition, each in order of offsets, up to the end that the partition had
// when the scan began. The record is f's to keep. A corrupt batch ends the scan
// with ErrCorrupt.
func (c *Cluster) Scan(ctx context.Context, r Range, f func(Record) error) error {
	if r.Conversation != "" {
		r.Key = []byte(r.Conversation)
	}
	n, err := c.partitions(ctx, r.Topic)
	if err != nil {
		return fmt.Errorf("scanning %s: %w", r.Topic, err)
	}
	if len(r.Key) > 0 && len(r.Partitions) == 0 {
		r.Partitions = []int{partitionOf(r.Key, n)}
	}
	if len(r.Partitions) == 0 {
		for i := range n {
			r.Partitions = append(r.Partitions, i)
		}
	}
	if (r.FromOffset != 0 || r.ToOffset != 0) && len(r.Partitions) != 1 {
		return fmt.Errorf("scanning %s: offsets need exactly one partition", r.Topic)
	}
	for _, p := range r.Partitions {
		err := c.scanPartition(ctx, r, p, f)
		if errors.Is(err, ErrStop) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("scanning %s/%d: %w", r.Topic, p, err)
		}
	}
	return nil
}

func (c *Cluster) scanPartition(ctx context.Context, r Range, p int, f func(Record) error) error {
	from, end, err := c.rangeSince(ctx, r.Topic, p, r.FromTime)
	if err != nil {
		return err
	}
	from = max(from, r.FromOffset)
	if r.ToOffset > 0 {
		end = min(end, r.ToOffset)
	}
	return c.fetchRange(ctx, r.Topic, p, from, end, func(b *batchView) error {
		return b.each(r.Topic, p, func(rec Record) error {
			switch {
			case rec.Offset < from || rec.Offset >= end,
				len(r.Key) > 0 && !bytes.Equal(rec.Key, r.Key),
				!r.FromTime.IsZero() && rec.Time.Before(r.FromTime.Truncate(time.Millisecond)),
				!r.ToTime.IsZero() && !rec.Time.Before(r.ToTime):
				return nil
			}
			return f(rec)
		})
	})
}

// fetchRange walks the committed batches that hold offsets of [from, end).
func (c *Cluster) fetchRange(ctx context.Context, topic string, partition int, from, end int64, f func(*batchView) error) error {
	var wait backoff
	wire := c.wireName(topic)
	for from < end {
		ctx2, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
		a, err := send[*fetchAnswer](ctx2, c, &fetchRequest{
			client: c.cfg.ClientID, maxWaitMs: 500, minBytes: 1, maxBytes: 8 << 20, partMaxBytes: 4 << 20,
			parts: []fetchPart{{wire, int32(partition), from}},
		})
		cancel()
		if err == nil && a.code == 0 && len(a.parts) != 1 {
			err = fmt.Errorf("answer for %d partitions, want 1", len(a.parts))
		}
		if err == nil && a.code != 0 {
			err = kafka.Error(a.code)
		}
		if err == nil && a.parts[0].code != 0 {
			err = kafka.Error(a.parts[0].code)
		}
		if errors.Is(err, kafka.OffsetOutOfRange) {
			// Retention took the head of the range meanwhile.
			first, _, err := c.bounds(ctx, topic, partition)
			if err != nil {
				return err
			}
			if first <= from {
				return unavailable(kafka.OffsetOutOfRange, "reading a range of the log")
			}
			from = first
			continue
		}
		if err != nil {
			if !brokenConnection(err) && !errors.Is(err, ErrUnknownTopic) || wait.n >= 8 || !wait.sleep(ctx, writeRetry, c.cfg.Jitter) {
				return unavailable(err, "reading a range of the log")
			}
			if err := c.refresh(ctx); err != nil && ctx.Err() != nil {
				return unavailable(err, "reading a range of the log")
			}
			continue
		}
		p := &a.parts[0]
		next, err := p.committed(from, func(b *batchView) error {
			if b.base >= end {
				return errPastEnd
			}
			return f(b)
		})
		if errors.Is(err, errPastEnd) {
			return nil
		}
		if err != nil {
			return err
		}
		if next > from {
			from, wait = next, backoff{}
			continue
		}
		// Nothing came although the end is further: an open transaction holds the
		// rest back (then we are done, a reader must not wait for it), or
		// compaction took the tail.
		if from >= p.stable || len(p.records) == 0 {
			return nil
		}
		if wait.n >= 8 || !wait.sleep(ctx, writeRetry, c.cfg.Jitter) {
			return unavailable(ctx.Err(), "reading a range of the log")
		}
	}
	return nil
}

var errPastEnd = errors.New("past the end of the range")

// bounds returns the first offset of a partition and the one after its last
// committed record.
func (c *Cluster) bounds(ctx context.Context, topic string, partition int) (first, end int64, err error) {
	at := []int{partition}
	firsts, err := c.offsets(ctx, firstOffset, map[string][]int{topic: at})
	if err != nil {
		return 0, 0, err
	}
	ends, err := c.offsets(ctx, endOffset, map[string][]int{topic: at})
	if err != nil {
		return 0, 0, err
	}
	return firsts[topic][partition], ends[topic][partition], nil
}

// rangeSince returns the offsets of what was written at or after t; the whole
// partition where t is zero.
func (c *Cluster) rangeSince(ctx context.Context, topic string, partition int, t time.Time) (from, end int64, err error) {
	from, end, err = c.bounds(ctx, topic, partition)
	if err != nil || t.IsZero() {
		return from, end, err
	}
	young, err := c.offsets(ctx, max(t.UnixMilli(), 0), map[string][]int{topic: {partition}})
	if err != nil {
		return 0, 0, err
	}
	if from = young[topic][partition]; from < 0 { // nothing as young
		from = end
	}
	return from, end, nil
}

// OffsetsAt returns, per partition, the offset of the first record written at or
// after t; the end of the partition where there is none.
func (c *Cluster) OffsetsAt(ctx context.Context, topic string, t time.Time) ([]int64, error) {
	n, err := c.partitions(ctx, topic)
	if err != nil {
		return nil, fmt.Errorf("finding offsets by time: %w", err)
	}
	out := make([]int64, n)
	for i := range out {
		if out[i], _, err = c.rangeSince(ctx, topic, i, t); err != nil {
			return nil, fmt.Errorf("finding offsets by time: %w", err)
		}
	}
	return out, nil
}
