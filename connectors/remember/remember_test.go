package remember

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errNo   = errors.New("no")
	errDown = errors.New("down")
)

// memory has the clock of the synctest bubble, which begins with the year 2000.
func memory(entries int) *Memory[string] {
	return New[string](Config{Entries: entries, Stale: time.Hour, Timeout: 10 * time.Second, Now: time.Now})
}

func pass(d time.Duration) { <-time.After(d) }

// TestWhatIsRemembered walks through the life of one key.
func TestWhatIsRemembered(t *testing.T) {
	type step struct {
		name  string
		after time.Duration
		says  Outcome[string] // what asking would bring
		asked bool
		want  string
		way   Way
		err   error
	}
	yes := func(v string) Outcome[string] { return Outcome[string]{Value: v, TTL: time.Minute} }
	no := Outcome[string]{Err: errNo, TTL: 10 * time.Second}
	down := Outcome[string]{Err: errDown, Down: true}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"an answer is fresh for its time", []step{
			{"first", 0, yes("a"), true, "a", Fresh, nil},
			{"known", 59 * time.Second, yes("b"), false, "a", Cached, nil},
			{"asked again", time.Second, yes("b"), true, "b", Fresh, nil},
		}},
		{"an old answer serves where there is none, for a while", []step{
			{"first", 0, yes("a"), true, "a", Fresh, nil},
			{"old", time.Minute, down, true, "a", Stale, nil},
			{"asked each time", 0, down, true, "a", Stale, nil},
			{"last", time.Hour - time.Second, down, true, "a", Stale, nil},
			{"too old", time.Second, down, true, "", Fresh, errDown},
			{"up again", 0, yes("b"), true, "b", Fresh, nil},
		}},
		{"a no is remembered for its time and takes the place of an answer", []step{
			{"first", 0, yes("a"), true, "a", Fresh, nil},
			{"no", time.Minute, no, true, "", Fresh, errNo},
			{"known", 9 * time.Second, yes("b"), false, "", Cached, errNo},
			{"an old no is no answer", time.Second, down, true, "", Fresh, errDown},
			{"yes", 0, yes("b"), true, "b", Fresh, nil},
		}},
		{"no answer is not remembered", []step{
			{"down", 0, down, true, "", Fresh, errDown},
			{"asked again", 0, yes("a"), true, "a", Fresh, nil},
		}},
		{"a failure without a term is not remembered, but it is an answer", []step{
			{"first", 0, yes("a"), true, "a", Fresh, nil},
			{"refused", time.Minute, Outcome[string]{Err: errNo}, true, "", Fresh, errNo},
			{"the old answer is gone", 0, down, true, "", Fresh, errDown},
		}},
		{"an answer that may not be kept serves once it is old, not before", []step{
			{"first", 0, Outcome[string]{Value: "a"}, true, "a", Fresh, nil},
			{"asked again", 0, down, true, "a", Stale, nil},
		}},
		{"nothing serves after its limit", []step{
			{"first", 0, Outcome[string]{Value: "a", TTL: time.Minute, Limit: time.Date(2000, 1, 1, 0, 0, 30, 0, time.UTC)}, true, "a", Fresh, nil},
			{"known", 29 * time.Second, yes("b"), false, "a", Cached, nil},
			{"over", time.Second, down, true, "", Fresh, errDown},
		}},
		{"a limit that is past", []step{
			{"first", 0, Outcome[string]{Value: "a", TTL: time.Minute, Limit: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}, true, "a", Fresh, nil},
			{"not kept", 0, down, true, "", Fresh, errDown},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := memory(10)
				for _, s := range tt.steps {
					pass(s.after)
					asked := false
					a, err := m.Get(t.Context(), "key", func(context.Context) Outcome[string] { asked = true; return s.says })
					if asked != s.asked || a.Value != s.want || a.Way != s.way || !errors.Is(err, s.err) {
						t.Fatalf("%s: got %q, %s, %v, asked %v; want %q, %s, %v, %v", s.name, a.Value, a.Way, err, asked, s.want, s.way, s.err, s.asked)
					}
				}
			})
		})
	}
}

// TestUntil: an answer says how long it is fresh, and a remembered one says the same.
func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, want := memory(10), time.Now().Add(time.Minute)
		for range 2 {
			a, err := m.Get(t.Context(), "key", func(context.Context) Outcome[string] { return Outcome[string]{TTL: time.Minute} })
			if err != nil || !a.Until.Equal(want) {
				t.Errorf("got %v, %v, want %v", a.Until, err, want)
			}
			pass(time.Second)
		}
	})
}

// TestOneAsks: who want the same at once ask once; the first may leave, and the asking
// ends with its timeout, not with who wanted it.
func TestOneAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(10)
		release, n := make(chan struct{}), 0
		ask := func(context.Context) Outcome[string] {
			n++
			<-release
			return Outcome[string]{Value: "a", TTL: time.Minute}
		}
		first, leave := context.WithCancel(t.Context())
		left, served := make(chan error, 1), make(chan string, 8)
		go func() {
			_, err := m.Get(first, "key", ask)
			left <- err
		}()
		synctest.Wait()
		for range cap(served) {
			go func() {
				a, err := m.Get(t.Context(), "key", ask)
				served <- fmt.Sprint(a.Value, err)
			}()
		}
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left: got %v", err)
		}
		close(release)
		for range cap(served) {
			if got := <-served; got != "a<nil>" {
				t.Errorf("got %s", got)
			}
		}
		if n != 1 {
			t.Errorf("asked %d times", n)
		}

		a, err := m.Get(t.Context(), "slow", func(ctx context.Context) Outcome[string] {
			<-ctx.Done()
			return Outcome[string]{Err: ctx.Err(), Down: true}
		})
		if !errors.Is(err, context.DeadlineExceeded) || a.Way != Fresh {
			t.Errorf("slow: got %v, %v", a, err)
		}
	})
}

// TestBound: strangers cannot fill a memory. What nobody may use goes first, then what
// ends first.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory(3)
		put := func(key string, o Outcome[string]) {
			_, _ = m.Get(t.Context(), key, func(context.Context) Outcome[string] { return o }) // errNo is wanted
		}
		known := func(key string) bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			_, ok := m.known[key]
			return ok
		}
		put("long", Outcome[string]{TTL: time.Hour})
		put("short", Outcome[string]{TTL: time.Minute})
		put("no", Outcome[string]{Err: errNo, TTL: time.Second})
		pass(time.Second)
		put("fourth", Outcome[string]{TTL: time.Hour})
		if !known("long") || !known("short") || known("no") {
			t.Error("what is over does not go first")
		}
		put("fifth", Outcome[string]{TTL: time.Hour})
		if !known("long") || known("short") {
			t.Error("what ends first does not go")
		}
		for i := range 100 {
			put(fmt.Sprint(i), Outcome[string]{TTL: time.Hour})
		}
		if m.Len() > 3 {
			t.Errorf("%d answers are kept", m.Len())
		}
	})
}
