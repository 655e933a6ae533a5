package payload

import (
	"bufio"
	"context"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"oncegate/schemas/canon"
)

// A sealed stream is a header and chunks, each under AES-256-GCM:
//
//	"OGS1" | log2 of chunk size (1) | length of key id (1) | key id | salt (32)
//	chunk: ciphertext of chunk size bytes | tag (16); the last may be shorter
//
// It is the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár
// (CRYPTO 2015): the nonce is the chunk's number and a flag for the last one, so
// that cut, swapped, repeated or added chunks do not open. The key is derived
// per stream from the conversation's key, the random salt and the header, so
// that nonces may count from zero and the header cannot be changed.
const (
	streamMagic  = "OGS1"
	saltSize     = 32
	minChunkLog2 = 12
	maxChunkLog2 = 20
)

var errDamaged = errors.New("sealed stream does not match its seal")

type streamHeader struct {
	chunkLog2 byte
	kid       string
	salt      [saltSize]byte
}

func (h *streamHeader) bytes() []byte {
	out := append([]byte(streamMagic), h.chunkLog2, byte(len(h.kid)))
	out = append(out, h.kid...)
	return append(out, h.salt[:]...)
}

func (h *streamHeader) chunk() int { return 1 << h.chunkLog2 }

// sealedSize is the length of a stream of n clear bytes.
func (h *streamHeader) sealedSize(n int64) int64 {
	chunks := max(1, (n+int64(h.chunk())-1)>>h.chunkLog2)
	return int64(len(h.bytes())) + n + chunks*tagSize
}

func (h *streamHeader) aead(id canon.ConversationID, secret *Secret) (cipher.AEAD, error) {
	return deriveAEAD(secret, h.salt[:], Associate("oncegate stream v1", string(id), string(h.bytes())))
}

func readStreamHeader(r io.Reader) (*streamHeader, error) {
	var fixed [len(streamMagic) + 2]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return nil, cut(err)
	}
	h := &streamHeader{chunkLog2: fixed[len(streamMagic)]}
	n := int(fixed[len(streamMagic)+1])
	if string(fixed[:len(streamMagic)]) != streamMagic || h.chunkLog2 < minChunkLog2 || h.chunkLog2 > maxChunkLog2 {
		return nil, fmt.Errorf("%w: unknown form", errDamaged)
	}
	kid := make([]byte, n)
	if _, err := io.ReadFull(r, kid); err != nil {
		return nil, cut(err)
	}
	if h.kid = string(kid); !validKeyID.MatchString(h.kid) {
		return nil, fmt.Errorf("%w: wrong key id", errDamaged)
	}
	if _, err := io.ReadFull(r, h.salt[:]); err != nil {
		return nil, cut(err)
	}
	return h, nil
}

// cut turns an early end into damage and keeps failures of the store as they are.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends early", errDamaged)
	}
	return err
}

type streamNonce [nonceSize]byte

func (n *streamNonce) set(counter uint32, last bool) []byte {
	binary.BigEndian.PutUint32(n[nonceSize-5:], counter)
	n[nonceSize-1] = 0
	if last {
		n[nonceSize-1] = 1
	}
	return n[:]
}

// sealStream writes the sealed form of src to dst. Each clear byte also goes to
// digest.
func sealStream(ctx context.Context, dst io.Writer, src io.Reader, h *streamHeader, aead cipher.AEAD, digest io.Writer) error {
	if _, err := dst.Write(h.bytes()); err != nil {
		return err
	}
	// One chunk is read ahead: only then is it known which is the last.
	size := h.chunk()
	this, next, out := make([]byte, size), make([]byte, size), make([]byte, 0, size+tagSize)
	defer clear(this)
	defer clear(next)
	n, err := readChunk(src, this)
	if err != nil {
		return err
	}
	var nonce streamNonce
	for counter := uint32(0); ; counter++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		ahead := 0
		if n == size {
			if ahead, err = readChunk(src, next); err != nil {
				return err
			}
		}
		digest.Write(this[:n]) // a hash never fails
		last := ahead == 0
		if _, err := dst.Write(aead.Seal(out, nonce.set(counter, last), this[:n], nil)); err != nil {
			return err
		}
		if last {
			return nil
		}
		if counter == math.MaxUint32 {
			return errors.New("stream has too many chunks")
		}
		this, next, n = next, this, ahead
	}
}

func readChunk(r io.Reader, buf []byte) (int, error) {
	n, err := io.ReadFull(r, buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, nil
	}
	return n, err
}

// A streamReader opens a sealed stream. A byte that it returns was under a seal
// that matched; that the stream is whole is known only when it returns io.EOF.
type streamReader struct {
	src     *bufio.Reader
	aead    cipher.AEAD
	nonce   streamNonce
	counter uint32
	sealed  []byte
	clear   []byte // opened, not yet read
	plain   []byte // backing of clear
	chunk   int
	last    bool
	err     error
}

func newStreamReader(src io.Reader, h *streamHeader, aead cipher.AEAD) *streamReader {
	return &streamReader{
		src:    bufio.NewReaderSize(src, 4096),
		aead:   aead,
		sealed: make([]byte, h.chunk()+tagSize),
		plain:  make([]byte, 0, h.chunk()),
		chunk:  h.chunk(),
	}
}

func (s *streamReader) Read(p []byte) (int, error) {
	for len(s.clear) == 0 {
		if s.err == nil {
			s.err = s.fill()
		}
		if s.err != nil {
			return 0, s.err
		}
	}
	n := copy(p, s.clear)
	s.clear = s.clear[n:]
	return n, nil
}

func (s *streamReader) fill() error {
	if s.last {
		return io.EOF
	}
	n, err := io.ReadFull(s.src, s.sealed)
	switch {
	case err == nil:
		_, err = s.src.Peek(1)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		s.last = err != nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.last = true
	default:
		return cut(err)
	}
	if n < tagSize || n == tagSize && s.counter > 0 { // only an empty stream has an empty chunk
		return fmt.Errorf("%w: it ends early", errDamaged)
	}
	s.clear, err = s.aead.Open(s.plain[:0], s.nonce.set(s.counter, s.last), s.sealed[:n], nil)
	if err != nil {
		return errDamaged
	}
	if s.counter == math.MaxUint32 && !s.last {
		return errDamaged
	}
	s.counter++
	return nil
}

// wipe ends the reader and clears what it had opened.
func (s *streamReader) wipe() {
	clear(s.plain[:cap(s.plain)])
	s.clear = nil
	s.err = errors.New("payload is closed")
}
