package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"oncegate/connectors/register/care"
	"oncegate/connectors/register/care/caretest"
	"oncegate/gateway/redisstore"
	"oncegate/schemas/canon"
)

// budgetServer runs f on the embedded Redis and on a real one.
func budgetServer(t *testing.T, f func(t *testing.T, address string)) {
	t.Run("embedded", func(t *testing.T) { f(t, miniredis.RunT(t).Addr()) })
	t.Run("real", func(t *testing.T) {
		address := os.Getenv("ONCEGATE_TEST_REDIS")
		if address == "" {
			if os.Getenv("ONCEGATE_REQUIRE_SERVICES") == "1" {
				t.Fatal("ONCEGATE_TEST_REDIS is not set: the services are required here")
			}
			t.Skip("no real Redis: set ONCEGATE_TEST_REDIS=host:port")
		}
		f(t, address)
	})
}

// budgetInstance is one process's way to shared budgets.
func budgetInstance(t testing.TB, address string, p redisstore.Prefix) (care.Budgets, *redis.Client) {
	t.Helper()
	c, err := redisstore.Open(context.Background(), redisstore.Options{Address: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	b, err := redisstore.NewBudgets(redisstore.BudgetsConfig{Client: c, Prefix: p})
	if err != nil {
		t.Fatal(err)
	}
	return budgets{b}, c
}

func lose(t testing.TB, c *redis.Client, p redisstore.Prefix) {
	t.Helper()
	ctx := context.Background()
	keys, err := c.Keys(ctx, string(p)+":*").Result()
	if err == nil && len(keys) > 0 {
		err = c.Del(ctx, keys...).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func budgetPrefix(t testing.TB) redisstore.Prefix {
	return redisstore.Prefix(fmt.Sprintf("b%d", time.Now().UnixNano()))
}

// TestBudgetsOverProcesses holds the budgets in Redis to the battery of those in
// memory.
func TestBudgetsOverProcesses(t *testing.T) {
	budgetServer(t, func(t *testing.T, address string) {
		caretest.Run(t, func(t *testing.T) caretest.Opened {
			p := budgetPrefix(t)
			_, c := budgetInstance(t, address, p)
			t.Cleanup(func() { lose(t, c, p) })
			return caretest.Opened{
				Instance: func(t testing.TB) care.Budgets { b, _ := budgetInstance(t, address, p); return b },
				Lose:     func(t testing.TB) { lose(t, c, p) },
			}
		})
	})
}

// TestKeysOfBudgetsEnd: every key has a term, and none is named by a person or a query.
func TestKeysOfBudgetsEnd(t *testing.T) {
	budgetServer(t, func(t *testing.T, address string) {
		p := budgetPrefix(t)
		b, c := budgetInstance(t, address, p)
		t.Cleanup(func() { lose(t, c, p) })
		of := care.Budget{Concurrency: 1, Calls: 1, Burst: 1, Per: time.Hour}
		for _, ticket := range []string{"one", "two"} {
			if _, err := b.Take(t.Context(), "births", ticket, of, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		keys, err := c.Keys(t.Context(), string(p)+":*").Result()
		if err != nil || len(keys) < 3 {
			t.Fatalf("got keys %v, %v", keys, err)
		}
		for _, k := range keys {
			if ttl, err := c.PTTL(t.Context(), k).Result(); k != string(p)+":register:births:slots" && (err != nil || ttl <= 0) {
				t.Errorf("%s has no term: %v, %v", k, ttl, err)
			}
		}
		if _, err := b.Take(t.Context(), "births:calls", "one", of, time.Minute); err == nil {
			t.Error("a register with the name of a key is accepted")
		}
	})
}

// TestAMemoryOfBudgetsThatIsDownStopsCalls: what cannot be counted is not spent.
func TestAMemoryOfBudgetsThatIsDownStopsCalls(t *testing.T) {
	m := miniredis.RunT(t)
	b, _ := budgetInstance(t, m.Addr(), "down")
	m.SetError("LOADING")
	g, err := care.New(care.Config{Register: "births", Terms: care.DefaultTerms(), Budgets: b, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	err = g.Call(t.Context(), "q", func(context.Context) care.Fate { t.Error("a call is made"); return care.Answered })
	if f := canon.AsFault(err); f == nil || f.Code != canon.CodeMemoryUnavailable {
		t.Errorf("got %v, want %s", err, canon.CodeMemoryUnavailable)
	}
}

// TestAHundredThousandCallsOverRedis makes 100,000 calls from four instances in
// real time and counts them where they leave. It takes half a minute and wants a
// real Redis: ONCEGATE_TEST_RATE is the calls in a second.
func TestAHundredThousandCallsOverRedis(t *testing.T) {
	rate, _ := strconv.Atoi(os.Getenv("ONCEGATE_TEST_RATE"))
	address := os.Getenv("ONCEGATE_TEST_REDIS")
	if rate == 0 || address == "" {
		t.Skip("set ONCEGATE_TEST_RATE=5000 and ONCEGATE_TEST_REDIS=host:port")
	}
	const instances, workers, calls = 4, 100, 100_000
	p := budgetPrefix(t)
	of := care.DefaultTerms()
	of.Budget = care.Budget{Concurrency: 1000, Calls: rate, Burst: rate, Per: time.Second}
	var mu sync.Mutex
	left := make([]int64, 0, calls)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range instances {
		b, c := budgetInstance(t, address, p)
		if i == 0 {
			t.Cleanup(func() { lose(t, c, p) })
		}
		g, err := care.New(care.Config{Register: "births", Terms: of, Budgets: b, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		for range workers {
			wg.Go(func() {
				for n := 0; n < calls/instances/workers; {
					err := g.Call(t.Context(), "q", func(context.Context) care.Fate {
						mu.Lock()
						left = append(left, time.Now().UnixMicro())
						mu.Unlock()
						return care.Answered
					})
					if err == nil {
						n++
					} else if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("calling: %v", err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	took := time.Since(start)
	caretest.InWindow(t, left, of.Budget)
	t.Logf("%d calls in %v: %.0f a second of %d agreed", len(left), took, float64(len(left))/took.Seconds(), rate)
}

// The clock that counts is set back, as by a failover to a server of another time: what
// it wrote of the future stops nobody for longer than a lost memory does.
func TestBudgetsOverAClockThatIsSetBack(t *testing.T) {
	m := miniredis.RunT(t)
	now := time.Now().Truncate(time.Second)
	ctx := t.Context()
	for _, of := range []care.Budget{{Concurrency: 1}, {Concurrency: 1, Calls: 2, Per: time.Second, Burst: 2}} {
		t.Run(fmt.Sprint(of.Calls), func(t *testing.T) {
			p := budgetPrefix(t)
			b, _ := budgetInstance(t, m.Addr(), p)
			m.SetTime(now.Add(24 * time.Hour))
			granted := func(ticket string, within time.Duration) bool {
				begin := now
				for now.Sub(begin) <= within {
					g, err := b.Take(ctx, "births", ticket, of, time.Minute)
					if err != nil {
						t.Fatal(err)
					}
					if g.OK {
						return true
					}
					now = now.Add(g.Wait)
					m.SetTime(now)
				}
				return false
			}
			at := now
			now = now.Add(24 * time.Hour)
			if !granted("first", 10*time.Second) {
				t.Fatal("nothing is granted")
			}
			if granted("waits", 500*time.Millisecond) { // and is heard of no more, as the first
				t.Fatal("two calls at one time")
			}
			now = at
			m.SetTime(now)
			if !granted("later", 70*time.Second) {
				t.Error("nothing is granted after the clock was set back")
			}
		})
	}
}
