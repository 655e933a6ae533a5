package edelivery

import (
	"bytes"
	"runtime"
	"testing"

	"oncegate/connectors/edelivery/wssec"
)

// What a part says of its own length makes no room that its bytes do not deserve.
func TestRoomForAPartThatLiesAboutItsLength(t *testing.T) { // not parallel: it measures
	var part bytes.Buffer
	gzip := &wssec.Gzip{}
	if err := gzip.Compress(&part, bytes.NewReader([]byte("<a/>"))); err != nil {
		t.Fatal(err)
	}
	lie := part.Bytes()
	copy(lie[len(lie)-4:], "\xff\xff\xff\xff")
	in := &inbound{r: &Receiver{node: node{gzip: gzip}}}
	try := func() {
		keep := int64(kept)
		if err := in.decompress(&Part{}, lie, wssec.Bounds{Bytes: 1 << 30}, &keep); err == nil {
			t.Fatal("a wrong length was taken")
		}
	}
	try() // makes the decompressor
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const n = 100
	for range n {
		try()
	}
	runtime.ReadMemStats(&after)
	if most := uint64(n * 16 << 10); after.TotalAlloc-before.TotalAlloc > most {
		t.Errorf("%d parts took %d bytes, want less than %d", n, after.TotalAlloc-before.TotalAlloc, most)
	}
}
