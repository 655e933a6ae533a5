package payload

import (
	"context"

	"oncegate/schemas/canon"
)

// A WrappedKey is one data key of a conversation, encrypted under a
// key-encryption key. It is not secret.
type WrappedKey struct {
	ID      string // names the key in boxes and blobs; 1 to 64 of a-z 0-9 -
	Wrapped []byte // opaque to the store, at most MaxWrapped bytes
}

// MaxWrapped is the largest wrapped key that a store must take.
const MaxWrapped = 256

// Keys stores wrapped keys. Implementations are safe for concurrent use, by
// several processes where the store is shared. payloadtest.Keys is their battery.
type Keys interface {
	// Add stores one more key of the conversation. Two instances may both make a
	// key for a new conversation: both stay valid. Add returns nil only when the
	// key is durable and every later Get, anywhere, returns it; it returns
	// canon.ErrForgotten when the conversation was forgotten before, also by
	// another instance at the same time. Adding the same key again is no error.
	Add(ctx context.Context, id canon.ConversationID, kid string, wrapped []byte) error
	// Get returns all keys of the conversation in any order, none for a
	// conversation that has none, canon.ErrForgotten for a forgotten one as long
	// as the store remembers that it was.
	Get(ctx context.Context, id canon.ConversationID) ([]WrappedKey, error)
	// Forget removes all keys of the conversation for good and remembers that it
	// was forgotten, also where it never had a key. Forgetting twice is no error.
	Forget(ctx context.Context, id canon.ConversationID) error
}
