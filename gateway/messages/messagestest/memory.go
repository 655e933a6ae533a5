package messagestest

import (
	"context"
	"slices"
	"sync"
	"time"

	"oncegate/gateway/messages"
	"oncegate/schemas/canon"
)

// Memory is a messages.Store that lives as long as the process.
type Memory struct {
	now  func() time.Time
	term time.Duration

	mu           sync.Mutex
	held         map[string]*held
	asked, whole bool
}

type held struct {
	notes []canon.MessageNote // as they came
	place messages.Place
	until time.Time
}

var _ messages.Store = (*Memory)(nil)

// NewMemory returns an empty store that reads the time from now.
func NewMemory(now func() time.Time, term time.Duration) *Memory {
	return &Memory{now: now, term: term, held: map[string]*held{}}
}

// Flush forgets everything, as a Redis that was lost.
func (s *Memory) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.asked, s.whole = map[string]*held{}, false, false
}

// Note implements messages.Store.
func (s *Memory) Note(_ context.Context, ns ...canon.MessageNote) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range ns {
		key := messages.Key(n)
		h := s.held[key]
		if h == nil || !h.until.After(s.now()) {
			h = &held{place: messages.PlaceOf(n)}
			s.held[key] = h
		}
		h.notes = append(h.notes, n)
		if more := len(h.notes) - messages.MaxHistory; more > 0 {
			h.notes = slices.Delete(h.notes, 0, more)
		}
		h.place.At = max(h.place.At, n.At.UnixMilli())
		h.until = s.now().Add(s.term)
	}
	return nil
}

// found is a message with its place.
type found struct {
	messages.Message
	place messages.Place
}

// all returns what matches, in the order of the list.
func (s *Memory) all(f messages.Filter) []found {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []found
	for _, h := range s.held {
		if !h.until.After(s.now()) {
			continue
		}
		m := messages.Fold(h.notes)
		if !f.Match(m.MessageNote) || !f.Since.IsZero() && h.place.At < f.Since.UnixMilli() || !f.Until.IsZero() && h.place.At >= f.Until.UnixMilli() {
			continue
		}
		out = append(out, found{m, h.place})
	}
	slices.SortFunc(out, func(a, b found) int {
		if a.place.Before(b.place) {
			return -1
		}
		return 1
	})
	return out
}

// Get implements messages.Reader.
func (s *Memory) Get(_ context.Context, as4 string) (*messages.Message, error) {
	if as4 == "" {
		return nil, messages.ErrUnknown
	}
	all := s.all(messages.Filter{AS4: as4})
	if len(all) == 0 {
		return nil, messages.ErrUnknown
	}
	for _, m := range all {
		if m.Direction == canon.MessageOut {
			return &m.Message, nil
		}
	}
	return &all[0].Message, nil
}

// List implements messages.Reader.
func (s *Memory) List(_ context.Context, q messages.Query) (messages.Page, error) {
	var after messages.Place
	if q.Cursor != "" {
		var err error
		if after, err = messages.ParsePlace(q.Cursor); err != nil {
			return messages.Page{}, err
		}
	}
	var p messages.Page
	var last messages.Place
	for _, m := range s.all(q.Filter) {
		if q.Cursor != "" && !after.Before(m.place) {
			continue
		}
		if len(p.Messages) == q.Size() {
			p.Next = last.String()
			break
		}
		p.Messages, last = append(p.Messages, m.MessageNote), m.place
	}
	return p, nil
}

// Ongoing implements messages.Store.
func (s *Memory) Ongoing(context.Context) (messages.Ongoing, error) {
	var o messages.Ongoing
	for _, m := range s.all(messages.Filter{}) {
		o.Add(m.Message)
	}
	return o, nil
}

// Whole implements messages.Store.
func (s *Memory) Whole(context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = true
	return s.whole, nil
}

// MarkLost implements messages.Store.
func (s *Memory) MarkLost(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.whole = false, false
	return nil
}

// MarkWhole implements messages.Store.
func (s *Memory) MarkWhole(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whole = s.asked
	return nil
}
