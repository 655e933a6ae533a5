package messages_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/messages"
	"oncegate/gateway/messages/messagestest"
	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

// oneLog is a log of one partition.
type oneLog struct{ records []replay.Record }

func (l *oneLog) Bounds(_ context.Context, r replay.Range) ([]replay.Span, error) {
	return []replay.Span{{Topic: r.Topic, To: int64(len(l.records))}}, nil
}

func (l *oneLog) Scan(_ context.Context, s replay.Span, f func(*replay.Record) error) error {
	for i := s.From; i < s.To; i++ {
		if r := l.records[i]; r.Topic == s.Topic {
			r.Offset = i
			if err := f(&r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *oneLog) Write(_ context.Context, rs ...replay.Record) error {
	l.records = append(l.records, rs...)
	return nil
}

// put writes the message of a note.
func (l *oneLog) put(n canon.MessageNote) {
	l.records = append(l.records, replay.Record{
		Topic: string(n.Kind), Key: []byte(n.Conversation), Value: []byte(`{}`), Time: n.At,
		Headers: []replay.Header{{Key: replay.HeaderID, Value: []byte(n.Message)}, {Key: replay.HeaderKind, Value: []byte(n.Kind)}},
	})
}

type office struct {
	*messages.Desk
	store   *messagestest.Memory
	log     *oneLog
	audited []canon.Message
	deaf    error // of the log, for audit events
	gone    map[canon.ConversationID]bool
}

func newOffice(t *testing.T) *office {
	t.Helper()
	x := &office{store: memory(), log: &oneLog{}, gone: map[canon.ConversationID]bool{}}
	now := messagestest.Start.Add(24 * time.Hour)
	var err error
	x.Desk, err = messages.NewDesk(messages.DeskConfig{
		Store: x.store, Source: x.log, Sink: x.log,
		Publish: func(_ context.Context, ms ...canon.Message) error {
			if x.deaf != nil {
				return x.deaf
			}
			x.audited = append(x.audited, ms...)
			return nil
		},
		Forgotten: func(_ context.Context, id canon.ConversationID) (bool, error) { return x.gone[id], nil },
		Now:       func() time.Time { now = now.Add(time.Second); return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (x *office) failed(t *testing.T, i int, change ...func(*canon.MessageNote)) canon.MessageNote {
	t.Helper()
	n := messagestest.Sample(i, append([]func(*canon.MessageNote){messagestest.State(canon.MessageSendFailure, time.Minute)}, change...)...)
	x.log.put(messagestest.Sample(i + 100)) // of somebody else
	x.log.put(n)
	if err := x.store.Note(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return n
}

func order(n canon.MessageNote) messages.Order {
	return messages.Order{AS4: n.AS4, Reason: "partner mended its P-Mode", Actor: "api:operator"}
}

func TestResend(t *testing.T) {
	x := newOffice(t)
	n := x.failed(t, 1)
	before := len(x.log.records)
	for series := 1; series <= 3; series++ {
		got, err := x.Resend(t.Context(), order(n))
		if err != nil {
			t.Fatal(err)
		}
		if got.State != canon.MessageReadyToSend || got.Series != series || got.AS4 != n.AS4 || got.Validate() != nil {
			t.Errorf("stands at %+v, want READY_TO_SEND in series %d", got, series)
		}
		sent := x.log.records[before+series-1:]
		if len(sent) != 1 {
			t.Fatalf("%d records written, want 1", len(sent))
		}
		id, _ := sent[0].Header(replay.HeaderID)
		s, _ := sent[0].Header(replay.HeaderSeries)
		if id != string(n.Message) || s != fmt.Sprint(series) || string(sent[0].Key) != string(n.Conversation) {
			t.Errorf("sent %s in series %s with key %s", id, s, sent[0].Key)
		}
		// Another order meanwhile finds it under way.
		if _, err := x.Resend(t.Context(), order(n)); canon.AsFault(err).Code != canon.CodeNotResendable {
			t.Errorf("a second order: %v, want %s", err, canon.CodeNotResendable)
		}
		end := messagestest.Sample(1, messagestest.State(canon.MessageSendFailure, 25*time.Hour), messagestest.Series(series))
		if err := x.store.Note(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	var outcomes []string
	seen := map[canon.MessageID]bool{}
	for _, m := range x.audited {
		e := m.Body.(*canon.AuditEvent)
		outcomes = append(outcomes, e.Outcome)
		if e.Step != "message.resend" || e.Actor != "api:operator" || e.Reason == "" || e.AS4 != n.AS4 || e.Exchange != n.Exchange || e.Peer != n.Peer {
			t.Errorf("recorded as %+v", e)
		}
		if m.Conversation != n.Conversation || seen[m.ID] {
			t.Errorf("recorded in %s under %s", m.Conversation, m.ID)
		}
		seen[m.ID] = true
	}
	if want := slices.Repeat([]string{"started", "done"}, 3); !slices.Equal(outcomes, want) {
		t.Errorf("recorded %v, want %v", outcomes, want)
	}
}

func TestResendIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*canon.MessageNote)
		order  func(*messages.Order)
		setup  func(*office, canon.MessageNote)
		code   canon.Code
		word   string
	}{
		"unknown":              {order: func(o *messages.Order) { o.AS4 = "x" }, code: canon.CodeUnknownMessage},
		"without a reason":     {order: func(o *messages.Order) { o.Reason = " " }, code: canon.CodeBadInput, word: "reason"},
		"with two lines":       {order: func(o *messages.Order) { o.Reason = "a\nb" }, code: canon.CodeBadInput, word: "line"},
		"with a long reason":   {order: func(o *messages.Order) { o.Reason = strings.Repeat("ž", 501) }, code: canon.CodeBadInput, word: "500"},
		"by nobody":            {order: func(o *messages.Order) { o.Actor = "" }, code: canon.CodeBadInput},
		"acknowledged":         {change: messagestest.State(canon.MessageAcknowledged, 0), code: canon.CodeNotResendable, word: "partner has it"},
		"with a lost receipt":  {change: messagestest.State(canon.MessageAcknowledgedWithWarning, 0), code: canon.CodeNotResendable, word: "partner has it"},
		"being sent":           {change: messagestest.State(canon.MessageWaitingForRetry, 0), code: canon.CodeNotResendable, word: "being sent"},
		"waiting to be pulled": {change: messagestest.State(canon.MessageReadyToPull, 0), code: canon.CodeNotResendable, word: "being sent"},
		"received":             {change: messagestest.Inward, code: canon.CodeNotResendable, word: "came from the partner"},
		"a test message":       {change: func(n *canon.MessageNote) { n.Message, n.Kind = "", "" }, code: canon.CodeNotResendable, word: "test"},
		"of a forgotten exchange": {setup: func(x *office, n canon.MessageNote) { x.gone[n.Conversation] = true },
			code: canon.CodePayloadForgotten, word: "erased"},
		"no longer on the log": {setup: func(x *office, _ canon.MessageNote) { x.log.records = nil }, code: canon.CodeUnknownMessage, word: "no longer"},
		"not on record":        {setup: func(x *office, _ canon.MessageNote) { x.deaf = errors.New("no log") }, code: canon.CodeInternal, word: "recording"},
	} {
		t.Run(name, func(t *testing.T) {
			x := newOffice(t)
			n := x.failed(t, 1)
			if c.change != nil {
				n = x.failed(t, 2, c.change)
			}
			o := order(n)
			if c.order != nil {
				c.order(&o)
			}
			if c.setup != nil {
				c.setup(x, n)
			}
			before := len(x.log.records)
			_, err := x.Resend(t.Context(), o)
			if f := canon.AsFault(err); err == nil || f.Code != c.code || !strings.Contains(err.Error(), c.word) {
				t.Errorf("%v, want %s with %q", err, c.code, c.word)
			}
			if len(x.log.records) != before || len(x.audited) > 0 {
				t.Error("a refused order had an effect")
			}
		})
	}
	if _, err := messages.NewDesk(messages.DeskConfig{}); err == nil || strings.Count(err.Error(), "required") != 4 {
		t.Errorf("an empty desk: %v, want four faults", err)
	}
}

func TestRecover(t *testing.T) {
	id := canon.ConversationID(canon.DeriveUUID("c"))
	peer := canon.Participant{Scheme: "urn:x", ID: "AP_LV_01"}
	said := func(i int, b canon.Body) canon.Message {
		return canon.Message{ID: canon.Derive("", fmt.Sprint(i)), Kind: b.Kind(), Conversation: id, At: messagestest.Start.Add(time.Duration(i) * time.Second), Body: b}
	}
	receipt := func(as4 string, o canon.DeliveryOutcome, series int, more ...func(*canon.DeliveryReceipt)) *canon.DeliveryReceipt {
		r := &canon.DeliveryReceipt{Of: canon.Derive("", as4), OfKind: canon.KindEvidenceResponse, AS4: as4, Peer: peer, Outcome: o, Attempts: 2, Series: series}
		if o == canon.DeliveryFailed {
			r.Code, r.Error = canon.CodePeerUnreachable, "EBMS:0301"
		} else {
			r.Receipt = "sha256:" + strings.Repeat("a", 64)
		}
		for _, f := range more {
			f(r)
		}
		return r
	}
	in := &canon.EvidenceRequest{Envelope: canon.Envelope{Leg: canon.LegIn, From: peer, Exchange: "x-1", AS4: "in@peer"}}
	own := &canon.EvidenceResponse{Envelope: canon.Envelope{Leg: canon.LegOut, To: peer}}
	log := []canon.Message{
		said(1, in), said(2, own), said(3, receipt("failed@gate", canon.DeliveryFailed, 0)),
		said(4, receipt("again@gate", canon.DeliveryFailed, 0)), said(5, receipt("again@gate", canon.DeliveryAcknowledged, 1)),
		said(6, receipt("warned@gate", canon.DeliveryAcknowledged, 0, func(r *canon.DeliveryReceipt) { r.Receipt, r.Error = "", "EBMS:4001" })),
		said(7, receipt("", canon.DeliveryFailed, 0)), said(8, &canon.Deadline{Timer: "T1"}),
	}
	history := func(context.Context) iter.Seq2[canon.Message, error] {
		return func(yield func(canon.Message, error) bool) {
			for _, m := range log {
				if !yield(m, nil) {
					return
				}
			}
		}
	}
	actions := map[canon.Kind]string{canon.KindEvidenceRequest: "ExecuteQueryRequest"}
	store := memory()
	noted, err := messages.Recover(t.Context(), store, history, actions)
	if err != nil || noted != 5 {
		t.Fatalf("%d noted, %v; want 5", noted, err)
	}
	for as4, want := range map[string]canon.MessageState{
		"in@peer": canon.MessageReceived, "failed@gate": canon.MessageSendFailure, "again@gate": canon.MessageAcknowledged, "warned@gate": canon.MessageAcknowledgedWithWarning,
	} {
		m, err := store.Get(t.Context(), as4)
		if err != nil {
			t.Fatal(as4, err)
		}
		if m.State != want || m.Conversation != id || m.Peer != peer || m.Message == "" {
			t.Errorf("%s came back as %+v, want %s", as4, m.MessageNote, want)
		}
	}
	if m, _ := store.Get(t.Context(), "in@peer"); m.Action != "ExecuteQueryRequest" || m.Exchange != "x-1" {
		t.Errorf("came back as %+v", m.MessageNote)
	}
	if m, _ := store.Get(t.Context(), "again@gate"); m.Series != 1 || len(m.Notes) != 2 {
		t.Errorf("came back as %+v", m)
	}
	if noted, err := messages.Recover(t.Context(), store, history, nil); noted != 0 || err != nil {
		t.Errorf("of a whole store: %d noted, %v", noted, err)
	}
	store.Flush()
	broken := func(context.Context) iter.Seq2[canon.Message, error] {
		return func(yield func(canon.Message, error) bool) { yield(canon.Message{}, errors.New("no log")) }
	}
	if _, err := messages.Recover(t.Context(), store, broken, nil); err == nil {
		t.Error("a log that cannot be read made the store whole")
	}
	if whole, err := store.Whole(t.Context()); whole || err != nil {
		t.Errorf("whole: %v, %v", whole, err)
	}
}
