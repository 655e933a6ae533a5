package messagestest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/messages"
	"oncegate/schemas/canon"
)

// A Setup is an empty store under test.
type Setup struct {
	Store messages.Store
	Flush func()                // loses everything
	Pass  func(d time.Duration) // lets its time pass; nil where nobody can
	Term  time.Duration         // how long a message is kept
}

// Start is when the samples begin.
var Start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// Sample returns a note of an outward message: the i-th, a second after the one
// before it.
func Sample(i int, change ...func(*canon.MessageNote)) canon.MessageNote {
	n := canon.MessageNote{
		AS4: fmt.Sprintf("%08d@gate.example", i), Direction: canon.MessageOut,
		Peer: canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:LV", ID: "AP_LV_01"}, Action: "ExecuteQueryResponse",
		Conversation: canon.ConversationID(canon.DeriveUUID("conversation", fmt.Sprint(i/4))), Exchange: canon.ExchangeID(fmt.Sprint("x-", i/4)),
		Message: canon.Derive("", fmt.Sprint(i)), Kind: canon.KindEvidenceResponse,
		State: canon.MessageSendInProgress, Attempts: 1, At: Start.Add(time.Duration(i) * time.Second), Parts: 2, Bytes: 20_000,
	}
	for _, f := range change {
		f(&n)
	}
	return n
}

// State changes what a sample says.
func State(s canon.MessageState, later time.Duration) func(*canon.MessageNote) {
	return func(n *canon.MessageNote) { n.State, n.At = s, n.At.Add(later) }
}

// Series makes a sample one of a resend.
func Series(s int) func(*canon.MessageNote) { return func(n *canon.MessageNote) { n.Series = s } }

// Inward makes a sample one that came.
func Inward(n *canon.MessageNote) {
	n.Direction, n.State, n.Attempts, n.Action = canon.MessageIn, canon.MessageReceived, 0, "ExecuteQueryRequest"
	n.Kind = canon.KindEvidenceRequest
}

// Battery is what every messages.Store passes.
func Battery(t *testing.T, open func(t *testing.T) Setup) {
	for name, f := range map[string]func(*testing.T, Setup){
		"an unknown message":                       unknown,
		"the newest state, in whatever order":      anyOrder,
		"notes complete each other":                completed,
		"the history is bounded":                   bounded,
		"filters":                                  filters,
		"pages show every message once":            pages,
		"pages of one moment":                      oneMoment,
		"a foreign cursor is refused":              foreignCursor,
		"no partner writes into another's":         ownNames,
		"what has not ended":                       ongoing,
		"many write at once":                       concurrent,
		"what is lost is not whole":                whole,
		"a message is gone at the end of its term": term,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func (x Setup) note(t *testing.T, ns ...canon.MessageNote) {
	t.Helper()
	if err := x.Store.Note(t.Context(), ns...); err != nil {
		t.Fatal(err)
	}
}

func (x Setup) list(t *testing.T, q messages.Query) []string {
	t.Helper()
	var out []string
	for range 10_000 {
		p, err := x.Store.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range p.Messages {
			out = append(out, m.AS4)
		}
		if p.Next == "" {
			return out
		}
		q.Cursor = p.Next
	}
	t.Fatal("the list has no end")
	return nil
}

func ongoing(t *testing.T, x Setup) {
	count := func(want messages.Ongoing) {
		t.Helper()
		got, err := x.Store.Ongoing(t.Context())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	count(messages.Ongoing{})
	retry := State(canon.MessageWaitingForRetry, time.Minute)
	x.note(t, Sample(1), Sample(1, State(canon.MessageAcknowledged, time.Second)), Sample(5, Inward))
	count(messages.Ongoing{})
	x.note(t, Sample(2), Sample(2, retry), Sample(3), Sample(0, State(canon.MessageReadyToPull, 0)))
	count(messages.Ongoing{Oldest: Sample(2).At, States: map[canon.MessageState]int{
		canon.MessageWaitingForRetry: 1, canon.MessageSendInProgress: 1, canon.MessageReadyToPull: 1,
	}})
	x.note(t, Sample(2, State(canon.MessageSendFailure, time.Hour)))
	count(messages.Ongoing{Oldest: Sample(3).At, States: map[canon.MessageState]int{canon.MessageSendInProgress: 1, canon.MessageReadyToPull: 1}})
	x.note(t, Sample(2, Series(1), State(canon.MessageSendInProgress, 2*time.Hour))) // an operator resends it
	count(messages.Ongoing{Oldest: Sample(2).At, States: map[canon.MessageState]int{canon.MessageSendInProgress: 2, canon.MessageReadyToPull: 1}})
}

func ids(is ...int) (out []string) {
	for _, i := range is {
		out = append(out, Sample(i).AS4)
	}
	return out
}

func unknown(t *testing.T, x Setup) {
	for _, id := range []string{"", "nobody@gate.example", "a\nb"} {
		if _, err := x.Store.Get(t.Context(), id); !errors.Is(err, messages.ErrUnknown) {
			t.Errorf("Get(%q): %v, want ErrUnknown", id, err)
		}
	}
	if got := x.list(t, messages.Query{}); got != nil {
		t.Errorf("an empty store lists %v", got)
	}
	if err := x.Store.Note(t.Context()); err != nil {
		t.Errorf("noting nothing: %v", err)
	}
}

func anyOrder(t *testing.T, x Setup) {
	notes := []canon.MessageNote{
		Sample(1, State(canon.MessageReadyToSend, 0)),
		Sample(1, State(canon.MessageSendInProgress, time.Second)),
		Sample(1, State(canon.MessageSendFailure, 2*time.Second)),
		Sample(1, State(canon.MessageReadyToSend, 10*time.Second), Series(1)),
		Sample(1, State(canon.MessageAcknowledged, 11*time.Second), Series(1)),
		Sample(1, State(canon.MessageSendInProgress, 12*time.Second), Series(1)), // of a worker that was slow
	}
	for range 5 {
		rand.Shuffle(len(notes), func(i, j int) { notes[i], notes[j] = notes[j], notes[i] })
		x.note(t, notes[:2]...)
		x.note(t, notes[2:]...)
		m, err := x.Store.Get(t.Context(), notes[0].AS4)
		if err != nil {
			t.Fatal(err)
		}
		if m.State != canon.MessageAcknowledged || m.Series != 1 {
			t.Errorf("stands at %s of series %d, want ACKNOWLEDGED of 1", m.State, m.Series)
		}
		if len(m.Notes) != len(notes) { // also where they were noted before
			t.Errorf("history of %d notes, want %d", len(m.Notes), len(notes))
		}
		for i := 1; i < len(m.Notes); i++ {
			if m.Notes[i].At.Before(m.Notes[i-1].At) {
				t.Error("the history is not in order of time")
			}
		}
		for state, want := range map[canon.MessageState][]string{canon.MessageAcknowledged: ids(1), canon.MessageSendInProgress: nil, canon.MessageSendFailure: nil} {
			if got := x.list(t, messages.Query{Filter: messages.Filter{State: state}}); !cmp.Equal(got, want) {
				t.Errorf("in state %s: %v, want %v", state, got, want)
			}
		}
	}
}

func completed(t *testing.T, x Setup) {
	first := Sample(1)
	bare := canon.MessageNote{AS4: first.AS4, Direction: first.Direction, Peer: first.Peer, State: canon.MessageSendFailure,
		Attempts: 5, At: first.At.Add(time.Minute), Code: canon.CodePeerUnreachable, Error: "EBMS:0301"}
	x.note(t, first, bare)
	m, err := x.Store.Get(t.Context(), first.AS4)
	if err != nil {
		t.Fatal(err)
	}
	want := first
	want.State, want.Attempts, want.At, want.Code, want.Error = bare.State, bare.Attempts, bare.At, bare.Code, bare.Error
	if d := cmp.Diff(want, m.MessageNote); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func bounded(t *testing.T, x Setup) {
	for i := range 3 * messages.MaxHistory {
		x.note(t, Sample(1, State(canon.MessageWaitingForRetry, time.Duration(i)*time.Minute)))
	}
	m, err := x.Store.Get(t.Context(), Sample(1).AS4)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Notes) != messages.MaxHistory {
		t.Errorf("history of %d notes, want %d", len(m.Notes), messages.MaxHistory)
	}
	if want := Start.Add(time.Second + time.Duration(3*messages.MaxHistory-1)*time.Minute); !m.At.Equal(want) {
		t.Errorf("newest note of %v, want %v", m.At, want)
	}
}

func filters(t *testing.T, x Setup) {
	failed := Sample(4, State(canon.MessageSendFailure, time.Hour))
	x.note(t, Sample(0), Sample(1, State(canon.MessageAcknowledged, 0)), Sample(2, Inward), Sample(3), Sample(4), failed,
		Sample(5, func(n *canon.MessageNote) { n.Peer.ID = "AP_FI_01" }))
	one := Sample(0)
	for name, c := range map[string]struct {
		f    messages.Filter
		want []string
	}{
		"all, newest change first": {messages.Filter{}, ids(4, 5, 3, 2, 1, 0)},
		"state":                    {messages.Filter{State: canon.MessageSendInProgress}, ids(5, 3, 0)},
		"a state that none has":    {messages.Filter{State: canon.MessageReadyToPull}, nil},
		"direction":                {messages.Filter{Direction: canon.MessageIn}, ids(2)},
		"peer by id":               {messages.Filter{Peer: "AP_FI_01"}, ids(5)},
		"peer with scheme":         {messages.Filter{Peer: one.Peer.String()}, ids(4, 3, 2, 1, 0)},
		"action":                   {messages.Filter{Action: "ExecuteQueryRequest"}, ids(2)},
		"conversation":             {messages.Filter{Conversation: one.Conversation}, ids(3, 2, 1, 0)},
		"exchange":                 {messages.Filter{Exchange: "x-1"}, ids(4, 5)},
		"an exchange of nobody":    {messages.Filter{Exchange: "x-9"}, nil},
		"message id":               {messages.Filter{AS4: one.AS4}, ids(0)},
		"two of them":              {messages.Filter{Conversation: one.Conversation, State: canon.MessageAcknowledged}, ids(1)},
		"since":                    {messages.Filter{Since: Start.Add(3 * time.Second)}, ids(4, 5, 3)},
		"until":                    {messages.Filter{Until: Start.Add(3 * time.Second)}, ids(2, 1, 0)},
		"between, by state":        {messages.Filter{State: canon.MessageSendInProgress, Since: Start.Add(time.Second), Until: Start.Add(4 * time.Second)}, ids(3)},
	} {
		for _, limit := range []int{0, 1, 2} {
			if d := cmp.Diff(c.want, x.list(t, messages.Query{Filter: c.f, Limit: limit})); d != "" {
				t.Errorf("%s, %d a page (-want +got):\n%s", name, limit, d)
			}
		}
	}
}

func pages(t *testing.T, x Setup) {
	const n = 503
	var notes []canon.MessageNote
	var want []string
	for i := range n {
		notes = append(notes, Sample(i))
		want = append(want, Sample(n-1-i).AS4)
	}
	rand.Shuffle(n, func(i, j int) { notes[i], notes[j] = notes[j], notes[i] })
	x.note(t, notes...)
	for _, limit := range []int{7, 100, messages.MaxLimit + 1} {
		if d := cmp.Diff(want, x.list(t, messages.Query{Limit: limit})); d != "" {
			t.Errorf("%d a page (-want +got):\n%s", limit, d)
		}
	}
}

func oneMoment(t *testing.T, x Setup) {
	const n = 450
	var notes []canon.MessageNote
	for i := range n {
		notes = append(notes, Sample(i, func(n *canon.MessageNote) { n.At = Start }))
	}
	x.note(t, notes...)
	seen := map[string]int{}
	for _, id := range x.list(t, messages.Query{Limit: 40}) {
		seen[id]++
	}
	if len(seen) != n {
		t.Errorf("%d messages, want %d", len(seen), n)
	}
	for id, times := range seen {
		if times > 1 {
			t.Errorf("%s shows %d times", id, times)
		}
	}
}

func foreignCursor(t *testing.T, x Setup) {
	x.note(t, Sample(1))
	for _, c := range []string{"x", "AAAA", messages.Place{At: 1, Key: "short"}.String()} {
		_, err := x.Store.List(t.Context(), messages.Query{Cursor: c})
		if f, ok := errors.AsType[*canon.Fault](err); !ok || f.Code != canon.CodeBadInput {
			t.Errorf("cursor %q: %v, want %s", c, err, canon.CodeBadInput)
		}
	}
}

func ownNames(t *testing.T, x Setup) {
	ours := Sample(1, State(canon.MessageSendFailure, 0))
	echo := Sample(1, Inward, func(n *canon.MessageNote) { n.At = n.At.Add(time.Hour) })
	other := Sample(1, Inward, func(n *canon.MessageNote) { n.Peer.ID, n.At = "AP_FI_01", n.At.Add(2*time.Hour) })
	x.note(t, ours, echo, other)
	m, err := x.Store.Get(t.Context(), ours.AS4)
	if err != nil {
		t.Fatal(err)
	}
	if m.Direction != canon.MessageOut || len(m.Notes) != 1 {
		t.Errorf("Get returns %s with %d notes, want ours alone", m.Direction, len(m.Notes))
	}
	if got := x.list(t, messages.Query{Filter: messages.Filter{AS4: ours.AS4}}); len(got) != 3 {
		t.Errorf("%d messages have the id, want 3", len(got))
	}
}

func concurrent(t *testing.T, x Setup) {
	var g sync.WaitGroup
	for w := range 8 {
		g.Go(func() {
			for i := range 20 {
				if err := x.Store.Note(context.Background(), Sample(i, State(canon.MessageSendInProgress, time.Duration(w)*time.Millisecond))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	g.Wait()
	if got := x.list(t, messages.Query{}); len(got) != 20 {
		t.Errorf("%d messages, want 20", len(got))
	}
	m, err := x.Store.Get(t.Context(), Sample(3).AS4)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Notes) != 8 {
		t.Errorf("%d notes of one message, want 8", len(m.Notes))
	}
}

func whole(t *testing.T, x Setup) {
	ask := func(want bool) {
		t.Helper()
		if got, err := x.Store.Whole(t.Context()); err != nil || got != want {
			t.Fatalf("whole: %v, %v, want %v", got, err, want)
		}
	}
	mark := func() {
		t.Helper()
		if err := x.Store.MarkWhole(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ask(false)
	x.note(t, Sample(1))
	mark()
	ask(true)
	x.Flush()
	ask(false)
	x.Flush()
	mark() // of a recovery that was lost meanwhile
	ask(false)
	mark()
	ask(true)
	if err := x.Store.MarkLost(t.Context()); err != nil {
		t.Fatal(err)
	}
	mark() // of a recovery that began before
	ask(false)
	mark()
	ask(true)
	if _, err := x.Store.Get(t.Context(), Sample(1).AS4); !errors.Is(err, messages.ErrUnknown) {
		t.Errorf("after a flush: %v, want ErrUnknown", err)
	}
}

func term(t *testing.T, x Setup) {
	if x.Pass == nil {
		t.Skip("nobody can let this store's time pass")
	}
	x.note(t, Sample(1), Sample(2))
	x.Pass(x.Term / 2)
	x.note(t, Sample(2, State(canon.MessageAcknowledged, time.Second)))
	x.Pass(x.Term/2 + time.Second)
	if _, err := x.Store.Get(t.Context(), Sample(1).AS4); !errors.Is(err, messages.ErrUnknown) {
		t.Errorf("past its term: %v, want ErrUnknown", err)
	}
	if got := x.list(t, messages.Query{}); !cmp.Equal(got, ids(2)) {
		t.Errorf("listed: %v, want %v", got, ids(2))
	}
	if _, err := x.Store.Get(t.Context(), Sample(2).AS4); err != nil {
		t.Errorf("within its term: %v", err)
	}
}
