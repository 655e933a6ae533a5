package care_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"oncegate/connectors/register/care"
	"oncegate/connectors/register/care/caretest"
	"oncegate/mapping/yamldoc"
)

func terms(t testing.TB, text string) care.Terms {
	t.Helper()
	doc, root := yamldoc.Parse("register.yaml", []byte(text))
	got := care.Parse(root)
	if err := doc.Err(); err != nil {
		t.Fatal(err)
	}
	return got
}

func guard(t testing.TB, of care.Terms, change func(*care.Config)) *care.Guard {
	t.Helper()
	c := care.Config{
		Register: "births", Terms: of, Budgets: care.NewMemory(time.Now, time.Now()), Asked: care.NewCalls(time.Now),
		Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	g, err := care.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestAHundredThousandCallsKeepTheRate counts every call where the register would:
// several instances, waiters that give up, calls that last, in every period.
//
// Covers: B-058
func TestAHundredThousandCallsKeepTheRate(t *testing.T) {
	for _, tc := range []struct {
		text string
		want time.Duration // at least: 100,000 calls at the agreed rate
	}{
		{"concurrency: 1000\nrate: {calls: 1000, per: 1s}", 99 * time.Second},
		{"concurrency: 40\nrate: {calls: 1000, per: 1s, burst: 10}", 99 * time.Second},
		{"concurrency: 1000\nrate: {calls: 7, per: 10ms, burst: 3}", 142 * time.Second},
	} {
		t.Run(tc.text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const instances, workers, each = 4, 50, 500
				of := terms(t, tc.text)
				budgets := care.NewMemory(time.Now, time.Now())
				var mu sync.Mutex
				var arrived []int64
				running, most, givenUp := 0, 0, 0
				start := time.Now()
				var wg sync.WaitGroup
				for i := range instances {
					g := guard(t, of, func(c *care.Config) { c.Budgets = budgets })
					for w := range workers {
						random := rand.New(rand.NewPCG(uint64(i), uint64(w)))
						wg.Go(func() {
							for n := range each {
								ctx, cancel := t.Context(), context.CancelFunc(func() {})
								if n%50 == 49 { // somebody who does not wait long
									ctx, cancel = context.WithTimeout(ctx, time.Duration(random.Int64N(int64(100*time.Millisecond))))
								}
								lasts := time.Duration(random.Int64N(int64(30 * time.Millisecond)))
								err := g.Call(ctx, fmt.Sprint(i, w, n), func(ctx context.Context) care.Fate {
									mu.Lock()
									arrived = append(arrived, time.Now().UnixMicro())
									running++
									most = max(most, running)
									mu.Unlock()
									select {
									case <-time.After(lasts):
									case <-ctx.Done():
									}
									mu.Lock()
									running--
									mu.Unlock()
									return care.Answered
								})
								if err != nil {
									mu.Lock()
									givenUp++
									mu.Unlock()
								}
								cancel()
							}
						})
					}
				}
				wg.Wait()
				if got := len(arrived) + givenUp; got != instances*workers*each || givenUp > got/20 {
					t.Errorf("%d calls and %d that gave up, want %d", len(arrived), givenUp, instances*workers*each)
				}
				if most > of.Budget.Concurrency {
					t.Errorf("%d calls at one time, want at most %d", most, of.Budget.Concurrency)
				}
				caretest.InWindow(t, arrived, of.Budget)
				took := time.Since(start)
				if took < tc.want*95/100 || took > tc.want*3/2 && tc.want > 100*time.Second && of.Budget.Per >= time.Second {
					t.Errorf("took %v, want about %v", took, tc.want)
				}
				t.Logf("%d calls in %v, %d gave up, at most %d at one time", len(arrived), took, givenUp, most)
			})
		})
	}
}
