package wssec

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// A SealedPart is one payload part as it came over the wire.
type SealedPart struct {
	ID        string
	MediaType string // of the MIME part; says how a part is signed that is not encrypted
	Content   []byte // overwritten by the clear bytes
}

// An Opening is one message to be opened.
type Opening struct {
	Envelope Envelope
	Parts    []SealedPart
	// Fetch fills the Content and MediaType of Parts. It is called at most once, and
	// only when the signature value was found right: who cannot sign has no parts read.
	// Default: they are filled.
	Fetch    func([]SealedPart) error
	Verifier *Verifier    // of the partner whom the header names
	Profile  Profile      // of the agreement; default Profile115
	Allow    Algorithms   // what the agreement allows beside or instead
	SignOnly bool         // parts need not be encrypted
	Decrypt  []Decryption // our certificates; not needed for signals
	MaxText  int          // default DefaultMaxText: bytes of an uncompressed part of XML or text
	Now      time.Time
}

// A ClearPart is one payload part, decrypted and verified, still compressed.
type ClearPart struct {
	ID      string
	Digest  string // base64, as the signature has it
	Content []byte
}

// An Opened message: what it holds, and nothing else of the message, was signed by
// Signer.
type Opened struct {
	Messaging  xmldoc.Element
	Parts      []ClearPart // in the order of Opening.Parts
	References []xmlsec.Reference
	Signer     *x509.Certificate
}

// maxParts is that of the multipart reader, and Messaging and Body are signed too.
const (
	maxParts      = 100
	maxReferences = maxParts + 2
)

// Open decrypts and verifies. It is default-deny (b.4, i.1, i.10): Messaging, Body
// and every part must be covered by the one signature, every part must have been
// encrypted unless the agreement is to sign only, and the signature must cover
// nothing else, a wsu:Timestamp included. The signature value is checked before the
// private key is used. ctx bounds the checks of certificates. Errors are *ebms.Error;
// the peer learns the code and no cause.
func Open(ctx context.Context, in Opening) (*Opened, error) {
	in.Allow = in.Allow.of(in.Profile)
	if in.MaxText <= 0 {
		in.MaxText = DefaultMaxText
	}
	o := &opening{Opening: in}
	if in.Envelope.Security.IsZero() {
		return nil, ebms.Errorf(ebms.PolicyNoncompliance, "message is not signed")
	}
	if err := o.inventory(); err != nil {
		return nil, err
	}
	signature, err := xmlsec.FindSignature(in.Envelope.Security)
	if err != nil {
		return nil, refused(err)
	}
	v, err := xmlsec.Verify(xmlsec.Verification{
		Signature:   signature,
		Key:         func(info xmldoc.Element) (crypto.PublicKey, error) { return o.signingKey(ctx, info) },
		Attachments: o.digest,
		Policy:      xmlsec.Policy{Signatures: in.Allow.Signatures, MaxReferences: maxReferences},
	})
	if err != nil {
		return nil, refused(err)
	}
	if err := o.covered(v); err != nil {
		return nil, err
	}
	out := &Opened{Messaging: in.Envelope.Messaging, References: v.References(), Signer: o.signer, Parts: make([]ClearPart, 0, len(in.Parts))}
	for i, p := range in.Parts {
		out.Parts = append(out.Parts, ClearPart{ID: p.ID, Content: o.clear[i]})
	}
	for _, r := range out.References {
		if r.CID != "" {
			out.Parts[o.part(r.CID)].Digest = r.DigestValue()
		}
	}
	return out, nil
}

type opening struct {
	Opening
	keys, data []xmldoc.Element
	signer     *x509.Certificate
	uncovered  bool     // uncover was called
	unclear    error    // what it said
	clear      [][]byte // what is signed of each part, in the order of Parts
}

// inventory looks at the children of the Security header before any key is used.
func (o *opening) inventory() error {
	for c := range o.Envelope.Security.Children() {
		switch c.Name() {
		case xenc("EncryptedKey"):
			o.keys = append(o.keys, c)
		case xenc("EncryptedData"):
			o.data = append(o.data, c)
		case wsse("BinarySecurityToken"), ds("Signature"), wsu("Timestamp"):
		default:
			return ebms.Errorf(ebms.PolicyNoncompliance, "Security header holds something else")
		}
	}
	switch {
	case len(o.data) < len(o.Parts) && !o.SignOnly:
		return ebms.Errorf(ebms.PolicyNoncompliance, "a part is not encrypted")
	case len(o.data) > len(o.Parts):
		return ebms.Errorf(ebms.PolicyNoncompliance, "encrypted data that is not a part")
	case len(o.data) > 0 && len(o.keys) == 0:
		return ebms.Errorf(ebms.PolicyNoncompliance, "encrypted parts without a key")
	case len(o.data) == 0 && len(o.keys) > 0:
		return ebms.Errorf(ebms.PolicyNoncompliance, "a key that encrypts nothing")
	}
	return nil
}

// signingKey finds the signer's certificate and checks that it is the partner's.
func (o *opening) signingKey(ctx context.Context, info xmldoc.Element) (crypto.PublicKey, error) {
	ref, err := readReference(info, o.Envelope.Security, o.Allow.Tokens)
	if err != nil {
		return nil, err
	}
	if ref.der != nil {
		o.signer, err = o.Verifier.certificate(ctx, ref.der, ref.chain, o.Now)
	} else {
		o.signer, err = o.Verifier.named(ctx, ref.matches, o.Now)
	}
	if err != nil {
		return nil, err
	}
	return o.signer.PublicKey, nil
}

// digest is asked by the verifier once the signature value was found right; only
// then is the private key used.
func (o *opening) digest(cid string, hash crypto.Hash) ([]byte, error) {
	if !o.uncovered {
		o.uncovered = true
		o.unclear = o.uncover()
	}
	if o.unclear != nil {
		return nil, o.unclear
	}
	at := o.part(cid)
	if at < 0 {
		return nil, errors.New("reference to a part that is not there")
	}
	h := hash.New()
	h.Write(o.clear[at])
	return h.Sum(nil), nil
}

// part returns the index of a part, -1 for none.
func (o *opening) part(cid string) int {
	return slices.IndexFunc(o.Parts, func(p SealedPart) bool { return p.ID == cid })
}

// uncover fetches and decrypts the parts.
func (o *opening) uncover() error {
	if o.Fetch != nil {
		if err := o.Fetch(o.Parts); err != nil {
			return err
		}
	}
	if err := o.decrypt(); err != nil {
		return undeciphered(err)
	}
	return nil
}

func (o *opening) decrypt() error {
	o.clear = make([][]byte, len(o.Parts))
	encrypted := make([]bool, len(o.Parts))
	sealed := func(cid string) ([]byte, error) {
		if at := o.part(cid); at >= 0 {
			return o.Parts[at].Content, nil
		}
		return nil, errors.New("no such part")
	}
	var parts []xmlsec.Decrypted
	if len(o.data) > 0 {
		var err error
		parts, err = xmlsec.Decrypt(xmlsec.Decryption{
			Keys:       o.keys,
			Data:       o.data,
			Key:        o.decryptionKey,
			Agree:      o.agreementKey,
			Ciphertext: sealed,
			// In place: a mapped file stays a mapped file.
			Dst:    func(cid string, _ int) ([]byte, error) { return sealed(cid) },
			Policy: xmlsec.EncryptionPolicy{Data: o.Allow.Data, Transports: o.Allow.Transports, Agreements: o.Allow.Agreements, MaxParts: maxParts},
		})
		if err != nil {
			return err
		}
	}
	for _, p := range parts {
		at := o.part(p.CID)
		content, err := signedOctets(p.MimeType, p.Content, o.MaxText)
		if err != nil {
			return err
		}
		o.clear[at], encrypted[at] = content, true
	}
	for at, p := range o.Parts {
		if encrypted[at] {
			continue
		}
		if !o.SignOnly {
			return ebms.Errorf(ebms.PolicyNoncompliance, "a part is not encrypted")
		}
		content, err := signedOctets(p.MediaType, p.Content, o.MaxText)
		if err != nil {
			return err
		}
		o.clear[at] = content
	}
	return nil
}

func (o *opening) decryptionKey(info xmldoc.Element) (crypto.Decrypter, error) {
	d, err := o.ours(info, func(d *Decryption) bool { return d.Key != nil })
	return d.Key, err
}

func (o *opening) agreementKey(info xmldoc.Element) (ecdh.KeyExchanger, error) {
	d, err := o.ours(info, func(d *Decryption) bool { return d.Agreement != nil })
	return d.Agreement, err
}

// ours finds the certificate of ours that a message is encrypted for. An expired one
// still opens what is on its way.
func (o *opening) ours(info xmldoc.Element, fits func(*Decryption) bool) (Decryption, error) {
	ref, err := readReference(info, o.Envelope.Security, o.Allow.Tokens)
	if err != nil {
		return Decryption{}, err
	}
	for i := range o.Decrypt {
		if d := &o.Decrypt[i]; fits(d) && ref.matches(d.Certificate) {
			return *d, nil
		}
	}
	return Decryption{}, errors.New("message is encrypted for another certificate")
}

// covered compares what the signature covers with what it must cover, by identity
// of the elements and not by their names.
func (o *opening) covered(v *xmlsec.Verified) error {
	switch {
	case !v.Covers(o.Envelope.Messaging):
		return ebms.Errorf(ebms.PolicyNoncompliance, "Messaging is not signed")
	case !v.Covers(o.Envelope.Body):
		return ebms.Errorf(ebms.PolicyNoncompliance, "Body is not signed")
	case len(v.Elements()) != 2:
		return ebms.Errorf(ebms.PolicyNoncompliance, "signature covers another element")
	}
	for _, p := range o.Parts {
		if !v.CoversCID(p.ID) {
			return ebms.Errorf(ebms.PolicyNoncompliance, "a part is not signed")
		}
	}
	if len(v.CIDs()) != len(o.Parts) {
		return ebms.Errorf(ebms.PolicyNoncompliance, "signature covers another part")
	}
	return nil
}

// refused turns a refusal into the words of ebMS. The peer is told the code only:
// what exactly was wrong would help a forger (i.12).
func refused(err error) error {
	if e, ok := errors.AsType[*ebms.Error](err); ok {
		return e
	}
	code := ebms.FailedAuthentication
	if r, ok := errors.AsType[*xmlsec.Refusal](err); ok {
		code = codeOf[r.Reason]
	}
	return ebms.Because(code, err, "")
}

// undeciphered is refused for what happens while parts are decrypted.
func undeciphered(err error) error {
	if e, ok := errors.AsType[*ebms.Error](err); ok {
		return e // about a part that was decrypted
	}
	code := ebms.FailedDecryption
	if r, ok := errors.AsType[*xmlsec.Refusal](err); ok && (r.Reason == xmlsec.ReasonAlgorithmDenied || r.Reason == xmlsec.ReasonUnknownAlgorithm) {
		code = ebms.PolicyNoncompliance
	}
	return ebms.Because(code, err, "")
}

// codeOf is the one table from reasons to ebMS codes (b.4, c.3).
var codeOf = map[xmlsec.Reason]ebms.Code{
	xmlsec.ReasonNoSignature:       ebms.PolicyNoncompliance,
	xmlsec.ReasonManySignatures:    ebms.FailedAuthentication,
	xmlsec.ReasonStructure:         ebms.FailedAuthentication,
	xmlsec.ReasonUnknownAlgorithm:  ebms.FailedAuthentication,
	xmlsec.ReasonAlgorithmDenied:   ebms.PolicyNoncompliance,
	xmlsec.ReasonTransform:         ebms.FailedAuthentication,
	xmlsec.ReasonURI:               ebms.FailedAuthentication,
	xmlsec.ReasonTooManyReferences: ebms.FailedAuthentication,
	xmlsec.ReasonDuplicateTarget:   ebms.FailedAuthentication,
	xmlsec.ReasonIDCollision:       ebms.FailedAuthentication,
	xmlsec.ReasonMissingTarget:     ebms.FailedAuthentication,
	xmlsec.ReasonKeyUnresolved:     ebms.FailedAuthentication,
	xmlsec.ReasonKeyUnfit:          ebms.FailedAuthentication,
	xmlsec.ReasonSignatureInvalid:  ebms.FailedAuthentication,
	xmlsec.ReasonDigestMismatch:    ebms.FailedAuthentication,
	xmlsec.ReasonAttachmentUnknown: ebms.FailedAuthentication,
	xmlsec.ReasonDecryption:        ebms.FailedDecryption,
}
