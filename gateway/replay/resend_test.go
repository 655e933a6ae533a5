package replay_test

import (
	"testing"

	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

func TestAResendKeepsTheIDAndNamesItsSeries(t *testing.T) {
	x := newRoom(t)
	x.write(t, record(requests, 1, 1), record(requests, 2, 1))
	for series := 1; series <= 7; series++ { // also more often than a replay may
		p, err := x.r.PlanResend(t.Context(), replay.Selection{Topics: []string{requests}, Conversation: conversation(1), Message: message(2)}, series)
		if err != nil {
			t.Fatal(err)
		}
		if p.Messages != 1 || p.Series != series {
			t.Fatalf("plan: %d messages of series %d, want 1 of %d", p.Messages, p.Series, series)
		}
		x.run(t, p, replay.RunOptions{Reason: "partner mended its P-Mode"})
		all := x.log.all(requests)
		last := all[len(all)-1]
		id, _ := last.Header(replay.HeaderID)
		of, _ := last.Header(replay.HeaderReplayOf)
		got, _ := last.Header(replay.HeaderSeries)
		if id != string(message(2)) || of != id || got != string(rune('0'+series)) {
			t.Errorf("series %d: sent again as %s of %s with series %q", series, id, of, got)
		}
		if n := len(all); n != 2+series {
			t.Errorf("series %d: %d records, want %d", series, n, 2+series)
		}
	}
	if e := x.audits.events[0]; e.Step != "message.resend" || e.Outcome != "started" || e.Reason == "" {
		t.Errorf("audited as %+v", e)
	}
}

func TestAResendIsRefused(t *testing.T) {
	x := newRoom(t)
	x.write(t, record(requests, 1, 1))
	sel := replay.Selection{Topics: []string{requests}, Message: message(1)}
	if _, err := x.r.PlanResend(t.Context(), sel, 0); canon.AsFault(err).Code != canon.CodeBadInput {
		t.Errorf("series 0: %v", err)
	}
	p, err := x.r.PlanResend(t.Context(), sel, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.r.Run(t.Context(), p, replay.RunOptions{}); canon.AsFault(err).Code != canon.CodeBadInput {
		t.Errorf("without a reason: %v", err)
	}
	changed := *p
	changed.Series = 2
	if _, err := x.r.Run(t.Context(), &changed, replay.RunOptions{Reason: "r"}); canon.AsFault(err).Code != canon.CodeBadInput {
		t.Errorf("with another series than planned: %v", err)
	}
	sel.Dead = true
	if p, err = x.r.PlanResend(t.Context(), sel, 1); err == nil {
		_, err = x.r.Run(t.Context(), p, replay.RunOptions{Reason: "r"})
	}
	if canon.AsFault(err).Code != canon.CodeBadInput {
		t.Errorf("of dead letters: %v", err)
	}
}
