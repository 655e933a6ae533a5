package edelivery

import (
	"testing"

	"oncegate/connectors/edelivery/edeliverytest"
	"oncegate/schemas/canon"
)

func TestMemoryShelf(t *testing.T) {
	edeliverytest.RunShelf(t, func(*testing.T) (edeliverytest.Shelf, func()) {
		m := NewMemoryShelf()
		return m, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.items, m.whole = map[canon.MessageID]*shelved{}, false
		}
	})
}
