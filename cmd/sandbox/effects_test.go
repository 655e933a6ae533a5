package sandbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/cmd/node"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

// effects are what one exchange did, counted: whatever happened on the way, it
// must be this and no more.
type effects struct {
	Steps    map[string]int // "SI kind step outcome" -> messages with different ids
	Notices  map[string]int // state -> webhooks with different ids at the portal
	Receipts map[string]int // "SI kind step" of a message sent -> signed receipts accepted for it
	Phases   map[string]string
}

// An observer reads the logs and the memories of both Member States.
type observer struct {
	l    *Landscape
	node func(member string) *node.Node
	// overtaken allows that an exchange ended, and its key was forgotten, before a
	// dead sender could say what became of its request or preview offer. They were
	// answered, so they arrived; the sender can only say that it cannot tell.
	overtaken bool
}

// settled waits until both sides have come to their end and the portal was told.
func (o *observer) settled(ctx context.Context, t *testing.T, res *Result) {
	t.Helper()
	for member, id := range o.sides(t, res) {
		until(ctx, t, "the end of the exchange at "+member, func() (bool, error) {
			c, err := o.node(member).Exchanges().Get(ctx, id)
			return err == nil && c.Phase.Final(), err
		})
	}
	until(ctx, t, "the last notice at the portal", func() (bool, error) {
		return slices.ContainsFunc(o.l.portal.received(), func(e webhookEvent) bool {
			return e.Case == string(res.Exchange) && final(e.State)
		}), nil
	})
}

func (o *observer) sides(t *testing.T, res *Result) map[string]canon.ConversationID {
	t.Helper()
	peer, err := routing.ParseParticipant(o.l.si.AccessPoint)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]canon.ConversationID{
		Slovenia: res.Exchange, Spain: canon.InboundConversation(peer, canon.ExchangeID(res.Exchange)),
	}
}

// count reads what an exchange left behind.
func (o *observer) count(ctx context.Context, t *testing.T, res *Result) effects {
	t.Helper()
	e := effects{Steps: map[string]int{}, Notices: map[string]int{}, Receipts: map[string]int{}, Phases: map[string]string{}}
	for member, id := range o.sides(t, res) {
		n, country := o.node(member), o.l.member(member).Country
		c, err := n.Exchanges().Get(ctx, id)
		if err != nil {
			t.Errorf("%s does not know the exchange: %v", member, err)
			continue
		}
		e.Phases[country] = string(c.Phase)
		hops, err := n.Timeline(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		sent := map[canon.MessageID]string{}
		for _, h := range hops { // one per message id
			name := strings.TrimRight(fmt.Sprintf("%s %s %s", country, h.Kind, h.Step), " ")
			sent[h.Message] = name
			if h.Kind == canon.KindAudit {
				continue // says what happened, and happened again
			}
			if o.overtaken && overtaken(h.Step, h.Code) {
				h.Outcome = string(canon.DeliveryAcknowledged)
			}
			e.Steps[strings.TrimRight(name+" "+h.Outcome, " ")]++
		}
		receipts := map[string]bool{}
		err = n.Cluster().Scan(ctx, kafkalog.Range{Topic: kafkalog.TopicOf(canon.KindDeliveryReceipt), Conversation: id}, func(r kafkalog.Record) error {
			m, err := n.Codec().Decode(ctx, &r)
			if err != nil {
				return fmt.Errorf("reading a receipt: %w", err)
			}
			b, ok := m.Body.(*canon.DeliveryReceipt)
			if ok && o.overtaken && overtaken(string(b.OfKind), b.Code) {
				e.Receipts[sent[b.Of]] = max(e.Receipts[sent[b.Of]], 1)
				return nil
			}
			if !ok || b.Outcome != canon.DeliveryAcknowledged || b.Receipt == "" {
				return fmt.Errorf("%s/%d/%d is no signed receipt: %s %s %s", r.Topic, r.Partition, r.Offset, b.Outcome, b.Code, b.Error)
			}
			if key := b.AS4 + b.Receipt; !receipts[key] {
				receipts[key] = true
				e.Receipts[sent[b.Of]]++
			}
			return nil
		})
		if err != nil {
			t.Errorf("receipts of %s: %v", member, err)
		}
	}
	ids := map[string]bool{}
	for _, ev := range o.l.portal.received() {
		if ev.Case == string(res.Exchange) && !ids[ev.ID] {
			ids[ev.ID] = true
			e.Notices[ev.State]++
		}
	}
	return e
}

func overtaken(of string, code canon.Code) bool {
	answered := of == string(canon.KindPreviewRequired) || of == string(canon.KindEvidenceRequest)
	return answered && code == canon.CodePayloadForgotten
}

// check compares what an exchange did with what it should have done.
func (o *observer) check(ctx context.Context, t *testing.T, res *Result, want effects) {
	t.Helper()
	if diff := cmp.Diff(want, o.count(ctx, t, res)); diff != "" {
		t.Errorf("effects of the exchange (-want +got):\n%s\nsteps: %q", diff, res.Steps)
	}
}

// buried reports dead letters: none of the tests here makes one.
func (o *observer) buried(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, member := range []string{Slovenia, Spain} {
		letters, _, err := o.node(member).DeadLetters(ctx, "", 20)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range letters {
			t.Errorf("dead letter at %s: %s/%d/%d: %s %s", member, d.SourceTopic, d.SourcePartition, d.SourceOffset, d.Code, d.Detail)
		}
	}
}

// until asks again and again until ok, as long as ctx lasts.
func until(ctx context.Context, t *testing.T, what string, ok func() (bool, error)) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := ok()
		if done {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v (%v)", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// identifiedAgain allows a person whose session, or whose way back from the eID,
// was lost to identify once more: that is a visit of its own.
func identifiedAgain(want, got effects) {
	const opened = "ES preview.opened.v1"
	want.Steps[opened] = min(max(got.Steps[opened], 1), 2)
}
