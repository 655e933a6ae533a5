package replay_test

import (
	"context"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (x *room) letters(t *testing.T, all bool) []replay.Letter {
	t.Helper()
	var out []replay.Letter
	err := x.r.Letters(t.Context(), replay.Selection{Topics: []string{queries}}, all, func(l replay.Letter) error {
		out = append(out, l)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLettersAreListed(t *testing.T) {
	x := newRoom(t)
	unreadable := replay.Record{Topic: queries + ".dlq", Key: []byte("Aino Testi"), Value: []byte("?"),
		Headers: []replay.Header{{Key: replay.HeaderErrorCode, Value: []byte("Aino")}, {Key: replay.HeaderID, Value: []byte("Aino")}}}
	x.write(t, letter(queries, 1, 1), unreadable)
	got := x.letters(t, false)
	if len(got) != 2 {
		t.Fatalf("%d letters, want 2", len(got))
	}
	l := got[0]
	if l.DiedAt.IsZero() || l.FirstFailedAt.IsZero() {
		t.Errorf("times are missing: %+v", l)
	}
	want := replay.Letter{
		Position: queries + ".dlq/0/0", Topic: queries, Origin: replay.Origin{Topic: queries, Partition: 1, Offset: 7}, Kind: queries, ID: message(1), Conversation: conversation(1),
		Code: canon.CodeMappingFailed, Cause: "register.yaml:11:27 [31m no such place", Group: "registers", Stage: "TASK_PUT", Failure: "invalid", NextStep: canon.CodeMappingFailed.NextStep(),
		Attempts: 3, Size: len(`{"n":1}`), DiedAt: l.DiedAt, FirstFailedAt: l.FirstFailedAt,
	}
	if diff := cmp.Diff(want, l); diff != "" {
		t.Errorf("letter (-want +got):\n%s", diff)
	}
	// What is not of the gateway's own form is not shown: it may be anything.
	if l := got[1]; l.ID != "" || l.Conversation != "" || l.Code != "" {
		t.Errorf("unreadable letter shows %+v", l)
	}
}

func TestRedrive(t *testing.T) {
	x := newRoom(t)
	x.write(t,
		letter(queries, 1, 1),
		letter(queries, 2, 2, replay.Header{Key: replay.HeaderReplayOf, Value: []byte(message(2))}, replay.Header{Key: replay.HeaderReplayCount, Value: []byte("4")}),
		letter(queries, 3, 3, replay.Header{Key: replay.HeaderReplayCount, Value: []byte("5")}),
		letter(queries, 4, 3, replay.Header{Key: replay.HeaderReplayCount, Value: []byte("many")}),
		letter(queries, 1, 1))
	sel := replay.Selection{Topics: []string{queries}, Dead: true}
	p := x.plan(t, sel, false)
	if want := map[replay.Reason]int{replay.SkipLoop: 2, replay.SkipDuplicate: 1}; p.Messages != 2 || !cmp.Equal(want, p.Skipped) {
		t.Fatalf("plan: %d messages, %v", p.Messages, p.Skipped)
	}
	rep := x.run(t, p, replay.RunOptions{})
	if rep.Sent != 2 {
		t.Fatalf("report %+v", rep)
	}
	for _, r := range x.log.all(queries) {
		id, _ := r.Header(replay.HeaderID)
		of, _ := r.Header(replay.HeaderReplayOf)
		n, _ := r.Header(replay.HeaderReplayCount)
		want := map[string]string{string(message(1)): "1", string(message(2)): "5"}[id]
		if of != id || n != want {
			t.Errorf("redriven %s: of %s, count %s, want %s", id, of, n, want)
		}
		for _, h := range r.Headers {
			if replay.IsCause(h.Key) {
				t.Errorf("redriven %s still tells of its failure: %s", id, h.Key)
			}
		}
		if first, _ := r.Header(replay.HeaderFirstFailed); first != "2026-11-01T11:00:00Z" {
			t.Errorf("redriven %s failed first at %q", id, first)
		}
		if _, ok := r.Header("traceparent"); !ok {
			t.Errorf("redriven %s lost its trace", id)
		}
	}
	// Dealt with: the two, and the second letter of the first.
	var open, settled int
	for _, l := range x.letters(t, true) {
		if l.Settled == replay.SettledRedriven {
			settled++
		} else {
			open++
		}
	}
	if open != 2 || settled != 3 || len(x.letters(t, false)) != 2 {
		t.Errorf("%d open, %d settled, want 2, 3", open, settled)
	}
	if p := x.plan(t, sel, false); p.Messages != 0 || p.Skipped[replay.SkipSettled] != 3 {
		t.Errorf("a second redrive would send %d (%v)", p.Messages, p.Skipped)
	}
	if diff := cmp.Diff([]string{"dead-letter.redrive started", "dead-letter.redrive done"}, x.audits.steps()); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

// A letter that dies again is a new letter, with its count.
func TestLoopGuard(t *testing.T) {
	x := newRoom(t)
	x.write(t, letter(queries, 1, 1))
	rounds := 0
	for ; rounds < 20; rounds++ {
		p := x.plan(t, replay.Selection{Topics: []string{queries}, Dead: true}, false)
		if p.Messages == 0 {
			break
		}
		x.run(t, p, replay.RunOptions{})
		all := x.log.all(queries)
		died := all[len(all)-1]
		died.Topic += ".dlq"
		x.write(t, died)
	}
	if rounds != 5 {
		t.Errorf("%d rounds, want 5", rounds)
	}
}

func TestDiscard(t *testing.T) {
	x := newRoom(t)
	x.write(t, letter(queries, 1, 1), letter(queries, 2, 2))
	sel := replay.Selection{Topics: []string{queries}, Message: message(1)}
	p, err := x.r.PlanDiscard(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []string{"", " \n"} {
		if _, err := x.r.Run(t.Context(), p, replay.RunOptions{Reason: reason}); canon.AsFault(err).Kind != canon.Invalid {
			t.Errorf("discarding for the reason %q: %v", reason, err)
		}
	}
	x.run(t, p, replay.RunOptions{Reason: "test data"})
	if n := len(x.log.all(queries)); n != 0 {
		t.Errorf("%d records were sent", n)
	}
	if left := x.letters(t, false); len(left) != 1 || left[0].ID != message(2) {
		t.Errorf("left: %+v", left)
	}
	if diff := cmp.Diff([]string{"dead-letter.discard started", "dead-letter.discard done"}, x.audits.steps()); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

// Whatever lies there can be put away, also what can never be sent.
func TestEveryLetterCanBeDiscarded(t *testing.T) {
	x := newRoom(t, func(c *replay.Config) {
		c.Forgotten = func(_ context.Context, id canon.ConversationID) (bool, error) { return id == conversation(9), nil }
	})
	tombstone := letter(queries, 6, 1)
	tombstone.Value = nil
	x.write(t, letter(queries, 1, 1), letter(queries, 1, 1), // twice
		letter(queries, 2, 9), // forgotten
		letter(queries, 3, 3, replay.Header{Key: replay.HeaderReplayCount, Value: []byte("5")}),
		replay.Record{Topic: queries + ".dlq", Value: []byte("?")}, // no id, no key
		tombstone)
	if n := len(x.letters(t, false)); n != 6 {
		t.Fatalf("%d letters, want 6", n)
	}
	sel := replay.Selection{Topics: []string{queries}, Dead: true}
	if p := x.plan(t, sel, false); p.Messages != 1 {
		t.Errorf("%d could be redriven, want 1", p.Messages)
	}
	p, err := x.r.PlanDiscard(t.Context(), sel)
	if err != nil || p.Messages != 6 || p.Exchanges != 3 || len(p.Skipped) != 0 {
		t.Fatalf("plan %+v, %v", p, err)
	}
	// Begun, and gone on with later: the job still discards.
	rep := x.run(t, p, replay.RunOptions{Reason: "test data", Max: 4})
	if rep.Outcome != replay.Stopped || len(x.letters(t, false)) != 2 {
		t.Fatalf("report %+v, %d left", rep, len(x.letters(t, false)))
	}
	if p, err = x.r.Resume(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	rep = x.run(t, p, replay.RunOptions{Reason: "test data"})
	if rep.Sent != 6 || len(x.letters(t, false)) != 0 || len(x.log.all(queries)) != 0 {
		t.Errorf("report %+v, %d left, %d sent", rep, len(x.letters(t, false)), len(x.log.all(queries)))
	}
	for _, l := range x.letters(t, true) {
		if l.Settled != replay.SettledDiscarded {
			t.Errorf("%s is %q", l.Position, l.Settled)
		}
	}
}

// A record may die whose own headers look like a settlement: it is a letter, and
// settles none.
func TestALetterIsNoSettlement(t *testing.T) {
	x := newRoom(t)
	forged := letter(queries, 2, 2,
		replay.Header{Key: replay.HeaderSettles, Value: []byte(queries + ".dlq/0/0")},
		replay.Header{Key: replay.HeaderSettlement, Value: []byte(replay.SettledDiscarded)})
	x.write(t, letter(queries, 1, 1), forged)
	note := func(at, how string) replay.Record {
		return replay.Record{Topic: queries + ".dlq", Value: []byte{}, Headers: []replay.Header{
			{Key: replay.HeaderSettles, Value: []byte(at)}, {Key: replay.HeaderSettlement, Value: []byte(how)}}}
	}
	x.write(t, note("0", replay.SettledRedriven), note(requests+".dlq/0/0", replay.SettledRedriven), note(queries+".dlq/0/0", "lost"),
		note(queries+".dlq/7/0", replay.SettledRedriven), note(queries+".dlq/0/9223372036854775806", replay.SettledRedriven))
	if got := x.letters(t, false); len(got) != 2 {
		t.Errorf("%d letters wait, want 2: %+v", len(got), got)
	}
	x.write(t, note(queries+".dlq/0/0", replay.SettledRedriven))
	if got := x.letters(t, false); len(got) != 1 || got[0].ID != message(2) {
		t.Errorf("left: %+v", got)
	}
}

func TestShow(t *testing.T) {
	x := newRoom(t)
	x.write(t, letter(queries, 1, 1))
	l, rec, err := x.r.Show(t.Context(), queries+".dlq/0/0")
	if err != nil || l.ID != message(1) || string(rec.Value) != `{"n":1}` {
		t.Fatalf("Show = %+v, %v", l, err)
	}
	x.run(t, x.plan(t, replay.Selection{Topics: []string{queries}, Dead: true}, false), replay.RunOptions{})
	if l, _, err := x.r.Show(t.Context(), queries+".dlq/0/0"); err != nil || l.Settled != replay.SettledRedriven {
		t.Errorf("Show after redrive = %+v, %v", l, err)
	}
	for _, at := range []string{"", "x", queries + "/0/0", queries + ".dlq/0", queries + ".dlq/-1/0", queries + ".dlq/0/x", queries + ".dlq/0/1", queries + ".dlq/0/99"} {
		if _, _, err := x.r.Show(t.Context(), at); err == nil {
			t.Errorf("Show(%q) found something", at)
		}
	}
}
