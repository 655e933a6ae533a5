package payloadtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
	"sync"
	"testing"
	"testing/iotest"

	"oncegate/gateway/payload"
	"oncegate/schemas/canon"
)

var locator = regexp.MustCompile(`^[!-~]{1,512}$`)

// Blobs is the battery of payload.Blobs. open returns another view of the same
// store at each call.
func Blobs(t *testing.T, open func(t *testing.T) payload.Blobs) {
	t.Run("what was put can be opened, by another instance too", func(t *testing.T) {
		for _, size := range []int{0, 1, 4095, 4096, 1 << 20, 3<<20 + 7} {
			a, b, id := open(t), open(t), conversation(t)
			want := noise(size)
			where := put(t, a, id, "one", want)
			wantBlob(t, a, id, where, want)
			wantBlob(t, b, id, where, want)
		}
	})
	t.Run("reads of any size come together", func(t *testing.T) {
		s, id, want := open(t), conversation(t), noise(300_000)
		where, err := s.Put(t.Context(), id, blobID(id, "one"), iotest.HalfReader(bytes.NewReader(want)))
		if err != nil {
			t.Fatal(err)
		}
		wantBlob(t, s, id, where, want)
	})
	t.Run("the same id put again opens as one of the two, whole", func(t *testing.T) {
		s, id := open(t), conversation(t)
		first, second := noise(100_000), noise(200_000)
		w1 := put(t, s, id, "one", first)
		w2 := put(t, s, id, "one", second)
		for _, where := range []string{w1, w2} {
			got := read(t, s, id, where)
			if !bytes.Equal(got, first) && !bytes.Equal(got, second) {
				t.Errorf("locator %s opens %d bytes that are neither", where, len(got))
			}
		}
	})
	t.Run("blobs of one conversation are apart", func(t *testing.T) {
		s, id := open(t), conversation(t)
		one, two := noise(1000), noise(2000)
		w1, w2 := put(t, s, id, "one", one), put(t, s, id, "two", two)
		wantBlob(t, s, id, w1, one)
		wantBlob(t, s, id, w2, two)
	})
	t.Run("another conversation cannot open it", func(t *testing.T) {
		s, id := open(t), conversation(t)
		where := put(t, s, id, "one", noise(1000))
		wantNoBlob(t, s, conversation(t), where)
	})
	t.Run("a locator that was never given is no blob", func(t *testing.T) {
		s, id := open(t), conversation(t)
		put(t, s, id, "one", noise(1000))
		for _, where := range []string{"", "x", "../../../etc/passwd", "/etc/passwd", "0", "-1/2/3", "0/999999/1",
			blobID(id, "two"), string(make([]byte, 600))} {
			wantNoBlob(t, s, id, where)
		}
	})
	t.Run("a source that fails leaves nothing to open", func(t *testing.T) {
		s, id := open(t), conversation(t)
		broken := errors.New("source is broken")
		where, err := s.Put(t.Context(), id, blobID(id, "one"),
			io.MultiReader(bytes.NewReader(noise(200_000)), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Fatalf("Put = %v, want the failure of its source", err)
		}
		wantNoBlob(t, s, id, where)
		wantNoBlob(t, s, id, blobID(id, "one"))
	})
	t.Run("an ended context stops it", func(t *testing.T) {
		s, id := open(t), conversation(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Put(ctx, id, blobID(id, "one"), bytes.NewReader(noise(1000))); err == nil {
			t.Error("Put with an ended context is nil")
		}
	})
	t.Run("many at once", func(t *testing.T) {
		s, id := open(t), conversation(t)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				want := noise(50_000 + i)
				where, err := s.Put(t.Context(), id, blobID(id, string(rune('a'+i))), bytes.NewReader(want))
				if err != nil {
					t.Error(err)
					return
				}
				r, err := s.Open(t.Context(), id, where)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(r)
				if err = errors.Join(err, r.Close()); err != nil || !bytes.Equal(got, want) {
					t.Errorf("blob %d: %d bytes, %v", i, len(got), err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("forgetting, where it can, ends it", func(t *testing.T) {
		s, id, other := open(t), conversation(t), conversation(t)
		f, ok := s.(payload.Forgetter)
		if !ok {
			t.Skip("this store cannot delete")
		}
		want := noise(1000)
		gone, stays := put(t, s, id, "one", noise(1000)), put(t, s, other, "one", want)
		for range 2 {
			if err := f.Forget(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		wantNoBlob(t, s, id, gone)
		wantBlob(t, s, other, stays, want)
	})
}

func blobID(id canon.ConversationID, name string) string {
	return canon.DeriveUUID("blob", string(id), name)
}

// noise is not compressible, as sealed bytes are not.
func noise(n int) []byte {
	out := make([]byte, n)
	c := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	_, _ = c.Read(out) // never fails
	return out
}

func put(t *testing.T, s payload.Blobs, id canon.ConversationID, name string, data []byte) string {
	t.Helper()
	where, err := s.Put(t.Context(), id, blobID(id, name), bytes.NewReader(data))
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	if !locator.MatchString(where) {
		t.Fatalf("locator %q: want 1 to 512 printable characters", where)
	}
	return where
}

func read(t *testing.T, s payload.Blobs, id canon.ConversationID, where string) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), id, where)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatalf("reading: %v", err)
	}
	return got
}

func wantBlob(t *testing.T, s payload.Blobs, id canon.ConversationID, where string, want []byte) {
	t.Helper()
	if got := read(t, s, id, where); !bytes.Equal(got, want) {
		t.Fatalf("blob has %d bytes, want the %d that were put", len(got), len(want))
	}
}

// wantNoBlob: a store may know when it is asked, or only while it reads.
func wantNoBlob(t *testing.T, s payload.Blobs, id canon.ConversationID, where string) {
	t.Helper()
	r, err := s.Open(t.Context(), id, where)
	if err == nil {
		_, err = io.ReadAll(r)
		if cerr := r.Close(); cerr != nil {
			t.Errorf("closing: %v", cerr)
		}
	}
	if !errors.Is(err, payload.ErrNoBlob) {
		t.Fatalf("opening %.20q = %v, want ErrNoBlob", where, err)
	}
}
