package exchangelog

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdh"
	"crypto/hpke"
	"fmt"
	"io"
	"time"

	"oncegate/schemas/canon"
)

// A Transfer is one message as it crossed the border.
type Transfer struct {
	Direction canon.MessageDirection
	Action    string // ebMS Action
	AS4       string // ebMS MessageId
	RefTo     string // ebMS RefToMessageId
	From, To  canon.Participant
	Message   canon.Message        // what it means; its body has an Envelope
	Parts     []canon.RecordedPart // in the order of the message
	Document  []byte               // the RegRep document; empty where there is none
}

// A Recorder makes records. It is safe for concurrent use.
type Recorder struct{ recipients []Recipient }

// New checks the keys and reports all faults at once.
func New(recipients []Recipient) (*Recorder, error) {
	if err := validate(recipients); err != nil {
		return nil, fmt.Errorf("configuring the exchange log: %w", err)
	}
	return &Recorder{recipients: recipients}, nil
}

// MaxDocument is how many bytes of a document may be read back, and MaxSealed how
// many of the compressed one are sealed: a record must fit into one message of the log.
const (
	MaxDocument = 8 << 20
	MaxSealed   = 640 << 10
)

// step names the record of a message; its id is the same however often it is made.
const step = "exchange record"

// Record returns the record of t. What has no envelope is no message of an exchange:
// it yields none. The record follows from its message: made again it has the same id.
func (r *Recorder) Record(t Transfer, now time.Time) ([]canon.Message, error) {
	env := canon.EnvelopeOf(t.Message.Body)
	if env == nil {
		return nil, nil
	}
	key, err := at(r.recipients, now)
	if err != nil {
		return nil, canon.NewFault(canon.CodeInternal, err, "the exchange log has no valid key")
	}
	rec := &canon.ExchangeRecord{
		Direction: t.Direction, Action: t.Action, AS4: t.AS4, RefTo: t.RefTo, From: t.From, To: t.To,
		Session: env.Session, Exchange: env.Exchange, Message: t.Message.ID, Of: t.Message.Kind,
		Specification: env.Specification, Requester: env.Requester.ID, Provider: env.Provider.ID, Parts: t.Parts,
	}
	switch b := t.Message.Body.(type) {
	case *canon.EvidenceRequest:
		rec.Procedure, rec.EvidenceType, rec.Request = b.Procedure, b.EvidenceType.Classification, b.Request
	case *canon.PreviewRequired:
		rec.Request, rec.Response = b.Request, b.Response
	case *canon.EvidenceResponse:
		rec.Request, rec.Response, rec.Status = b.Request, b.Response, b.Status
		for _, d := range b.Documents {
			rec.Evidence = append(rec.Evidence, d.ID)
		}
	case *canon.EvidenceRefusal:
		rec.Request, rec.Response, rec.ErrorCode = b.Request, b.Response, b.ErrorCode
		if b.Leg == canon.LegOut { // the words of a peer may be about a person: they stand in its document
			rec.Detail = b.Detail
		}
	}
	if rec.Parts == nil {
		rec.Parts = []canon.RecordedPart{}
	}
	m := canon.Follow(t.Message, step+" "+string(t.Direction), now, rec)
	if rec.Sealed, err = seal(key, m.ID, t.Document); err != nil {
		return nil, err
	}
	return []canon.Message{m}, nil
}

// info binds a sealed document to its record.
func info(id canon.MessageID) []byte { return []byte("oncegate exchange.record.v1 " + string(id)) }

func seal(to Recipient, id canon.MessageID, document []byte) (canon.SealedDocument, error) {
	var out canon.SealedDocument
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(document); err != nil {
		return out, fmt.Errorf("packing the document: %w", err)
	}
	if err := z.Close(); err != nil {
		return out, fmt.Errorf("packing the document: %w", err)
	}
	if packed.Len() > MaxSealed {
		return out, canon.NewFault(canon.CodeMessageInvalid, nil, "the document is too large for the exchange log: more than %d bytes compressed", MaxSealed)
	}
	pub, err := hpke.NewDHKEMPublicKey(to.Key)
	if err != nil {
		return out, fmt.Errorf("sealing a record: %w", err)
	}
	data, err := hpke.Seal(pub, hpke.HKDFSHA256(), hpke.AES256GCM(), info(id), packed.Bytes())
	if err != nil {
		return out, fmt.Errorf("sealing a record: %w", err)
	}
	return canon.SealedDocument{Key: to.ID, Data: data}, nil
}

// Open returns the document of a record.
func Open(m canon.Message, key ecdh.KeyExchanger) ([]byte, error) {
	rec, ok := m.Body.(*canon.ExchangeRecord)
	if !ok {
		return nil, fmt.Errorf("opening a record: message %s is %s", m.ID, m.Kind)
	}
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("opening a record: %w", err)
	}
	packed, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.AES256GCM(), info(m.ID), rec.Sealed.Data)
	if err != nil {
		return nil, fmt.Errorf("opening record %s, sealed to key %s: %w", m.ID, rec.Sealed.Key, err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpacking record %s: %w", m.ID, err)
	}
	document, err := io.ReadAll(io.LimitReader(z, MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("unpacking record %s: %w", m.ID, err)
	}
	if len(document) > MaxDocument {
		return nil, fmt.Errorf("unpacking record %s: more than %d bytes", m.ID, MaxDocument)
	}
	return document, nil
}
