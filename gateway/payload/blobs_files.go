package payload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"oncegate/schemas/canon"
)

// FileBlobs keeps blobs in the files of one node: written whole, synced, mode
// 0600. A locator is the blob's own id: the conversation of the caller decides
// where it is looked for.
type FileBlobs struct{ tree tree }

var (
	_ Blobs     = (*FileBlobs)(nil)
	_ Forgetter = (*FileBlobs)(nil)
)

// NewFileBlobs opens a directory that is the owner's alone, or makes it.
func NewFileBlobs(dir string) (*FileBlobs, error) {
	t, err := openTree(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the payload directory: %w", err)
	}
	return &FileBlobs{t}, nil
}

// Put stores a blob.
func (b *FileBlobs) Put(ctx context.Context, id canon.ConversationID, blob string, r io.Reader) (string, error) {
	if !canon.ValidUUID(blob) {
		return "", errors.New("writing a blob: its id is not a UUID")
	}
	if err := b.tree.write(ctx, id, blob, r); err != nil {
		return "", fmt.Errorf("writing a blob: %w", err)
	}
	return blob, nil
}

// Open opens a blob.
func (b *FileBlobs) Open(ctx context.Context, id canon.ConversationID, where string) (io.ReadCloser, error) {
	if !canon.ValidUUID(where) { // never a path
		return nil, ErrNoBlob
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(b.tree.of(id), where))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoBlob
	}
	if err != nil {
		return nil, fmt.Errorf("opening a blob: %w", err)
	}
	return f, nil
}

// Forget deletes the blobs of the conversation.
func (b *FileBlobs) Forget(_ context.Context, id canon.ConversationID) error {
	dir := b.tree.of(id)
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("deleting blobs: %w", err)
	}
	if err := ignoreGone(syncDir(filepath.Dir(dir))); err != nil {
		return fmt.Errorf("deleting blobs: %w", err)
	}
	return nil
}

// Sweep deletes the blobs of conversations that got none since before, and
// returns of how many.
func (b *FileBlobs) Sweep(ctx context.Context, before time.Time) (int, error) {
	n, err := b.tree.sweep(ctx, before)
	if err != nil {
		return n, fmt.Errorf("sweeping blobs: %w", err)
	}
	return n, nil
}
