package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/semaphore"
)

// ProducerConfig bounds what a producer holds.
type ProducerConfig struct {
	MaxBatchBytes   int // Default: Config.MaxMessageBytes less 1 KiB. Also the largest record.
	MaxBatchRecords int // Default: 10000.
	MaxBuffered     int // Default: 64 MiB. Bytes of all records not yet acknowledged; callers wait beyond it.
}

// A Producer writes records with acks=all and idempotent sequences. Records of
// one partition are sent one batch at a time: while a batch is under way the
// next one fills, and it leaves the moment the answer is in. There is no timer.
//
// A batch that met a timeout, a lost connection or a moved leader is sent again
// with the same bytes and the same sequence until the broker says what became
// of it; the broker stores it once. The wait of the caller is bounded by its
// context: where that ends first, Produce returns ErrOutcomeUnknown and the
// batch goes on without it.
//
// Should the broker lose what it knows about our sequences while the outcome of
// a batch is open, the partition is read to see whether the batch is there
// before it is written under a new producer id.
type Producer struct {
	c      *Cluster
	cfg    ProducerConfig
	room   *semaphore.Weighted
	log    *slog.Logger
	frames sync.Pool

	senders sync.WaitGroup
	spawn   func(*partitionWriter) // starts a sender, whose attempts giveUp ends
	giveUp  context.CancelFunc
	gaveUp  <-chan struct{}

	mu         sync.RWMutex
	closed     bool
	partitions map[string][]*partitionWriter // by topic, without prefix

	idMu sync.Mutex
	id   producerID
}

type producerID struct {
	id    int64
	epoch int16
	ok    bool
}

// NewProducer returns a producer; Close must be called.
func NewProducer(c *Cluster, cfg ProducerConfig) (*Producer, error) {
	setDefault(&cfg.MaxBatchBytes, c.cfg.MaxMessageBytes-1024)
	setDefault(&cfg.MaxBatchRecords, 10_000)
	setDefault(&cfg.MaxBuffered, 64<<20)
	if cfg.MaxBatchBytes < 1024 || cfg.MaxBatchBytes > c.cfg.MaxMessageBytes {
		return nil, fmt.Errorf("max batch bytes %d: not in 1024..%d, the largest batch a topic takes", cfg.MaxBatchBytes, c.cfg.MaxMessageBytes)
	}
	if cfg.MaxBatchRecords < 1 || cfg.MaxBuffered < cfg.MaxBatchBytes {
		return nil, errors.New("max batch records must be 1 or more, max buffered at least one batch")
	}
	p := &Producer{
		c: c, cfg: cfg, log: c.cfg.Logger,
		room:       semaphore.NewWeighted(int64(cfg.MaxBuffered)),
		partitions: make(map[string][]*partitionWriter),
	}
	// Senders outlive every caller's context; Close ends them.
	ctx, cancel := context.WithCancel(context.Background())
	p.giveUp, p.gaveUp = cancel, ctx.Done()
	p.spawn = func(w *partitionWriter) { go w.run(ctx) }
	return p, nil
}

// Produce writes records and returns nil once all of them are on the log. It
// sets Partition, Offset and Time of each (Offset is -1 in the rare case that
// the broker knew the batch already but not where). A record with a negative
// Partition goes where its key belongs. Records of one partition keep their
// order. The producer reads the slices until Produce returns and no longer.
func (p *Producer) Produce(ctx context.Context, rs ...*Record) error {
	if len(rs) == 1 {
		b, i, err := p.add(ctx, rs[0])
		if err != nil {
			return err
		}
		return p.wait(ctx, b, rs[0], i)
	}
	type place struct {
		b *batch
		i int32
	}
	places := make([]place, 0, len(rs))
	var failed error
	for _, r := range rs {
		b, i, err := p.add(ctx, r)
		if err != nil {
			failed = err // those before it are under way
			break
		}
		places = append(places, place{b, i})
	}
	for n, at := range places {
		if err := p.wait(ctx, at.b, rs[n], at.i); err != nil && failed == nil {
			failed = err
		}
	}
	return failed
}

func (p *Producer) wait(ctx context.Context, b *batch, r *Record, i int32) error {
	select {
	case <-b.done:
	case <-ctx.Done():
		select {
		case <-b.done: // both: the answer counts
		default:
			return unavailable(errors.Join(ErrOutcomeUnknown, context.Cause(ctx)), "writing to the log")
		}
	}
	if b.err != nil {
		return b.err
	}
	r.Offset = -1
	if b.base >= 0 {
		r.Offset = b.base + int64(i)
	}
	return nil
}

// add puts a record into the open batch of its partition, waiting for room.
func (p *Producer) add(ctx context.Context, r *Record) (*batch, int32, error) {
	ws, err := p.writers(ctx, r.Topic)
	if err != nil {
		return nil, 0, err
	}
	if r.Partition < 0 {
		r.Partition = partitionOf(r.Key, len(ws))
	}
	if r.Partition >= len(ws) {
		return nil, 0, fmt.Errorf("%w: %s/%d", ErrUnknownTopic, r.Topic, r.Partition)
	}
	size := maxRecordSize(r)
	if size > p.cfg.MaxBatchBytes-batchHeader {
		return nil, 0, fmt.Errorf("writing %d bytes to %s: %w", size, r.Topic, ErrTooLarge)
	}
	if !p.room.TryAcquire(int64(size)) {
		if err := p.room.Acquire(ctx, int64(size)); err != nil {
			return nil, 0, unavailable(err, "waiting for room before the log")
		}
	}
	b, i, err := ws[r.Partition].add(ctx, r, size)
	if err != nil {
		p.room.Release(int64(size))
	}
	return b, i, err
}

func (p *Producer) writers(ctx context.Context, topic string) ([]*partitionWriter, error) {
	p.mu.RLock()
	ws, closed := p.partitions[topic], p.closed
	p.mu.RUnlock()
	if closed {
		return nil, ErrClosed
	}
	if ws != nil {
		return ws, nil
	}
	n, err := p.c.partitions(ctx, topic)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	if ws := p.partitions[topic]; ws != nil {
		return ws, nil
	}
	ws = make([]*partitionWriter, n)
	wire := p.c.wireName(topic)
	for i := range ws {
		ws[i] = &partitionWriter{
			p: p, topic: topic, wire: wire, partition: int32(i),
			head: produceHead(p.c.cfg.ClientID, wire, int32(i), int32(p.c.cfg.RequestTimeout.Milliseconds())),
		}
	}
	p.partitions[topic] = ws
	return ws, nil
}

// Close refuses new records, waits for those under way until ctx ends, then
// gives up on the rest: their callers get ErrOutcomeUnknown.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	idle := make(chan struct{})
	go func() { p.senders.Wait(); close(idle) }()
	select {
	case <-idle:
		p.giveUp()
		return nil
	case <-ctx.Done():
	}
	p.giveUp()
	<-idle
	return unavailable(errors.Join(ErrOutcomeUnknown, context.Cause(ctx)), "closing the log writer")
}

// identity returns a producer id that is not the given, lost one.
func (p *Producer) identity(ctx context.Context, lost producerID) (producerID, error) {
	p.idMu.Lock()
	defer p.idMu.Unlock()
	if p.id.ok && p.id != lost {
		return p.id, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.c.cfg.RequestTimeout)
	defer cancel()
	res, err := p.c.client.InitProducerID(ctx, &kafka.InitProducerIDRequest{ProducerID: -1, ProducerEpoch: -1})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return producerID{}, fmt.Errorf("asking for a producer id: %w", err)
	}
	p.id = producerID{id: int64(res.Producer.ProducerID), epoch: int16(res.Producer.ProducerEpoch), ok: true}
	return p.id, nil
}

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

// enter counts a sender in; it is false once the producer was closed.
func (p *Producer) enter() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return false
	}
	p.senders.Add(1)
	return true
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

// forget drops what is known about a topic that is gone; it may come back with
// other partitions. The writers that are dropped may still send: those that
// follow take another producer id, lest two count one sequence.
func (p *Producer) forget(topic string) {
	p.idMu.Lock()
	p.id = producerID{}
	p.idMu.Unlock()
	p.mu.Lock()
	delete(p.partitions, topic)
	p.mu.Unlock()
}

// Frames up to this size are kept for the next batch.
const maxPooledFrame = 256 << 10

func (p *Producer) frame() []byte {
	if b, ok := p.frames.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 0, 4<<10)
}

func (p *Producer) recycle(b *batch) {
	// A shared frame may still be read by an abandoned attempt.
	if f := b.frame; !b.shared && cap(f) <= maxPooledFrame {
		p.frames.Put(&f)
	}
	b.frame = nil
}

// backoff doubles a wait, half of it by chance.
type backoff struct{ n int }

type backoffBounds struct{ first, limit time.Duration }

var writeRetry = backoffBounds{10 * time.Millisecond, 2 * time.Second}

// sleep waits for the next attempt's turn; it is false where ctx ended first.
func (b *backoff) sleep(ctx context.Context, bounds backoffBounds, jitter func() float64) bool {
	d := bounds.limit
	if b.n < 20 {
		d = min(bounds.first<<b.n, bounds.limit)
	}
	b.n++
	d = d/2 + time.Duration(jitter()*float64(d/2))
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
