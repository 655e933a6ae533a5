package payload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"oncegate/schemas/canon"
)

// FileKeys keeps wrapped keys in the files of one node, one file per key. A
// forgotten conversation is a directory that holds only the file "forgotten".
// Several processes may share the directory.
type FileKeys struct{ tree tree }

var _ Keys = (*FileKeys)(nil)

const (
	keySuffix = ".key"
	tombstone = "forgotten"
)

// NewFileKeys opens a directory that is the owner's alone, or makes it.
func NewFileKeys(dir string) (*FileKeys, error) {
	t, err := openTree(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the key directory: %w", err)
	}
	return &FileKeys{t}, nil
}

// Add stores a key. Forget writes its tombstone before it deletes keys, and Add
// looks for it after it wrote one: whichever comes second sees the other.
func (k *FileKeys) Add(ctx context.Context, id canon.ConversationID, kid string, wrapped []byte) error {
	if !validKeyID.MatchString(kid) || len(wrapped) > MaxWrapped {
		return errors.New("writing a key: invalid id or length")
	}
	if gone, err := k.forgotten(id); err != nil {
		return err
	} else if gone {
		return canon.ErrForgotten
	}
	if err := k.tree.write(ctx, id, kid+keySuffix, bytes.NewReader(wrapped)); err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	gone, err := k.forgotten(id)
	if err != nil || !gone {
		return err
	}
	if err := destroy(filepath.Join(k.tree.of(id), kid+keySuffix)); err != nil {
		return fmt.Errorf("deleting a key: %w", err)
	}
	return canon.ErrForgotten
}

// Get returns the keys of the conversation.
func (k *FileKeys) Get(ctx context.Context, id canon.ConversationID) ([]WrappedKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if gone, err := k.forgotten(id); err != nil {
		return nil, err
	} else if gone {
		return nil, canon.ErrForgotten
	}
	dir := k.tree.of(id)
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	var out []WrappedKey
	for _, f := range files {
		kid, ok := strings.CutSuffix(f.Name(), keySuffix)
		if !ok || !validKeyID.MatchString(kid) {
			continue
		}
		wrapped, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // forgotten meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("reading keys: %w", err)
		}
		out = append(out, WrappedKey{kid, wrapped})
	}
	return out, nil
}

// Forget deletes the keys of the conversation and remembers that it did.
func (k *FileKeys) Forget(ctx context.Context, id canon.ConversationID) error {
	if err := k.tree.write(ctx, id, tombstone, strings.NewReader("")); err != nil {
		return fmt.Errorf("writing a tombstone: %w", err)
	}
	dir := k.tree.of(id)
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("deleting keys: %w", err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), keySuffix) {
			if err := destroy(filepath.Join(dir, f.Name())); err != nil {
				return fmt.Errorf("deleting keys: %w", err)
			}
		}
	}
	return nil
}

// Sweep drops the keys and tombstones of conversations that got none since
// before, and returns of how many. Choose a time no later than the term of what
// they sealed: after it a late message of the conversation would get a new key.
func (k *FileKeys) Sweep(ctx context.Context, before time.Time) (int, error) {
	n, err := k.tree.sweep(ctx, before)
	if err != nil {
		return n, fmt.Errorf("sweeping keys: %w", err)
	}
	return n, nil
}

func (k *FileKeys) forgotten(id canon.ConversationID) (bool, error) {
	_, err := os.Stat(filepath.Join(k.tree.of(id), tombstone))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for a tombstone: %w", err)
	}
	return true, nil
}
