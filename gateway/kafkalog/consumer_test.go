package kafkalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/segmentio/kafka-go/protocol"

	"oncegate/gateway/payload"
	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

func TestMessagesAreHandledInOrderAndTheirResultsPublished(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		r := s.room(t)
		const conversations, each = 6, 15
		var in []canon.Message
		for n := range each {
			for c := range conversations {
				in = append(in, decision(conversationID(c), n))
			}
		}
		if err := r.writer.Publish(deadline(t), in...); err != nil {
			t.Fatal(err)
		}
		k, stop := r.consumer(t, "core", func(_ context.Context, m canon.Message) ([]canon.Message, error) {
			return []canon.Message{canon.Follow(m, "audited", m.At, &canon.AuditEvent{Step: "consent.decided", Room: "test", Outcome: fmt.Sprint("n", consent(m))})}, nil
		})
		audits := func() (out []canon.Message) {
			for _, rec := range scan(t, r.c, TopicOf(canon.KindAudit)) {
				m, err := r.codec.Decode(deadline(t), &rec)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, m)
			}
			return out
		}
		await(t, "all results", func() bool { return len(audits()) == len(in) })
		await(t, "lag 0", func() bool { return lagOf(t, r.c, "core", TopicOf(canon.KindConsentDecision)) == 0 })
		if got := k.Status(); len(got) != 3 {
			t.Errorf("status %v, want three partitions", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		next := make(map[canon.ConversationID]int)
		for _, m := range audits() {
			if want := fmt.Sprint("n", next[m.Conversation]); m.Body.(*canon.AuditEvent).Outcome != want {
				t.Errorf("conversation %s: %s, want %s", m.Conversation, m.Body.(*canon.AuditEvent).Outcome, want)
			}
			next[m.Conversation]++
		}
		groups, err := r.c.Groups(deadline(t))
		if d := cmp.Diff([]string{"core"}, groups); d != "" || err != nil {
			t.Errorf("groups: %v\n%s", err, d)
		}
	})
}

func TestWhatAHandlersErrorMeans(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		r := s.room(t)
		topic := TopicOf(canon.KindConsentDecision)
		// Three conversations on three partitions.
		var at [3]canon.ConversationID
		for i := 0; at[0] == "" || at[1] == "" || at[2] == ""; i++ {
			id := conversationID(i)
			at[partitionOf([]byte(id), 3)] = id
		}
		var mu sync.Mutex
		handled := make(map[canon.ConversationID][]int)
		attempts := 0
		alarms := make(chan Alarm, 10)
		_, _ = r.consumer(t, "errors", func(_ context.Context, m canon.Message) ([]canon.Message, error) {
			n := consent(m)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case m.Conversation == at[0] && n == 1:
				return nil, fmt.Errorf("deciding: %w", canon.NewFault(canon.CodeRequestInvalid, errors.New("cause for the log only"), "rule 7 is broken"))
			case m.Conversation == at[1] && n == 1:
				if attempts++; attempts < 5 {
					return nil, canon.NewFault(canon.CodeRegisterDown, io.EOF, "register does not answer")
				}
			case m.Conversation == at[2] && n == 1:
				panic("Ilze Bērziņa")
			}
			handled[m.Conversation] = append(handled[m.Conversation], n)
			return nil, nil
		}, func(c *ConsumerConfig) { c.Alarm = func(a Alarm) { alarms <- a } })
		for n := range 3 {
			for _, id := range at {
				if err := r.writer.Publish(deadline(t), decision(id, n)); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := map[canon.ConversationID][]int{at[0]: {0, 2}, at[1]: {0, 1, 2}, at[2]: {0}}
		await(t, "all that can be handled", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return cmp.Equal(handled, want)
		})
		a := receive(t, "the alarm", alarms)
		if a.Reason != AlarmStopped || a.Topic != topic || a.Partition != 2 || a.Offset != 1 || strings.Contains(a.Err.Error(), "Ilze") {
			t.Errorf("alarm %+v", a)
		}
		await(t, "lag 2, on the stopped partition", func() bool { return lagOf(t, r.c, "errors", topic) == 2 })
		if attempts != 5 {
			t.Errorf("%d attempts, want 5", attempts)
		}
		letters := r.letters(t, false)
		if len(letters) != 1 {
			t.Fatalf("%d dead letters, want 1", len(letters))
		}
		l := letters[0]
		wantLetter := replay.Letter{
			Position: DeadLetters(topic) + "/0/0", Topic: topic, Origin: replay.Origin{Topic: topic, Partition: 0, Offset: 1},
			Kind: canon.KindConsentDecision, ID: decision(at[0], 1).ID, Conversation: at[0], Group: "errors", Stage: string(StageHandle),
			Failure: string(canon.Invalid), Code: canon.CodeRequestInvalid, Cause: "rule 7 is broken", NextStep: canon.CodeRequestInvalid.NextStep(),
			Attempts: 1, DiedAt: l.DiedAt, FirstFailedAt: l.FirstFailedAt, Size: l.Size,
		}
		if d := cmp.Diff(wantLetter, l); d != "" || l.FirstFailedAt.IsZero() || l.DiedAt.IsZero() || l.Size == 0 {
			t.Errorf("dead letter (-want +got):\n%s", d)
		}
	})
}

// kafka-go's Reader commits with the generation of the day: a slow member moves
// the offset back (segmentio/kafka-go#1398).
// Groups that share a topic by what stands in the body do not wait for each
// other, and a record that nobody can read lies in the dead letters once.
func TestGroupsThatSelectDoNotWaitForEachOther(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		r := s.room(t)
		topic := TopicOf(canon.KindConsentDecision)
		slow, quick := conversationID("slow"), conversationID("quick")
		for i := 0; partitionOf([]byte(slow), 3) != partitionOf([]byte(quick), 3); i++ {
			quick = conversationID(fmt.Sprint("quick", i))
		}
		of := func(id canon.ConversationID) func(*ConsumerConfig) {
			mark := []byte(canon.DeriveUUID("exchange", string(id)))
			return func(c *ConsumerConfig) { c.Select = func(body []byte) bool { return bytes.Contains(body, mark) } }
		}
		for n := range 3 {
			if err := r.writer.Publish(deadline(t), decision(slow, n), decision(quick, n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.writer.producer.Produce(deadline(t), &Record{Topic: topic, Partition: 0, Value: []byte("not ours")}); err != nil {
			t.Fatal(err)
		}
		entered := make(chan struct{}, 10)
		_, _ = r.consumer(t, "share.slow", func(ctx context.Context, _ canon.Message) ([]canon.Message, error) {
			entered <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}, of(slow))
		handled := make(chan int, 10)
		_, _ = r.consumer(t, "share.quick", func(_ context.Context, m canon.Message) ([]canon.Message, error) {
			handled <- consent(m)
			return nil, nil
		}, of(quick))
		_, _ = r.consumer(t, "share.rest", func(context.Context, canon.Message) ([]canon.Message, error) { return nil, nil },
			func(c *ConsumerConfig) { c.Select = func(body []byte) bool { return !json.Valid(body) } })
		receive(t, "the slow handler", entered)
		for n := range 3 {
			if got := receive(t, "the quick handler", handled); got != n {
				t.Errorf("handled %d, want %d", got, n)
			}
		}
		await(t, "lag 0 of the others", func() bool {
			return lagOf(t, r.c, "share.quick", topic) == 0 && lagOf(t, r.c, "share.rest", topic) == 0
		})
		if n := len(scan(t, r.c, topic+deadSuffix)); n != 1 {
			t.Errorf("%d dead letters, want 1", n)
		}
		if lag := lagOf(t, r.c, "share.slow", topic); lag < 3 {
			t.Errorf("the slow group lags by %d, want its three at least", lag)
		}
	})
}

func TestNoCommitAfterAPartitionWasLost(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "stale")
		p := s.producer(t, c)
		for i := range 30 {
			if err := p.Produce(deadline(t), &Record{Topic: "stale", Partition: i % 3, Value: fmt.Append(nil, i)}); err != nil {
				t.Fatal(err)
			}
		}
		entered := make(chan struct{}, 100)
		hold := make(chan struct{})
		left := make(chan struct{}, 100)
		stopSlow := startGroup(t, c, "g", []string{"stale"}, func(context.Context, *Record) error {
			entered <- struct{}{}
			<-hold // does not heed its context
			left <- struct{}{}
			return nil
		}, func(g *groupConfig) { g.drain = 50 * time.Millisecond })
		for range 3 {
			receive(t, "the slow member to hold a record of each partition", entered)
		}
		// A second member takes its share, and all of it when the first is gone.
		ch := make(chan *Record, 100)
		startGroup(t, c, "g", []string{"stale"}, func(_ context.Context, r *Record) error { ch <- r; return nil })
		seen := make(map[Position]bool)
		r := receive(t, "a record at the second member", ch)
		seen[r.Position()] = true
		stopSlow()
		for len(seen) < 30 {
			seen[receive(t, "all records at the second member", ch).Position()] = true
		}
		await(t, "lag 0", func() bool { return lagOf(t, c, "g", "stale") == 0 })
		close(hold)
		for range 3 {
			receive(t, "the slow handler to return", left)
		}
		if n := lagOf(t, c, "g", "stale"); n != 0 {
			t.Errorf("lag %d after the slow handler returned", n)
		}
	})
}

func TestMembersShareThePartitionsWithoutLoss(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "share")
		p := s.producer(t, c)
		var mu sync.Mutex
		seen := make(map[Position]int)
		h := func(_ context.Context, r *Record) error {
			mu.Lock()
			defer mu.Unlock()
			seen[r.Position()]++
			return nil
		}
		gens := make(chan int, 100)
		assigned := func(g *groupConfig) {
			g.assigned = func(m map[string][]int) { gens <- len(m["share"]) }
		}
		stop := startGroup(t, c, "share", []string{"share"}, h, assigned)
		receive(t, "the first generation", gens)
		const total = 600
		wrote := make(chan error, 1)
		go func() {
			for i := range total {
				if err := p.Produce(deadline(t), &Record{Topic: "share", Partition: i % 3, Value: fmt.Append(nil, i)}); err != nil {
					wrote <- err
					return
				}
			}
			wrote <- nil
		}()
		startGroup(t, c, "share", []string{"share"}, h, assigned)
		for sum := 0; sum != 3; {
			sum = receive(t, "both members", gens) + receive(t, "both members", gens)
		}
		stop()
		if err := receive(t, "the writer", wrote); err != nil {
			t.Fatal(err)
		}
		await(t, "all records", func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) == total })
		twice := 0
		for _, n := range seen {
			twice += n - 1
		}
		t.Logf("%d of %d records were handled twice over two rebalances", twice, total)
		if twice > total/10 {
			t.Errorf("%d records were handled twice", twice)
		}
	})
}

func TestResultIsOnTheLogBeforeItsInputIsCommitted(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		r := s.room(t)
		m := decision(conversationID(1), 0)
		if err := r.writer.Publish(deadline(t), m); err != nil {
			t.Fatal(err)
		}
		handled := make(chan canon.MessageID, 10)
		h := func(_ context.Context, m canon.Message) ([]canon.Message, error) {
			handled <- m.ID
			return []canon.Message{canon.Follow(m, "audited", m.At, &canon.AuditEvent{Step: "consent.decided", Room: "test", Outcome: "ok"})}, nil
		}
		_, stop := r.consumer(t, "crash", h, func(c *ConsumerConfig) { c.CommitEvery = time.Hour })
		receive(t, "the first handling", handled)
		await(t, "its result", func() bool { return len(scan(t, r.c, TopicOf(canon.KindAudit))) == 1 })
		if n := lagOf(t, r.c, "crash", TopicOf(canon.KindConsentDecision)); n != 1 {
			t.Errorf("lag %d before the commit, want 1", n)
		}
		if err := stop(); err != nil { // commits at the end
			t.Fatal(err)
		}
		if n := lagOf(t, r.c, "crash", TopicOf(canon.KindConsentDecision)); n != 0 {
			t.Errorf("lag %d after the end, want 0", n)
		}
	})
}

// kafka-go's Reader.Close waits for its long poll, up to 10 s.
// TestWhatAForgottenExchangeSays: a worker died after its exchange went on, and
// another handles the message again when the key is destroyed. What it says in
// private can never be written; the rest is, and nobody has to look.
func TestWhatAForgottenExchangeSays(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		r := s.room(t)
		in, private, open := decision(conversationID(1), 1), opened(conversationID(1)), decision(conversationID(1), 2)
		keyring, ok := r.sealer.(*payload.Keyring)
		if !ok {
			t.Fatalf("sealer is a %T", r.sealer)
		}
		if _, err := keyring.Seal(t.Context(), in.Conversation, nil, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := keyring.Forget(t.Context(), in.Conversation); err != nil {
			t.Fatal(err)
		}
		if err := r.writer.Publish(deadline(t), in); err != nil {
			t.Fatal(err)
		}
		_, stop := r.consumer(t, "forgotten", func(_ context.Context, m canon.Message) ([]canon.Message, error) {
			if m.ID == in.ID {
				return []canon.Message{private, open}, nil
			}
			return nil, nil
		})
		await(t, "what is open", func() bool { return len(scan(t, r.c, TopicOf(open.Kind))) == 2 })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if got := scan(t, r.c, TopicOf(private.Kind)); len(got) != 0 {
			t.Errorf("%d private messages were written", len(got))
		}
		if got := scan(t, r.c, DeadLetters(TopicOf(in.Kind))); len(got) != 0 {
			t.Errorf("%d dead letters", len(got))
		}
	})
}

func TestConsumerEndsPromptly(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "prompt")
		gens := make(chan struct{}, 10)
		stop := startGroup(t, c, "prompt", []string{"prompt"}, func(context.Context, *Record) error { return nil }, func(g *groupConfig) {
			g.maxWait = 20 * time.Second
			g.assigned = func(map[string][]int) { gens <- struct{}{} }
		})
		receive(t, "the partitions", gens)
		start := time.Now()
		stop()
		if d := time.Since(start); d > 2*time.Second {
			t.Errorf("ending took %v", d)
		}
	})
}

func TestCorruptBatchStopsItsPartitionOnly(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		w := c.wired(t)
		s.topics(t, c, "corrupt")
		p := s.producer(t, c)
		for i := range 4 {
			for partition := range 3 {
				if err := p.Produce(deadline(t), &Record{Topic: "corrupt", Partition: partition, Value: fmt.Appendf(nil, "p%d-%d", partition, i)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.on(protocol.Fetch, -1, flip("p1-2"))
		alarms := make(chan Alarm, 10)
		ch := make(chan string, 20)
		startGroup(t, c, "corrupt", []string{"corrupt"}, func(_ context.Context, r *Record) error { ch <- string(r.Value); return nil },
			func(g *groupConfig) { g.alarm = func(a Alarm) { alarms <- a } })
		got := make(map[string]bool)
		for len(got) < 10 {
			got[receive(t, "ten good records", ch)] = true
		}
		a := receive(t, "the alarm", alarms)
		if a.Reason != AlarmCorrupt || a.Partition != 1 || a.Offset != 2 || !errors.Is(a.Err, ErrCorrupt) {
			t.Errorf("alarm %+v", a)
		}
		if got["p1-2"] || got["p1-3"] || len(ch) != 0 {
			t.Errorf("delivered %v", got)
		}
		await(t, "lag 2", func() bool { return lagOf(t, c, "corrupt", "corrupt") == 2 })
	})
}

func TestCorruptAnswerIsFetchedAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		w := c.wired(t)
		s.topics(t, c, "once")
		p := s.producer(t, c)
		if err := p.Produce(deadline(t), &Record{Topic: "once", Partition: 0, Value: []byte("right")}); err != nil {
			t.Fatal(err)
		}
		r := w.on(protocol.Fetch, 1, flip("right"))
		ch := make(chan string, 20)
		startGroup(t, c, "once", []string{"once"}, func(_ context.Context, r *Record) error { ch <- string(r.Value); return nil },
			func(g *groupConfig) { g.alarm = func(a Alarm) { t.Errorf("alarm %+v", a) } })
		receive(t, "the changed answer", r.seen)
		if got := receive(t, "the record", ch); got != "right" {
			t.Errorf("got %q", got)
		}
	})
}

func TestConsumerGoesOnWhenTheBrokerIsBack(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		w := c.wired(t)
		s.topics(t, c, "back")
		p := s.producer(t, c)
		ch := make(chan string, 20)
		startGroup(t, c, "back", []string{"back"}, func(_ context.Context, r *Record) error { ch <- string(r.Value); return nil })
		if err := p.Produce(deadline(t), &Record{Topic: "back", Partition: 0, Value: []byte("0")}); err != nil {
			t.Fatal(err)
		}
		receive(t, "the record before", ch)
		w.take(true)
		done := make(chan error, 1)
		go func() { done <- p.Produce(deadline(t), &Record{Topic: "back", Partition: 0, Value: []byte("1")}) }()
		w.take(false)
		if err := receive(t, "the write", done); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, "the record after", ch); got != "1" {
			t.Errorf("got %s", got)
		}
	})
}

// A committed offset that is not on the log any more raises an alarm; what is on
// the log is read, from its beginning. Nothing is passed over in silence.
func TestOffsetsThatAreNotOnTheLogRaiseAnAlarm(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "shrunk")
		p := s.producer(t, c)
		for i := range 5 {
			if err := p.Produce(deadline(t), &Record{Topic: "shrunk", Partition: 0, Value: fmt.Append(nil, i)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := commitAt(deadline(t), s, c, "shrunk", "shrunk", 0, 100); err != nil {
			t.Fatal(err)
		}
		alarms := make(chan Alarm, 10)
		ch := make(chan string, 20)
		startGroup(t, c, "shrunk", []string{"shrunk"}, func(_ context.Context, r *Record) error { ch <- string(r.Value); return nil },
			func(g *groupConfig) { g.alarm = func(a Alarm) { alarms <- a } })
		if a := receive(t, "the alarm", alarms); a.Reason != AlarmWentBack || a.Offset != 100 {
			t.Errorf("alarm %+v", a)
		}
		for i := range 5 {
			if got := receive(t, "the records", ch); got != fmt.Sprint(i) {
				t.Errorf("got %s, want %d", got, i)
			}
		}
		await(t, "lag 0", func() bool { return lagOf(t, c, "shrunk", "shrunk") == 0 })
	})
}

func TestSlowHandlerRaisesAnAlarm(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		c := s.cluster(t)
		s.topics(t, c, "stall")
		p := s.producer(t, c)
		if err := p.Produce(deadline(t), &Record{Topic: "stall", Partition: 0, Value: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		entered := make(chan struct{}, 1)
		hold := make(chan struct{})
		alarms := make(chan Alarm, 100)
		startGroup(t, c, "stall", []string{"stall"}, func(ctx context.Context, _ *Record) error {
			entered <- struct{}{}
			select {
			case <-hold:
			case <-ctx.Done():
			}
			return nil
		}, func(g *groupConfig) { g.stall = 40 * time.Millisecond; g.alarm = func(a Alarm) { alarms <- a } })
		receive(t, "the handler", entered)
		if a := receive(t, "the alarm", alarms); a.Reason != AlarmSlow || a.Offset != 0 {
			t.Errorf("alarm %+v", a)
		}
		close(hold)
		await(t, "lag 0", func() bool { return lagOf(t, c, "stall", "stall") == 0 })
	})
}
