package payloadtest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/payload"
	"oncegate/schemas/canon"
)

// Keys is the battery of payload.Keys. open returns another view of the same
// store at each call, as another instance would have it. Conversations have
// random names, so that it can run against a server that is in use.
func Keys(t *testing.T, open func(t *testing.T) payload.Keys) {
	t.Run("a conversation without keys has none", func(t *testing.T) {
		got, err := open(t).Get(t.Context(), conversation(t))
		if err != nil || len(got) != 0 {
			t.Fatalf("Get = %d keys, %v, want none, nil", len(got), err)
		}
	})
	t.Run("an added key is there at once, also for another instance", func(t *testing.T) {
		a, b, id := open(t), open(t), conversation(t)
		add(t, a, id, "k1", []byte("wrapped"))
		wantKeys(t, a, id, map[string]string{"k1": "wrapped"})
		wantKeys(t, b, id, map[string]string{"k1": "wrapped"})
	})
	t.Run("keys of two instances stay both", func(t *testing.T) {
		a, b, id := open(t), open(t), conversation(t)
		add(t, a, id, "k1", []byte("one"))
		add(t, b, id, "k2", []byte("two"))
		want := map[string]string{"k1": "one", "k2": "two"}
		wantKeys(t, a, id, want)
		wantKeys(t, b, id, want)
	})
	t.Run("adding twice is no error", func(t *testing.T) {
		s, id := open(t), conversation(t)
		add(t, s, id, "k1", []byte("one"))
		add(t, s, id, "k1", []byte("one"))
		wantKeys(t, s, id, map[string]string{"k1": "one"})
	})
	t.Run("the largest wrapped key fits", func(t *testing.T) {
		s, id := open(t), conversation(t)
		kid, wrapped := strings.Repeat("k", 64), bytes.Repeat([]byte{0xff}, payload.MaxWrapped)
		add(t, s, id, kid, wrapped)
		wantKeys(t, s, id, map[string]string{kid: string(wrapped)})
	})
	t.Run("conversations are apart", func(t *testing.T) {
		s, one, two := open(t), conversation(t), conversation(t)
		add(t, s, one, "k1", []byte("one"))
		add(t, s, two, "k1", []byte("two"))
		if err := s.Forget(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		wantForgotten(t, s, one)
		wantKeys(t, s, two, map[string]string{"k1": "two"})
	})
	t.Run("forgetting ends all keys for every instance and for good", func(t *testing.T) {
		a, b, id := open(t), open(t), conversation(t)
		add(t, a, id, "k1", []byte("one"))
		add(t, b, id, "k2", []byte("two"))
		if err := a.Forget(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		for _, s := range []payload.Keys{a, b, open(t)} {
			wantForgotten(t, s, id)
			if err := s.Add(t.Context(), id, "k3", []byte("three")); !errors.Is(err, canon.ErrForgotten) {
				t.Fatalf("Add after Forget = %v, want ErrForgotten", err)
			}
			wantForgotten(t, s, id)
		}
	})
	t.Run("forgetting twice, or what never was, is no error", func(t *testing.T) {
		s, id := open(t), conversation(t)
		for range 2 {
			if err := s.Forget(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		wantForgotten(t, s, id)
	})
	t.Run("a key added while the conversation is forgotten is refused or gone", func(t *testing.T) {
		for range 20 {
			a, b, id := open(t), open(t), conversation(t)
			add(t, a, id, "k0", []byte("zero"))
			var wg sync.WaitGroup
			var errAdd, errForget error
			wg.Go(func() { errAdd = a.Add(t.Context(), id, "k1", []byte("one")) })
			wg.Go(func() { errForget = b.Forget(t.Context(), id) })
			wg.Wait()
			if errForget != nil || errAdd != nil && !errors.Is(errAdd, canon.ErrForgotten) {
				t.Fatalf("Add = %v, Forget = %v", errAdd, errForget)
			}
			wantForgotten(t, a, id)
			wantForgotten(t, b, id)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		s, id := open(t), conversation(t)
		want := make(map[string]string)
		var wg sync.WaitGroup
		errs := make([]error, 16)
		for i := range errs {
			kid := fmt.Sprintf("k%02d", i)
			want[kid] = kid
			wg.Go(func() { errs[i] = s.Add(t.Context(), id, kid, []byte(kid)) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, s, id, want)
	})
}

// conversation returns a name that no other test and no other run has.
func conversation(t *testing.T) canon.ConversationID {
	return canon.ConversationID(canon.DeriveUUID(t.Name(), rand.Text()))
}

func add(t *testing.T, s payload.Keys, id canon.ConversationID, kid string, wrapped []byte) {
	t.Helper()
	if err := s.Add(t.Context(), id, kid, wrapped); err != nil {
		t.Fatalf("Add %s: %v", kid, err)
	}
}

func wantKeys(t *testing.T, s payload.Keys, id canon.ConversationID, want map[string]string) {
	t.Helper()
	keys, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	slices.SortFunc(keys, func(a, b payload.WrappedKey) int { return strings.Compare(a.ID, b.ID) })
	got := make(map[string]string)
	for _, k := range keys {
		if _, twice := got[k.ID]; twice {
			t.Errorf("key %s is there twice", k.ID)
		}
		got[k.ID] = string(k.Wrapped)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("keys (-want +got):\n%s", diff)
	}
}

func wantForgotten(t *testing.T, s payload.Keys, id canon.ConversationID) {
	t.Helper()
	if keys, err := s.Get(t.Context(), id); !errors.Is(err, canon.ErrForgotten) {
		t.Fatalf("Get = %d keys, %v, want ErrForgotten", len(keys), err)
	}
}
