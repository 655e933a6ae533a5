package canon

import (
	"context"
	"io"
	"time"
)

// A Message is one fact on the log.
type Message struct {
	ID           MessageID      // derived from Cause and the step, so the same work yields the same ID
	Kind         Kind           // names the schema and the topic; equals Body.Kind()
	Conversation ConversationID // the partition key
	Cause        MessageID      // empty at the edge
	At           time.Time      // UTC, when the fact came about
	Trace        string         // W3C traceparent, empty where none is known
	ReplayOf     MessageID      // set by a replay: the message that is sent again
	Series       int            // set by an operator's resend to a peer: which one, from 1; 0 for the first sending
	Body         Body           // a pointer to one of the body types of this package
}

// Follow returns a message that follows from cause: same conversation and
// trace, an id derived from the cause and the step.
func Follow(cause Message, step string, at time.Time, body Body) Message {
	return Message{
		ID:           Derive(cause.ID, step),
		Kind:         body.Kind(),
		Conversation: cause.Conversation,
		Cause:        cause.ID,
		At:           at.UTC(),
		Trace:        cause.Trace,
		Body:         body,
	}
}

// Every worker (core, AS4 sender, register) is a Handler.
// The messages it returns are published before the input is acknowledged.
// It may be called again with the same message and must then return messages
// with the same ids. What it says in private of a conversation whose key was
// forgotten is left out. An error means "could not decide": a Fault of kind
// Invalid ends in the dead letters, Unavailable is tried again in place, anything
// else stops the partition.
type Handler func(ctx context.Context, m Message) ([]Message, error)

// Publish returns nil only when every message is durable on the log.
type Publish func(ctx context.Context, ms ...Message) error

// A Sealer encrypts under the key of a conversation. Gateway/payload has the one
// implementation; the log's codec and the stores use it.
type Sealer interface {
	// Seal makes the conversation's key if there is none yet.
	Seal(ctx context.Context, id ConversationID, associated, plain []byte) (Box, error)
	// Open returns ErrForgotten once the conversation's key was forgotten.
	Open(ctx context.Context, id ConversationID, associated []byte, box Box) ([]byte, error)
}

// Payloads keeps evidence bytes outside the messages, sealed under the key of
// the conversation.
type Payloads interface {
	// Put stores all of r. The same bytes put twice in one conversation give
	// references with the same digest, and either opens.
	Put(ctx context.Context, id ConversationID, mediaType string, r io.Reader) (PayloadRef, error)
	// Open returns the bytes; no byte is handed out before its seal was checked.
	// It returns ErrForgotten once the conversation's key was forgotten.
	Open(ctx context.Context, id ConversationID, ref PayloadRef) (io.ReadCloser, error)
}

// A PayloadRef says where evidence bytes are and what they must be.
type PayloadRef struct {
	Digest    string `json:"digest"`    // "sha256:" and 64 hex digits, over the clear bytes
	MediaType string `json:"mediaType"` // of the clear bytes
	Size      int64  `json:"size"`      // clear bytes
	Store     string `json:"store"`     // which store: "kafka", "files"
	Where     string `json:"where"`     // the store's own locator
}
