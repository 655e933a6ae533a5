package edeliverytest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Remembered is edelivery.Remembered; its methods are repeated here, so that an
// implementation in another wing can be given without an import.
type Remembered interface {
	Claim(ctx context.Context, key, digest string, lease time.Duration) (state string, stored []byte, err error)
	Complete(ctx context.Context, key, digest string, answer []byte, ttl time.Duration) (stored []byte, err error)
	Release(ctx context.Context, key, digest string) error
}

// Run is the battery. open returns an empty memory and a function that lets time
// pass for it.
func Run(t *testing.T, open func(t *testing.T) (m Remembered, pass func(time.Duration))) {
	type rig struct {
		t    *testing.T
		m    Remembered
		pass func(time.Duration)
	}
	ctx := context.Background()
	const lease, ttl = time.Minute, time.Hour
	claim := func(r rig, key, digest, wantState, wantStored string) {
		r.t.Helper()
		state, stored, err := r.m.Claim(ctx, key, digest, lease)
		if err != nil || state != wantState || string(stored) != wantStored {
			r.t.Errorf("Claim(%s, %s) = %q, %q, %v; want %q, %q", key, digest, state, stored, err, wantState, wantStored)
		}
	}
	complete := func(r rig, key, digest, answer, want string) {
		r.t.Helper()
		stored, err := r.m.Complete(ctx, key, digest, []byte(answer), ttl)
		if err != nil || string(stored) != want {
			r.t.Errorf("Complete(%s, %s, %s) = %q, %v; want %q", key, digest, answer, stored, err, want)
		}
	}
	release := func(r rig, key, digest string) {
		r.t.Helper()
		if err := r.m.Release(ctx, key, digest); err != nil {
			r.t.Errorf("Release(%s, %s): %v", key, digest, err)
		}
	}
	for name, test := range map[string]func(rig){
		"one claims, others are busy": func(r rig) {
			claim(r, "k", "d", "claimed", "")
			claim(r, "k", "d", "busy", "")
			claim(r, "l", "d", "claimed", "")
		},
		"other content is a conflict, held and completed": func(r rig) {
			claim(r, "k", "d", "claimed", "")
			claim(r, "k", "e", "conflict", "")
			complete(r, "k", "d", "answer", "answer")
			claim(r, "k", "e", "conflict", "")
		},
		"completed is remembered": func(r rig) {
			claim(r, "k", "d", "claimed", "")
			complete(r, "k", "d", "\x00answer\n", "\x00answer\n")
			claim(r, "k", "d", "done", "\x00answer\n")
			r.pass(lease + time.Second)
			claim(r, "k", "d", "done", "\x00answer\n")
		},
		"the first answer wins": func(r rig) {
			claim(r, "k", "d", "claimed", "")
			r.pass(lease + time.Second)
			claim(r, "k", "d", "claimed", "")
			complete(r, "k", "d", "second worker", "second worker")
			complete(r, "k", "d", "first worker", "second worker")
			claim(r, "k", "d", "done", "second worker")
		},
		"completed without a claim": func(r rig) {
			complete(r, "k", "d", "answer", "answer")
			claim(r, "k", "d", "done", "answer")
		},
		"a claim ends with its lease": func(r rig) {
			claim(r, "k", "d", "claimed", "")
			r.pass(lease + time.Second)
			claim(r, "k", "e", "claimed", "")
		},
		"an answer ends with its term": func(r rig) {
			complete(r, "k", "d", "answer", "answer")
			r.pass(ttl + time.Second)
			claim(r, "k", "e", "claimed", "")
		},
		"released is free": func(r rig) {
			claim(r, "k", "d", "claimed", "")
			release(r, "k", "d")
			claim(r, "k", "e", "claimed", "")
		},
		"nobody releases what is not his": func(r rig) {
			release(r, "k", "d")
			claim(r, "k", "d", "claimed", "")
			release(r, "k", "e")
			claim(r, "k", "d", "busy", "")
			complete(r, "k", "d", "answer", "answer")
			release(r, "k", "d")
			claim(r, "k", "d", "done", "answer")
		},
		"of many at once one claims": func(r rig) {
			var claimed, busy atomic.Int32
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					switch state, _, err := r.m.Claim(ctx, "k", "d", lease); {
					case err != nil:
						r.t.Error(err)
					case state == "claimed":
						claimed.Add(1)
					case state == "busy":
						busy.Add(1)
					}
				})
			}
			wg.Wait()
			if claimed.Load() != 1 || busy.Load() != 49 {
				r.t.Errorf("%d claimed, %d busy; want 1 and 49", claimed.Load(), busy.Load())
			}
		},
		"of many answers one is given to all": func(r rig) {
			answers := make([]string, 20)
			var wg sync.WaitGroup
			for i := range answers {
				wg.Go(func() {
					b, err := r.m.Complete(ctx, "k", "d", fmt.Appendf(nil, "answer %d", i), ttl)
					if err != nil {
						r.t.Error(err)
					}
					answers[i] = string(b)
				})
			}
			wg.Wait()
			for _, a := range answers {
				if a != answers[0] {
					r.t.Errorf("answers %q and %q", a, answers[0])
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, pass := open(t)
			test(rig{t, m, pass})
		})
	}
}
