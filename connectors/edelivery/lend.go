package edelivery

import (
	"errors"
	"io"
	"sync"
)

// A lending lends the bytes of a letter to an HTTP client for one attempt. net/http
// may go on reading a body after it has returned, as when a peer answers before it has
// read everything; the bytes lie in mapped files, and to read one that was given up
// ends the process.
type lending struct {
	mu    sync.Mutex
	ended bool
}

// reader lends r. It has no WriteTo: the client sees copies only.
func (l *lending) reader(r io.Reader) io.ReadCloser { return &lent{l, r} }

// end takes everything back; it waits for a Read that is under way.
func (l *lending) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}

var errTakenBack = errors.New("attempt has ended")

type lent struct {
	of *lending
	r  io.Reader
}

func (b *lent) Read(p []byte) (int, error) {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	if b.of.ended {
		return 0, errTakenBack
	}
	return b.r.Read(p)
}

func (b *lent) Close() error { return nil }
