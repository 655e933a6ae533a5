package swa

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
)

// A Spool holds the bytes of one part: in memory while they are few, in an
// unlinked temporary file, mapped into memory, once they are many. The heap stays
// flat whatever the size, and a crash leaves nothing behind. It is not safe for
// concurrent use. The directory should lie on tmpfs or an encrypted disk: parts
// are decrypted in place.
type Spool struct {
	dir    string
	memory int64
	buf    []byte
	file   *os.File
	size   int64
	mapped []byte
	pages  *trimmer // of mapped; nil where it is small
}

// NewSpool returns an empty spool that keeps up to memory bytes on the heap and
// the rest in a file under dir ("" means the system's directory).
func NewSpool(dir string, memory int64) *Spool { return &Spool{dir: dir, memory: memory} }

// Size returns how many bytes were written.
func (s *Spool) Size() int64 { return s.size }

// firstRoom is what a spool begins with: a compressor writes in small pieces.
const firstRoom = 4 << 10

// Write appends p. Nothing may be written after Bytes.
func (s *Spool) Write(p []byte) (int, error) {
	if s.mapped != nil {
		return 0, errors.New("writing to a mapped spool")
	}
	if s.file == nil && s.size+int64(len(p)) > s.memory {
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	if s.file == nil {
		if free := cap(s.buf) - len(s.buf); free < len(p) {
			s.buf = slices.Grow(s.buf, max(cap(s.buf), len(p), int(min(firstRoom, s.memory-s.size)))) // doubles
		}
		s.buf = append(s.buf, p...)
		s.size += int64(len(p))
		return len(p), nil
	}
	n, err := s.file.Write(p)
	s.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("writing part to disk: %w", err)
	}
	return n, nil
}

func (s *Spool) spill() error {
	f, err := os.CreateTemp(s.dir, "as4-part-*")
	if err != nil {
		return fmt.Errorf("creating part file: %w", err)
	}
	// Unlinked at once: no name, no leftover after a crash.
	if err := os.Remove(f.Name()); err != nil {
		return errors.Join(fmt.Errorf("unlinking part file: %w", err), f.Close())
	}
	if _, err := f.Write(s.buf); err != nil {
		return errors.Join(fmt.Errorf("writing part to disk: %w", err), f.Close())
	}
	s.file, s.buf = f, nil
	return nil
}

// Bytes returns all bytes. They may be changed in place and are valid until
// Close.
func (s *Spool) Bytes() ([]byte, error) { return s.Roomy(0) }

// Roomy is Bytes with room for extra bytes behind them: what is sealed in place grows
// by its nonce and tag. The disk blocks of the room are taken at once, so that a full
// disk is an error here and not a signal later.
func (s *Spool) Roomy(extra int) ([]byte, error) {
	if s.file == nil {
		s.buf = slices.Grow(s.buf, extra)
		return s.buf, nil
	}
	if s.mapped == nil {
		n := int(s.size) + extra
		if extra > 0 {
			if err := syscall.Fallocate(int(s.file.Fd()), 0, s.size, int64(extra)); err != nil {
				return nil, fmt.Errorf("making room on disk: %w", err)
			}
		}
		b, err := syscall.Mmap(int(s.file.Fd()), 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
		if err != nil {
			return nil, fmt.Errorf("mapping part file: %w", err)
		}
		s.mapped = b
		if n >= ResidentFrom {
			s.pages = trim(b)
		}
	}
	if cap(s.mapped)-int(s.size) < extra {
		return nil, errors.New("making room in a spool that is mapped")
	}
	return s.mapped[:s.size], nil
}

// Close gives the bytes up. It may be called more than once.
func (s *Spool) Close() error {
	var err error
	if s.mapped != nil {
		s.pages.end()
		s.pages = nil
		err = syscall.Munmap(s.mapped[:cap(s.mapped)])
		s.mapped = nil
	}
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
		s.file = nil
	}
	s.buf, s.size = nil, 0
	return err
}
