package main

import (
	"strings"
	"testing"
	"time"

	"oncegate/cmd/sandbox"
	"oncegate/schemas/canon"
)

// messageVerbs looks at the message log of the provider after one exchange.
func messageVerbs(t *testing.T, l *sandbox.Landscape, conf string) {
	var all []as4View
	eventually(t, "every message stands at its end", func() bool {
		parsed(t, &all, "message", "list", "-c", conf)
		final := 0
		for _, m := range all {
			if m.Final {
				final++
			}
		}
		return len(all) == 4 && final == 4
	})
	states := map[string]int{}
	var sent as4View
	for _, m := range all {
		states[m.Direction+" "+string(m.State)+" "+m.Action]++
		if m.Direction == "out" {
			sent = m
		}
	}
	for _, want := range []string{"in RECEIVED ExecuteQueryRequest", "out ACKNOWLEDGED ExecuteQueryResponse", "out ACKNOWLEDGED ExceptionResponse"} {
		if states[want] == 0 {
			t.Errorf("no message is %s: %v", want, states)
		}
	}
	if out := ok(t, "message", "list", "-c", conf); !strings.Contains(out, sent.AS4) || !strings.Contains(out, "ATTEMPTS") {
		t.Errorf("list prints %q", out)
	}
	for _, f := range []struct {
		flags []string
		want  int
	}{
		{[]string{"--direction", "in"}, 2}, {[]string{"--state", "acknowledged"}, 2}, {[]string{"--state", "SEND_FAILURE"}, 0}, {[]string{"--peer", "nobody"}, 0},
		{[]string{"--conversation", sent.Conversation}, 4}, {[]string{"--action", sent.Action, "--direction", "out"}, 1}, {[]string{"--max", "1"}, 1},
		{[]string{"--since", "1h"}, 4}, {[]string{"--until", "2020-01-01T00:00:00Z"}, 0}, {[]string{"--exchange", sent.Exchange}, 4},
	} {
		var got []as4View
		parsed(t, &got, append([]string{"message", "list", "-c", conf}, f.flags...)...)
		if len(got) != f.want {
			t.Errorf("list %v: %d messages, want %d", f.flags, len(got), f.want)
		}
	}
	var one as4View
	parsed(t, &one, "message", "get", sent.AS4, "-c", conf)
	if one.State != canon.MessageAcknowledged || one.Attempts != 1 || len(one.Notes) < 2 || one.Notes[len(one.Notes)-1].State != one.State {
		t.Errorf("get says %+v", one)
	}
	if out := ok(t, "message", "get", sent.AS4, "-c", conf); !strings.Contains(out, "SEND_IN_PROGRESS, attempt 1") {
		t.Errorf("get prints %q", out)
	}
	for _, c := range []struct {
		words []string
		code  int
		says  string
	}{
		{[]string{"list", "--state", "LOST"}, exitUsage, "SEND_FAILURE"},
		{[]string{"list", "--direction", "up"}, exitUsage, "in or out"},
		{[]string{"list", "--since", "yesterday"}, exitUsage, "2h"},
		{[]string{"list", "--max", "0"}, exitUsage, "1 or more"},
		{[]string{"get", "nobody"}, exitError, "OG-AS4-0006"},
		{[]string{"resend", sent.AS4}, exitRefused, "--reason"},
		{[]string{"resend", sent.AS4, "--reason", "why not"}, exitError, "the partner has it (ACKNOWLEDGED)"},
		{[]string{"resend", "nobody", "--reason", "why not"}, exitError, "OG-AS4-0006"},
		{[]string{"resend"}, exitUsage, "arg"},
	} {
		r := cli(t, append(append([]string{"message"}, c.words...), "-c", conf)...)
		if r.code != c.code || !strings.Contains(r.err, c.says) {
			t.Errorf("message %v: exit %d %q, want %d and %q", c.words, r.code, r.err, c.code, c.says)
		}
	}
	rebuilt(t, l, conf)
}

// rebuilt loses the memory and looks whether the verb brings the messages back.
func rebuilt(t *testing.T, l *sandbox.Landscape, conf string) {
	if err := l.Node(sandbox.Spain).Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	ok(t, "state", "rebuild", "-c", conf)
	var all []as4View
	parsed(t, &all, "message", "list", "-c", conf)
	if len(all) != 4 {
		t.Fatalf("%d messages came back, want 4", len(all))
	}
	for _, m := range all {
		if !m.Final || m.Action == "" || m.Peer == "" {
			t.Errorf("came back as %+v", m)
		}
	}
}

func TestMessageStatesComplete(t *testing.T) {
	out := ok(t, "__complete", "message", "list", "--state", "")
	for _, s := range canon.MessageStates() {
		if !strings.Contains(out, string(s)+"\n") {
			t.Errorf("completion of --state lacks %s: %q", s, out)
		}
	}
}

func TestMoment(t *testing.T) {
	if at, err := moment("since", "2h"); err != nil || time.Since(at) < 2*time.Hour || time.Since(at) > 3*time.Hour {
		t.Errorf("2h: %v, %v", at, err)
	}
	if at, err := moment("since", "2026-11-21T09:00:00+01:00"); err != nil || at.UTC().Hour() != 8 {
		t.Errorf("a time: %v, %v", at, err)
	}
	for _, s := range []string{"-2h", "soon", "2026-11-21"} {
		if _, err := moment("since", s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

func TestActorFitsTheLegalRecord(t *testing.T) {
	if a := actor(); !strings.HasPrefix(a, "os:") || len(a) < 4 || strings.ContainsAny(a, " \n") {
		t.Errorf("actor %q", a)
	}
}
