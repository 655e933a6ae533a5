package edelivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/schemas/canon"
)

// tendEvery is how often the shelf is looked after, and dueAtOnce how many messages
// are ended in one go.
const (
	tendEvery = 5 * time.Second
	dueAtOnce = 100
)

// Tend looks after the shelf until ctx ends: it fills a shelf that was lost from the
// log, and gives up messages that nobody fetched. Every process may do it; what one
// of them says others say again with the same ids.
func (s *Sender) Tend(ctx context.Context) error {
	if s.Shelf == nil {
		return nil
	}
	for {
		if err := s.tend(ctx); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "shelf not looked after; tried again soon", slog.Any("error", err))
		}
		if !wait(ctx, tendEvery) {
			return nil
		}
	}
}

func (s *Sender) tend(ctx context.Context) error {
	var unfilled error
	// Where nobody fetches the log need not be read.
	if slices.ContainsFunc(s.PModes.Table().Partners(), func(p *pmode.Partner) bool { return p.MEP == pmode.Pull }) {
		if err := s.Shelf.Restore(ctx, s.refill); err != nil {
			unfilled = fmt.Errorf("filling the shelf: %w", err)
		}
	}
	for {
		due, err := s.Shelf.Due(ctx, s.Now(), dueAtOnce)
		if err != nil {
			err = fmt.Errorf("looking for messages that nobody fetched: %w", err)
		}
		// One that cannot be ended now does not keep the others.
		for _, item := range due {
			err = errors.Join(err, s.giveUp(ctx, &item))
		}
		if err != nil || len(due) < dueAtOnce {
			return errors.Join(unfilled, err)
		}
	}
}

// giveUp ends a message that was fetched too often or not at all: MissingReceipt to
// the producer (TA15).
func (s *Sender) giveUp(ctx context.Context, item *canon.Shelved) error {
	e := s.errand(item.Message, canon.EnvelopeOf(item.Message.Body))
	if known, err := s.settled(ctx, e, item); known || err != nil {
		return err
	}
	reason := "nobody fetched it in time"
	if item.Taken > 0 {
		reason = "it was fetched and no receipt came"
	}
	return s.settle(ctx, e, s.failed(item.Taken, canon.CodePeerUnreachable, ebms.MissingReceipt, reason))
}

// refill lays out again what the log has and nobody is known to hold.
func (s *Sender) refill(ctx context.Context) error {
	if s.Unsent == nil {
		return nil
	}
	n, fetching := 0, map[canon.Participant]bool{}
	for _, p := range s.PModes.Table().Partners() {
		fetching[p.Party.ID] = fetching[p.Party.ID] || p.MEP == pmode.Pull
	}
	err := s.Unsent(ctx, func(m canon.Message) error {
		env := canon.EnvelopeOf(m.Body)
		if env == nil || env.Leg != canon.LegOut || !fetching[env.To] {
			return nil
		}
		e := s.errand(m, env)
		if known, err := s.settled(ctx, e, &canon.Shelved{Message: m}); known || err != nil {
			return err
		}
		out, ok, err := s.Codec.Encode(ctx, m, s.Payloads)
		if err != nil || !ok {
			return nil // Handle met it too, and said what became of it
		}
		if e.partner, _, err = e.table.Outbound(env.To, out.Action); err != nil || e.partner.MEP != pmode.Pull {
			return nil
		}
		e.action = out.Action
		n++
		return s.shelve(ctx, e)
	})
	if err == nil && n > 0 {
		s.Logger.InfoContext(ctx, "shelf filled from the log", slog.Int("messages", n))
	}
	return err
}
