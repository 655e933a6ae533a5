package replay_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

// memoryLog is a log in memory: two partitions a topic, one for dead letters.
type memoryLog struct {
	mu     sync.Mutex
	topics map[string][][]replay.Record
	now    func() time.Time

	failAfter int   // writes until fail, -1 for never
	fail      error // what Write then returns
	lose      bool  // the failing write reaches the log all the same
	writes    int
}

var (
	_ replay.Source = (*memoryLog)(nil)
	_ replay.Sink   = (*memoryLog)(nil)
)

func newLog(now func() time.Time) *memoryLog {
	l := &memoryLog{topics: make(map[string][][]replay.Record), now: now, failAfter: -1}
	for _, k := range canon.Kinds() {
		l.topics[string(k)] = make([][]replay.Record, 2)
		l.topics[string(k)+".dlq"] = make([][]replay.Record, 1)
	}
	return l
}

func (l *memoryLog) place(topic string, key []byte) int {
	n := 0
	for _, b := range key {
		n += int(b)
	}
	return n % len(l.topics[topic])
}

func (l *memoryLog) Bounds(ctx context.Context, r replay.Range) ([]replay.Span, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	parts, ok := l.topics[r.Topic]
	if !ok {
		return nil, fmt.Errorf("unknown topic %s", r.Topic)
	}
	var out []replay.Span
	for p, records := range parts {
		if r.Key != nil && l.place(r.Topic, r.Key) != p {
			continue
		}
		s := replay.Span{Topic: r.Topic, Partition: p, To: int64(len(records))}
		if !r.From.IsZero() {
			s.From = int64(firstSince(records, r.From))
		}
		if !r.To.IsZero() {
			s.To = int64(firstSince(records, r.To))
		}
		out = append(out, s)
	}
	return out, ctx.Err()
}

func firstSince(records []replay.Record, t time.Time) int {
	i := slices.IndexFunc(records, func(r replay.Record) bool { return !r.Time.Before(t) })
	if i < 0 {
		return len(records)
	}
	return i
}

func (l *memoryLog) Scan(ctx context.Context, s replay.Span, f func(*replay.Record) error) error {
	l.mu.Lock()
	if s.Partition >= len(l.topics[s.Topic]) {
		l.mu.Unlock()
		return fmt.Errorf("unknown partition %s/%d", s.Topic, s.Partition)
	}
	records := slices.Clone(l.topics[s.Topic][s.Partition])
	l.mu.Unlock()
	for _, r := range records {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.Offset < s.From || r.Offset >= s.To {
			continue
		}
		if err := f(&r); err != nil {
			return fmt.Errorf("reading: %w", err)
		}
	}
	return nil
}

func (l *memoryLog) Write(ctx context.Context, rs ...replay.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes++
	failed := l.failAfter >= 0 && l.writes > l.failAfter
	if failed && !l.lose {
		return l.fail
	}
	for _, r := range rs {
		parts, ok := l.topics[r.Topic]
		if !ok {
			return fmt.Errorf("unknown topic %s", r.Topic)
		}
		r.Partition = l.place(r.Topic, r.Key)
		r.Offset = int64(len(parts[r.Partition]))
		if r.Time = l.now(); r.Time.IsZero() {
			return errors.New("no time")
		}
		r.Headers = slices.Clone(r.Headers)
		parts[r.Partition] = append(parts[r.Partition], r)
	}
	if failed {
		return l.fail
	}
	return nil
}

func (l *memoryLog) all(topic string) []replay.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Concat(l.topics[topic]...)
}

// effects counts what a consumer that knows ids would do: each id once.
func (l *memoryLog) effects(topic string) map[string]int {
	out := make(map[string]int)
	for _, r := range l.all(topic) {
		id, _ := r.Header(replay.HeaderID)
		out[id]++
	}
	return out
}

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// clock moves a second with each look, so that records have different times.
func clock() func() time.Time {
	var mu sync.Mutex
	t := start
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		t = t.Add(time.Second)
		return t
	}
}

func conversation(i int) canon.ConversationID {
	return canon.OwnConversation("portal", fmt.Sprint(i))
}

func message(i int) canon.MessageID { return canon.Derive("", fmt.Sprint("m", i)) }

// record is message i of conversation c.
func record(topic string, i, c int, headers ...replay.Header) replay.Record {
	return replay.Record{
		Topic: topic, Key: []byte(conversation(c)), Value: fmt.Appendf(nil, `{"n":%d}`, i),
		Headers: append([]replay.Header{
			{Key: replay.HeaderID, Value: []byte(message(i))},
			{Key: replay.HeaderKind, Value: []byte(trimDead(topic))},
			{Key: "traceparent", Value: []byte("00-1-2-01")},
		}, headers...),
	}
}

func trimDead(topic string) string {
	if n := len(topic) - len(".dlq"); n > 0 && topic[n:] == ".dlq" {
		return topic[:n]
	}
	return topic
}

// letter is message i of conversation c as a dead letter.
func letter(topic string, i, c int, more ...replay.Header) replay.Record {
	return record(topic+".dlq", i, c, append([]replay.Header{
		{Key: replay.HeaderErrorCode, Value: []byte(canon.CodeMappingFailed)},
		{Key: replay.HeaderAttempts, Value: []byte("3")},
		{Key: replay.HeaderFirstFailed, Value: []byte("2026-11-01T11:00:00Z")},
		{Key: "__connect.errors.topic", Value: []byte(topic)},
		{Key: "__connect.errors.partition", Value: []byte("1")},
		{Key: "__connect.errors.offset", Value: []byte("7")},
		{Key: "__connect.errors.connector.name", Value: []byte("registers")},
		{Key: "__connect.errors.stage", Value: []byte("TASK_PUT")},
		{Key: "__connect.errors.exception.class.name", Value: []byte("canon.Fault.invalid")},
		{Key: "__connect.errors.exception.message", Value: []byte("register.yaml:11:27\x1b[31m no such place")},
	}, more...)...)
}

// audits collects the legal record.
type audits struct {
	mu     sync.Mutex
	events []canon.AuditEvent
	fail   error
}

func (a *audits) record(_ context.Context, e canon.AuditEvent) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return a.fail
	}
	a.events = append(a.events, e)
	return nil
}

func (a *audits) steps() []string {
	var out []string
	for _, e := range a.events {
		out = append(out, e.Step+" "+e.Outcome)
	}
	return out
}

type room struct {
	log    *memoryLog
	audits *audits
	r      *replay.Replayer
}

func newRoom(t *testing.T, change ...func(*replay.Config)) *room {
	t.Helper()
	now := clock()
	x := &room{log: newLog(now), audits: &audits{}}
	cfg := replay.Config{Source: x.log, Sink: x.log, Audit: x.audits.record, Now: now,
		Checkpoints: replay.FileCheckpoints{Dir: t.TempDir()}}
	for _, f := range change {
		f(&cfg)
	}
	r, err := replay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	x.r = r
	return x
}

func (x *room) write(t *testing.T, rs ...replay.Record) {
	t.Helper()
	for _, r := range rs {
		if err := x.log.Write(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func (x *room) plan(t *testing.T, sel replay.Selection, again bool) *replay.Plan {
	t.Helper()
	p, err := x.r.Plan(t.Context(), sel, again)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (x *room) run(t *testing.T, p *replay.Plan, opt replay.RunOptions) *replay.Report {
	t.Helper()
	opt.Rate = 100_000
	rep, err := x.r.Run(t.Context(), p, opt)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}
