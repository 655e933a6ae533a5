package xmlsec

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"math/rand/v2"
	"testing"
)

func whole(t testing.TB, key []byte) (cipher.Block, cipher.AEAD) {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return block, aead
}

// checkPieces compares pieces with the one call of crypto/cipher, both ways, at one
// place and at two; then with a bit changed.
func checkPieces(t testing.TB, block cipher.Block, aead cipher.AEAD, content []byte, size, bit int) {
	t.Helper()
	n := len(content)
	for _, inPlace := range []bool{false, true} {
		room := make([]byte, n+28)
		plaintext := content
		if inPlace {
			copy(room, content)
			plaintext = room[:n]
		}
		if err := sealPieces(room, block, plaintext, size); err != nil {
			t.Fatal(err)
		}
		if got, err := aead.Open(nil, nil, room, nil); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d bytes in pieces of %d, in place %v: crypto/cipher does not open what was sealed: %v", n, size, inPlace, err)
		}
		sealed := aead.Seal(nil, nil, content, nil)
		out := make([]byte, n)
		if inPlace {
			out = sealed[:n]
		}
		if err := openPieces(out, block, sealed, size); err != nil || !bytes.Equal(out, content) {
			t.Fatalf("%d bytes in pieces of %d, in place %v: not opened: %v", n, size, inPlace, err)
		}
		changed := aead.Seal(nil, nil, content, nil)
		changed[bit/8%len(changed)] ^= 1 << (bit % 8)
		before := bytes.Clone(changed)
		out = make([]byte, n)
		if inPlace {
			out = changed[:n]
		}
		if err := openPieces(out, block, changed, size); err == nil {
			t.Fatalf("%d bytes in pieces of %d: opened with bit %d changed", n, size, bit)
		}
		if !bytes.Equal(changed, before) || !inPlace && !bytes.Equal(out, make([]byte, n)) {
			t.Fatalf("%d bytes in pieces of %d: written although the tag is wrong", n, size)
		}
	}
}

func TestPiecesAreGCM(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, keySize := range []int{16, 24, 32} {
		key := make([]byte, keySize)
		for i := range key {
			key[i] = byte(r.Uint32())
		}
		block, aead := whole(t, key)
		for _, size := range []int{16, 32, 48, 256} {
			for n := range 300 {
				content := make([]byte, n)
				for i := range content {
					content[i] = byte(r.Uint32())
				}
				checkPieces(t, block, aead, content, size, r.IntN(8*(n+28)))
			}
		}
	}
}

// The sizes where a session key goes over to pieces, and where pieces end.
func TestSessionKeyOfLongContents(t *testing.T) {
	for _, alg := range []DataAlgorithm{AES128GCM, AES256GCM} {
		k, err := NewSessionKey(alg)
		if err != nil {
			t.Fatal(err)
		}
		_, aead := whole(t, k.key)
		content := make([]byte, piecesFrom+2*piece)
		_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // cannot fail
		for _, n := range []int{piecesFrom - 1, piecesFrom, piecesFrom + 1, piecesFrom + piece - 1, piecesFrom + piece + 17} {
			content := content[:n]
			sealed := k.Seal([]byte("before"), content)
			if string(sealed[:6]) != "before" {
				t.Fatalf("%s, %d bytes: not appended", alg, n)
			}
			sealed = sealed[6:]
			got, err := aead.Open(nil, nil, sealed, nil)
			if err != nil || !bytes.Equal(got, content) {
				t.Fatalf("%s, %d bytes: sealed in another way: %v", alg, n, err)
			}
			if again := k.Seal(nil, content); bytes.Equal(again[:nonceSize], sealed[:nonceSize]) {
				t.Fatalf("%s, %d bytes: the nonce repeats", alg, n)
			}
			if got, err = k.Open(sealed[:0], sealed); err != nil || !bytes.Equal(got, content) || &got[0] != &sealed[0] {
				t.Fatalf("%s, %d bytes: not opened in place: %v", alg, n, err)
			}
			if got, err = k.Open([]byte("before"), aead.Seal(nil, nil, content, nil)); err != nil || string(got[:6]) != "before" || !bytes.Equal(got[6:], content) {
				t.Fatalf("%s, %d bytes: not opened: %v", alg, n, err)
			}
		}
	}
}

func FuzzPieces(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), []byte("some content that is longer than a block"), uint8(1), uint16(9))
	f.Fuzz(func(t *testing.T, key, content []byte, blocks uint8, bit uint16) {
		if len(key) != 16 && len(key) != 32 || len(content) > 1<<16 || blocks == 0 {
			t.Skip()
		}
		block, aead := whole(t, key)
		checkPieces(t, block, aead, content, int(blocks)*blockSize, int(bit))
	})
}

// BenchmarkPieces: 64 MiB in pieces and in one call.
func BenchmarkPieces(b *testing.B) {
	block, aead := whole(b, make([]byte, 16))
	content := make([]byte, 64<<20)
	room := make([]byte, len(content)+28)
	sealed := aead.Seal(nil, nil, content, nil)
	for name, do := range map[string]func(){
		"seal-in-pieces":   func() { _ = sealPieces(room, block, content, piece) },
		"seal-in-one-call": func() { aead.Seal(room[:0], nil, content, nil) },
		"open-in-pieces":   func() { _ = openPieces(room, block, sealed, piece) },
		"open-in-one-call": func() { _, _ = aead.Open(room[:0], nil, sealed, nil) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				do()
			}
		})
	}
}
