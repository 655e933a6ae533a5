package redisstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/exchange/exchangetest"
	"oncegate/gateway/redisstore"
	"oncegate/schemas/canon"
)

// TestShelfKeepsNoPersonInClear also holds every key to a term but the mark.
func TestShelfKeepsNoPersonInClear(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		ctx, p := t.Context(), prefix()
		t.Cleanup(func() { flush(t, s.client, p) })
		shelf, err := redisstore.NewShelf(redisstore.ShelfConfig{Client: s.client, Prefix: p, Sealer: &exchangetest.Sealer{}})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now().UTC()
		item := canon.Shelved{
			Message: canon.Message{
				ID: "m", Kind: canon.KindEvidenceResponse, Conversation: "5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952", At: now,
				Body: &canon.EvidenceResponse{Private: canon.Clear(canon.ResponsePrivate{Subject: exchangetest.Person()})},
			},
			Partition: "urn:mpc:a", Attempts: 2, Expires: now.Add(time.Hour),
		}
		if err := shelf.Put(ctx, item); err != nil {
			t.Fatal(err)
		}
		if got, err := shelf.Take(ctx, "urn:mpc:a", now, time.Minute); err != nil || got == nil {
			t.Fatalf("Take = %v, %v", got, err)
		}
		for _, id := range []canon.MessageID{"n", "o"} {
			other := item
			other.Message.ID, other.Message.At = id, now.Add(time.Minute)
			if err := shelf.Put(ctx, other); err != nil {
				t.Fatal(err)
			}
		}
		if count, oldest, err := shelf.Depth(ctx, "urn:mpc:a"); err != nil || count != 3 || !oldest.Equal(now.Add(time.Minute).Truncate(time.Millisecond)) {
			t.Errorf("Depth = %d, %s, %v; want 3, the oldest that nobody has taken", count, oldest, err)
		}
		if count, oldest, err := shelf.Depth(ctx, "urn:mpc:b"); err != nil || count != 0 || !oldest.IsZero() {
			t.Errorf("Depth of an empty shelf = %d, %s, %v", count, oldest, err)
		}
		held := dump(t, s.client, p)
		if !strings.Contains(held, "urn:mpc:a") {
			t.Fatal("the dump shows nothing: the test proves nothing")
		}
		person := exchangetest.Person().Natural
		for _, secret := range []string{person.FamilyName, person.GivenName, person.Identifier, person.BirthDate} {
			if strings.Contains(held, secret) {
				t.Errorf("%q stands in Redis in clear", secret)
			}
		}
		for _, k := range s.client.Keys(ctx, string(p)+":*").Val() {
			if d := s.client.PTTL(ctx, k).Val(); d <= 0 || d > 338*time.Hour {
				t.Errorf("%s: term %v, want up to 337 h", k, d)
			}
		}
	})
}

func TestShelfOfAForgottenConversation(t *testing.T) {
	s, p, sealer := embedded(t), prefix(), &exchangetest.Sealer{}
	shelf, err := redisstore.NewShelf(redisstore.ShelfConfig{Client: s.client, Prefix: p, Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	item := canon.Shelved{
		Message: canon.Message{
			ID: "m", Kind: canon.KindEvidenceResponse, Conversation: "5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952", At: now,
			Body: &canon.EvidenceResponse{Private: canon.Clear(canon.ResponsePrivate{Subject: exchangetest.Person()})},
		},
		Partition: "urn:mpc:a", Attempts: 2, Expires: now.Add(time.Hour),
	}
	if err := shelf.Put(t.Context(), item); err != nil {
		t.Fatal(err)
	}
	sealer.Forget(item.Message.Conversation)
	got, err := shelf.Take(t.Context(), "urn:mpc:a", now, time.Minute)
	if err != nil || got == nil {
		t.Fatalf("Take = %v, %v; want the message, its private part closed", got, err)
	}
	if body := got.Message.Body.(*canon.EvidenceResponse); !body.Private.Forgotten() {
		t.Error("the private part is not closed")
	}
}

var _ interface {
	Restore(ctx context.Context, fill func(ctx context.Context) error) error
} = (*redisstore.Shelf)(nil)

// What cannot be read, as of a newer version in the midst of an upgrade, keeps nobody
// from ending the others.
func TestDueBesideADamagedItem(t *testing.T) {
	s, p := embedded(t), prefix()
	ctx, now := t.Context(), time.Now().UTC()
	shelf, err := redisstore.NewShelf(redisstore.ShelfConfig{Client: s.client, Prefix: p, Sealer: &exchangetest.Sealer{}})
	if err != nil {
		t.Fatal(err)
	}
	put := func(id canon.MessageID, at time.Time) {
		t.Helper()
		err := shelf.Put(ctx, canon.Shelved{
			Message:   canon.Message{ID: id, Kind: canon.KindEvidenceResponse, Conversation: "5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952", At: at, Body: &canon.EvidenceResponse{}},
			Partition: "urn:mpc:a", Attempts: 2, Expires: at.Add(time.Hour),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put("newer", now)
	for _, k := range s.client.Keys(ctx, string(p)+":shelf:1:item:*").Val() {
		s.client.HSet(ctx, k, "message", `[{"id":"newer","kind":"evidence.response.v9","body":{}}]`)
	}
	put("good", now.Add(time.Second))
	due, err := shelf.Due(ctx, now.Add(2*time.Hour), 10)
	if err == nil {
		t.Error("nobody learns of the damaged item")
	}
	if len(due) != 1 || due[0].Message.ID != "good" {
		t.Errorf("due: %d messages, want the good one", len(due))
	}
}
