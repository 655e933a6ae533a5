package care

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Memory is Budgets for one process.
type Memory struct {
	now   func() time.Time
	begun time.Time // what was called before is not known

	mu    sync.Mutex
	books map[string]*book
}

var _ Budgets = (*Memory)(nil)

// NewMemory makes budgets that do not know of calls before begun, and so begin empty;
// with the zero time there were none.
func NewMemory(now func() time.Time, begun time.Time) *Memory {
	return &Memory{now: now, begun: begun, books: map[string]*book{}}
}

// book is what is remembered of one register.
type book struct {
	slots []time.Time // of the last calls, oldest first; at most Budget.Calls
	tat   time.Time   // when the next call would be due if all came evenly (GCRA)
	until map[string]time.Time
	line  []waiter // oldest first
}

type waiter struct {
	ticket string
	seen   time.Time // forgotten after it
}

// Take implements Budgets.
func (m *Memory) Take(ctx context.Context, register, ticket string, b Budget, hold time.Duration) (Grant, error) {
	if err := errors.Join(ctx.Err(), b.Validate()); err != nil {
		return Grant{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	k := m.books[register]
	if k == nil {
		k = &book{until: map[string]time.Time{}}
		m.books[register] = k
	}
	k.tidy(now)
	if unsure := m.begun.Add(ahead); b.Calls > 0 && len(k.slots) == 0 && now.Before(unsure.Add(b.Per)) {
		k.slots = emptySlots(unsure, b) // some were granted ahead of their time
	}
	place := slices.IndexFunc(k.line, func(w waiter) bool { return w.ticket == ticket })
	older := place
	if place < 0 {
		older = len(k.line)
	}
	var wait time.Duration
	if len(k.until)+older >= b.Concurrency {
		wait = pollCalls
	}
	wait = max(wait, k.slot(b, older, now).Sub(now)-ahead)
	if wait > 0 {
		wait = min(max(wait, pollLeast), pollMost)
		w := waiter{ticket, now.Add(wait + grace)}
		if place < 0 {
			k.line = append(k.line, w)
		} else {
			k.line[place] = w
		}
		return Grant{Wait: wait}, nil
	}
	k.leave(ticket)
	slot := k.slot(b, 0, now)
	k.until[ticket] = slot.Add(hold)
	if b.Calls > 0 {
		k.slots = append(k.slots, slot)
		k.slots = k.slots[max(0, len(k.slots)-b.Calls):]
		k.tat = later(k.tat, slot).Add(b.Per / time.Duration(b.Calls))
	}
	return Grant{OK: true, Wait: slot.Sub(now), Slot: slot.UnixMicro()}, nil
}

// slot is the first moment for the call that comes after `older` others: the call
// b.Calls before it is a period ago, and no more than a burst is ahead of an even
// flow.
func (k *book) slot(b Budget, older int, now time.Time) time.Time {
	if b.Calls == 0 {
		return now
	}
	at := now
	if i := len(k.slots) - b.Calls + min(older, b.Calls-1); i >= 0 {
		at = later(at, k.slots[i].Add(b.Per))
	}
	if n := len(k.slots); n > 0 {
		at = later(at, k.slots[n-1]) // in order, whatever was given back
	}
	if older >= b.Calls { // after calls that have no slot yet
		at = at.Add(b.Per)
	}
	even := b.Per / time.Duration(b.Calls)
	return later(at, later(k.tat, now).Add(even*time.Duration(older-b.Burst+1)))
}

func (k *book) tidy(now time.Time) {
	for ticket, until := range k.until {
		if !until.After(now) {
			delete(k.until, ticket)
		}
	}
	k.line = slices.DeleteFunc(k.line, func(w waiter) bool { return !w.seen.After(now) })
}

func (k *book) leave(ticket string) {
	k.line = slices.DeleteFunc(k.line, func(w waiter) bool { return w.ticket == ticket })
}

// emptySlots stand for calls that were made before begun and are not known: after
// a period, a minute at most, the first may be made, and those of a longer period
// come evenly.
func emptySlots(begun time.Time, b Budget) []time.Time {
	out := make([]time.Time, b.Calls)
	for i := range out {
		even := b.Per / time.Duration(b.Calls) * time.Duration(i+1)
		out[i] = begun.Add(max(min(b.Per, emptyMost), even) - b.Per)
	}
	return out
}

// Keep implements Budgets.
func (m *Memory) Keep(_ context.Context, register, ticket string, left time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.books[register]; k != nil {
		if _, known := k.until[ticket]; !known {
			k.until[ticket] = m.now().Add(left)
		}
	}
	return nil
}

// Done implements Budgets.
func (m *Memory) Done(_ context.Context, register, ticket string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.books[register]; k != nil {
		delete(k.until, ticket)
	}
	return nil
}

// Return implements Budgets.
func (m *Memory) Return(_ context.Context, register, ticket string, b Budget, slot int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.books[register]
	if k == nil {
		return nil
	}
	k.leave(ticket)
	delete(k.until, ticket)
	if i := slices.IndexFunc(k.slots, func(t time.Time) bool { return t.UnixMicro() == slot }); i >= 0 && b.Calls > 0 {
		k.slots = slices.Delete(k.slots, i, i+1)
		k.tat = k.tat.Add(-b.Per / time.Duration(b.Calls))
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
