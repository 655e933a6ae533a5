package payload_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/payload"
	"oncegate/gateway/payload/payloadtest"
	"oncegate/schemas/canon"
)

func TestKeysInMemory(t *testing.T) {
	var s payloadtest.MemoryKeys
	payloadtest.Keys(t, func(*testing.T) payload.Keys { return &s })
}

func TestKeysInFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	payloadtest.Keys(t, func(t *testing.T) payload.Keys {
		s, err := payload.NewFileKeys(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
	wantPrivate(t, dir)
}

func TestBlobsInMemory(t *testing.T) {
	var s payloadtest.MemoryBlobs
	payloadtest.Blobs(t, func(*testing.T) payload.Blobs { return &s })
}

func TestBlobsInFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "blobs")
	payloadtest.Blobs(t, func(t *testing.T) payload.Blobs {
		s, err := payload.NewFileBlobs(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
	wantPrivate(t, dir)
}

// wantPrivate: files are the owner's alone, names say nothing, nothing partial stays.
func wantPrivate(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if strings.HasPrefix(d.Name(), ".partial-") {
			t.Errorf("%s was left behind", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStoresRefuseOpenDirectories(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := payload.NewFileKeys(dir); err == nil {
		t.Error("NewFileKeys took a directory that others can read")
	}
	if _, err := payload.NewFileBlobs(dir); err == nil {
		t.Error("NewFileBlobs took a directory that others can read")
	}
	if _, err := payload.NewFileBlobs(""); err == nil {
		t.Error("NewFileBlobs took no directory")
	}
}

func TestSweep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s, err := payload.NewFileKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	old, young := canon.OwnConversation("p", "old"), canon.OwnConversation("p", "young")
	for _, id := range []canon.ConversationID{old, young} {
		if err := s.Add(ctx, id, "k1", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Forget(ctx, old); err != nil {
		t.Fatal(err)
	}
	past := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	matches, err := filepath.Glob(filepath.Join(dir, "*", "*", "forgotten"))
	if err != nil || len(matches) != 1 {
		t.Fatalf("tombstones: %v, %v", matches, err)
	}
	if err := os.Chtimes(matches[0], past, past); err != nil {
		t.Fatal(err)
	}
	partial := filepath.Join(filepath.Dir(matches[0]), ".partial-1")
	if err := os.WriteFile(partial, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(ctx, past.Add(time.Hour)); n != 0 || err != nil {
		t.Fatalf("Sweep with a write under way = %d, %v, want 0", n, err)
	}
	if err := os.Chtimes(partial, past, past); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(ctx, past.Add(time.Hour)); n != 1 || err != nil {
		t.Fatalf("Sweep = %d, %v, want 1", n, err)
	}
	if keys, err := s.Get(ctx, young); len(keys) != 1 || err != nil {
		t.Errorf("young conversation: %d keys, %v", len(keys), err)
	}
	if keys, err := s.Get(ctx, old); len(keys) != 0 || err != nil {
		t.Errorf("swept conversation: %d keys, %v, want none and no memory", len(keys), err)
	}
}
