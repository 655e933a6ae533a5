package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

const (
	queries  = "register.query.v1"
	requests = "evidence.request.v1"
)

func ptr[T any](v T) *T { return &v }

func TestPlanCountsAndSendsNothing(t *testing.T) {
	x := newRoom(t, func(c *replay.Config) {
		c.Known = func(_ context.Context, _ canon.Kind, _ canon.ConversationID, m canon.MessageID) (bool, error) {
			return m == message(1) || m == message(4), nil
		}
		c.Forgotten = func(_ context.Context, id canon.ConversationID) (bool, error) { return id == conversation(3), nil }
	})
	foreign := replay.Record{Topic: queries, Key: []byte("k"), Value: []byte("x")}
	tombstone := record(queries, 9, 1)
	tombstone.Value = nil
	x.write(t, record(queries, 1, 1), record(queries, 2, 1), record(queries, 3, 2), record(queries, 1, 1), // 1 twice
		record(queries, 5, 3), foreign, tombstone, record(queries, 6, 2, replay.Header{Key: replay.HeaderReplayCount, Value: []byte("5")}),
		record(requests, 4, 1))
	before := x.log.writes
	p := x.plan(t, replay.Selection{Topics: []string{queries, requests}}, false)
	if x.log.writes != before || len(x.audits.events) > 0 {
		t.Error("a plan had an effect")
	}
	got := *p
	if got.ID == "" || got.CreatedAt.IsZero() || got.First.IsZero() || !got.First.Before(got.Last) || len(got.Spans) == 0 {
		t.Errorf("head of the plan: %+v", got)
	}
	want := replay.Plan{
		Messages: 4, Exchanges: 2, Swallowed: ptr(2), Bytes: 4 * int64(len(`{"n":1}`)),
		Kinds: []replay.KindCount{
			{Kind: requests, Messages: 1, Exchanges: 1, Swallowed: ptr(1)},
			{Kind: queries, Messages: 3, Exchanges: 2, Swallowed: ptr(1)},
		},
		Skipped: map[replay.Reason]int{replay.SkipDuplicate: 1, replay.SkipForeign: 1, replay.SkipTombstone: 1, replay.SkipForgotten: 1, replay.SkipLoop: 1},
	}
	got.ID, got.CreatedAt, got.First, got.Last, got.Spans, got.Selection = "", time.Time{}, time.Time{}, time.Time{}, nil, replay.Selection{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	again := x.plan(t, replay.Selection{Topics: []string{queries, requests}}, true)
	if again.Messages != 4 || *again.Swallowed != 0 {
		t.Errorf("with new ids: %d messages, %d swallowed, want 4, 0", again.Messages, *again.Swallowed)
	}
}

func TestSelections(t *testing.T) {
	x := newRoom(t)
	for i := range 10 {
		x.write(t, record(queries, i, i%3, replay.Header{Key: "lane", Value: fmt.Append(nil, i%2)}))
	}
	all := x.log.all(queries)
	at := func(i int) time.Time { // time of message i
		for _, r := range all {
			if id, _ := r.Header(replay.HeaderID); id == string(message(i)) {
				return r.Time
			}
		}
		t.Fatal("no such message")
		return time.Time{}
	}
	perPartition := make(map[int]int)
	for _, r := range all {
		perPartition[r.Partition]++
	}
	q := []string{queries}
	tests := map[string]struct {
		sel  replay.Selection
		want int
	}{
		"all":              {replay.Selection{Topics: q}, 10},
		"twice the topic":  {replay.Selection{Topics: []string{queries, queries}}, 10},
		"from a time":      {replay.Selection{Topics: q, From: at(4)}, 6},
		"up to a time":     {replay.Selection{Topics: q, To: at(4)}, 4},
		"between times":    {replay.Selection{Topics: q, From: at(2), To: at(4)}, 2},
		"since":            {replay.Selection{Topics: q, Since: time.Hour}, 10},
		"since just now":   {replay.Selection{Topics: q, Since: time.Nanosecond}, 0},
		"one conversation": {replay.Selection{Topics: q, Conversation: conversation(0)}, 4},
		"one message":      {replay.Selection{Topics: q, Message: message(7)}, 1},
		"a header":         {replay.Selection{Topics: q, Headers: map[string]string{"lane": "1"}}, 5},
		"no such header":   {replay.Selection{Topics: q, Headers: map[string]string{"lane": "7"}}, 0},
		"a partition":      {replay.Selection{Topics: q, Partition: ptr(1)}, perPartition[1]},
		"an offset":        {replay.Selection{Topics: q, Partition: ptr(0), FromOffset: ptr(int64(1))}, perPartition[0] - 1},
		"one offset":       {replay.Selection{Topics: q, Partition: ptr(0), FromOffset: ptr(int64(0)), ToOffset: ptr(int64(1))}, 1},
		"limit":            {replay.Selection{Topics: q, Limit: 3}, 3},
		"dead":             {replay.Selection{Topics: q, Dead: true}, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := x.plan(t, tc.sel, false)
			if p.Messages != tc.want {
				t.Errorf("%d messages, want %d", p.Messages, tc.want)
			}
			if p.Truncated != (name == "limit") {
				t.Errorf("truncated: %v", p.Truncated)
			}
		})
	}
}

func TestSelectionsRefused(t *testing.T) {
	x := newRoom(t)
	two := []string{queries, requests}
	tests := map[string]replay.Selection{
		"no topic":            {},
		"payloads":            {Topics: []string{"payload.v1"}},
		"keys":                {Topics: []string{"payload.key.v1"}},
		"a state":             {Topics: []string{"routing.route.v1"}},
		"dlq by name":         {Topics: []string{queries + ".dlq"}},
		"offsets of two":      {Topics: two, FromOffset: ptr(int64(1))},
		"partition of two":    {Topics: two, Partition: ptr(1)},
		"negative partition":  {Topics: two[:1], Partition: ptr(-1)},
		"negative offset":     {Topics: two[:1], ToOffset: ptr(int64(-1))},
		"empty offsets":       {Topics: two[:1], FromOffset: ptr(int64(2)), ToOffset: ptr(int64(2))},
		"empty times":         {Topics: two, From: start, To: start},
		"since and from":      {Topics: two, From: start, Since: time.Hour},
		"negative since":      {Topics: two, Since: -1},
		"message is no id":    {Topics: two, Message: "x"},
		"limit beyond memory": {Topics: two, Limit: 1e9},
	}
	for name, sel := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := x.r.Plan(t.Context(), sel, false); canon.AsFault(err) == nil || canon.AsFault(err).Kind != canon.Invalid {
				t.Errorf("Plan = %v, want a fault of kind Invalid", err)
			}
		})
	}
}

// Covers: B-025
func TestRunSendsTheSameMarked(t *testing.T) {
	x := newRoom(t)
	for i := range 7 {
		x.write(t, record(queries, i, i%3))
	}
	old := x.log.all(queries)
	p := x.plan(t, replay.Selection{Topics: []string{queries}}, false)
	x.write(t, record(queries, 99, 1)) // later than the plan: not part of it
	var progress []int
	rep := x.run(t, p, replay.RunOptions{Progress: func(r replay.Report) { progress = append(progress, r.Sent) }})
	if rep.Outcome != replay.Done || rep.Sent != 7 || rep.Job != p.ID || rep.EndedAt.IsZero() {
		t.Errorf("report %+v", rep)
	}
	if len(progress) == 0 || progress[len(progress)-1] != 7 {
		t.Errorf("progress %v", progress)
	}
	var sent []replay.Record
	for _, r := range x.log.all(queries) {
		if _, ok := r.Header(replay.HeaderReplayOf); ok {
			sent = append(sent, r)
		}
	}
	if len(sent) != 7 {
		t.Fatalf("%d records were sent, want 7", len(sent))
	}
	for i, r := range sent {
		o := old[i] // order within each partition is kept
		if !bytes.Equal(r.Key, o.Key) || !bytes.Equal(r.Value, o.Value) || r.Partition != o.Partition {
			t.Errorf("record %d is not the same: %s", i, r.Position())
		}
		id, _ := o.Header(replay.HeaderID)
		want := append(slices.Clone(o.Headers), replay.Header{Key: replay.HeaderReplayOf, Value: []byte(id)},
			replay.Header{Key: replay.HeaderReplayCount, Value: []byte("1")})
		if diff := cmp.Diff(want, r.Headers); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"replay.run started", "replay.run done"}, x.audits.steps()); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if _, err := x.r.Run(t.Context(), p, replay.RunOptions{}); !errors.Is(err, replay.ErrDone) {
		t.Errorf("running it again = %v, want ErrDone", err)
	}
}

func TestAgainDerivesNewIDs(t *testing.T) {
	x := newRoom(t)
	x.write(t, record(queries, 1, 1))
	p := x.plan(t, replay.Selection{Topics: []string{queries}}, true)
	if _, err := x.r.Run(t.Context(), p, replay.RunOptions{Reason: "  "}); canon.AsFault(err).Kind != canon.Invalid {
		t.Fatalf("Run without a reason = %v, want Invalid", err)
	}
	if len(x.audits.events) != 0 {
		t.Error("a refused run was recorded as begun")
	}
	x.run(t, p, replay.RunOptions{Reason: "mapping 8 is out"})
	for _, e := range x.audits.events {
		if e.Reason != "mapping 8 is out" || e.Digests["plan"] == "" {
			t.Errorf("audit %+v, want the reason and the plan", e)
		}
	}
	all := x.log.all(queries)
	fresh := all[len(all)-1]
	id, _ := fresh.Header(replay.HeaderID)
	of, _ := fresh.Header(replay.HeaderReplayOf)
	if !canon.ValidUUID(id) || id == string(message(1)) || of != string(message(1)) {
		t.Errorf("id %s, of %s", id, of)
	}
	// A replay of the replay still names the id under which the body was sealed.
	p2 := x.plan(t, replay.Selection{Topics: []string{queries}, Message: canon.MessageID(id)}, true)
	x.run(t, p2, replay.RunOptions{Reason: "once more"})
	all = x.log.all(queries)
	last := all[len(all)-1]
	if of, _ := last.Header(replay.HeaderReplayOf); of != string(message(1)) {
		t.Errorf("replay of a replay is of %s, want the first id", of)
	}
	if n, _ := last.Header(replay.HeaderReplayCount); n != "2" {
		t.Errorf("count %s, want 2", n)
	}
	ids := 0
	for _, h := range last.Headers {
		if h.Key == replay.HeaderID {
			ids++
		}
	}
	if ids != 1 {
		t.Errorf("%d ids in one record", ids)
	}
}

func TestStopAndResume(t *testing.T) {
	for name, again := range map[string]bool{"same ids": false, "new ids": true} {
		t.Run(name, func(t *testing.T) {
			x := newRoom(t)
			for i := range 500 {
				x.write(t, record(queries, i, i%7))
			}
			p := x.plan(t, replay.Selection{Topics: []string{queries}}, again)
			ctx, cancel := context.WithCancel(t.Context())
			rep, err := x.r.Run(ctx, p, replay.RunOptions{Rate: 100_000, Reason: "test", Progress: func(r replay.Report) {
				if r.Sent >= 150 {
					cancel()
				}
			}})
			if err != nil || rep.Outcome != replay.Stopped || rep.Sent < 150 || rep.Sent >= 500 {
				t.Fatalf("stopped run: %+v, %v", rep, err)
			}
			// Then the log breaks: the batch is written, the answer is lost.
			x.log.failAfter, x.log.fail, x.log.lose = x.log.writes+1, errors.New("no answer"), true
			rep, err = x.r.Run(t.Context(), p, replay.RunOptions{Rate: 100_000, Reason: "test"})
			if err == nil || rep.Outcome != replay.Failed || !rep.Resumed {
				t.Fatalf("failed run: %+v, %v", rep, err)
			}
			x.log.failAfter = -1
			// Another process goes on by the name of the job.
			p2, err := x.r.Resume(t.Context(), p.ID)
			if err != nil {
				t.Fatal(err)
			}
			rep = x.run(t, p2, replay.RunOptions{Reason: "test", Max: 10})
			if rep.Outcome != replay.Stopped {
				t.Fatalf("run with a maximum: %+v", rep)
			}
			rep = x.run(t, p2, replay.RunOptions{Reason: "test"})
			if rep.Outcome != replay.Done || rep.Sent != 500 {
				t.Fatalf("last run: %+v", rep)
			}
			ids := x.log.effects(queries)
			want := 500
			if again {
				want = 1000
			}
			if len(ids) != want {
				t.Errorf("%d different ids, want %d: each message effective once", len(ids), want)
			}
			for i := range 500 {
				if n := ids[string(message(i))]; !again && n < 2 {
					t.Fatalf("message %d was left out", i)
				}
			}
			if _, err := x.r.Resume(t.Context(), p.ID); !errors.Is(err, replay.ErrDone) {
				t.Errorf("Resume of a done job = %v, want ErrDone", err)
			}
		})
	}
}

func TestMaxIsExact(t *testing.T) {
	x := newRoom(t)
	for i := range 20 {
		x.write(t, record(queries, i, i%3))
	}
	p := x.plan(t, replay.Selection{Topics: []string{queries}}, false)
	for i, want := range []int{7, 14, 20} {
		rep := x.run(t, p, replay.RunOptions{Max: 7})
		if rep.Sent != want {
			t.Fatalf("run %d: %d sent, want %d", i, rep.Sent, want)
		}
	}
	if n := len(x.log.all(queries)); n != 40 {
		t.Errorf("%d records, want 40: none left out, none twice", n)
	}
}

func TestRateIsNeverExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(time.Now)
		a := &audits{}
		r, err := replay.New(replay.Config{Source: l, Sink: l, Audit: a.record})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			if err := l.Write(t.Context(), record(queries, i, i%3)); err != nil {
				t.Fatal(err)
			}
		}
		p, err := r.Plan(t.Context(), replay.Selection{Topics: []string{queries}}, false)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		rep, err := r.Run(t.Context(), p, replay.RunOptions{Rate: 20, Progress: func(rep replay.Report) {
			if limit := 20*time.Since(began).Seconds() + 2.1; float64(rep.Sent) > limit { // one batch is under way
				t.Errorf("%d sent after %v", rep.Sent, time.Since(began))
			}
		}})
		if err != nil || rep.Sent != 200 {
			t.Fatalf("%+v, %v", rep, err)
		}
		if took := time.Since(began); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("200 messages at 20/s took %v", took)
		}
	})
}

func TestRunIsRefused(t *testing.T) {
	x := newRoom(t)
	x.write(t, record(queries, 1, 1))
	good := x.plan(t, replay.Selection{Topics: []string{queries}}, false)
	changed := *good
	changed.Again = true
	live := *good
	live.Discard = true
	tests := map[string]struct {
		plan *replay.Plan
		opt  replay.RunOptions
	}{
		"changed plan":    {&changed, replay.RunOptions{Reason: "x"}},
		"negative rate":   {good, replay.RunOptions{Rate: -1}},
		"negative max":    {good, replay.RunOptions{Max: -1}},
		"long reason":     {good, replay.RunOptions{Reason: strings.Repeat("x", 501)}},
		"discard of live": {&live, replay.RunOptions{Reason: "x"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := x.r.Run(t.Context(), tc.plan, tc.opt); err == nil || canon.AsFault(err).Kind != canon.Invalid {
				t.Errorf("Run = %v, want Invalid", err)
			}
		})
	}
	x.audits.fail = errors.New("audit is down")
	if _, err := x.r.Run(t.Context(), good, replay.RunOptions{}); err == nil {
		t.Error("a run began that is not on record")
	}
	if n := len(x.log.all(queries)); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

func TestPlanSurvivesJSON(t *testing.T) {
	x := newRoom(t)
	x.write(t, record(queries, 1, 1))
	p := x.plan(t, replay.Selection{Topics: []string{queries}, Since: time.Hour, Conversation: conversation(1)}, false)
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back replay.Plan
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if rep := x.run(t, &back, replay.RunOptions{}); rep.Sent != 1 {
		t.Errorf("%+v", rep)
	}
}

func FuzzCheckpoint(f *testing.F) {
	job := canon.DeriveUUID("job")
	f.Add([]byte(`{"plan":{"id":"` + job + `"},"next":{"a/0":1},"sent":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		c := replay.FileCheckpoints{Dir: dir}
		writeFile(t, dir+"/"+job+".json", data)
		if got, err := c.Load(t.Context(), job); err == nil && got.Plan.ID != job {
			t.Errorf("loaded a checkpoint of %q", got.Plan.ID)
		}
	})
}
