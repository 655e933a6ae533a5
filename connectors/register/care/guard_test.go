package care_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"oncegate/connectors/register/care"
)

// fates is a register that meets its calls with these, the last for ever.
func fates(calls *int, list ...care.Fate) func(context.Context) care.Fate {
	return func(context.Context) care.Fate {
		f := list[min(*calls, len(list)-1)]
		*calls++
		return f
	}
}

func TestCallsAreRepeatedOnlyWhereThatIsSafe(t *testing.T) {
	for _, tc := range []struct {
		rule  string
		text  string
		fates []care.Fate
		calls int
		err   error
	}{
		{"answered", "repeat: safe", []care.Fate{care.Answered}, 1, nil},
		{"unreachable twice", "repeat: safe", []care.Fate{care.Untouched, care.Untouched, care.Answered}, 3, nil},
		{"unreachable for ever", "repeat: safe", []care.Fate{care.Untouched}, 3, nil},
		{"cut, and safe", "repeat: safe", []care.Fate{care.Cut, care.Answered}, 2, nil},
		{"cut, and not", "repeat: never", []care.Fate{care.Cut}, 1, care.ErrFate},
		{"unreachable is nobody's call", "repeat: never", []care.Fate{care.Untouched, care.Answered}, 2, nil},
		{"a lost answer is not asked for again", "repeat: safe", []care.Fate{care.Unknown}, 1, nil},
		{"and is told where it matters", "repeat: never", []care.Fate{care.Unknown}, 1, care.ErrFate},
		{"a register that says no is not pressed", "repeat: safe", []care.Fate{care.Failing}, 1, nil},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				err := guard(t, terms(t, tc.text), nil).Call(t.Context(), "q", fates(&calls, tc.fates...))
				if calls != tc.calls || !errors.Is(err, tc.err) {
					t.Errorf("got %d calls and %v, want %d and %v", calls, err, tc.calls, tc.err)
				}
			})
		})
	}
}

func TestWhatMustNotBeAskedTwiceIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := care.NewCalls(time.Now)
		of := terms(t, "repeat: never\ntimeout: 5s")
		process := func() *care.Guard { return guard(t, of, func(c *care.Config) { c.Asked = asked }) }
		ctx := t.Context()
		calls := 0

		first := process()
		if answer, err := first.Earlier(ctx, "q1"); answer != nil || err != nil {
			t.Fatalf("a new query: got %q, %v", answer, err)
		}
		if err := first.Call(ctx, "q1", fates(&calls, care.Answered)); err != nil {
			t.Fatal(err)
		}
		// The process dies before anything was published: the next one waits until the
		// call must be over, and does not make it again.
		next, start := process(), time.Now()
		if _, err := next.Earlier(ctx, "q1"); !errors.Is(err, care.ErrFate) || time.Since(start) < 5*time.Second {
			t.Errorf("got %v after %v, want %v after the time-out", err, time.Since(start), care.ErrFate)
		}
		if err := next.Call(ctx, "q1", fates(&calls, care.Answered)); !errors.Is(err, care.ErrFate) || calls != 1 {
			t.Errorf("got %v and %d calls, want %v and 1", err, calls, care.ErrFate)
		}
		// An answer that was made of it is said again.
		first.Settle(ctx, "q1", []byte("record"))
		if answer, err := next.Earlier(ctx, "q1"); string(answer) != "record" || err != nil {
			t.Errorf("got %q, %v", answer, err)
		}
		// A register that says that it did nothing may be asked again.
		if err := first.Call(ctx, "q2", fates(new(int), care.Failing)); err != nil {
			t.Fatal(err)
		}
		if answer, err := next.Earlier(ctx, "q2"); answer != nil || err != nil {
			t.Errorf("got %q, %v, want a new query", answer, err)
		}
	})
}

// TestOurOwnEndDoesNotCutACall: a call that must not be made twice is heard out.
func TestOurOwnEndDoesNotCutACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		err := guard(t, terms(t, "repeat: never"), nil).Call(ctx, "q", func(ctx context.Context) care.Fate {
			cancel()
			select {
			case <-ctx.Done():
				return care.Unknown
			case <-time.After(time.Second):
				return care.Answered
			}
		})
		if err != nil {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheBreakerSparesARegisterAndProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		g := guard(t, terms(t, "breaker: {failures: 3, open: 10s}"), func(c *care.Config) {
			c.Observe = func(o care.Observation) {
				if o.Breaker != 0 {
					seen = append(seen, o.Breaker.String())
				}
			}
		})
		calls := 0
		call := func(f care.Fate) error { return g.Call(t.Context(), "q", fates(&calls, f)) }
		spared := func() {
			t.Helper()
			before := calls
			var e *care.SparedError
			if err := call(care.Answered); !errors.As(err, &e) || calls != before {
				t.Errorf("got %v and %d calls, want none", err, calls-before)
			} else if !e.Until.After(time.Now()) {
				t.Errorf("the next call is told for %v, which has passed", e.Until)
			}
		}
		for range 3 {
			if err := call(care.Failing); err != nil {
				t.Fatal(err)
			}
		}
		spared()
		time.Sleep(10 * time.Second)                               // of the bubble
		if err := call(care.Untouched); err != nil || calls != 4 { // one probe, which is not repeated
			t.Errorf("got %v and %d calls, want one probe", err, calls)
		}
		spared()
		time.Sleep(10 * time.Second)
		probing, end := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			err := g.Call(t.Context(), "q", func(context.Context) care.Fate { close(probing); <-end; return care.Answered })
			if err != nil {
				t.Errorf("probing: %v", err)
			}
		})
		<-probing
		spared()
		close(end)
		wg.Wait()
		if err := call(care.Answered); err != nil {
			t.Errorf("a register that is back: %v", err)
		}
		if got, want := fmt.Sprint(seen), "[closed closed open open closed closed]"; got != want {
			t.Errorf("states %s, want %s", got, want)
		}
	})
}

func TestClosedRegistersAreWaitedForOrDeferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The bubble begins at midnight of 2000-01-01, a Saturday, in UTC.
		of := terms(t, "wait: 1m\nrate: {calls: 1, per: 10s}\nhours: {zone: UTC, open: [{days: sat, from: \"01:00\", to: \"02:00\"}]}")
		told := 0
		g := guard(t, of, func(c *care.Config) {
			c.Observe = func(o care.Observation) {
				if o.Deferred {
					told++
				}
			}
		})
		opening := time.Date(2000, 1, 1, 1, 0, 0, 0, time.UTC)
		calls := 0
		err := g.Call(t.Context(), "q", fates(&calls, care.Answered))
		var closed *care.ClosedError
		if !errors.As(err, &closed) || !closed.Until.Equal(opening) || calls != 0 {
			t.Fatalf("got %v and %d calls, want closed until %v", err, calls, opening)
		}
		for n := range 3 {
			at := g.Defer(closed, "q")
			if least := opening.Add(time.Duration(n) * 10 * time.Second); at.Before(least) || at.After(least.Add(time.Minute)) {
				t.Errorf("requester %d is told %v, want within a minute of %v", n, at, least)
			}
		}
		if told != 3 {
			t.Errorf("%d were counted, want 3", told)
		}
		time.Sleep(59*time.Minute + 30*time.Second)
		if err := g.Call(t.Context(), "q", fates(&calls, care.Answered)); err != nil || calls != 1 || time.Now().Before(opening) {
			t.Errorf("half a minute before the opening: got %v and %d calls at %v", err, calls, time.Now())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Call(ctx, "q", fates(&calls, care.Answered)); !errors.Is(err, context.Canceled) || calls != 1 {
			t.Errorf("stopped: got %v and %d calls", err, calls)
		}
	})
}

func TestAnswersAreKeptForTheirTermOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := care.NewCache[string](time.Minute, time.Now)
		at := time.Now()
		c.Put([]byte("who?"), "she", 3)
		time.Sleep(59 * time.Second)
		if v, when, ok := c.Get([]byte("who?")); !ok || v != "she" || !when.Equal(at) {
			t.Errorf("got %q, %v, %t", v, when, ok)
		}
		if _, _, ok := c.Get([]byte("who else?")); ok {
			t.Error("another question is answered")
		}
		time.Sleep(time.Second)
		if _, _, ok := c.Get([]byte("who?")); ok {
			t.Error("an answer outlives its term")
		}
		for i := range 40 {
			time.Sleep(time.Millisecond)
			c.Put(fmt.Append(nil, i), "big", 1<<20)
		}
		if _, _, ok := c.Get([]byte("0")); ok {
			t.Error("the oldest of too many is kept")
		}
		if _, _, ok := c.Get([]byte("39")); !ok {
			t.Error("the youngest of too many is dropped")
		}
		c.Close()
		if _, _, ok := c.Get([]byte("39")); ok {
			t.Error("an answer outlives its cache")
		}
		never := care.NewCache[string](0, time.Now)
		never.Put([]byte("who?"), "she", 3)
		if _, _, ok := never.Get([]byte("who?")); ok {
			t.Error("a cache that is not allowed keeps something")
		}
	})
}
