package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"oncegate/schemas/canon"
)

// Headers of a request to a register and of its reply.
const (
	requestCorrelation = "correlation-id" // on both: the id of the request
	requestReplies     = "reply-topic"
	requestMedia       = "content-type"
)

// A Request is one question over topics of somebody else.
type Request struct {
	Topic, Replies string // without our prefix
	ID             canon.MessageID
	Since          time.Time // not after it was asked first
	Media          string
	Body           []byte
}

// A Reply is the answer to one.
type Reply struct {
	Media string // empty where nobody said
	Body  []byte
}

// RequesterConfig bounds a Requester.
type RequesterConfig struct {
	MaxWaiting int           // Default: 1000. Requests that wait for a reply at one time.
	Again      time.Duration // Default: 1 hour. A request without reply is written once more after it.
}

// A Requester asks over two topics: a request with an id in one, its reply with the
// same id (header correlation-id, or the key) in the other. The topics are not the
// gateway's: it makes none, commits nothing, and refuses those of its own, so that a
// definition of a register cannot write canonical messages.
//
// One consumer per process and topic of replies begins at its end and hands replies
// to those who wait. A reply that nobody waits for stays on the topic: the next Ask
// of the same id finds it there, in any process.
type Requester struct {
	own      *Cluster // whose topics are refused
	c        *Cluster // the same brokers, names as they are
	producer *Producer
	cfg      RequesterConfig

	live context.Context // ends with Close
	end  context.CancelFunc
	wg   sync.WaitGroup

	mu     sync.Mutex
	topics map[string]*replies
}

// NewRequester returns a requester on the brokers of a cluster; Close must be called.
func NewRequester(own *Cluster, cfg RequesterConfig) (*Requester, error) {
	setDefault(&cfg.MaxWaiting, 1000)
	setDefault(&cfg.Again, time.Hour)
	if cfg.MaxWaiting < 1 || cfg.Again < 0 {
		return nil, errors.New("asking over topics: the bounds must be positive")
	}
	plain := own.cfg
	plain.Prefix = ""
	c, err := New(plain)
	if err != nil {
		return nil, fmt.Errorf("asking over topics: %w", err)
	}
	p, err := NewProducer(c, ProducerConfig{})
	if err != nil {
		return nil, fmt.Errorf("asking over topics: %w", err)
	}
	r := &Requester{own: own, c: c, producer: p, cfg: cfg, topics: make(map[string]*replies)}
	r.live, r.end = context.WithCancel(context.Background()) // consumers outlive every caller's context
	return r, nil
}

// Close ends the consumers and waits for them.
func (r *Requester) Close(ctx context.Context) error {
	r.end()
	r.wg.Wait()
	err := r.producer.Close(ctx)
	r.c.Close()
	return err
}

// Ask writes a request, unless it is there already, and returns its reply. When ctx
// ends first, the fault is Unavailable and the next Ask of the same id goes on.
func (r *Requester) Ask(ctx context.Context, q Request) (Reply, error) {
	for _, topic := range []string{q.Topic, q.Replies} {
		if r.reserved(topic) {
			return Reply{}, canon.NewFault(canon.CodeMessageInvalid, nil, "topic %s is the gateway's own", topic)
		}
	}
	t, err := r.follow(ctx, q.Replies)
	if err != nil {
		return Reply{}, err
	}
	came, leave, err := t.wait(q.ID)
	if err != nil {
		return Reply{}, err
	}
	defer leave()
	asked, err := r.asked(ctx, q)
	if err != nil {
		return Reply{}, err
	}
	if !asked.IsZero() {
		rec, err := r.late(ctx, q, asked)
		if err != nil || rec != nil {
			return replyOf(rec), err
		}
	}
	if asked.IsZero() || r.c.cfg.Now().Sub(asked) >= r.cfg.Again {
		err := r.producer.Produce(ctx, &Record{
			Topic: q.Topic, Partition: -1, Key: []byte(q.ID), Value: q.Body,
			Headers: []Header{{requestCorrelation, []byte(q.ID)}, {requestReplies, []byte(q.Replies)}, {requestMedia, []byte(q.Media)}},
		})
		if err != nil {
			return Reply{}, err
		}
	}
	select {
	case rec := <-came:
		return replyOf(&rec), nil
	case <-r.live.Done():
		return Reply{}, unavailable(ErrClosed, "waiting for a reply")
	case <-ctx.Done():
		return Reply{}, unavailable(context.Cause(ctx), "waiting for a reply")
	}
}

func replyOf(rec *Record) Reply {
	if rec == nil {
		return Reply{}
	}
	media, _ := rec.Header(requestMedia)
	return Reply{Media: media, Body: rec.Value}
}

// reserved says whether a topic is one of the gateway's.
func (r *Requester) reserved(topic string) bool {
	name, ours := r.own.ownName(topic)
	if ours && r.own.cfg.Prefix != "" || strings.HasPrefix(topic, "__") {
		return true
	}
	for _, s := range r.own.Catalogue() {
		if s.Name == name || s.Name == topic {
			return true
		}
	}
	return false
}

// skew is how far clocks may be apart: of our processes, and of a register.
const skew = 5 * time.Minute

// asked finds when a request was written; zero where it was not. Only its own
// partition is read, from when it was asked first.
func (r *Requester) asked(ctx context.Context, q Request) (at time.Time, err error) {
	err = r.c.Scan(ctx, Range{Topic: q.Topic, Key: []byte(q.ID), FromTime: q.Since.Add(-skew)}, func(rec Record) error {
		at = rec.Time
		return nil
	})
	return at, err
}

// late finds a reply that came while nobody waited.
func (r *Requester) late(ctx context.Context, q Request, asked time.Time) (found *Record, err error) {
	from := q.Since
	if asked.Before(from) {
		from = asked
	}
	err = r.c.Scan(ctx, Range{Topic: q.Replies, FromTime: from.Add(-skew)}, func(rec Record) error {
		if correlation(&rec) != q.ID {
			return nil
		}
		found = &rec
		return ErrStop
	})
	return found, err
}

// correlation is the id of the request that a reply belongs to.
func correlation(r *Record) canon.MessageID {
	if id, ok := r.Header(requestCorrelation); ok {
		return canon.MessageID(id)
	}
	return canon.MessageID(r.Key)
}

// replies is the consumer of one topic.
type replies struct {
	r     *Requester
	topic string
	next  []int64 // by partition: where its goroutine began

	mu      sync.Mutex
	waiting map[canon.MessageID][]chan Record
	count   int
}

// follow starts the consumer of a topic, and goroutines for partitions that are new.
// A topic begins at its end: what was there before, late finds.
func (r *Requester) follow(ctx context.Context, topic string) (*replies, error) {
	n, err := r.c.partitions(ctx, topic)
	if err != nil {
		return nil, unavailable(err, "finding the topic of replies")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.live.Err() != nil {
		return nil, unavailable(ErrClosed, "following replies")
	}
	t := r.topics[topic]
	fresh := t == nil
	if fresh {
		t = &replies{r: r, topic: topic, waiting: make(map[canon.MessageID][]chan Record)}
	}
	for p := len(t.next); p < n; p++ {
		first, end, err := r.c.bounds(ctx, topic, p)
		if err != nil {
			return nil, err
		}
		from := end
		if !fresh { // made since: all of it is new
			from = first
		}
		t.next = append(t.next, from)
		r.wg.Go(func() { t.run(r.live, p, from) })
	}
	r.topics[topic] = t
	return t, nil
}

// wait makes a place for the reply to a request.
func (t *replies) wait(id canon.MessageID) (came <-chan Record, leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count >= t.r.cfg.MaxWaiting {
		return nil, nil, unavailable(errors.New("too many requests wait"), "asking over topics")
	}
	ch := make(chan Record, 1)
	t.waiting[id] = append(t.waiting[id], ch)
	t.count++
	return ch, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.count--
		rest := t.waiting[id][:0]
		for _, c := range t.waiting[id] {
			if c != ch {
				rest = append(rest, c)
			}
		}
		if t.waiting[id] = rest; len(rest) == 0 {
			delete(t.waiting, id)
		}
	}, nil
}

// give hands a record to those who wait for it.
func (t *replies) give(rec Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, ch := range t.waiting[correlation(&rec)] {
		select {
		case ch <- rec:
		default: // it has one already
		}
	}
}

// run reads one partition until the requester is closed. What cannot be read for a
// time is found by late.
func (t *replies) run(ctx context.Context, partition int, from int64) {
	c := t.r.c
	var wait backoff
	for ctx.Err() == nil {
		p, at, err := c.fetchPart(ctx, t.topic, partition, from, 500*time.Millisecond)
		next := from
		if err == nil {
			next, err = p.committed(at, func(b *batchView) error {
				return b.each(t.topic, partition, func(r Record) error {
					if r.Offset >= from {
						t.give(r)
					}
					return nil
				})
			})
		}
		if err == nil {
			wait, from = backoff{}, max(from, next)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		c.cfg.Logger.Warn("a topic of replies cannot be read, trying again", "topic", t.topic, "partition", partition, "offset", from, "error", err)
		if !wait.sleep(ctx, writeRetry, c.cfg.Jitter) {
			return
		}
		if _, end, err := c.bounds(ctx, t.topic, partition); err == nil && end < from {
			from = end // the topic was made anew
		}
	}
}
