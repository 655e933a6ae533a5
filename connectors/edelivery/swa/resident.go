package swa

import (
	"sync"
	"syscall"
	"time"
)

// A part that is worked on in one go, byte after byte, leaves every page of its
// mapping resident: the limit of a container counts them, and so does whoever looks
// at the process. Nobody comes back to them soon, so they are given back all the time.
// The mapping is shared with the file: giving a page back unmaps it and no more. What
// was written to it stays in the page cache, and who does come back finds it there
// (madvise(2), MADV_DONTNEED on shared file mappings). On tmpfs the page cache is the
// store, and memory is what the file takes.
const (
	// ResidentFrom is the size of a mapping from which on its pages are given back.
	ResidentFrom = 16 << 20
	residentFor  = 10 * time.Millisecond // 20 MiB at 2 GB/s, the pace of AES-GCM
)

// A trimmer gives back the pages of one mapping.
type trimmer struct {
	stop chan struct{}
	done sync.WaitGroup
}

func trim(mapping []byte) *trimmer {
	t := &trimmer{stop: make(chan struct{})}
	t.done.Go(func() {
		tick := time.NewTicker(residentFor)
		defer tick.Stop()
		for {
			select {
			case <-t.stop:
				return
			case <-tick.C:
				if syscall.Madvise(mapping, syscall.MADV_DONTNEED) != nil {
					return // not on this kernel; the pages stay until it needs them
				}
			}
		}
	})
	return t
}

// end returns when the mapping is no longer touched: it may be unmapped then, and
// the addresses may become those of something else.
func (t *trimmer) end() {
	if t != nil {
		close(t.stop)
		t.done.Wait()
	}
}
