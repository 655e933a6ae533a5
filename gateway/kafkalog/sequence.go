package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// A partitionWriter owns the sequence of one partition. Its goroutine lives as
// long as there is something to send.
type partitionWriter struct {
	p         *Producer
	topic     string
	wire      string
	partition int32
	head      []byte

	mu    sync.Mutex
	open  *batch
	taken chan struct{} // closed when the open batch leaves
	busy  bool

	// Owned by the sending goroutine.
	id   producerID
	lost producerID // what id was before the broker forgot it
	seq  int32
}

// retire gives up the producer id on this partition: its next sequence is not
// known any more. To go on with a wrong one would be worse than a gap: the broker
// takes a batch under a sequence it has seen for a repetition, and drops it.
func (w *partitionWriter) retire() { w.lost, w.id = w.id, producerID{} }

func (w *partitionWriter) add(ctx context.Context, r *Record, size int) (*batch, int32, error) {
	for {
		w.mu.Lock()
		if !w.busy && !w.p.enter() {
			w.mu.Unlock()
			return nil, 0, ErrClosed
		}
		b := w.open
		if b == nil {
			b = newBatch(w.p.frame(), w.head)
			w.open = b
		}
		if b.count == 0 || int(b.count) < w.p.cfg.MaxBatchRecords && len(b.frame)-b.head+size <= w.p.cfg.MaxBatchBytes {
			if r.Time.IsZero() {
				r.Time = w.p.c.cfg.Now()
			}
			ms := r.Time.UnixMilli()
			i := b.count
			b.add(r, ms)
			b.weight += int64(size)
			if !w.busy {
				w.busy = true
				w.p.spawn(w)
			}
			w.mu.Unlock()
			return b, i, nil
		}
		if w.taken == nil {
			w.taken = make(chan struct{})
		}
		taken := w.taken
		w.mu.Unlock()
		select {
		case <-taken:
		case <-ctx.Done():
			return nil, 0, unavailable(context.Cause(ctx), "waiting for room before the log")
		case <-w.p.gaveUp:
			return nil, 0, ErrClosed
		}
	}
}

// run sends batches until none is open.
func (w *partitionWriter) run(ctx context.Context) {
	defer w.p.senders.Done()
	for {
		w.mu.Lock()
		b := w.open
		w.open = nil
		if w.taken != nil {
			close(w.taken)
			w.taken = nil
		}
		if b == nil {
			w.busy = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()

		b.base, b.err = w.deliver(ctx, b)
		close(b.done)
		w.p.room.Release(b.weight)
		w.p.recycle(b)
		// Let those just woken put their next records into the coming batch.
		runtime.Gosched()
	}
}

// deliver sends a batch until its fate is known.
func (w *partitionWriter) deliver(ctx context.Context, b *batch) (base int64, err error) {
	p := w.p
	unknown := false // an attempt may have been stored
	missing := 0
	var wait backoff
	sealed := producerID{}
	for {
		if ctx.Err() != nil {
			if unknown {
				return -1, unavailable(errors.Join(ErrOutcomeUnknown, ErrClosed), "writing to the log")
			}
			return -1, ErrClosed
		}
		if !w.id.ok {
			id, err := p.identity(ctx, w.lost)
			if err != nil {
				if e, ok := errors.AsType[kafka.Error](err); ok && judge(int16(e)) == refused {
					return -1, fmt.Errorf("writing to %s: %w", w.topic, err)
				}
				w.pause(ctx, &wait, err)
				continue
			}
			w.id, w.seq = id, 0
		}
		if sealed != w.id {
			b.unshare()
			b.seal(w.id.id, w.id.epoch, w.seq)
			sealed = w.id
		}

		start := p.c.cfg.Now()
		attempt, cancel := context.WithTimeout(ctx, p.c.cfg.RequestTimeout)
		a, err := send[*produceAnswer](attempt, p.c, &produceRequest{topic: w.wire, partition: w.partition, frame: b.frame})
		cancel()
		p.c.metrics().operated("send", w.topic, err, p.c.cfg.Now().Sub(start))

		if err != nil {
			if errors.Is(err, ErrUnknownTopic) {
				// It had partitions when we began; give a moved cluster time.
				if missing++; missing > 5 {
					p.forget(w.topic)
					if unknown {
						w.retire()
						err = errors.Join(ErrOutcomeUnknown, err)
					}
					return -1, fmt.Errorf("writing: %w", err)
				}
			} else if !errors.Is(err, errNoLeader) {
				unknown, b.shared = true, true
			}
			w.pause(ctx, &wait, err)
			continue
		}
		switch judge(a.code) {
		case written:
			w.seq = nextSequence(w.seq, b.count)
			p.c.metrics().wrote(w.topic, b.count)
			return a.baseOffset, nil
		case refused:
			err := fmt.Errorf("writing to %s: %w%s", w.topic, kafka.Error(a.code), reason(a.reason))
			if unknown { // an earlier attempt may have been taken
				w.retire()
				err = errors.Join(ErrOutcomeUnknown, err)
			}
			return -1, err
		case again:
			unknown = true // a timeout may come after the append
			w.pause(ctx, &wait, kafka.Error(a.code))
		case stateLost:
			p.log.Warn("broker lost the sequence of a partition", "topic", w.topic, "partition", w.partition, "error", kafka.Error(a.code))
			if unknown {
				base, found, err := w.find(ctx, b)
				if err != nil {
					w.pause(ctx, &wait, err)
					continue
				}
				if found {
					w.retire()
					return base, nil
				}
			}
			w.retire()
			unknown = false
		}
	}
}

func reason(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

// pause waits before the next attempt and has the cluster looked at anew.
func (w *partitionWriter) pause(ctx context.Context, wait *backoff, cause error) {
	if ctx.Err() != nil {
		return
	}
	w.p.log.Warn("write is repeated", "topic", w.topic, "partition", w.partition, "attempt", wait.n+1, "error", cause)
	if !wait.sleep(ctx, writeRetry, w.p.c.cfg.Jitter) {
		return
	}
	// A leader that moved is not where the cached metadata says. Should the
	// refresh fail too, the next attempt says so.
	_ = w.p.c.refresh(ctx)
}

// find looks on the log for a batch of which a broker with a poor memory does
// not know whether it took it.
func (w *partitionWriter) find(ctx context.Context, b *batch) (base int64, found bool, err error) {
	c := w.p.c
	ctx, cancel := context.WithTimeout(ctx, 6*c.cfg.RequestTimeout)
	defer cancel()
	from, end, err := c.rangeSince(ctx, w.topic, int(w.partition), time.UnixMilli(b.first))
	if err != nil {
		return -1, false, err
	}
	err = c.fetchRange(ctx, w.topic, int(w.partition), from, end, func(v *batchView) error {
		if v.producer == w.id.id && v.epoch == w.id.epoch && v.sequence == w.seq {
			base, found = v.base, true
			return errStopScan
		}
		return nil
	})
	if errors.Is(err, errStopScan) {
		err = nil
	}
	return base, found, err
}

// nextSequence counts on and starts again from 0 after the greatest int32, as
// brokers expect.
func nextSequence(seq, n int32) int32 { return int32((int64(seq) + int64(n)) & 0x7fffffff) }
