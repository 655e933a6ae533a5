package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A reader is one assigned partition: what was fetched of it, and the worker
// that handles it record by record.
type reader struct {
	topic     string
	wire      string
	partition int
	from      int64 // where this generation began
	after     chan struct{}
	ended     chan struct{}
	arrived   chan struct{} // something was queued

	mu      sync.Mutex
	leader  int32
	next    int64 // to fetch
	done    int64 // to commit: everything below is handled
	end     int64 // of what is committed on the log, as last seen
	queue   []segment
	queued  int  // bytes
	paused  bool // left out of a fetch because the queue was full
	stopped bool
	busy    bool
	since   time.Time // of the last movement
	corrupt int       // fetches in a row that met a corrupt batch
}

// A segment is what one fetch brought of a partition: verified batches, and the
// offset after all that was fetched.
type segment struct {
	batches []batchView
	from    int64 // offsets below are of an earlier fetch
	next    int64
	size    int
	err     error // ends the partition here
}

func newReader(topic, wire string, partition int, at int64) *reader {
	return &reader{
		topic: topic, wire: wire, partition: partition, leader: -1,
		from: at, next: at, done: at, end: -1,
		ended: make(chan struct{}), arrived: make(chan struct{}, 1),
	}
}

// begin sets the place of a partition without a committed offset.
func (r *reader) begin(at int64) { r.from, r.next, r.done = at, at, at }

type readerState struct {
	done, end     int64
	busy, stopped bool
	since         time.Time
}

func (r *reader) state() readerState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return readerState{r.done, r.end, r.busy, r.stopped, r.since}
}

// put queues what was fetched; the fetcher calls it.
func (r *reader) put(s segment, end int64, now time.Time) {
	r.mu.Lock()
	if r.end <= r.done {
		r.since = now // there was nothing to do until now
	}
	r.end = end
	if s.next > r.next {
		r.queue = append(r.queue, s)
		r.queued += s.size
		r.next = s.next
	}
	r.mu.Unlock()
	select {
	case r.arrived <- struct{}{}:
	default:
	}
}

// jump leaves out what is not on the log any more.
func (r *reader) jump(to int64) {
	r.mu.Lock()
	r.next = to
	r.queue = append(r.queue, segment{from: to, next: to})
	r.mu.Unlock()
	select {
	case r.arrived <- struct{}{}:
	default:
	}
}

// fail queues the end of a partition behind what is already there.
func (r *reader) fail(err error) {
	r.mu.Lock()
	r.stopped = true
	r.queue = append(r.queue, segment{from: r.next, next: r.next, err: err})
	r.mu.Unlock()
	select {
	case r.arrived <- struct{}{}:
	default:
	}
}

// take waits for the next segment. wasPaused says that the fetcher should hear
// that there is room again.
func (r *reader) take(ctx context.Context) (s segment, wasPaused, ok bool) {
	for {
		r.mu.Lock()
		if len(r.queue) > 0 && ctx.Err() == nil {
			s := r.queue[0]
			r.queue[0] = segment{}
			r.queue = r.queue[1:]
			r.queued -= s.size
			paused := r.paused
			r.paused = false
			r.mu.Unlock()
			return s, paused, true
		}
		r.mu.Unlock()
		select {
		case <-r.arrived:
		case <-ctx.Done():
			return segment{}, false, false
		}
	}
}

// start runs the worker. moved is called after progress, room after a full
// queue has space again.
func (r *reader) start(ctx context.Context, g *group, moved func(), room func(int32)) {
	r.since = g.c.cfg.Now()
	go func() {
		defer close(r.ended)
		if r.after != nil {
			select { // a handler of an earlier generation that would not end
			case <-r.after:
			case <-ctx.Done():
				return
			}
		}
		for {
			s, wasPaused, ok := r.take(ctx)
			if !ok {
				return
			}
			if wasPaused {
				r.mu.Lock()
				leader := r.leader
				r.mu.Unlock()
				room(leader)
			}
			err := r.work(ctx, g, s, moved)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				reason := AlarmStopped
				if errors.Is(err, ErrCorrupt) {
					reason = AlarmCorrupt
				}
				r.stop(g, reason, err)
				return
			}
			r.advance(g, s.next, moved)
		}
	}()
}

func (r *reader) work(ctx context.Context, g *group, s segment, moved func()) error {
	if s.err != nil {
		return s.err
	}
	for i := range s.batches {
		b := &s.batches[i]
		err := b.each(r.topic, r.partition, func(rec Record) error {
			if rec.Offset < s.from {
				return nil
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.begun(g)
			if err := handleSafely(ctx, g.handle, &rec); err != nil {
				return err
			}
			if ctx.Err() != nil {
				// Done, but no longer ours to say so. The next owner does it again.
				return ctx.Err()
			}
			r.advance(g, rec.Offset+1, moved)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// handleSafely makes an error of a panic: one bad record must not end the
// process, with all other partitions.
func handleSafely(ctx context.Context, handle func(context.Context, *Record) error, r *Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("handling %s: panic of type %T", r.Position(), p) // its value may quote the record
		}
	}()
	return handle(ctx, r)
}

func (r *reader) begun(g *group) {
	now := g.c.cfg.Now()
	r.mu.Lock()
	r.busy, r.since = true, now
	r.mu.Unlock()
}

func (r *reader) advance(g *group, done int64, moved func()) {
	now := g.c.cfg.Now()
	r.mu.Lock()
	changed := r.done != done
	r.done, r.busy, r.since = done, false, now
	lag := r.end - done
	r.mu.Unlock()
	if changed {
		moved()
	}
	g.c.metrics().lagged(g.cfg.name, r.topic, r.partition, max(lag, 0))
}

// stop takes the partition out of work until an operator has acted and the
// group is joined anew.
func (r *reader) stop(g *group, reason AlarmReason, err error) {
	r.mu.Lock()
	r.stopped, r.busy, r.queue, r.queued = true, false, nil, 0
	at := r.done
	r.mu.Unlock()
	g.c.metrics().halted(g.cfg.name, r.topic, r.partition)
	g.raise(Alarm{Reason: reason, Topic: r.topic, Partition: r.partition, Offset: at, Err: err})
}
