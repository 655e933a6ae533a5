package ebms

import (
	"time"

	"oncegate/schemas/canon"
)

// Namespaces of the header.
const (
	Namespace     = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"
	SOAPNamespace = "http://www.w3.org/2003/05/soap-envelope"
	WSUNamespace  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	NRRNamespace  = "http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0"
	DSNamespace   = "http://www.w3.org/2000/09/xmldsig#"
	MFNamespace   = "http://docs.oasis-open.org/ebxml-msg/ns/v3.0/mf/2010/04/"
)

// Values that the specification fixes.
const (
	DefaultMPC  = Namespace + "defaultMPC"
	TestService = Namespace + "service"
	TestAction  = Namespace + "test"
)

// Untyped is the scheme of a participant whose PartyId has no type attribute, which
// is legal where the id is a URI (ebMS3 5.2.2.4). Canonical participants always have
// a scheme; this one never travels: it is written as no attribute.
const Untyped = "urn:oncegate:partyid:untyped"

// Names of part properties that the AS4 layer itself reads and writes.
const (
	PropertyMimeType        = "MimeType"
	PropertyCharacterSet    = "CharacterSet"
	PropertyCompressionType = "CompressionType"
	CompressionGzip         = "application/gzip"
)

// Names of message properties of the four-corner topology; case matters.
const (
	PropertyOriginalSender = "originalSender"
	PropertyFinalRecipient = "finalRecipient"
)

// A Property is a named value of a message or of a part.
type Property struct {
	Name  string
	Type  string // empty where the property has no type attribute
	Value string
}

// A Party is one access point in the role that it plays. ID.Scheme is the type
// attribute of the PartyId, or Untyped where the id itself is a URI.
type Party struct {
	ID   canon.Participant
	Role string
}

// Type returns the type attribute of the PartyId: empty where there is none.
func (p Party) Type() string {
	if p.ID.Scheme == Untyped {
		return ""
	}
	return p.ID.Scheme
}

// An Agreement is the AgreementRef; the zero value means that there is none.
type Agreement struct {
	Value string
	Type  string
	PMode string
}

// A Service is a named set of actions.
type Service struct {
	Value string
	Type  string
}

// A PartInfo names one payload part. ID is the Content-ID that its href points
// to, decoded and without angle brackets.
type PartInfo struct {
	ID         string
	Properties []Property
}

// Property returns the value of the named part property, and whether it is there.
func (p PartInfo) Property(name string) (string, bool) { return find(p.Properties, name) }

// A UserMessage is the header of a message that carries business documents.
type UserMessage struct {
	MPC            string // empty means DefaultMPC
	Timestamp      time.Time
	MessageID      string
	RefToMessageID string
	From, To       Party
	Agreement      Agreement
	Service        Service
	Action         string
	ConversationID string
	Properties     []Property
	Parts          []PartInfo // in the sender's order; the first is the leading document
}

// Property returns the value of the named message property, and whether it is there.
func (m *UserMessage) Property(name string) (string, bool) { return find(m.Properties, name) }

// IsTest reports a message of the test service: it is processed and receipted,
// but not delivered (ebMS3 5.2.2.8).
func (m *UserMessage) IsTest() bool {
	return m.Service.Value == TestService && m.Action == TestAction
}

func find(ps []Property, name string) (string, bool) {
	for _, p := range ps {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}
