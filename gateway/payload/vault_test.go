package payload_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"oncegate/gateway/payload"
	"oncegate/gateway/payload/payloadtest"
	"oncegate/schemas/canon"
)

type setup struct {
	vault *payload.Vault
	keys  *payloadtest.MemoryKeys
	blobs *payloadtest.MemoryBlobs
	clock *clock
	temp  string
}

func newSetup(t testing.TB, change ...func(*payload.VaultConfig)) *setup {
	t.Helper()
	s := &setup{keys: &payloadtest.MemoryKeys{}, blobs: &payloadtest.MemoryBlobs{}, clock: &clock{t: epoch}, temp: t.TempDir()}
	cfg := payload.VaultConfig{
		Keyring: keyring(t, s.keys, ring(t), s.clock), Blobs: s.blobs, Store: "memory",
		TempDir: s.temp, ChunkLog2: 12, MemoryBound: 16 << 10, MaxSize: 1 << 20,
	}
	for _, f := range change {
		f(&cfg)
	}
	v, err := payload.NewVault(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.vault = v
	return s
}

func bytesOf(n int) []byte {
	out := make([]byte, n)
	c := rand.NewChaCha8([32]byte{1})
	_, _ = c.Read(out) // never fails
	return out
}

func (s *setup) put(t testing.TB, data []byte) canon.PayloadRef {
	t.Helper()
	ref, err := s.vault.Put(t.Context(), conv, "application/pdf", bytes.NewReader(data))
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	return ref
}

func (s *setup) read(ctx context.Context, ref canon.PayloadRef) ([]byte, error) {
	r, err := s.vault.Open(ctx, conv, ref)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r)
	return got, errors.Join(err, r.Close())
}

func (s *setup) wantNoTemp(t *testing.T) {
	t.Helper()
	files, err := os.ReadDir(s.temp)
	if err != nil || len(files) > 0 {
		t.Errorf("%d temporary files are left (%v)", len(files), err)
	}
}

func TestVaultKeepsWhatWasPut(t *testing.T) {
	s := newSetup(t)
	// Around the chunk (4 KiB), the memory bound (16 KiB) and the largest size.
	for _, n := range []int{0, 1, 4095, 4096, 4097, 8192, 16 << 10, 16<<10 + 1, 100_000, 1 << 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			data := bytesOf(n)
			ref := s.put(t, data)
			if ref.Size != int64(n) || ref.Store != "memory" || ref.MediaType != "application/pdf" {
				t.Errorf("reference %+v", ref)
			}
			got, err := s.read(t.Context(), ref)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes, %v, want %d", len(got), err, n)
			}
			again := s.put(t, data)
			if again.Digest != ref.Digest || again.Where != ref.Where {
				t.Errorf("put again: %+v, want %+v", again, ref)
			}
			for _, r := range []canon.PayloadRef{ref, again} {
				if got, err := s.read(t.Context(), r); err != nil || !bytes.Equal(got, data) {
					t.Errorf("after the second put: %d bytes, %v", len(got), err)
				}
			}
		})
	}
	s.wantNoTemp(t)
}

func TestVaultInFiles(t *testing.T) {
	dir := t.TempDir()
	blobs, err := payload.NewFileBlobs(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := payload.NewFileKeys(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSetup(t, func(c *payload.VaultConfig) {
		c.Blobs, c.Store = blobs, "files"
		c.Keyring = keyring(t, keys, ring(t), &clock{t: epoch})
	})
	secret := []byte(strings.Repeat("Aino Testi 010190-123A ", 5000))
	ref := s.put(t, secret)
	if got, err := s.read(t.Context(), ref); err != nil || !bytes.Equal(got, secret) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	wantPrivate(t, filepath.Join(dir, "blobs"))
	wantPrivate(t, filepath.Join(dir, "keys"))
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("Aino")) || strings.Contains(path, string(conv)) {
			t.Errorf("%s shows the person or the conversation", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.vault.Forget(t.Context(), conv); err != nil {
		t.Fatal(err)
	}
	if _, err := s.read(t.Context(), ref); !errors.Is(err, canon.ErrForgotten) {
		t.Errorf("after Forget: %v, want ErrForgotten", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "blobs", "*", "*", "*")); len(left) > 0 {
		t.Errorf("blobs are left: %v", left)
	}
	if _, err := s.vault.Put(t.Context(), conv, "text/plain", strings.NewReader("late")); !errors.Is(err, canon.ErrForgotten) {
		t.Errorf("Put after Forget = %v, want ErrForgotten", err)
	}
}

// Covers: B-049
func TestVaultNoticesEveryChange(t *testing.T) {
	const header = 4 + 2 + 32 + 32 // magic, sizes, key id, salt
	const chunk = 4096 + 16
	swap := func(b []byte, i, j int) []byte {
		out := bytes.Clone(b)
		copy(out[header+i*chunk:], b[header+j*chunk:header+(j+1)*chunk])
		copy(out[header+j*chunk:], b[header+i*chunk:header+(i+1)*chunk])
		return out
	}
	changes := map[string]func([]byte) []byte{
		"empty":             func([]byte) []byte { return nil },
		"magic":             func(b []byte) []byte { b[0] ^= 1; return b },
		"chunk size":        func(b []byte) []byte { b[4]++; return b },
		"chunk size absurd": func(b []byte) []byte { b[4] = 63; return b },
		"salt":              func(b []byte) []byte { b[header-1] ^= 1; return b },
		"header only":       func(b []byte) []byte { return b[:header] },
		"in the header":     func(b []byte) []byte { return b[:header-1] },
		"first byte":        func(b []byte) []byte { b[header] ^= 1; return b },
		"last byte":         func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"last byte cut":     func(b []byte) []byte { return b[:len(b)-1] },
		"last chunk cut":    func(b []byte) []byte { return b[:header+2*chunk] },
		"all but one cut":   func(b []byte) []byte { return b[:header+chunk] },
		"chunks swapped":    func(b []byte) []byte { return swap(b, 0, 1) },
		"chunk repeated": func(b []byte) []byte {
			return append(b[:header+chunk:header+chunk], b[header:]...)
		},
		"chunk removed": func(b []byte) []byte {
			return append(b[:header:header], b[header+chunk:]...)
		},
		"byte added":  func(b []byte) []byte { return append(b, 0) },
		"tag added":   func(b []byte) []byte { return append(b, make([]byte, 16)...) },
		"chunk added": func(b []byte) []byte { return append(b, make([]byte, chunk)...) },
	}
	for _, n := range []int{10_000, 3 * 4096, 40_000} { // in memory; full last chunk; through the spool
		for name, change := range changes {
			t.Run(fmt.Sprint(n, " ", name), func(t *testing.T) {
				s := newSetup(t)
				ref := s.put(t, bytesOf(n))
				if !s.blobs.Change(conv, ref.Where, change) {
					t.Fatal("no blob to change")
				}
				_, err := s.vault.Open(t.Context(), conv, ref)
				wantCode(t, err, canon.CodePayloadDamaged)
				s.wantNoTemp(t)
			})
		}
	}
}

func TestVaultHoldsAReferenceToItsWord(t *testing.T) {
	s := newSetup(t)
	ref := s.put(t, bytesOf(10_000))
	other := s.put(t, bytesOf(9_000))
	tests := map[string]struct {
		change func(*canon.PayloadRef)
		code   canon.Code
	}{
		"other bytes":     {func(r *canon.PayloadRef) { r.Where = other.Where }, canon.CodePayloadDamaged},
		"smaller":         {func(r *canon.PayloadRef) { r.Size-- }, canon.CodePayloadDamaged},
		"larger":          {func(r *canon.PayloadRef) { r.Size++ }, canon.CodePayloadDamaged},
		"larger by spool": {func(r *canon.PayloadRef) { r.Size = 20_000 }, canon.CodePayloadDamaged},
		"negative":        {func(r *canon.PayloadRef) { r.Size = -1 }, canon.CodePayloadDamaged},
		"beyond maximum":  {func(r *canon.PayloadRef) { r.Size = 1<<20 + 1 }, canon.CodePayloadDamaged},
		"other digest":    {func(r *canon.PayloadRef) { r.Digest = other.Digest }, canon.CodePayloadDamaged},
		"no digest":       {func(r *canon.PayloadRef) { r.Digest = "" }, canon.CodePayloadDamaged},
		"no place":        {func(r *canon.PayloadRef) { r.Where = "" }, canon.CodePayloadDamaged},
		"unknown place":   {func(r *canon.PayloadRef) { r.Where = canon.DeriveUUID("x") }, canon.CodePayloadDamaged},
		"other store":     {func(r *canon.PayloadRef) { r.Store = "kafka" }, canon.CodePayloadUnavailable},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := ref
			tc.change(&r)
			_, err := s.vault.Open(t.Context(), conv, r)
			wantCode(t, err, tc.code)
		})
	}
	if _, err := s.vault.Open(t.Context(), otherConv, ref); err == nil {
		t.Error("another conversation opened it")
	}
	s.wantNoTemp(t)
}

func TestVaultBoundsAndSources(t *testing.T) {
	s := newSetup(t)
	_, err := s.vault.Put(t.Context(), conv, "application/pdf", bytes.NewReader(make([]byte, 1<<20+1)))
	wantCode(t, err, canon.CodeBadInput)
	endless := readerFunc(func(p []byte) (int, error) { return len(p), nil })
	_, err = s.vault.Put(t.Context(), conv, "application/pdf", endless)
	wantCode(t, err, canon.CodeBadInput)
	_, err = s.vault.Put(t.Context(), conv, "not a type", strings.NewReader("x"))
	wantCode(t, err, canon.CodeBadInput)

	broken := errors.New("register hung up")
	_, err = s.vault.Put(t.Context(), conv, "application/pdf", io.MultiReader(bytes.NewReader(bytesOf(50_000)), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("Put = %v, want the failure of its source", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.vault.Put(ctx, conv, "application/pdf", endless); !errors.Is(err, context.Canceled) {
		t.Errorf("Put with an ended context = %v", err)
	}
	s.wantNoTemp(t)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// failing gives an error in the middle of a blob.
type failing struct {
	payload.Blobs
	after int64
	err   error
}

func (f failing) Open(ctx context.Context, id canon.ConversationID, where string) (io.ReadCloser, error) {
	r, err := f.Blobs.Open(ctx, id, where)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(io.MultiReader(io.LimitReader(r, f.after), iotest.ErrReader(f.err))), nil
}

func TestStoreFailsWhileReading(t *testing.T) {
	tests := map[string]struct {
		err  error
		code canon.Code
	}{
		"the store is down": {errors.New("no leader"), canon.CodePayloadUnavailable},
		"the blob is gone":  {payload.ErrNoBlob, canon.CodePayloadDamaged},
	}
	for name, tc := range tests {
		for _, n := range []int{10_000, 40_000} {
			for _, after := range []int64{0, 10, 5000} {
				t.Run(fmt.Sprint(name, n, after), func(t *testing.T) {
					f := &failing{Blobs: &payloadtest.MemoryBlobs{}, after: after, err: tc.err}
					s := newSetup(t, func(c *payload.VaultConfig) { c.Blobs = f })
					ref := s.put(t, bytesOf(n))
					_, err := s.vault.Open(t.Context(), conv, ref)
					wantCode(t, err, tc.code)
					s.wantNoTemp(t)
				})
			}
		}
	}
}

func TestClosedPayloadGivesNothing(t *testing.T) {
	s := newSetup(t)
	for _, n := range []int{10_000, 40_000} {
		ref := s.put(t, bytesOf(n))
		r, err := s.vault.Open(t.Context(), conv, ref)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, r, 100); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil {
			t.Errorf("Read after Close = %d, %v", n, err)
		}
	}
	s.wantNoTemp(t)
}

// Covers: B-047
func TestPayloadsEndWithTheKEK(t *testing.T) {
	s := newSetup(t)
	ref := s.put(t, bytesOf(10))
	s.clock.add(2000 * time.Hour)
	if _, err := s.vault.Open(t.Context(), conv, ref); !errors.Is(err, canon.ErrForgotten) {
		t.Errorf("Open past the term = %v, want ErrForgotten", err)
	}
}

func TestVaultConfig(t *testing.T) {
	_, err := payload.NewVault(payload.VaultConfig{MaxSize: -1, MemoryBound: -1, ChunkLog2: 30})
	for _, want := range []string{"keyring", "blobs", "store", "max size", "memory bound", "chunk size"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %q", err, want)
		}
	}
}

// FuzzOpen: whatever stands in the store, nothing but the bytes that were put
// comes out.
func FuzzOpen(f *testing.F) {
	s := newSetup(f)
	small, large := s.put(f, bytesOf(5000)), s.put(f, bytesOf(20_000))
	for _, ref := range []canon.PayloadRef{small, large} {
		s.blobs.Change(conv, ref.Where, func(b []byte) []byte { f.Add(b, ref.Size); return b })
	}
	f.Add([]byte("OGS1\x0c\x01k"), int64(0))
	f.Fuzz(func(t *testing.T, stored []byte, size int64) {
		for _, ref := range []canon.PayloadRef{small, large} {
			s.blobs.Change(conv, ref.Where, func([]byte) []byte { return stored })
			want := bytesOf(int(ref.Size))
			ref.Size = size
			got, err := s.read(t.Context(), ref)
			if err == nil && !bytes.Equal(got, want) {
				t.Fatalf("%d bytes came out that were never put", len(got))
			}
		}
	})
}

// FuzzBox: as above for private parts and wrapped keys.
func FuzzBox(f *testing.F) {
	c := &clock{t: epoch}
	keys := &payloadtest.MemoryKeys{}
	k := keyring(f, keys, ring(f), c)
	box, err := k.Seal(f.Context(), conv, bound, []byte("person"))
	if err != nil {
		f.Fatal(err)
	}
	wrapped, err := keys.Get(f.Context(), conv)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wrapped[0].Wrapped, box.Nonce, box.Data)
	f.Fuzz(func(t *testing.T, w, nonce, data []byte) {
		store := &payloadtest.MemoryKeys{}
		if err := store.Add(t.Context(), conv, box.Key, w); err != nil {
			t.Fatal(err)
		}
		got, err := keyring(t, store, ring(t), c).Open(t.Context(), conv, bound, canon.Box{Key: box.Key, Nonce: nonce, Data: data})
		if err == nil && string(got) != "person" {
			t.Fatal("bytes came out that were never sealed")
		}
	})
}

// BenchmarkVault puts and opens payloads of a store in memory; bare is the
// cryptography that it takes, a digest and a seal, and nothing else.
func BenchmarkVault(b *testing.B) {
	for _, n := range []int{100 << 10, 10 << 20} {
		s := newSetup(b, func(c *payload.VaultConfig) { c.ChunkLog2, c.MemoryBound, c.MaxSize = 16, 1<<20, 25<<20 })
		data := bytesOf(n)
		b.Run(fmt.Sprintf("put %d KiB", n>>10), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				s.put(b, data)
			}
		})
		ref := s.put(b, data)
		b.Run(fmt.Sprintf("open %d KiB", n>>10), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				r, err := s.vault.Open(b.Context(), conv, ref)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("bare %d KiB", n>>10), func(b *testing.B) {
			block, err := aes.NewCipher(make([]byte, 32))
			if err != nil {
				b.Fatal(err)
			}
			aead, err := cipher.NewGCM(block)
			if err != nil {
				b.Fatal(err)
			}
			const chunk = 1 << 16
			out, nonce, digest := make([]byte, 0, chunk+aead.Overhead()), make([]byte, aead.NonceSize()), sha256.New()
			b.SetBytes(int64(n))
			for b.Loop() {
				digest.Reset()
				for part := range slices.Chunk(data, chunk) {
					digest.Write(part)
					aead.Seal(out, nonce, part, nil) // a zero key and nonce: nothing is kept
				}
				digest.Sum(nil)
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	k := keyring(b, &payloadtest.MemoryKeys{}, ring(b), &clock{t: epoch})
	plain := bytesOf(300)
	for b.Loop() {
		if _, err := k.Seal(b.Context(), conv, bound, plain); err != nil {
			b.Fatal(err)
		}
	}
}
