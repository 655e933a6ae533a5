package kafkalog

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

// replayer is gateway/replay over the log of the room; steps are what it has
// recorded of itself.
func (r *room) replayer(t *testing.T) (rp *replay.Replayer, steps func() []string) {
	t.Helper()
	log := NewReplayLog(r.c, r.producer)
	var recorded []string
	rp, err := replay.New(replay.Config{
		Source: log, Sink: log, Checkpoints: replay.FileCheckpoints{Dir: t.TempDir()},
		Audit: func(_ context.Context, e canon.AuditEvent) error {
			recorded = append(recorded, e.Step+" "+e.Outcome)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return rp, func() []string { return recorded }
}

// letters lists the dead letters of decisions.
func (r *room) letters(t *testing.T, all bool) (out []replay.Letter) {
	t.Helper()
	rp, _ := r.replayer(t)
	err := rp.Letters(deadline(t), decisions, all, func(l replay.Letter) error { out = append(out, l); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var decisions = replay.Selection{Topics: []string{TopicOf(canon.KindConsentDecision)}, Dead: true}

func runPlan(t *testing.T, rp *replay.Replayer, p *replay.Plan, opt replay.RunOptions) *replay.Report {
	t.Helper()
	opt.Rate = 100_000
	rep, err := rp.Run(deadline(t), p, opt)
	if err != nil || rep.Outcome != replay.Done {
		t.Fatalf("run: %+v, %v", rep, err)
	}
	return rep
}

func redrive(t *testing.T, rp *replay.Replayer, sel replay.Selection) *replay.Report {
	t.Helper()
	p, err := rp.Plan(deadline(t), sel, false)
	if err != nil {
		t.Fatal(err)
	}
	return runPlan(t, rp, p, replay.RunOptions{})
}

func TestDeadLettersKeepTheOriginalAndAreRedriven(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		r := s.room(t)
		rp, steps := r.replayer(t)
		topic := TopicOf(canon.KindConsentDecision)
		// Nothing that decodes: bytes, key and headers must come back as they were.
		bad := &Record{Topic: topic, Partition: -1, Key: []byte("no uuid"), Value: []byte("{\x00\xff"), Headers: []Header{{"x", nil}, {"x", []byte{1}}, {headerID, []byte("none")}}}
		if err := r.producer.Produce(deadline(t), bad); err != nil {
			t.Fatal(err)
		}
		m := decision(conversationID(1), 0)
		if err := r.writer.Publish(deadline(t), m); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		mended := false
		got := make(chan canon.Message, 4)
		_, _ = r.consumer(t, "dead", func(_ context.Context, m canon.Message) ([]canon.Message, error) {
			mu.Lock()
			defer mu.Unlock()
			if !mended {
				return nil, canon.NewFault(canon.CodeMappingFailed, nil, "births.yaml:3:4")
			}
			got <- m
			return nil, nil
		})
		await(t, "two dead letters", func() bool { return len(r.letters(t, false)) == 2 })
		var undecodable, invalid replay.Letter
		for _, l := range r.letters(t, false) {
			if l.ID == m.ID {
				invalid = l
			} else {
				undecodable = l
			}
		}
		_, rec, err := rp.Show(deadline(t), undecodable.Position)
		if err != nil {
			t.Fatal(err)
		}
		var original []Header
		for _, h := range rec.Headers[:3] {
			original = append(original, Header(h))
		}
		if d := cmp.Diff(Record{Key: bad.Key, Value: bad.Value, Headers: bad.Headers}, Record{Key: rec.Key, Value: rec.Value, Headers: original}); d != "" {
			t.Errorf("original (-want +got):\n%s", d)
		}
		if l := undecodable; l.Stage != string(StageDecode) || l.Code != canon.CodeMessageInvalid || l.Conversation != "" || l.ID != "" ||
			l.Origin != (replay.Origin{Topic: topic, Partition: bad.Partition, Offset: bad.Offset}) {
			t.Errorf("undecodable: %+v", l)
		}

		// Redriven before the cause is removed it dies again, and is counted. What has
		// no id is not sent, and what was settled is not sent twice.
		if rep := redrive(t, rp, decisions); rep.Sent != 1 || rep.Skipped[replay.SkipForeign] != 1 {
			t.Errorf("first redrive: %+v", rep)
		}
		again := func() (l replay.Letter) {
			for _, d := range r.letters(t, false) {
				if d.ID == m.ID {
					l = d
				}
			}
			return l
		}
		await(t, "the second death", func() bool { return again().Replays == 1 })
		if l := again(); !l.FirstFailedAt.Equal(invalid.FirstFailedAt) || l.Origin.Offset == invalid.Origin.Offset || l.Attempts != 1 {
			t.Errorf("second death %+v, first %+v", l, invalid)
		}
		// No header is there twice, however often the record dies.
		if _, rec, err := rp.Show(deadline(t), again().Position); err != nil {
			t.Error(err)
		} else {
			seen := make(map[string]bool)
			for _, h := range rec.Headers {
				if seen[h.Key] {
					t.Errorf("header %s twice", h.Key)
				}
				seen[h.Key] = true
			}
		}
		mu.Lock()
		mended = true
		mu.Unlock()
		if rep := redrive(t, rp, decisions); rep.Sent != 1 || rep.Skipped[replay.SkipSettled] != 1 {
			t.Errorf("second redrive: %+v", rep)
		}
		m.ReplayOf = m.ID
		if d := cmp.Diff(m, receive(t, "the message", got)); d != "" {
			t.Errorf("redriven (-want +got):\n%s", d)
		}
		if rep := redrive(t, rp, decisions); rep.Sent != 0 || rep.Skipped[replay.SkipSettled] != 2 {
			t.Errorf("third redrive: %+v", rep)
		}
		var live []Record
		for _, rec := range scan(t, r.c, topic) {
			if _, ok := rec.Header(headerReplayOf); ok {
				live = append(live, rec)
			}
		}
		if len(live) != 2 {
			t.Fatalf("%d records were redriven, want 2", len(live))
		}
		if n, _ := live[1].Header(replay.HeaderReplayCount); n != "2" {
			t.Errorf("replay count %s, want 2", n)
		}
		for _, h := range live[1].Headers {
			if replay.IsCause(h.Key) {
				t.Errorf("redriven with %s", h.Key)
			}
		}
		p, err := rp.PlanDiscard(deadline(t), decisions)
		if err != nil || p.Messages != 1 {
			t.Fatalf("plan to discard: %+v, %v", p, err)
		}
		if _, err := rp.Run(deadline(t), p, replay.RunOptions{Reason: " "}); canon.AsFault(err).Kind != canon.Invalid {
			t.Errorf("discarding without a reason: %v", err)
		}
		runPlan(t, rp, p, replay.RunOptions{Reason: "test of the writer"})
		if l := r.letters(t, false); len(l) != 0 {
			t.Errorf("left: %+v", l)
		}
		var settled []string
		for _, l := range r.letters(t, true) {
			settled = append(settled, l.Settled)
		}
		if len(settled) != 3 || strings.Count(strings.Join(settled, " "), replay.SettledDiscarded) != 1 {
			t.Errorf("settled: %v", settled)
		}
		if _, _, err := rp.Show(deadline(t), topic+"/0/0"); canon.AsFault(err).Code != canon.CodeBadInput {
			t.Errorf("a living record as dead letter: %v", err)
		}
		if got := steps(); len(got) != 8 || got[0] != "dead-letter.redrive started" || got[7] != "dead-letter.discard done" {
			t.Errorf("recorded %q", got)
		}
	})
}

// A message that dies each time is not sent for ever.
func TestRedriveEndsAtTheLoopGuard(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		r := s.room(t)
		rp, _ := r.replayer(t)
		if err := r.writer.Publish(deadline(t), decision(conversationID(1), 0)); err != nil {
			t.Fatal(err)
		}
		_, _ = r.consumer(t, "loop", func(context.Context, canon.Message) ([]canon.Message, error) {
			return nil, canon.NewFault(canon.CodeMappingFailed, nil, "births.yaml:3:4")
		})
		for round := range 5 {
			await(t, "death", func() bool { l := r.letters(t, false); return len(l) == 1 && l[0].Replays == round })
			if rep := redrive(t, rp, decisions); rep.Sent != 1 {
				t.Fatalf("round %d: %+v", round, rep)
			}
		}
		await(t, "the last death", func() bool { l := r.letters(t, false); return len(l) == 1 && l[0].Replays == 5 })
		if rep := redrive(t, rp, decisions); rep.Sent != 0 || rep.Skipped[replay.SkipLoop] != 1 {
			t.Errorf("after five rounds: %+v", rep)
		}
	})
}

func TestABuriedRecordTellsOnlyOfItsLastDeath(t *testing.T) {
	first := "2026-03-04T05:06:07.000000008Z"
	r := &Record{Topic: "evidence.request.v1", Partition: 2, Offset: 9, Key: []byte("k"), Value: []byte{}, Headers: []Header{
		{"mine", []byte("1")}, {replay.HeaderStage, []byte("old")}, {replay.HeaderFirstFailed, []byte(first)},
		{"kafka_dlt-exception-stacktrace", []byte("old")}, {replay.HeaderReplayCount, []byte("3")},
	}}
	d := Death{Group: "g", Stage: StagePublish, Code: canon.CodeMappingFailed, Kind: canon.Invalid, Detail: strings.Repeat("ä", 1024), Attempts: 4, FirstFailedAt: time.Unix(1_800_000_000, 0)}
	got := make(map[string]string)
	letter := deadLetter(r, d)
	for _, h := range letter.Headers {
		if _, twice := got[h.Key]; twice {
			t.Errorf("header %s twice", h.Key)
		}
		got[h.Key] = string(h.Value)
	}
	want := map[string]string{
		"mine": "1", replay.HeaderReplayCount: "3", "__connect.errors.topic": "evidence.request.v1", "__connect.errors.partition": "2", "__connect.errors.offset": "9",
		"__connect.errors.connector.name": "g", "__connect.errors.task.id": "2", "__connect.errors.stage": "KAFKA_PRODUCE",
		"__connect.errors.class.name": "oncegate/gateway/kafkalog.Consumer", "__connect.errors.exception.class.name": "canon.Fault.invalid",
		"__connect.errors.exception.message": strings.Repeat("ä", 512) + "…", "gw_error_code": string(canon.CodeMappingFailed),
		"gw_attempts": strconv.Itoa(4), "gw_first_failed_at": first,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if letter.Topic != "evidence.request.v1.dlq" || letter.Partition != 0 || string(letter.Key) != "k" || letter.Value == nil || len(r.Headers) != 5 {
		t.Errorf("letter %+v", letter)
	}
	r.Headers[2].Value = []byte("yesterday")
	if s, _ := deadLetter(r, d).Header(replay.HeaderFirstFailed); s != d.FirstFailedAt.UTC().Format(time.RFC3339Nano) {
		t.Errorf("first failed %q", s)
	}
}
