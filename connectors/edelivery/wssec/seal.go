package wssec

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// An OutPart is one payload part to be sealed, compressed where it shall be.
type OutPart struct {
	ID        string
	MediaType string // of Content: application/gzip for a compressed part
	Content   []byte
	Dst       []byte // room for len(Content) and 28 bytes more; default: the heap
}

// A Sealing is one message to be sealed.
type Sealing struct {
	// Messaging writes the header block in canonical form with the given wsu:Id.
	Messaging func(id string) ([]byte, error)
	// MessageID seeds the ids of the envelope: a message that is sealed again, after
	// a crash, has the same ids and so the same digests.
	MessageID string
	Parts     []OutPart
	Sign      Identity
	Recipient *x509.Certificate // required with Parts
	Token     Token
}

// A Sealed message is ready to be sent.
type Sealed struct {
	Envelope   []byte
	Parts      []swa.OutPart
	References []xmlsec.Reference // what the receipt must repeat
}

// IDs of the elements of an envelope. They are names in XML and differ between
// messages, since a receipt and its message may be kept in one document.
type ids struct{ seed string }

func newIDs(messageID string) ids {
	sum := sha256.Sum256([]byte(messageID))
	return ids{hex.EncodeToString(sum[:16])}
}

func (i ids) of(kind string) string { return kind + "-" + i.seed }

// Seal signs Messaging, Body and parts and encrypts the parts. The layout is that
// of WSS4J (a.9, b.3): what a receiver needs first stands first.
func Seal(in Sealing) (*Sealed, error) {
	id := newIDs(in.MessageID)
	messaging, err := in.Messaging(id.of("msg"))
	if err != nil {
		return nil, err
	}
	// Written in canonical form, as Messaging is.
	body := []byte(`<S12:Body xmlns:S12="` + soap + `" xmlns:wsu="` + xmlsec.SpaceWSU + `" wsu:Id="` + id.of("body") + `"></S12:Body>`)
	targets := []xmlsec.Target{{ID: id.of("msg"), Canonical: messaging}, {ID: id.of("body"), Canonical: body}}
	for _, p := range in.Parts {
		// Every part is compressed or of a binary type: its octets are signed as they are.
		sum := sha256.Sum256(p.Content)
		targets = append(targets, xmlsec.Target{CID: p.ID, Digest: sum[:]})
	}
	signature, err := xmlsec.Sign(xmlsec.Signing{
		Key:       in.Sign.Key,
		Algorithm: xmlsec.RSASHA256,
		Targets:   targets,
		ID:        id.of("SIG"),
		KeyInfoID: id.of("KI"),
		KeyInfo:   keyInfo(in.Token, in.Sign.Certificate, id.of("X509")),
	})
	if err != nil {
		return nil, fmt.Errorf("sealing message: %w", err)
	}
	out := &Sealed{References: signature.References}
	env := make([]byte, 0, 8<<10+1536*len(in.Parts))
	env = append(env, `<?xml version="1.0" encoding="UTF-8"?><S12:Envelope xmlns:S12="`+soap+`"><S12:Header><wsse:Security xmlns:wsse="`+
		xmlsec.SpaceWSSE+`" xmlns:wsu="`+xmlsec.SpaceWSU+`" S12:mustUnderstand="true">`...)
	if len(in.Parts) > 0 {
		if env, err = encrypt(env, in, id, out); err != nil {
			return nil, fmt.Errorf("sealing message: %w", err)
		}
	}
	if in.Token == TokenBST {
		env = appendToken(env, in.Sign.Certificate, id.of("X509"))
	}
	env = append(env, signature.XML...)
	env = append(env, `</wsse:Security>`...)
	env = append(env, messaging...)
	env = append(env, `</S12:Header>`...)
	env = append(env, body...)
	out.Envelope = append(env, `</S12:Envelope>`...)
	return out, nil
}

func encrypt(env []byte, in Sealing, id ids, out *Sealed) ([]byte, error) {
	parts := make([]xmlsec.Part, len(in.Parts))
	for i, p := range in.Parts {
		parts[i] = xmlsec.Part{CID: p.ID, DataID: id.of(fmt.Sprintf("ED-%d", i+1)), MimeType: p.MediaType, Content: p.Content, Dst: p.Dst}
	}
	enc, err := xmlsec.Encrypt(xmlsec.Encryption{
		Recipient: in.Recipient.PublicKey,
		KeyID:     id.of("EK"),
		KeyInfo:   keyInfo(in.Token, in.Recipient, id.of("X509-EK")),
		Parts:     parts,
	})
	if err != nil {
		return nil, err
	}
	if in.Token == TokenBST {
		env = appendToken(env, in.Recipient, id.of("X509-EK"))
	}
	env = append(env, enc.Key...)
	for i := len(enc.Data) - 1; i >= 0; i-- {
		env = append(env, enc.Data[i]...)
	}
	for i, p := range in.Parts {
		out.Parts = append(out.Parts, swa.OutPart{ID: p.ID, MediaType: "application/octet-stream", Content: enc.Sealed[i]})
	}
	return env, nil
}

// References returns the ds:Reference elements of an opened message, each complete
// with its namespaces, for a receipt.
func References(refs []xmlsec.Reference) [][]byte {
	out := make([][]byte, len(refs))
	for i, r := range refs {
		out[i] = r.Element.AppendCanonical(nil, xmldoc.C14N{})
	}
	return out
}

// CheckReceipt compares a receipt with the references of the message that it is
// for: the sets of (URI, DigestValue) must be equal (c.2).
func CheckReceipt(sent []xmlsec.Reference, r *ebms.Receipt) error {
	type pair struct{ uri, digest string }
	want := make(map[pair]bool, len(sent))
	for _, s := range sent {
		want[pair{s.URI, s.DigestValue()}] = true
	}
	if r == nil || len(r.References) != len(want) {
		return ebms.Errorf(ebms.InvalidReceipt, "receipt is not for this content")
	}
	for _, got := range r.References {
		k := pair{got.URI, got.Digest}
		if !want[k] {
			return ebms.Errorf(ebms.InvalidReceipt, "receipt is not for this content")
		}
		delete(want, k)
	}
	return nil
}
