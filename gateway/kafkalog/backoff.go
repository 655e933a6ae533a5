package kafkalog

import (
	"context"
	"time"
)

// backoff doubles a wait, half of it by chance.
type backoff struct{ n int }

type backoffBounds struct{ first, limit time.Duration }

var writeRetry = backoffBounds{10 * time.Millisecond, 2 * time.Second}

// sleep waits for the next attempt's turn; it is false where ctx ended first.
func (b *backoff) sleep(ctx context.Context, bounds backoffBounds, jitter func() float64) bool {
	d := bounds.limit
	if b.n < 20 {
		d = min(bounds.first<<b.n, bounds.limit)
	}
	b.n++
	d = d/2 + time.Duration(jitter()*float64(d/2))
	return pause(ctx, d)
}

// pause waits; it is false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
