package payload_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/payload"
)

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	if err := payload.GenerateKeyFile(path, rand.Reader); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v, want 0600", info.Mode(), err)
	}
	a, err := payload.ReadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if a == (payload.Secret{}) {
		t.Error("the key is empty")
	}
	if err := payload.GenerateKeyFile(path, rand.Reader); err == nil {
		t.Error("an existing key was overwritten")
	}
}

func TestKeyFileRefused(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("K"), 32))
	tests := map[string]struct {
		text string
		mode os.FileMode
	}{
		"others can read": {good, 0o644},
		"group can read":  {good, 0o640},
		"not base64":      {strings.Repeat("!", 44), 0o600},
		"too short":       {base64.StdEncoding.EncodeToString([]byte("short")), 0o600},
		"too long":        {good + good, 0o600},
		"empty":           {"", 0o600},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kek")
			if err := os.WriteFile(path, []byte(tc.text), tc.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tc.mode); err != nil {
				t.Fatal(err)
			}
			_, err := payload.ReadKeyFile(path)
			if err == nil {
				t.Fatal("ReadKeyFile took it")
			}
			if tc.text != "" && strings.Contains(err.Error(), tc.text) {
				t.Error("the error quotes the key")
			}
		})
	}
	if _, err := payload.ReadKeyFile(t.TempDir()); err == nil {
		t.Error("ReadKeyFile took a directory")
	}
}

func TestKeyDirRenewsAndDestroys(t *testing.T) {
	d := payload.KeyDir{Dir: filepath.Join(t.TempDir(), "kek"), Period: 30 * 24 * time.Hour, Term: 60 * 24 * time.Hour, Rand: rand.Reader}
	refresh := func(now time.Time) []string {
		t.Helper()
		keks, err := d.Refresh(now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := payload.NewRing(keks...); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, k := range keks {
			ids = append(ids, k.ID)
		}
		return ids
	}
	steps := []struct {
		day  int
		want string
	}{
		{0, "20261101-20270130"},
		{0, "20261101-20270130"},
		{29, "20261101-20270130"},
		{30, "20261101-20270130 20261201-20270301"},
		{89, "20261101-20270130 20261201-20270301 20270129-20270429"},
		{90, "20261201-20270301 20270129-20270429"},
		{400, "20271206-20280305"},
	}
	for _, s := range steps {
		if got := strings.Join(refresh(epoch.AddDate(0, 0, s.day)), " "); got != s.want {
			t.Errorf("day %d: %s, want %s", s.day, got, s.want)
		}
	}
	files, err := os.ReadDir(d.Dir)
	if err != nil || len(files) != 1 {
		t.Errorf("%d files, %v, want the one key in force", len(files), err)
	}
	if err := os.WriteFile(filepath.Join(d.Dir, "mine.key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Refresh(epoch); err == nil {
		t.Error("a file without dates was taken")
	}
}
