package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// Evidence waits for its portal no longer than Keep, whatever dies on the way
// (Reg. 2018/1724 Art. 14(3)(i)).
//
// Covers: B-034, B-041
func TestDeliveredEvidenceIsForgottenAtItsTerm(t *testing.T) {
	for _, tc := range []struct {
		name  string
		crash bool // before the key was destroyed
		lose  bool // the store, before and after
	}{
		{"undisturbed", false, false},
		{"the process dies before the key is gone", true, false},
		{"the store is lost", false, true},
		{"both", true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := paths["requester receives"]
			s := p.side(t)
			r, _ := play(t, s, p.words, p.path, false)
			spent := []bool{}
			r.onFinal = func(c *exchange.Conversation) { spent = append(spent, c.Spent()) }
			again := s.response() // evidence that comes again changes nothing
			r.handle(again)
			if len(spent) != 1 || spent[0] {
				t.Fatalf("spent before its term: %v", spent)
			}
			m := s.deadline()
			if tc.lose {
				r.store.Flush()
			}
			if tc.crash {
				r.fail = errors.New("keyring is down")
				if _, err := r.core.Handle(t.Context(), m); !errors.Is(err, r.fail) {
					t.Fatalf("got error %v, want that of OnFinal", err)
				}
				r.fail = nil
				if tc.lose {
					r.store.Flush()
				}
			}
			out := r.handle(m)
			if kinds(out) != "" || steps(out) != "exchange.forgotten" {
				t.Errorf("says %q (%s), want exchange.forgotten alone", kinds(out), steps(out))
			}
			keepsContract(t, s.id, out)
			if c := r.get(s.id); c.Phase != exchange.Delivered || c.Timer != "" || !spent[len(spent)-1] {
				t.Errorf("got %s with timer %q, spent %v; want it delivered and spent", c.Phase, c.Timer, spent)
			}
		})
	}
}

// A portal that closed its exchange has forgotten already: the term has nothing
// to record.
func TestTheTermOfAForgottenExchangeIsSilent(t *testing.T) {
	s := requesterSide(t)
	for _, w := range []string{"first", "preview", "second", "evidence"} {
		s.step(requesterWords()[w](s))
	}
	s.c = closed(t, s.c)
	if out := s.step(s.deadline()); len(out) != 0 || s.c.Timer != "" {
		t.Errorf("says %s, timer %q; want nothing and none", steps(out), s.c.Timer)
	}
}

// An answer of which nothing is heard, because it lies in the dead letters, does
// not keep the person's data for ever, and there is never a second answer.
func TestAnAnswerWithoutReceiptEnds(t *testing.T) {
	s := providerSide(t)
	words := providerWords()
	for _, w := range []string{"first", "second", "person", "found", "approve"} {
		s.step(words[w](s))
	}
	s.at = s.c.Due.Add(time.Hour)
	for name, word := range words {
		if name == "answer arrived" || name == "answer lost" || name == "deadline" {
			continue
		}
		if out := s.step(word(s)); s.c.Phase != exchange.Answered {
			t.Fatalf("%s after the term says %q and leads to %s", name, kinds(out), s.c.Phase)
		}
	}
	out := s.step(s.deadline())
	if s.c.Phase != exchange.Failed || kinds(out) != "" || !s.c.Spent() {
		t.Errorf("got %s saying %q, want failed, silently", s.c.Phase, kinds(out))
	}
}

// Conversations whose partition stands still do not keep the deadlines of others
// from being told.
func TestDeadlinesBehindAStandingPartitionAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := requesterSide(t)
		r := newRig(t, s, time.Now)
		const many = 700
		for i := range many {
			s.id = canon.OwnConversation("portal", fmt.Sprint("key-", i))
			s.at = time.Now()
			r.handle(s.request(canon.StepFirst, ""))
		}
		ctx, stop := context.WithCancel(t.Context())
		told := map[canon.ConversationID]bool{}
		done := make(chan error)
		go func() {
			done <- r.core.Deadlines(ctx, func(_ context.Context, ms ...canon.Message) error {
				for _, m := range ms {
					told[m.Conversation] = true
				}
				return nil
			})
		}()
		time.Sleep(6*time.Minute + 10*time.Second)
		synctest.Wait()
		stop()
		if err := <-done; err != nil || len(told) != many {
			t.Errorf("told of %d (error %v), want %d", len(told), err, many)
		}
	})
}

// An answer that could not be delivered is kept for a resend as long as it would
// have waited for its receipt; a later receipt ends the exchange as it was decided.
func TestAnAnswerThatFailedWaitsForAResend(t *testing.T) {
	for name, tc := range map[string]struct {
		then string
		want exchange.Phase
		says string
	}{
		"it arrives":        {"answer arrived", exchange.Delivered, "answer.acknowledged"},
		"nobody resends it": {"deadline", exchange.Failed, "exchange.forgotten"},
	} {
		t.Run(name, func(t *testing.T) {
			s, words := providerSide(t), providerWords()
			for _, w := range []string{"first", "second", "person", "found", "approve"} {
				s.step(words[w](s))
			}
			due := s.c.Due
			s.step(words["answer lost"](s))
			s.step(words["answer lost"](s)) // a resend, in vain
			if s.c.Phase != exchange.Failed || s.c.Code == "" || s.c.Spent() || !s.c.Due.Equal(due) {
				t.Fatalf("%s with code %q, spent %v, due %v; want it failed, kept and due %v", s.c.Phase, s.c.Code, s.c.Spent(), s.c.Due, due)
			}
			out := s.step(words[tc.then](s))
			if s.c.Phase != tc.want || steps(out) != tc.says || !s.c.Spent() {
				t.Errorf("%s, says %q, spent %v; want %s, %q, spent", s.c.Phase, steps(out), s.c.Spent(), tc.want, tc.says)
			}
			if tc.want == exchange.Delivered && s.c.Code != "" {
				t.Errorf("delivered with code %s", s.c.Code)
			}
			// What comes later meets an exchange that is over.
			before := *s.c
			if s.step(words["answer lost"](s)); s.c.Phase != before.Phase || !s.c.Spent() {
				t.Errorf("a later failure leads to %s", s.c.Phase)
			}
		})
	}
}
