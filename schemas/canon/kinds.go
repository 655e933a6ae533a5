package canon

import "fmt"

// A Kind names the meaning and the version of a body: its schema and its topic.
// A changed meaning is a new kind; readers keep every version ever written.
type Kind string

// The canonical kinds.
const (
	KindEvidenceRequest  Kind = "evidence.request.v1"
	KindPreviewRequired  Kind = "evidence.preview.v1"
	KindEvidenceResponse Kind = "evidence.response.v1"
	KindEvidenceRefusal  Kind = "evidence.refusal.v1"
	KindPreviewOpened    Kind = "preview.opened.v1"
	KindRegisterQuery    Kind = "register.query.v1"
	KindRegisterRecord   Kind = "register.record.v1"
	KindConsentDecision  Kind = "consent.decision.v1"
	KindDeliveryReceipt  Kind = "delivery.receipt.v1"
	KindExchangeNotice   Kind = "exchange.notice.v1"
	KindDeadline         Kind = "exchange.deadline.v1"
	KindAudit            Kind = "audit.v1"
	KindRoute            Kind = "routing.route.v1"
	KindExchangeRecord   Kind = "exchange.record.v1"
	KindWithdrawal       Kind = "exchange.withdrawal.v1"
)

// Compacted reports that the topic of a kind holds the latest message of every
// conversation, for ever: it is a state, not a history. What stands there is read
// from the beginning by everybody who needs it, and is never replayed.
func (k Kind) Compacted() bool { return k == KindRoute }

// Legal reports that the messages of a kind are the legal record: nothing follows
// from them, and they outlive the exchange.
func (k Kind) Legal() bool { return k == KindAudit || k == KindExchangeRecord }

// A Body is what a message says.
type Body interface{ Kind() Kind }

var newBody = map[Kind]func() Body{
	KindEvidenceRequest:  func() Body { return new(EvidenceRequest) },
	KindPreviewRequired:  func() Body { return new(PreviewRequired) },
	KindEvidenceResponse: func() Body { return new(EvidenceResponse) },
	KindEvidenceRefusal:  func() Body { return new(EvidenceRefusal) },
	KindPreviewOpened:    func() Body { return new(PreviewOpened) },
	KindRegisterQuery:    func() Body { return new(RegisterQuery) },
	KindRegisterRecord:   func() Body { return new(RegisterRecord) },
	KindConsentDecision:  func() Body { return new(ConsentDecision) },
	KindDeliveryReceipt:  func() Body { return new(DeliveryReceipt) },
	KindExchangeNotice:   func() Body { return new(ExchangeNotice) },
	KindDeadline:         func() Body { return new(Deadline) },
	KindAudit:            func() Body { return new(AuditEvent) },
	KindRoute:            func() Body { return new(Route) },
	KindExchangeRecord:   func() Body { return new(ExchangeRecord) },
	KindWithdrawal:       func() Body { return new(Withdrawal) },
}

// Kinds lists every kind of body, in the order of the constants.
func Kinds() []Kind {
	return []Kind{
		KindEvidenceRequest, KindPreviewRequired, KindEvidenceResponse, KindEvidenceRefusal,
		KindPreviewOpened, KindRegisterQuery, KindRegisterRecord, KindConsentDecision,
		KindDeliveryReceipt, KindExchangeNotice, KindDeadline, KindAudit, KindRoute, KindExchangeRecord, KindWithdrawal,
	}
}

// MarshalBody encodes a body as JSON, its private part sealed by seal.
func MarshalBody(b Body, seal func(plain []byte) (Box, error)) ([]byte, error) {
	data, err := MarshalSealed(b, seal)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", b.Kind(), err)
	}
	return data, nil
}

// UnmarshalBody decodes the JSON of a body of the given kind. Unknown fields are
// refused. A private part whose key was forgotten stays closed.
func UnmarshalBody(kind Kind, data []byte, open func(Box) ([]byte, error)) (Body, error) {
	mk, ok := newBody[kind]
	if !ok {
		return nil, NewFault(CodeMessageInvalid, nil, "unknown kind %q", kind)
	}
	b := mk()
	if err := UnmarshalSealed(data, b, open); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", kind, err)
	}
	return b, nil
}
