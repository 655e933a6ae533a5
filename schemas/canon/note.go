package canon

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// A MessageState is where an AS4 message stands. The names are those of Domibus,
// which operators of access points know.
type MessageState string

// The states of messages.
const (
	MessageReadyToSend             MessageState = "READY_TO_SEND"             // accepted for sending, no attempt made
	MessageSendInProgress          MessageState = "SEND_IN_PROGRESS"          // an attempt is being made
	MessageWaitingForRetry         MessageState = "WAITING_FOR_RETRY"         // an attempt failed, the next one has a time
	MessageReadyToPull             MessageState = "READY_TO_PULL"             // waits until its receiver pulls it
	MessageBeingPulled             MessageState = "BEING_PULLED"              // handed to a puller
	MessageWaitingForReceipt       MessageState = "WAITING_FOR_RECEIPT"       // pulled, its receipt is awaited
	MessageAcknowledged            MessageState = "ACKNOWLEDGED"              // the signed receipt was checked
	MessageAcknowledgedWithWarning MessageState = "ACKNOWLEDGED_WITH_WARNING" // the peer holds it and says so without a receipt (AS4 brief c.1)
	MessageSendFailure             MessageState = "SEND_FAILURE"              // refused, attempts used up, or no agreement
	MessageReceived                MessageState = "RECEIVED"                  // taken from a peer, on the log
)

var outStates = []MessageState{
	MessageReadyToSend, MessageSendInProgress, MessageWaitingForRetry,
	MessageReadyToPull, MessageBeingPulled, MessageWaitingForReceipt,
	MessageAcknowledged, MessageAcknowledgedWithWarning, MessageSendFailure,
}

// MessageStates lists every state, outward ones first.
func MessageStates() []MessageState { return append(slices.Clone(outStates), MessageReceived) }

// Final reports that nothing follows by itself: only an operator's resend does.
func (s MessageState) Final() bool { return s.rank() > 0 }

// rank orders the states that end a series. That the peer holds a message stays
// true, whatever is said later of an attempt that overlapped.
func (s MessageState) rank() int {
	switch s {
	case MessageAcknowledged, MessageReceived:
		return 3
	case MessageAcknowledgedWithWarning:
		return 2
	case MessageSendFailure:
		return 1
	}
	return 0
}

// A MessageDirection says whether a message came or goes.
type MessageDirection string

// The directions.
const (
	MessageIn  MessageDirection = "in"
	MessageOut MessageDirection = "out"
)

// A MessageNote says where one AS4 message stood at one time. Notes are a memory
// for operators: nothing is decided by them, and what is lost of them is rebuilt
// from the log. A note holds no evidence and no person.
type MessageNote struct {
	AS4          string           `json:"as4"` // ebMS MessageId
	Direction    MessageDirection `json:"direction"`
	Peer         Participant      `json:"peer"`             // the other access point
	Action       string           `json:"action,omitempty"` // ebMS action, where it is known
	Conversation ConversationID   `json:"conversation,omitempty"`
	Exchange     ExchangeID       `json:"exchange,omitempty"`
	Message      MessageID        `json:"message,omitempty"` // the canonical message; of a test message none
	Kind         Kind             `json:"kind,omitempty"`
	State        MessageState     `json:"state"`
	Series       int              `json:"series,omitempty"`   // 0 for the first, one more for each resend by an operator
	Attempts     int              `json:"attempts,omitempty"` // made in this series
	Next         time.Time        `json:"next,omitzero"`      // when the next attempt is due
	At           time.Time        `json:"at"`                 // UTC, when the state came about
	Code         Code             `json:"code,omitempty"`
	Error        string           `json:"error,omitempty"` // ebMS error code, EBMS:nnnn
	Parts        int              `json:"parts,omitempty"` // payload parts
	Bytes        int64            `json:"bytes,omitempty"` // on the wire
}

// Limits of what a peer may make a note of.
const (
	maxNoteText  = 255       // ebMS MessageId, as the receiver takes it
	maxSeries    = 1_000_000 // resends
	maxNoteParts = 1 << 20   // parts
	maxNoteBytes = 1 << 50   // bytes
	maxAttempts  = 100_000   // attempts of a series
)

var ebmsCode = regexp.MustCompile(`^EBMS:[0-9]{4}$`)

// Validate names every fault of the note.
func (n MessageNote) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if n.AS4 == "" {
		fault("as4 is missing")
	}
	for name, s := range map[string]string{
		"as4": n.AS4, "peer scheme": n.Peer.Scheme, "peer id": n.Peer.ID, "action": n.Action,
		"conversation": string(n.Conversation), "exchange": string(n.Exchange), "message": string(n.Message),
	} {
		if len(s) > maxNoteText || !printable(s) {
			fault("%s is longer than %d bytes or not printable", name, maxNoteText)
		}
	}
	if n.Peer.ID == "" {
		fault("peer is missing")
	}
	switch n.Direction {
	case MessageIn:
		if n.State != MessageReceived {
			fault("state %.40q is not one of a message that came", n.State)
		}
	case MessageOut:
		if !slices.Contains(outStates, n.State) {
			fault("state %.40q is not one of a message that goes", n.State)
		}
	default:
		fault("direction %.40q is neither in nor out", n.Direction)
	}
	if _, known := newBody[n.Kind]; n.Kind != "" && !known {
		fault("kind %.40q is unknown", n.Kind)
	}
	if _, known := catalogue[n.Code]; n.Code != "" && !known {
		fault("code %.40q is not in the catalogue", n.Code)
	}
	if n.Error != "" && !ebmsCode.MatchString(n.Error) {
		fault("error %.40q is not an ebMS code", n.Error)
	}
	if n.At.IsZero() {
		fault("at is missing")
	}
	for name, bad := range map[string]bool{
		"series":   n.Series < 0 || n.Series > maxSeries,
		"attempts": n.Attempts < 0 || n.Attempts > maxAttempts,
		"parts":    n.Parts < 0 || n.Parts > maxNoteParts,
		"bytes":    n.Bytes < 0 || n.Bytes > maxNoteBytes,
	} {
		if bad {
			fault("%s is out of bounds", name)
		}
	}
	return errors.Join(faults...)
}

func printable(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return false
		}
	}
	return true
}

// Supersedes reports that n tells more of its message than old, whatever order
// they arrive in: a later series, within a series the state that ends it, else the
// later time and then the later attempt.
func (n MessageNote) Supersedes(old MessageNote) bool {
	if n.Series != old.Series {
		return n.Series > old.Series
	}
	if a, b := n.State.rank(), old.State.rank(); a != b {
		return a > b
	}
	if !n.At.Equal(old.At) {
		return n.At.After(old.At)
	}
	return n.Attempts > old.Attempts
}
