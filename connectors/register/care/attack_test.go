package care_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"oncegate/connectors/register/care"
)

// A call that panics is one that failed: the breaker probes again, the place among the
// calls is free, and nothing goes on.
func TestACallThatPanicsIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := guard(t, terms(t, "concurrency: 1\nbreaker: {failures: 1, open: 10s}"), nil)
		failed := 0
		if err := g.Call(t.Context(), "q", fates(&failed, care.Unknown)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second) // the next one is the probe
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is swallowed")
				}
			}()
			_ = g.Call(t.Context(), "q", func(context.Context) care.Fate { panic("a reply") })
		}()
		calls := 0
		if err := g.Call(t.Context(), "q", fates(&calls, care.Answered)); err != nil || calls != 1 {
			t.Errorf("got %v and %d calls, want an answer", err, calls)
		}
	})
}

// Another process looks whether a query was asked before, which takes it for a moment:
// that is no call.
func TestALookIsNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := care.NewCalls(time.Now)
		g := guard(t, terms(t, "repeat: never"), func(c *care.Config) { c.Asked = asked })
		if state, _, err := asked.Claim(t.Context(), "births q", "call", time.Second); state != "claimed" || err != nil {
			t.Fatal(state, err)
		}
		calls := 0
		if err := g.Call(t.Context(), "q", fates(&calls, care.Answered)); err != nil || calls != 1 {
			t.Errorf("got %v and %d calls, want an answer", err, calls)
		}
	})
}

// A clock that is set back neither stops the cache nor makes an answer last.
func TestACacheOverAClockThatIsSetBack(t *testing.T) {
	now := time.Date(2026, 5, 11, 8, 0, 0, 0, time.UTC)
	c := care.NewCache[int](time.Minute, func() time.Time { return now })
	defer c.Close()
	c.Put([]byte("old"), 1, 1)
	now = now.Add(-time.Hour)
	if _, _, ok := c.Get([]byte("old")); ok {
		t.Error("an answer of the future is served")
	}
	for i := range 5 {
		c.Put([]byte(strconv.Itoa(i)), i, 4<<20)
		now = now.Add(-time.Second)
	}
}
