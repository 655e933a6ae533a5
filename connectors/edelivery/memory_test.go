package edelivery_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/edeliverytest"
)

// The contract that the battery repeats is ours.
var _ edelivery.Remembered = edeliverytest.Remembered(nil)

func TestMemory(t *testing.T) {
	t.Parallel()
	edeliverytest.Run(t, func(*testing.T) (edeliverytest.Remembered, func(time.Duration)) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		return edelivery.NewMemory(func() time.Time { return now }), func(d time.Duration) { now = now.Add(d) }
	})
}

func TestMemoryForgetsWhatRanOut(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := edelivery.NewMemory(func() time.Time { return now })
	for i := range 1000 {
		if _, err := m.Complete(context.Background(), fmt.Sprint(i), "d", nil, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(2 * time.Minute)
	if _, _, err := m.Claim(context.Background(), "k", "d", time.Minute); err != nil {
		t.Fatal(err)
	}
	if n := m.Len(); n != 1 {
		t.Errorf("%d entries are kept, want one", n)
	}
}
