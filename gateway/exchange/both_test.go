package exchange_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/schemas/canon"
)

// wire is what two access points do to a message: it leaves one Member State on
// leg out and arrives in the other on leg in, with a receipt back.
func wire(m canon.Message, n int) (arrived, receipt canon.Message) {
	arrived, receipt = m, m
	at := m.At.Add(200 * time.Millisecond)
	var e *canon.Envelope
	switch b := m.Body.(type) {
	case *canon.EvidenceRequest:
		c := *b
		c.Portal, c.ExplicitRequest = "", canon.ExplicitRequest{Given: b.ExplicitRequest.Given}
		arrived.Body, e = &c, &c.Envelope
	case *canon.PreviewRequired:
		c := *b
		arrived.Body, e = &c, &c.Envelope
	case *canon.EvidenceResponse:
		c := *b
		arrived.Body, e = &c, &c.Envelope
	case *canon.EvidenceRefusal:
		c := *b
		arrived.Body, e = &c, &c.Envelope
	}
	e.Leg, e.AS4 = canon.LegIn, fmt.Sprintf("as4-%d", n)
	arrived.ID, arrived.Cause, arrived.At = canon.MessageID(e.AS4), "", at
	arrived.Conversation = canon.ConversationID(e.Exchange)
	if _, ok := m.Body.(*canon.EvidenceRequest); ok {
		arrived.Conversation = canon.InboundConversation(e.From, e.Exchange)
	}
	receipt.ID, receipt.Cause, receipt.At = canon.Derive(m.ID, "receipt"), m.ID, at
	receipt.Kind = canon.KindDeliveryReceipt
	receipt.Body = &canon.DeliveryReceipt{Of: m.ID, OfKind: m.Kind, Peer: e.To, Outcome: canon.DeliveryAcknowledged, Attempts: 1}
	return arrived, receipt
}

// answersTheRequest holds the second message of a two-way exchange to the name of
// the first (AS4 TA02); carrier has the ebMS MessageIds of the requests.
func answersTheRequest(t *testing.T, carrier map[canon.RequestID]string, m canon.Message) {
	t.Helper()
	e := canon.EnvelopeOf(m.Body)
	want := ""
	switch b := m.Body.(type) {
	case *canon.EvidenceRequest:
		carrier[b.Request] = e.AS4
	case *canon.PreviewRequired:
		want = carrier[b.Request]
	case *canon.EvidenceResponse:
		want = carrier[b.Request]
	case *canon.EvidenceRefusal:
		want = carrier[b.Request]
	}
	if e.RefTo != want {
		t.Errorf("%s refers to %q, want %q", m.Kind, e.RefTo, want)
	}
}

// Both machines together, over a wire that loses nothing and stores that are
// lost before each message.
func TestTwoMemberStates(t *testing.T) {
	for _, tc := range []struct {
		name           string
		person         []string // what the person does at the preview, in order
		record         canon.RecordOutcome
		there, here    exchange.Phase
		documents      int
		secondComesMid bool // request 2 overtakes the person
	}{
		{name: "approved", person: []string{"open", "approve"}, record: canon.RecordFound, there: exchange.Delivered, here: exchange.Delivered, documents: 2},
		{name: "approved, request 2 first", person: []string{"open", "approve"}, record: canon.RecordFound, there: exchange.Delivered, here: exchange.Delivered, documents: 2, secondComesMid: true},
		{name: "declined", person: []string{"open", "decline"}, record: canon.RecordFound, there: exchange.Declined, here: exchange.Declined},
		{name: "not found", person: []string{"open"}, record: canon.RecordNotFound, there: exchange.Refused, here: exchange.Refused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			nl, lv := requesterSide(t), providerSide(t)
			clock := t0
			now := func() time.Time { return clock }
			asks, gives := newRig(t, nl, now), newRig(t, lv, now)
			lv.id = canon.InboundConversation(party(nlAP), canon.ExchangeID(nl.id))
			n, carrier := 0, map[canon.RequestID]string{}
			var deliver func(from, to *rig, out []canon.Message)
			deliver = func(from, to *rig, out []canon.Message) {
				for _, m := range out {
					e := canon.EnvelopeOf(m.Body)
					if e == nil || e.Leg != canon.LegOut {
						continue
					}
					n++
					arrived, receipt := wire(m, n)
					answersTheRequest(t, carrier, arrived)
					clock = arrived.At
					to.store.Flush()
					deliver(to, from, to.handle(arrived))
					from.store.Flush()
					from.handle(receipt)
				}
			}
			at := func(s *side) *side { clock = clock.Add(time.Second); s.at = clock; return s }

			deliver(asks, gives, asks.handle(at(nl).request(canon.StepFirst, "")))
			if p := asks.get(nl.id).Phase; p != exchange.PreviewOffered {
				t.Fatalf("after request 1: got %s, want preview-offered", p)
			}
			second := func() { deliver(asks, gives, asks.handle(at(nl).request(canon.StepPreview, ""))) }
			if tc.secondComesMid {
				second()
			}
			for _, act := range tc.person {
				var out []canon.Message
				gives.store.Flush()
				switch act {
				case "open":
					for _, q := range gives.handle(at(lv).opened(exchangetest.Person())) {
						if q.Kind == canon.KindRegisterQuery {
							r := at(lv).record(tc.record, documents()...)
							r.Cause = q.ID
							out = append(out, gives.handle(r)...)
						}
					}
				case "approve":
					out = gives.handle(at(lv).decided("main", "annex"))
				case "decline":
					out = gives.handle(at(lv).decided("-main"))
				}
				deliver(gives, asks, out)
			}
			if !tc.secondComesMid {
				second()
			}
			there, here := gives.get(lv.id), asks.get(nl.id)
			if there.Phase != tc.there || here.Phase != tc.here || len(here.Documents) != tc.documents {
				t.Errorf("got %s there, %s here with %d documents (%s); want %s, %s and %d",
					there.Phase, here.Phase, len(here.Documents), here.Detail, tc.there, tc.here, tc.documents)
			}
			if here.Second != there.Second || here.First != there.First || here.Exchange != there.Exchange {
				t.Error("the two sides tell the exchange differently")
			}
		})
	}
}

func TestRecoverInSharesRestoresTheSame(t *testing.T) {
	s := providerSide(t)
	r := newRig(t, s, func() time.Time { return s.at })
	var want []*exchange.Conversation
	for i := range 40 {
		m := s.request(canon.StepFirst, fmt.Sprint("r", i))
		b := m.Body.(*canon.EvidenceRequest)
		b.Exchange = canon.ExchangeID(canon.DeriveUUID("exchange", fmt.Sprint(i)))
		m.Conversation = canon.InboundConversation(b.From, b.Exchange)
		r.handle(m)
		want = append(want, r.get(m.Conversation))
	}
	r.store.Flush()
	r.core.SetBatch(16) // 80 messages
	if err := r.core.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		got, err := r.store.Get(t.Context(), w.ID)
		if err != nil {
			t.Fatalf("%s: %v", w.ID, err)
		}
		if d := exchangetest.Diff(w, got); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
	}
	if d := cmp.Diff(true, r.log.asked > 8); d != "" {
		t.Errorf("the log was read %d times: the shares were not made smaller", r.log.asked)
	}
}
