package care

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Budget is what a register bears of all instances of the gateway together.
type Budget struct {
	Concurrency int           // Required. Calls at one time.
	Calls       int           // In any Per, wherever it begins. 0: no limit.
	Burst       int           // With Calls: how many of them at once; the others follow evenly.
	Per         time.Duration // With Calls: Required.
}

// Limits of a budget.
const (
	MaxConcurrency = 1000
	MaxCalls       = 10_000 // the times of so many calls are remembered
	MinPer         = 10 * time.Millisecond
	MaxPer         = 24 * time.Hour
)

// Validate reports all faults at once.
func (b Budget) Validate() error {
	var errs []error
	if b.Concurrency < 1 || b.Concurrency > MaxConcurrency {
		errs = append(errs, fmt.Errorf("concurrency: want 1 to %d", MaxConcurrency))
	}
	if b.Calls < 0 || b.Calls > MaxCalls {
		errs = append(errs, fmt.Errorf("rate: calls: want 1 to %d; more often is a shorter period", MaxCalls))
	}
	if b.Calls > 0 && (b.Per < MinPer || b.Per > MaxPer) {
		errs = append(errs, fmt.Errorf("rate: per: want %v to %v", MinPer, MaxPer))
	}
	if b.Calls > 0 && (b.Burst < 1 || b.Burst > b.Calls) {
		errs = append(errs, errors.New("rate: burst: want 1 to calls"))
	}
	return errors.Join(errs...)
}

// leeway is what is added to the period, so that calls that are on their way for
// different lengths of time do not meet at the register. A call that leaves later
// than half of it has lost its turn; the other half is for the network.
func (b Budget) leeway() time.Duration {
	if b.Calls == 0 {
		return 0
	}
	return min(max(b.Per/20, 5*time.Millisecond), 2*time.Second)
}

// stretched is the budget by which calls are counted.
func (b Budget) stretched() Budget {
	b.Per += b.leeway()
	return b
}

// A Grant is the answer to Take.
type Grant struct {
	OK   bool
	Wait time.Duration // until the call may leave, or until asking again
	Slot int64         // with OK: when it leaves, in microseconds of the clock that counts
}

// Budgets count calls over all instances. Where they cannot count they return an
// error, and no call is made: what cannot be counted is not spent.
type Budgets interface {
	// Take asks leave for one call under a ticket that nobody else uses. Refused,
	// the ticket stands in line, and goes on standing there if it asks again after
	// Wait; a ticket that does not is forgotten soon. Granted, it counts as a call
	// from its slot on until Done, and for at most hold.
	//
	// Calls that leave at their slots are never more than b.Calls in any b.Per, the
	// last moment not counted, nor more than b.Concurrency at one time. A memory that
	// was lost begins empty, not full.
	Take(ctx context.Context, register, ticket string, b Budget, hold time.Duration) (Grant, error)
	// Keep says that a call goes on for at most left: a memory that was lost in
	// between must know it again. It does not make a call last longer.
	Keep(ctx context.Context, register, ticket string, left time.Duration) error
	// Done says that the call of a ticket is over.
	Done(ctx context.Context, register, ticket string) error
	// Return gives back a place in line (slot 0), or a grant that was not used.
	Return(ctx context.Context, register, ticket string, b Budget, slot int64) error
}

// How tickets wait. The Redis implementation has the same figures.
const (
	ahead     = 100 * time.Millisecond // how long before its slot a call is granted: what a dead process wastes
	pollCalls = 20 * time.Millisecond  // how soon a ticket asks again while all calls are taken
	pollLeast = time.Millisecond
	pollMost  = time.Second     // and while the rate is spent: so soon a dead one's place is noticed
	grace     = 2 * time.Second // a ticket that is so late is forgotten
	emptyMost = time.Minute     // for so long at most nothing is called after a loss; then evenly
)
