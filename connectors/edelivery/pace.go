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

// A paced body ends when it comes in too slowly (i.8): a peer without any key could
// otherwise hold a slot of the receiver for as long as it likes. Where the connection
// knows no deadline the body is read without one.
type paced struct {
	r    io.Reader
	conn *http.ResponseController
	end  time.Time // when the patience is used up; by the clock of the connection
	n    int64
}

func (p *paced) Read(b []byte) (int, error) {
	bounded := p.bound()
	n, err := p.r.Read(b)
	p.n += int64(n)
	if bounded && (err == nil || errors.Is(err, io.EOF)) {
		// Between reads, and while the message is worked on, the server itself listens
		// for the end of the connection.
		_ = p.conn.SetReadDeadline(time.Time{}) // could be set, so can be lifted
	}
	return n, err
}

// bound sets until when the next bytes must be there. Set after the last Read it holds
// for what the server reads of the body before it answers.
func (p *paced) bound() bool {
	return p.conn.SetReadDeadline(p.end.Add(time.Duration(p.n/pace)*time.Second)) == nil
}
