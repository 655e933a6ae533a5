package exchangetest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"sync"

	"oncegate/schemas/canon"
)

// Sealer is a canon.Sealer with one random key per conversation, in memory. The
// zero value is ready.
type Sealer struct {
	mu   sync.Mutex
	keys map[canon.ConversationID]cipher.AEAD // nil: forgotten
}

var _ canon.Sealer = (*Sealer)(nil)

func (s *Sealer) aead(id canon.ConversationID) (cipher.AEAD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.keys[id]
	if ok && a == nil {
		return nil, canon.ErrForgotten
	}
	if ok {
		return a, nil
	}
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if a, err = cipher.NewGCM(block); err != nil {
		return nil, err
	}
	if s.keys == nil {
		s.keys = map[canon.ConversationID]cipher.AEAD{}
	}
	s.keys[id] = a
	return a, nil
}

// Seal implements canon.Sealer.
func (s *Sealer) Seal(_ context.Context, id canon.ConversationID, associated, plain []byte) (canon.Box, error) {
	a, err := s.aead(id)
	if err != nil {
		return canon.Box{}, err
	}
	nonce := make([]byte, a.NonceSize())
	rand.Read(nonce)
	return canon.Box{Key: string(id), Nonce: nonce, Data: a.Seal(nil, nonce, plain, associated)}, nil
}

// Open implements canon.Sealer.
func (s *Sealer) Open(_ context.Context, id canon.ConversationID, associated []byte, b canon.Box) ([]byte, error) {
	a, err := s.aead(id)
	if err != nil {
		return nil, err
	}
	return a.Open(nil, b.Nonce, b.Data, associated)
}

// Forget destroys the key of a conversation.
func (s *Sealer) Forget(id canon.ConversationID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[canon.ConversationID]cipher.AEAD{}
	}
	s.keys[id] = nil
}
