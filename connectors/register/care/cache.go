package care

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

// maxCached bounds the answers of one register that are kept, in bytes.
const maxCached = 16 << 20

// A Cache holds answers of one register for the time that it allows. It lives in
// the memory of the process and nowhere else. Its keys are made with a secret of
// the process, so that what it holds cannot be looked up by guessing persons.
type Cache[V any] struct {
	term   time.Duration
	now    func() time.Time
	secret []byte

	mu    sync.Mutex
	held  map[[sha256.Size]byte]cached[V]
	size  int
	sweep *time.Timer
}

type cached[V any] struct {
	value V
	size  int
	at    time.Time
}

// NewCache makes an empty cache; with term 0 it keeps nothing.
func NewCache[V any](term time.Duration, now func() time.Time) *Cache[V] {
	secret := make([]byte, 32)
	rand.Read(secret)
	return &Cache[V]{term: term, now: now, secret: secret, held: map[[sha256.Size]byte]cached[V]{}}
}

func (c *Cache[V]) key(question []byte) (out [sha256.Size]byte) {
	h := hmac.New(sha256.New, c.secret)
	h.Write(question)
	h.Sum(out[:0])
	return out
}

// Get returns the answer to a question and when it was given.
func (c *Cache[V]) Get(question []byte) (v V, at time.Time, ok bool) {
	if c.term == 0 {
		return v, at, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.held[c.key(question)]
	if !ok || c.over(e, c.now()) {
		return v, at, false
	}
	return e.value, e.at, true
}

// Put keeps an answer of so many bytes. When there is no room the oldest ones go.
func (c *Cache[V]) Put(question []byte, v V, size int) {
	if c.term == 0 || size > maxCached/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.drop(now)
	k := c.key(question)
	c.remove(k)
	for c.size+size > maxCached {
		var oldest *[sha256.Size]byte
		for other, e := range c.held {
			if oldest == nil || e.at.Before(c.held[*oldest].at) {
				oldest = &other
			}
		}
		c.remove(*oldest)
	}
	c.held[k] = cached[V]{v, size, now}
	c.size += size
	if c.sweep == nil { // what has outlived its term must not lie around until somebody asks
		c.sweep = time.AfterFunc(c.term, c.tidy)
	}
}

func (c *Cache[V]) tidy() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sweep == nil {
		return // closed
	}
	c.drop(c.now())
	if len(c.held) == 0 {
		c.sweep = nil
		return
	}
	c.sweep = time.AfterFunc(c.term/4+time.Millisecond, c.tidy)
}

// over says that an answer must not be given any more. One of the future is of a clock
// that was set back: nobody knows how old it is.
func (c *Cache[V]) over(e cached[V], now time.Time) bool {
	return now.Sub(e.at) >= c.term || e.at.After(now)
}

func (c *Cache[V]) drop(now time.Time) {
	for k, e := range c.held {
		if c.over(e, now) {
			c.remove(k)
		}
	}
}

func (c *Cache[V]) remove(k [sha256.Size]byte) {
	if e, ok := c.held[k]; ok {
		c.size -= e.size
		delete(c.held, k)
	}
}

// Close empties the cache.
func (c *Cache[V]) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.held)
	c.size = 0
	if c.sweep != nil {
		c.sweep.Stop()
		c.sweep = nil
	}
}
