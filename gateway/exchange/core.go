package exchange

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"time"

	"oncegate/gateway/consent"
	"oncegate/gateway/preview"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

// A History reads the log back: the messages of one conversation, or of all
// where id is empty, that were written at or after since. Messages of one kind
// come in the order of the log. The core asks for kinds it consumes and kinds it
// says; others do no harm.
type History func(ctx context.Context, since time.Time, id canon.ConversationID) iter.Seq2[canon.Message, error]

// Requests remembers which message used the id of a request of another Member
// State: for twelve months at least, across all conversations (TDD 4.4).
type Requests interface {
	// Claim returns the message that used the id first. Where none did that is by,
	// from now on. Claiming again for the same message is the same.
	Claim(ctx context.Context, id canon.RequestID, by canon.MessageID) (first canon.MessageID, err error)
}

// A Config says what a Core works with.
type Config struct {
	Store    Store            // Required.
	Routes   *routing.Table   // Required.
	Tickets  *preview.Tickets // Required: mints the locations of previews.
	Policy   *consent.Policy  // Default: no exemptions.
	History  History          // Required: the store may be lost, the log tells.
	Requests Requests         // Default: ids are known within their own exchange only.
	Timeouts Timeouts         // Default: those of TDD 4.4.3.
	// Horizon is how far back the log is read for an exchange. It covers the
	// timers and the attempts to deliver. Default: 24 h more than Timeouts.Keep.
	Horizon time.Duration
	// OnFinal is told of every conversation that has ended, before the messages
	// of its end are published and its input is acknowledged. It may be told more
	// than once and must then do nothing more; an error is tried again with the
	// input. The deployment forgets the key of a Spent conversation here.
	// Default: nothing.
	OnFinal func(ctx context.Context, c *Conversation) error
	Poll    time.Duration    // Between two looks for deadlines. Default: 1 s.
	Now     func() time.Time // Default: time.Now.
	Logger  *slog.Logger     // Default: discards.
}

// A Core applies messages to conversations.
type Core struct {
	cfg   Config
	world *World
	batch int // messages that a recovery holds in memory
}

// New checks the configuration and reports all faults at once.
func New(cfg Config) (*Core, error) {
	var faults []error
	for _, f := range []struct {
		missing bool
		name    string
	}{
		{cfg.Store == nil, "Store"}, {cfg.Routes == nil, "Routes"},
		{cfg.Tickets == nil, "Tickets"}, {cfg.History == nil, "History"},
	} {
		if f.missing {
			faults = append(faults, fmt.Errorf("exchange core: %s is required", f.name))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if cfg.Poll <= 0 {
		cfg.Poll = time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Timeouts = cfg.Timeouts.withDefaults()
	if cfg.Horizon <= 0 {
		cfg.Horizon = cfg.Timeouts.Keep + 24*time.Hour
	}
	return &Core{cfg: cfg, batch: recoverBatch, world: &World{Routes: cfg.Routes, Tickets: cfg.Tickets, Policy: cfg.Policy, Timeouts: cfg.Timeouts}}, nil
}

var _ Reader = (*Core)(nil)

// Handle is a canon.Handler for every kind the core consumes; other messages on
// the same topics are passed over.
func (k *Core) Handle(ctx context.Context, m canon.Message) ([]canon.Message, error) {
	if !Consumes(m) {
		return nil, nil
	}
	w, err := k.known(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("looking for the id of a request: %w", err)
	}
	out, end, err := k.apply(ctx, m, w, false)
	if errors.Is(err, ErrUnknown) {
		if err := k.recall(ctx, m); err != nil {
			return nil, err
		}
		out, end, err = k.apply(ctx, m, w, true)
	}
	if err != nil {
		return nil, fmt.Errorf("applying %s: %w", m.Kind, err)
	}
	if end != nil && k.cfg.OnFinal != nil {
		if err := k.cfg.OnFinal(ctx, end); err != nil {
			return nil, fmt.Errorf("ending exchange: %w", err)
		}
	}
	return out, nil
}

// known returns the world of one message: whether its request id is new. A message
// that an operator plays again is the one it repeats.
func (k *Core) known(ctx context.Context, m canon.Message) (*World, error) {
	r, ok := m.Body.(*canon.EvidenceRequest)
	if !ok || k.cfg.Requests == nil || r.Leg != canon.LegIn || !validRequestID(r.Request) {
		return k.world, nil
	}
	by := m.ID
	if m.ReplayOf != "" {
		by = m.ReplayOf
	}
	first, err := k.cfg.Requests.Claim(ctx, canon.RequestID(strings.ToLower(string(r.Request))), by)
	if err != nil || first == by {
		return k.world, err
	}
	w := *k.world
	w.reused = true
	return &w, nil
}

// apply runs Next over the store. Where there is no conversation and fresh is
// false it returns ErrUnknown: the store may have lost it. end is the
// conversation, if it has ended.
func (k *Core) apply(ctx context.Context, m canon.Message, w *World, fresh bool) (out []canon.Message, end *Conversation, err error) {
	ran := false
	out, err = k.cfg.Store.Update(ctx, m.Conversation, m.ID, func(c *Conversation) (*Conversation, []canon.Message, error) {
		if c == nil && !fresh {
			return nil, nil, ErrUnknown
		}
		next, out, err := c.Next(m, w)
		ran, end = true, nil
		if err == nil && next != nil && next.Phase.Final() {
			end = next
		}
		return next, out, err
	})
	if err != nil || ran || k.cfg.OnFinal == nil {
		return out, end, err
	}
	// Applied before: the process may have died before OnFinal was told.
	c, err := k.cfg.Store.Get(ctx, m.Conversation)
	if err != nil {
		return nil, nil, err
	}
	if c.Phase.Final() {
		end = c
	}
	return out, end, nil
}

// recall puts a conversation back that the store may have lost. What a whole
// store does not know never was: a partner who sends answers to exchanges that
// do not exist costs no look into the log.
func (k *Core) recall(ctx context.Context, m canon.Message) error {
	whole, err := k.cfg.Store.Whole(ctx)
	if err != nil || whole {
		return err
	}
	_, err = k.Rebuild(ctx, m.Conversation)
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}

// Get returns a conversation, from the log where the store lost it.
func (k *Core) Get(ctx context.Context, id canon.ConversationID) (*Conversation, error) {
	c, err := k.cfg.Store.Get(ctx, id)
	if !errors.Is(err, ErrUnknown) {
		return c, err
	}
	if whole, err := k.cfg.Store.Whole(ctx); err != nil || whole {
		if err == nil {
			err = ErrUnknown
		}
		return nil, err
	}
	return k.Rebuild(ctx, id)
}

// List returns conversations by last change, newest first, as far as the store
// knows them.
func (k *Core) List(ctx context.Context, limit int) ([]*Conversation, error) {
	return k.cfg.Store.List(ctx, limit)
}

// deadlines a poll looks at, besides those that were told before.
const deadlineBatch = 256

// Deadlines looks for timers that ran out and publishes a Deadline for each; it
// reaches Handle by way of the log, so that no restart loses it. It also
// recovers a store that was lost. Publishing the same one twice is harmless:
// its id is derived. Deadlines returns when ctx ends; its owner waits for it.
func (k *Core) Deadlines(ctx context.Context, publish canon.Publish) error {
	tick := time.NewTicker(k.cfg.Poll)
	defer tick.Stop()
	told := map[canon.ConversationID]time.Time{} // when each was published last
	for {
		if err := k.deadlines(ctx, publish, told); err != nil && ctx.Err() == nil {
			k.cfg.Logger.WarnContext(ctx, "looking for deadlines", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (k *Core) deadlines(ctx context.Context, publish canon.Publish, told map[canon.ConversationID]time.Time) error {
	if err := k.Recover(ctx); err != nil {
		return err
	}
	now := k.cfg.Now().UTC()
	// Those that were told and not handled yet must not hide the others.
	ids, err := k.cfg.Store.Due(ctx, now, len(told)+deadlineBatch)
	if err != nil {
		return fmt.Errorf("asking for deadlines: %w", err)
	}
	due := make(map[canon.ConversationID]bool, len(ids))
	for _, id := range ids {
		due[id] = true
		if at, ok := told[id]; ok && now.Sub(at) < patience*k.cfg.Poll {
			continue // it is on the log, the consumer has not come to it
		}
		c, err := k.cfg.Store.Get(ctx, id)
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading a conversation that is due: %w", err)
		}
		if c.Timer == "" || c.Due.After(now) {
			continue
		}
		if err := publish(ctx, deadline(c, now)); err != nil {
			return fmt.Errorf("publishing a deadline: %w", err)
		}
		told[id] = now
	}
	for id := range told {
		if !due[id] {
			delete(told, id)
		}
	}
	return nil
}

// patience is how many polls a published deadline may take to be handled.
const patience = 30

func deadline(c *Conversation, now time.Time) canon.Message {
	return canon.Message{
		ID:   canon.MessageID(canon.DeriveUUID("deadline", string(c.ID), c.Timer, c.Due.UTC().Format(time.RFC3339Nano))),
		Kind: canon.KindDeadline, Conversation: c.ID, At: now,
		Body: &canon.Deadline{Timer: c.Timer, Due: c.Due.UTC()},
	}
}
