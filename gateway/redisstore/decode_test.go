package redisstore

import (
	"bytes"
	"testing"
)

func FuzzDecode(f *testing.F) {
	f.Add(encode(claimed, "d", nil))
	f.Add(encode(completed, "d", []byte("a\nb")))
	f.Add([]byte("c\n"))
	f.Fuzz(func(t *testing.T, v []byte) {
		state, digest, answer, err := decode(v)
		if err != nil {
			return
		}
		again := append(append(append([]byte{state}, digest...), '\n'), answer...)
		if !bytes.Equal(v, again) {
			t.Errorf("%q reads as %q", v, again)
		}
	})
}
