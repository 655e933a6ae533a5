package edelivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
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
// log, sends again what waits for its next attempt, and gives up messages that nobody
// fetched or took. Every process may do it; what one of them says others say again with
// the same ids.
func (s *Sender) Tend(ctx context.Context) error {
	if s.Shelf == nil {
		return nil
	}
	var retrying sync.WaitGroup
	retrying.Go(func() { s.retry(ctx) })
	defer retrying.Wait()
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
	if err := s.Shelf.Restore(ctx, s.refill); err != nil {
		unfilled = fmt.Errorf("filling the shelf: %w", err)
	}
	for {
		due, err := s.Shelf.Due(ctx, s.Now(), dueAtOnce)
		if err != nil {
			err = fmt.Errorf("looking for messages that are spent: %w", err)
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

// giveUp ends a message that was fetched too often or not at all, or whose time to be
// sent is over: MissingReceipt to the producer (TA15).
func (s *Sender) giveUp(ctx context.Context, item *canon.Shelved) error {
	e := s.errand(item.Message, canon.EnvelopeOf(item.Message.Body))
	if known, err := s.settled(ctx, e, item); known || err != nil {
		return err
	}
	reason := "nobody fetched it in time"
	switch {
	case pushed(item.Partition) && item.Taken >= item.Attempts:
		reason = "attempts are used up"
	case pushed(item.Partition):
		reason = "retry.expiry has passed"
	case item.Taken > 0:
		reason = "it was fetched and no receipt came"
	}
	return s.settle(ctx, e, s.failed(item.Taken, canon.CodePeerUnreachable, ebms.MissingReceipt, reason))
}

// refill lays out again what the log has and nobody is known to hold. Among it may be
// messages that Handle was not given yet, or works on: those that are pushed wait a
// while, after which their outcome is known or the peer finds the duplicate.
func (s *Sender) refill(ctx context.Context) error {
	if s.Unsent == nil {
		return nil
	}
	n := 0
	err := s.Unsent(ctx, func(m canon.Message) error {
		env := canon.EnvelopeOf(m.Body)
		if env == nil || env.Leg != canon.LegOut {
			return nil
		}
		e := s.errand(m, env)
		if known, err := s.settled(ctx, e, &canon.Shelved{Message: m}); known || err != nil {
			return err
		}
		out, ok, err := s.Codec.Encode(ctx, m, s.Payloads)
		if err != nil && canon.AsFault(err).Kind == canon.Unavailable {
			return fmt.Errorf("encoding message: %w", err)
		}
		if err != nil || !ok {
			return nil // Handle met it too, and said what became of it
		}
		e.action = out.Action
		if err := s.putOnRecord(ctx, e, out); err != nil {
			return err
		}
		e.partner, _, err = s.outbound(ctx, e, out)
		if err != nil && canon.AsFault(err).Kind == canon.Unavailable {
			// Discovered again when it is sent; until then what is usual holds.
			e.partner, err = &pmode.Partner{Name: env.To.ID, Timeout: time.Minute, Retry: pmode.Retry{Attempts: 5}}, nil
		}
		if err != nil {
			return nil
		}
		n++
		if e.partner.MEP == pmode.Pull {
			return s.shelve(ctx, e)
		}
		item := s.waiting(e, s.Now())
		item.From = s.Now().Add(e.partner.Timeout)
		return s.putOff(ctx, e, item)
	})
	if err == nil && n > 0 {
		s.Logger.InfoContext(ctx, "shelf filled from the log", slog.Int("messages", n))
	}
	return err
}
