package payload

import (
	"context"
	"errors"
	"io"

	"oncegate/schemas/canon"
)

// ErrNoBlob is returned by a store of blobs that does not hold what is asked for.
var ErrNoBlob = errors.New("no such blob")

// Blobs stores sealed bytes. Implementations are safe for concurrent use.
// payloadtest.Blobs is their battery.
type Blobs interface {
	// Put stores all of r under id (a UUID, derived from conversation and
	// content) and returns where it is: at most 512 printable ASCII bytes that
	// say nothing of the content. Nil means durable. When r or ctx fails, nothing
	// can be opened under what was stored so far. The same id put again may
	// replace or keep the first; a locator that was once returned keeps opening
	// one of the two, whole.
	Put(ctx context.Context, id canon.ConversationID, blob string, r io.Reader) (where string, err error)
	// Open returns a reader that lives until ctx ends or it is closed. It returns
	// ErrNoBlob where the blob is not, or no longer, there, or belongs to another
	// conversation; a store that can tell only while reading returns it from Read.
	// The bytes may be cut or damaged: the caller checks the seal.
	Open(ctx context.Context, id canon.ConversationID, where string) (io.ReadCloser, error)
}

// A Forgetter is a store that can also delete the sealed bytes themselves. It
// saves space only: what ends a payload is its key.
type Forgetter interface {
	Forget(ctx context.Context, id canon.ConversationID) error
}
