package kafkalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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
	for from < end {
		p, at, err := c.fetchPart(ctx, topic, partition, from, 500*time.Millisecond)
		if err != nil {
			return err
		}
		next, err := p.committed(at, func(b *batchView) error {
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
		// Nothing came although the end is further: compaction took the tail.
		if from >= p.stable || len(p.records) == 0 {
			return nil
		}
		if wait.n >= 8 || !wait.sleep(ctx, writeRetry, c.cfg.Jitter) {
			return unavailable(io.ErrUnexpectedEOF, "reading a range of the log")
		}
	}
	return nil
}

// fetchPart fetches from one partition, waiting up to maxWait for something to
// come, and trying again where the broker is away for a moment. at is where what
// came begins: above from where retention has taken the head.
func (c *Cluster) fetchPart(ctx context.Context, topic string, partition int, from int64, maxWait time.Duration) (p *fetchedPart, at int64, err error) {
	wire := c.wireName(topic)
	var wait backoff
	for {
		attempt, cancel := context.WithTimeout(ctx, maxWait+c.cfg.RequestTimeout)
		a, err := send[*fetchAnswer](attempt, c, &fetchRequest{
			client: c.cfg.ClientID, maxWaitMs: int32(maxWait.Milliseconds()), minBytes: 1, maxBytes: fetchBytes, partMaxBytes: 4 << 20,
			parts: []fetchPart{{wire, int32(partition), from}},
		})
		cancel()
		switch {
		case err != nil:
		case a.code != 0:
			err = kafka.Error(a.code)
		case len(a.parts) != 1:
			err = fmt.Errorf("answer for %d partitions, want 1", len(a.parts))
		case a.parts[0].code != 0:
			err = kafka.Error(a.parts[0].code)
		default:
			return &a.parts[0], from, nil
		}
		if errors.Is(err, kafka.OffsetOutOfRange) {
			first, end, err := c.bounds(ctx, topic, partition)
			switch {
			case err != nil:
				return nil, 0, err
			case from > end:
				return nil, 0, unavailable(errBeyond, "reading the log")
			case from < first:
				from = first
				continue
			}
		}
		if !brokenConnection(err) && !errors.Is(err, ErrUnknownTopic) && !errors.Is(err, kafka.OffsetOutOfRange) || wait.n >= 8 || !wait.sleep(ctx, writeRetry, c.cfg.Jitter) {
			return nil, 0, unavailable(err, "reading the log")
		}
		_ = c.refresh(ctx) // failing, the next attempt says so
	}
}

var (
	errPastEnd = errors.New("past the end of the range")
	errBeyond  = errors.New("offset is beyond the end of the log")
)

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
