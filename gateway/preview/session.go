package preview

import (
	"context"
	"errors"
	"time"

	"oncegate/schemas/canon"
)

// A Session is one browser in the preview space. It holds a person, so a store
// keeps it encrypted as a whole and forgets it at Expires.
type Session struct {
	Conversation  canon.ConversationID `json:"conversation"`
	CSRF          string               `json:"csrf"`                    // secret that every form of this session repeats
	Login         Login                `json:"login,omitzero"`          // a login under way
	Authenticated bool                 `json:"authenticated,omitempty"` // the eID means said who this is
	Subject       canon.Subject        `json:"subject,omitzero"`        // as the eID means stated it; set with Authenticated
	Opened        canon.MessageID      `json:"opened,omitempty"`        // the PreviewOpened that was published
	Language      string               `json:"language,omitempty"`
	Decided       bool                 `json:"decided,omitempty"` // a ConsentDecision was published from this session
	// ReturnLocation is where the portal wants its person back, as the browser brought
	// it (up to EDM 1.2).
	ReturnLocation string    `json:"returnLocation,omitempty"`
	CreatedAt      time.Time `json:"createdAt"`
	Expires        time.Time `json:"expires"` // Required. Absolute end of the session.
}

// A Login remembers what a login must come back with (OpenID Connect Core 3.1.2.1).
type Login struct {
	State    string `json:"state,omitempty"`
	Nonce    string `json:"nonce,omitempty"`
	Verifier string `json:"verifier,omitempty"` // PKCE, RFC 7636
}

// ErrNoSession is returned for an unknown or ended session.
var ErrNoSession = errors.New("no such preview session")

// Sessions remembers sessions under unguessable ids; the id is the cookie. A
// store keeps no id in clear. Implementations are safe for concurrent use.
type Sessions interface {
	// Create stores a new session and returns its id, 256 random bits in
	// base64url. A session that has ended is refused.
	Create(ctx context.Context, s Session) (id string, err error)
	// Get returns ErrNoSession when there is none or it has ended.
	Get(ctx context.Context, id string) (Session, error)
	// Put replaces a session that exists; ErrNoSession otherwise.
	Put(ctx context.Context, id string, s Session) error
	// Delete ends a session; an unknown one is no error.
	Delete(ctx context.Context, id string) error
}
