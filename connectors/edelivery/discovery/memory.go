package discovery

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// A memory remembers answers for a time, asks once for all who want the same, and
// serves an old answer for a while when there is no new one.
type memory[V any] struct {
	most    int
	stale   time.Duration
	timeout time.Duration
	now     func() time.Time

	mu      sync.Mutex
	known   map[string]remembered[V]
	flights singleflight.Group
}

// remembered is a value, or a failure that is an answer.
type remembered[V any] struct {
	value V
	err   error
	fresh time.Time
	stale time.Time // until then the value serves when there is no answer
}

// An outcome is what asking brought: a value and how long it holds, or a failure. A
// failure with a time to live is remembered, any other is not.
type outcome[V any] struct {
	value V
	until time.Time // fresh
	limit time.Time // never used after, zero for no limit
	err   error
	retry bool // err is no answer: an old value may serve
}

func newMemory[V any](c *Config) *memory[V] {
	return &memory[V]{most: c.Entries, stale: c.Stale, timeout: c.Timeout, now: c.Now, known: map[string]remembered[V]{}}
}

// get returns what is known of the key, or asks. old reports a value that is no longer fresh.
func (m *memory[V]) get(ctx context.Context, key string, ask func(context.Context) outcome[V]) (value V, old bool, err error) {
	m.mu.Lock()
	have, ok := m.known[key]
	m.mu.Unlock()
	if ok && m.now().Before(have.fresh) {
		return have.value, false, have.err
	}
	// Who asked first may leave; the others still want the answer.
	done := m.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.timeout)
		defer cancel()
		o := ask(ctx)
		m.put(key, o)
		return o, nil
	})
	select {
	case <-ctx.Done():
		return value, false, ctx.Err()
	case r := <-done:
		o := r.Val.(outcome[V])
		if o.err == nil {
			return o.value, false, nil
		}
		if o.retry && ok && have.err == nil && m.now().Before(have.stale) {
			return have.value, true, nil
		}
		return value, false, o.err
	}
}

func (m *memory[V]) put(key string, o outcome[V]) {
	now := m.now()
	if o.retry {
		return // an old value stays
	}
	r := remembered[V]{value: o.value, err: o.err, fresh: o.until, stale: o.until.Add(m.stale)}
	if r.err != nil {
		r.stale = r.fresh
	}
	if !o.limit.IsZero() {
		r.fresh, r.stale = earlier(r.fresh, o.limit), earlier(r.stale, o.limit)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
	if !now.Before(r.fresh) && !now.Before(r.stale) {
		return
	}
	if len(m.known) >= m.most {
		m.drop(now)
	}
	m.known[key] = r
}

// drop makes room: what nobody may use, else what ends first.
func (m *memory[V]) drop(now time.Time) {
	var first string
	for k, r := range m.known {
		if !now.Before(r.stale) {
			delete(m.known, k)
		} else if f, ok := m.known[first]; !ok || r.stale.Before(f.stale) {
			first = k
		}
	}
	if len(m.known) >= m.most {
		delete(m.known, first)
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
