package sandbox

import (
	"sync"
	"testing"
)

// Landscapes that start at the same time never choose the same port.
func TestPortsAreChosenOnce(t *testing.T) {
	var mu sync.Mutex
	chosen := map[string]int{}
	var wg sync.WaitGroup
	for range 20 {
		var p ports
		t.Cleanup(func() {
			if err := p.close(); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for range 30 {
				addr, err := p.free()
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				chosen[addr]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for addr, n := range chosen {
		if n > 1 {
			t.Errorf("%s was chosen %d times", addr, n)
		}
	}
}
