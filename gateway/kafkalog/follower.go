package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"oncegate/schemas/canon"
)

// FollowerConfig says what a Follower reads.
type FollowerConfig struct {
	Kind  canon.Kind // Required. A compacted one: its topic is a state.
	Codec *Codec     // Required.
	// Apply takes what was read, in the order of each partition. It is called by one
	// goroutine at a time. Required.
	Apply func([]canon.Message)
	// Refused is told of a record that is no message of the kind; it is passed over.
	// Default: nothing.
	Refused func(at Position, err error)
}

// A Follower reads a topic that holds a state: every process reads all of it, from
// the beginning, and no group shares it.
type Follower struct {
	c    *Cluster
	cfg  FollowerConfig
	next []int64 // by partition

	applying sync.Mutex
}

// NewFollower checks the configuration.
func NewFollower(c *Cluster, cfg FollowerConfig) (*Follower, error) {
	var errs []error
	if !cfg.Kind.Compacted() {
		errs = append(errs, fmt.Errorf("kind %q holds no state", cfg.Kind))
	}
	if cfg.Codec == nil || cfg.Apply == nil {
		errs = append(errs, errors.New("Codec and Apply are required"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("following a topic: %w", err)
	}
	if cfg.Refused == nil {
		cfg.Refused = func(Position, error) {}
	}
	return &Follower{c: c, cfg: cfg}, nil
}

// Read reads everything up to the end that the topic has now. It comes before Run,
// once.
func (f *Follower) Read(ctx context.Context) error {
	topic := TopicOf(f.cfg.Kind)
	n, err := f.c.partitions(ctx, topic)
	if err != nil {
		return fmt.Errorf("following %s: %w", topic, err)
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	ends, err := f.c.offsets(ctx, endOffset, map[string][]int{topic: all})
	if err != nil {
		return fmt.Errorf("following %s: %w", topic, err)
	}
	f.next = make([]int64, n)
	var ms []canon.Message
	for p := range n {
		end := ends[topic][p]
		if end == 0 {
			continue // for Scan no end is the present one
		}
		err := f.c.Scan(ctx, Range{Topic: topic, Partitions: []int{p}, ToOffset: end}, func(r Record) error {
			return f.decode(ctx, &r, &ms)
		})
		if err != nil {
			return fmt.Errorf("following %s: %w", topic, err)
		}
		f.next[p] = end
	}
	f.apply(ms)
	return nil
}

func (f *Follower) apply(ms []canon.Message) {
	f.applying.Lock()
	defer f.applying.Unlock()
	f.cfg.Apply(ms)
}

func (f *Follower) decode(ctx context.Context, r *Record, ms *[]canon.Message) error {
	if r.Value == nil {
		return nil // nobody writes one; what is withdrawn says so
	}
	m, err := f.cfg.Codec.Decode(ctx, r)
	switch {
	case err != nil && canon.AsFault(err).Kind == canon.Invalid:
		f.cfg.Refused(r.Position(), err)
	case err != nil:
		return err
	case m.Kind != f.cfg.Kind:
		f.cfg.Refused(r.Position(), fmt.Errorf("kind %q", m.Kind))
	default:
		*ms = append(*ms, m)
	}
	return nil
}

// Run follows what is written from then on until ctx ends. What cannot be read for
// a time is read later: the state is older meanwhile, and the log says so.
func (f *Follower) Run(ctx context.Context) error {
	if f.next == nil {
		return errors.New("following a topic: it was not read first")
	}
	topic := TopicOf(f.cfg.Kind)
	var wg sync.WaitGroup
	for p := range f.next {
		wg.Go(func() { f.follow(ctx, topic, p) })
	}
	wg.Wait()
	return nil
}

func (f *Follower) follow(ctx context.Context, topic string, partition int) {
	var wait backoff
	for ctx.Err() == nil {
		p, at, err := f.c.fetchPart(ctx, topic, partition, f.next[partition], 500*time.Millisecond)
		var ms []canon.Message
		var to int64
		if err == nil {
			to, err = p.committed(at, func(b *batchView) error {
				return b.each(topic, partition, func(r Record) error {
					if r.Offset < f.next[partition] {
						return nil
					}
					return f.decode(ctx, &r, &ms)
				})
			})
		}
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			f.c.cfg.Logger.Warn("a topic of states cannot be read, trying again", "topic", topic, "partition", partition, "offset", f.next[partition], "error", err)
			wait.sleep(ctx, writeRetry, f.c.cfg.Jitter)
			continue
		}
		wait = backoff{}
		if len(ms) > 0 {
			f.apply(ms)
		}
		f.next[partition] = max(f.next[partition], to)
	}
}
