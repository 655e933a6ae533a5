package exchangetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// Requests is an exchange.Requests that lives as long as the process. The zero
// value is empty and ready.
type Requests struct {
	mu    sync.Mutex
	first map[canon.RequestID]canon.MessageID
}

var _ exchange.Requests = (*Requests)(nil)

// Claim implements exchange.Requests.
func (r *Requests) Claim(_ context.Context, id canon.RequestID, by canon.MessageID) (canon.MessageID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, ok := r.first[id]; ok {
		return first, nil
	}
	if r.first == nil {
		r.first = map[canon.RequestID]canon.MessageID{}
	}
	r.first[id] = by
	return by, nil
}

// RunRequests runs the battery of a memory of request ids; open returns an empty one.
func RunRequests(t *testing.T, open func(t *testing.T) exchange.Requests) {
	claim := func(t *testing.T, r exchange.Requests, id canon.RequestID, by, want canon.MessageID) {
		t.Helper()
		if first, err := r.Claim(t.Context(), id, by); err != nil || first != want {
			t.Errorf("%s by %s: used first by %q and error %v, want %q", id, by, first, err, want)
		}
	}
	t.Run("the first message keeps the id", func(t *testing.T) {
		r := open(t)
		claim(t, r, "urn:uuid:1", "m1", "m1")
		claim(t, r, "urn:uuid:1", "m2", "m1")
		claim(t, r, "urn:uuid:1", "m1", "m1")
		claim(t, r, "urn:uuid:2", "m2", "m2")
	})
	t.Run("of many at once one is the first", func(t *testing.T) {
		r := open(t)
		firsts := make([]canon.MessageID, 8)
		err := together(len(firsts), func(i int) (err error) {
			firsts[i], err = r.Claim(t.Context(), "urn:uuid:1", canon.MessageID(fmt.Sprint("m", i)))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range firsts {
			if f == "" || f != firsts[0] {
				t.Errorf("used first by %v, want one", firsts)
				break
			}
		}
	})
}
