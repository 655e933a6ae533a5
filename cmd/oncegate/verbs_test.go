package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/cmd/sandbox"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

// landscape is two running Member States after one exchange.
func landscape(t *testing.T) *sandbox.Landscape {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, err := sandbox.Start(ctx, sandbox.Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	res, err := l.Play(ctx, sandbox.Script{Register: "births"})
	if err != nil || res.Outcome != "delivered" {
		t.Fatalf("outcome %q, %v\nsteps: %q", res.Outcome, err, res.Steps)
	}
	for _, m := range []string{sandbox.Slovenia, sandbox.Spain} {
		quiet(t, l, m)
	}
	return l
}

func jsonInto(text string, v any) error { return json.Unmarshal([]byte(text), v) }

// eventually tries until ok is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// quiet waits until a node writes nothing any more and returns the records of its
// topics.
func quiet(t *testing.T, l *sandbox.Landscape, member string) map[string]int64 {
	t.Helper()
	count := func() map[string]int64 {
		infos, err := l.Node(member).Cluster().Topics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]int64{}
		for _, i := range infos {
			out[i.Name] = i.Records
		}
		return out
	}
	last, same := count(), 0
	eventually(t, member+" is quiet", func() bool {
		now := count()
		if same++; !cmp.Equal(now, last) {
			same = 0
		}
		last = now
		return same == 6
	})
	return last
}

func TestVerbsOnARunningDeployment(t *testing.T) {
	l := landscape(t)
	es, si := l.ConfigFile(sandbox.Spain), l.ConfigFile(sandbox.Slovenia)
	t.Run("exchange", func(t *testing.T) { exchangeVerbs(t, es) })
	t.Run("message", func(t *testing.T) { messageVerbs(t, l, es) })
	t.Run("topic", func(t *testing.T) { topicVerbs(t, es) })
	t.Run("state", func(t *testing.T) {
		if out := ok(t, "state", "rebuild", "-c", es); !strings.Contains(out, "whole") {
			t.Errorf("prints %q", out)
		}
	})
	t.Run("replay", func(t *testing.T) { replayVerbs(t, l, si) })
	t.Run("dlq", func(t *testing.T) { dlqVerbs(t, l, es) })
	t.Run("ping", func(t *testing.T) { pingVerbs(t, es, sandbox.Slovenia) })
	t.Run("config", func(t *testing.T) { configVerbs(t, es) })
	t.Run("registers", func(t *testing.T) { registerVerbs(t, es) })
}

func exchangeVerbs(t *testing.T, conf string) {
	var list []exchangeView
	parsed(t, &list, "exchange", "list", "-c", conf)
	if len(list) != 1 || list[0].Role != "provider" || list[0].State != "delivered" {
		t.Fatalf("exchanges %+v", list)
	}
	x := list[0]
	if out := ok(t, "exchange", "list", "-c", conf); !strings.Contains(out, x.ID) || !strings.Contains(out, "STATE") {
		t.Errorf("list prints %q", out)
	}
	type hop struct {
		Message, Kind, Step, AS4, Topic string
		Partition                       *int
		Offset                          *int64
	}
	var hops []hop
	parsed(t, &hops, "exchange", "timeline", x.ID, "-c", conf)
	if len(hops) < 10 {
		t.Fatalf("%d hops", len(hops))
	}
	names := map[string]string{"exchange": x.ID, "ExchangeId": x.Exchange}
	for _, h := range hops {
		if h.AS4 != "" {
			names["AS4 MessageId of "+h.Kind+" "+h.Step] = h.AS4
		}
	}
	mid := hops[len(hops)/2]
	names["message id"], names["first message"] = mid.Message, hops[0].Message
	names["position"] = fmt.Sprintf("%s/%d/%d", mid.Topic, *mid.Partition, *mid.Offset)
	if len(names) < 6 {
		t.Errorf("few names: %v", names)
	}
	for what, name := range names {
		var got exchangeView
		parsed(t, &got, "exchange", "get", name, "-c", conf)
		if diff := cmp.Diff(x, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", what, name, diff)
		}
		if out := ok(t, "exchange", "timeline", name, "-c", conf); strings.Count(out, "\n") != len(hops)+1 {
			t.Errorf("%s: time line has another length:\n%s", what, out)
		}
	}
	if out := ok(t, "exchange", "get", x.ID, "-c", conf); !strings.Contains(out, "delivered") {
		t.Errorf("get prints %q", out)
	}
	for _, unknown := range []string{"4f6b2c1e-0000-4000-8000-000000000000", "nothing", "evidence.request.v1/0/99999"} {
		r := cli(t, "exchange", "get", unknown, "-c", conf)
		if r.code != exitError || r.err == "" || r.out != "" {
			t.Errorf("get %s: exit %d, %q, %q", unknown, r.code, r.out, r.err)
		}
	}
	if r := cli(t, "exchange", "get", "nothing", "-c", conf); !strings.Contains(r.err, "next step:") {
		t.Errorf("says no next step: %q", r.err)
	}
}

func topicVerbs(t *testing.T, conf string) {
	var topics []kafkalog.TopicInfo
	parsed(t, &topics, "topic", "list", "-c", conf)
	records := map[string]int64{}
	for _, i := range topics {
		records[i.Name] = i.Records
	}
	if len(topics) < 20 || records["audit.v1"] == 0 || records["evidence.request.v1"] != 2 {
		t.Errorf("topics %v", records)
	}
	if out := ok(t, "topic", "list", "-c", conf); !strings.Contains(out, "evidence.request.v1.dlq") {
		t.Errorf("list prints %q", out)
	}
	var heads []headView
	parsed(t, &heads, "topic", "consume", "evidence.request.v1", "-c", conf)
	if len(heads) != 2 || heads[0].Message == "" || heads[0].Conversation == "" || heads[0].Body != nil {
		t.Errorf("heads %+v", heads)
	}
	parsed(t, &heads, "topic", "consume", "evidence.request.v1", "--body", "--since", "1h", "--key", string(heads[0].Conversation), "-c", conf)
	if len(heads) != 2 || heads[0].Body == nil {
		t.Errorf("with bodies: %+v", heads)
	}
	heads = nil
	parsed(t, &heads, "topic", "consume", "audit.v1", "--max", "1", "-c", conf)
	if len(heads) != 1 {
		t.Errorf("--max 1 prints %d", len(heads))
	}
	heads = nil
	parsed(t, &heads, "topic", "consume", "payload.key.v1", "-c", conf)
	if len(heads) == 0 || heads[0].Kind != "" {
		t.Errorf("keys: %+v", heads)
	}
	if r := cli(t, "topic", "consume", "no.such.topic", "-c", conf); r.code != exitUsage {
		t.Errorf("unknown topic: exit %d %s", r.code, r.err)
	}
	if r := cli(t, "topic", "consume", "audit.v1", "--from-offset", "3", "-c", conf); r.code != exitUsage {
		t.Errorf("offset without a partition: exit %d %s", r.code, r.err)
	}
}

func replayVerbs(t *testing.T, l *sandbox.Landscape, conf string) {
	all := []string{"--topic", "evidence.request.v1", "--topic", "evidence.response.v1", "--topic", "evidence.preview.v1", "--topic", "exchange.notice.v1", "-c", conf}
	var plan replay.Plan
	parsed(t, &plan, append([]string{"replay", "plan"}, all...)...)
	if plan.Messages < 4 || plan.Exchanges != 1 {
		t.Errorf("plan %+v", plan)
	}
	if out := ok(t, append([]string{"replay", "plan"}, all...)...); !strings.Contains(out, "messages") {
		t.Errorf("plan prints %q", out)
	}
	before, theirs := quiet(t, l, sandbox.Slovenia), quiet(t, l, sandbox.Spain)
	r := cli(t, append([]string{"replay", "run"}, all...)...)
	if r.code != exitOK || !strings.Contains(r.err, "nothing was sent") {
		t.Errorf("without --execute: exit %d %s", r.code, r.err)
	}
	if diff := cmp.Diff(before, quiet(t, l, sandbox.Slovenia)); diff != "" {
		t.Errorf("without --execute records were written:\n%s", diff)
	}
	said := written(t, l, sandbox.Slovenia)
	var report replay.Report
	// parsed would run it twice; the second would be another job.
	out := ok(t, append([]string{"replay", "run", "--execute", "--rate", "1000", "-o", "json"}, all...)...)
	if err := jsonInto(out, &report); err != nil {
		t.Fatal(err)
	}
	if report.Outcome != replay.Done || report.Sent != plan.Messages {
		t.Errorf("report %+v, want %d sent", report, plan.Messages)
	}
	// Ids are kept: who reads a copy says what it said before, under the same ids, and
	// nothing else follows but the record of the operator's act.
	after := quiet(t, l, sandbox.Slovenia)
	for id, step := range written(t, l, sandbox.Slovenia) {
		if _, known := said[id]; !known && !strings.HasPrefix(step, "audit.v1 replay") {
			t.Errorf("the replay made something happen: %s", step)
		}
	}
	if diff := cmp.Diff(theirs, quiet(t, l, sandbox.Spain)); diff != "" {
		t.Errorf("something came to the partner:\n%s", diff)
	}
	if r := cli(t, append([]string{"replay", "run", "--again", "--execute"}, all...)...); r.code != exitRefused || !strings.Contains(r.err, "--reason") {
		t.Errorf("--again without --reason: exit %d %s", r.code, r.err)
	}
	if diff := cmp.Diff(after, quiet(t, l, sandbox.Slovenia)); diff != "" {
		t.Errorf("a refused replay wrote records:\n%s", diff)
	}
	if r := cli(t, "replay", "run", "--resume", "3d1f0000", "--execute", "-c", conf); r.code == exitOK {
		t.Error("an unknown job was resumed")
	}
	if r := cli(t, "replay", "plan", "-c", conf); r.code != exitUsage {
		t.Errorf("without a topic: exit %d %s", r.code, r.err)
	}
	if r := cli(t, "replay", "plan", "--topic", "no.such.topic", "-c", conf); r.code == exitOK {
		t.Error("an unknown topic was planned")
	}
}

// written returns the ids of everything on a node's log, with kind and step.
func written(t *testing.T, l *sandbox.Landscape, member string) map[canon.MessageID]string {
	t.Helper()
	out := map[canon.MessageID]string{}
	n := l.Node(member)
	for _, k := range canon.Kinds() {
		err := n.Cluster().Scan(t.Context(), kafkalog.Range{Topic: kafkalog.TopicOf(k)}, func(r kafkalog.Record) error {
			m, err := n.Codec().Decode(t.Context(), &r)
			if err != nil {
				return err
			}
			out[m.ID] = string(k)
			if a, ok := m.Body.(*canon.AuditEvent); ok {
				out[m.ID] += " " + a.Step
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func dlqVerbs(t *testing.T, l *sandbox.Landscape, conf string) {
	var letters []replay.Letter
	parsed(t, &letters, "dlq", "list", "-c", conf)
	if len(letters) != 0 {
		t.Fatalf("dead letters before: %+v", letters)
	}
	n := l.Node(sandbox.Spain)
	producer, err := kafkalog.NewProducer(n.Cluster(), kafkalog.ProducerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close(context.Background()) //nolint:errcheck // everything was written
	original := []byte("\x00\xff\x1b[31mno message\x07")
	const id = "4f6b2c1e-0000-4000-8000-00000000dead"
	if err := producer.Produce(t.Context(), &kafkalog.Record{
		Topic: "evidence.request.v1", Partition: -1, Key: []byte(id), Value: original, Headers: []kafkalog.Header{{Key: "ce_id", Value: []byte(id)}, {Key: "ce_type", Value: []byte("evidence.request.v1")}},
	}); err != nil {
		t.Fatal(err)
	}
	waiting := func() []replay.Letter {
		var ls []replay.Letter
		if err := jsonInto(ok(t, "dlq", "list", "--topic", "evidence.request.v1", "-c", conf, "-o", "json"), &ls); err != nil {
			t.Fatal(err)
		}
		return ls
	}
	// Two roles read the topic: each says once that it cannot.
	eventually(t, "the record is dead", func() bool { letters = waiting(); return len(letters) == 2 })
	letter := letters[0]
	if letter.Code == "" || letter.NextStep == "" || letter.Attempts == 0 || letter.Conversation != id {
		t.Errorf("letter %+v", letter)
	}
	if out := ok(t, "dlq", "list", "-c", conf); !strings.Contains(out, letter.Position) {
		t.Errorf("list prints %q", out)
	}
	var shown struct {
		Position    string
		Headers     map[string]string
		Value       *string
		ValueBase64 []byte
	}
	parsed(t, &shown, "dlq", "show", letter.Position, "-c", conf)
	if shown.Value != nil || !bytes.Equal(shown.ValueBase64, original) {
		t.Errorf("shown %+v, want the original bytes", shown)
	}
	if shown.Headers["ce_id"] != id || shown.Position != letter.Position {
		t.Errorf("headers %v", shown.Headers)
	}
	if out := ok(t, "dlq", "show", letter.Position, "-c", conf); !strings.Contains(out, "no message") || strings.ContainsAny(out, "\x00\x07\x1b") {
		t.Errorf("show prints %q; a terminal must not obey what a stranger wrote", out)
	}
	for _, wrong := range []string{"nonsense", "evidence.request.v1.dlq/0/9999"} {
		if r := cli(t, "dlq", "show", wrong, "-c", conf); r.code == exitOK || r.err == "" {
			t.Errorf("show %s: exit %d", wrong, r.code)
		}
	}
	if r := cli(t, "dlq", "redrive", "--topic", "evidence.request.v1", "-c", conf); r.code != exitOK || !strings.Contains(r.err, "nothing was sent") || len(waiting()) != 2 {
		t.Errorf("without --execute: exit %d %s", r.code, r.err)
	}
	if r := cli(t, "dlq", "redrive", "--topic", "evidence.request.v1", "--discard", "--execute", "-c", conf); r.code != exitRefused {
		t.Errorf("--discard without --reason: exit %d %s", r.code, r.err)
	}
	first := letters
	ok(t, "dlq", "redrive", "--topic", "evidence.request.v1", "--execute", "--rate", "1000", "-c", conf)
	// It is as dead as before, with the same bytes.
	eventually(t, "the record is dead again", func() bool {
		letters = waiting()
		return len(letters) >= 2 && letters[0].Replays > 0 && letters[0].Position != first[0].Position
	})
	if err := jsonInto(ok(t, "dlq", "show", letters[0].Position, "-c", conf, "-o", "json"), &shown); err != nil || !bytes.Equal(shown.ValueBase64, original) {
		t.Errorf("after redrive %+v, %v", shown, err)
	}
	quiet(t, l, sandbox.Spain)
	ok(t, "dlq", "redrive", "--topic", "evidence.request.v1", "--discard", "--reason", "planted by a test", "--execute", "--rate", "1000", "-c", conf)
	eventually(t, "nothing waits", func() bool { return len(waiting()) == 0 })
	parsed(t, &letters, "dlq", "list", "--topic", "evidence.request.v1", "--all", "-c", conf)
	settled := map[string]int{}
	for _, x := range letters {
		settled[x.Settled]++
	}
	if settled["redriven"] != 2 || settled["discarded"] < 2 || settled[""] != 0 {
		t.Errorf("settled %v", settled)
	}
}

func configVerbs(t *testing.T, conf string) {
	if out := ok(t, "config", "validate", "-c", conf); !strings.Contains(out, "sound") {
		t.Errorf("prints %q", out)
	}
	ok(t, "config", "lint", "--embedded", "-c", conf)
	good, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Dir(conf))); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken.yaml")
	for name, c := range map[string]struct {
		edit func(text string) string
		want []string
	}{
		"many": {func(s string) string {
			for _, r := range [][2]string{
				{"country: ES\nedelivery", "country: Spain\nedelivery"}, {"session: session.key", "session: missing.key"},
				{"ticket: ticket.key", "ticket: absent.key"}, {"pmodes: pmodes.yaml", "pmodes: nowhere.yaml"},
				{"routes: routes.yaml", "routes: astray.yaml"}, {"base_url: https://", "base_url: http://"},
			} {
				if !strings.Contains(s, r[0]) {
					t.Fatalf("no %q in\n%s", r[0], s)
				}
				s = strings.ReplaceAll(s, r[0], r[1])
			}
			return s
		}, []string{"country", "keys.session", "keys.ticket", "edelivery.pmodes", "routes", "web.base_url"}},
		"unknown key": {func(s string) string { return s + "\nsurprise: 1\n" }, []string{"surprise", "line"}},
		"no YAML":     {func(string) string { return "{" }, []string{"broken.yaml"}},
		"empty":       {func(string) string { return "" }, []string{"empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(broken, []byte(c.edit(string(good))), 0o600); err != nil {
				t.Fatal(err)
			}
			r := cli(t, "config", "validate", "-c", broken)
			if r.code != exitFindings {
				t.Errorf("exit %d, want %d\n%s", r.code, exitFindings, r.err)
			}
			for _, w := range c.want {
				if !strings.Contains(r.err, w) {
					t.Errorf("does not name %q:\n%s", w, r.err)
				}
			}
		})
	}
	// Files that are there and wrong, all at once.
	for name, text := range map[string]string{"ticket.key": "short\n", "pmodes.yaml": "own: 1\n", "routes.yaml": "country: 7\nsurprise: 1\n", "wrap-1.key": "x\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(broken, good, 0o600); err != nil {
		t.Fatal(err)
	}
	r := cli(t, "config", "validate", "-c", broken)
	for _, w := range []string{"ticket.key", "pmodes.yaml", "routes.yaml", "wrap-1.key"} {
		if !strings.Contains(r.err, w) || r.code != exitFindings {
			t.Errorf("exit %d, does not name %q:\n%s", r.code, w, r.err)
		}
	}
}
