package care

import (
	"context"
	"sync"
	"time"
)

// Asked remembers, for all instances, the calls that must not be made twice, and
// the answers that were made of them. Its methods are those of
// gateway/redisstore.Once. What it keeps names no person.
type Asked interface {
	// Claim takes the key for the caller; the state is claimed, busy (taken with the
	// same digest), conflict (with another), or done (stored is the answer).
	Claim(ctx context.Context, key, digest string, lease time.Duration) (state string, stored []byte, err error)
	// Complete records the answer and ends the claim; the first answer wins.
	Complete(ctx context.Context, key, digest string, answer []byte, ttl time.Duration) (stored []byte, err error)
	// Release ends a claim without an answer.
	Release(ctx context.Context, key, digest string) error
}

// The states of Claim.
const (
	stateClaimed  = "claimed"
	stateBusy     = "busy"
	stateConflict = "conflict"
	stateDone     = "done"
)

// Calls is Asked for one process. It forgets with it.
type Calls struct {
	now func() time.Time

	mu   sync.Mutex
	made map[string]made
}

type made struct {
	digest string
	answer []byte
	done   bool
	until  time.Time
}

var _ Asked = (*Calls)(nil)

// NewCalls makes an empty memory.
func NewCalls(now func() time.Time) *Calls { return &Calls{now: now, made: map[string]made{}} }

// Claim implements Asked.
func (c *Calls) Claim(_ context.Context, key, digest string, lease time.Duration) (string, []byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	switch m, ok := c.made[key]; {
	case ok && !m.until.After(now):
	case ok && m.digest != digest:
		return stateConflict, nil, nil
	case ok && m.done:
		return stateDone, m.answer, nil
	case ok:
		return stateBusy, nil, nil
	}
	for k, m := range c.made { // few registers have calls to remember
		if !m.until.After(now) {
			delete(c.made, k)
		}
	}
	c.made[key] = made{digest: digest, until: now.Add(lease)}
	return stateClaimed, nil, nil
}

// Complete implements Asked.
func (c *Calls) Complete(_ context.Context, key, digest string, answer []byte, ttl time.Duration) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.made[key]; m.done {
		return m.answer, nil
	}
	c.made[key] = made{digest: digest, answer: answer, done: true, until: c.now().Add(ttl)}
	return answer, nil
}

// Release implements Asked.
func (c *Calls) Release(_ context.Context, key, digest string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m, ok := c.made[key]; ok && !m.done && m.digest == digest {
		delete(c.made, key)
	}
	return nil
}
