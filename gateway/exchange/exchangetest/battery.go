package exchangetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// Opened is a store under test and the way to lose all it holds.
type Opened struct {
	Store exchange.Store
	Flush func(t *testing.T)
}

var at = time.Date(2026, 9, 14, 9, 0, 0, 0, time.UTC)

// Run runs the battery; open returns an empty store.
func Run(t *testing.T, open func(t *testing.T) Opened) {
	for _, tc := range []struct {
		name string
		run  func(t *testing.T, s exchange.Store, flush func(*testing.T))
	}{
		{"an unknown conversation is ErrUnknown and nil to f", unknown},
		{"what was stored is read back whole", roundTrip},
		{"a cause applied twice runs once and says the same", repeat},
		{"a conversation returned as it was given stores nothing", unchanged},
		{"an error stores nothing", failed},
		{"no update of concurrent writers is lost", concurrent},
		{"one cause from many writers is applied once", oneCause},
		{"due are those whose timer ran out, earliest first", due},
		{"the list is by last change, newest first", list},
		{"a restored conversation knows what was applied", restore},
		{"a restore does not touch what is there", restoreExisting},
		{"a store is whole until it is lost", whole},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := open(t)
			tc.run(t, o.Store, o.Flush)
		})
	}
}

func id(n int) canon.ConversationID {
	return canon.ConversationID(canon.DeriveUUID("battery", strconv.Itoa(n)))
}

// Sample returns a conversation with every part filled. The persons are fictitious.
func Sample(id canon.ConversationID) *exchange.Conversation {
	agent := func(n, c string) canon.Agent {
		return canon.Agent{ID: canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:" + c, ID: n}, Names: []canon.Text{{Lang: "EN", Text: n}}, Country: c}
	}
	return &exchange.Conversation{
		ID: id, Role: exchange.Provider, Phase: exchange.Held, Exchange: "6d4b9b2c-0f39-4b59-9f7f-1a4c0c0d4e21", Session: "s",
		Specification: "oots-edm:v2.0", Procedure: "T2",
		Requirements: []canon.Requirement{{ID: "https://sr.example/r", Names: []canon.Text{{Lang: "EN", Text: "Proof of birth"}}}},
		EvidenceType: canon.EvidenceType{ID: "e", Classification: "https://sr.example/birth", Titles: []canon.Text{{Lang: "EN", Text: "Birth"}}, Distributions: []canon.Distribution{{Format: "application/xml"}}},
		Requester:    agent("university", "NL"), Provider: agent("births", "LV"),
		Own: canon.Participant{Scheme: "x", ID: "ap-lv"}, Peer: canon.Participant{Scheme: "x", ID: "ap-nl"}, Register: "lv-births",
		First: "urn:uuid:1", PreviewPossible: true, ExplicitRequest: canon.ExplicitRequest{Given: true, InformedAt: at, Notice: "notice-1"},
		Language: "NL", Waived: "Fictitious Act 1", LegalBasis: "Regulation (EU) 2018/1724, Annex II, row 4", Route: "births", Representation: "natural",
		Choices: []canon.Choice{{What: canon.ChoseService, About: "https://sr.example/birth", Shown: []string{"a", "b"}, Taken: "a", Person: true, Answer: canon.Provenance{Edition: "oots-cs:v2.0", At: at}}},
		Finding: exchange.FindingFormat, AvailableAt: at.AddDate(0, 0, 3),
		Documents: []canon.Document{{ID: "d", Role: canon.RoleMain, Classification: "https://sr.example/birth", Payload: canon.PayloadRef{Digest: "sha256:00", MediaType: "application/xml", Size: 3, Store: "files", Where: "w"}}},
		OpenedAt:  at, UpdatedAt: at, Timer: "T2", Due: at.Add(16 * time.Minute),
		Private: canon.Clear(exchange.Private{Subject: Person(), Representative: canon.Representative{Natural: Person().Natural}, Concepts: []canon.ConceptAnswer{{ID: "q", Type: "string", Values: []string{"Testa"}}}, PreviewLocation: "https://preview.example/p/secret", ReturnLocation: "https://portal.example/r"}),
	}
}

// Person is a fictitious person.
func Person() canon.Subject {
	return canon.Subject{Natural: &canon.NaturalPerson{
		Assurance: "High", Identifier: "LV/NL/000000-00001", FamilyName: "Fiktiva", GivenName: "Ilze", BirthDate: "1999-04-01",
	}}
}

func sample(n int) *exchange.Conversation { return Sample(id(n)) }

func create(c *exchange.Conversation, out ...canon.Message) exchange.UpdateFunc {
	return func(*exchange.Conversation) (*exchange.Conversation, []canon.Message, error) { return c, out, nil }
}

func store(t *testing.T, s exchange.Store, c *exchange.Conversation, cause canon.MessageID) {
	t.Helper()
	if _, err := s.Update(t.Context(), c.ID, cause, create(c)); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func get(t *testing.T, s exchange.Store, id canon.ConversationID) *exchange.Conversation {
	t.Helper()
	c, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return c
}

// Diff compares values that hold sealed parts, in clear.
func Diff(want, got any) string {
	return cmp.Diff(want, got,
		cmp.Comparer(func(a, b canon.Sealed[exchange.Private]) bool { return same(a, b) }),
		cmp.Comparer(func(a, b canon.Sealed[canon.PreviewPrivate]) bool { return same(a, b) }),
		cmp.Comparer(func(a, b canon.Sealed[canon.RequestPrivate]) bool { return same(a, b) }),
		cmp.Comparer(func(a, b canon.Sealed[canon.ResponsePrivate]) bool { return same(a, b) }),
		cmp.Comparer(func(a, b canon.Sealed[canon.QueryPrivate]) bool { return same(a, b) }),
	)
}

func same[T any](a, b canon.Sealed[T]) bool {
	x, okA := a.Get()
	y, okB := b.Get()
	return okA == okB && a.Forgotten() == b.Forgotten() && cmp.Equal(x, y)
}

func unknown(t *testing.T, s exchange.Store, _ func(*testing.T)) {
	if _, err := s.Get(t.Context(), id(1)); !errors.Is(err, exchange.ErrUnknown) {
		t.Errorf("Get: got error %v, want ErrUnknown", err)
	}
	_, err := s.Update(t.Context(), id(1), "m", func(c *exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
		if c != nil {
			t.Error("f got a conversation, want nil")
		}
		return nil, nil, nil
	})
	if err != nil {
		t.Errorf("Update that stores nothing: %v", err)
	}
	if _, err := s.Get(t.Context(), id(1)); !errors.Is(err, exchange.ErrUnknown) {
		t.Errorf("Get after storing nothing: got error %v, want ErrUnknown", err)
	}
}

func roundTrip(t *testing.T, s exchange.Store, _ func(*testing.T)) {
	want := sample(1)
	store(t, s, want, "m1")
	if d := Diff(want, get(t, s, want.ID)); d != "" {
		t.Errorf("Get: (-want +got)\n%s", d)
	}
	_, err := s.Update(t.Context(), want.ID, "m2", func(c *exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
		if d := Diff(want, c); d != "" {
			t.Errorf("f got: (-want +got)\n%s", d)
		}
		next := *c
		next.Phase, next.Decisions = exchange.Answered, []canon.DocumentDecision{{Document: "d", Approved: true}}
		return &next, nil, nil
	})
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	if got := get(t, s, want.ID); got.Phase != exchange.Answered || len(got.Decisions) != 1 {
		t.Errorf("got phase %s and %d decisions, want the second state", got.Phase, len(got.Decisions))
	}
}

func messages(c *exchange.Conversation) []canon.Message {
	cause := canon.Message{ID: "cause", Conversation: c.ID, Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	query := canon.Follow(cause, "query", at, &canon.RegisterQuery{Register: "lv-births", Exchange: c.Exchange, Private: canon.Clear(canon.QueryPrivate{Subject: Person()})})
	query.ReplayOf = "earlier"
	return []canon.Message{query, canon.Follow(cause, "audit", at, &canon.AuditEvent{Step: "register.queried", Room: "exchange", Outcome: "ok"})}
}

func repeat(t *testing.T, s exchange.Store, _ func(*testing.T)) {
	c := sample(1)
	want := messages(c)
	first, err := s.Update(t.Context(), c.ID, "m1", create(c, want...))
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	if d := Diff(want, first); d != "" {
		t.Errorf("first time: (-want +got)\n%s", d)
	}
	store(t, s, c, "m2")
	again, err := s.Update(t.Context(), c.ID, "m1", func(*exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
		t.Error("f ran again")
		return nil, nil, nil
	})
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	if d := Diff(want, again); d != "" {
		t.Errorf("second time: (-want +got)\n%s", d)
	}
}

func unchanged(t *testing.T, s exchange.Store, _ func(*testing.T)) {
	c := sample(1)
	store(t, s, c, "m1")
	runs := 0
	for range 2 {
		out, err := s.Update(t.Context(), c.ID, "m2", func(c *exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
			runs++
			return c, messages(c), nil
		})
		if err != nil || len(out) != 2 {
			t.Fatalf("Update: got %d messages and error %v, want 2", len(out), err)
		}
	}
	if runs != 2 {
		t.Errorf("f ran %d times, want 2: a cause that changed nothing is not remembered", runs)
	}
}

func failed(t *testing.T, s exchange.Store, _ func(*testing.T)) {
	c := sample(1)
	store(t, s, c, "m1")
	boom := errors.New("boom")
	_, err := s.Update(t.Context(), c.ID, "m2", func(c *exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
		next := *c
		next.Phase = exchange.Failed
		return &next, nil, boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("got error %v, want the one of f", err)
	}
	if got := get(t, s, c.ID); got.Phase != c.Phase {
		t.Errorf("got phase %s, want %s", got.Phase, c.Phase)
	}
	store(t, s, c, "m2") // the cause is free
}

func increment(c *exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
	next := *c
	n, _ := strconv.Atoi(next.Detail)
	next.Detail = strconv.Itoa(n + 1)
	return &next, nil, nil
}

func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func concurrent(t *testing.T, s exchange.Store, _ func(*testing.T)) {
	c := sample(1)
	store(t, s, c, "m")
	const n = 16
	err := together(n, func(i int) error {
		_, err := s.Update(t.Context(), c.ID, canon.MessageID(fmt.Sprint("m", i)), increment)
		return err
	})
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	if got := get(t, s, c.ID).Detail; got != strconv.Itoa(n) {
		t.Errorf("got %s updates, want %d", got, n)
	}
}

func oneCause(t *testing.T, s exchange.Store, _ func(*testing.T)) {
	c := sample(1)
	store(t, s, c, "m")
	err := together(8, func(int) error {
		_, err := s.Update(t.Context(), c.ID, "same", increment)
		return err
	})
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	if got := get(t, s, c.ID).Detail; got != "1" {
		t.Errorf("applied %s times, want once", got)
	}
}

func dueIDs(t *testing.T, s exchange.Store, now time.Time, limit int) []canon.ConversationID {
	t.Helper()
	ids, err := s.Due(t.Context(), now, limit)
	if err != nil {
		t.Fatalf("Due: %v", err)
	}
	return ids
}

func due(t *testing.T, s exchange.Store, _ func(*testing.T)) {
	for i, after := range []time.Duration{3, 1, 2, 9} {
		c := sample(i)
		c.Due = at.Add(after * time.Minute)
		store(t, s, c, "m1")
	}
	if d := cmp.Diff([]canon.ConversationID{id(1), id(2), id(0)}, dueIDs(t, s, at.Add(3*time.Minute), 10)); d != "" {
		t.Errorf("at the third minute: (-want +got)\n%s", d)
	}
	if d := cmp.Diff([]canon.ConversationID{id(1)}, dueIDs(t, s, at.Add(time.Hour), 1)); d != "" {
		t.Errorf("with limit 1: (-want +got)\n%s", d)
	}
	if got := dueIDs(t, s, at.Add(time.Minute-time.Millisecond), 10); len(got) != 0 {
		t.Errorf("before the first: got %v, want none", got)
	}
	stopped := sample(1)
	stopped.Timer, stopped.Due = "", time.Time{}
	store(t, s, stopped, "m2")
	if d := cmp.Diff([]canon.ConversationID{id(2), id(0)}, dueIDs(t, s, at.Add(3*time.Minute), 10)); d != "" {
		t.Errorf("after one was stopped: (-want +got)\n%s", d)
	}
}

func list(t *testing.T, s exchange.Store, _ func(*testing.T)) {
	for i, after := range []time.Duration{2, 1, 3} {
		c := sample(i)
		c.UpdatedAt = at.Add(after * time.Minute)
		store(t, s, c, "m1")
	}
	for _, tc := range []struct {
		limit int
		want  []canon.ConversationID
	}{
		{10, []canon.ConversationID{id(2), id(0), id(1)}},
		{2, []canon.ConversationID{id(2), id(0)}},
		{0, nil},
	} {
		cs, err := s.List(t.Context(), tc.limit)
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		var got []canon.ConversationID
		for _, c := range cs {
			got = append(got, c.ID)
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("limit %d: (-want +got)\n%s", tc.limit, d)
		}
	}
}

func restore(t *testing.T, s exchange.Store, _ func(*testing.T)) {
	c := sample(1)
	want := messages(c)
	if err := s.Restore(t.Context(), c, []exchange.Applied{{Cause: "m1", Messages: want}, {Cause: "m2"}}); err != nil {
		t.Fatalf("Restore: %v", err)
	}
	if d := Diff(c, get(t, s, c.ID)); d != "" {
		t.Errorf("Get: (-want +got)\n%s", d)
	}
	for cause, want := range map[canon.MessageID][]canon.Message{"m1": want, "m2": nil} {
		out, err := s.Update(t.Context(), c.ID, cause, func(*exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
			t.Errorf("f ran for %s", cause)
			return nil, nil, nil
		})
		if err != nil {
			t.Fatalf("Update: %v", err)
		}
		if d := Diff(append([]canon.Message{}, want...), append([]canon.Message{}, out...)); d != "" {
			t.Errorf("%s: (-want +got)\n%s", cause, d)
		}
	}
	if got := dueIDs(t, s, c.Due, 10); len(got) != 1 {
		t.Errorf("due: got %v, want the restored one", got)
	}
}

func restoreExisting(t *testing.T, s exchange.Store, _ func(*testing.T)) {
	c := sample(1)
	store(t, s, c, "m1")
	older := sample(1)
	older.Phase = exchange.PreviewOffered
	if err := s.Restore(t.Context(), older, []exchange.Applied{{Cause: "m2"}}); err != nil {
		t.Fatalf("Restore: %v", err)
	}
	if d := Diff(c, get(t, s, c.ID)); d != "" {
		t.Errorf("Get: (-want +got)\n%s", d)
	}
	ran := false
	if _, err := s.Update(t.Context(), c.ID, "m2", func(c *exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
		ran = true
		return c, nil, nil
	}); err != nil || !ran {
		t.Errorf("m2 counts as applied (error %v), want it untouched", err)
	}
}

func whole(t *testing.T, s exchange.Store, flush func(*testing.T)) {
	ctx := context.WithoutCancel(t.Context())
	ask := func() bool {
		t.Helper()
		ok, err := s.Whole(ctx)
		if err != nil {
			t.Fatalf("Whole: %v", err)
		}
		return ok
	}
	mark := func() {
		t.Helper()
		if err := s.MarkWhole(ctx); err != nil {
			t.Fatalf("MarkWhole: %v", err)
		}
	}
	if ask() {
		t.Error("an empty store is whole")
	}
	mark()
	if !ask() {
		t.Error("a marked store is not whole")
	}
	store(t, s, sample(1), "m1")
	flush(t)
	if _, err := s.Get(ctx, id(1)); !errors.Is(err, exchange.ErrUnknown) {
		t.Errorf("Get after the loss: got error %v, want ErrUnknown", err)
	}
	if ask() {
		t.Error("a lost store is whole")
	}
	flush(t)
	mark()
	if ask() {
		t.Error("a store lost between Whole and MarkWhole is whole")
	}
}
