package exchange

import (
	"context"
	"errors"
	"time"

	"oncegate/schemas/canon"
)

// A Role says on which side of an exchange this deployment stands.
type Role string

// The roles.
const (
	Requester Role = "requester" // an authority of ours asked
	Provider  Role = "provider"  // another Member State asks us
)

// A Phase is the state of a conversation. The diagrams stand above Next.
type Phase string

// Phases of a requester's conversation.
const (
	Asked          Phase = "asked"           // request 1 is on its way, no answer yet (T1)
	PreviewOffered Phase = "preview-offered" // both roles: a preview location was given (T2)
	Continued      Phase = "continued"       // requester: request 2 is on its way, the person previews (T3)
)

// Phases of a provider's conversation; PreviewOffered as above.
const (
	Querying Phase = "querying" // the register was asked
	Held     Phase = "held"     // evidence is here, the person decides (T3)
	Decided  Phase = "decided"  // the outcome is fixed, request 2 has not come yet
	Answered Phase = "answered" // the answer is on its way, no receipt yet (retention)
)

// Final phases of both roles.
const (
	Delivered Phase = "delivered"
	Declined  Phase = "declined"  // the person said no: an empty list, not an error
	Deferred  Phase = "deferred"  // there will be evidence, at a time that is shown: not an error
	Withdrawn Phase = "withdrawn" // the person took the request back before anything was released
	Refused   Phase = "refused"   // an error of list EDMErrorCodes, or a rule of ours
	ExpiredP  Phase = "expired"   // a deadline passed, here or there (EDM:ERR:0005)
	Failed    Phase = "failed"    // could not be sent; an answer that waits for a resend has its retention timer
)

// Final reports whether nothing follows any more.
func (p Phase) Final() bool {
	switch p {
	case Delivered, Declined, Deferred, Withdrawn, Refused, ExpiredP, Failed:
		return true
	}
	return false
}

// A Conversation is what the core remembers of one exchange. Its open part says
// nothing of a person; the private part is sealed in every store.
type Conversation struct {
	ID              canon.ConversationID     `json:"id"`
	Role            Role                     `json:"role"`
	Phase           Phase                    `json:"phase"`
	Exchange        canon.ExchangeID         `json:"exchange"`
	Session         canon.SessionID          `json:"session"`
	Specification   string                   `json:"specification"`
	Portal          string                   `json:"portal,omitempty"` // requester: which authority of ours
	Procedure       string                   `json:"procedure"`
	Requirements    []canon.Requirement      `json:"requirements,omitempty"`
	EvidenceType    canon.EvidenceType       `json:"evidenceType"`
	Requester       canon.Agent              `json:"requester"`
	Provider        canon.Agent              `json:"provider"`
	Intermediaries  []canon.Agent            `json:"intermediaries,omitempty"`
	Language        string                   `json:"language,omitempty"` // that the person prefers
	Choices         []canon.Choice           `json:"choices,omitempty"`  // requester: how it came to this evidence and this provider
	Own             canon.Participant        `json:"own,omitzero"`       // our access point
	Peer            canon.Participant        `json:"peer,omitzero"`      // the other access point
	Register        string                   `json:"register,omitempty"`
	First           canon.RequestID          `json:"first,omitempty"`     // id of request 1
	Second          canon.RequestID          `json:"second,omitempty"`    // id of request 2
	FirstAS4        string                   `json:"firstAs4,omitempty"`  // provider: ebMS MessageId of request 1, which the answer names
	SecondAS4       string                   `json:"secondAs4,omitempty"` // provider: that of request 2
	PreviewPossible bool                     `json:"previewPossible"`
	ExplicitRequest canon.ExplicitRequest    `json:"explicitRequest"`
	Waived          string                   `json:"waived,omitempty"`         // the provision that lets us skip the preview
	LegalBasis      string                   `json:"legalBasis,omitempty"`     // provision under which evidence may be exchanged for the procedure
	Route           string                   `json:"route,omitempty"`          // name of the configured route, or the key of one from the directory
	Representation  string                   `json:"representation,omitempty"` // natural, legal, natural-and-legal: somebody acts for the person
	PersonSeen      bool                     `json:"personSeen,omitempty"`     // provider: the person opened the preview and matched
	Back            string                   `json:"back,omitempty"`           // provider: the way back, sealed under the ticket key (preview.Tickets)
	Record          canon.PayloadRef         `json:"record,omitzero"`          // provider: the canonical record, as RegisterRecord.Record
	Documents       []canon.Document         `json:"documents,omitempty"`
	Decisions       []canon.DocumentDecision `json:"decisions,omitempty"`
	Sent            canon.MessageID          `json:"sent,omitempty"`      // our message to the peer whose receipt would end or fail this phase
	Outcome         Phase                    `json:"outcome,omitempty"`   // provider: the final phase that Decided and Answered lead to
	Code            canon.Code               `json:"code,omitempty"`      // why it was refused, expired or failed
	ErrorCode       string                   `json:"errorCode,omitempty"` // EDM:ERR:nnnn
	Detail          string                   `json:"detail,omitempty"`
	Finding         Finding                  `json:"finding,omitempty"`    // requester: in what the answer differs from the request
	AvailableAt     time.Time                `json:"availableAt,omitzero"` // with Deferred
	Passed          int                      `json:"passed,omitempty"`     // messages that changed nothing and are remembered, so that they never will
	OpenedAt        time.Time                `json:"openedAt"`
	UpdatedAt       time.Time                `json:"updatedAt"`
	Timer           string                   `json:"timer,omitempty"` // T1, T2, T3, retention; empty when none runs
	Due             time.Time                `json:"due,omitzero"`    // when the timer runs out
	Private         canon.Sealed[Private]    `json:"private,omitzero"`
}

// Spent reports that nothing sealed under the conversation's key is needed any
// more: it has ended, and no evidence waits for a portal of ours or for a resend,
// or not any longer. Evidence that was delivered and could not be accepted is spent too. The deployment forgets
// the key then (Reg. 2018/1724 Art. 14(3)(i)).
func (c *Conversation) Spent() bool {
	return c.Phase.Final() && c.Timer == ""
}

// Private is the private part of a Conversation.
type Private struct {
	Subject         canon.Subject         `json:"subject,omitzero"`
	Representative  canon.Representative  `json:"representative,omitzero"`
	Concepts        []canon.ConceptAnswer `json:"concepts,omitempty"`
	PreviewLocation string                `json:"previewLocation,omitempty"`
	PreviewMethod   string                `json:"previewMethod,omitempty"` // requester, up to EDM 1.2: POST or PUT; empty means GET
	ReturnLocation  string                `json:"returnLocation,omitempty"`
}

// Admits reports whether who authenticated may see and decide at the preview: the
// person of the request, or who acts for them (TDD 4.9).
func (p Private) Admits(who canon.Subject) bool {
	return p.Subject.Matches(who) ||
		p.Representative.Natural != nil && (canon.Subject{Natural: p.Representative.Natural}).Matches(who) ||
		p.Representative.Legal != nil && (canon.Subject{Legal: p.Representative.Legal}).Matches(who)
}

// ErrUnknown is returned by a Store that holds no such conversation.
var ErrUnknown = errors.New("unknown conversation")

// A Reader is what pages and the API need of the conversations. Core is one that
// also finds what the store lost.
type Reader interface {
	// Get returns ErrUnknown when there is no such conversation.
	Get(ctx context.Context, id canon.ConversationID) (*Conversation, error)
	// List returns conversations by last change, newest first.
	List(ctx context.Context, limit int) ([]*Conversation, error)
}

// A Store remembers conversations. It may lose all of them at once, never one
// by one before its term. Two implementations pass one battery (exchangetest):
// memory and Redis.
type Store interface {
	Reader
	// Update runs f on the conversation (nil when there is none) and stores what
	// it returns, all or nothing: when another writer came between, f runs again
	// on the newer state. f must be free of effects. Where cause was applied
	// before, f does not run and the messages of that time are returned. Where f
	// returns the very conversation it was given, nothing is stored.
	Update(ctx context.Context, id canon.ConversationID, cause canon.MessageID, f UpdateFunc) ([]canon.Message, error)
	// Due returns the ids of conversations whose timer ran out at or before now.
	Due(ctx context.Context, now time.Time, limit int) ([]canon.ConversationID, error)
	// Restore puts a conversation back as the log tells it, with the messages
	// that were applied to it. It does nothing where there is one.
	Restore(ctx context.Context, c *Conversation, applied []Applied) error
	// Whole reports whether MarkWhole was called since the store was last empty:
	// what it does not know then never was.
	Whole(ctx context.Context) (bool, error)
	// MarkWhole records that everything the log holds was restored. It does
	// nothing where the store was emptied after Whole was asked last.
	MarkWhole(ctx context.Context) error
}

// An UpdateFunc turns a state into the next one and the messages that follow.
type UpdateFunc func(c *Conversation) (*Conversation, []canon.Message, error)

// Applied is one message that a conversation has seen, and what followed.
type Applied struct {
	Cause    canon.MessageID
	Messages []canon.Message
}
