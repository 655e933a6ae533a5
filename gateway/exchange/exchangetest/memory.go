package exchangetest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// Memory is an exchange.Store that lives as long as the process. The zero value
// is empty and ready.
type Memory struct {
	mu            sync.Mutex
	conversations map[canon.ConversationID]*memorised
	asked, whole  bool
}

type memorised struct {
	c       exchange.Conversation
	applied map[canon.MessageID][]canon.Message
}

var _ exchange.Store = (*Memory)(nil)

// Flush forgets everything, as a Redis that was lost.
func (s *Memory) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conversations, s.asked, s.whole = nil, false, false
}

// Update implements exchange.Store.
func (s *Memory) Update(_ context.Context, id canon.ConversationID, cause canon.MessageID, f exchange.UpdateFunc) ([]canon.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var old *exchange.Conversation
	held := s.conversations[id]
	if held != nil {
		if out, ok := held.applied[cause]; ok {
			return slices.Clone(out), nil
		}
		c := held.c
		old = &c
	}
	next, out, err := f(old)
	if err != nil {
		return nil, err
	}
	if next == old {
		return out, nil
	}
	if held == nil {
		held = &memorised{applied: map[canon.MessageID][]canon.Message{}}
	}
	held.c = *next
	held.applied[cause] = slices.Clone(out)
	s.put(held)
	return out, nil
}

func (s *Memory) put(m *memorised) {
	if s.conversations == nil {
		s.conversations = map[canon.ConversationID]*memorised{}
	}
	s.conversations[m.c.ID] = m
}

// Get implements exchange.Reader.
func (s *Memory) Get(_ context.Context, id canon.ConversationID) (*exchange.Conversation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.conversations[id]
	if held == nil {
		return nil, exchange.ErrUnknown
	}
	c := held.c
	return &c, nil
}

// List implements exchange.Reader.
func (s *Memory) List(_ context.Context, limit int) ([]*exchange.Conversation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*exchange.Conversation
	for _, held := range s.conversations {
		c := held.c
		out = append(out, &c)
	}
	slices.SortFunc(out, func(a, b *exchange.Conversation) int {
		return cmp.Or(b.UpdatedAt.Compare(a.UpdatedAt), cmp.Compare(b.ID, a.ID))
	})
	return out[:min(limit, len(out))], nil
}

// Due implements exchange.Store.
func (s *Memory) Due(_ context.Context, now time.Time, limit int) ([]canon.ConversationID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []*memorised
	for _, held := range s.conversations {
		if held.c.Timer != "" && !held.c.Due.After(now) {
			due = append(due, held)
		}
	}
	slices.SortFunc(due, func(a, b *memorised) int { return cmp.Or(a.c.Due.Compare(b.c.Due), cmp.Compare(a.c.ID, b.c.ID)) })
	var out []canon.ConversationID
	for _, held := range due[:min(limit, len(due))] {
		out = append(out, held.c.ID)
	}
	return out, nil
}

// Restore implements exchange.Store.
func (s *Memory) Restore(_ context.Context, c *exchange.Conversation, applied []exchange.Applied) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conversations[c.ID] != nil {
		return nil
	}
	held := &memorised{c: *c, applied: map[canon.MessageID][]canon.Message{}}
	for _, a := range applied {
		held.applied[a.Cause] = slices.Clone(a.Messages)
	}
	s.put(held)
	return nil
}

// Whole implements exchange.Store.
func (s *Memory) Whole(context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = true
	return s.whole, nil
}

// MarkWhole implements exchange.Store.
func (s *Memory) MarkWhole(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whole = s.asked
	return nil
}
