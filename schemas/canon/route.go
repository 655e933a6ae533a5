package canon

import "time"

// A Route says that an authority of another Member State gives one evidence type,
// by which access point and in which editions of the messages: one line of the
// directory of data services, as it was found there. The latest Route of its key
// is what holds; the topic is compacted.
type Route struct {
	EvidenceType   EvidenceType `json:"evidenceType"`
	Procedures     []string     `json:"procedures,omitempty"`   // codes of list Procedures that it was looked up for; empty: any
	Requirements   []string     `json:"requirements,omitempty"` // https URIs of what it proves, where the evidence broker told
	Provider       Agent        `json:"provider"`               // C4
	Country        string       `json:"country"`                // of the provider, upper-case two-letter code
	AccessPoint    Participant  `json:"accessPoint"`            // C3
	Specifications []string     `json:"specifications"`         // editions that the provider reads: oots-edm:v2.0
	Assurance      string       `json:"assurance,omitempty"`    // least level of the person's identification: Low, Substantial, High
	ValidFrom      time.Time    `json:"validFrom,omitzero"`     // zero: since ever
	ValidUntil     time.Time    `json:"validUntil,omitzero"`    // exclusive; zero: no end
	Provenance     Provenance   `json:"provenance"`             // where it was found
	Withdrawn      bool         `json:"withdrawn,omitempty"`    // the directory names it no more
}

// Kind returns routing.route.v1.
func (*Route) Kind() Kind { return KindRoute }

// Key returns the conversation under which all states of one route stand on the
// log: an evidence type of an authority at an access point.
func (r *Route) Key() ConversationID {
	return ConversationID(DeriveUUID("route", r.EvidenceType.ID, r.EvidenceType.Classification,
		r.Provider.ID.Scheme, r.Provider.ID.ID, r.AccessPoint.Scheme, r.AccessPoint.ID))
}

// Message returns the message that says, from at on, what holds for the route's
// key. It stands at the edge: it has no cause.
func (r *Route) Message(at time.Time) Message {
	key, at := r.Key(), at.UTC()
	return Message{
		ID:   MessageID(DeriveUUID("route", string(key), at.Format(time.RFC3339Nano))),
		Kind: KindRoute, Conversation: key, At: at, Body: r,
	}
}

// ValidAt reports whether the route may be used at a time.
func (r *Route) ValidAt(at time.Time) bool {
	return !r.Withdrawn && !at.Before(r.ValidFrom) && (r.ValidUntil.IsZero() || at.Before(r.ValidUntil))
}

// A Provenance says where an answer of the common services came from and who
// vouches for it.
type Provenance struct {
	Edition string    `json:"edition"`          // oots-cs:v2.0
	Source  string    `json:"source"`           // base URL of the service
	Query   string    `json:"query"`            // what was asked: the query string, without base
	At      time.Time `json:"at"`               // when the answer came
	Digest  string    `json:"digest,omitempty"` // of the answer, "sha256:..."
	Signer  string    `json:"signer,omitempty"` // subject of the certificate that signed it; empty: not signed
}
