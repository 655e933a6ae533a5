package edelivery

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/connectors/xmlsec"
)

// receipt builds a signed receipt for the references of one message.
func (n *node) receipt(t *pmode.Table, p *pmode.Partner, messageID string, refs []xmlsec.Reference) ([]byte, error) {
	return n.signed(t, p, messageID, func(s *ebms.Signal, id string) []byte {
		references := wssec.References(refs)
		size := 2 << 10
		for _, r := range references {
			size += len(r) + 128
		}
		return ebms.AppendReceipt(make([]byte, 0, size), s, references, id)
	})
}

// signedError builds a signed error signal.
func (n *node) signedError(t *pmode.Table, p *pmode.Partner, messageID string, e *ebms.Error) ([]byte, error) {
	return n.signed(t, p, messageID, func(s *ebms.Signal, id string) []byte {
		return ebms.AppendError(make([]byte, 0, 1<<10), s, e, id)
	})
}

func (n *node) signed(t *pmode.Table, p *pmode.Partner, ref string, write func(*ebms.Signal, string) []byte) ([]byte, error) {
	id, err := n.newMessageID(t.Own())
	if err != nil {
		return nil, err
	}
	s := &ebms.Signal{Timestamp: n.Now(), MessageID: id, RefToMessageID: ref}
	sign, err := t.Identity(p, n.Now())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoIdentity, err)
	}
	sealed, err := wssec.Seal(wssec.Sealing{
		Messaging: func(id string) ([]byte, error) { return write(s, id), nil },
		MessageID: id,
		Profile:   p.Profile,
		Sign:      sign,
		SignToken: p.SignToken,
	})
	if err != nil {
		return nil, fmt.Errorf("signing signal: %w", err)
	}
	return sealed.Envelope, nil
}

// plainError builds an error signal without a signature, for senders whom we do
// not know and for failures after which they shall try again: a signed failure
// would end their attempts.
func (n *node) plainError(t *pmode.Table, messageID string, e *ebms.Error) []byte {
	id, err := n.newMessageID(t.Own())
	if err != nil {
		return nil
	}
	s := &ebms.Signal{Timestamp: n.Now(), MessageID: id, RefToMessageID: messageID}
	b := []byte(`<?xml version="1.0" encoding="UTF-8"?><S12:Envelope xmlns:S12="` + ebms.SOAPNamespace + `"><S12:Header>`)
	b = ebms.AppendError(b, s, e, "msg")
	return append(b, `</S12:Header><S12:Body></S12:Body></S12:Envelope>`...)
}

// withFault puts a SOAP fault into the empty Body of an unsigned error, as
// ebMS3 6.6 recommends.
func withFault(envelope []byte) []byte {
	const empty = `<S12:Body></S12:Body>`
	const fault = `<S12:Body><S12:Fault><S12:Code><S12:Value>S12:Receiver</S12:Value></S12:Code>` +
		`<S12:Reason><S12:Text xml:lang="en">See the ebMS error in the header.</S12:Text></S12:Reason></S12:Fault></S12:Body>`
	return bytes.Replace(envelope, []byte(empty), []byte(fault), 1)
}

// referenceSet is the identity of what a receipt answers.
func referenceSet(refs []xmlsec.Reference) [sha256.Size]byte {
	lines := make([]string, len(refs))
	for i, r := range refs {
		lines[i] = r.URI + " " + r.DigestValue()
	}
	slices.Sort(lines)
	return sha256.Sum256([]byte(strings.Join(lines, "\n")))
}

// A stored answer is the reference set and the receipt for it.
func pack(set [sha256.Size]byte, receipt []byte) []byte { return append(set[:], receipt...) }

func unpack(stored []byte) (set [sha256.Size]byte, receipt []byte, ok bool) {
	if len(stored) <= len(set) {
		return set, nil, false
	}
	copy(set[:], stored)
	return set, stored[len(set):], true
}
