package payload

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ReadKeyFile reads the material of a key-encryption key: 32 bytes as standard
// base64, in a file that only its owner can read.
func ReadKeyFile(path string) (Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return Secret{}, fmt.Errorf("reading a key file: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return Secret{}, fmt.Errorf("reading a key file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return Secret{}, fmt.Errorf("reading a key file: %s must be a regular file of mode 0600", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, 128))
	if err != nil {
		return Secret{}, fmt.Errorf("reading a key file: %w", err)
	}
	defer clear(text)
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(string(text)))
	defer clear(raw)
	if err != nil || len(raw) != len(Secret{}) {
		// The cause would quote the key.
		return Secret{}, fmt.Errorf("reading a key file: %s must hold 32 bytes as base64", path)
	}
	return Secret(raw), nil
}

// GenerateKeyFile draws a key and writes it to a new file of mode 0600.
func GenerateKeyFile(path string, rand io.Reader) (err error) {
	var key Secret
	defer clear(key[:])
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return fmt.Errorf("drawing a key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing a key file: %w", err)
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key[:]) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close(), syncDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("writing a key file: %w", err)
	}
	return nil
}

// KeyDir keeps the key-encryption keys of an embedded deployment: it draws a new
// one every Period and destroys each at its term. File names carry the dates:
// 20260101-20270205.key begins and ends at midnight UTC.
type KeyDir struct {
	Dir    string        // Required: owned by one process, mode 0700.
	Period time.Duration // Default: 30 days. Whole days.
	Term   time.Duration // Default: 400 days after the period.
	Rand   io.Reader     // Required.
}

const (
	day      = 24 * time.Hour
	dateForm = "20060102"
)

// Refresh draws a key where none of this period is there, destroys those past
// their term and returns the others, for Ring.Set. Call it at start and daily.
func (d KeyDir) Refresh(now time.Time) ([]KEK, error) {
	period, term := cmp.Or(d.Period, 30*day), cmp.Or(d.Term, 400*day)
	if d.Rand == nil || period < day || term < day {
		return nil, errors.New("key directory: rand is required, period and term are at least a day")
	}
	if _, err := openTree(d.Dir); err != nil {
		return nil, fmt.Errorf("opening the key directory: %w", err)
	}
	keks, err := d.read(now)
	if err != nil {
		return nil, err
	}
	today := now.UTC().Truncate(day)
	for _, k := range keks {
		if now.Sub(k.NotBefore) < period {
			return keks, nil
		}
	}
	name := today.Format(dateForm) + "-" + today.Add(period+term).Format(dateForm) + keySuffix
	// A file that another process has just made is as good.
	if err := GenerateKeyFile(filepath.Join(d.Dir, name), d.Rand); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return d.read(now)
}

func (d KeyDir) read(now time.Time) ([]KEK, error) {
	files, err := os.ReadDir(d.Dir)
	if err != nil {
		return nil, fmt.Errorf("reading the key directory: %w", err)
	}
	var keks []KEK
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), keySuffix)
		if !ok {
			continue
		}
		from, to, _ := strings.Cut(name, "-")
		begin, err1 := time.Parse(dateForm, from)
		end, err2 := time.Parse(dateForm, to)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("reading the key directory: %s: want the name <begin>-<term>.key with dates as 20060102", f.Name())
		}
		path := filepath.Join(d.Dir, f.Name())
		if !now.Before(end) {
			if err := destroy(path); err != nil {
				return nil, fmt.Errorf("destroying a key: %w", err)
			}
			continue
		}
		key, err := ReadKeyFile(path)
		if err != nil {
			return nil, err
		}
		keks = append(keks, KEK{ID: name, NotBefore: begin, Term: end, Key: key})
	}
	return keks, nil
}

// destroy overwrites a key file before it is deleted. What a journalling or
// copying file system keeps of it is beyond us: docs/operating.md says so.
func destroy(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return ignoreGone(err)
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Write(make([]byte, info.Size()))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(ignoreGone(os.Remove(path)), syncDir(filepath.Dir(path)))
}
