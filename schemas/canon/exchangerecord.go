package canon

// An ExchangeRecord is what the law wants kept of one message that went to or
// came from another Member State (IR 2022/1463 Art. 17(1) and (2); TDD 4.8): who,
// what, when, and the message document itself, sealed to a key of its own. It
// outlives the exchange by its term, and the evidence is not in it.
type ExchangeRecord struct {
	Direction     MessageDirection `json:"direction"`
	Action        string           `json:"action"`          // ebMS Action
	AS4           string           `json:"as4"`             // ebMS MessageId; audit events of the same name hold receipt and digests
	RefTo         string           `json:"refTo,omitempty"` // ebMS RefToMessageId
	Session       SessionID        `json:"session,omitempty"`
	Exchange      ExchangeID       `json:"exchange,omitempty"`
	From          Participant      `json:"from"` // access points
	To            Participant      `json:"to"`
	Message       MessageID        `json:"message"` // the canonical message
	Of            Kind             `json:"of"`      // and its kind
	Specification string           `json:"specification,omitempty"`
	Procedure     string           `json:"procedure,omitempty"`
	EvidenceType  string           `json:"evidenceType,omitempty"` // classification
	Requester     Participant      `json:"requester,omitzero"`
	Provider      Participant      `json:"provider,omitzero"`
	Request       RequestID        `json:"request,omitempty"`
	Response      string           `json:"response,omitempty"`
	Status        ResponseStatus   `json:"status,omitempty"`
	ErrorCode     string           `json:"errorCode,omitempty"` // EDM:ERR:nnnn
	Detail        string           `json:"detail,omitempty"`    // of an error of ours; a rule, never a person
	Evidence      []string         `json:"evidence,omitempty"`  // ids of the documents
	Parts         []RecordedPart   `json:"parts"`
	Sealed        SealedDocument   `json:"sealed"`
}

// A RecordedPart names one part of a message without its content.
type RecordedPart struct {
	ID        string `json:"id"` // Content-ID
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"` // clear bytes; -1 where nobody counted
}

// A SealedDocument is the RegRep document of the message, empty where it has none, sealed
// with HPKE (RFC 9180): who writes the record cannot read it again.
type SealedDocument struct {
	Key  string `json:"key"`  // id of the recipient key
	Data []byte `json:"data"` // encapsulated key, ciphertext and tag
}

// Kind returns exchange.record.v1.
func (*ExchangeRecord) Kind() Kind { return KindExchangeRecord }
