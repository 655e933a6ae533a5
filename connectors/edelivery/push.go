package edelivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/schemas/canon"
)

// One-Way/Push between two attempts: a message that its partner did not take waits on
// the shelf, so that one partner that is away holds up no other. Who tends the shelf
// makes the further attempts.

const (
	retryEvery     = time.Second      // how often the shelf is asked for messages whose time has come
	retryAtOnce    = 8                // attempts at once, of all partners
	retryOfPartner = 2                // of one
	retryLease     = 15 * time.Second // after which the attempt of a worker that died is over; who lives prolongs it
)

// pushing begins the names of partitions on the shelf that nobody fetches: no
// partition of ebMS has a blank in it.
const pushing = "push "

func pushed(partition string) bool { return strings.HasPrefix(partition, pushing) }

// span is how long an attempt may take.
func span(p *pmode.Partner, l *letter) time.Duration {
	return p.Timeout + time.Duration(l.body.Length/outPace)*time.Second
}

// outages says until when a partner counts as away: its last attempt did not connect.
// Meanwhile new messages wait with the others instead of holding up those behind them.
// It is what this process knows and no more.
type outages struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (o *outages) set(partner string, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.until == nil {
		o.until = map[string]time.Time{}
	}
	o.until[partner] = until
}

// clear reports whether the partner was away.
func (o *outages) clear(partner string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, away := o.until[partner]
	delete(o.until, partner)
	return away
}

func (o *outages) of(partner string) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.until[partner]
}

// waits reports that a message lies on the shelf, in this series or a later one: the
// log has given it again. A message that is younger than half a lease is hardly ever
// given again; for it nobody is asked.
func (s *Sender) waits(ctx context.Context, e *errand) bool {
	if age := s.Now().Sub(e.m.At); e.m.Series == 0 && age >= 0 && age < lease/2 {
		return false
	}
	item, err := s.Shelf.Find(ctx, e.m.ID)
	if err != nil {
		s.Logger.WarnContext(ctx, "whether the message waits is not known; it is sent", slog.String("as4", e.id), slog.Any("error", err))
		return false
	}
	return item != nil && item.Message.Series >= e.m.Series
}

// first makes the first attempt in place. known is false where the message waits for
// the next one.
func (s *Sender) first(ctx context.Context, e *errand, l *letter) (d delivery, known bool, err error) {
	defer l.close(ctx, s.Logger)
	begun, longest := s.Now(), span(e.partner, l)
	item := s.waiting(e, begun.Add(longest))
	set := keep(l.signed())
	item.Kept = set[:]
	if away := s.outages.of(e.partner.Name); away.After(begun) {
		item.From = away
		return d, false, s.putOff(ctx, e, item)
	}
	var last time.Time
	if expiry := e.partner.Retry.Expiry; expiry > 0 {
		last = begun.Add(expiry)
	}
	d, next, err := s.attempt(ctx, e, l, 1, last)
	if err != nil || next.IsZero() {
		return d, true, err
	}
	item.Taken, item.From = 1, next
	return d, false, s.putOff(ctx, e, item)
}

// waiting is the message as it lies on the shelf. It is given up after the attempt
// that begins last.
func (s *Sender) waiting(e *errand, from time.Time) canon.Shelved {
	term := e.partner.Retry.Expiry
	if term <= 0 {
		term = s.Retention
	}
	return canon.Shelved{Message: e.m, Partition: pushing + e.partner.Name, Attempts: e.partner.Retry.Attempts, Expires: from.Add(term)}
}

func (s *Sender) putOff(ctx context.Context, e *errand, item canon.Shelved) error {
	if err := s.Shelf.Put(context.WithoutCancel(ctx), item); err != nil {
		return fmt.Errorf("laying message on the shelf: %w", err)
	}
	s.noteOut(ctx, e, canon.MessageNote{State: canon.MessageWaitingForRetry, Attempts: item.Taken, Next: item.From})
	return nil
}

// retry sends what waits on the shelf once its time has come, until ctx ends.
func (s *Sender) retry(ctx context.Context) {
	var (
		wg    sync.WaitGroup
		slots = make(chan struct{}, retryAtOnce)
		again = make(chan struct{}, 1) // there may be more to do
		mu    sync.Mutex
		busy  = map[string]int{}
	)
	defer wg.Wait()
	begin := func(partition string) bool {
		mu.Lock()
		defer mu.Unlock()
		most := retryOfPartner
		if s.outages.of(strings.TrimPrefix(partition, pushing)).After(s.Now()) {
			most = 1
		}
		if busy[partition] >= most {
			return false
		}
		select {
		case slots <- struct{}{}:
			busy[partition]++
			return true
		default:
			return false
		}
	}
	end := func(partition string, more bool) {
		mu.Lock()
		defer mu.Unlock()
		if busy[partition]--; busy[partition] == 0 {
			delete(busy, partition)
		}
		<-slots
		if more {
			select {
			case again <- struct{}{}:
			default:
			}
		}
	}
	for turn := 0; ctx.Err() == nil; turn++ {
		partitions, err := s.Shelf.Partitions(ctx)
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "messages that wait are not known; asked again soon", slog.Any("error", err))
		}
		partitions = slices.DeleteFunc(partitions, func(p string) bool { return !pushed(p) })
		slices.Sort(partitions)
		for i := range partitions {
			p := partitions[(turn+i)%len(partitions)] // none is always the last to be asked
			for begin(p) {
				wg.Go(func() { end(p, s.retryOne(ctx, p)) })
			}
		}
		select {
		case <-again:
		case <-time.After(retryEvery):
		case <-ctx.Done():
		}
	}
}

// retryOne makes the next attempt of the oldest message of the partition whose time has
// come. It reports whether there was one.
func (s *Sender) retryOne(ctx context.Context, partition string) bool {
	if ctx.Err() != nil {
		return false
	}
	item, err := s.Shelf.Take(ctx, partition, s.Now(), retryLease)
	if err != nil || item == nil {
		if err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "message that waits not taken; tried again soon", slog.Any("error", err))
		}
		return false
	}
	if err = s.resend(ctx, item); err == nil {
		return true
	}
	// What was not tried does not count.
	until := s.Now()
	if ctx.Err() == nil {
		until = until.Add(10 * retryEvery)
		s.Logger.WarnContext(ctx, "message that waits not sent; tried again soon", slog.String("message", string(item.Message.ID)), slog.Any("error", err))
	}
	after, cancel := s.after(ctx)
	defer cancel()
	if err := s.Shelf.Wait(after, item.Message.ID, item.Message.Series, item.Taken-1, until); err != nil {
		s.Logger.WarnContext(ctx, "message that waits not put back; taken again when its lease ends", slog.String("message", string(item.Message.ID)), slog.Any("error", err))
	}
	return false
}

// after is the context of what must be said although ctx has ended.
func (s *Sender) after(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.Deadline)
}

// resend makes one attempt for a message from the shelf: the same MessageId, the same
// digests.
func (s *Sender) resend(ctx context.Context, item *canon.Shelved) error {
	e := s.errand(item.Message, canon.EnvelopeOf(item.Message.Body))
	l, err := s.unshelve(ctx, e, item)
	if err != nil || l == nil {
		return err
	}
	defer l.close(ctx, s.Logger)
	if reason := changed(e.partner, l, item); reason != "" {
		s.Logger.WarnContext(ctx, "message is not sent again: "+reason, slog.String("as4", e.id), slog.String("partner", e.partner.Name))
		return s.settle(ctx, e, s.failed(item.Taken-1, canon.CodeNoAgreement, ebms.ProcessingModeMismatch, reason))
	}
	if item.Kept == nil {
		set := keep(l.signed())
		if err := s.Shelf.Keep(ctx, item.Message.ID, set[:]); err != nil {
			return fmt.Errorf("keeping what is signed: %w", err)
		}
	}
	longest := span(e.partner, l)
	release := s.hold(ctx, e, item)
	d, next, err := s.attempt(ctx, e, l, item.Taken, item.Expires.Add(-longest))
	release()
	if err != nil {
		return err
	}
	after, cancel := s.after(ctx)
	defer cancel()
	if next.IsZero() {
		return s.settle(after, e, d)
	}
	if err := s.Shelf.Wait(after, item.Message.ID, item.Message.Series, item.Taken, next); err != nil {
		return fmt.Errorf("putting the message off: %w", err)
	}
	s.noteOut(after, e, canon.MessageNote{State: canon.MessageWaitingForRetry, Attempts: item.Taken, Next: next})
	return nil
}

// hold prolongs the lease of a message until it is released. A lease that ran out all
// the same, as when the memory was away, costs a duplicate, which the partner finds.
func (s *Sender) hold(ctx context.Context, e *errand, item *canon.Shelved) (release func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for wait(ctx, retryLease/3) {
			err := s.Shelf.Hold(ctx, item.Message.ID, item.Message.Series, s.Now().Add(retryLease))
			if err != nil && ctx.Err() == nil {
				s.Logger.WarnContext(ctx, "message is not held while it is sent", slog.String("as4", e.id), slog.Any("error", err))
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// changed says why a message cannot be sent under the agreement that is in force now.
// What is signed must stay as it was, or the peer would see two messages under one id
// (c.1).
func changed(p *pmode.Partner, l *letter, item *canon.Shelved) string {
	if p.MEP == pmode.Pull {
		return "the agreement has changed: this partner fetches its messages now"
	}
	if set := keep(l.signed()); item.Kept != nil && string(set[:]) != string(item.Kept) {
		return "the agreement has changed what is signed"
	}
	return ""
}

// heard notes how an attempt went for the other messages of the partner.
func (s *Sender) heard(ctx context.Context, p *pmode.Partner, n int, err error, next time.Time) {
	if s.Shelf == nil {
		return
	}
	if e, ok := errors.AsType[*ebms.Error](err); ok && e.Code == ebms.ConnectionFailure {
		s.outages.set(p.Name, next)
		return
	}
	if away := s.outages.clear(p.Name); err != nil || !away && n == 1 {
		return
	}
	// It is back: nobody waits any longer.
	if err := s.Shelf.Wake(ctx, pushing+p.Name); err != nil {
		s.Logger.WarnContext(ctx, "messages that wait are not sent before their time", slog.String("partner", p.Name), slog.Any("error", err))
	}
}
