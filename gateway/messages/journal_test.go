package messages_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"oncegate/gateway/messages"
	"oncegate/gateway/messages/messagestest"
	"oncegate/schemas/canon"
)

// failing breaks a store.
type failing struct {
	messages.Store
	hold chan struct{} // Note waits for it, where set
	err  error
}

func (f *failing) Note(ctx context.Context, ns ...canon.MessageNote) error {
	if f.hold != nil {
		<-f.hold
	}
	if f.err != nil {
		return f.err
	}
	return f.Store.Note(ctx, ns...)
}

func memory() *messagestest.Memory { return messagestest.NewMemory(time.Now, time.Hour) }

func TestJournalKeepsWhatWaitsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, seen := memory(), 0
		j, err := messages.NewJournal(messages.JournalConfig{Store: store, Observe: func(canon.MessageNote) { seen++ }})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			if err := j.Note(t.Context(), messagestest.Sample(i)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := j.Run(ctx); err != nil {
			t.Fatal(err)
		}
		p, err := store.List(t.Context(), messages.Query{Limit: 1000})
		if err != nil || len(p.Messages) != 1000 || seen != 1000 {
			t.Errorf("%d kept, %d observed, %v; want 1000 of both", len(p.Messages), seen, err)
		}
	})
}

func TestJournalNeverWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, lost := &failing{Store: memory(), hold: make(chan struct{})}, 0
		j, err := messages.NewJournal(messages.JournalConfig{Store: store, Queue: 10, Lost: func(n int) { lost += n }})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 25 { // nobody runs it: 10 wait, 15 are given up
			if err := j.Note(t.Context(), messagestest.Sample(i)); err != nil {
				t.Fatal(err)
			}
		}
		if lost != 15 {
			t.Errorf("%d lost, want 15", lost)
		}
		store.err = errors.New("no memory")
		close(store.hold)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := j.Run(ctx); err != nil || lost != 25 {
			t.Errorf("%d lost, %v; want all 25 and no error", lost, err)
		}
	})
}

// What is lost makes the store ask the log again.
func TestJournalTellsTheStoreOfItsLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Store: memory()}
		whole := func() bool {
			t.Helper()
			w, err := store.Whole(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		whole()
		if err := store.MarkWhole(t.Context()); err != nil {
			t.Fatal(err)
		}
		j, err := messages.NewJournal(messages.JournalConfig{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		run := func() {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := errors.Join(j.Note(ctx, messagestest.Sample(1)), j.Run(ctx)); err != nil {
				t.Fatal(err)
			}
		}
		run()
		if !whole() {
			t.Error("nothing was lost, and the store is not whole")
		}
		store.err = errors.New("no memory")
		run()
		if !whole() {
			t.Error("a store that does not answer was told")
		}
		store.err = nil
		run()
		if whole() {
			t.Error("a note was lost, and the store is whole")
		}
		if err := store.MarkWhole(t.Context()); err != nil { // by a recovery
			t.Fatal(err)
		}
		run()
		if !whole() {
			t.Error("the loss was told twice")
		}
	})
}

func TestJournalRefusesWhatIsNoNote(t *testing.T) {
	j, err := messages.NewJournal(messages.JournalConfig{Store: memory()})
	if err != nil {
		t.Fatal(err)
	}
	bad := messagestest.Sample(1, func(n *canon.MessageNote) { n.Error = "EBMS:0004 Aino" })
	if err := j.Note(t.Context(), bad); canon.AsFault(err).Code != canon.CodeInternal {
		t.Errorf("%v, want %s", err, canon.CodeInternal)
	}
	if _, err := messages.NewJournal(messages.JournalConfig{}); err == nil {
		t.Error("a journal without a store was made")
	}
}
