package interop

import (
	"sync"
	"testing"

	"oncegate/schemas/canon"
)

// usage is what the peer's process has spent.
type usage struct {
	CPU      int64 `json:"cpu_ns"`
	Wall     int64 `json:"wall_ns"`
	Peak     int64 `json:"peak_kb"`
	Resident int64 `json:"resident_kb"`
}

// TestMany: messages at once, both ways; none is lost, none comes twice, and the
// peer says what they cost.
func TestMany(t *testing.T) {
	t.Parallel()
	const count = 40
	r := newRig(t, setup{})
	c := r.command(t, documents(1)...)
	c["do"], c["count"], c["concurrency"] = "send-many", count, 8
	var got struct {
		Acknowledged  int
		Before, After usage
	}
	r.station.peer.ask(t, c, &got)
	in, _ := r.codec.taken()
	ids := map[string]bool{}
	for _, m := range in {
		ids[m.Header.MessageID] = true
	}
	if got.Acknowledged != count || len(in) != count || len(ids) != count {
		t.Errorf("phase4 has %d receipts, we handed on %d messages with %d ids, want %d", got.Acknowledged, len(in), len(ids), count)
	}
	if got.After.CPU <= got.Before.CPU || got.After.Wall <= got.Before.Wall || got.After.Peak < got.After.Resident {
		t.Errorf("usage = %+v then %+v", got.Before, got.After)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range count / 8 {
				if d := r.send(t, documents(1)...); d.Outcome != canon.DeliveryAcknowledged {
					t.Errorf("delivery = %+v", d)
				}
			}
		})
	}
	wg.Wait()
	if got := r.station.received(t); len(got) != count {
		t.Errorf("phase4 took %d messages, want %d", len(got), count)
	}
}
