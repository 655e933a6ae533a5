package care

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"
)

// A Fate is what became of one call.
type Fate int

// The fates.
const (
	Answered  Fate = iota + 1 // the register answered, whatever it said
	Failing                   // it answered that it cannot answer now: it did nothing
	Untouched                 // nothing of the call reached it
	Cut                       // the connection ended before a byte of an answer
	Unknown                   // it may have done what it was asked; no whole answer came
)

// String is the word for metrics.
func (f Fate) String() string {
	return map[Fate]string{Answered: "answered", Failing: "failing", Untouched: "unreachable", Cut: "cut", Unknown: "unknown"}[f]
}

// Config is what a Guard needs of the house.
type Config struct {
	Register string            // Required
	Terms    Terms             // Required
	Budgets  Budgets           // Required
	Asked    Asked             // Required with RepeatNever
	Now      func() time.Time  // Required
	Log      *slog.Logger      // Required
	Observe  func(Observation) // Default: nobody looks
	Remember time.Duration     // Default 40 days: how long a call that must not be made twice is known. More than the log keeps messages
}

const defaultRemember = 40 * 24 * time.Hour

// An Observation is one thing to count.
type Observation struct {
	Register string
	Waited   time.Duration // a call waited so long for the budget; with Call
	Took     time.Duration // with Call
	Call     Fate          // a call was made
	Breaker  BreakerState  // of this process, now; zero: unchanged
	Opened   bool          // the breaker opened
	Deferred bool          // a requester was told to come again when the register opens
}

// A Guard leads the calls to one register past hours, breaker and budget. It is
// safe for concurrent use.
type Guard struct {
	with    Config
	line    *line
	breaker *breaker

	mu       sync.Mutex
	opening  time.Time // for which deferred counts
	deferred int
}

// New makes the guard of one register.
func New(c Config) (*Guard, error) {
	var errs []error
	for _, f := range []struct {
		missing bool
		what    string
	}{
		{c.Register == "", "a register is required"}, {c.Budgets == nil, "budgets are required"}, {c.Now == nil, "a clock is required"},
		{c.Log == nil, "a logger is required"}, {c.Asked == nil && c.Terms.Repeat == RepeatNever, "a memory of calls is required"},
	} {
		if f.missing {
			errs = append(errs, errors.New(f.what))
		}
	}
	if err := errors.Join(append(errs, c.Terms.Budget.Validate())...); err != nil {
		return nil, fmt.Errorf("care: %w", err)
	}
	if c.Observe == nil {
		c.Observe = func(Observation) {}
	}
	if c.Remember == 0 {
		c.Remember = defaultRemember
	}
	return &Guard{
		with:    c,
		line:    newLine(c.Register, c.Budgets, c.Terms.Budget, c.Terms.Timeout, c.Now),
		breaker: newBreaker(c.Terms.Breaker.Failures, c.Terms.Breaker.Open, c.Now),
	}, nil
}

// ErrFate says that a call was made, or may have been, and that nobody knows what
// became of it. It is not made again.
var ErrFate = errors.New("the fate of the call is not known")

// A ClosedError says that the register is not open and will not be soon.
type ClosedError struct {
	Until time.Time // when to ask again; zero: not within a year
}

func (e *ClosedError) Error() string {
	if e.Until.IsZero() {
		return "the register is closed, and no opening is known"
	}
	return "the register is closed until " + e.Until.UTC().Format(time.RFC3339)
}

// A SparedError says that the breaker is open.
type SparedError struct {
	Until time.Time // the next call is made then
}

func (e *SparedError) Error() string {
	return "the register does not answer and is asked again after " + e.Until.UTC().Format(time.RFC3339)
}

// Call makes one call: one is run when the register is open, may be called and has
// room, and again at once where that is safe. It returns nil when one has told the
// fate of the last call; otherwise no call was made, or, with ErrFate, none may be
// made again. id names the query.
//
// one must heed its context, which ends with the time-out.
func (g *Guard) Call(ctx context.Context, id string, one func(ctx context.Context) Fate) error {
	start := g.with.Now()
	p, probe, err := g.enter(ctx)
	if err != nil {
		return err
	}
	waited := g.with.Now().Sub(start)
	never := g.with.Terms.Repeat == RepeatNever
	if never {
		if err := g.claim(ctx, id); err != nil {
			g.breaker.report(false, true)
			p.back(ctx)
			return err
		}
	}
	over := false
	defer func() {
		if !over { // it panics, which proves nothing; the next call may probe
			g.breaker.report(false, true)
		}
	}()
	fate, stopped := g.attempts(ctx, p, probe, waited, one)
	over = true
	state, opened := g.breaker.report(fate != Answered, stopped)
	if opened {
		g.with.Log.WarnContext(ctx, "register is spared", "register", g.with.Register, "fate", fate.String(), "for", g.with.Terms.Breaker.Open.String())
	}
	g.with.Observe(Observation{Register: g.with.Register, Breaker: state, Opened: opened})
	if never {
		switch fate {
		case Failing, Untouched:
			g.release(ctx, id)
		case Cut, Unknown:
			return ErrFate
		}
	}
	return nil
}

// enter waits until a call may be made; probe says that it is the one by which the
// breaker sees whether the register is back.
func (g *Guard) enter(ctx context.Context) (p *pass, probe bool, err error) {
	for {
		if err := g.open(ctx); err != nil {
			return nil, false, err
		}
		if until := g.breaker.closedUntil(); !until.IsZero() {
			return nil, false, &SparedError{until}
		}
		p, err := g.line.enter(ctx)
		if err != nil {
			return nil, false, err
		}
		if open, _ := g.with.Terms.Open(g.with.Now()); !open { // it closed while we waited
			p.back(ctx)
			continue
		}
		until, probe := g.breaker.pass()
		if !until.IsZero() {
			p.back(ctx)
			return nil, false, &SparedError{until}
		}
		return p, probe, nil
	}
}

// open waits until the register is open, where that is soon.
func (g *Guard) open(ctx context.Context) error {
	for {
		now := g.with.Now()
		open, next := g.with.Terms.Open(now)
		switch {
		case open:
			return ctx.Err()
		case next.IsZero():
			return &ClosedError{}
		case next.Sub(now) > g.with.Terms.Wait:
			return &ClosedError{next}
		}
		if err := pause(ctx, next.Sub(now), nil); err != nil {
			return err
		}
	}
}

// maxAttempts counts the first.
const maxAttempts = 3

// attempts makes the call, and again where it reached nobody, or died on the way
// and is safe, within one time-out. stopped says that we were, not the register.
func (g *Guard) attempts(ctx context.Context, p *pass, probe bool, waited time.Duration, one func(ctx context.Context) Fate) (fate Fate, stopped bool) {
	safe := g.with.Terms.Repeat != RepeatNever
	limit := ctx
	if !safe { // our own end must not make the fate of a call unknown
		limit = context.WithoutCancel(ctx)
	}
	limit, cancel := context.WithTimeout(limit, g.with.Terms.Timeout)
	defer cancel()
	for n := 1; ; n++ {
		start := g.with.Now()
		fate = within(ctx, p, func() Fate { return one(limit) })
		g.with.Observe(Observation{Register: g.with.Register, Call: fate, Waited: waited, Took: g.with.Now().Sub(start)})
		if fate != Answered && safe && ctx.Err() != nil {
			return fate, true
		}
		again := fate == Untouched || fate == Cut && safe
		if !again || probe || n == maxAttempts || limit.Err() != nil {
			return fate, false
		}
		if pause(limit, 50*time.Millisecond+mathrand.N(150*time.Millisecond), nil) != nil {
			return fate, ctx.Err() != nil
		}
		start = g.with.Now()
		next, err := g.line.enter(limit)
		if err != nil {
			return fate, ctx.Err() != nil
		}
		p, waited = next, g.with.Now().Sub(start)
	}
}

// within makes a call in its place, which is free afterwards even where the call panics.
func within(ctx context.Context, p *pass, one func() Fate) Fate {
	defer p.done(ctx)
	return one()
}

// Defer is the time to tell a requester: the opening, the calls that were put off
// to it before, each by the agreed rate, and some seconds of the query's own, so
// that not everybody comes at once.
func (g *Guard) Defer(closed *ClosedError, id string) time.Time {
	g.mu.Lock()
	if !g.opening.Equal(closed.Until) {
		g.opening, g.deferred = closed.Until, 0
	}
	before := g.deferred
	g.deferred++
	g.mu.Unlock()
	at := closed.Until
	if b := g.with.Terms.Budget; b.Calls > 0 {
		at = at.Add(min(b.Per/time.Duration(b.Calls)*time.Duration(before), time.Hour))
	}
	h := fnv.New32a()
	h.Write([]byte(id))
	at = at.Add(time.Duration(h.Sum32()%60) * time.Second)
	if whole := at.Truncate(time.Second); !whole.Equal(at) {
		at = whole.Add(time.Second)
	}
	g.with.Observe(Observation{Register: g.with.Register, Deferred: true})
	return at.UTC()
}
