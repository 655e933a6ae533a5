package wssec

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

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
	Profile   Profile // default Profile115
	Sign      Identity
	// Recipient is required with Parts, unless the agreement is SignOnly.
	Recipient      *x509.Certificate
	RecipientChain []*x509.Certificate // for TokenPKIPath, issuer first
	SignOnly       bool                // the parts are not encrypted

	SignToken    Token // default TokenBST
	EncryptToken Token // default TokenBST
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
	if len(in.Parts) > 0 && (in.Recipient == nil) != in.SignOnly {
		return nil, errors.New("sealing message: parts are encrypted for a recipient, or the agreement is to sign only")
	}
	id := newIDs(in.MessageID)
	messaging, err := in.Messaging(id.of("msg"))
	if err != nil {
		return nil, err
	}
	// Written in canonical form, as Messaging is.
	body := []byte(`<S12:Body xmlns:S12="` + soap + `" xmlns:wsu="` + xmlsec.SpaceWSU + `" wsu:Id="` + id.of("body") + `"></S12:Body>`)
	targets := make([]xmlsec.Target, 0, 2+len(in.Parts))
	targets = append(targets, xmlsec.Target{ID: id.of("msg"), Canonical: messaging}, xmlsec.Target{ID: id.of("body"), Canonical: body})
	for _, p := range in.Parts {
		octets, err := signedOctets(p.MediaType, p.Content, DefaultMaxText)
		if err != nil {
			return nil, fmt.Errorf("sealing message: %w", err)
		}
		sum := sha256.Sum256(octets)
		targets = append(targets, xmlsec.Target{CID: p.ID, Digest: sum[:]})
	}
	signer := citation{cmp.Or(in.SignToken, TokenBST), in.Sign.Certificate, in.Sign.Chain, id.of("X509")}
	signature, err := xmlsec.Sign(xmlsec.Signing{
		Key:       in.Sign.Key,
		Algorithm: in.Profile.Algorithms().Signatures[0],
		Targets:   targets,
		ID:        id.of("SIG"),
		KeyInfoID: id.of("KI"),
		KeyInfo:   signer.keyInfo(),
	})
	if err != nil {
		return nil, fmt.Errorf("sealing message: %w", err)
	}
	out := &Sealed{References: signature.References, Parts: make([]swa.OutPart, 0, len(in.Parts))}
	size := 1<<10 + signer.tokenSize() + len(signature.XML) + len(messaging) + len(body)
	if len(in.Parts) > 0 && !in.SignOnly {
		recipient := citation{form: cmp.Or(in.EncryptToken, TokenBST), certificate: in.Recipient, chain: in.RecipientChain}
		size += 3<<10 + recipient.tokenSize() + len(in.Parts)<<10
	}
	env := make([]byte, 0, size)
	env = append(env, `<?xml version="1.0" encoding="UTF-8"?><S12:Envelope xmlns:S12="`+soap+`"><S12:Header><wsse:Security xmlns:wsse="`+
		xmlsec.SpaceWSSE+`" xmlns:wsu="`+xmlsec.SpaceWSU+`" S12:mustUnderstand="true">`...)
	switch {
	case in.SignOnly:
		for _, p := range in.Parts {
			out.Parts = append(out.Parts, swa.OutPart{ID: p.ID, MediaType: p.MediaType, Content: p.Content})
		}
	case len(in.Parts) > 0:
		if env, err = encrypt(env, in, id, out); err != nil {
			return nil, fmt.Errorf("sealing message: %w", err)
		}
	}
	env = signer.appendToken(env)
	env = append(env, signature.XML...)
	env = append(env, `</wsse:Security>`...)
	env = append(env, messaging...)
	env = append(env, `</S12:Header>`...)
	env = append(env, body...)
	out.Envelope = append(env, `</S12:Envelope>`...)
	return out, nil
}

func encrypt(env []byte, in Sealing, id ids, out *Sealed) ([]byte, error) {
	key, err := in.Profile.encryptionKey(in.Recipient)
	if err != nil {
		return nil, err
	}
	parts := make([]xmlsec.Part, len(in.Parts))
	for i, p := range in.Parts {
		parts[i] = xmlsec.Part{CID: p.ID, DataID: id.of("ED-" + strconv.Itoa(i+1)), MimeType: p.MediaType, Content: p.Content, Dst: p.Dst}
	}
	recipient := citation{cmp.Or(in.EncryptToken, TokenBST), in.Recipient, in.RecipientChain, id.of("X509-EK")}
	enc, err := xmlsec.Encrypt(xmlsec.Encryption{
		Recipient: key,
		KeyID:     id.of("EK"),
		KeyInfo:   recipient.keyInfo(),
		Parts:     parts,
	})
	if err != nil {
		return nil, err
	}
	env = recipient.appendToken(env)
	env = append(env, enc.Key...)
	for _, data := range slices.Backward(enc.Data) {
		env = append(env, data...)
	}
	for i, p := range in.Parts {
		out.Parts = append(out.Parts, swa.OutPart{ID: p.ID, MediaType: "application/octet-stream", Content: enc.Sealed[i]})
	}
	return env, nil
}

// References returns the ds:Reference elements of an opened message, each complete
// with its namespaces, for a receipt.
func References(refs []xmlsec.Reference) [][]byte {
	size := 0
	for _, r := range refs {
		size += len(r.Element.Raw()) + 256 // declarations that stand further out
	}
	all := make([]byte, 0, size)
	out := make([][]byte, len(refs))
	for i, r := range refs {
		from := len(all)
		all = r.Element.AppendCanonical(all, xmldoc.C14N{})
		out[i] = all[from:len(all):len(all)]
	}
	return out
}

// CheckReceipt compares a receipt with the references of the message that it is
// for: the sets of (URI, DigestValue) must be equal (c.2).
func CheckReceipt(sent []xmlsec.Reference, r *ebms.Receipt) error {
	want := make([]ebms.Reference, len(sent)) // each once: Sign makes no two for one target
	for i, s := range sent {
		want[i] = ebms.Reference{URI: s.URI, Digest: s.DigestValue()}
	}
	if r == nil || len(r.References) != len(want) {
		return ebms.Errorf(ebms.InvalidReceipt, "receipt is not for this content")
	}
	for _, got := range r.References {
		i := slices.Index(want, got)
		if i < 0 {
			return ebms.Errorf(ebms.InvalidReceipt, "receipt is not for this content")
		}
		want = slices.Delete(want, i, i+1)
	}
	return nil
}
