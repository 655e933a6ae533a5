package kafkalog

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol"
)

// A wire stands between a Transport and its broker and does to answers what
// networks do. It sees whole requests, because each is written at once.
type wire struct {
	mu    sync.Mutex
	rules []*rule
	down  bool
	conns map[*wireConn]struct{}
}

// A rule applies to the next answers to requests of one kind.
type rule struct {
	key   protocol.ApiKey
	count int // how many; negative for ever
	// change gets the whole answer as the broker gave it and returns what the
	// client gets; nil cuts the connection.
	change func([]byte) []byte
	seen   chan struct{} // one value per application
}

// wired must be called before the cluster is used: a Transport keeps its first Dial.
func (c *Cluster) wired(t *testing.T) *wire {
	w := &wire{conns: make(map[*wireConn]struct{})}
	dialer := net.Dialer{Timeout: time.Second}
	c.transport.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		w.mu.Lock()
		down := w.down
		w.mu.Unlock()
		if down {
			return nil, &net.OpError{Op: "dial", Net: network, Err: io.ErrClosedPipe}
		}
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		wc := &wireConn{Conn: conn, w: w}
		w.mu.Lock()
		w.conns[wc] = struct{}{}
		w.mu.Unlock()
		return wc, nil
	}
	return w
}

func (w *wire) on(key protocol.ApiKey, count int, change func([]byte) []byte) *rule {
	r := &rule{key: key, count: count, change: change, seen: make(chan struct{}, 1000)}
	w.mu.Lock()
	w.rules = append(w.rules, r)
	w.mu.Unlock()
	return r
}

// cut drops an answer that the broker has given: the request was served.
func cutAnswer([]byte) []byte { return nil }

// take makes the broker unreachable, or reachable again.
func (w *wire) take(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
	if down {
		for c := range w.conns {
			c.Conn.Close()
		}
		clear(w.conns)
	}
}

func (w *wire) match(key protocol.ApiKey) *rule {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.rules {
		if r.key == key && r.count != 0 {
			r.count--
			return r
		}
	}
	return nil
}

type wireConn struct {
	net.Conn
	w       *wire
	rule    *rule
	pending []byte
}

func (c *wireConn) Write(b []byte) (int, error) {
	if len(b) >= 6 {
		c.rule = c.w.match(protocol.ApiKey(int16(binary.BigEndian.Uint16(b[4:]))))
	}
	return c.Conn.Write(b)
}

func (c *wireConn) Read(b []byte) (int, error) {
	if r := c.rule; r != nil {
		c.rule = nil
		var size [4]byte
		if _, err := io.ReadFull(c.Conn, size[:]); err != nil {
			return 0, err
		}
		answer := make([]byte, 4+binary.BigEndian.Uint32(size[:]))
		copy(answer, size[:])
		if _, err := io.ReadFull(c.Conn, answer[4:]); err != nil {
			return 0, err
		}
		c.pending = r.change(answer)
		r.seen <- struct{}{}
		if c.pending == nil {
			c.Conn.Close()
			return 0, io.ErrUnexpectedEOF
		}
	}
	if len(c.pending) > 0 {
		n := copy(b, c.pending)
		c.pending = c.pending[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// flip changes one bit of the first place where the text stands.
func flip(text string) func([]byte) []byte {
	return func(b []byte) []byte {
		if i := bytes.Index(b, []byte(text)); i >= 0 {
			b[i] ^= 1
		}
		return b
	}
}
