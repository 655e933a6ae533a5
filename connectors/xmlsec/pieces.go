package xmlsec

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"
)

// AES-GCM in pieces. One call of crypto/cipher is one stretch of assembly, which the
// scheduler cannot interrupt: a call over 1 GiB, in a mapped file above all, makes the
// garbage collector wait for its end, and everything else wait for the collector. So long
// contents are encrypted and authenticated piece by piece (SP 800-38D, 7.1 and 7.2),
// with the primitives of the standard library alone: encryption is CTR from the second
// counter on, and GHASH, a polynomial in H, is put together from those of the pieces,
// each of which AES-GCM itself computes for additional data.
const (
	piecesFrom = 4 << 20   // bytes of a content
	piece      = 256 << 10 // bytes; a multiple of the block, and cached while both passes read it
)

const (
	nonceSize = 12
	tagSize   = 16
	blockSize = 16
	maxPieces = 1<<36 - 32 // bytes; beyond, the counter of 32 bits would wrap
)

// An element of GF(2^128), its bits in the order of GCM.
type element struct{ hi, lo uint64 }

func elementOf(b []byte) element {
	return element{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func (a element) plus(b element) element { return element{a.hi ^ b.hi, a.lo ^ b.lo} }

// times multiplies in constant time: H is secret.
func (a element) times(b element) element {
	var p element
	for i := range 128 {
		w := a.hi
		if i >= 64 {
			w = a.lo
		}
		take := -(w >> (63 - i%64) & 1)
		p.hi ^= b.hi & take
		p.lo ^= b.lo & take
		carry := -(b.lo & 1)
		b.lo = b.lo>>1 | b.hi<<63
		b.hi = b.hi>>1 ^ carry&(0xe1<<56)
	}
	return p
}

func (a element) power(n int) element {
	out := element{hi: 1 << 63} // one
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			out = out.times(a)
		}
		a = a.times(a)
	}
	return out
}

// pieces is AES-GCM under one key and one nonce. Its parts of tags never leave it: with
// one nonce for several they would give H away.
type pieces struct {
	size  int // of a piece
	block cipher.Block
	aead  cipher.AEAD
	nonce []byte
	mask  element // what hides the tag
	h     element
	step  element // H to the blocks of a piece
	sum   element // H times GHASH so far
	bytes int     // of it
	tag   [tagSize]byte
}

func newPieces(block cipher.Block, nonce []byte, size int) (*pieces, error) {
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err // GODEBUG=fips140=only forbids nonces of ours
	}
	p := &pieces{size: size, block: block, aead: aead, nonce: slices.Clone(nonce)}
	var h [blockSize]byte
	block.Encrypt(h[:], h[:])
	p.h = elementOf(h[:])
	p.step = p.h.power(size / blockSize)
	p.mask = p.part(nil)
	return p, nil
}

// part is the tag of additional data without ciphertext.
func (p *pieces) part(data []byte) element {
	return elementOf(p.aead.Seal(p.tag[:0], p.nonce, nil, data))
}

// authenticate takes the next piece of ciphertext. Only the last may be shorter.
func (p *pieces) authenticate(c []byte) {
	length := element{hi: uint64(len(c)) * 8}
	step := p.step
	if len(c) != p.size {
		step = p.h.power((len(c) + blockSize - 1) / blockSize)
	}
	z := p.part(c).plus(p.mask).plus(length.times(p.h))
	p.sum = p.sum.times(step).plus(z)
	p.bytes += len(c)
}

func (p *pieces) appendTag(b []byte) []byte {
	length := element{lo: uint64(p.bytes) * 8}
	t := p.sum.plus(length.times(p.h)).plus(p.mask)
	b = binary.BigEndian.AppendUint64(b, t.hi)
	return binary.BigEndian.AppendUint64(b, t.lo)
}

// stream returns the key stream of the content.
func (p *pieces) stream() cipher.Stream {
	var counter [blockSize]byte
	copy(counter[:], p.nonce)
	counter[blockSize-1] = 2
	return cipher.NewCTR(p.block, counter[:])
}

// sealPieces writes nonce, ciphertext and tag to out, which may begin where plaintext does.
func sealPieces(out []byte, block cipher.Block, plaintext []byte, size int) error {
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // never fails, or ends the program
	p, err := newPieces(block, nonce, size)
	if err != nil {
		return err
	}
	// What is written stands nonceSize bytes behind what was read: the next piece is
	// read first.
	buf, next := make([]byte, size), make([]byte, size)
	buf = buf[:copy(buf, plaintext)]
	copy(out, nonce)
	to, rest, keys := out[nonceSize:], plaintext[len(buf):], p.stream()
	for len(buf) > 0 {
		next = next[:copy(next[:size], rest)]
		rest = rest[len(next):]
		keys.XORKeyStream(buf, buf)
		p.authenticate(buf)
		to = to[copy(to, buf):]
		buf, next = next, buf
	}
	p.appendTag(to[:0])
	return nil
}

var errTag = errors.New("authentication failed")

// openPieces writes the plaintext to out, which may begin where sealed does. It looks at
// all of the ciphertext first: out is not touched unless the tag is right.
func openPieces(out []byte, block cipher.Block, sealed []byte, size int) error {
	p, err := newPieces(block, sealed[:nonceSize], size)
	if err != nil {
		return err
	}
	content, tag := sealed[nonceSize:len(sealed)-tagSize], sealed[len(sealed)-tagSize:]
	for c := range slices.Chunk(content, size) {
		p.authenticate(c)
	}
	if subtle.ConstantTimeCompare(p.appendTag(nil), tag) != 1 {
		return errTag
	}
	buf, keys := make([]byte, size), p.stream()
	for c := range slices.Chunk(content, size) {
		n := copy(buf, c)
		keys.XORKeyStream(buf[:n], buf[:n])
		out = out[copy(out, buf[:n]):] // before what is read next
	}
	clear(buf)
	return nil
}
