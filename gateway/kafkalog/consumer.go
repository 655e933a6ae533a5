package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"
	"time"

	"oncegate/schemas/canon"
)

// ConsumerConfig says what to consume and how.
type ConsumerConfig struct {
	Group   string        // Required. Without the deployment's prefix.
	Kinds   []canon.Kind  // Required. Their topics must exist.
	Codec   *Codec        // Required.
	Writer  *Writer       // Required. For what the handler returns, and the dead letters.
	Handler canon.Handler // Required.

	// Select says whether a record is this group's to handle, from its body as it
	// stands on the log: unchecked, private parts sealed. What it leaves, it counts
	// as done; another group must take it. Default: all.
	Select func(body []byte) bool

	FromEnd bool // Default: a new group begins with the first record.

	RetryFirst time.Duration // Default: 100 ms. Wait after the first failure, doubled with each.
	RetryLimit time.Duration // Default: 30 s. The longest wait.

	SessionTimeout   time.Duration // Default: 15 s. A member that died is replaced after it.
	RebalanceTimeout time.Duration // Default: 15 s. How long the group waits for its members to join again.
	RejoinWait       time.Duration // Default: 1 s. Before joining again after an error.
	MaxWait          time.Duration // Default: 500 ms. How long a broker may hold an empty answer.
	CommitEvery      time.Duration // Default: 100 ms. What is done is committed at least so often.
	DrainTimeout     time.Duration // Default: 3 s. How long a handler may take to heed the end of its context.
	StallTimeout     time.Duration // Default: 1 min. No progress for so long raises an alarm.
	QueueBytes       int           // Default: 2 MiB. Fetched ahead per partition.

	// Alarm is called, from many goroutines, when somebody has to look. It must
	// not block. Default: the log and the metrics only.
	Alarm func(Alarm)
	// Assigned is called with the partitions of each topic whenever they were
	// given out anew. Default: none.
	Assigned func(map[string][]int)
}

var validGroup = regexp.MustCompile(`^[a-z0-9._-]{1,120}$`)

// Validate reports all faults at once.
func (c *ConsumerConfig) Validate() error {
	var errs []error
	if !validGroup.MatchString(c.Group) {
		errs = append(errs, fmt.Errorf("group %q: only a-z 0-9 . _ -, 1 to 120", c.Group))
	}
	if len(c.Kinds) == 0 {
		errs = append(errs, errors.New("kinds: at least one is required"))
	}
	if c.Codec == nil || c.Writer == nil || c.Handler == nil {
		errs = append(errs, errors.New("codec, writer and handler are required"))
	}
	for _, d := range []time.Duration{c.RetryFirst, c.RetryLimit, c.SessionTimeout, c.RebalanceTimeout, c.RejoinWait, c.MaxWait, c.CommitEvery, c.DrainTimeout, c.StallTimeout} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("duration %v is negative", d))
		}
	}
	return errors.Join(errs...)
}

// A Consumer handles the messages of some kinds, partition by partition in
// order. Several consumers of one group, in one process or many, share the
// partitions.
//
// For each message: decode, handle, publish what the handler returned, then
// commit. A message is handled at least once, and again whenever that may not
// have happened to the end; a handler must do the same work twice without harm.
// What the kind of a handler's error means stands at canon.Handler.
type Consumer struct {
	cfg ConsumerConfig
	c   *Cluster
	g   *group
}

// NewConsumer returns a consumer; Run makes it work.
func NewConsumer(c *Cluster, cfg ConsumerConfig) (*Consumer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuring consumer: %w", err)
	}
	setDefault(&cfg.RetryFirst, 100*time.Millisecond)
	setDefault(&cfg.RetryLimit, 30*time.Second)
	setDefault(&cfg.SessionTimeout, 15*time.Second)
	setDefault(&cfg.RebalanceTimeout, 15*time.Second)
	setDefault(&cfg.RejoinWait, time.Second)
	setDefault(&cfg.MaxWait, 500*time.Millisecond)
	setDefault(&cfg.CommitEvery, 100*time.Millisecond)
	setDefault(&cfg.DrainTimeout, 3*time.Second)
	setDefault(&cfg.StallTimeout, time.Minute)
	setDefault(&cfg.QueueBytes, 2<<20)
	k := &Consumer{cfg: cfg, c: c}
	topics := make([]string, len(cfg.Kinds))
	for i, kind := range cfg.Kinds {
		topics[i] = TopicOf(kind)
	}
	k.g = newGroup(c, groupConfig{
		name: cfg.Group, topics: topics, fromEnd: cfg.FromEnd,
		session: cfg.SessionTimeout, rebalance: cfg.RebalanceTimeout, rejoin: cfg.RejoinWait,
		maxWait: cfg.MaxWait, commit: cfg.CommitEvery, drain: cfg.DrainTimeout, stall: cfg.StallTimeout,
		queue: cfg.QueueBytes, alarm: cfg.Alarm, assigned: cfg.Assigned,
	}, k.handle)
	return k, nil
}

// Run consumes until ctx ends. It then ends the handlers' contexts, commits what
// is done, leaves the group, and returns nil.
func (k *Consumer) Run(ctx context.Context) error { return k.g.run(ctx) }

// A PartitionStatus tells how far a consumer is on one partition it holds.
type PartitionStatus struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Done      int64  `json:"done"`    // everything below is handled
	End       int64  `json:"end"`     // -1: not seen yet
	Stopped   bool   `json:"stopped"` // waits for an operator
}

// Status returns the partitions that this consumer holds now.
func (k *Consumer) Status() []PartitionStatus { return k.g.status() }

// handle brings one record to its end: handled and its results published, or in
// the dead letters. Any other return stops the partition.
func (k *Consumer) handle(ctx context.Context, r *Record) error {
	if k.cfg.Select != nil && !k.cfg.Select(r.Value) {
		return nil
	}
	var wait backoff
	var firstFailed time.Time
	for {
		start := k.c.cfg.Now()
		stage, err := k.attempt(ctx, r)
		k.c.metrics().handled(k.cfg.Group, r.Topic, err, k.c.cfg.Now().Sub(start))
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if firstFailed.IsZero() {
			firstFailed = k.c.cfg.Now()
		}
		f := canon.AsFault(err)
		log := k.c.cfg.Logger.With("group", k.cfg.Group, "record", r.Position().String(), "code", string(f.Code), "attempt", wait.n+1, "error", err)
		switch {
		case f.Kind == canon.Invalid, f.Code == canon.CodePayloadForgotten:
			log.Warn("record goes to the dead letters")
			return k.bury(ctx, r, Death{
				Group: k.cfg.Group, Stage: stage, Code: f.Code, Kind: f.Kind, Detail: f.Detail,
				Attempts: wait.n + 1, FirstFailedAt: firstFailed,
			})
		case f.Kind == canon.Unavailable, errors.Is(err, context.DeadlineExceeded):
			log.Warn("record is tried again in place")
			k.c.metrics().retried(k.cfg.Group, r.Topic, string(f.Code))
			if !wait.sleep(ctx, backoffBounds{k.cfg.RetryFirst, k.cfg.RetryLimit}, k.c.cfg.Jitter) {
				return context.Cause(ctx)
			}
		default:
			return fmt.Errorf("handling %s: %w", r.Position(), err)
		}
	}
}

// attempt decodes, handles and publishes once.
func (k *Consumer) attempt(ctx context.Context, r *Record) (stage Stage, err error) {
	stage = StageDecode
	defer func() {
		if p := recover(); p != nil {
			// The stack names code, the value may quote the message: only the type of
			// what was thrown goes on.
			k.c.cfg.Logger.Error("handler panics", "group", k.cfg.Group, "record", r.Position().String(), "stack", string(debug.Stack()))
			err = canon.NewFault(canon.CodeInternal, fmt.Errorf("panic of type %T", p), "handler panics")
		}
	}()
	m, err := k.cfg.Codec.Decode(ctx, r)
	if err != nil {
		return stage, err
	}
	if TopicOf(m.Kind) != r.Topic {
		return stage, canon.NewFault(canon.CodeMessageInvalid, nil, "kind %s is on another kind's topic", m.Kind)
	}
	stage = StageHandle
	out, err := k.cfg.Handler(ctx, m)
	if err != nil {
		return stage, err
	}
	stage = StagePublish
	err = k.cfg.Writer.Publish(ctx, out...)
	if err != nil && canon.AsFault(err).Code == canon.CodePayloadForgotten {
		return stage, k.publishOpen(ctx, r, out)
	}
	return stage, err
}

// publishOpen writes what a handler says of an exchange that was forgotten while
// it worked, or since it worked the first time: all but what is private, which
// nobody could read. It is no dead letter, for nobody can ever send it.
func (k *Consumer) publishOpen(ctx context.Context, r *Record, out []canon.Message) error {
	for _, m := range out {
		err := k.cfg.Writer.Publish(ctx, m)
		if err != nil && canon.AsFault(err).Code == canon.CodePayloadForgotten {
			k.c.cfg.Logger.Info("message of a forgotten exchange is left out", "group", k.cfg.Group, "record", r.Position().String(), "kind", string(m.Kind), "message", string(m.ID))
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bury writes a dead letter, however long it takes: the record must not be lost
// in between.
func (k *Consumer) bury(ctx context.Context, r *Record, d Death) error {
	var wait backoff
	for {
		letter := deadLetter(r, d)
		err := k.cfg.Writer.producer.Produce(ctx, letter)
		if err == nil {
			k.c.metrics().died(r.Topic, string(d.Code))
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if canon.AsFault(err).Kind != canon.Unavailable {
			k.g.raise(Alarm{Reason: AlarmDeadWrite, Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Err: err})
			return fmt.Errorf("writing the dead letter of %s: %w", r.Position(), err)
		}
		k.c.cfg.Logger.Warn("dead letter is written again", "record", r.Position().String(), "error", err)
		if !wait.sleep(ctx, backoffBounds{k.cfg.RetryFirst, k.cfg.RetryLimit}, k.c.cfg.Jitter) {
			return context.Cause(ctx)
		}
	}
}
