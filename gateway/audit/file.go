package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// A file is that of one partition, open for writing.
type file struct {
	f    *os.File
	head Head
}

// line is one line of a file.
type line struct {
	Anchor *Head  `json:"anchor,omitempty"`
	Entry  *Entry `json:"entry,omitempty"`
}

// maxLine bounds one line; an event is far smaller.
const maxLine = 1 << 20

// write appends whole lines; where it cannot it takes back what it wrote.
func (f *file) write(text []byte) error {
	at, err := f.f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err = f.f.Write(text); err == nil {
		err = f.f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.f.Truncate(at))
	}
	return nil
}

// tail returns the last head and where the last whole line ends.
func tail(r io.Reader, partition int) (Head, int64, error) {
	head, end := Head{Partition: partition}, int64(0)
	b := bufio.NewReaderSize(r, 1<<16)
	for {
		text, err := readLine(b)
		if errors.Is(err, io.EOF) {
			return head, end, nil // without line feed: torn
		}
		if err != nil {
			return head, end, err
		}
		l, err := decode(text)
		if err != nil {
			return head, end, err
		}
		if l.Anchor != nil {
			head = *l.Anchor
		} else {
			head = l.Entry.head()
		}
		head.Partition, head.Until = partition, time.Time{}
		end += int64(len(text)) + 1
	}
}

// readLine returns one line without its line feed; io.EOF where no whole one is
// left.
func readLine(b *bufio.Reader) ([]byte, error) {
	var out []byte
	for {
		part, err := b.ReadSlice('\n')
		out = append(out, part...)
		if len(out) > maxLine {
			return nil, errors.New("a line is too long")
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return out[:len(out)-1], nil
	}
}

func decode(text []byte) (line, error) {
	var l line
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, fmt.Errorf("decoding a line: %w", err)
	}
	if (l.Anchor == nil) == (l.Entry == nil) || d.More() {
		return l, errors.New("decoding a line: want one anchor or one entry")
	}
	return l, nil
}

// replace writes a file anew; until that is done the old one stands.
func replace(path string, write func(*bufio.Writer) error) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	if err = write(w); err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
