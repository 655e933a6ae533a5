package edelivery

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"oncegate/schemas/canon"
)

// A Shelf keeps messages for partners that come and fetch them (One-Way/Pull), and
// pushed ones between two attempts. A message on it waits for its time, or is ready, or
// handed out until its lease ends and then ready again, or spent: handed out as often
// as it may be, or expired. It is memory, never truth:
// what it loses lies on the log and comes back through Restore. All methods are
// atomic and may be called concurrently, from several processes. The signatures use
// built-in types and canon alone, so that an implementation needs nothing of this
// package.
type Shelf interface {
	// Put lays a message on the shelf of its partition. A message that lies there
	// stays as it is, wherever it stands, unless it is of an earlier series: that one
	// is over, and gives way. Taken of s is less than Attempts.
	Put(ctx context.Context, s canon.Shelved) error
	// Take hands out the oldest message of the partition that is ready at now, until
	// lease has passed; nil where there is none. Taken counts this time too.
	Take(ctx context.Context, partition string, now time.Time, lease time.Duration) (*canon.Shelved, error)
	// Hold prolongs the lease of a message of that series which is handed out now. It does
	// nothing for any other.
	Hold(ctx context.Context, id canon.MessageID, series int, until time.Time) error
	// Keep notes what the receipt of a message must match. It does nothing for a
	// message that is not there.
	Keep(ctx context.Context, id canon.MessageID, kept []byte) error
	// Wait puts a message of that series off: it was handed out taken times, and is not
	// ready before until. It does nothing for a message that is not there.
	Wait(ctx context.Context, id canon.MessageID, series, taken int, until time.Time) error
	// Wake makes ready what waits in the partition for its time.
	Wake(ctx context.Context, partition string) error
	// Partitions returns those that hold messages, and perhaps some that held any before
	// Take last found nothing in them.
	Partitions(ctx context.Context) ([]string, error)
	// Find returns the message, nil where it is not there.
	Find(ctx context.Context, id canon.MessageID) (*canon.Shelved, error)
	// Drop removes the message, if it is there in that series.
	Drop(ctx context.Context, id canon.MessageID, series int) error
	// Due returns up to max messages that are spent at now. They stay until Drop. Those
	// that cannot be read are an error beside the others.
	Due(ctx context.Context, now time.Time, max int) ([]canon.Shelved, error)
	// Restore calls fill where the shelf was lost, or never filled, since Restore
	// last ended well. fill puts back what the log has. Several may restore at once.
	Restore(ctx context.Context, fill func(ctx context.Context) error) error
}

// MemoryShelf is a Shelf that lives as long as the process.
type MemoryShelf struct {
	mu     sync.Mutex
	items  map[canon.MessageID]*shelved
	serial int
	whole  bool
}

type shelved struct {
	canon.Shelved
	serial int
	until  time.Time // end of the lease, or of the wait
	waits  bool
}

var _ Shelf = (*MemoryShelf)(nil)

// NewMemoryShelf returns an empty shelf.
func NewMemoryShelf() *MemoryShelf {
	return &MemoryShelf{items: map[canon.MessageID]*shelved{}}
}

// spent reports that nobody can take the message any more, whatever time passes.
func (s *shelved) spent(now time.Time) bool {
	return !now.Before(s.Expires) || s.Taken >= s.Attempts && !now.Before(s.until)
}

func (s *shelved) copy() *canon.Shelved {
	c := s.Shelved
	c.Kept = bytes.Clone(s.Kept)
	return &c
}

// before orders messages by their time, and those of one time as they came.
func (s *shelved) before(o *shelved) int {
	return cmp.Or(s.Message.At.Compare(o.Message.At), cmp.Compare(s.serial, o.serial))
}

// Put implements Shelf.
func (m *MemoryShelf) Put(_ context.Context, s canon.Shelved) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, there := m.items[s.Message.ID]; there && old.Message.Series >= s.Message.Series {
		return nil
	}
	m.serial++
	until := s.From
	s.From = time.Time{}
	m.items[s.Message.ID] = &shelved{Shelved: s, serial: m.serial, until: until, waits: true}
	return nil
}

// Take implements Shelf.
func (m *MemoryShelf) Take(_ context.Context, partition string, now time.Time, lease time.Duration) (*canon.Shelved, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var first *shelved
	for _, s := range m.items {
		if s.Partition == partition && s.Taken < s.Attempts && now.Before(s.Expires) && !now.Before(s.until) && (first == nil || s.before(first) < 0) {
			first = s
		}
	}
	if first == nil {
		return nil, nil
	}
	first.Taken++
	first.until, first.waits = now.Add(lease), false
	return first.copy(), nil
}

// Hold implements Shelf.
func (m *MemoryShelf) Hold(_ context.Context, id canon.MessageID, series int, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.items[id]; ok && s.Message.Series == series && s.Taken > 0 && !s.waits {
		s.until = until
	}
	return nil
}

// Keep implements Shelf.
func (m *MemoryShelf) Keep(_ context.Context, id canon.MessageID, kept []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.items[id]; ok {
		s.Kept = bytes.Clone(kept)
	}
	return nil
}

// Wait implements Shelf.
func (m *MemoryShelf) Wait(_ context.Context, id canon.MessageID, series, taken int, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.items[id]; ok && s.Message.Series == series {
		s.Taken, s.until, s.waits = taken, until, true
	}
	return nil
}

// Wake implements Shelf.
func (m *MemoryShelf) Wake(_ context.Context, partition string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.items {
		if s.Partition == partition && s.waits && s.Taken < s.Attempts {
			s.until = time.Time{}
		}
	}
	return nil
}

// Partitions implements Shelf.
func (m *MemoryShelf) Partitions(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, s := range m.items {
		if !slices.Contains(out, s.Partition) {
			out = append(out, s.Partition)
		}
	}
	return out, nil
}

// Find implements Shelf.
func (m *MemoryShelf) Find(_ context.Context, id canon.MessageID) (*canon.Shelved, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, ok := m.items[id]; ok {
		return s.copy(), nil
	}
	return nil, nil
}

// Drop implements Shelf.
func (m *MemoryShelf) Drop(_ context.Context, id canon.MessageID, series int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s, there := m.items[id]; there && s.Message.Series == series {
		delete(m.items, id)
	}
	return nil
}

// Due implements Shelf.
func (m *MemoryShelf) Due(_ context.Context, now time.Time, max int) ([]canon.Shelved, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []*shelved
	for _, s := range m.items {
		if s.spent(now) {
			due = append(due, s)
		}
	}
	slices.SortFunc(due, (*shelved).before)
	out := make([]canon.Shelved, 0, min(len(due), max))
	for _, s := range due[:min(len(due), max)] {
		out = append(out, *s.copy())
	}
	return out, nil
}

// Restore implements Shelf.
func (m *MemoryShelf) Restore(ctx context.Context, fill func(context.Context) error) error {
	m.mu.Lock()
	whole := m.whole
	m.mu.Unlock()
	if whole {
		return nil
	}
	if err := fill(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.whole = true
	return nil
}
