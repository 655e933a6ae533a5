package exchange_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/schemas/canon"
)

// edges is the diagram: where one message can lead.
var edges = map[exchange.Role]map[exchange.Phase][]exchange.Phase{
	exchange.Requester: {
		exchange.Asked:          {exchange.PreviewOffered, exchange.Deferred, exchange.Withdrawn, exchange.Refused, exchange.ExpiredP, exchange.Failed},
		exchange.PreviewOffered: {exchange.Continued, exchange.Withdrawn, exchange.Refused, exchange.ExpiredP},
		exchange.Continued:      {exchange.Delivered, exchange.Declined, exchange.Deferred, exchange.Withdrawn, exchange.Refused, exchange.ExpiredP, exchange.Failed},
	},
	exchange.Provider: {
		exchange.PreviewOffered: {exchange.Querying, exchange.Answered, exchange.Failed},
		exchange.Querying:       {exchange.Held, exchange.Decided, exchange.Answered},
		exchange.Held:           {exchange.Decided, exchange.Answered},
		exchange.Decided:        {exchange.Answered},
		exchange.Answered:       {exchange.Delivered, exchange.Declined, exchange.Deferred, exchange.Refused, exchange.ExpiredP, exchange.Failed},
		exchange.Failed:         {exchange.Delivered, exchange.Declined, exchange.Deferred, exchange.Refused, exchange.ExpiredP}, // by a resend
	},
}

// Any order of any messages, with repeats, pauses and losses of the store: the
// conversation never leaves the diagram, and one whose store is lost now and
// then is the same as one whose store is kept.
func TestRandomWalk(t *testing.T) {
	for _, tc := range []struct {
		name  string
		side  func(testing.TB) *side
		words alphabet
	}{
		{"provider", providerSide, providerWords()},
		{"requester", requesterSide, requesterWords()},
	} {
		names := make([]string, 0, len(tc.words))
		for n := range tc.words {
			names = append(names, n)
		}
		slices.Sort(names)
		t.Run(tc.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s := tc.side(t)
				now := func() time.Time { return s.at }
				kept, lossy := newRig(t, s, now), newRig(t, s, now)
				var said []canon.Message // by kept, all along
				var sent []canon.Message
				words := append([]string{"first"}, rapid.SliceOfN(rapid.SampledFrom(names), 1, 14).Draw(rt, "words")...)
				for i, word := range words {
					m := tc.words[word](s)
					if r, ok := m.Body.(*canon.DeliveryReceipt); ok && !slices.Contains(ids(said), r.Of) {
						continue // no receipt comes before what it is for
					}
					if i > 1 && rapid.IntRange(0, 4).Draw(rt, "again") == 0 {
						m = sent[rapid.IntRange(0, len(sent)-1).Draw(rt, "which")]
					}
					sent = append(sent, m)
					if rapid.Bool().Draw(rt, "lose") {
						lossy.store.Flush()
					}
					want, got := kept.handle(m), lossy.handle(m)
					if d := cmp.Diff(ids(want), ids(got)); d != "" {
						rt.Fatalf("%s says other things after a loss: (-kept +lossy)\n%s", word, d)
					}
					again, err := kept.core.Handle(context.Background(), m)
					if err != nil {
						rt.Fatal(err)
					}
					if d := cmp.Diff(ids(want), ids(again)); d != "" {
						rt.Fatalf("%s twice says other things: (-first +second)\n%s", word, d)
					}
					said = append(said, want...)
					before := s.c
					s.c = kept.get(s.id)
					if d := exchangetest.Diff(s.c, lossy.get(s.id)); d != "" {
						rt.Fatalf("%s leads elsewhere after a loss: (-kept +lossy)\n%s", word, d)
					}
					if before != nil && before.Phase != s.c.Phase && !slices.Contains(edges[s.c.Role][before.Phase], s.c.Phase) {
						rt.Fatalf("%s leads from %s to %s", word, before.Phase, s.c.Phase)
					}
					s.at = s.at.Add(time.Second)
					if rapid.IntRange(0, 9).Draw(rt, "pause") == 0 {
						s.at = s.at.Add(20 * time.Minute)
					}
				}
				invariants(rt, s.c, said)
			})
		})
	}
}

func invariants(t *rapid.T, c *exchange.Conversation, said []canon.Message) {
	answers, ends := map[canon.MessageID]canon.Kind{}, map[canon.MessageID]bool{}
	for _, m := range said {
		switch b := m.Body.(type) {
		case *canon.EvidenceResponse:
			answers[m.ID] = m.Kind
			for _, d := range b.Documents {
				if !slices.Contains(c.Decisions, canon.DocumentDecision{Document: d.ID, Approved: true}) {
					t.Fatalf("document %s was sent and not approved", d.ID)
				}
				if d.Role == canon.RoleMain && d.Classification != birth {
					t.Fatalf("document %s of another type was sent", d.ID)
				}
			}
			if b.Request != c.Second || !c.PersonSeen {
				t.Fatal("an answer without the person, or not to request 2")
			}
		case *canon.ExchangeNotice:
			if exchange.Phase(b.State).Final() {
				ends[m.ID] = true
			}
		}
	}
	switch kept := len(c.Documents) > 0; {
	case c.Role == exchange.Requester && kept != (c.Phase == exchange.Delivered):
		t.Fatalf("%d documents are kept in phase %s", len(c.Documents), c.Phase)
	case c.Finding != "" && c.Phase != exchange.Failed:
		t.Fatalf("finding %s in phase %s", c.Finding, c.Phase)
	case c.Phase == exchange.Deferred && c.AvailableAt.IsZero():
		t.Fatal("deferred without a time")
	case c.LegalBasis == "":
		t.Fatal("an exchange without a legal basis")
	}
	if len(answers) > 1 || len(ends) > 1 {
		t.Fatalf("%d answers and %d ends, want at most one", len(answers), len(ends))
	}
}
