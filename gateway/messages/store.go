package messages

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"oncegate/schemas/canon"
)

// ErrUnknown is returned by a Store that holds no note of such a message.
var ErrUnknown = errors.New("unknown message")

// MaxHistory is how many notes of one message are kept, the newest ones.
const MaxHistory = 64

// A Message is one AS4 message: the note that tells most of it, completed by what
// only others of its notes say, and all that are kept, in order of time.
type Message struct {
	canon.MessageNote
	Notes []canon.MessageNote `json:"notes"`
}

// A Filter says which messages are meant. Unset fields mean any.
type Filter struct {
	AS4          string
	Direction    canon.MessageDirection
	State        canon.MessageState
	Peer         string // its id, or scheme::id
	Action       string
	Conversation canon.ConversationID
	Exchange     canon.ExchangeID
	Since        time.Time // changed at or after
	Until        time.Time // changed before
}

// Match reports whether a message that stands as n says is meant. It does not look
// at times: a store knows the last change.
func (f Filter) Match(n canon.MessageNote) bool {
	return (f.AS4 == "" || f.AS4 == n.AS4) &&
		(f.Direction == "" || f.Direction == n.Direction) &&
		(f.State == "" || f.State == n.State) &&
		(f.Peer == "" || f.Peer == n.Peer.ID || f.Peer == n.Peer.String()) &&
		(f.Action == "" || f.Action == n.Action) &&
		(f.Conversation == "" || f.Conversation == n.Conversation) &&
		(f.Exchange == "" || f.Exchange == n.Exchange)
}

// A Query asks for one page.
type Query struct {
	Filter
	Limit  int    // Default: 50; at most 1000.
	Cursor string // Page.Next of the page before; empty for the first
}

// MaxLimit bounds a page.
const MaxLimit = 1000

// Size is how many messages the page has at most.
func (q Query) Size() int {
	if q.Limit <= 0 {
		return 50
	}
	return min(q.Limit, MaxLimit)
}

// A Page is a part of the list, newest change first. It may be short, or empty, and
// still have a next one: a store looks at a bounded number of messages for one page.
type Page struct {
	Messages []canon.MessageNote
	Next     string // empty on the last page
}

// A Reader finds messages.
type Reader interface {
	// Get returns the message with this MessageId, or ErrUnknown. Where several
	// have it, for the id is the peer's own choice, that is the one that went out,
	// else the one that changed last; List shows them all.
	Get(ctx context.Context, as4 string) (*Message, error)
	// List returns a page. A message that changes between two pages may show twice.
	List(ctx context.Context, q Query) (Page, error)
}

// A Store keeps notes for its term. It may lose all of them at once. Notes may come
// late, twice and in any order: Get and List tell the same at last. Two
// implementations pass one battery (messagestest): memory and Redis.
type Store interface {
	Reader
	// Ongoing counts what has not ended. It looks at MaxOngoing messages of each
	// state, those that changed longest ago.
	Ongoing(ctx context.Context) (Ongoing, error)
	// Note keeps notes that are valid (canon.MessageNote.Validate).
	Note(ctx context.Context, ns ...canon.MessageNote) error
	// Whole reports whether MarkWhole was called since the store was last empty.
	Whole(ctx context.Context) (bool, error)
	// MarkWhole records that what the log tells was noted. It does nothing where
	// the store was emptied, or MarkLost was called, after Whole was asked last.
	MarkWhole(ctx context.Context) error
	// MarkLost records that notes were lost: it is not whole any more.
	MarkLost(ctx context.Context) error
}

// Ongoing is what of our messages has no final state yet.
type Ongoing struct {
	States map[canon.MessageState]int
	// Oldest is the first note of the one that was noted first; zero where there is
	// none. A message that a partner may fetch when it likes does not count.
	Oldest time.Time
}

// MaxOngoing is how many messages Ongoing looks at in each state.
const MaxOngoing = 1000

// Add counts a message.
func (o *Ongoing) Add(m Message) {
	if len(m.Notes) == 0 || m.Direction != canon.MessageOut || m.State.Final() {
		return
	}
	if o.States == nil {
		o.States = map[canon.MessageState]int{}
	}
	o.States[m.State]++
	if at := m.Notes[0].At; m.State != canon.MessageReadyToPull && (o.Oldest.IsZero() || at.Before(o.Oldest)) {
		o.Oldest = at
	}
}

// Fold makes one message of its notes, whatever their order.
func Fold(notes []canon.MessageNote) Message {
	notes = slices.Clone(notes)
	slices.SortStableFunc(notes, func(a, b canon.MessageNote) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Series, b.Series), cmp.Compare(a.Attempts, b.Attempts))
	})
	notes = slices.CompactFunc(notes, same)
	if len(notes) == 0 {
		return Message{}
	}
	m := Message{MessageNote: notes[0], Notes: notes}
	for _, n := range notes[1:] {
		if n.Supersedes(m.MessageNote) {
			m.MessageNote = n
		}
	}
	for _, n := range notes {
		set(&m.Action, n.Action)
		set(&m.Conversation, n.Conversation)
		set(&m.Exchange, n.Exchange)
		set(&m.Message, n.Message)
		set(&m.Kind, n.Kind)
		set(&m.Parts, n.Parts)
		set(&m.Bytes, n.Bytes)
	}
	return m
}

// same reports that two notes, next to each other in time, tell one thing: the log
// told again what the sender had noted. A series ends once.
func same(a, b canon.MessageNote) bool {
	return a.State == b.State && a.Series == b.Series && (a.State.Final() || a.Attempts == b.Attempts && a.At.Equal(b.At))
}

func set[T comparable](to *T, v T) {
	var zero T
	if *to == zero {
		*to = v
	}
}

// Key names the message of a note: who chose the MessageId takes part in the name,
// so that no partner writes into the history of another, or of ours.
func Key(n canon.MessageNote) string {
	return hash(string(n.Direction), n.Peer.Scheme, n.Peer.ID, n.AS4)
}

func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(strconv.AppendInt(nil, int64(len(p)), 10))
		h.Write([]byte{':'})
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// A Place is where a message stands in the list: its last change in milliseconds,
// then its key.
type Place struct {
	At  int64
	Key string
}

// PlaceOf is the place that a note gives its message, unless a later one does.
func PlaceOf(n canon.MessageNote) Place { return Place{n.At.UnixMilli(), Key(n)} }

// Before reports that p comes before o in the list.
func (p Place) Before(o Place) bool {
	if p.At != o.At {
		return p.At > o.At
	}
	return p.Key > o.Key
}

// String is the cursor of a page that ended at p.
func (p Place) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.At, 10) + " " + p.Key))
}

// ParsePlace reads a cursor; a foreign one is a Fault.
func ParsePlace(cursor string) (Place, error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		at, key, _ := strings.Cut(string(raw), " ")
		ms, err := strconv.ParseInt(at, 10, 64)
		if _, bad := hex.DecodeString(key); err == nil && bad == nil && len(key) == 2*sha256.Size {
			return Place{ms, key}, nil
		}
	}
	return Place{}, canon.NewFault(canon.CodeBadInput, nil, "cursor is not one that a page gave")
}
