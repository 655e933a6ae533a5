package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// A fetcher reads the partitions of one generation with one request at a time
// per broker.
type fetcher struct {
	g       *group
	readers []*reader
	wg      *sync.WaitGroup

	mu    sync.Mutex
	loops map[int32]chan struct{} // by broker: wakes its loop
}

const (
	fetchBytes     = 8 << 20 // one answer
	fetchPartition = 1 << 20 // of it, one partition
	// shortWait is how long a broker may hold an answer while some partition has
	// no room: it is asked for again soon after its queue has drained.
	shortWait = 10 * time.Millisecond
	// corruptTries is how often a corrupt batch is fetched before the partition
	// stops: memory and wires err too, not only disks.
	corruptTries = 3
)

// run places the partitions and starts a loop per broker; a loop places anew
// when a leader has moved.
func (f *fetcher) run(ctx context.Context) {
	if len(f.readers) == 0 {
		return
	}
	var wait backoff
	for {
		homeless, err := f.place(ctx)
		if err == nil && homeless == 0 {
			return
		}
		f.g.log.Warn("partitions without a leader, trying again", "group", f.g.cfg.name, "partitions", homeless, "error", err)
		if !wait.sleep(ctx, writeRetry, f.g.c.cfg.Jitter) {
			return
		}
		_ = f.g.c.refresh(ctx) // failing, the next round says so
	}
}

func (f *fetcher) place(ctx context.Context) (homeless int, err error) {
	layout, err := f.g.c.layout(ctx)
	if err != nil {
		return len(f.readers), err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.readers {
		b, lost := leaderOf(layout, r.wire, int32(r.partition))
		r.mu.Lock()
		if lost != nil {
			r.leader = -1
			homeless++
		} else {
			r.leader = b.ID
		}
		r.mu.Unlock()
		if lost == nil && f.loops[b.ID] == nil {
			wake := make(chan struct{}, 1)
			f.loops[b.ID] = wake
			f.wg.Go(func() { f.loop(ctx, b.ID, wake) })
		}
	}
	for _, wake := range f.loops {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	return homeless, nil
}

// poke tells a broker's loop that a queue has room again.
func (f *fetcher) poke(leader int32) {
	f.mu.Lock()
	wake := f.loops[leader]
	f.mu.Unlock()
	select {
	case wake <- struct{}{}:
	default:
	}
}

// loop fetches from one broker.
func (f *fetcher) loop(ctx context.Context, broker int32, wake <-chan struct{}) {
	c := f.g.c
	var wait backoff
	var failing time.Time // since when no fetch has succeeded
	for turn := 0; ctx.Err() == nil; turn++ {
		mine, full := f.ready(broker, turn)
		if len(mine) == 0 {
			select {
			case <-ctx.Done():
			case <-wake:
			}
			continue
		}
		maxWait := f.g.cfg.maxWait
		if full {
			maxWait = min(maxWait, shortWait)
		}
		req := &fetchRequest{
			client: c.cfg.ClientID, maxWaitMs: int32(maxWait.Milliseconds()), minBytes: 1,
			maxBytes: fetchBytes, partMaxBytes: fetchPartition, parts: make([]fetchPart, len(mine)),
		}
		for i, m := range mine {
			req.parts[i] = fetchPart{m.r.wire, int32(m.r.partition), m.from}
		}
		start := c.cfg.Now()
		attempt, cancel := context.WithTimeout(ctx, maxWait+c.cfg.RequestTimeout)
		a, err := send[*fetchAnswer](attempt, c, req)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err == nil && a.code != 0 {
			err = kafka.Error(a.code)
		}
		moved := false
		if err == nil {
			moved, err = f.deliver(ctx, a, mine)
		}
		c.metrics().operated("receive", "", err, c.cfg.Now().Sub(start))
		if err == nil {
			failing = time.Time{}
			if !moved {
				wait = backoff{}
				continue
			}
		}
		if err != nil {
			if failing.IsZero() {
				failing = start
			} else if c.cfg.Now().Sub(failing) >= f.g.cfg.stall {
				failing = time.Time{} // and again after as long
				f.g.raise(Alarm{Reason: AlarmStalled, Topic: mine[0].r.topic, Partition: mine[0].r.partition, Offset: mine[0].from, Err: err})
			}
			f.g.log.Warn("fetch is repeated", "group", f.g.cfg.name, "broker", broker, "attempt", wait.n+1, "error", err)
		}
		if !wait.sleep(ctx, writeRetry, c.cfg.Jitter) {
			return
		}
		_ = c.refresh(ctx) // failing, the next fetch says so
		if _, err := f.place(ctx); err != nil && ctx.Err() == nil {
			f.g.log.Warn("partitions cannot be placed", "group", f.g.cfg.name, "error", err)
		}
	}
}

type request struct {
	r    *reader
	from int64
}

// ready lists the partitions of a broker that have room, beginning with another
// one each turn: a broker fills its answer in the order of the request. full
// says that some partition has no room.
func (f *fetcher) ready(broker int32, turn int) (mine []request, full bool) {
	n := len(f.readers)
	for i := range n {
		r := f.readers[(i+turn)%n]
		r.mu.Lock()
		switch {
		case r.leader != broker || r.stopped:
		case r.queued >= f.g.cfg.queue:
			r.paused, full = true, true
		default:
			mine = append(mine, request{r, r.next})
		}
		r.mu.Unlock()
	}
	return mine, full
}

// deliver hands what came to the readers. moved says that some leader is another
// one now.
func (f *fetcher) deliver(ctx context.Context, a *fetchAnswer, mine []request) (moved bool, err error) {
	type place struct {
		wire      string
		partition int32
	}
	at := make(map[place]request, len(mine))
	for _, m := range mine {
		at[place{m.r.wire, int32(m.r.partition)}] = m
	}
	for i := range a.parts {
		p := &a.parts[i]
		m, asked := at[place{p.topic, p.partition}]
		if !asked {
			return moved, fmt.Errorf("answer with %s/%d, which was not asked for", p.topic, p.partition)
		}
		switch code := kafka.Error(p.code); code {
		case 0:
			f.accept(p, m)
		case kafka.OffsetOutOfRange:
			if err := f.realign(ctx, m); err != nil {
				return moved, err
			}
		case kafka.NotLeaderForPartition, kafka.LeaderNotAvailable, kafka.ReplicaNotAvailable, kafka.UnknownTopicOrPartition,
			kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch, kafka.OffsetNotAvailable, kafka.KafkaStorageError:
			moved = true
		default:
			return moved, fmt.Errorf("%s/%d: %w", m.r.topic, p.partition, code)
		}
	}
	return moved, nil
}

func (f *fetcher) accept(p *fetchedPart, m request) {
	s := segment{from: m.from, size: len(p.records)}
	next, err := p.committed(m.from, func(b *batchView) error {
		s.batches = append(s.batches, *b)
		return nil
	})
	s.next = next
	m.r.put(s, p.stable, f.g.c.cfg.Now())

	m.r.mu.Lock()
	if err == nil || next > m.from {
		m.r.corrupt = 0
	}
	if err != nil {
		m.r.corrupt++
	}
	tries := m.r.corrupt
	m.r.mu.Unlock()
	if err == nil {
		return
	}
	f.g.log.Warn("corrupt batch", "group", f.g.cfg.name, "topic", m.r.topic, "partition", m.r.partition, "offset", next, "attempt", tries, "error", err)
	if tries >= corruptTries {
		// The worker stops the partition once it has handled what stood before.
		m.r.fail(fmt.Errorf("offset %d: %w", next, err))
	}
}

// realign finds a place to go on where the asked offset is not on the log.
func (f *fetcher) realign(ctx context.Context, m request) error {
	first, end, err := f.g.c.bounds(ctx, m.r.topic, m.r.partition)
	if err != nil {
		return err
	}
	a := Alarm{Topic: m.r.topic, Partition: m.r.partition, Offset: m.from}
	switch {
	case m.from < first:
		a.Reason, a.Err = AlarmGap, fmt.Errorf("the log begins at %d", first)
	case m.from > end:
		// What was written since the log shrank is somewhere below: read all of it
		// again, handling twice is harmless and missing one is not.
		a.Reason, a.Err = AlarmWentBack, fmt.Errorf("the log ends at %d", end)
	default:
		return errors.New("offset out of range, yet within the bounds")
	}
	f.g.raise(a)
	m.r.jump(first)
	return nil
}
