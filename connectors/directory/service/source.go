package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"oncegate/connectors/directory/answers"
)

// Bounds on what is read from a disk.
const (
	maxFile  = 16 << 20
	maxFiles = 512
)

// submitted is the directory below that of the data where accepted submissions are kept.
const submitted = "submitted"

// SourceConfig says where a Source reads.
type SourceConfig struct {
	Loader                 // Required.
	Path   string          // Required. A YAML file, or a directory of them (*.yaml, *.yml).
	Every  time.Duration   // Default 5s. How often the files are looked at.
	Logger *slog.Logger    // Default none.
	Loaded func(err error) // Default none. Called after each attempt to load.
}

// A Source holds the catalogue that is in force. A reload is all or nothing: on
// any fault the catalogue that was in force stays. It is safe for concurrent use.
type Source struct {
	conf   SourceConfig
	loader Loader
	dir    bool
	cat    atomic.Pointer[Catalogue]
	stale  atomic.Bool

	mu   sync.Mutex // one reload or replacement at a time
	seen [sha256.Size]byte
}

// Open loads the data for the first time. A fault is an error.
func Open(c SourceConfig) (*Source, error) {
	if c.Lists == nil || !httpsURL(c.Base) || c.Path == "" {
		return nil, errors.New("opening directory data: code lists, an https URL of the service and a path are required")
	}
	if c.Every <= 0 {
		c.Every = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Loaded == nil {
		c.Loaded = func(error) {}
	}
	st, err := os.Stat(c.Path)
	if err != nil {
		return nil, fmt.Errorf("opening directory data: %w", err)
	}
	s := &Source{conf: c, loader: c.Loader, dir: st.IsDir()}
	return s, s.Reload()
}

// Catalogue returns the catalogue in force.
func (s *Source) Catalogue() *Catalogue { return s.cat.Load() }

// Stale reports that what is on disk has faults and is not served.
func (s *Source) Stale() bool { return s.stale.Load() }

// Reload reads everything again. The error has every fault.
func (s *Source) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reload(true)
}

func (s *Source) reload(always bool) error {
	files, err := ReadFiles(s.conf.Path)
	sum := digest(files, err)
	if !always && sum == s.seen {
		return nil
	}
	s.seen = sum
	if err == nil {
		var cat *Catalogue
		var faults []*Fault
		if cat, faults = s.loader.Check(files); cat != nil {
			s.cat.Store(cat)
		}
		err = Join(faults)
	}
	s.stale.Store(err != nil)
	s.conf.Loaded(err)
	return err
}

func digest(files []File, err error) [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%v\n", err)
	for _, f := range files {
		fmt.Fprintf(h, "%q %d %t\n", f.Name, len(f.Data), f.Submitted)
		h.Write(f.Data)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Watch reloads when files change, until ctx ends.
func (s *Source) Watch(ctx context.Context) error {
	t := time.NewTicker(s.conf.Every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		s.mu.Lock()
		before := s.Catalogue()
		err := s.reload(false)
		s.mu.Unlock()
		switch {
		case err != nil:
			s.conf.Logger.ErrorContext(ctx, "directory data has faults; what was loaded before stays", slog.Any("error", err))
		case s.Catalogue() != before:
			s.conf.Logger.InfoContext(ctx, "directory data loaded again")
		}
	}
}

// ReadFiles reads the YAML files of a path: a file, or a directory with those
// below submitted/.
func ReadFiles(path string) ([]File, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading directory data: %w", err)
	}
	if !st.IsDir() {
		data, err := readFile(path)
		return []File{{Name: path, Data: data}}, err
	}
	var out []File
	for _, dir := range []string{path, filepath.Join(path, submitted)} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != path {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading directory data: %w", err)
		}
		for _, e := range entries {
			if ext := filepath.Ext(e.Name()); e.IsDir() || strings.HasPrefix(e.Name(), ".") || ext != ".yaml" && ext != ".yml" {
				continue
			}
			if len(out) == maxFiles {
				return nil, fmt.Errorf("reading directory data: more than %d files", maxFiles)
			}
			name := filepath.Join(dir, e.Name())
			data, err := readFile(name)
			if err != nil {
				return nil, err
			}
			out = append(out, File{Name: name, Data: data, Submitted: dir != path})
		}
	}
	return out, nil
}

func readFile(name string) (_ []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading directory data: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("reading directory data: %s is larger than %d bytes", name, maxFile)
	}
	return data, err
}

// Replace puts the part of a Member State in the place of what there was, once it
// is on disk. Faults are those of the new data alone; nothing changes then. What it
// said of requirements that others refer to stays: a requirement belongs to all, and
// nobody's withdrawal breaks the data of others.
func (s *Source) Replace(m Member, part Part) ([]*Fault, error) {
	if !s.dir {
		return nil, errors.New("replacing directory data: the data is one file; submissions need a directory")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if part == PartBroker {
		b := Broker{}
		if m.Broker != nil {
			b = *m.Broker
		}
		for _, r := range s.Catalogue().orphans(m.Country) {
			if !slices.ContainsFunc(b.Requirements, func(o answers.Requirement) bool { return o.ID == r.ID }) {
				b.Requirements = append(slices.Clip(b.Requirements), r)
			}
		}
		m.Broker = &b
	}
	data, err := encode(m, part)
	if err != nil {
		return nil, err
	}
	files, err := ReadFiles(s.conf.Path)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(s.conf.Path, submitted, m.Country+"-"+string(part)+".yaml")
	files = slices.DeleteFunc(files, func(f File) bool { return f.Name == name })
	files = append(files, File{Name: name, Data: data, Submitted: true})
	cat, faults := s.loader.Check(files)
	if cat == nil {
		var ours []*Fault
		for _, f := range faults {
			if f.File == name && !f.Warning {
				ours = append(ours, f)
			}
		}
		if len(ours) == 0 { // the data on disk is broken already
			return nil, fmt.Errorf("replacing directory data: %w", Join(faults))
		}
		return ours, nil
	}
	if err := persist(name, data); err != nil {
		return nil, err
	}
	s.cat.Store(cat)
	s.stale.Store(false)
	s.seen = digest(files, nil)
	return nil, nil
}

// persist writes a file so that after a crash there is the old one or the new one.
func persist(name string, data []byte) (err error) {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("keeping submission: %w", err)
	}
	f, err := os.CreateTemp(dir, ".submission-*")
	if err != nil {
		return fmt.Errorf("keeping submission: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("keeping submission: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("keeping submission: %w", err)
	}
	if err = errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("keeping submission: %w", err)
	}
	return nil
}
