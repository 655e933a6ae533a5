package redisstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/gateway/preview"
	"oncegate/gateway/redisstore"
	"oncegate/schemas/canon"
)

// dump returns every key and value under a prefix, whatever its type.
func dump(t *testing.T, c *redis.Client, p redisstore.Prefix) string {
	t.Helper()
	ctx := context.Background()
	keys, err := c.Keys(ctx, string(p)+":*").Result()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, k := range keys {
		all.WriteString(k + "\n")
		switch kind := c.Type(ctx, k).Val(); kind {
		case "string":
			all.WriteString(c.Get(ctx, k).Val())
		case "hash":
			for f, v := range c.HGetAll(ctx, k).Val() {
				all.WriteString(f + v)
			}
		case "zset":
			all.WriteString(strings.Join(c.ZRange(ctx, k, 0, -1).Val(), "\n"))
		default:
			t.Fatalf("key %s has type %s", k, kind)
		}
	}
	return all.String()
}

// Covers: B-049
func TestNoPersonIsReadableInRedis(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		ctx, p := t.Context(), prefix()
		t.Cleanup(func() { flush(t, s.client, p) })
		store := conversations(t, s.client, p, &exchangetest.Sealer{})
		c := exchangetest.Sample("5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952")
		query := canon.Follow(canon.Message{ID: "m", Conversation: c.ID}, "query", c.UpdatedAt,
			&canon.RegisterQuery{Private: canon.Clear(canon.QueryPrivate{Subject: exchangetest.Person()})})
		if _, err := store.Update(ctx, c.ID, "m", func(*exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
			return c, []canon.Message{query}, nil
		}); err != nil {
			t.Fatal(err)
		}
		sessions, err := redisstore.NewSessions(redisstore.SessionsConfig{Client: s.client, Prefix: p, Key: []byte(strings.Repeat("k", 32))})
		if err != nil {
			t.Fatal(err)
		}
		cookie, err := sessions.Create(ctx, preview.Session{CSRF: "form-secret", Subject: exchangetest.Person(), Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		held := dump(t, s.client, p)
		if !strings.Contains(held, "lv-births") || strings.Count(held, ":") < 5 {
			t.Fatal("the dump shows nothing: the test proves nothing")
		}
		person := exchangetest.Person().Natural
		private, _ := c.Private.Get()
		for what, secret := range map[string]string{
			"family name": person.FamilyName, "given name": person.GivenName, "identifier": person.Identifier, "birth date": person.BirthDate,
			"preview location": private.PreviewLocation, "return location": private.ReturnLocation, "cookie": cookie, "CSRF secret": "form-secret",
		} {
			if strings.Contains(held, secret) {
				t.Errorf("the %s stands in Redis in clear", what)
			}
		}
	})
}

// Covers: B-034
func TestForgottenKeyLeavesTheOpenPart(t *testing.T) {
	s, p, sealer := embedded(t), prefix(), &exchangetest.Sealer{}
	store := conversations(t, s.client, p, sealer)
	c := exchangetest.Sample("5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952")
	put := func(cause canon.MessageID, f exchange.UpdateFunc) {
		t.Helper()
		if _, err := store.Update(t.Context(), c.ID, cause, f); err != nil {
			t.Fatal(err)
		}
	}
	put("m1", func(*exchange.Conversation) (*exchange.Conversation, []canon.Message, error) { return c, nil, nil })
	sealer.Forget(c.ID)
	put("m2", func(c *exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
		next := *c
		next.Phase = exchange.Delivered
		return &next, nil, nil
	})
	got, err := store.Get(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Phase != exchange.Delivered || !got.Private.Forgotten() {
		t.Errorf("got phase %s, forgotten %t; want delivered and forgotten", got.Phase, got.Private.Forgotten())
	}
}

// A private part is bound to its conversation: moved to another it does not open.
func TestPrivatePartIsBoundToItsConversation(t *testing.T) {
	s, p := embedded(t), prefix()
	store := conversations(t, s.client, p, &exchangetest.Sealer{})
	a := exchangetest.Sample("5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952")
	if err := store.Restore(t.Context(), a, nil); err != nil {
		t.Fatal(err)
	}
	text := s.client.Get(t.Context(), string(p)+":conversation:1:"+string(a.ID)).Val()
	other := canon.ConversationID("6d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952")
	s.client.Set(t.Context(), string(p)+":conversation:1:"+string(other), text, 0)
	if c, err := store.Get(t.Context(), other); err == nil {
		t.Errorf("got conversation %s under another id, want an error", c.ID)
	}
}

// Covers: B-034, B-042
func TestEveryKeyOfAConversationHasATerm(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		ctx, p := t.Context(), prefix()
		t.Cleanup(func() { flush(t, s.client, p) })
		store := conversations(t, s.client, p, &exchangetest.Sealer{})
		if err := store.Restore(ctx, exchangetest.Sample("5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952"), []exchange.Applied{{Cause: "m"}}); err != nil {
			t.Fatal(err)
		}
		for _, k := range s.client.Keys(ctx, string(p)+":*").Val() {
			if d := s.client.PTTL(ctx, k).Val(); d <= 0 || d > 120*time.Hour {
				t.Errorf("%s: term %v, want up to 120 h", k, d)
			}
		}
	})
}

func TestTermEndsConversationAndIndexes(t *testing.T) {
	s, p := embedded(t), prefix()
	store := conversations(t, s.client, p, &exchangetest.Sealer{})
	c := exchangetest.Sample("5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952")
	if err := store.Restore(t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
	s.mini.FastForward(121 * time.Hour)
	if _, err := store.Get(t.Context(), c.ID); !errors.Is(err, exchange.ErrUnknown) {
		t.Errorf("Get: got error %v, want ErrUnknown", err)
	}
	if held := dump(t, s.client, p); held != "" {
		t.Errorf("after its term Redis holds %q", held)
	}
}

func TestSessionsEndAndOtherKeysDoNotOpenThem(t *testing.T) {
	s, p := embedded(t), prefix()
	now := time.Now()
	open := func(key string) *redisstore.Sessions {
		v, err := redisstore.NewSessions(redisstore.SessionsConfig{
			Client: s.client, Prefix: p, Key: []byte(strings.Repeat(key, 32)), Now: func() time.Time { return now },
		})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	a := open("a")
	id, err := a.Create(t.Context(), preview.Session{CSRF: "c", Expires: now.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open("b").Get(t.Context(), id); !errors.Is(err, preview.ErrNoSession) {
		t.Errorf("with another key: got error %v, want ErrNoSession", err)
	}
	now = now.Add(time.Minute)
	if _, err := a.Get(t.Context(), id); !errors.Is(err, preview.ErrNoSession) {
		t.Errorf("at its end: got error %v, want ErrNoSession", err)
	}
	s.mini.FastForward(time.Minute)
	if held := dump(t, s.client, p); held != "" {
		t.Errorf("after its end Redis holds %d bytes", len(held))
	}
}

func TestServerThatIsDownIsUnavailable(t *testing.T) {
	s, p := embedded(t), prefix()
	store := conversations(t, s.client, p, &exchangetest.Sealer{})
	s.mini.Close()
	_, err := store.Get(t.Context(), "5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952")
	if f := canon.AsFault(err); f.Kind != canon.Unavailable {
		t.Errorf("Get: got %v, want a fault of kind unavailable", err)
	}
	_, err = store.Update(t.Context(), "5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952", "m", nil)
	if f := canon.AsFault(err); f.Kind != canon.Unavailable {
		t.Errorf("Update: got %v, want a fault of kind unavailable", err)
	}
}
