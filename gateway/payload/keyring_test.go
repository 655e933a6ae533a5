package payload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"oncegate/gateway/payload"
	"oncegate/gateway/payload/payloadtest"
	"oncegate/schemas/canon"
)

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func kek(id string, from time.Time, term time.Duration, fill byte) payload.KEK {
	return payload.KEK{ID: id, NotBefore: from, Term: from.Add(term), Key: payload.Secret(bytes.Repeat([]byte{fill}, 32))}
}

func ring(t testing.TB, keks ...payload.KEK) *payload.Ring {
	t.Helper()
	if keks == nil {
		keks = []payload.KEK{kek("kek-1", epoch.Add(-time.Hour), 1000*time.Hour, 1)}
	}
	r, err := payload.NewRing(keks...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func keyring(t testing.TB, keys payload.Keys, r *payload.Ring, c *clock) *payload.Keyring {
	t.Helper()
	k, err := payload.NewKeyring(payload.KeyringConfig{Keys: keys, Ring: r, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// counting counts what reaches the store.
type counting struct {
	payload.Keys
	mu        sync.Mutex
	adds      int
	gets      int
	beforeAdd func()
	fail      error
}

func (c *counting) Add(ctx context.Context, id canon.ConversationID, kid string, wrapped []byte) error {
	c.mu.Lock()
	c.adds++
	hook, fail := c.beforeAdd, c.fail
	c.mu.Unlock()
	if fail != nil {
		return fail
	}
	if hook != nil {
		hook()
	}
	return c.Keys.Add(ctx, id, kid, wrapped)
}

func (c *counting) Get(ctx context.Context, id canon.ConversationID) ([]payload.WrappedKey, error) {
	c.mu.Lock()
	c.gets++
	fail := c.fail
	c.mu.Unlock()
	if fail != nil {
		return nil, fail
	}
	return c.Keys.Get(ctx, id)
}

var (
	conv      = canon.OwnConversation("portal", "1")
	otherConv = canon.OwnConversation("portal", "2")
	bound     = payload.Associate("message", "evidence.request.v1")
)

func mustSeal(t *testing.T, k *payload.Keyring, id canon.ConversationID, plain string) canon.Box {
	t.Helper()
	box, err := k.Seal(t.Context(), id, bound, []byte(plain))
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	return box
}

func wantOpen(t *testing.T, k *payload.Keyring, id canon.ConversationID, box canon.Box, want string) {
	t.Helper()
	got, err := k.Open(t.Context(), id, bound, box)
	if err != nil || string(got) != want {
		t.Fatalf("Open = %q, %v, want %q", got, err, want)
	}
}

func wantCode(t *testing.T, err error, code canon.Code) {
	t.Helper()
	if f, ok := errors.AsType[*canon.Fault](err); !ok || f.Code != code {
		t.Fatalf("error is %v, want a fault with %s", err, code)
	}
}

func TestSealAndOpen(t *testing.T) {
	c := &clock{t: epoch}
	k := keyring(t, &payloadtest.MemoryKeys{}, ring(t), c)
	for _, plain := range []string{"", "x", strings.Repeat("long ", 10_000)} {
		box := mustSeal(t, k, conv, plain)
		wantOpen(t, k, conv, box, plain)
	}
	a, b := mustSeal(t, k, conv, "same"), mustSeal(t, k, conv, "same")
	if bytes.Equal(a.Nonce, b.Nonce) || bytes.Equal(a.Data, b.Data) {
		t.Error("two boxes of the same bytes are alike")
	}
	if _, err := k.Seal(t.Context(), conv, nil, make([]byte, payload.MaxBox+1)); err == nil {
		t.Error("Seal took more than MaxBox")
	}
	if _, err := k.Seal(t.Context(), "", nil, nil); err == nil {
		t.Error("Seal took no conversation")
	}
}

// Covers: B-049
func TestABoxIsBoundToItsPlace(t *testing.T) {
	c := &clock{t: epoch}
	k := keyring(t, &payloadtest.MemoryKeys{}, ring(t), c)
	mustSeal(t, k, otherConv, "x")
	box := mustSeal(t, k, conv, "Aino Testi")
	flip := func(b []byte, i int) []byte { b = bytes.Clone(b); b[i] ^= 1; return b }
	tests := map[string]struct {
		id    canon.ConversationID
		bound []byte
		box   canon.Box
	}{
		"other associated data": {conv, payload.Associate("messageevidence", ".request.v1"), box},
		"no associated data":    {conv, nil, box},
		"changed nonce":         {conv, bound, canon.Box{Key: box.Key, Nonce: flip(box.Nonce, 0), Data: box.Data}},
		"changed data":          {conv, bound, canon.Box{Key: box.Key, Nonce: box.Nonce, Data: flip(box.Data, 0)}},
		"changed tag":           {conv, bound, canon.Box{Key: box.Key, Nonce: box.Nonce, Data: flip(box.Data, len(box.Data)-1)}},
		"cut data":              {conv, bound, canon.Box{Key: box.Key, Nonce: box.Nonce, Data: box.Data[:3]}},
		"no nonce":              {conv, bound, canon.Box{Key: box.Key, Data: box.Data}},
		"empty":                 {conv, bound, canon.Box{Key: box.Key}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := k.Open(t.Context(), tc.id, tc.bound, tc.box)
			wantCode(t, err, canon.CodePayloadDamaged)
			if strings.Contains(err.Error(), "Aino") {
				t.Error("the error shows the person")
			}
		})
	}
	// A key of one conversation is no key of another.
	if _, err := k.Open(t.Context(), otherConv, bound, box); !errors.Is(err, canon.ErrForgotten) {
		t.Errorf("opening in another conversation = %v, want ErrForgotten", err)
	}
}

// Covers: B-034, B-047
func TestForget(t *testing.T) {
	c := &clock{t: epoch}
	var keys payloadtest.MemoryKeys
	r := ring(t)
	a, b := keyring(t, &keys, r, c), keyring(t, &keys, r, c)
	box := mustSeal(t, a, conv, "person")
	stays := mustSeal(t, a, otherConv, "other")
	wantOpen(t, b, conv, box, "person")
	if err := a.Forget(t.Context(), conv); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Open(t.Context(), conv, bound, box); !errors.Is(err, canon.ErrForgotten) {
		t.Errorf("Open after Forget = %v, want ErrForgotten", err)
	}
	if _, err := a.Seal(t.Context(), conv, bound, nil); !errors.Is(err, canon.ErrForgotten) {
		t.Errorf("Seal after Forget = %v, want ErrForgotten", err)
	}
	// The other instance learns within the life of its cache.
	wantOpen(t, b, conv, box, "person")
	c.add(11 * time.Second)
	if _, err := b.Open(t.Context(), conv, bound, box); !errors.Is(err, canon.ErrForgotten) {
		t.Errorf("Open by the other instance = %v, want ErrForgotten", err)
	}
	if _, err := b.Seal(t.Context(), conv, bound, nil); !errors.Is(err, canon.ErrForgotten) {
		t.Errorf("Seal by the other instance = %v, want ErrForgotten", err)
	}
	for id, want := range map[canon.ConversationID]bool{conv: true, otherConv: false} {
		if got, err := b.Forgotten(t.Context(), id); got != want || err != nil {
			t.Errorf("Forgotten(%s) = %v, %v, want %v", id, got, err, want)
		}
	}
	wantOpen(t, a, otherConv, stays, "other")
}

func TestForgottenBetweenLookAndAdd(t *testing.T) {
	c := &clock{t: epoch}
	var keys payloadtest.MemoryKeys
	slow := &counting{Keys: &keys}
	slow.beforeAdd = func() {
		if err := keys.Forget(context.Background(), conv); err != nil {
			t.Error(err)
		}
	}
	k := keyring(t, slow, ring(t), c)
	if _, err := k.Seal(t.Context(), conv, bound, []byte("late")); !errors.Is(err, canon.ErrForgotten) {
		t.Fatalf("Seal = %v, want ErrForgotten", err)
	}
}

func TestTwoInstancesMakeAKeyAtOnce(t *testing.T) {
	c := &clock{t: epoch}
	var keys payloadtest.MemoryKeys
	r := ring(t)
	b := keyring(t, &keys, r, c)
	var boxB canon.Box
	first := &counting{Keys: &keys}
	first.beforeAdd = func() { boxB = mustSeal(t, b, conv, "from b") } // b is faster
	a := keyring(t, first, r, c)
	boxA := mustSeal(t, a, conv, "from a")
	for name, k := range map[string]*payload.Keyring{"a": a, "b": b} {
		t.Run(name, func(t *testing.T) {
			wantOpen(t, k, conv, boxA, "from a")
			wantOpen(t, k, conv, boxB, "from b")
		})
	}
	if got, _ := keys.Get(t.Context(), conv); len(got) != 2 {
		t.Fatalf("%d keys, want 2", len(got))
	}
	c.add(time.Minute)
	if x, y := mustSeal(t, a, conv, "x"), mustSeal(t, b, conv, "y"); x.Key != y.Key {
		t.Error("two instances that know both keys seal with different ones")
	}
	if err := b.Forget(t.Context(), conv); err != nil {
		t.Fatal(err)
	}
	c.add(time.Minute)
	for _, box := range []canon.Box{boxA, boxB} {
		if _, err := a.Open(t.Context(), conv, bound, box); !errors.Is(err, canon.ErrForgotten) {
			t.Errorf("Open = %v, want ErrForgotten for every key", err)
		}
	}
}

func TestOneInstanceMakesOneKey(t *testing.T) {
	c := &clock{t: epoch}
	keys := &counting{Keys: &payloadtest.MemoryKeys{}}
	k := keyring(t, keys, ring(t), c)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if _, err := k.Seal(t.Context(), conv, bound, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if keys.adds != 1 {
		t.Errorf("%d keys were made, want 1", keys.adds)
	}
}

func TestCache(t *testing.T) {
	c := &clock{t: epoch}
	keys := &counting{Keys: &payloadtest.MemoryKeys{}}
	k, err := payload.NewKeyring(payload.KeyringConfig{Keys: keys, Ring: ring(t), Now: c.now, CacheSize: 2, CacheTTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	seal := func(i int) { mustSeal(t, k, canon.OwnConversation("p", fmt.Sprint(i)), "x") }
	seal(1)
	before := keys.gets
	seal(1)
	if keys.gets != before {
		t.Error("a fresh key was read again")
	}
	seal(2)
	seal(3) // 1 goes
	before = keys.gets
	seal(1)
	if keys.gets == before {
		t.Error("the cache is not bounded")
	}
	c.add(time.Minute)
	before = keys.gets
	seal(1)
	if keys.gets != before+1 {
		t.Error("an old key was not read again")
	}
}

func TestStoreThatFails(t *testing.T) {
	c := &clock{t: epoch}
	keys := &counting{Keys: &payloadtest.MemoryKeys{}, fail: errors.New("no quorum")}
	k := keyring(t, keys, ring(t), c)
	_, err := k.Seal(t.Context(), conv, bound, nil)
	wantCode(t, err, canon.CodePayloadUnavailable)
	if canon.AsFault(err).Kind != canon.Unavailable {
		t.Error("a store that fails is not Unavailable")
	}
	_, err = k.Open(t.Context(), conv, bound, canon.Box{Key: "k"})
	wantCode(t, err, canon.CodePayloadUnavailable)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	keys.fail = ctx.Err()
	if _, err := k.Seal(ctx, conv, bound, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Seal with an ended context = %v", err)
	}
}

// Covers: B-047
func TestKeysEndWithTheirKEK(t *testing.T) {
	c := &clock{t: epoch}
	var keys payloadtest.MemoryKeys
	old := kek("kek-old", epoch.Add(-time.Hour), 100*time.Hour, 1)
	young := kek("kek-young", epoch.Add(10*time.Hour), 200*time.Hour, 2)
	r := ring(t, old, young)
	k := keyring(t, &keys, r, c)
	boxOld := mustSeal(t, k, conv, "old")
	c.add(11 * time.Hour)
	boxYoung := mustSeal(t, k, otherConv, "young")
	wantOpen(t, k, conv, boxOld, "old")

	// A KEK that should be there and is not is a fault of the deployment.
	if err := r.Set(young); err != nil {
		t.Fatal(err)
	}
	c.add(time.Minute)
	_, err := k.Open(t.Context(), conv, bound, boxOld)
	wantCode(t, err, canon.CodePayloadUnavailable)
	_, err = k.Seal(t.Context(), conv, bound, nil)
	wantCode(t, err, canon.CodePayloadUnavailable)
	wantOpen(t, k, otherConv, boxYoung, "young")

	// Past its term it is as if forgotten, whether it is still there or not.
	if err := r.Set(old, young); err != nil {
		t.Fatal(err)
	}
	c.add(100 * time.Hour)
	for _, set := range [][]payload.KEK{{old, young}, {young}} {
		if err := r.Set(set...); err != nil {
			t.Fatal(err)
		}
		c.add(time.Minute)
		if _, err := k.Open(t.Context(), conv, bound, boxOld); !errors.Is(err, canon.ErrForgotten) {
			t.Errorf("Open past the term = %v, want ErrForgotten", err)
		}
		if _, err := k.Seal(t.Context(), conv, bound, nil); !errors.Is(err, canon.ErrForgotten) {
			t.Errorf("Seal past the term = %v, want ErrForgotten", err)
		}
	}
	if err := r.Set(old, young); err != nil {
		t.Fatal(err)
	}
	if got := r.Expired(c.now()); len(got) != 1 || got[0] != "kek-old" {
		t.Errorf("Expired = %v, want kek-old", got)
	}
	wantOpen(t, k, otherConv, boxYoung, "young")

	// Without a KEK in force nothing new is sealed.
	c.add(1000 * time.Hour)
	_, err = k.Seal(t.Context(), canon.OwnConversation("p", "late"), bound, nil)
	wantCode(t, err, canon.CodePayloadUnavailable)
}

func TestWrappedKeyIsBound(t *testing.T) {
	c := &clock{t: epoch}
	var keys payloadtest.MemoryKeys
	k := keyring(t, &keys, ring(t), c)
	box := mustSeal(t, k, conv, "x")
	wrapped, err := keys.Get(t.Context(), conv)
	if err != nil {
		t.Fatal(err)
	}
	good := wrapped[0].Wrapped
	change := func(i int) []byte { b := bytes.Clone(good); b[i] ^= 1; return b }
	tests := map[string][]byte{
		"empty": {}, "cut": good[:len(good)-1], "longer": append(bytes.Clone(good), 0),
		"version": change(0), "id length": change(1), "term": change(2 + len("kek-1") + 7),
		"nonce": change(2 + len("kek-1") + 8), "tag": change(len(good) - 1),
	}
	for name, w := range tests {
		t.Run(name, func(t *testing.T) {
			var other payloadtest.MemoryKeys
			if err := other.Add(t.Context(), conv, box.Key, w); err != nil {
				t.Fatal(err)
			}
			_, err := keyring(t, &other, ring(t), c).Open(t.Context(), conv, bound, box)
			wantCode(t, err, canon.CodePayloadDamaged)
		})
	}
	t.Run("moved to another conversation", func(t *testing.T) {
		if err := keys.Add(t.Context(), otherConv, box.Key, good); err != nil {
			t.Fatal(err)
		}
		_, err := k.Open(t.Context(), otherConv, bound, box)
		wantCode(t, err, canon.CodePayloadDamaged)
	})
}

func TestRingRefuses(t *testing.T) {
	good := kek("kek-1", epoch, time.Hour, 1)
	bad := map[string][]payload.KEK{
		"no key":      {},
		"bad id":      {kek("KEK 1", epoch, time.Hour, 1)},
		"twice":       {good, good},
		"no dates":    {{ID: "k", Key: good.Key}},
		"ends first":  {kek("k", epoch, -time.Hour, 1)},
		"no material": {kek("k", epoch, time.Hour, 0)},
	}
	for name, keks := range bad {
		t.Run(name, func(t *testing.T) {
			if _, err := payload.NewRing(keks...); err == nil {
				t.Error("NewRing took it")
			}
		})
	}
}

func TestKeyringConfig(t *testing.T) {
	_, err := payload.NewKeyring(payload.KeyringConfig{CacheTTL: -1, CacheSize: -1})
	for _, want := range []string{"keys", "ring", "cache ttl", "cache size"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %q", err, want)
		}
	}
}

func TestSecretsPrintNothing(t *testing.T) {
	k := kek("kek-1", epoch, time.Hour, 'S')
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+"\n", k.Key, k)
	}
	log.Info("x", "key", k.Key, "kek", k)
	for _, leak := range []string{"SSSS", "5353", "83 83", "83,83"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("a key was printed:\n%s", out.String())
		}
	}
}
