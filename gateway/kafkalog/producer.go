package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

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
