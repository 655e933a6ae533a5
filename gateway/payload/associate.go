package payload

import (
	"encoding/binary"
)

// Associate encodes parts as associated data. Parts are length-prefixed, so that
// no two lists of parts give the same bytes.
func Associate(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += 4 + len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(p)))
		out = append(out, p...)
	}
	return out
}
