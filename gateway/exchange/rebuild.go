package exchange

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"oncegate/schemas/canon"
)

// Rebuild puts one conversation back into the store as the log tells it and
// returns it; ErrUnknown when the log knows none.
func (k *Core) Rebuild(ctx context.Context, id canon.ConversationID) (*Conversation, error) {
	var ms []canon.Message
	for m, err := range k.cfg.History(ctx, k.cfg.Now().Add(-k.cfg.Horizon), id) {
		if err != nil {
			return nil, fmt.Errorf("reading the log: %w", err)
		}
		if m.Conversation == id {
			ms = append(ms, m)
		}
	}
	if err := k.restore(ctx, ms); err != nil {
		return nil, err
	}
	return k.cfg.Store.Get(ctx, id)
}

// Recover puts every conversation of the horizon back, where the store was lost
// since it was last whole. Messages may be handled meanwhile.
func (k *Core) Recover(ctx context.Context) error {
	whole, err := k.cfg.Store.Whole(ctx)
	if err != nil {
		return fmt.Errorf("asking whether the store is whole: %w", err)
	}
	if whole {
		return nil
	}
	restored := 0
	for share, shares := 0, 1; share < shares; {
		all, fits, err := k.share(ctx, share, shares)
		if err != nil {
			return err
		}
		if !fits {
			share, shares = 0, 2*shares // what was restored before is left alone
			continue
		}
		for _, ms := range all {
			if err := k.restore(ctx, ms); err != nil {
				return err
			}
		}
		restored += len(all)
		share++
	}
	if err := k.cfg.Store.MarkWhole(ctx); err != nil {
		return fmt.Errorf("marking the store whole: %w", err)
	}
	k.cfg.Logger.InfoContext(ctx, "conversations recovered from the log", "conversations", restored)
	return nil
}

// share reads the messages of one of several shares of all conversations. It
// gives up where they are too many for the memory of the process; the shares
// are then made smaller.
func (k *Core) share(ctx context.Context, share, shares int) (all map[canon.ConversationID][]canon.Message, fits bool, err error) {
	all = map[canon.ConversationID][]canon.Message{}
	n := 0
	for m, err := range k.cfg.History(ctx, k.cfg.Now().Add(-k.cfg.Horizon), "") {
		if err != nil {
			return nil, false, fmt.Errorf("reading the log: %w", err)
		}
		if !ours(m) || int(crc32.ChecksumIEEE([]byte(m.Conversation))%uint32(shares)) != share {
			continue
		}
		if n++; n > k.batch && shares < maxShares {
			return nil, false, nil
		}
		all[m.Conversation] = append(all[m.Conversation], m)
	}
	return all, true, nil
}

const (
	recoverBatch = 100_000 // messages in memory at a time
	maxShares    = 1 << 10
)

// ours keeps what a fold looks at.
func ours(m canon.Message) bool {
	switch m.Body.(type) {
	case *canon.EvidenceRequest, *canon.PreviewRequired, *canon.EvidenceResponse, *canon.EvidenceRefusal,
		*canon.RegisterQuery, *canon.ExchangeNotice:
		return true
	}
	return Consumes(m)
}

func (k *Core) restore(ctx context.Context, ms []canon.Message) error {
	c, applied, err := fold(ms, func(m canon.Message) (*World, error) { return k.known(ctx, m) })
	if err != nil {
		return fmt.Errorf("folding the log: %w", err)
	}
	if c == nil {
		return nil
	}
	if err := k.cfg.Store.Restore(ctx, c, applied); err != nil {
		return fmt.Errorf("restoring a conversation: %w", err)
	}
	return nil
}

// fold applies the messages of one conversation again and drops what followed
// from them: it is on the log already. world returns what is known besides a
// message.
func fold(ms []canon.Message, world func(canon.Message) (*World, error)) (*Conversation, []Applied, error) {
	inputs := inOrder(ms)
	said := make(map[canon.MessageID]canon.Message, len(ms))
	for _, m := range ms {
		said[m.ID] = m
	}
	if len(inputs) > 0 && forgotten(inputs[0]) {
		return ended(inputs[0], ms), saidBefore(inputs, ms), nil
	}
	var c *Conversation
	var applied []Applied
	seen := map[canon.MessageID]bool{}
	for _, m := range inputs {
		if seen[m.ID] || c == nil && !Opens(m) {
			continue
		}
		known, err := world(m)
		if err != nil {
			return nil, nil, err
		}
		w := *known
		w.said = said
		next, out, err := c.Next(m, &w)
		if err != nil {
			if f, ok := errors.AsType[*canon.Fault](err); ok && f.Kind == canon.Invalid {
				continue // a dead letter then and now
			}
			return nil, nil, err
		}
		if next == c {
			continue
		}
		c = next
		seen[m.ID] = true
		applied = append(applied, Applied{Cause: m.ID, Messages: out})
	}
	return c, applied, nil
}

// inOrder picks what the core consumes and puts it in the order in which it was
// handled: per kind that of the log, between kinds by time, and never an effect
// before its cause. A deadline takes part only where the log shows what followed
// from it: a late one that changed nothing must not begin to. Where it did and
// the words are still on their way, the poller tells it again.
func inOrder(ms []canon.Message) []canon.Message {
	followed := map[canon.MessageID]bool{}
	input := map[canon.MessageID]bool{}
	causeOf := map[canon.MessageID]canon.MessageID{}
	for _, m := range ms {
		followed[m.Cause] = true
		causeOf[m.ID] = m.Cause
		if Consumes(m) {
			input[m.ID] = true
		}
	}
	queues := map[canon.Kind][]canon.Message{}
	left := 0
	for _, m := range ms {
		_, isDeadline := m.Body.(*canon.Deadline)
		if !Consumes(m) || isDeadline && !followed[m.ID] {
			delete(input, m.ID)
			continue
		}
		queues[m.Kind] = append(queues[m.Kind], m)
		left++
	}
	// waits reports that an input of which m is a consequence has not been placed.
	waits := func(m canon.Message) bool {
		id := m.Cause
		if r, ok := m.Body.(*canon.DeliveryReceipt); ok {
			id = r.Of
		}
		for range len(ms) { // a bound, should the log hold a circle
			if id == "" {
				return false
			}
			if input[id] {
				return id != m.ID
			}
			id = causeOf[id]
		}
		return false
	}
	var out []canon.Message
	for left > 0 {
		var best canon.Kind
		for _, kind := range canon.Kinds() {
			if len(queues[kind]) == 0 {
				continue
			}
			if best == "" || before(queues[kind][0], waits(queues[kind][0]), queues[best][0], waits(queues[best][0])) {
				best = kind
			}
		}
		m := queues[best][0]
		queues[best] = queues[best][1:]
		delete(input, m.ID)
		out = append(out, m)
		left--
	}
	return out
}

func before(a canon.Message, aWaits bool, b canon.Message, bWaits bool) bool {
	if aWaits != bWaits {
		return bWaits
	}
	return a.At.Before(b.At)
}

// forgotten reports that the person of an opening message cannot be read any
// more.
func forgotten(m canon.Message) bool {
	r, ok := m.Body.(*canon.EvidenceRequest)
	return ok && r.Private.Forgotten()
}

// ended restores a conversation whose key was forgotten: it is over. Its end is
// read from what was said, as nobody can judge what was said to us.
func ended(first canon.Message, ms []canon.Message) *Conversation {
	c := &Conversation{ID: first.Conversation, OpenedAt: first.At.UTC(), UpdatedAt: first.At.UTC()}
	r := first.Body.(*canon.EvidenceRequest)
	c.copyOf(r)
	if c.Role == Provider {
		c.First = r.Request
	} else {
		c.Exchange = canon.ExchangeID(c.ID)
	}
	c.Phase, c.Code = ExpiredP, canon.CodePayloadForgotten
	answer := canon.Derive(canon.MessageID(c.ID), stepAnswer)
	for _, m := range ms {
		switch b := m.Body.(type) {
		case *canon.EvidenceResponse:
			if c.Role == Provider && m.ID == answer {
				c.Phase, c.Code, c.Documents = Delivered, "", slices.Clone(b.Documents)
				switch b.Status {
				case canon.StatusDeclined:
					c.Phase = Declined
				case canon.StatusDeferred:
					c.Phase, c.AvailableAt = Deferred, b.AvailableAt
				}
			}
		case *canon.EvidenceRefusal:
			if c.Role == Provider && m.ID == answer {
				c.Phase, c.Code, c.ErrorCode, c.Detail = Refused, b.Code, b.ErrorCode, b.Detail
				if b.ErrorCode == edmTimeout {
					c.Phase = ExpiredP
				}
			}
		case *canon.ExchangeNotice:
			if p := Phase(b.State); c.Role == Requester && p.Final() {
				c.Phase, c.Code, c.ErrorCode, c.Detail, c.AvailableAt = p, b.Code, b.EDM, b.Detail, b.AvailableAt
			}
		}
		if m.At.After(c.UpdatedAt) {
			c.UpdatedAt = m.At.UTC()
		}
	}
	return c
}

// saidBefore returns what followed from each input, as it stands on the log.
func saidBefore(inputs, ms []canon.Message) []Applied {
	followed := map[canon.MessageID][]canon.Message{}
	for _, m := range ms {
		if m.Cause != "" && !Consumes(m) && !m.Kind.Legal() {
			followed[m.Cause] = append(followed[m.Cause], m)
		}
	}
	var out []Applied
	for _, m := range inputs {
		out = append(out, Applied{Cause: m.ID, Messages: followed[m.ID]})
	}
	return out
}
