package exchange_test

import (
	"errors"
	"testing"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/schemas/canon"
)

// elsewhere turns a message of a provider's side into the first of another exchange.
func elsewhere(s *side, m canon.Message, exchangeID canon.ExchangeID) canon.Message {
	b := *m.Body.(*canon.EvidenceRequest)
	b.Exchange = exchangeID
	m.Body, m.Conversation = &b, canon.InboundConversation(b.From, exchangeID)
	return m
}

const otherExchange = canon.ExchangeID("11111111-0f39-4b59-9f7f-1a4c0c0d4e21")

// The id of a request is good for one message, across all exchanges, in either step,
// in any spelling, and whatever is lost in between.
//
// Covers: B-025
func TestAnIdIsUsedOnce(t *testing.T) {
	for _, lose := range []bool{false, true} {
		s := providerSide(t)
		r := newRig(t, s, func() time.Time { return s.at })
		flush := func() {
			if lose {
				r.store.Flush()
			}
		}
		first := s.request(canon.StepFirst, "r1")
		r.handle(first)
		flush()
		if out := r.handle(first); kinds(out) != "evidence.preview" {
			t.Errorf("the same message again says %q, want the same", kinds(out))
		}
		again := elsewhere(s, s.request(canon.StepFirst, "r1", func(r *canon.EvidenceRequest, _ *canon.RequestPrivate) {
			r.Request = canon.RequestID("urn:uuid:" + upper(string(r.Request[9:])))
		}), otherExchange)
		flush()
		out := r.handle(again)
		keepsContract(t, again.Conversation, out)
		if kinds(out) != reused || r.get(again.Conversation).Code != canon.CodeRequestReused {
			t.Errorf("in another exchange it says %q, want %q", kinds(out), reused)
		}
		flush()
		if out := r.handle(again); kinds(out) != reused {
			t.Errorf("after a rebuild it says %q, want %q", kinds(out), reused)
		}
		if got := r.get(again.Conversation); got.Code != canon.CodeRequestReused || got.Phase != exchange.Answered {
			t.Errorf("rebuilt as %s %s", got.Phase, got.Code)
		}
		r.handle(elsewhere(s, s.request(canon.StepFirst, "r3"), "22222222-0f39-4b59-9f7f-1a4c0c0d4e21"))
		flush()
		if out := r.handle(s.request(canon.StepPreview, "r3")); kinds(out) != reused {
			t.Errorf("as a second request it says %q, want %q", kinds(out), reused)
		}
		if out := r.handle(s.request(canon.StepPreview, "r2")); kinds(out) != "" {
			t.Errorf("a new id says %q, want nothing yet", kinds(out))
		}
	}
}

func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'f' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// What an operator plays again is the message that it repeats, not a second use.
//
// Covers: B-025
func TestAReplayIsNoSecondUse(t *testing.T) {
	s := providerSide(t)
	r := newRig(t, s, func() time.Time { return s.at })
	first := s.request(canon.StepFirst, "r1")
	r.handle(first)
	played := first
	played.ID, played.ReplayOf = "played", first.ID
	if first, err := r.requests.Claim(t.Context(), uuid("r1"), played.ReplayOf); err != nil || first != played.ReplayOf {
		t.Fatalf("claimed by %q, %v", first, err)
	}
	out := r.handle(played)
	if f := find[*canon.EvidenceRefusal](t, out); f.Code != canon.CodeRequestReused || r.get(s.id).Phase != exchange.PreviewOffered {
		t.Errorf("says %q in %s: the exchange goes on and the message changes nothing", kinds(out), r.get(s.id).Phase)
	}
}

// A memory of ids that does not answer stops the message, not the rule.
func TestNothingIsDecidedWithoutTheMemoryOfIds(t *testing.T) {
	s := providerSide(t)
	boom := canon.NewFault(canon.CodeMemoryUnavailable, nil, "away")
	core, err := exchange.New(exchange.Config{
		Store: &exchangetest.Memory{}, Routes: s.w.Routes, Tickets: s.w.Tickets, History: new(topic).history, Requests: away{boom},
	})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := core.Handle(t.Context(), s.request(canon.StepFirst, "r1")); !errors.Is(err, boom) || len(out) != 0 {
		t.Errorf("says %q and error %v, want that of the memory", kinds(out), err)
	}
}
