package directory

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
	known   map[string]kept[V]
	flights singleflight.Group
}

// kept is a value, or a failure that is an answer.
type kept[V any] struct {
	value V
	err   error
	fresh time.Time // until then it serves
	last  time.Time // and until then where there is no answer
}

// An outcome is what asking brought.
type outcome[V any] struct {
	value V
	err   error
	ttl   time.Duration
	limit time.Time // it never serves after; zero for no limit
	down  bool      // err is no answer: an old value may serve, and nothing is remembered
}

// A way says how a value was had.
type way string

const (
	fresh  way = "fresh"
	cached way = "cached"
	stale  way = "stale"
)

func newMemory[V any](c *Config) *memory[V] {
	return &memory[V]{most: c.Entries, stale: c.Stale, timeout: c.Timeout, now: c.Now, known: map[string]kept[V]{}}
}

// get returns what is known of the key, or asks.
func (m *memory[V]) get(ctx context.Context, key string, ask func(context.Context) outcome[V]) (kept[V], way, error) {
	m.mu.Lock()
	have, ok := m.known[key]
	m.mu.Unlock()
	if ok && m.now().Before(have.fresh) {
		return have, cached, have.err
	}
	// Who asked first may leave; the others still want the answer.
	done := m.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.timeout)
		defer cancel()
		o := ask(ctx)
		return flown[V]{m.put(key, o), o.down}, nil
	})
	select {
	case <-ctx.Done():
		return kept[V]{}, fresh, ctx.Err()
	case r := <-done:
		f := r.Val.(flown[V])
		if f.down && ok && have.err == nil && m.now().Before(have.last) {
			return have, stale, nil
		}
		return f.kept, fresh, f.kept.err
	}
}

type flown[V any] struct {
	kept kept[V]
	down bool
}

func (m *memory[V]) put(key string, o outcome[V]) kept[V] {
	now := m.now()
	k := kept[V]{value: o.value, err: o.err, fresh: now.Add(o.ttl)}
	k.last = k.fresh.Add(m.stale)
	if k.err != nil {
		k.last = k.fresh
	}
	if !o.limit.IsZero() {
		k.fresh, k.last = earlier(k.fresh, o.limit), earlier(k.last, o.limit)
	}
	if o.down {
		return k // an old value stays
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
	if !now.Before(k.last) {
		return k
	}
	if len(m.known) >= m.most {
		m.drop(now)
	}
	m.known[key] = k
	return k
}

// drop makes room: what nobody may use, else what ends first.
func (m *memory[V]) drop(now time.Time) {
	first, found := "", false
	for k, v := range m.known {
		switch {
		case !now.Before(v.last):
			delete(m.known, k)
		case !found || v.last.Before(m.known[first].last):
			first, found = k, true
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
