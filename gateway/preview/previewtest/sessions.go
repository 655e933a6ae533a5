// Package previewtest holds the battery that every preview.Sessions passes, and
// the store in memory that passes it.
//
// Before it: gateway/preview. After it: the tests of gateway/redisstore and
// gateway/web.
package previewtest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/preview"
	"oncegate/schemas/canon"
)

// Sessions is a preview.Sessions that lives as long as the process.
type Sessions struct {
	now func() time.Time
	mu  sync.Mutex
	m   map[string]preview.Session
}

var _ preview.Sessions = (*Sessions)(nil)

// NewSessions returns an empty store that reads the time from now.
func NewSessions(now func() time.Time) *Sessions {
	return &Sessions{now: now, m: map[string]preview.Session{}}
}

// Create implements preview.Sessions.
func (s *Sessions) Create(_ context.Context, v preview.Session) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !v.Expires.After(s.now()) {
		return "", preview.ErrNoSession
	}
	raw := make([]byte, 32)
	rand.Read(raw)
	id := base64.RawURLEncoding.EncodeToString(raw)
	s.m[id] = v
	return id, nil
}

// Get implements preview.Sessions.
func (s *Sessions) Get(_ context.Context, id string) (preview.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.m[id]
	if !ok || !v.Expires.After(s.now()) {
		delete(s.m, id)
		return preview.Session{}, preview.ErrNoSession
	}
	return v, nil
}

// Put implements preview.Sessions.
func (s *Sessions) Put(_ context.Context, id string, v preview.Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.m[id]; !ok || !old.Expires.After(s.now()) || !v.Expires.After(s.now()) {
		return preview.ErrNoSession
	}
	s.m[id] = v
	return nil
}

// Delete implements preview.Sessions.
func (s *Sessions) Delete(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, id)
	return nil
}

// Run runs the battery. now is the clock that the store reads.
func Run(t *testing.T, s preview.Sessions, now func() time.Time) {
	ctx := t.Context()
	session := func() preview.Session {
		return preview.Session{
			Conversation: "5d1c7a0e-3b64-5f0b-9c21-6a8f40ee1952", CSRF: "c", Login: preview.Login{State: "s", Nonce: "n", Verifier: "v"},
			Subject:  canon.Subject{Natural: &canon.NaturalPerson{FamilyName: "Fiktiva", GivenName: "Ilze", BirthDate: "1999-04-01"}},
			Language: "lv", CreatedAt: now().UTC().Truncate(time.Second), Expires: now().UTC().Truncate(time.Second).Add(time.Hour),
		}
	}
	create := func(t *testing.T, v preview.Session) string {
		t.Helper()
		id, err := s.Create(ctx, v)
		if err != nil {
			t.Fatalf("Create: %v", err)
		}
		return id
	}
	gone := func(t *testing.T, id string) {
		t.Helper()
		if _, err := s.Get(ctx, id); !errors.Is(err, preview.ErrNoSession) {
			t.Errorf("Get: got error %v, want ErrNoSession", err)
		}
	}
	t.Run("what was stored is read back whole", func(t *testing.T) {
		want := session()
		id := create(t, want)
		for range 2 {
			got, err := s.Get(ctx, id)
			if err != nil {
				t.Fatalf("Get: %v", err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			want.Authenticated = true
			if err := s.Put(ctx, id, want); err != nil {
				t.Fatalf("Put: %v", err)
			}
		}
	})
	t.Run("ids are long and never the same", func(t *testing.T) {
		a, b := create(t, session()), create(t, session())
		if a == b || len(a) != 43 {
			t.Errorf("got ids of %d characters, equal: %t; want 43 and different", len(a), a == b)
		}
	})
	t.Run("an unknown session is ErrNoSession", func(t *testing.T) {
		gone(t, "nobody")
		if err := s.Put(ctx, "nobody", session()); !errors.Is(err, preview.ErrNoSession) {
			t.Errorf("Put: got error %v, want ErrNoSession", err)
		}
		gone(t, "nobody")
		if err := s.Delete(ctx, "nobody"); err != nil {
			t.Errorf("Delete: %v", err)
		}
	})
	t.Run("a deleted session is gone and stays gone", func(t *testing.T) {
		id := create(t, session())
		if err := s.Delete(ctx, id); err != nil {
			t.Fatalf("Delete: %v", err)
		}
		gone(t, id)
		if err := s.Put(ctx, id, session()); !errors.Is(err, preview.ErrNoSession) {
			t.Errorf("Put: got error %v, want ErrNoSession", err)
		}
	})
	t.Run("a session that has ended is refused", func(t *testing.T) {
		v := session()
		v.Expires = now().Add(-time.Second)
		if _, err := s.Create(ctx, v); !errors.Is(err, preview.ErrNoSession) {
			t.Errorf("Create: got error %v, want ErrNoSession", err)
		}
	})
}
