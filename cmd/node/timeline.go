package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"oncegate/gateway/api"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

// Timeline returns every message of one conversation with its place on the log,
// oldest first. It needs no memory and no key: who lacks the key sees the same.
func (n *Node) Timeline(ctx context.Context, id canon.ConversationID) ([]api.Hop, error) {
	var hops []api.Hop
	at := map[canon.MessageID]time.Time{}
	seen := map[canon.MessageID]bool{}
	for _, k := range canon.Kinds() {
		err := n.cluster.Scan(ctx, kafkalog.Range{Topic: kafkalog.TopicOf(k), Conversation: id}, func(r kafkalog.Record) error {
			m, err := n.codec.Decode(ctx, &r)
			if err != nil {
				if f := canon.AsFault(err); f.Kind == canon.Invalid {
					return nil // it lies in the dead letters
				}
				return err
			}
			if seen[m.ID] {
				return nil // written again: at least once on the log
			}
			seen[m.ID], at[m.ID] = true, r.Time
			hops = append(hops, hopOf(m, &r))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", k, err)
		}
	}
	for i := range hops {
		if t, ok := at[hops[i].Cause]; ok {
			hops[i].Duration = api.HopMilliseconds(max(0, hops[i].At.Sub(t)))
		}
	}
	slices.SortStableFunc(hops, func(a, b api.Hop) int { return a.At.Compare(b.At) })
	return hops, nil
}

// hopOf is what a message says without its private part.
func hopOf(m canon.Message, r *kafkalog.Record) api.Hop {
	partition, offset := r.Partition, r.Offset
	h := api.Hop{
		At: r.Time, Kind: m.Kind, Message: m.ID, Cause: m.Cause, ReplayOf: m.ReplayOf,
		Topic: r.Topic, Partition: &partition, Offset: &offset,
	}
	if e := canon.EnvelopeOf(m.Body); e != nil {
		h.AS4, h.Step = e.AS4, string(e.Leg)
		switch peer := e.To; e.Leg {
		case canon.LegIn:
			h.Peer = e.From.String()
		case canon.LegOut:
			h.Peer = peer.String()
		}
	}
	switch b := m.Body.(type) {
	case *canon.EvidenceRequest:
		h.Step += " " + string(b.Step)
	case *canon.EvidenceResponse:
		h.Outcome = string(b.Status)
	case *canon.EvidenceRefusal:
		h.Outcome, h.Code = b.ErrorCode, b.Code
	case *canon.RegisterQuery:
		h.Step = b.Register
	case *canon.RegisterRecord:
		h.Step, h.Outcome, h.Code, h.Mapping = b.Register, string(b.Outcome), b.Code, b.Mapping
	case *canon.ConsentDecision:
		approved := 0
		for _, d := range b.Decisions {
			if d.Approved {
				approved++
			}
		}
		h.Outcome = strconv.Itoa(approved) + " of " + strconv.Itoa(len(b.Decisions)) + " approved"
	case *canon.DeliveryReceipt:
		h.Step, h.AS4, h.Peer, h.Outcome, h.Code = string(b.OfKind), b.AS4, b.Peer.String(), string(b.Outcome), b.Code
	case *canon.ExchangeNotice:
		h.Outcome, h.Code = b.State, b.Code
	case *canon.Deadline:
		h.Step = b.Timer
	case *canon.ExchangeRecord:
		h.Step, h.AS4 = "recorded "+string(b.Direction), b.AS4
	case *canon.AuditEvent:
		h.Step, h.Room, h.Outcome, h.Code, h.AS4 = b.Step, b.Room, b.Outcome, b.Code, b.AS4
		if !b.Peer.IsZero() {
			h.Peer = b.Peer.String()
		}
	}
	h.Step = strings.TrimSpace(h.Step)
	return h
}

// DeadLetters pages through the dead letters of every topic that wait for
// somebody (api.Config). The cursor is the index of the first letter of the page.
// One page is held in memory, however many letters there are.
func (n *Node) DeadLetters(ctx context.Context, cursor string, limit int) ([]api.DeadLetter, string, error) {
	from := 0
	if cursor != "" {
		v, err := strconv.ParseUint(cursor, 10, 31)
		if err != nil || v > maxLetters {
			return nil, "", canon.NewFault(canon.CodeBadInput, err, "cursor is not one of ours")
		}
		from = int(v)
	}
	r, err := replay.New(replay.Config{Source: kafkalog.NewReplayLog(n.cluster, nil), Logger: n.log})
	if err != nil {
		return nil, "", err
	}
	sel := replay.Selection{Dead: true, Limit: maxLetters}
	for _, k := range canon.Kinds() {
		sel.Topics = append(sel.Topics, kafkalog.TopicOf(k))
	}
	var out []api.DeadLetter
	next, i := "", 0
	full := errors.New("page is full")
	err = r.Letters(ctx, sel, false, func(l replay.Letter) error {
		if i++; i <= from {
			return nil
		}
		if len(out) == limit {
			next = strconv.Itoa(i - 1)
			return full
		}
		d, err := deadLetterOf(&l)
		out = append(out, d)
		return err
	})
	if err != nil && !errors.Is(err, full) {
		return nil, "", fmt.Errorf("reading dead letters: %w", err)
	}
	return out, next, nil
}

// maxLetters bounds how far an operator pages, as a selection is bounded.
const maxLetters = 5_000_000

func deadLetterOf(l *replay.Letter) (api.DeadLetter, error) {
	at, err := kafkalog.ParsePosition(l.Position)
	if err != nil {
		return api.DeadLetter{}, err
	}
	return api.DeadLetter{
		Topic: at.Topic, Partition: at.Partition, Offset: at.Offset,
		SourceTopic: l.Origin.Topic, SourcePartition: l.Origin.Partition, SourceOffset: l.Origin.Offset,
		Conversation: string(l.Conversation), Message: string(l.ID), Kind: string(l.Kind),
		Code: l.Code, Detail: l.Cause, NextStep: l.NextStep, Attempts: l.Attempts, FailedAt: l.DiedAt,
	}, nil
}
