package payload

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"oncegate/schemas/canon"
)

// A tree is the layout that both file stores use: a directory per conversation
// under one of 256 shards. The name is a hash, so that a directory listing says
// nothing that joins with the log.
type tree struct{ dir string }

const tempPrefix = ".partial-"

func openTree(dir string) (tree, error) {
	if dir == "" {
		return tree{}, errors.New("directory: required")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return tree{}, err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return tree{}, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return tree{}, fmt.Errorf("%s is open to others than its owner: want mode 0700", dir)
	}
	return tree{dir}, nil
}

func (t tree) of(id canon.ConversationID) string {
	sum := sha256.Sum256([]byte(id))
	name := hex.EncodeToString(sum[:])
	return filepath.Join(t.dir, name[:2], name)
}

// make creates the conversation's directory, durably.
func (t tree) make(id canon.ConversationID) (string, error) {
	dir := t.of(id)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	shard := filepath.Dir(dir)
	return dir, errors.Join(syncDir(shard), syncDir(t.dir))
}

// write stores r as a file of the conversation: whole and durable, or not at all.
func (t tree) write(ctx context.Context, id canon.ConversationID, name string, r io.Reader) error {
	// Another process may sweep the empty directory away between the two steps.
	for attempt := 0; ; attempt++ {
		dir, err := t.make(id)
		if err == nil {
			err = writeFile(ctx, dir, name, r)
		}
		if !errors.Is(err, fs.ErrNotExist) || attempt == 3 || !rewound(r) {
			return err
		}
	}
}

// rewound takes r back to its beginning where it can.
func rewound(r io.Reader) bool {
	s, ok := r.(io.Seeker)
	if !ok {
		return false
	}
	_, err := s.Seek(0, io.SeekStart)
	return err == nil
}

func writeFile(ctx context.Context, dir, name string, r io.Reader) (err error) {
	f, err := os.CreateTemp(dir, tempPrefix+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreGone(os.Remove(f.Name())))
		}
	}()
	_, err = io.Copy(f, readerUntil(ctx, r))
	if err = errors.Join(err, ctx.Err()); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncDir(dir)
}

func readerUntil(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sweep deletes the directories of conversations in which nothing was written
// since before, and what interrupted writes left behind.
func (t tree) sweep(ctx context.Context, before time.Time) (n int, err error) {
	shards, err := os.ReadDir(t.dir)
	if err != nil {
		return 0, err
	}
	for _, shard := range shards {
		if !shard.IsDir() || len(shard.Name()) != 2 {
			continue
		}
		conversations, err := os.ReadDir(filepath.Join(t.dir, shard.Name()))
		if err != nil {
			return n, err
		}
		for _, c := range conversations {
			if err := ctx.Err(); err != nil {
				return n, err
			}
			gone, err := sweepOne(filepath.Join(t.dir, shard.Name(), c.Name()), before)
			if err != nil {
				return n, err
			}
			if gone {
				n++
			}
		}
	}
	return n, nil
}

func sweepOne(dir string, before time.Time) (gone bool, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return false, ignoreGone(err)
	}
	young := false
	for _, f := range files {
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		if !info.ModTime().Before(before) {
			young = true
		} else if strings.HasPrefix(f.Name(), tempPrefix) {
			if err := ignoreGone(os.Remove(filepath.Join(dir, f.Name()))); err != nil {
				return false, err
			}
		}
	}
	if young {
		return false, nil
	}
	return true, os.RemoveAll(dir)
}
