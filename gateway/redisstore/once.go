package redisstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"
)

// OnceConfig says what a Once or a Claims works with.
type OnceConfig struct {
	Client Client // Required.
	Prefix Prefix // Required.
	Room   string // Required. Whose memory it is: lower-case letters and hyphens; no two share one.
}

var roomForm = regexp.MustCompile(`^[a-z][a-z-]{0,31}$`)

func (c OnceConfig) check() error {
	var faults []error
	if c.Client == nil {
		faults = append(faults, errors.New("once: Client is required"))
	}
	faults = append(faults, c.Prefix.check())
	switch {
	case !roomForm.MatchString(c.Room):
		faults = append(faults, fmt.Errorf("once: room %q: want 1 to 32 lower-case letters and hyphens", c.Room))
	case c.Room == "conversation", c.Room == "applied", c.Room == "index", c.Room == "session", c.Room == "message":
		faults = append(faults, fmt.Errorf("once: room %q is taken", c.Room))
	}
	return errors.Join(faults...)
}

// name hashes what a caller remembers under: it may come from outside.
func (c OnceConfig) name(key string) string {
	h := sha256.Sum256([]byte(key))
	return c.Prefix.key(c.Room, hex.EncodeToString(h[:]))
}

// The states that Once.Claim returns.
const (
	stateClaimed  = "claimed"
	stateBusy     = "busy"
	stateDone     = "done"
	stateConflict = "conflict"
)

// Once lets an edge do one thing once: a key is claimed before the effect and
// completed with the answer after it. Its methods are those of
// connectors/edelivery.Remembered. Answers are kept as they are given: they
// must hold nothing of a person.
//
//	<prefix>:<room>:<sha256 of the key>   "c" or "d", digest, line feed, answer
type Once struct{ cfg OnceConfig }

// NewOnce checks the configuration and reports all faults at once.
func NewOnce(cfg OnceConfig) (*Once, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Once{cfg: cfg}, nil
}

const (
	claimed   = 'c'
	completed = 'd'
)

func encode(state byte, digest string, answer []byte) []byte {
	return append(append(append([]byte{state}, hashed(digest)...), '\n'), answer...)
}

// hashed keeps the form of a digest out of ours.
func hashed(digest string) string {
	h := sha256.Sum256([]byte(digest))
	return hex.EncodeToString(h[:])
}

func decode(v []byte) (state byte, digest string, answer []byte, err error) {
	head, answer, ok := bytes.Cut(v, []byte{'\n'})
	if !ok || len(head) != 1+2*sha256.Size || head[0] != claimed && head[0] != completed {
		return 0, "", nil, errors.New("reading what was remembered: not of ours")
	}
	return head[0], string(head[1:]), answer, nil
}

// Claim takes the key for the caller until lease has passed. The state is
// claimed, busy, done (stored is the answer) or conflict (another digest).
func (o *Once) Claim(ctx context.Context, key, digest string, lease time.Duration) (state string, stored []byte, err error) {
	name := o.cfg.name(key)
	for range maxRaces {
		old, err := o.cfg.Client.SetArgs(ctx, name, encode(claimed, digest, nil), redis.SetArgs{Mode: "NX", TTL: lease}).Result()
		if err == nil && old == "OK" {
			return stateClaimed, nil, nil
		}
		if err != nil && !errors.Is(err, redis.Nil) {
			return "", nil, unavailable("claiming", err)
		}
		v, err := o.cfg.Client.Get(ctx, name).Bytes()
		if errors.Is(err, redis.Nil) {
			continue // its time ended in between
		}
		if err != nil {
			return "", nil, unavailable("reading a claim", err)
		}
		st, d, answer, err := decode(v)
		switch {
		case err != nil:
			return "", nil, err
		case d != hashed(digest):
			return stateConflict, nil, nil
		case st == completed:
			return stateDone, answer, nil
		}
		return stateBusy, nil, nil
	}
	return "", nil, unavailable("claiming", errors.New("the claim ends as it begins"))
}

// Complete records the answer for ttl and ends the claim. The first answer
// wins and is returned.
func (o *Once) Complete(ctx context.Context, key, digest string, answer []byte, ttl time.Duration) ([]byte, error) {
	var stored []byte
	err := o.change(ctx, key, "completing", func(tx *redis.Tx, name string, old []byte) (func(redis.Pipeliner), error) {
		if old != nil {
			st, _, a, err := decode(old)
			if err != nil {
				return nil, err
			}
			if st == completed {
				stored = a
				return nil, nil
			}
		}
		stored = answer
		return func(p redis.Pipeliner) { p.Set(ctx, name, encode(completed, digest, answer), ttl) }, nil
	})
	if err != nil {
		return nil, err
	}
	return stored, nil
}

// Release ends a claim on the key with this digest without an answer.
func (o *Once) Release(ctx context.Context, key, digest string) error {
	return o.change(ctx, key, "releasing", func(tx *redis.Tx, name string, old []byte) (func(redis.Pipeliner), error) {
		if old == nil {
			return nil, nil
		}
		st, d, _, err := decode(old)
		if err != nil || st == completed || d != hashed(digest) {
			return nil, err
		}
		return func(p redis.Pipeliner) { p.Del(ctx, name) }, nil
	})
}

// change applies f to what is remembered (nil for nothing); f returns the
// commands, or nil to leave it.
func (o *Once) change(ctx context.Context, key, doing string, f func(tx *redis.Tx, name string, old []byte) (func(redis.Pipeliner), error)) error {
	name := o.cfg.name(key)
	for range maxRaces {
		var inner error
		err := o.cfg.Client.Watch(ctx, func(tx *redis.Tx) error {
			old, err := tx.Get(ctx, name).Bytes()
			if errors.Is(err, redis.Nil) {
				old, err = nil, nil
			}
			if err != nil {
				return err
			}
			var do func(redis.Pipeliner)
			if do, inner = f(tx, name, old); inner != nil || do == nil {
				return inner
			}
			_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error { do(p); return nil })
			return err
		}, name)
		switch {
		case errors.Is(err, redis.TxFailedErr):
			continue
		case inner != nil:
			return inner
		default:
			return unavailable(doing, err)
		}
	}
	return unavailable(doing, errors.New("it changes too often"))
}

// Claims remembers one short text per id until its time is over. Its methods
// are those of gateway/api.Memory.
//
//	<prefix>:<room>:<sha256 of the id>   the text
type Claims struct{ cfg OnceConfig }

// NewClaims checks the configuration and reports all faults at once.
func NewClaims(cfg OnceConfig) (*Claims, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Claims{cfg: cfg}, nil
}

// Claim remembers value under id for ttl unless something is remembered there
// already, and returns what is remembered now.
func (c *Claims) Claim(ctx context.Context, id, value string, ttl time.Duration) (held string, err error) {
	name := c.cfg.name(id)
	for range maxRaces {
		err := c.cfg.Client.SetArgs(ctx, name, value, redis.SetArgs{Mode: "NX", TTL: ttl}).Err()
		if err == nil {
			return value, nil
		}
		if !errors.Is(err, redis.Nil) {
			return "", unavailable("claiming", err)
		}
		if held, err = c.Claimed(ctx, id); err != nil || held != "" {
			return held, err
		}
	}
	return "", unavailable("claiming", errors.New("the claim ends as it begins"))
}

// Claimed returns what is remembered under id, "" for nothing.
func (c *Claims) Claimed(ctx context.Context, id string) (held string, err error) {
	held, err = c.cfg.Client.Get(ctx, c.cfg.name(id)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	return held, unavailable("reading a claim", err)
}
