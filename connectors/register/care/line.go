package care

import (
	"context"
	"crypto/rand"
	"time"

	"golang.org/x/sync/semaphore"
)

// line is where the calls of one process to one register wait, in order. Only the
// first asks the budgets, so that one register costs them little however many
// wait.
type line struct {
	register string
	budgets  Budgets
	budget   Budget // stretched
	late     time.Duration
	hold     time.Duration // how long a call may last
	now      func() time.Time
	first    *semaphore.Weighted
	freed    chan struct{} // a call of ours ended: ask at once
}

func newLine(register string, budgets Budgets, b Budget, timeout time.Duration, now func() time.Time) *line {
	return &line{
		register: register, budgets: budgets, budget: b.stretched(), late: b.leeway() / 2,
		hold: timeout + time.Second, now: now,
		first: semaphore.NewWeighted(1), freed: make(chan struct{}, 1),
	}
}

// A pass is leave to make one call now.
type pass struct {
	line   *line
	ticket string
	slot   int64
	stop   context.CancelFunc
	ended  chan struct{}
}

// enter waits for its turn. With an error nothing is held.
func (l *line) enter(ctx context.Context) (*pass, error) {
	for {
		p, err := l.turn(ctx)
		if p != nil || err != nil {
			return p, err
		}
	}
}

// turn is enter, but gives no pass where the turn was missed.
func (l *line) turn(ctx context.Context) (*pass, error) {
	if err := l.first.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	ticket := rand.Text()
	for {
		asked := l.now()
		grant, err := l.budgets.Take(ctx, l.register, ticket, l.budget, l.hold)
		if err != nil {
			l.first.Release(1)
			l.give(ctx, ticket, 0) // it may stand in line
			return nil, err
		}
		if grant.OK {
			l.first.Release(1)
			if err := pause(ctx, grant.Wait, nil); err != nil {
				l.give(ctx, ticket, grant.Slot)
				return nil, err
			}
			// The slot lies between asking and hearing. Who comes much later would meet
			// those after it.
			if l.budget.Calls > 0 && l.now().Sub(asked.Add(grant.Wait)) > l.late {
				l.give(ctx, ticket, grant.Slot)
				return nil, nil
			}
			return l.pass(ctx, ticket, grant.Slot), nil
		}
		if err := pause(ctx, grant.Wait, l.freed); err != nil {
			l.first.Release(1)
			l.give(ctx, ticket, 0)
			return nil, err
		}
	}
}

// keepEvery is how soon a lost memory hears again of the calls that go on.
const keepEvery = time.Second

func (l *line) pass(ctx context.Context, ticket string, slot int64) *pass {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &pass{line: l, ticket: ticket, slot: slot, stop: stop, ended: make(chan struct{})}
	until := l.now().Add(l.hold)
	go func() {
		defer close(p.ended)
		for pause(ctx, keepEvery, nil) == nil {
			if left := until.Sub(l.now()); left > 0 {
				_ = l.budgets.Keep(ctx, l.register, ticket, left) // tried again soon
			}
		}
	}()
	return p
}

// done ends the call.
func (p *pass) done(ctx context.Context) {
	p.stop()
	<-p.ended
	ctx, cancel := farewell(ctx)
	defer cancel()
	_ = p.line.budgets.Done(ctx, p.line.register, p.ticket) // unheard, it ends with its hold
	p.line.wake()
}

// back gives the pass back: no call was made.
func (p *pass) back(ctx context.Context) {
	p.stop()
	<-p.ended
	p.line.give(ctx, p.ticket, p.slot)
}

func (l *line) give(ctx context.Context, ticket string, slot int64) {
	ctx, cancel := farewell(ctx)
	defer cancel()
	_ = l.budgets.Return(ctx, l.register, ticket, l.budget, slot) // unheard, it is forgotten in time
	l.wake()
}

func (l *line) wake() {
	select {
	case l.freed <- struct{}{}:
	default:
	}
}

// farewell is for what must be said after ctx has ended.
func farewell(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
}

// pause waits for d, or until woken.
func pause(ctx context.Context, d time.Duration, woken <-chan struct{}) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-woken:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
