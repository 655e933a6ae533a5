package mapping

import "strings"

// texts makes the texts of one run. Small ones share blocks, so that a text costs
// a copy and not an allocation; a block lives as long as a text of it does.
type texts struct {
	scratch []byte // texts being put together, one within the other
	block   strings.Builder
	size    int
}

const (
	firstBlock = 256
	mostBlock  = 16 << 10
)

// keep makes a text of bytes that may change.
func (t *texts) keep(b []byte) string {
	if len(b) > mostBlock/8 {
		return string(b)
	}
	if t.block.Cap()-t.block.Len() < len(b) {
		t.size = max(min(2*t.size, mostBlock), firstBlock, len(b))
		t.block.Reset()
		t.block.Grow(t.size)
	}
	at := t.block.Len()
	t.block.Write(b)
	return t.block.String()[at:]
}

// join makes one text of a few.
func (t *texts) join(parts ...string) string {
	low := len(t.scratch)
	for _, p := range parts {
		t.scratch = append(t.scratch, p...)
	}
	s := t.keep(t.scratch[low:])
	t.scratch = t.scratch[:low]
	return s
}

// date writes an ISO date; one that stands in s as it is needs no new text.
func (t *texts) date(s, y, m, d string) string {
	if len(y) != 4 || len(m) != 2 || len(d) != 2 {
		return t.join(y, "-", m, "-", d)
	}
	var b [len("YYYY-MM-DD")]byte
	copy(b[0:4], y)
	b[4] = '-'
	copy(b[5:7], m)
	b[7] = '-'
	copy(b[8:10], d)
	if len(s) >= len(b) && s[:len(b)] == string(b[:]) {
		return s[:len(b)]
	}
	return t.keep(b[:])
}

// forget lets go of every text.
func (t *texts) forget() {
	clear(t.scratch[:cap(t.scratch)])
	if cap(t.scratch) > mostBlock {
		t.scratch = nil
	}
	t.scratch, t.size = t.scratch[:0], 0
	t.block.Reset()
}
