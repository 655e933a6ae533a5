package kafkalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// A group is one member of a consumer group, over records. It owns membership,
// fetching, the order within a partition, and commits. What becomes of a record
// is the handler's affair:
//
//   - nil: the record is done, its offset is committed soon;
//   - an error after ctx ended: the partition was lost or we are closing; the
//     record will be handled again, by us or by another member;
//   - any other error: the partition stops there.
type group struct {
	c      *Cluster
	cfg    groupConfig
	log    *slog.Logger
	handle func(context.Context, *Record) error

	mu         sync.Mutex
	current    map[topicPartition]*reader
	stragglers map[topicPartition]chan struct{}
}

type groupConfig struct {
	name      string // without the deployment's prefix
	topics    []string
	fromEnd   bool
	session   time.Duration
	rebalance time.Duration
	rejoin    time.Duration
	maxWait   time.Duration
	commit    time.Duration
	drain     time.Duration
	stall     time.Duration
	queue     int // bytes per partition
	alarm     func(Alarm)
	assigned  func(map[string][]int)
}

type topicPartition struct {
	topic     string
	partition int
}

// run is a member until ctx ends; then it commits what is done and leaves.
func (g *group) run(ctx context.Context) error {
	if err := g.awaitTopics(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	dial := &groupDialer{d: net.Dialer{Timeout: g.c.cfg.DialTimeout, KeepAlive: 30 * time.Second}}
	wires := make([]string, len(g.cfg.topics))
	for i, t := range g.cfg.topics {
		wires[i] = g.c.wireName(t)
	}
	start := kafka.FirstOffset
	if g.cfg.fromEnd {
		start = kafka.LastOffset
	}
	cg, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:      g.c.wireName(g.cfg.name),
		Brokers: g.c.cfg.Brokers,
		Dialer: &kafka.Dialer{
			ClientID: g.c.cfg.ClientID, Timeout: g.c.cfg.DialTimeout, DialFunc: dial.dial,
			TLS: g.c.cfg.TLS, SASLMechanism: g.c.mechanism,
		},
		Topics: wires,
		// Range gives one member the same partition numbers of every topic, and so
		// all of a conversation.
		GroupBalancers:         []kafka.GroupBalancer{kafka.RangeGroupBalancer{}},
		HeartbeatInterval:      min(3*time.Second, g.cfg.session/5),
		SessionTimeout:         g.cfg.session,
		RebalanceTimeout:       g.cfg.rebalance,
		JoinGroupBackoff:       g.cfg.rejoin,
		WatchPartitionChanges:  true,
		PartitionWatchInterval: 30 * time.Second,
		StartOffset:            start,
		Timeout:                g.c.cfg.RequestTimeout,
		ErrorLogger: kafka.LoggerFunc(func(f string, args ...any) {
			g.log.Debug("group", "detail", fmt.Sprintf(f, args...))
		}),
	})
	if err != nil {
		return fmt.Errorf("joining group %s: %w", g.cfg.name, err)
	}
	for {
		gen, err := cg.Next(ctx)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			if !errors.Is(err, kafka.RebalanceInProgress) {
				g.log.Warn("group cannot be joined, trying again", "group", g.cfg.name, "error", err)
			}
			continue // the group waits by itself
		}
		gen.Start(func(held context.Context) { g.generation(ctx, held, gen) })
	}
	// Leaving may wait for a join under way or a broker that is gone: after the
	// time for draining the connections are cut.
	closed := make(chan struct{})
	go func() { _ = cg.Close(); close(closed) }() // Close has no error to return
	t := time.NewTimer(g.cfg.drain + 2*time.Second)
	defer t.Stop()
	select {
	case <-closed:
	case <-t.C:
		dial.cut()
		<-closed
	}
	return nil
}

// awaitTopics waits for a broker that answers. A topic that does not exist is an
// error: kafka-go would join and leave without end.
func (g *group) awaitTopics(ctx context.Context) error {
	var wait backoff
	for _, topic := range g.cfg.topics {
		for {
			_, err := g.c.partitions(ctx, topic)
			if err == nil {
				break
			}
			if errors.Is(err, ErrUnknownTopic) {
				return fmt.Errorf("joining group %s: %w", g.cfg.name, err)
			}
			if ctx.Err() == nil {
				g.log.Warn("the log does not answer, trying again", "group", g.cfg.name, "error", err)
			}
			if !wait.sleep(ctx, writeRetry, g.c.cfg.Jitter) {
				return nil
			}
		}
	}
	return nil
}

// generation works as long as this member holds its partitions. It returns only
// after its last commit: until then the group keeps the connection that the
// commit is bound to, and afterwards none can be made.
func (g *group) generation(ctx, held context.Context, gen *kafka.Generation) {
	begun := g.c.cfg.Now()
	defer func() {
		// One that ends as it begins would be followed by the next without a pause.
		if wait := min(g.cfg.rejoin, 250*time.Millisecond); g.c.cfg.Now().Sub(begun) < wait {
			pause(ctx, wait)
		}
	}()
	work, end := context.WithCancelCause(held)
	defer end(nil)
	defer context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })()

	readers, err := g.readers(work, gen)
	if err != nil {
		if work.Err() == nil {
			g.log.Warn("partitions cannot be read yet, trying again", "group", g.cfg.name, "error", err)
			pause(work, g.cfg.rejoin)
		}
		return
	}
	g.hold(readers)
	defer g.release(readers)
	g.log.Info("partitions assigned", "group", g.cfg.name, "generation", gen.ID, "partitions", len(readers))
	if g.cfg.assigned != nil {
		at := make(map[string][]int)
		for _, r := range readers {
			at[r.topic] = append(at[r.topic], r.partition)
		}
		g.cfg.assigned(at)
	}

	var helpers sync.WaitGroup
	dirty := make(chan struct{}, 1)
	f := &fetcher{g: g, readers: readers, loops: make(map[int32]chan struct{}), wg: &helpers}
	for _, r := range readers {
		r.start(work, g, func() {
			select {
			case dirty <- struct{}{}:
			default:
			}
		}, f.poke)
	}
	helpers.Go(func() { f.run(work) })
	helpers.Go(func() { g.watch(work, readers, end) })
	c := committer{g: g, gen: gen, readers: readers}
	helpers.Go(func() { c.run(work, dirty, end) })

	<-work.Done()
	helpers.Wait()
	g.drain(readers)
	c.commit()
}

// readers resolves where each assigned partition begins.
func (g *group) readers(ctx context.Context, gen *kafka.Generation) ([]*reader, error) {
	var out []*reader
	open := map[int64]map[string][]int{kafka.FirstOffset: {}, kafka.LastOffset: {}}
	for wire, as := range gen.Assignments {
		topic, ours := g.c.ownName(wire)
		if !ours {
			continue
		}
		for _, a := range as {
			r := newReader(topic, wire, a.ID, a.Offset)
			if ask, unset := open[a.Offset]; unset {
				ask[topic] = append(ask[topic], a.ID)
			}
			out = append(out, r)
		}
	}
	for at, ask := range open {
		if len(ask) == 0 {
			continue
		}
		// kafka-go's names and the protocol's times for these are the same numbers.
		got, err := g.c.offsets(ctx, at, ask)
		if err != nil {
			return nil, err
		}
		for _, r := range out {
			if o, ok := got[r.topic][r.partition]; ok && r.next == at {
				r.begin(o)
			}
		}
	}
	return out, nil
}

func (g *group) hold(readers []*reader) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.current = make(map[topicPartition]*reader, len(readers))
	for _, r := range readers {
		tp := topicPartition{r.topic, r.partition}
		g.current[tp] = r
		r.after = g.stragglers[tp]
	}
}

func (g *group) release(readers []*reader) {
	g.mu.Lock()
	g.current = nil
	g.mu.Unlock()
	for _, r := range readers {
		g.c.metrics().released(g.cfg.name, r.topic, r.partition)
	}
}

// drain waits for the workers of a generation that has ended. One that does not
// heed its context is left behind: it can commit nothing any more, and whoever
// follows on its partition in this process waits for it.
func (g *group) drain(readers []*reader) {
	t := time.NewTimer(g.cfg.drain)
	defer t.Stop()
	late := false
	for _, r := range readers {
		tp := topicPartition{r.topic, r.partition}
		if !late {
			select {
			case <-r.ended:
			case <-t.C:
				late = true
			}
		}
		g.mu.Lock()
		delete(g.stragglers, tp)
		select {
		case <-r.ended:
		default:
			g.stragglers[tp] = r.ended
			g.log.Error("handler does not end with its context", "group", g.cfg.name, "topic", r.topic, "partition", r.partition)
		}
		g.mu.Unlock()
	}
}

func (g *group) raise(a Alarm) {
	a.Group = g.cfg.name
	g.c.metrics().alarmed(a.Group, a.Reason)
	g.log.Error("alarm", "reason", string(a.Reason), "group", a.Group, "topic", a.Topic, "partition", a.Partition, "offset", a.Offset, "error", a.Err)
	if g.cfg.alarm != nil {
		g.cfg.alarm(a)
	}
}

// watch looks for partitions on which nothing moves.
func (g *group) watch(ctx context.Context, readers []*reader, end context.CancelCauseFunc) {
	tick := time.NewTicker(max(g.cfg.stall/4, time.Millisecond))
	defer tick.Stop()
	slow := make(map[*reader]int64)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := g.c.cfg.Now()
		for _, r := range readers {
			s := r.state()
			switch {
			case s.stopped || now.Sub(s.since) < g.cfg.stall:
			case s.busy:
				if slow[r] != s.done+1 {
					slow[r] = s.done + 1
					g.raise(Alarm{Reason: AlarmSlow, Topic: r.topic, Partition: r.partition, Offset: s.done})
				}
			case s.end > s.done:
				g.raise(Alarm{Reason: AlarmStalled, Topic: r.topic, Partition: r.partition, Offset: s.done})
				end(errStalled) // join anew, over new connections
				return
			}
		}
	}
}

var errStalled = errors.New("no progress although there is work")

// A committer commits offsets of one generation, what has moved since the last
// time in one request.
type committer struct {
	g         *group
	gen       *kafka.Generation
	readers   []*reader
	committed map[*reader]int64
}

func (c *committer) run(ctx context.Context, dirty <-chan struct{}, end context.CancelCauseFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-dirty:
		}
		if !pause(ctx, c.g.cfg.commit) {
			return // the last commit follows
		}
		if err := c.commit(); err != nil {
			// A commit that is refused or lost means that the group has moved on, or
			// that its connection is gone: join anew.
			end(err)
			return
		}
	}
}

// commit is bound to the generation: Kafka refuses it once there is a newer one,
// and kafka-go closes its connection.
func (c *committer) commit() error {
	if c.committed == nil {
		c.committed = make(map[*reader]int64)
	}
	offsets := make(map[string]map[int]int64)
	moved := make(map[*reader]int64)
	for _, r := range c.readers {
		done := r.state().done
		if last, ok := c.committed[r]; ok && last == done || !ok && done == r.from {
			continue
		}
		moved[r] = done
		if offsets[r.wire] == nil {
			offsets[r.wire] = make(map[int]int64)
		}
		offsets[r.wire][r.partition] = done
	}
	if len(offsets) == 0 {
		return nil
	}
	if err := c.gen.CommitOffsets(offsets); err != nil {
		c.g.log.Warn("offsets were not committed", "group", c.g.cfg.name, "generation", c.gen.ID, "error", err)
		return fmt.Errorf("committing offsets: %w", err)
	}
	for r, o := range moved {
		c.committed[r] = o
	}
	return nil
}

// A groupDialer can cut what it dialled: kafka-go's group waits for answers of
// its coordinator without a context.
type groupDialer struct {
	d     net.Dialer
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	done  bool
}

func (d *groupDialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := d.d.DialContext(ctx, network, strings.TrimSpace(addr))
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done {
		conn.Close()
		return nil, net.ErrClosed
	}
	if d.conns == nil {
		d.conns = make(map[net.Conn]struct{})
	}
	t := &trackedConn{Conn: conn, d: d}
	d.conns[t] = struct{}{}
	return t, nil
}

func (d *groupDialer) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done = true
	for c := range d.conns {
		_ = c.SetDeadline(time.Unix(1, 0)) // ends what is under way; the owner closes
	}
}

type trackedConn struct {
	net.Conn
	d *groupDialer
}

func (c *trackedConn) Close() error {
	c.d.mu.Lock()
	delete(c.d.conns, c)
	c.d.mu.Unlock()
	return c.Conn.Close()
}

func newGroup(c *Cluster, cfg groupConfig, handle func(context.Context, *Record) error) *group {
	return &group{c: c, cfg: cfg, log: c.cfg.Logger, handle: handle, stragglers: make(map[topicPartition]chan struct{})}
}

func (g *group) status() []PartitionStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]PartitionStatus, 0, len(g.current))
	for tp, r := range g.current {
		s := r.state()
		out = append(out, PartitionStatus{tp.topic, tp.partition, s.done, s.end, s.stopped})
	}
	slices.SortFunc(out, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}
