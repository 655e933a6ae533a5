package care

import (
	"sync"
	"time"
)

// A BreakerState says whether calls pass.
type BreakerState int

// The states:
//
//	Closed ──failures in a row──► Open ──its time──► HalfOpen ──one call: answered──► Closed
//	                               ▲                     └────────────── failed ──► Open
const (
	BreakerClosed   BreakerState = iota + 1 // all pass
	BreakerHalfOpen                         // one passes, to see
	BreakerOpen                             // none passes
)

// String is the word for logs.
func (s BreakerState) String() string {
	switch s {
	case BreakerClosed:
		return "closed"
	case BreakerHalfOpen:
		return "half-open"
	case BreakerOpen:
		return "open"
	}
	return "unset"
}

// breaker spares a register that cannot answer. Every process has its own: each
// sees the register over its own network.
type breaker struct {
	failures int
	open     time.Duration
	now      func() time.Time

	mu      sync.Mutex
	state   BreakerState
	row     int // failures without an answer in between
	until   time.Time
	probing bool
}

func newBreaker(failures int, open time.Duration, now func() time.Time) *breaker {
	return &breaker{failures: failures, open: open, now: now, state: BreakerClosed}
}

// probeSoon is when to look again while another call is the probe.
const probeSoon = time.Second

// closedUntil is when the next call may pass; zero: now.
func (b *breaker) closedUntil() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refuse()
}

func (b *breaker) refuse() time.Time {
	now := b.now()
	switch {
	case b.state == BreakerOpen && now.Before(b.until):
		return b.until
	case b.state == BreakerHalfOpen && b.probing:
		return now.Add(probeSoon)
	}
	return time.Time{}
}

// pass lets one call through, unless until is set; every pass is followed by one
// report. probe says that this is the one call of a half-open breaker.
func (b *breaker) pass() (until time.Time, probe bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := b.refuse(); !until.IsZero() {
		return until, false
	}
	if b.state == BreakerOpen {
		b.state = BreakerHalfOpen
	}
	if b.state == BreakerHalfOpen {
		b.probing = true
	}
	return time.Time{}, b.probing
}

// report says what became of a call that passed; opened is true where it opened
// the breaker. A call that was stopped by us proves nothing.
func (b *breaker) report(failed, stopped bool) (state BreakerState, opened bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	probe := b.state == BreakerHalfOpen
	b.probing = false
	switch {
	case stopped:
	case !failed:
		b.state, b.row = BreakerClosed, 0
	default:
		b.row++
		if probe || b.state == BreakerClosed && b.row >= b.failures {
			b.state, b.until, opened = BreakerOpen, b.now().Add(b.open), true
		}
	}
	return b.state, opened
}
