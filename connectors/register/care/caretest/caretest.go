// Package caretest is the battery that every care.Budgets passes, in memory and on
// a real server. It owns what Budgets promise; it does not own any of them. Before
// it: their tests. After it: nobody.
package caretest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"oncegate/connectors/register/care"
)

// Opened is one memory of budgets, fresh, with as many instances as are asked for.
type Opened struct {
	Instance func(t testing.TB) care.Budgets // another one over the same memory
	Lose     func(t testing.TB)              // loses the memory; nil where that ends the process
}

// Run holds the memories that open makes to what Budgets promise. Times are real.
func Run(t *testing.T, open func(t *testing.T) Opened) {
	for _, tc := range []struct {
		rule string
		test func(t *testing.T, o Opened)
	}{
		{"calls at one time are counted over all instances", concurrency},
		{"a call that is not ended lapses", lapse},
		{"who came first goes first", order},
		{"who comes no more is forgotten", gone},
		{"no period has more calls than agreed", window},
		{"a burst leaves at once and the others evenly", burst},
		{"a turn that is given back is another's", back},
		{"registers do not share", apart},
		{"a lost memory begins empty and learns of calls that go on", lost},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			t.Parallel()
			tc.test(t, open(t))
		})
	}
}

const hold = time.Minute

// take asks until it is granted; it is an error when that takes longer than a wait
// for something that does not come.
func take(t testing.TB, b care.Budgets, register, ticket string, of care.Budget, hold time.Duration) care.Grant {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		g, err := b.Take(ctx, register, ticket, of, hold)
		if err != nil {
			t.Fatalf("taking: %v", err)
		}
		if g.OK {
			return g
		}
		select {
		case <-time.After(g.Wait):
		case <-ctx.Done():
			t.Fatalf("taking: not granted")
		}
	}
}

// refused asks once.
func refused(t testing.TB, b care.Budgets, register, ticket string, of care.Budget) {
	t.Helper()
	g, err := b.Take(t.Context(), register, ticket, of, hold)
	if err != nil || g.OK || g.Wait <= 0 {
		t.Fatalf("got %+v, %v; want a refusal with a wait", g, err)
	}
}

func done(t testing.TB, b care.Budgets, register, ticket string) {
	t.Helper()
	if err := b.Done(t.Context(), register, ticket); err != nil {
		t.Fatalf("ending: %v", err)
	}
}

func concurrency(t *testing.T, o Opened) {
	a, b, of := o.Instance(t), o.Instance(t), care.Budget{Concurrency: 2}
	take(t, a, "births", "1", of, hold)
	take(t, b, "births", "2", of, hold)
	refused(t, a, "births", "3", of)
	done(t, b, "births", "2")
	take(t, a, "births", "3", of, hold)
	refused(t, b, "births", "4", of)
}

func lapse(t *testing.T, o Opened) {
	a, of := o.Instance(t), care.Budget{Concurrency: 1}
	take(t, a, "births", "dead", of, 50*time.Millisecond)
	take(t, a, "births", "next", of, hold)
}

func order(t *testing.T, o Opened) {
	a, b, of := o.Instance(t), o.Instance(t), care.Budget{Concurrency: 1}
	take(t, a, "births", "call", of, hold)
	refused(t, b, "births", "first", of)
	refused(t, a, "births", "second", of)
	done(t, a, "births", "call")
	refused(t, a, "births", "second", of)
	refused(t, a, "births", "third", of)
	take(t, b, "births", "first", of, hold)
	done(t, b, "births", "first")
	refused(t, a, "births", "third", of)
	take(t, a, "births", "second", of, hold)
	if err := a.Return(t.Context(), "births", "third", of, 0); err != nil {
		t.Fatal(err)
	}
	done(t, a, "births", "second")
	take(t, b, "births", "fourth", of, hold)
}

func gone(t *testing.T, o Opened) {
	a, of := o.Instance(t), care.Budget{Concurrency: 1}
	take(t, a, "births", "call", of, hold)
	refused(t, a, "births", "dead", of)
	done(t, a, "births", "call")
	take(t, a, "births", "next", of, hold)
}

func window(t *testing.T, o Opened) {
	of := care.Budget{Concurrency: 1000, Calls: 20, Burst: 20, Per: 200 * time.Millisecond}
	var mu sync.Mutex
	var slots []int64
	var wg sync.WaitGroup
	for i := range 3 {
		b := o.Instance(t)
		wg.Go(func() {
			for n := range 40 {
				g := take(t, b, "births", fmt.Sprintf("%d-%d", i, n), of, hold)
				mu.Lock()
				slots = append(slots, g.Slot)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	InWindow(t, slots, of)
	if took := time.Duration(slots[len(slots)-1]-slots[0]) * time.Microsecond; took > 10*of.Per {
		t.Errorf("120 calls took %v, want about %v", took, 5*of.Per)
	}
}

// InWindow sorts the slots and fails where a period has too many.
func InWindow(t testing.TB, slots []int64, of care.Budget) {
	t.Helper()
	slices.Sort(slots)
	for i := of.Calls; i < len(slots); i++ {
		if gap := time.Duration(slots[i]-slots[i-of.Calls]) * time.Microsecond; gap < of.Per {
			t.Fatalf("call %d leaves %v after call %d: more than %d in %v", i, gap, i-of.Calls, of.Calls, of.Per)
		}
	}
}

func burst(t *testing.T, o Opened) {
	b, of := o.Instance(t), care.Budget{Concurrency: 100, Calls: 10, Burst: 3, Per: 500 * time.Millisecond}
	var slots []int64
	for n := range 8 {
		slots = append(slots, take(t, b, "births", fmt.Sprint(n), of, hold).Slot)
	}
	for i, at := range slots[2:] {
		even := time.Duration(i) * of.Per / time.Duration(of.Calls)
		if got := time.Duration(at-slots[0]) * time.Microsecond; got < even {
			t.Errorf("call %d leaves %v after the first, want %v: %v", i+2, got, even, slots)
		}
	}
	if slots[2]-slots[0] > of.Per.Microseconds()/2 {
		t.Errorf("a burst of 3 takes %d µs", slots[2]-slots[0])
	}
}

func back(t *testing.T, o Opened) {
	b, of := o.Instance(t), care.Budget{Concurrency: 1, Calls: 1, Burst: 1, Per: 5 * time.Second}
	first := take(t, b, "births", "1", of, hold)
	if err := b.Return(t.Context(), "births", "1", of, first.Slot); err != nil {
		t.Fatal(err)
	}
	second := take(t, b, "births", "2", of, hold)
	if gap := time.Duration(second.Slot-first.Slot) * time.Microsecond; gap > of.Per/2 {
		t.Errorf("the turn after one that was given back comes %v later", gap)
	}
}

func apart(t *testing.T, o Opened) {
	b, of := o.Instance(t), care.Budget{Concurrency: 1}
	take(t, b, "births", "1", of, hold)
	take(t, b, "companies", "1", of, hold)
	refused(t, b, "births", "2", of)
}

func lost(t *testing.T, o Opened) {
	if o.Lose == nil {
		t.Skip("this memory ends with its process")
	}
	b, of := o.Instance(t), care.Budget{Concurrency: 2, Calls: 4, Burst: 4, Per: 2 * time.Second}
	var last care.Grant
	for n := range 4 {
		last = take(t, b, "births", fmt.Sprint(n), of, hold)
		if n > 0 {
			done(t, b, "births", fmt.Sprint(n))
		}
	}
	o.Lose(t)
	refused(t, b, "births", "next", of)
	if err := b.Keep(t.Context(), "births", "0", hold); err != nil {
		t.Fatal(err)
	}
	next := take(t, b, "births", "next", of, hold)
	if gap := time.Duration(next.Slot-last.Slot) * time.Microsecond; gap < of.Per {
		t.Errorf("the first call after a loss leaves %v after the last before it, want %v", gap, of.Per)
	}
	refused(t, b, "births", "third", of)
}
