package exchange_test

import (
	"encoding/json"
	"strings"
	"testing"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/schemas/canon"
)

// Who says no tells the requester that, and nothing else: no document, no title, no
// number of them, no reason.
//
// Covers: B-029, B-035
func TestANoTellsNothingElse(t *testing.T) {
	p, words := providerSide(t), providerWords()
	walk(t, p, words, []string{"first", "second", "person", "found"}, exchange.Held)
	r := find[*canon.EvidenceResponse](t, p.step(words["decline"](p)))
	if r.Status != canon.StatusDeclined || len(r.Documents) != 0 || !r.AvailableAt.IsZero() {
		t.Fatalf("the answer is %s with %d documents", r.Status, len(r.Documents))
	}
	r.Private = canon.Sealed[canon.ResponsePrivate]{}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range documents() {
		if strings.Contains(string(data), d.ID) || strings.Contains(string(data), d.Payload.Digest) {
			t.Errorf("the answer names a document: %s", data)
		}
	}

	s := requesterSide(t)
	walk(t, s, requesterWords(), []string{"first", "preview", "second"}, exchange.Continued)
	n := find[*canon.ExchangeNotice](t, s.step(requesterWords()["empty list"](s)))
	if n.State != "declined" || n.Code != "" || n.Detail != "" || n.EDM != "" || len(s.c.Documents) != 0 || len(s.c.Decisions) != 0 || s.c.Finding != "" {
		t.Errorf("the portal is told %+v", n)
	}
}

// Every step that changes an exchange is recorded, with its time and the room that took
// it, on both sides and in every state.
//
// Covers: B-027
func TestEveryStepIsRecorded(t *testing.T) {
	seen := map[exchange.Phase]bool{}
	try := func(s *side, words alphabet, path []string, word string) {
		for _, w := range path {
			s.step(words[w](s))
		}
		before := *s.c
		out := s.step(words[word](s))
		after := *s.c
		after.Passed, after.UpdatedAt = before.Passed, before.UpdatedAt
		if exchangetest.Diff(before, after) == "" {
			return
		}
		seen[after.Phase] = true
		recorded := false
		for _, m := range out {
			if e, ok := m.Body.(*canon.AuditEvent); ok {
				recorded = true
				if e.Room == "" || e.Step == "" || e.Exchange != s.c.Exchange || m.At.IsZero() {
					t.Errorf("%v + %s: an entry without room, step, exchange or time: %+v", path, word, e)
				}
			}
		}
		if !recorded {
			t.Errorf("%v + %s: %s became %s and nothing tells of it", path, word, before.Phase, after.Phase)
		}
	}
	for _, d := range providerDiagram {
		for word := range d.cells {
			try(providerSide(t), providerWords(), d.path, word)
		}
	}
	for _, d := range requesterDiagram {
		for word := range d.cells {
			try(requesterSide(t), requesterWords(), d.path, word)
		}
	}
	for _, p := range []exchange.Phase{
		exchange.PreviewOffered, exchange.Continued, exchange.Querying, exchange.Held, exchange.Decided, exchange.Answered, exchange.Delivered,
		exchange.Declined, exchange.Deferred, exchange.Withdrawn, exchange.Refused, exchange.ExpiredP, exchange.Failed,
	} {
		if !seen[p] {
			t.Errorf("no exchange became %s", p)
		}
	}
}
