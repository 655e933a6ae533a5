package care

import (
	"context"
	"time"
)

// Earlier returns the answer that was made of a query before, where a call must
// not be made twice; nil for a new query. It is ErrFate where a call was made and
// nobody knows what became of it.
func (g *Guard) Earlier(ctx context.Context, id string) ([]byte, error) {
	if g.with.Terms.Repeat != RepeatNever {
		return nil, nil
	}
	// Another process may be at it: its call ends with its time-out.
	until := g.with.Now().Add(g.with.Terms.Timeout)
	for {
		// To look is to claim for a moment.
		state, stored, err := g.with.Asked.Claim(ctx, g.key(id), digest, look)
		if err != nil {
			return nil, err
		}
		switch {
		case state == stateClaimed:
			return nil, g.with.Asked.Release(ctx, g.key(id), digest)
		case state == stateDone:
			return stored, nil
		case !g.with.Now().Before(until):
			return nil, ErrFate
		}
		if err := pause(ctx, 250*time.Millisecond, nil); err != nil {
			return nil, err
		}
	}
}

// digest is one for all: the key says all that there is to know.
const digest = "call"

func (g *Guard) key(id string) string { return g.with.Register + " " + id }

// look is how long Earlier takes a key.
const look = time.Second

// claim remembers a call before it is made. Another process may just be looking.
func (g *Guard) claim(ctx context.Context, id string) error {
	until := g.with.Now().Add(look + look/2)
	for {
		state, _, err := g.with.Asked.Claim(ctx, g.key(id), digest, g.with.Remember)
		switch {
		case err != nil:
			return err
		case state == stateClaimed:
			return nil
		case state != stateBusy || !g.with.Now().Before(until):
			return ErrFate
		}
		if err := pause(ctx, look/4, nil); err != nil {
			return err
		}
	}
}

func (g *Guard) release(ctx context.Context, id string) {
	ctx, cancel := farewell(ctx)
	defer cancel()
	if err := g.with.Asked.Release(ctx, g.key(id), digest); err != nil {
		g.with.Log.WarnContext(ctx, "a call that was not made is remembered as made", "register", g.with.Register, "error", err)
	}
}

// Settle remembers what was made of a query, so that it can be said again without
// a second call. answer names no person.
func (g *Guard) Settle(ctx context.Context, id string, answer []byte) {
	if g.with.Terms.Repeat != RepeatNever {
		return
	}
	ctx, cancel := farewell(ctx)
	defer cancel()
	if _, err := g.with.Asked.Complete(ctx, g.key(id), digest, answer, g.with.Remember); err != nil {
		// The answer goes out all the same. Only if it has to be said again, it will be
		// that its fate is not known.
		g.with.Log.WarnContext(ctx, "an answer is not remembered", "register", g.with.Register, "error", err)
	}
}
