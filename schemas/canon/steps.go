package canon

import "time"

// PreviewOpened says that the person arrived in the preview space and proved
// who they are.
type PreviewOpened struct {
	Exchange ExchangeID            `json:"exchange"`
	Private  Sealed[OpenedPrivate] `json:"private,omitzero"`
}

// OpenedPrivate is the private part of a PreviewOpened.
type OpenedPrivate struct {
	Subject        Subject `json:"subject"`                  // as the eID means stated it
	ReturnLocation string  `json:"returnLocation,omitempty"` // up to EDM 1.2 the browser brings it (TDD 4.9)
}

// Kind returns preview.opened.v1.
func (*PreviewOpened) Kind() Kind { return KindPreviewOpened }

// A RegisterQuery asks one register for the record of one person.
type RegisterQuery struct {
	Register     string               `json:"register"` // folder name under connectors/registers
	Exchange     ExchangeID           `json:"exchange"`
	EvidenceType EvidenceType         `json:"evidenceType"`
	Procedure    string               `json:"procedure"`
	Requester    Agent                `json:"requester"`
	Private      Sealed[QueryPrivate] `json:"private,omitzero"`
}

// QueryPrivate is the private part of a RegisterQuery.
type QueryPrivate struct {
	Subject Subject `json:"subject"`
}

// Kind returns register.query.v1.
func (*RegisterQuery) Kind() Kind { return KindRegisterQuery }

// A RecordOutcome says what the register answered.
type RecordOutcome string

// The answers of a register.
const (
	RecordFound     RecordOutcome = "found"
	RecordNotFound  RecordOutcome = "not-found" // no record
	RecordAmbiguous RecordOutcome = "ambiguous" // several records; the provider must not choose (EDM:ERR:0004)
	RecordFailed    RecordOutcome = "failed"    // the register answered, but its answer cannot be used
	RecordDeferred  RecordOutcome = "deferred"  // there will be a record, at a time that the register names
)

// A RegisterRecord is the answer of one register.
type RegisterRecord struct {
	Register  string        `json:"register"`
	Mapping   string        `json:"mapping"` // version of the mapping that made it
	Query     MessageID     `json:"query"`
	Outcome   RecordOutcome `json:"outcome"`
	Code      Code          `json:"code,omitempty"`   // with every outcome but found and deferred
	Detail    string        `json:"detail,omitempty"` // place and rule; never a person
	Record    PayloadRef    `json:"record,omitzero"`  // the canonical record, application/json
	Documents []Document    `json:"documents,omitempty"`

	AvailableAt time.Time `json:"availableAt,omitzero"` // with RecordDeferred
}

// Kind returns register.record.v1.
func (*RegisterRecord) Kind() Kind { return KindRegisterRecord }

// A ConsentDecision is what the person decided at the preview, document by
// document; approve and decline weigh the same.
type ConsentDecision struct {
	Exchange  ExchangeID         `json:"exchange"`
	Decisions []DocumentDecision `json:"decisions"`
}

// A DocumentDecision is the decision on one document.
type DocumentDecision struct {
	Document string `json:"document"` // id of the document
	Approved bool   `json:"approved"`
}

// Kind returns consent.decision.v1.
func (*ConsentDecision) Kind() Kind { return KindConsentDecision }

// A DeliveryOutcome says how sending ended.
type DeliveryOutcome string

// The ends of a delivery.
const (
	DeliveryAcknowledged DeliveryOutcome = "acknowledged" // signed receipt checked
	DeliveryFailed       DeliveryOutcome = "failed"       // the peer refused, or the attempts are used up
)

// A DeliveryReceipt says that another access point holds a message of ours, or
// that it never will.
type DeliveryReceipt struct {
	Of       MessageID       `json:"of"`     // the canonical message that was sent
	OfKind   Kind            `json:"ofKind"` // its kind
	AS4      string          `json:"as4"`    // its ebMS MessageId
	Peer     Participant     `json:"peer"`
	Outcome  DeliveryOutcome `json:"outcome"`
	Receipt  string          `json:"receipt,omitempty"` // digest of the signed receipt, "sha256:..."
	Attempts int             `json:"attempts"`
	Series   int             `json:"series,omitempty"` // which resend by an operator this ends; 0 for the first sending
	Code     Code            `json:"code,omitempty"`   // with failed
	Error    string          `json:"error,omitempty"`  // ebMS error code, EBMS:nnnn
}

// Kind returns delivery.receipt.v1.
func (*DeliveryReceipt) Kind() Kind { return KindDeliveryReceipt }

// An ExchangeNotice tells the authority that asked how its exchange stands. It
// feeds webhooks; it holds no location and no evidence.
type ExchangeNotice struct {
	Portal   string     `json:"portal"`
	Exchange ExchangeID `json:"exchange"`
	State    string     `json:"state"`               // phase of the requester's state machine
	Code     Code       `json:"code,omitempty"`      // with refused, expired, failed
	EDM      string     `json:"errorCode,omitempty"` // EDM:ERR:nnnn where the provider gave one
	Detail   string     `json:"detail,omitempty"`
	Payloads int        `json:"payloads,omitempty"` // documents ready for download

	AvailableAt time.Time `json:"availableAt,omitzero"` // with deferred: when to ask again
	Waived      string    `json:"waived,omitempty"`     // with delivered: the provision that let the preview be skipped; the person is to be informed
}

// Kind returns exchange.notice.v1.
func (*ExchangeNotice) Kind() Kind { return KindExchangeNotice }

// A Withdrawal says that the person takes the request back before evidence was
// released (Reg. 2018/1724 Art. 14(4): the use of the system is voluntary).
type Withdrawal struct {
	Portal   string     `json:"portal"`
	Exchange ExchangeID `json:"exchange"`
}

// Kind returns exchange.withdrawal.v1.
func (*Withdrawal) Kind() Kind { return KindWithdrawal }

// A Deadline says that the named timer of a conversation has run out. It is fed
// to the core, which checks it against the state: a late one changes nothing.
type Deadline struct {
	Timer string    `json:"timer"` // T1, T2, T3 (TDD 4.4.3), retention
	Due   time.Time `json:"due"`
}

// Kind returns exchange.deadline.v1.
func (*Deadline) Kind() Kind { return KindDeadline }

// An AuditEvent is one entry of the legal record. It names conversation, step,
// peers and digests, never a person.
type AuditEvent struct {
	Step      string            `json:"step"` // noun.verb, e.g. "request.received"
	Room      string            `json:"room"` // who recorded it
	Outcome   string            `json:"outcome"`
	Exchange  ExchangeID        `json:"exchange,omitempty"`
	Peer      Participant       `json:"peer,omitzero"`
	AS4       string            `json:"as4,omitempty"`
	Code      Code              `json:"code,omitempty"`
	Procedure string            `json:"procedure,omitempty"`
	Digests   map[string]string `json:"digests,omitempty"` // what -> "sha256:..."
	Reason    string            `json:"reason,omitempty"`  // an operator's reason, a rule id
	Request   RequestID         `json:"request,omitempty"` // of the request of another Member State that it is about: used once, and never again
	Needs     []string          `json:"needs,omitempty"`   // requirements that the evidence is to prove, https URIs
	Basis     string            `json:"basis,omitempty"`   // provision under which evidence may be exchanged for the procedure
	Actor     string            `json:"actor,omitempty"`   // the operator's login that did it, "api:NAME" or "os:NAME"
	Proof     []byte            `json:"proof,omitempty"`   // the signed receipt, as it was sent or received
}

// Kind returns audit.v1.
func (*AuditEvent) Kind() Kind { return KindAudit }
