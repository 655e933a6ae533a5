package edelivery

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

// tries is how far a series has come. What is recorded of it outlives the worker:
// the next one goes on with it and does not begin anew.
type tries struct {
	First    time.Time `json:"first"`    // when the first attempt began
	Attempts int       `json:"attempts"` // that failed
	Next     time.Time `json:"next"`     // when the next one is due
}

// triesKey is where the n-th failed attempt is kept. What Remembered holds does not
// change once it is complete, so each attempt has a key of its own.
func (e *errand) triesKey(n int) string {
	return fmt.Sprintf("as4:tries:%s:%d", canon.DeriveUUID(e.series("sent"), e.id), n)
}

// tail is how long a recorded attempt is kept after the next one was due.
const tail = 24 * time.Hour

// record keeps that an attempt failed. Without it a restart makes more attempts than
// agreed, which harms nobody.
func (s *Sender) record(ctx context.Context, e *errand) {
	data, err := json.Marshal(e.tries)
	if err == nil {
		_, err = s.Remembered.Complete(ctx, e.triesKey(e.tries.Attempts), string(e.m.ID), data, e.tries.Next.Sub(s.Now())+tail)
	}
	if err != nil {
		s.Logger.WarnContext(ctx, "failed attempt not remembered", slog.String("as4", e.id), slog.Any("error", err))
	}
}

// resume finds how far an earlier worker came. A message that is younger than a
// lease cannot have had one: its claim, which such a worker leaves behind, would not
// have ended. So the usual message costs no question.
func (s *Sender) resume(ctx context.Context, e *errand) {
	if age := s.Now().Sub(e.m.At); e.m.Series == 0 && age >= 0 && age < lease/2 {
		return
	}
	for n := 1; ; n++ {
		key := e.triesKey(n)
		state, stored, err := s.Remembered.Claim(ctx, key, string(e.m.ID), time.Second)
		switch {
		case err != nil:
			s.Logger.WarnContext(ctx, "failed attempts not known", slog.String("as4", e.id), slog.Any("error", err))
			return
		case state == StateDone:
			var t tries
			if err := json.Unmarshal(stored, &t); err != nil || t.Attempts != n {
				return
			}
			e.tries = t
			continue
		case state == StateClaimed:
			if err := s.Remembered.Release(ctx, key, string(e.m.ID)); err != nil {
				s.Logger.WarnContext(ctx, "claim not released", slog.String("as4", e.id), slog.Any("error", err))
			}
		}
		return
	}
}

// persist tries in place until there is a signed word of the peer or the attempts are
// used up. It gives the letter up.
func (s *Sender) persist(ctx context.Context, e *errand, l *letter) (delivery, error) {
	defer func() { l.close(ctx, s.Logger) }()
	s.resume(ctx, e)
	if e.tries.First.IsZero() {
		e.tries.First = s.Now().UTC()
	}
	if n := e.tries.Attempts; n >= e.partner.Retry.Attempts {
		return s.failed(n, canon.CodePeerUnreachable, ebms.MissingReceipt, "attempts are used up"), nil
	}
	var last time.Time
	if expiry := e.partner.Retry.Expiry; expiry > 0 {
		last = e.tries.First.Add(expiry)
	}
	for {
		if pause := e.tries.Next.Sub(s.Now()); pause > 0 {
			s.noteOut(ctx, e, canon.MessageNote{State: canon.MessageWaitingForRetry, Attempts: e.tries.Attempts, Next: e.tries.Next})
			if !wait(ctx, pause) {
				return delivery{}, fmt.Errorf("sending message: %w", ctx.Err())
			}
			l = s.renew(ctx, e, l)
		}
		n := e.tries.Attempts + 1
		d, next, err := s.attempt(ctx, e, l, n, last)
		if err != nil || next.IsZero() {
			return d, err
		}
		e.tries.Attempts, e.tries.Next = n, next
		s.record(ctx, e)
	}
}

// attempt posts the letter for the n-th time. next is zero where d is how the series
// ended; else the message may be sent again then. No attempt begins at last or later,
// unless that is zero.
func (s *Sender) attempt(ctx context.Context, e *errand, l *letter, n int, last time.Time) (d delivery, next time.Time, err error) {
	s.noteOut(ctx, e, canon.MessageNote{State: canon.MessageSendInProgress, Attempts: n})
	v, err := s.post(ctx, e.partner, l)
	if err := ctx.Err(); err != nil {
		return d, next, fmt.Errorf("sending message: %w", err)
	}
	now, retry := s.Now().UTC(), e.partner.Retry
	back := setbackOf(err)
	next = now.Add(retry.Spread(retry.Pause(n), s.fraction()))
	// A partner that says when to come again is heeded within what was agreed.
	if asked := now.Add(min(back.after, retry.Max)); asked.After(next) {
		next = asked
	}
	s.heard(ctx, e.partner, n, err, next)
	if err == nil {
		d, final := s.judged(ctx, e, n, v)
		if final {
			return d, time.Time{}, nil
		}
		back = &setback{reason: "the partner says " + string(v.code) + " and may take it later"}
		err = back
	}
	s.Logger.InfoContext(ctx, "message not acknowledged", slog.String("as4", e.id), slog.String("partner", e.partner.Name),
		slog.Int("attempt", n), slog.String("reason", back.reason), slog.Any("error", err))
	if n >= retry.Attempts || !last.IsZero() && !next.Before(last) {
		return s.exhausted(e, n, err, back), time.Time{}, nil
	}
	return d, next, nil
}

// exhausted is the end of a series without a word of the peer: MissingReceipt to the
// producer (TA15).
func (s *Sender) exhausted(e *errand, n int, err error, back *setback) delivery {
	reason := "attempts are used up; last: " + back.reason
	if n < e.partner.Retry.Attempts {
		reason = "retry.expiry has passed; last: " + back.reason
	}
	if invalid, ok := errors.AsType[*ebms.Error](err); ok && invalid.Code == ebms.InvalidReceipt {
		return s.failed(n, canon.CodeReceiptInvalid, ebms.InvalidReceipt, reason)
	}
	return s.failed(n, canon.CodePeerUnreachable, ebms.MissingReceipt, reason)
}

// judged is what a signed word means; final is false where the same message may be
// taken later.
func (s *node) judged(ctx context.Context, e *errand, n int, v verdict) (d delivery, final bool) {
	d = delivery{At: s.Now().UTC(), Outcome: canon.DeliveryAcknowledged, Attempts: n, Error: v.code}
	switch {
	case v.receipt != "":
		d.Receipt, d.Proof = v.receipt, v.proof
		return d, true
	case v.duplicate():
		// The peer holds the message and its receipt was lost (c.1).
		d.Warning, d.Reason = true, "the partner holds the message already; its receipt was lost"
		return d, true
	case v.code.Passing():
		return d, false
	}
	s.Logger.WarnContext(ctx, "peer refused message", slog.String("as4", e.id), slog.String("partner", e.partner.Name), slog.String("code", string(v.code)))
	return s.failed(n, canon.CodePeerRefused, v.code, "the partner refuses the message"), true
}

// renew seals the message anew where the agreements were reloaded since the last
// attempt: the partner may have other certificates or another address. What is
// signed must stay as it was, or the peer would see two messages under one id; where
// it would not, or the partner is gone, the series ends as it began.
func (s *Sender) renew(ctx context.Context, e *errand, old *letter) *letter {
	table := s.PModes.Table()
	if table == e.table {
		return old
	}
	fresh := *e
	fresh.table = table
	out, ok, err := s.Codec.Encode(ctx, e.m, s.Payloads)
	var l *letter
	if err == nil && ok {
		l, _, err = s.letter(ctx, &fresh, out)
	}
	switch {
	case err != nil || l == nil:
		s.Logger.WarnContext(ctx, "message goes on under the agreement that it began with", slog.String("as4", e.id), slog.Any("error", err))
	case !slices.Equal(l.signed(), old.signed()):
		s.Logger.WarnContext(ctx, "message goes on under the agreement that it began with: the new one would change what is signed", slog.String("as4", e.id))
		l.close(ctx, s.Logger)
	default:
		old.close(ctx, s.Logger)
		e.partner = fresh.partner
		old = l
	}
	e.table = table // asked once for each table
	return old
}

// fraction returns a number from 0 to 1 for the jitter of a pause.
func (n *node) fraction() float64 {
	var b [4]byte
	if _, err := io.ReadFull(n.Rand, b[:]); err != nil {
		return 0.5
	}
	return float64(binary.BigEndian.Uint32(b[:])) / (1 << 32)
}
