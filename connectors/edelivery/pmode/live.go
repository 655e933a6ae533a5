package pmode

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// LiveConfig says where a Live reads.
type LiveConfig struct {
	Loader                             // Required. Its File is read too; Now is ignored.
	Read     Files                     // Default os.ReadFile. Reads the P-Mode file.
	Path     func(name string) string  // Default relative to the P-Mode file. Where a named file lies.
	Stamp    func(path string) string  // Default size and time of change. Differs when a file may have changed.
	Every    time.Duration             // Default 10s. How often stamps are compared.
	Thorough time.Duration             // Default 5m. How often contents are compared, whatever the stamps say.
	History  string                    // Default none. Directory where accepted files are kept.
	Keep     int                       // Default 20. How many of them.
	Clock    func() time.Time          // Default time.Now.
	Logger   *slog.Logger              // Default none.
	Observe  func(t *Table, err error) // Default none. Called after each attempt to load, with the table in force.
}

// A Live is the source of the table that is in force. A reload is all or nothing:
// on any fault the table that was in force stays. It is safe for concurrent use.
type Live struct {
	conf  LiveConfig
	table atomic.Pointer[Table]

	mu   sync.Mutex // one reload at a time
	seen state
}

var _ Source = (*Live)(nil)

// state is what was read: every file with the stamp it had before and the digest
// of its content.
type state map[string]file

type file struct {
	stamp  string
	digest [sha256.Size]byte
}

// NewLive loads the table for the first time. A fault is an error.
func NewLive(ctx context.Context, c LiveConfig) (*Live, error) {
	if c.File == "" || c.Public == nil || c.Secret == nil {
		return nil, errors.New("file and its readers are required")
	}
	if c.Read == nil {
		c.Read = os.ReadFile
	}
	if c.Path == nil {
		dir := filepath.Dir(c.File)
		c.Path = func(name string) string {
			if filepath.IsAbs(name) {
				return name
			}
			return filepath.Join(dir, name)
		}
	}
	if c.Stamp == nil {
		c.Stamp = stamp
	}
	or(&c.Every, 10*time.Second)
	or(&c.Thorough, 5*time.Minute)
	or(&c.Keep, 20)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Observe == nil {
		c.Observe = func(*Table, error) {}
	}
	l := &Live{conf: c}
	return l, l.Reload(ctx)
}

func stamp(path string) string {
	st, err := os.Stat(path)
	if err != nil {
		return "absent"
	}
	return fmt.Sprint(st.Size(), " ", st.ModTime().UnixNano())
}

// Table returns the table in force.
func (l *Live) Table() *Table { return l.table.Load() }

// Reload reads everything again. On a fault the table in force stays, and the
// error has every fault.
func (l *Live) Reload(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reload(ctx)
}

func (l *Live) reload(ctx context.Context) error {
	seen := state{}
	path := l.conf.File
	before := l.conf.Stamp(path)
	data, err := l.conf.Read(path)
	seen[path] = file{before, sha256.Sum256(data)}
	var t *Table
	var faults []*Fault
	if err != nil {
		err = fmt.Errorf("reading P-Modes: %w", err)
	} else {
		loader := l.conf.Loader
		loader.Now = l.conf.Clock()
		loader.Public, loader.Secret = l.noting(seen, loader.Public), l.noting(seen, loader.Secret)
		t, faults = loader.Check(ctx, data)
		err = join(faults)
	}
	// Also what was refused is remembered: it is not tried again until it changes.
	l.seen = seen
	if err != nil {
		l.conf.Observe(l.Table(), err)
		return err
	}
	old := l.table.Swap(t)
	l.told(ctx, old, t, faults)
	if err := l.keep(data); err != nil {
		l.conf.Logger.WarnContext(ctx, "P-Modes are in force but not kept in their history", slog.Any("error", err))
	}
	l.conf.Observe(t, nil)
	return nil
}

// told logs what is in force.
func (l *Live) told(ctx context.Context, old, t *Table, warnings []*Fault) {
	if old == nil {
		l.conf.Logger.InfoContext(ctx, "P-Modes are in force", slog.Int("partners", len(t.list)), slog.Int("warnings", len(warnings)))
	} else {
		d := Diff(old, t)
		l.conf.Logger.InfoContext(ctx, "P-Modes were loaded again", slog.Int("partners", len(t.list)), slog.Int("warnings", len(warnings)),
			slog.Int("added", len(d.Added)), slog.Int("removed", len(d.Removed)), slog.Int("changed", len(d.Changed)))
	}
	const most = 20
	for _, w := range warnings[:min(len(warnings), most)] {
		l.conf.Logger.WarnContext(ctx, "P-Modes", slog.String("warning", w.Error()))
	}
}

// noting wraps a reader so that the state has what it read.
func (l *Live) noting(seen state, read Files) Files {
	return func(name string) ([]byte, error) {
		path := l.conf.Path(name)
		before := l.conf.Stamp(path)
		data, err := read(name)
		seen[path] = file{before, sha256.Sum256(data)}
		return data, err
	}
}

// Watch loads again whenever the P-Mode file or a file that it names changes,
// until ctx ends.
func (l *Live) Watch(ctx context.Context) error {
	tick := time.NewTicker(l.conf.Every)
	defer tick.Stop()
	thorough := l.conf.Clock()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := l.conf.Clock()
		deep := now.Sub(thorough) >= l.conf.Thorough
		if deep {
			thorough = now
		}
		l.look(ctx, deep)
	}
}

// look loads again if something changed.
func (l *Live) look(ctx context.Context, deep bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.changed(deep) {
		return
	}
	if err := l.reload(ctx); err != nil {
		l.conf.Logger.ErrorContext(ctx, "P-Modes have faults; those in force stay", slog.Any("error", err))
	}
}

// changed compares stamps, and contents where stamps differ or always.
func (l *Live) changed(deep bool) bool {
	for _, path := range slices.Sorted(maps.Keys(l.seen)) {
		was := l.seen[path]
		now := l.conf.Stamp(path)
		if now == was.stamp && !deep {
			continue
		}
		data, err := l.conf.Read(path)
		digest := sha256.Sum256(data)
		clear(data) // it may be a key
		if err != nil && was.digest != sha256.Sum256(nil) || digest != was.digest {
			return true
		}
		l.seen[path] = file{now, was.digest} // touched, but the same
	}
	return false
}

// keep puts an accepted file into the history and the oldest ones out of it.
func (l *Live) keep(data []byte) error {
	if l.conf.History == "" {
		return nil
	}
	if err := os.MkdirAll(l.conf.History, 0o700); err != nil {
		return fmt.Errorf("making history: %w", err)
	}
	kept, err := filepath.Glob(filepath.Join(l.conf.History, "pmodes-*.yaml"))
	if err != nil {
		return fmt.Errorf("reading history: %w", err)
	}
	slices.Sort(kept)
	digest := fmt.Sprintf("%x", sha256.Sum256(data))[:12]
	if len(kept) > 0 && strings.Contains(kept[len(kept)-1], digest) {
		return nil // the newest is this one
	}
	name := fmt.Sprintf("pmodes-%s-%s.yaml", l.conf.Clock().UTC().Format("20060102T150405.000Z"), digest)
	if err := os.WriteFile(filepath.Join(l.conf.History, name), data, 0o600); err != nil {
		return fmt.Errorf("writing history: %w", err)
	}
	for i := 0; i < len(kept)+1-l.conf.Keep; i++ {
		if err := os.Remove(kept[i]); err != nil {
			return fmt.Errorf("shortening history: %w", err)
		}
	}
	return nil
}
