package canon

import "time"

// A Leg says on which side of the gateway a message stands.
type Leg string

// The legs.
const (
	LegPortal Leg = "portal" // came from, or goes to, an authority of ours
	LegIn     Leg = "in"     // came from another access point
	LegOut    Leg = "out"    // is to be sent to another access point
)

// An Envelope is what every evidence message carries: the parties and the
// identifiers that tie requests and answers together (TDD 4.7).
type Envelope struct {
	Leg           Leg         `json:"leg"`
	From          Participant `json:"from,omitzero"` // sending access point (C2 or C3); unset until routed
	To            Participant `json:"to,omitzero"`   // receiving access point
	Exchange      ExchangeID  `json:"exchange"`
	Session       SessionID   `json:"session"`
	Specification string      `json:"specification"` // oots-edm:v2.0
	IssuedAt      time.Time   `json:"issuedAt"`
	Requester     Agent       `json:"requester,omitzero"` // C1; unset only in a refusal of a request that could not be read
	Provider      Agent       `json:"provider"`           // C4
	AS4           string      `json:"as4,omitempty"`      // ebMS MessageId of the carrier; unset until it travels
	RefTo         string      `json:"refTo,omitempty"`    // ebMS MessageId of the message that this one answers; unset in a request
	SentAt        time.Time   `json:"sentAt,omitzero"`    // ebMS Timestamp of the carrier, on LegIn: from when a timer counts (TDD 4.4.3)
}

// Envelope lets rooms read the envelope of any evidence message.
func (e *Envelope) envelope() *Envelope { return e }

// EnvelopeOf returns the envelope of an evidence body, nil for other bodies.
func EnvelopeOf(b Body) *Envelope {
	if e, ok := b.(interface{ envelope() *Envelope }); ok {
		return e.envelope()
	}
	return nil
}

// A Requirement is what the procedure asks the person to prove.
type Requirement struct {
	ID           string `json:"id"` // https URI in the Semantic Repository
	Names        []Text `json:"names"`
	Descriptions []Text `json:"descriptions,omitempty"`
}

// An EvidenceType is a record of the data service directory, as far as a
// request repeats it (sdg:DataServiceEvidenceType).
type EvidenceType struct {
	ID             string         `json:"id"`             // bare UUID
	Classification string         `json:"classification"` // https URI in the Semantic Repository
	Titles         []Text         `json:"titles"`
	Descriptions   []Text         `json:"descriptions,omitempty"`
	Distributions  []Distribution `json:"distributions"` // none up to EDM 1.2: any form will do
}

// A Distribution is a form in which evidence can be had.
type Distribution struct {
	Format         string   `json:"format"`              // media type
	Languages      []string `json:"languages,omitempty"` // upper-case two-letter codes
	ConformsTo     string   `json:"conformsTo,omitempty"`
	Transformation string   `json:"transformation,omitempty"` // a subset of ConformsTo; up to EDM 1.2
	Associated     []string `json:"associated,omitempty"`     // Annex, HumanReadableVersion, Translation: wanted with it; from EDM 2.0
}

// A Step tells the two requests of one exchange apart.
type Step string

// The steps (TDD 4.4: the second request follows the preview link).
const (
	StepFirst   Step = "first"
	StepPreview Step = "after-preview"
)

// An ExplicitRequest is the person's wish, as the requester recorded it
// (Reg. 2018/1724 Art. 14(4), IR 2022/1463 Art. 12).
type ExplicitRequest struct {
	Given     bool      `json:"given"`
	At        time.Time `json:"at,omitzero"`
	Reference string    `json:"reference,omitempty"` // the requester's own record of it; never a person
	Exemption string    `json:"exemption,omitempty"` // the provision that allows an exchange without it

	// InformedAt says when the person was told what happens to their data, Notice
	// which record of the requester says so (GDPR Art. 13 and 14). That a preview is
	// skipped does not skip this duty.
	InformedAt time.Time `json:"informedAt,omitzero"`
	Notice     string    `json:"notice,omitempty"` // never a person
}

// An EvidenceRequest asks for one evidence (query:QueryRequest).
type EvidenceRequest struct {
	Envelope
	Step            Step                   `json:"step"`
	Request         RequestID              `json:"request"`
	Procedure       string                 `json:"procedure"` // code of list Procedures
	Requirements    []Requirement          `json:"requirements"`
	Intermediaries  []Agent                `json:"intermediaries,omitempty"`
	EvidenceType    EvidenceType           `json:"evidenceType"`
	Language        string                 `json:"language,omitempty"` // preferred by the person; on the wire up to EDM 1.2
	PreviewPossible bool                   `json:"previewPossible"`
	ExplicitRequest ExplicitRequest        `json:"explicitRequest"`
	Waived          string                 `json:"waived,omitempty"`  // the provision that lets us skip the preview (Reg. 2018/1724 Art. 14(5)); only on LegOut
	Portal          string                 `json:"portal,omitempty"`  // which authority of ours asked; only on LegPortal and LegOut
	Choices         []Choice               `json:"choices,omitempty"` // how it came to this evidence and this provider; only on LegPortal
	Offer           Offer                  `json:"offer,omitzero"`    // what the directory says of the provider; only on LegPortal
	Private         Sealed[RequestPrivate] `json:"private,omitzero"`
}

// RequestPrivate is the private part of an EvidenceRequest. The locations are
// capabilities of one person, so they are private too.
type RequestPrivate struct {
	Subject         Subject         `json:"subject,omitzero"`
	Representative  Representative  `json:"representative,omitzero"`
	Concepts        []ConceptAnswer `json:"concepts,omitempty"`        // what the person answered to find the provider (DSD:ERR:0005)
	PreviewLocation string          `json:"previewLocation,omitempty"` // second request only
	ReturnLocation  string          `json:"returnLocation,omitempty"`  // second request only, from EDM 2.0 on the wire; on LegPortal also in the first
}

// A ConceptAnswer is one answer to a question of the data service directory
// (sdg:EvidenceProviderClassification). It may tell where a person lived or was
// born, so it is private.
type ConceptAnswer struct {
	ID           string   `json:"id"`                 // bare UUID of the question
	Scheme       string   `json:"scheme,omitempty"`   // https URI of a code list in the Semantic Repository
	Type         string   `json:"type"`               // codelist, string, boolean
	ValueURL     string   `json:"valueUrl,omitempty"` // where the code list is; https
	Descriptions []Text   `json:"descriptions,omitempty"`
	Kind         string   `json:"kind,omitempty"` // of the values: string, date, boolean; unset means string
	Values       []string `json:"values"`
}

// Kind returns evidence.request.v1.
func (*EvidenceRequest) Kind() Kind { return KindEvidenceRequest }

// PreviewRequired answers a first request with the place where the person sees
// and decides (EDM:ERR:0002, severity PreviewRequired).
type PreviewRequired struct {
	Envelope
	Request      RequestID              `json:"request"`  // which request this answers
	Response     string                 `json:"response"` // bare UUID, new per answer
	Descriptions []Text                 `json:"descriptions,omitempty"`
	Method       string                 `json:"method,omitempty"` // GET, POST, PUT; up to EDM 1.2, where the portal adds returnurl and returnmethod; unset means GET
	Private      Sealed[PreviewPrivate] `json:"private,omitzero"`
}

// PreviewPrivate is the private part of a PreviewRequired.
type PreviewPrivate struct {
	Location string `json:"location"` // https, no fragment
}

// Kind returns evidence.preview.v1.
func (*PreviewRequired) Kind() Kind { return KindPreviewRequired }

// A ResponseStatus says how a request ended well.
type ResponseStatus string

// The ends of a request that are not errors (TDD 4.9).
const (
	StatusDelivered ResponseStatus = "delivered" // one or more documents
	StatusDeclined  ResponseStatus = "declined"  // empty list: the person said no, or nothing is left to send
	StatusDeferred  ResponseStatus = "deferred"  // will be available later
)

// A Document is one document of an answer; its bytes are in the payload store.
type Document struct {
	ID             string     `json:"id"`            // bare UUID
	Role           string     `json:"role"`          // MainEvidence, Annex, HumanReadableVersion, Translation
	For            string     `json:"for,omitempty"` // id of the document that this one supplements
	Classification string     `json:"classification,omitempty"`
	Titles         []Text     `json:"titles,omitempty"`
	Descriptions   []Text     `json:"descriptions,omitempty"`
	Issuer         Agent      `json:"issuer,omitzero"`
	IssuedOn       string     `json:"issuedOn,omitempty"` // YYYY-MM-DD
	ValidFrom      string     `json:"validFrom,omitempty"`
	ValidUntil     string     `json:"validUntil,omitempty"`
	Languages      []string   `json:"languages,omitempty"`
	ConformsTo     string     `json:"conformsTo,omitempty"`
	Transformation string     `json:"transformation,omitempty"` // up to EDM 1.2
	Payload        PayloadRef `json:"payload"`                  // media type = Distribution/Format
}

// The roles of a document. A request may ask for the last three.
const (
	RoleMain        = "MainEvidence" // the evidence itself
	RoleAnnex       = "Annex"
	RoleReadable    = "HumanReadableVersion"
	RoleTranslation = "Translation"
)

// An EvidenceResponse answers a request with documents, or with none.
type EvidenceResponse struct {
	Envelope
	Request        RequestID               `json:"request"`
	Response       string                  `json:"response"`
	Status         ResponseStatus          `json:"status"`
	AvailableAt    time.Time               `json:"availableAt,omitzero"`     // with StatusDeferred
	Intermediaries []Agent                 `json:"intermediaries,omitempty"` // of the provider
	Waived         string                  `json:"waived,omitempty"`         // the provision that let us skip the preview (Reg. 2018/1724 Art. 14(5)); only on LegOut
	Documents      []Document              `json:"documents,omitempty"`
	Private        Sealed[ResponsePrivate] `json:"private,omitzero"`
}

// ResponsePrivate is the private part of an EvidenceResponse.
type ResponsePrivate struct {
	Subject Subject `json:"subject,omitzero"` // whom the evidence is about (IsAbout)
}

// Kind returns evidence.response.v1.
func (*EvidenceResponse) Kind() Kind { return KindEvidenceResponse }

// An EvidenceRefusal answers a request with an error of list EDMErrorCodes.
type EvidenceRefusal struct {
	Envelope
	Request   RequestID `json:"request,omitempty"` // unset only where the request could not be read
	Response  string    `json:"response"`
	ErrorCode string    `json:"errorCode"`           // EDM:ERR:0001 to 0008
	Detail    string    `json:"detail,omitempty"`    // the rule that was broken, or a stable reason; never a person
	Code      Code      `json:"code,omitempty"`      // our catalogue, where we refuse
	ErrorRole string    `json:"errorRole,omitempty"` // ERRP (default), EP, IP
}

// Kind returns evidence.refusal.v1.
func (*EvidenceRefusal) Kind() Kind { return KindEvidenceRefusal }
