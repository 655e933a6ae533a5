package exchange_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/schemas/canon"
)

// A topic is the log of the tests: what was written, in order.
type topic struct {
	mu sync.Mutex
	ms []canon.Message
	// asked counts the reads
	asked int
}

func (l *topic) add(ms ...canon.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ms = append(l.ms, ms...)
}

func (l *topic) all() []canon.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.ms)
}

func (l *topic) history(_ context.Context, since time.Time, id canon.ConversationID) iter.Seq2[canon.Message, error] {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	ms := slices.Clone(l.ms)
	return func(yield func(canon.Message, error) bool) {
		for _, m := range ms {
			if (id == "" || m.Conversation == id) && !m.At.Before(since) && !yield(m, nil) {
				return
			}
		}
	}
}

// A rig is a core over a store that can be lost, and its log.
type rig struct {
	t        testing.TB
	core     *exchange.Core
	store    *exchangetest.Memory
	log      *topic
	requests exchangetest.Requests
	ended    []exchange.Phase
	fail     error // of OnFinal
	onFinal  func(*exchange.Conversation)
}

func newRig(t testing.TB, s *side, now func() time.Time) *rig {
	t.Helper()
	r := &rig{t: t, store: &exchangetest.Memory{}, log: &topic{}}
	var err error
	r.core, err = exchange.New(exchange.Config{
		Store: r.store, Routes: s.w.Routes, Tickets: s.w.Tickets, Policy: s.w.Policy, Timeouts: s.w.Timeouts,
		History: r.log.history, Now: now, Requests: &r.requests,
		OnFinal: func(_ context.Context, c *exchange.Conversation) error {
			if r.fail != nil {
				return r.fail
			}
			r.ended = append(r.ended, c.Phase)
			if r.onFinal != nil {
				r.onFinal(c)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// handle does what the consumer does: the message is on the log, it is handled,
// what follows is written.
func (r *rig) handle(m canon.Message) []canon.Message {
	r.t.Helper()
	r.log.add(m)
	out, err := r.core.Handle(context.Background(), m)
	if err != nil {
		r.t.Fatalf("Handle %s: %v", m.Kind, err)
	}
	r.log.add(out...)
	return out
}

func (r *rig) get(id canon.ConversationID) *exchange.Conversation {
	r.t.Helper()
	c, err := r.core.Get(context.Background(), id)
	if err != nil {
		r.t.Fatalf("Get: %v", err)
	}
	return c
}

func ids(ms []canon.Message) []canon.MessageID {
	var out []canon.MessageID
	for _, m := range ms {
		out = append(out, m.ID)
	}
	return out
}

// play runs a path through a rig; the store is lost before each step when lose is set.
func play(t *testing.T, s *side, words alphabet, path []string, lose bool) (*rig, [][]canon.MessageID) {
	t.Helper()
	r := newRig(t, s, func() time.Time { return s.at })
	var said [][]canon.MessageID
	for _, w := range path {
		m := words[w](s)
		if lose {
			r.store.Flush()
		}
		said = append(said, ids(r.handle(m)))
		s.c = r.get(s.id)
		s.at = s.at.Add(time.Second)
	}
	return r, said
}

var paths = map[string]struct {
	side  func(testing.TB) *side
	words alphabet
	path  []string
}{
	"provider delivers":                 {providerSide, providerWords(), []string{"first", "offer arrived", "second", "stranger", "person", "found", "approve", "answer arrived"}},
	"provider delivers, request 2 last": {providerSide, providerWords(), []string{"first", "person", "found", "approve", "second", "answer arrived"}},
	"provider: declined":                {providerSide, providerWords(), []string{"first", "person", "second", "found", "decline", "answer arrived"}},
	"provider: not found":               {providerSide, providerWords(), []string{"first", "person", "not found", "second", "answer arrived"}},
	"provider: too late":                {providerSide, providerWords(), []string{"first", "person", "deadline", "second", "answer arrived"}},
	"provider: offer lost":              {providerSide, providerWords(), []string{"first", "offer lost", "person"}},
	"requester receives":                {requesterSide, requesterWords(), []string{"first", "request 1 arrived", "preview", "second", "request 2 arrived", "evidence"}},
	"requester: bad answers on the way": {requesterSide, requesterWords(), []string{"first", "preview, other peer", "preview", "second, no return", "second", "evidence, other peer", "evidence"}},
	"requester: too late":               {requesterSide, requesterWords(), []string{"first", "preview", "deadline", "second", "evidence"}},
	"requester: refused":                {requesterSide, requesterWords(), []string{"first", "preview", "second", "refusal"}},
}

func TestLosingTheStoreBetweenAnyTwoStepsChangesNothing(t *testing.T) {
	for name, p := range paths {
		t.Run(name, func(t *testing.T) {
			s := p.side(t)
			kept, want := play(t, s, p.words, p.path, false)
			l := p.side(t)
			lost, got := play(t, l, p.words, p.path, true)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("ids of what was said: (-kept +lost)\n%s", d)
			}
			if d := exchangetest.Diff(kept.get(s.id), lost.get(l.id)); d != "" {
				t.Errorf("state: (-kept +lost)\n%s", d)
			}
		})
	}
}

// Covers: B-025
func TestEveryMessageAgainSaysTheSame(t *testing.T) {
	for name, p := range paths {
		for _, lose := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				s := p.side(t)
				r, want := play(t, s, p.words, p.path, false)
				before := r.get(s.id)
				var inputs []canon.Message
				for _, m := range r.log.ms {
					if exchange.Consumes(m) {
						inputs = append(inputs, m)
					}
				}
				for i, m := range inputs {
					if lose {
						r.store.Flush()
					}
					out, err := r.core.Handle(t.Context(), m)
					if err != nil {
						t.Fatalf("Handle: %v", err)
					}
					if d := cmp.Diff(want[i], ids(out)); d != "" && len(want[i]) > 0 && !before.Phase.Final() {
						t.Errorf("%s again: (-first +again)\n%s", m.Kind, d)
					}
				}
				if d := exchangetest.Diff(before, r.get(s.id)); d != "" {
					t.Errorf("state: (-before +after)\n%s", d)
				}
			})
		}
	}
}

func TestAWholeStoreIsNotLookedForInTheLog(t *testing.T) {
	s := providerSide(t)
	r := newRig(t, s, func() time.Time { return s.at })
	if err := r.core.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.log.asked = 0
	r.handle(s.request(canon.StepFirst, "r1"))
	other := s.opened(exchangetest.Person())
	other.Conversation = canon.InboundConversation(party(nlAP), "unknown")
	r.handle(other)
	if _, err := r.core.Get(t.Context(), "unknown"); !errors.Is(err, exchange.ErrUnknown) {
		t.Errorf("Get: got error %v, want ErrUnknown", err)
	}
	if r.log.asked != 0 {
		t.Errorf("the log was read %d times, want none", r.log.asked)
	}
}

func TestRecoverBringsAllBackWithTheirDeadlines(t *testing.T) {
	s := providerSide(t)
	r, _ := play(t, s, providerWords(), []string{"first", "second"}, false)
	want := r.get(s.id)
	r.store.Flush()
	if err := r.core.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := r.store.Get(t.Context(), s.id)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	if d := exchangetest.Diff(want, got); d != "" {
		t.Errorf("state: (-want +got)\n%s", d)
	}
	if due, err := r.store.Due(t.Context(), want.Due, 10); err != nil || len(due) != 1 {
		t.Errorf("got %v due and error %v, want the one", due, err)
	}
}

// The process may die after the store was changed and before the end was told.
func TestTheEndIsToldUntilItWasHeard(t *testing.T) {
	s := providerSide(t)
	words := providerWords()
	r, _ := play(t, s, words, []string{"first", "second", "person", "found", "approve"}, false)
	m := words["answer arrived"](s)
	r.fail = errors.New("keyring is down")
	if _, err := r.core.Handle(t.Context(), m); !errors.Is(err, r.fail) {
		t.Fatalf("got error %v, want that of OnFinal", err)
	}
	r.fail = nil
	r.handle(m)
	r.handle(m)
	if d := cmp.Diff([]exchange.Phase{exchange.Delivered, exchange.Delivered}, r.ended); d != "" {
		t.Errorf("told of: (-want +got)\n%s", d)
	}
}

// Covers: B-015
func TestDeadlinesAreToldThroughTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := requesterSide(t)
		s.at = time.Now()
		r := newRig(t, s, time.Now)
		s.at = time.Now()
		r.handle(s.request(canon.StepFirst, ""))
		ctx, stop := context.WithCancel(t.Context())
		published := &topic{}
		done := make(chan error)
		go func() {
			done <- r.core.Deadlines(ctx, func(_ context.Context, ms ...canon.Message) error {
				published.add(ms...)
				return nil
			})
		}()
		time.Sleep(6*time.Minute - time.Second)
		synctest.Wait()
		if len(published.all()) != 0 {
			t.Fatalf("published %d before T1 ran out", len(published.all()))
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if len(published.all()) != 1 {
			t.Fatalf("published %d deadlines, want one", len(published.all()))
		}
		// The consumer is slow: told again, with the same id.
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(published.all()); n < 2 || published.all()[n-1].ID != published.all()[0].ID {
			t.Fatalf("published %d, want the same again", n)
		}
		if got := kinds(r.handle(published.all()[0])); got != "exchange.notice expired" {
			t.Errorf("the deadline says %q", got)
		}
		n := len(published.all())
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(published.all()) != n {
			t.Error("a deadline that was handled is told again")
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("Deadlines: %v", err)
		}
	})
}

func TestDeadlinesRecoverALostStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := providerSide(t)
		s.at = time.Now()
		r := newRig(t, s, time.Now)
		r.handle(s.request(canon.StepFirst, "r1"))
		r.store.Flush()
		ctx, stop := context.WithCancel(t.Context())
		published := &topic{}
		done := make(chan error)
		go func() {
			done <- r.core.Deadlines(ctx, func(_ context.Context, ms ...canon.Message) error {
				published.add(ms...)
				return nil
			})
		}()
		time.Sleep(17 * time.Minute)
		synctest.Wait()
		stop()
		<-done
		if len(published.all()) == 0 {
			t.Fatal("the deadline of a lost conversation was not told")
		}
		if got := kinds(r.handle(published.all()[0])); got != expires {
			t.Errorf("the deadline says %q, want %q", got, expires)
		}
	})
}

// Once the key of a conversation is forgotten nobody can judge it again; its
// end is read from what was said.
func TestAnEndedExchangeIsRebuiltWithoutItsKey(t *testing.T) {
	for _, tc := range []struct {
		name string
		path string
		want exchange.Phase
	}{
		{"provider delivers", "provider delivers", exchange.Delivered},
		{"provider declined", "provider: declined", exchange.Declined},
		{"provider refused", "provider: not found", exchange.Refused},
		{"provider expired", "provider: too late", exchange.ExpiredP},
		{"requester received", "requester receives", exchange.Delivered},
		{"requester expired", "requester: too late", exchange.ExpiredP},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := paths[tc.path]
			s := p.side(t)
			r, _ := play(t, s, p.words, p.path, false)
			forget(t, r.log, s.id)
			r.store.Flush()
			got := r.get(s.id)
			if got.Phase != tc.want || got.Role != s.c.Role || got.Exchange != s.c.Exchange {
				t.Errorf("got %s %s of %s, want %s %s of %s", got.Role, got.Phase, got.Exchange, s.c.Role, tc.want, s.c.Exchange)
			}
			said := ids(r.log.all())
			for _, m := range r.log.all() {
				out, err := r.core.Handle(t.Context(), m)
				if err != nil {
					t.Errorf("%s again: %v", m.Kind, err)
				}
				for _, o := range out {
					if !slices.Contains(said, o.ID) {
						t.Errorf("%s again says a new %s", m.Kind, kinds([]canon.Message{o}))
					}
				}
			}
		})
	}
}

// The key may be destroyed in mid-exchange, on request of the person. Then only
// the timer is left.
func TestAForgottenKeyLeavesOnlyTheTimer(t *testing.T) {
	for _, tc := range []struct {
		name string
		side func(testing.TB) *side
		word alphabet
		path []string
		end  string
	}{
		{"provider", providerSide, providerWords(), []string{"first", "second", "person", "found"}, expires},
		{"requester", requesterSide, requesterWords(), []string{"first", "preview"}, "exchange.notice expired"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := tc.side(t)
			for _, w := range tc.path {
				s.step(tc.word[w](s))
			}
			s.c = closed(t, s.c)
			phase := s.c.Phase
			for name, word := range tc.word {
				if name == "deadline" {
					continue // last
				}
				if m := word(s); m.Kind != canon.KindDeadline && m.Kind != canon.KindDeliveryReceipt {
					if out := s.step(m); s.c.Phase != phase || kinds(out) != "" {
						t.Errorf("%s: got %s saying %q, want nothing", name, s.c.Phase, kinds(out))
					}
				}
			}
			out := s.step(s.deadline())
			if kinds(out) != tc.end {
				t.Errorf("the deadline says %q, want %q", kinds(out), tc.end)
			}
			keepsContract(t, s.id, out)
		})
	}
}

// closed returns a conversation as a store gives it once its key is forgotten.
func closed(t *testing.T, c *exchange.Conversation) *exchange.Conversation {
	t.Helper()
	sealer := &exchangetest.Sealer{}
	text, err := canon.MarshalSealed(c, func(p []byte) (canon.Box, error) { return sealer.Seal(t.Context(), c.ID, nil, p) })
	if err != nil {
		t.Fatal(err)
	}
	out := new(exchange.Conversation)
	if err := canon.UnmarshalSealed(text, out, func(canon.Box) ([]byte, error) { return nil, canon.ErrForgotten }); err != nil {
		t.Fatal(err)
	}
	return out
}

// forget makes every private part on the log unreadable, as after the loss of
// the key: it goes through its encoding.
func forget(t *testing.T, l *topic, id canon.ConversationID) {
	t.Helper()
	sealer := &exchangetest.Sealer{}
	for i, m := range l.ms {
		data, err := canon.MarshalBody(m.Body, func(p []byte) (canon.Box, error) { return sealer.Seal(t.Context(), id, nil, p) })
		if err != nil {
			t.Fatal(err)
		}
		l.ms[i].Body, err = canon.UnmarshalBody(m.Kind, data, func(canon.Box) ([]byte, error) { return nil, canon.ErrForgotten })
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	_, err := exchange.New(exchange.Config{})
	for _, want := range []string{"Store", "Routes", "Tickets", "History"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want it to name %s", err, want)
		}
	}
}

func TestErrorsOfTheLogAreReturned(t *testing.T) {
	s := providerSide(t)
	boom := errors.New("broker down")
	core, err := exchange.New(exchange.Config{
		Store: &exchangetest.Memory{}, Routes: s.w.Routes, Tickets: s.w.Tickets,
		History: func(context.Context, time.Time, canon.ConversationID) iter.Seq2[canon.Message, error] {
			return func(yield func(canon.Message, error) bool) { yield(canon.Message{}, boom) }
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.Handle(t.Context(), s.request(canon.StepFirst, "r1")); !errors.Is(err, boom) {
		t.Errorf("Handle: got error %v, want that of the log: it could not decide", err)
	}
	if err := core.Recover(t.Context()); !errors.Is(err, boom) {
		t.Errorf("Recover: got error %v, want that of the log", err)
	}
	// The poller goes on and says so in the log of the operator.
	var text bytes.Buffer
	core, err = exchange.New(exchange.Config{
		Store: &exchangetest.Memory{}, Routes: s.w.Routes, Tickets: s.w.Tickets, Logger: slog.New(slog.NewTextHandler(&text, nil)),
		History: func(context.Context, time.Time, canon.ConversationID) iter.Seq2[canon.Message, error] {
			return func(yield func(canon.Message, error) bool) { yield(canon.Message{}, boom) }
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		if err := core.Deadlines(ctx, nil); err != nil {
			t.Errorf("Deadlines: %v", err)
		}
	})
	if !strings.Contains(text.String(), "broker down") {
		t.Error("the poller did not log the error")
	}
}
