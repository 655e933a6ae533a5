package payloadtest

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"

	"oncegate/gateway/payload"
	"oncegate/schemas/canon"
)

// MemoryKeys is a payload.Keys in memory. The zero value is ready.
type MemoryKeys struct {
	mu        sync.Mutex
	keys      map[canon.ConversationID]map[string][]byte
	forgotten map[canon.ConversationID]bool
}

// MemoryBlobs is a payload.Blobs in memory. The zero value is ready.
type MemoryBlobs struct {
	mu    sync.Mutex
	blobs map[canon.ConversationID]map[string][]byte
}

var (
	_ payload.Keys      = (*MemoryKeys)(nil)
	_ payload.Blobs     = (*MemoryBlobs)(nil)
	_ payload.Forgetter = (*MemoryBlobs)(nil)
)

// Add stores a key.
func (m *MemoryKeys) Add(ctx context.Context, id canon.ConversationID, kid string, wrapped []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forgotten[id] {
		return canon.ErrForgotten
	}
	if m.keys == nil {
		m.keys = make(map[canon.ConversationID]map[string][]byte)
	}
	if m.keys[id] == nil {
		m.keys[id] = make(map[string][]byte)
	}
	m.keys[id][kid] = slices.Clone(wrapped)
	return nil
}

// Get returns the keys of the conversation.
func (m *MemoryKeys) Get(ctx context.Context, id canon.ConversationID) ([]payload.WrappedKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forgotten[id] {
		return nil, canon.ErrForgotten
	}
	var out []payload.WrappedKey
	for kid, wrapped := range m.keys[id] {
		out = append(out, payload.WrappedKey{ID: kid, Wrapped: slices.Clone(wrapped)})
	}
	return out, nil
}

// Forget removes the keys of the conversation.
func (m *MemoryKeys) Forget(ctx context.Context, id canon.ConversationID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.forgotten == nil {
		m.forgotten = make(map[canon.ConversationID]bool)
	}
	m.forgotten[id] = true
	delete(m.keys, id)
	return nil
}

// Put stores a blob.
func (m *MemoryBlobs) Put(ctx context.Context, id canon.ConversationID, blob string, r io.Reader) (string, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blobs == nil {
		m.blobs = make(map[canon.ConversationID]map[string][]byte)
	}
	if m.blobs[id] == nil {
		m.blobs[id] = make(map[string][]byte)
	}
	m.blobs[id][blob] = data
	return blob, nil
}

// Open opens a blob.
func (m *MemoryBlobs) Open(ctx context.Context, id canon.ConversationID, where string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.blobs[id][where]
	if !ok {
		return nil, payload.ErrNoBlob
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Forget deletes the blobs of the conversation.
func (m *MemoryBlobs) Forget(ctx context.Context, id canon.ConversationID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.blobs, id)
	return nil
}

// Change lets a test damage what is stored of a blob; it reports whether there
// was such a blob.
func (m *MemoryBlobs) Change(id canon.ConversationID, where string, f func([]byte) []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.blobs[id][where]
	if ok {
		m.blobs[id][where] = f(slices.Clone(data))
	}
	return ok
}
