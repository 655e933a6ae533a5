package edeliverytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/schemas/canon"
)

// A Shelf is edelivery.Shelf; its methods are repeated here, so that an
// implementation in another wing can be given without an import.
type Shelf interface {
	Put(ctx context.Context, s canon.Shelved) error
	Take(ctx context.Context, partition string, now time.Time, lease time.Duration) (*canon.Shelved, error)
	Hold(ctx context.Context, id canon.MessageID, series int, until time.Time) error
	Keep(ctx context.Context, id canon.MessageID, kept []byte) error
	Wait(ctx context.Context, id canon.MessageID, series, taken int, until time.Time) error
	Wake(ctx context.Context, partition string) error
	Partitions(ctx context.Context) ([]string, error)
	Find(ctx context.Context, id canon.MessageID) (*canon.Shelved, error)
	Drop(ctx context.Context, id canon.MessageID, series int) error
	Due(ctx context.Context, now time.Time, max int) ([]canon.Shelved, error)
	Restore(ctx context.Context, fill func(ctx context.Context) error) error
}

// shelfRig is one empty shelf with its clock.
type shelfRig struct {
	t     *testing.T
	shelf Shelf
	now   time.Time
	lose  func()
}

const shelfLease = time.Minute

func (r *shelfRig) message(n int) canon.Shelved {
	at := r.now.Add(time.Duration(n) * time.Second)
	return canon.Shelved{
		Message: canon.Message{
			ID: canon.MessageID(canon.DeriveUUID("shelf", fmt.Sprint(n))), Kind: canon.KindEvidenceResponse,
			Conversation: "0d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952", Cause: "cause", At: at, Trace: "trace",
			Body: &canon.EvidenceResponse{
				Envelope: canon.Envelope{Leg: canon.LegOut, To: canon.Participant{Scheme: "s", ID: "AP_XX_01"}, Exchange: "x", IssuedAt: at},
				Response: "r", Status: canon.StatusDeclined,
				Private: canon.Clear(canon.ResponsePrivate{Subject: canon.Subject{Natural: &canon.NaturalPerson{FamilyName: "Example"}}}),
			},
		},
		Partition: "urn:mpc:a", Attempts: 2, Expires: r.now.Add(time.Hour),
	}
}

func (r *shelfRig) put(ss ...canon.Shelved) {
	r.t.Helper()
	for _, s := range ss {
		if err := r.shelf.Put(r.t.Context(), s); err != nil {
			r.t.Fatalf("Put: %v", err)
		}
	}
}

// take wants the message handed out for the given time, or nothing for nil.
func (r *shelfRig) take(partition string, want *canon.Shelved, taken int) {
	r.t.Helper()
	got, err := r.shelf.Take(r.t.Context(), partition, r.now, shelfLease)
	r.same("Take", got, err, want, taken, nil)
}

func (r *shelfRig) same(what string, got *canon.Shelved, err error, want *canon.Shelved, taken int, kept []byte) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("%s: %v", what, err)
	}
	if want != nil {
		w := *want
		w.Taken, w.Kept = taken, kept
		want = &w
	}
	if got != nil && got.Kept != nil && kept == nil && want != nil {
		want.Kept = got.Kept // not asked for
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(canon.Sealed[canon.ResponsePrivate]{})); d != "" {
		r.t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func (r *shelfRig) find(want canon.Shelved, there bool, taken int, kept []byte) {
	r.t.Helper()
	got, err := r.shelf.Find(r.t.Context(), want.Message.ID)
	if !there {
		if got != nil || err != nil {
			r.t.Errorf("Find = %v, %v; want nothing", got, err)
		}
		return
	}
	r.same("Find", got, err, &want, taken, kept)
}

func (r *shelfRig) keep(s canon.Shelved, kept string) {
	r.t.Helper()
	if err := r.shelf.Keep(r.t.Context(), s.Message.ID, []byte(kept)); err != nil {
		r.t.Fatalf("Keep: %v", err)
	}
}

func (r *shelfRig) hold(s canon.Shelved, d time.Duration) {
	r.t.Helper()
	if err := r.shelf.Hold(r.t.Context(), s.Message.ID, s.Message.Series, r.now.Add(d)); err != nil {
		r.t.Fatalf("Hold: %v", err)
	}
}

func (r *shelfRig) wait(s canon.Shelved, taken int, d time.Duration) {
	r.t.Helper()
	if err := r.shelf.Wait(r.t.Context(), s.Message.ID, s.Message.Series, taken, r.now.Add(d)); err != nil {
		r.t.Fatalf("Wait: %v", err)
	}
}

func (r *shelfRig) wake(partition string) {
	r.t.Helper()
	if err := r.shelf.Wake(r.t.Context(), partition); err != nil {
		r.t.Fatalf("Wake: %v", err)
	}
}

func (r *shelfRig) partitions(want ...string) {
	r.t.Helper()
	got, err := r.shelf.Partitions(r.t.Context())
	slices.Sort(got)
	if err != nil || !slices.Equal(got, want) {
		r.t.Errorf("Partitions = %q, %v; want %q", got, err, want)
	}
}

func (r *shelfRig) drop(s canon.Shelved) {
	r.t.Helper()
	if err := r.shelf.Drop(r.t.Context(), s.Message.ID, s.Message.Series); err != nil {
		r.t.Fatalf("Drop: %v", err)
	}
}

func (r *shelfRig) due(want ...canon.Shelved) {
	r.t.Helper()
	got, err := r.shelf.Due(r.t.Context(), r.now, 100)
	if err != nil {
		r.t.Fatalf("Due: %v", err)
	}
	ids := map[canon.MessageID]bool{}
	for _, s := range got {
		ids[s.Message.ID] = true
	}
	for _, s := range want {
		if !ids[s.Message.ID] {
			r.t.Errorf("Due lacks the message of %v", s.Message.At)
		}
	}
	if len(got) != len(want) {
		r.t.Errorf("Due returns %d messages, want %d", len(got), len(want))
	}
}

func (r *shelfRig) pass(d time.Duration) { r.now = r.now.Add(d) }

// RunShelf is the battery. open returns an empty shelf and a function after which
// it has lost everything.
func RunShelf(t *testing.T, open func(t *testing.T) (s Shelf, lose func())) {
	for name, test := range map[string]func(*shelfRig){
		"nothing is there": func(r *shelfRig) {
			r.take("urn:mpc:a", nil, 0)
			r.find(r.message(1), false, 0, nil)
			r.drop(r.message(1))
			r.keep(r.message(1), "k")
			r.find(r.message(1), false, 0, nil)
			r.due()
		},
		"the oldest is taken first, whenever it was put": func(r *shelfRig) {
			a, b, c := r.message(1), r.message(2), r.message(3)
			r.put(b, a, c)
			r.take("urn:mpc:a", &a, 1)
			r.take("urn:mpc:a", &b, 1)
			r.take("urn:mpc:a", &c, 1)
			r.take("urn:mpc:a", nil, 0)
		},
		"each partition has its own shelf": func(r *shelfRig) {
			a, b := r.message(1), r.message(2)
			b.Partition = "urn:mpc:b"
			r.put(a, b)
			r.take("urn:mpc:b", &b, 1)
			r.take("urn:mpc:b", nil, 0)
			r.take("urn:mpc:c", nil, 0)
			r.take("urn:mpc:a", &a, 1)
		},
		"put again it stays as it is": func(r *shelfRig) {
			a := r.message(1)
			r.put(a, a)
			r.take("urn:mpc:a", &a, 1)
			r.keep(a, "kept")
			r.put(a)
			r.take("urn:mpc:a", nil, 0)
			r.find(a, true, 1, []byte("kept"))
		},
		"a lease that ended makes it ready again, before younger ones": func(r *shelfRig) {
			a, b := r.message(1), r.message(2)
			r.put(a, b)
			r.take("urn:mpc:a", &a, 1)
			r.pass(shelfLease)
			r.take("urn:mpc:a", &a, 2)
			r.take("urn:mpc:a", &b, 1)
			r.due()
		},
		"what the receipt must match is kept, and replaced": func(r *shelfRig) {
			a := r.message(1)
			r.put(a)
			r.find(a, true, 0, nil)
			r.take("urn:mpc:a", &a, 1)
			r.keep(a, "\x00one\n")
			r.find(a, true, 1, []byte("\x00one\n"))
			r.keep(a, "two")
			r.find(a, true, 1, []byte("two"))
		},
		"dropped is gone": func(r *shelfRig) {
			a, b := r.message(1), r.message(2)
			r.put(a, b)
			r.drop(a)
			r.find(a, false, 0, nil)
			r.take("urn:mpc:a", &b, 1)
			r.drop(b)
			r.pass(2 * time.Hour)
			r.take("urn:mpc:a", nil, 0)
			r.due()
		},
		"dropped and put again is new": func(r *shelfRig) {
			a := r.message(1)
			r.put(a)
			r.take("urn:mpc:a", &a, 1)
			r.drop(a)
			r.put(a)
			r.take("urn:mpc:a", &a, 1)
		},
		"a later series takes the place of an earlier one": func(r *shelfRig) {
			a, again := r.message(1), r.message(1)
			again.Message.Series = 1
			again.Expires = again.Expires.Add(time.Hour)
			r.put(a)
			r.take("urn:mpc:a", &a, 1)
			r.keep(a, "kept")
			r.put(again)
			r.find(again, true, 0, nil)
			r.put(a)
			r.drop(a) // who ends the earlier one is late
			r.take("urn:mpc:a", &again, 1)
			r.take("urn:mpc:a", nil, 0)
			r.pass(time.Hour)
			r.due()
			r.take("urn:mpc:a", &again, 2)
			r.drop(again)
			r.pass(2 * time.Hour)
			r.due()
			r.take("urn:mpc:a", nil, 0)
		},
		"held it stays handed out, also when others are woken": func(r *shelfRig) {
			a, b := r.message(1), r.message(2)
			b.Attempts = 1
			r.put(a, b)
			r.hold(a, time.Hour) // not handed out yet
			r.take("urn:mpc:a", &a, 1)
			r.take("urn:mpc:a", &b, 1)
			r.hold(a, 2*shelfLease)
			r.hold(b, 2*shelfLease)
			again := a
			again.Message.Series = 1
			r.hold(again, 3*shelfLease) // of another series
			r.pass(shelfLease)
			r.wake("urn:mpc:a")
			r.take("urn:mpc:a", nil, 0)
			r.due()
			r.pass(shelfLease)
			r.take("urn:mpc:a", &a, 2)
			r.due(b)
			r.drop(b)
			r.hold(b, time.Hour)
			r.find(b, false, 0, nil)
		},
		"used up it is due once the last lease ended": func(r *shelfRig) {
			a, b := r.message(1), r.message(2)
			r.put(a, b)
			r.take("urn:mpc:a", &a, 1)
			r.pass(shelfLease)
			r.take("urn:mpc:a", &a, 2)
			r.due()
			r.pass(shelfLease)
			r.due(a)
			r.take("urn:mpc:a", &b, 1)
			r.due(a)
			r.find(a, true, 2, nil)
			r.drop(a)
			r.due()
		},
		"expired it is due and not handed out": func(r *shelfRig) {
			a, b := r.message(1), r.message(2)
			b.Expires = b.Expires.Add(time.Hour)
			r.put(a, b)
			r.take("urn:mpc:a", &a, 1)
			r.pass(time.Hour)
			r.due(a)
			r.take("urn:mpc:a", &b, 1)
			r.take("urn:mpc:a", nil, 0)
		},
		"what waits is not taken before its time": func(r *shelfRig) {
			a, b, later := r.message(1), r.message(2), r.message(1)
			later.From, later.Taken, later.Kept = r.now.Add(time.Minute), 1, []byte("kept")
			r.put(later, b)
			r.find(a, true, 1, []byte("kept"))
			r.put(a) // it lies there
			r.take("urn:mpc:a", &b, 1)
			r.take("urn:mpc:a", nil, 0)
			r.pass(time.Minute)
			r.take("urn:mpc:a", &a, 2)
			r.pass(shelfLease)
			r.due(a)
		},
		"put off it waits, and was taken as often as it is said": func(r *shelfRig) {
			a, other := r.message(1), r.message(1)
			other.Message.Series = 1
			r.put(a)
			r.wait(a, 1, 2*time.Minute) // it was ready
			r.take("urn:mpc:a", nil, 0)
			r.pass(2 * time.Minute)
			r.take("urn:mpc:a", &a, 2)
			r.wait(other, 0, 0) // another series
			r.take("urn:mpc:a", nil, 0)
			r.wait(a, 1, 2*time.Minute) // it was handed out
			r.pass(time.Minute)         // its lease is over, its wait is not
			r.take("urn:mpc:a", nil, 0)
			r.due()
			r.pass(time.Minute)
			r.take("urn:mpc:a", &a, 2)
			r.wait(a, 2, 2*time.Minute)
			r.pass(time.Minute)
			r.due()
			r.pass(time.Minute)
			r.take("urn:mpc:a", nil, 0)
			r.due(a)
			r.wait(r.message(9), 0, 0)
			r.find(r.message(9), false, 0, nil)
		},
		"woken it is ready at once; what is handed out stays so": func(r *shelfRig) {
			a, b, c := r.message(1), r.message(2), r.message(3)
			b.From = r.now.Add(time.Hour / 2)
			c.From, c.Partition = b.From, "urn:mpc:c"
			r.put(a, b, c)
			b.From, c.From = time.Time{}, time.Time{}
			r.take("urn:mpc:a", &a, 1)
			r.take("urn:mpc:a", nil, 0)
			r.wake("urn:mpc:a")
			r.take("urn:mpc:a", &b, 1)
			r.take("urn:mpc:a", nil, 0)
			r.take("urn:mpc:c", nil, 0)
		},
		"what waits expires, gives way to a later series and can be dropped": func(r *shelfRig) {
			a, b, again := r.message(1), r.message(2), r.message(1)
			again.Message.Series = 1
			r.put(a, b)
			r.wait(a, 1, 2*time.Hour)
			r.wait(b, 1, 2*time.Hour)
			r.drop(b)
			r.put(again)
			r.take("urn:mpc:a", &again, 1)
			r.wait(again, 1, 2*time.Hour)
			r.pass(time.Hour)
			r.take("urn:mpc:a", nil, 0)
			r.due(again)
		},
		"partitions are known as long as something is in them": func(r *shelfRig) {
			a, b := r.message(1), r.message(2)
			b.Partition = "push b"
			r.partitions()
			r.put(a, b)
			r.partitions("push b", "urn:mpc:a")
			r.take("push b", &b, 1)
			r.take("push b", nil, 0)
			r.partitions("push b", "urn:mpc:a")
			r.wait(b, 1, time.Minute)
			r.take("push b", nil, 0)
			r.partitions("push b", "urn:mpc:a")
			r.drop(b)
			r.take("push b", nil, 0)
			r.partitions("urn:mpc:a")
		},
		"no more are due than wanted": func(r *shelfRig) {
			for n := range 5 {
				r.put(r.message(n))
			}
			r.pass(time.Hour)
			got, err := r.shelf.Due(r.t.Context(), r.now, 3)
			if err != nil || len(got) != 3 {
				r.t.Errorf("Due of at most 3 = %d messages, %v", len(got), err)
			}
		},
		"of many at once each gets another": func(r *shelfRig) {
			const n = 20
			for i := range n {
				r.put(r.message(i))
			}
			var mu sync.Mutex
			seen := map[canon.MessageID]bool{}
			var wg sync.WaitGroup
			for range 2 * n {
				wg.Go(func() {
					s, err := r.shelf.Take(r.t.Context(), "urn:mpc:a", r.now, shelfLease)
					if err != nil {
						r.t.Error(err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					if s != nil && seen[s.Message.ID] {
						r.t.Errorf("%s was handed out twice", s.Message.ID)
					}
					if s != nil {
						seen[s.Message.ID] = true
					}
				})
			}
			wg.Wait()
			if len(seen) != n {
				r.t.Errorf("%d messages were handed out, want %d", len(seen), n)
			}
		},
		"it is filled once, and again when it was lost": func(r *shelfRig) {
			fills := 0
			a := r.message(1)
			restore := func(err error) {
				r.t.Helper()
				got := r.shelf.Restore(r.t.Context(), func(ctx context.Context) error {
					fills++
					if err == nil {
						r.put(a)
					}
					return err
				})
				if !errors.Is(got, err) {
					r.t.Fatalf("Restore = %v, want %v", got, err)
				}
			}
			restore(errors.New("the log does not answer"))
			restore(nil)
			restore(nil)
			if fills != 2 {
				r.t.Errorf("filled %d times, want once after the failure", fills)
			}
			r.take("urn:mpc:a", &a, 1)
			r.lose()
			r.take("urn:mpc:a", nil, 0)
			restore(nil)
			if fills != 3 {
				r.t.Error("lost, but not filled again")
			}
			r.take("urn:mpc:a", &a, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, lose := open(t)
			// Redis ends keys by its own clock: the rig's begins at the present.
			test(&shelfRig{t: t, shelf: s, now: time.Now().UTC().Truncate(time.Millisecond), lose: lose})
		})
	}
}
