package xmlsec

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// The default initial value of RFC 3394 2.2.3.1.
const wrapIV = 0xA6A6A6A6A6A6A6A6

var errKeyWrap = errors.New("unwrapping a key")

// wrapKey wraps key, a multiple of 8 bytes, under kek (RFC 3394 2.2.1).
func wrapKey(kek, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil || len(key) < 16 || len(key)%8 != 0 {
		return nil, errors.New("wrapping a key of another length")
	}
	n := len(key) / 8
	out := make([]byte, 8+len(key))
	copy(out[8:], key)
	var b [16]byte // A and one R
	binary.BigEndian.PutUint64(b[:], wrapIV)
	for t := 1; t <= 6*n; t++ {
		r := out[8+(t-1)%n*8:][:8]
		copy(b[8:], r)
		block.Encrypt(b[:], b[:])
		copy(r, b[8:])
		binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^uint64(t))
	}
	copy(out, b[:8])
	return out, nil
}

// unwrapKey undoes wrapKey and checks that the key is what was wrapped.
func unwrapKey(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil || len(wrapped) < 24 || len(wrapped)%8 != 0 {
		return nil, errKeyWrap
	}
	n := len(wrapped)/8 - 1
	out := make([]byte, len(wrapped)-8)
	copy(out, wrapped[8:])
	var b [16]byte
	copy(b[:], wrapped[:8])
	for t := 6 * n; t > 0; t-- {
		r := out[(t-1)%n*8:][:8]
		binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(b[:])^uint64(t))
		copy(b[8:], r)
		block.Decrypt(b[:], b[:])
		copy(r, b[8:])
	}
	var iv [8]byte
	binary.BigEndian.PutUint64(iv[:], wrapIV)
	if subtle.ConstantTimeCompare(iv[:], b[:8]) != 1 {
		clear(out)
		return nil, errKeyWrap
	}
	return out, nil
}
