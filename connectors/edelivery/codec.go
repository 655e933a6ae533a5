package edelivery

import (
	"context"
	"io"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

// Incoming is a verified user message with its clear parts.
type Incoming struct {
	Header ebms.UserMessage
	Parts  []Part // in the order of the header's PartInfo
	Now    time.Time
}

// A Part is one payload in clear: decrypted, verified and decompressed on the
// way in; not yet compressed on the way out.
type Part struct {
	ID         string // Content-ID without angle brackets
	MediaType  string // the part property MimeType
	Properties []ebms.Property
	Size       int64 // clear bytes; -1 where an outgoing part does not know
	Open       func() (io.ReadCloser, error)
}

// Outgoing is what Encode makes: header fields and parts. The access point adds
// ids, parties, service, security and transport.
type Outgoing struct {
	Action         string
	OriginalSender canon.Participant
	FinalRecipient canon.Participant
	Properties     []ebms.Property // besides originalSender and finalRecipient
	ConversationID string
	RefToMessageID string // of the message that this one answers; empty for the first of an exchange
	Parts          []Part // the part property MimeType is added from MediaType
	// Check judges the header that the access point made of this and of its agreement.
	// Default none. What it refuses does not leave; its words name rules, never a person.
	Check func(*ebms.UserMessage) error
}

// A Codec translates between user messages and canonical messages. It is pure
// but for the payload store: the same input gives messages with the same ids,
// and the same outgoing bytes.
type Codec interface {
	// Decode returns the canonical messages that the user message means. A message
	// that cannot be read as its action claims yields the refusal to send back as a
	// message, not an error. Parts are open only during the call.
	Decode(ctx context.Context, in Incoming, payloads canon.Payloads) ([]canon.Message, error)
	// Encode returns ok=false for messages that do not travel.
	Encode(ctx context.Context, m canon.Message, payloads canon.Payloads) (out Outgoing, ok bool, err error)
}
