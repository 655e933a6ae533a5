package remember

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Config bounds a Memory. What it holds was validated by its owner.
type Config struct {
	Entries int              // Required. How many answers are kept.
	Stale   time.Duration    // Default none. How long an old answer serves while there is none.
	Timeout time.Duration    // Required. Of one asking, whoever waits for it.
	Now     func() time.Time // Required.
}

// A Memory remembers answers by key. It is safe for concurrent use. Values are shared:
// they are not to be changed.
type Memory[V any] struct {
	Config

	mu      sync.Mutex
	known   map[string]kept[V]
	flights singleflight.Group
}

// New returns an empty memory.
func New[V any](c Config) *Memory[V] {
	return &Memory[V]{Config: c, known: map[string]kept[V]{}}
}

// An Outcome is what asking brought.
type Outcome[V any] struct {
	Value V
	Err   error
	TTL   time.Duration // how long it is fresh; also of a failure that is an answer
	Limit time.Time     // it never serves after; zero for no limit
	Down  bool          // Err is no answer: an old value may serve, and nothing is remembered
}

// A Way says how an answer was had.
type Way string

// The ways.
const (
	Fresh  Way = "fresh"  // asked now
	Cached Way = "cached" // remembered
	Stale  Way = "stale"  // remembered from before, as there is none now
)

// An Answer is a value with its way and the time until which it is fresh.
type Answer[V any] struct {
	Value V
	Way   Way
	Until time.Time
}

// kept is a value, or a failure that is an answer.
type kept[V any] struct {
	value V
	err   error
	fresh time.Time // until then it serves
	last  time.Time // and until then where there is no answer
}

func (k kept[V]) answer(w Way) (Answer[V], error) {
	return Answer[V]{Value: k.value, Way: w, Until: k.fresh}, k.err
}

// Get returns what is known of the key, or asks. Where ctx ends first its error is
// returned and the asking goes on, up to the timeout, for others and for later.
func (m *Memory[V]) Get(ctx context.Context, key string, ask func(context.Context) Outcome[V]) (Answer[V], error) {
	m.mu.Lock()
	have, ok := m.known[key]
	m.mu.Unlock()
	if ok && m.Now().Before(have.fresh) {
		return have.answer(Cached)
	}
	done := m.flights.DoChan(key, func() (any, error) {
		// Who asked first may leave; the others still want the answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.Timeout)
		defer cancel()
		o := ask(ctx)
		return flown[V]{m.put(key, o), o.Down}, nil
	})
	select {
	case <-ctx.Done():
		var none Answer[V]
		return none, ctx.Err()
	case r := <-done:
		f := r.Val.(flown[V])
		if f.down && ok && have.err == nil && m.Now().Before(have.last) {
			return have.answer(Stale)
		}
		return f.kept.answer(Fresh)
	}
}

// flown is what one asking brings to all who wait for it.
type flown[V any] struct {
	kept kept[V]
	down bool
}

// Len returns how many answers are kept.
func (m *Memory[V]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.known)
}

func (m *Memory[V]) put(key string, o Outcome[V]) kept[V] {
	now := m.Now()
	k := kept[V]{value: o.Value, err: o.Err, fresh: now.Add(o.TTL)}
	k.last = k.fresh.Add(m.Stale)
	if k.err != nil {
		k.last = k.fresh // a "no" is not served once it is old
	}
	if !o.Limit.IsZero() {
		k.fresh, k.last = earlier(k.fresh, o.Limit), earlier(k.last, o.Limit)
	}
	if o.Down {
		return k // an old value stays
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
	if !now.Before(k.last) {
		return k
	}
	if len(m.known) >= m.Entries {
		m.drop(now)
	}
	m.known[key] = k
	return k
}

// drop makes room: what nobody may use, else what ends first.
func (m *Memory[V]) drop(now time.Time) {
	first, found := "", false
	for k, v := range m.known {
		switch {
		case !now.Before(v.last):
			delete(m.known, k)
		case !found || v.last.Before(m.known[first].last):
			first, found = k, true
		}
	}
	if len(m.known) >= m.Entries {
		delete(m.known, first)
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
