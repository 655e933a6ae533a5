package edelivery

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// The states that Remembered.Claim returns.
const (
	StateClaimed  = "claimed"  // nobody had the key; the caller holds it now and must Complete or Release
	StateBusy     = "busy"     // somebody holds the key
	StateDone     = "done"     // the work was completed; the stored answer comes with the state
	StateConflict = "conflict" // the key is held or completed with another digest
)

// Remembered lets an edge do one thing once (decision 2: at least once on the
// log, once at the edge). A key is claimed before the effect and completed with
// the answer after it. Losing the memory costs a repeated effect whose messages
// carry the same ids, never a wrong answer. All methods are atomic per key and
// may be called concurrently, from several processes. The signatures use only
// built-in types, so that an implementation needs nothing of this package.
type Remembered interface {
	// Claim takes the key for the caller, who works on content with the given
	// digest, until lease has passed. A key that is held or completed with another
	// digest is a conflict. stored is set with StateDone only.
	Claim(ctx context.Context, key, digest string, lease time.Duration) (state string, stored []byte, err error)
	// Complete records the answer for ttl and ends the claim. The first answer
	// wins: stored is what every later caller gets, which is the given answer
	// unless another worker completed the key before (after a lease ran out).
	// It works without a claim too, so that a lost claim does not lose an answer.
	Complete(ctx context.Context, key, digest string, answer []byte, ttl time.Duration) (stored []byte, err error)
	// Release ends a claim on the key with this digest without an answer. It
	// leaves completed keys and claims with another digest alone.
	Release(ctx context.Context, key, digest string) error
}

// Memory is a Remembered that lives as long as the process.
type Memory struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[string]entry
	sweepAt time.Time
}

type entry struct {
	digest string
	done   bool
	answer []byte
	until  time.Time
}

var _ Remembered = (*Memory)(nil)

// NewMemory returns an empty memory that reads the time from now.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, entries: map[string]entry{}}
}

// Claim implements Remembered.
func (m *Memory) Claim(_ context.Context, key, digest string, lease time.Duration) (string, []byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.sweep(now)
	e, ok := m.live(key, now)
	switch {
	case !ok:
		m.entries[key] = entry{digest: digest, until: now.Add(lease)}
		return StateClaimed, nil, nil
	case e.digest != digest:
		return StateConflict, nil, nil
	case e.done:
		return StateDone, bytes.Clone(e.answer), nil
	}
	return StateBusy, nil, nil
}

// Complete implements Remembered.
func (m *Memory) Complete(_ context.Context, key, digest string, answer []byte, ttl time.Duration) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if e, ok := m.live(key, now); ok && e.done {
		return bytes.Clone(e.answer), nil
	}
	m.entries[key] = entry{digest: digest, done: true, answer: bytes.Clone(answer), until: now.Add(ttl)}
	return answer, nil
}

// Release implements Remembered.
func (m *Memory) Release(_ context.Context, key, digest string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.entries[key]; ok && !e.done && e.digest == digest {
		delete(m.entries, key)
	}
	return nil
}

func (m *Memory) live(key string, now time.Time) (entry, bool) {
	e, ok := m.entries[key]
	if ok && !e.until.After(now) {
		delete(m.entries, key)
		return entry{}, false
	}
	return e, ok
}

// sweep drops what has run out, once a minute, so that memory stays bounded by
// the traffic of one term.
func (m *Memory) sweep(now time.Time) {
	if now.Before(m.sweepAt) {
		return
	}
	m.sweepAt = now.Add(time.Minute)
	for k, e := range m.entries {
		if !e.until.After(now) {
			delete(m.entries, k)
		}
	}
}

// Len returns how many keys are held, for tests and metrics.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries)
}
