package edelivery

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// pace is how many bytes of a message have to come in a second, once the patience is
// used up.
const pace = 64 << 10

// A paced body ends when it comes in too slowly or is too long (i.8): a peer without
// any key could otherwise hold a slot of the receiver for as long as it likes. Where
// the connection knows no deadline the body is read without one.
type paced struct {
	r    io.Reader
	conn *http.ResponseController
	end  time.Time // when the patience is used up; by the clock of the connection
	most int64     // how many bytes may come
	n    int64
	err  error // how it ended
	free bool  // the connection knows no deadline
}

func (p *paced) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	bounded := p.bound()
	n, err := p.r.Read(b)
	p.n += int64(n)
	if bounded && (err == nil || errors.Is(err, io.EOF)) {
		// Between reads, and while the message is worked on, the server itself listens
		// for the end of the connection.
		_ = p.conn.SetReadDeadline(time.Time{}) // could be set, so can be lifted
	}
	if p.err = err; p.over() {
		p.err = &http.MaxBytesError{Limit: p.most}
	}
	return n, p.err
}

// over reports that more came than may come.
func (p *paced) over() bool { return p.n > p.most }

// raise sets how many bytes may come in all, once it is known whose they are.
func (p *paced) raise(most int64) { p.most = max(p.most, most) }

// bound sets until when the next bytes must be there. Set after the last Read it holds
// for what the server reads of the body before it answers.
func (p *paced) bound() bool {
	if p.free {
		return false
	}
	err := p.conn.SetReadDeadline(p.end.Add(time.Duration(p.n/pace) * time.Second))
	p.free = errors.Is(err, http.ErrNotSupported)
	return err == nil
}
