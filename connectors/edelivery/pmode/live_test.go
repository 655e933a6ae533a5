package pmode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// disk is files that change while they are read.
type disk struct {
	mu     sync.Mutex
	files  map[string][]byte
	stamps map[string]int
}

func newDisk() *disk {
	d := &disk{files: map[string][]byte{"pmodes.yaml": []byte(good)}, stamps: map[string]int{}}
	for name, b := range files() {
		d.files[name] = b
	}
	return d
}

func (d *disk) read(name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.files[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	return bytes.Clone(b), nil
}

func (d *disk) stamp(name string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprint(d.stamps[name])
}

// put changes a file; quietly, its stamp stays.
func (d *disk) put(name string, b []byte, quietly bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[name] = b
	if !quietly {
		d.stamps[name]++
	}
}

// seen counts the attempts to load.
type seen struct {
	mu         sync.Mutex
	good, bad  int
	lastFaults string
}

func (s *seen) observe(_ *Table, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.bad++
		s.lastFaults = err.Error()
		return
	}
	s.good++
}

func (s *seen) counts() (good, bad int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.good, s.bad
}

func live(t *testing.T, d *disk, s *seen) *Live {
	t.Helper()
	l, err := NewLive(t.Context(), LiveConfig{
		Loader: Loader{File: "pmodes.yaml", Public: d.read, Secret: d.read}, Read: d.read, Stamp: d.stamp,
		Path: func(name string) string { return name }, Observe: s.observe,
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Covers: B-055
func TestAReloadIsAllOrNothing(t *testing.T) {
	d, s := newDisk(), &seen{}
	l := live(t, d, s)
	before := l.Table()
	d.put("pmodes.yaml", []byte(strings.Replace(strings.Replace(good, "token: ski", "token: xml", 1), "timeout: 30s", "timeout: soon", 1)), false)
	err := l.Reload(t.Context())
	if err == nil || !strings.Contains(err.Error(), "16:12") || !strings.Contains(err.Error(), "want a duration") {
		t.Errorf("reload of two faults: %v", err)
	}
	if l.Table() != before {
		t.Error("a file with faults came into force")
	}
	d.put("pmodes.yaml", []byte(strings.Replace(good, "name: sweden", "name: norway", 1)), false)
	if err := l.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := l.Table().Named("norway"); !ok {
		t.Error("the new file is not in force")
	}
	if _, ok := before.Named("sweden"); !ok {
		t.Error("a table in use changed")
	}
	if good, bad := s.counts(); good != 2 || bad != 1 {
		t.Errorf("%d loaded, %d refused", good, bad)
	}
}

func TestAWatchSeesFilesThatChange(t *testing.T) {
	// Keys are made outside of the bubble, whose clock stands still.
	files()
	for _, tt := range []struct {
		name      string
		change    func(d *disk)
		after     time.Duration
		good, bad int
	}{
		{"nothing", func(*disk) {}, time.Hour, 1, 0},
		{"the file itself", func(d *disk) {
			d.put("pmodes.yaml", []byte(strings.Replace(good, "name: sweden", "name: norway", 1)), false)
		}, 11 * time.Second, 2, 0},
		{"touched only", func(d *disk) { d.put("pmodes.yaml", []byte(good), false) }, time.Minute, 1, 0},
		{"a certificate that it names", func(d *disk) { d.put("fi.pem", files()["own.pem"], false) }, 11 * time.Second, 2, 0},
		{"a key that it names, which is gone", func(d *disk) { d.put("own-key.pem", nil, false) }, 11 * time.Second, 1, 1},
		{"a fault is told once", func(d *disk) { d.put("pmodes.yaml", []byte("own:"), false) }, time.Minute, 1, 1},
		{"without a trace in the stamps", func(d *disk) {
			d.put("pmodes.yaml", []byte(strings.Replace(good, "name: sweden", "name: norway", 1)), true)
		}, 6 * time.Minute, 2, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := newDisk(), &seen{}
				l := live(t, d, s)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- l.Watch(ctx) }()
				tt.change(d)
				time.Sleep(tt.after) // the clock of the bubble
				synctest.Wait()
				cancel()
				if err := <-done; err != nil {
					t.Errorf("watch ended with %v", err)
				}
				if good, bad := s.counts(); good != tt.good || bad != tt.bad {
					t.Errorf("%d loaded and %d refused, want %d and %d: %s", good, bad, tt.good, tt.bad, s.lastFaults)
				}
			})
		})
	}
}

func TestAFirstLoadThatFailsIsAnError(t *testing.T) {
	d := newDisk()
	d.put("pmodes.yaml", []byte("own: {}"), false)
	s := &seen{}
	if _, err := NewLive(t.Context(), LiveConfig{Loader: Loader{File: "pmodes.yaml", Public: d.read, Secret: d.read}, Read: d.read, Observe: s.observe}); err == nil {
		t.Error("no error")
	}
	if _, err := NewLive(t.Context(), LiveConfig{Loader: Loader{File: "gone.yaml", Public: d.read, Secret: d.read}, Read: d.read}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := NewLive(t.Context(), LiveConfig{}); err == nil {
		t.Error("nothing configured: no error")
	}
}

func TestHistoryKeepsWhatCameIntoForce(t *testing.T) {
	dir, d := t.TempDir(), newDisk()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l, err := NewLive(t.Context(), LiveConfig{
		Loader: Loader{File: "pmodes.yaml", Public: d.read, Secret: d.read}, Read: d.read, History: filepath.Join(dir, "history"), Keep: 3,
		Clock: func() time.Time { now = now.Add(time.Second); return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		d.put("pmodes.yaml", []byte(strings.Replace(good, "name: sweden", fmt.Sprintf("name: sweden%d", i), 1)), false)
		for range 2 { // the same file again is no new version
			if err := l.Reload(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.put("pmodes.yaml", []byte("own: {}"), false)
	if err := l.Reload(t.Context()); err == nil {
		t.Fatal("a fault was accepted")
	}
	kept, err := filepath.Glob(filepath.Join(dir, "history", "*.yaml"))
	if err != nil || len(kept) != 3 {
		t.Fatalf("%q, %v", kept, err)
	}
	text, err := os.ReadFile(kept[2])
	if err != nil || !strings.Contains(string(text), "name: sweden4") {
		t.Errorf("the newest is not the last accepted: %v\n%s", err, text)
	}
	if st, err := os.Stat(kept[0]); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
}
