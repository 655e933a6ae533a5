package payload

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// A spool holds sealed bytes: in memory up to a bound, then in a file that has
// no name any more, so that a crash leaves nothing behind. It never sees clear
// bytes.
type spool struct {
	dir   string
	bound int
	mem   bytes.Buffer
	file  *os.File
}

func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.mem.Len()+len(p) > s.bound {
		if err := s.toFile(); err != nil {
			return 0, err
		}
	}
	if s.file != nil {
		return s.file.Write(p)
	}
	return s.mem.Write(p)
}

func (s *spool) toFile() error {
	f, err := os.CreateTemp(s.dir, "sealed-*") // mode 0600
	if err != nil {
		return fmt.Errorf("spooling: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return errors.Join(fmt.Errorf("spooling: %w", err), f.Close())
	}
	if _, err := f.Write(s.mem.Bytes()); err != nil {
		return errors.Join(fmt.Errorf("spooling: %w", err), f.Close())
	}
	s.mem = bytes.Buffer{}
	s.file = f
	return nil
}

// reader reads what was written, from its beginning.
func (s *spool) reader() (io.Reader, error) {
	if s.file == nil {
		return bytes.NewReader(s.mem.Bytes()), nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("rewinding the spool: %w", err)
	}
	return s.file, nil
}

func (s *spool) Close() error {
	s.mem = bytes.Buffer{}
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
