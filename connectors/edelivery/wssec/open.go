package wssec

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"mime"
	"strings"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xmlsec"
)

// A SealedPart is one payload part as it came over the wire.
type SealedPart struct {
	ID      string
	Content []byte // overwritten by the clear bytes
}

// An Opening is one message to be opened.
type Opening struct {
	Envelope Envelope
	Parts    []SealedPart
	Verifier *Verifier    // of the partner whom the header names
	Allow    Algorithms   // what the agreement allows
	Decrypt  []Decryption // our certificates; not needed for signals
	Now      time.Time
}

// Algorithms are those that an agreement allows in what it receives. An empty list
// means the one of profile 1.15; the closed list of xmlsec bounds every choice.
type Algorithms struct {
	Signatures []xmlsec.SignatureAlgorithm // default rsa-sha256
	Data       []xmlsec.DataAlgorithm      // default aes128-gcm
	Transports []xmlsec.KeyTransport       // default rsa-oaep with SHA-256 throughout
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
// encrypted, and the signature must cover nothing else. The signature value is
// checked before the private key is used. Errors are *ebms.Error; the peer learns
// the code and no cause.
func Open(in Opening) (*Opened, error) {
	ctx := context.Background()
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
	out := &Opened{Messaging: in.Envelope.Messaging, References: v.References(), Signer: o.signer}
	for _, p := range in.Parts {
		c := o.clear[p.ID]
		for _, r := range out.References {
			if id, err := xmlsec.ParseCID(r.URI); err == nil && id == p.ID {
				c.Digest = r.DigestValue()
			}
		}
		out.Parts = append(out.Parts, *c)
	}
	return out, nil
}

type opening struct {
	Opening
	keys, data []xmldoc.Element
	signer     *x509.Certificate
	clear      map[string]*ClearPart
	decrypted  error
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
	case len(o.data) < len(o.Parts):
		return ebms.Errorf(ebms.PolicyNoncompliance, "a part is not encrypted")
	case len(o.data) > len(o.Parts):
		return ebms.Errorf(ebms.PolicyNoncompliance, "encrypted data that is not a part")
	case len(o.data) > 0 && len(o.keys) == 0:
		return ebms.Errorf(ebms.PolicyNoncompliance, "encrypted parts without a key")
	case len(o.Parts) == 0 && len(o.keys) > 0:
		return ebms.Errorf(ebms.PolicyNoncompliance, "a key that encrypts nothing")
	}
	return nil
}

// signingKey finds the signer's certificate and checks that it is the partner's.
func (o *opening) signingKey(ctx context.Context, info xmldoc.Element) (crypto.PublicKey, error) {
	ref, err := readReference(info, o.Envelope.Security)
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
	if o.clear == nil && o.decrypted == nil {
		if err := o.decrypt(); err != nil {
			o.decrypted = undeciphered(err)
		}
	}
	if o.decrypted != nil {
		return nil, o.decrypted
	}
	p := o.clear[cid]
	if p == nil {
		return nil, errors.New("reference to a part that is not there")
	}
	h := hash.New()
	h.Write(p.Content)
	return h.Sum(nil), nil
}

func (o *opening) decrypt() error {
	sealed := make(map[string][]byte, len(o.Parts))
	for _, p := range o.Parts {
		sealed[p.ID] = p.Content
	}
	if len(o.Parts) == 0 {
		o.clear = map[string]*ClearPart{}
		return nil
	}
	parts, err := xmlsec.Decrypt(xmlsec.Decryption{
		Keys: o.keys,
		Data: o.data,
		Key:  o.decryptionKey,
		Ciphertext: func(cid string) ([]byte, error) {
			b, ok := sealed[cid]
			if !ok {
				return nil, errors.New("no such part")
			}
			return b, nil
		},
		// In place: a mapped file stays a mapped file.
		Dst:    func(cid string, _ int) ([]byte, error) { return sealed[cid], nil },
		Policy: xmlsec.EncryptionPolicy{Data: o.Allow.Data, Transports: o.Allow.Transports, MaxParts: maxParts},
	})
	if err != nil {
		return err
	}
	o.clear = make(map[string]*ClearPart, len(parts))
	for _, p := range parts {
		content, err := signedOctets(p)
		if err != nil {
			return err
		}
		o.clear[p.CID] = &ClearPart{ID: p.CID, Content: content}
	}
	return nil
}

// signedOctets returns what Attachment-Content-Signature-Transform makes of a part
// (SwA profile 5.4.2, as WSS4J reads it): of XML the canonical form, of other text
// the lines with CRLF. Just these octets are signed, so just these are handed on.
// Compressed parts are taken as they are.
func signedOctets(p xmlsec.Decrypted) ([]byte, error) {
	kind, _, err := mime.ParseMediaType(p.MimeType)
	switch {
	case err != nil:
		return p.Content, nil
	case kind == "text/xml", kind == "application/xml", strings.HasSuffix(kind, "+xml"):
		doc, err := xmldoc.ParseBytes(p.Content, xmldoc.Limits{})
		if err != nil {
			return nil, ebms.Because(ebms.FailedAuthentication, err, "")
		}
		b := swelling{left: swell*len(p.Content) + 1<<20}
		if err := doc.Canonical(&b, xmldoc.C14N{}); err != nil {
			return nil, ebms.Because(ebms.FailedAuthentication, err, "")
		}
		return b.Bytes(), nil
	case strings.HasPrefix(kind, "text/"):
		return crlf(p.Content), nil
	}
	return p.Content, nil
}

// swell is how much longer than a document its canonical form may be, after the first
// MiB: namespaces are written out where they are used.
const swell = 8

var errSwollen = errors.New("canonical form is too long")

// swelling is a buffer with an end.
type swelling struct {
	bytes.Buffer
	left int
}

func (s *swelling) Write(p []byte) (int, error) {
	if s.left -= len(p); s.left < 0 {
		return 0, errSwollen
	}
	return s.Buffer.Write(p)
}

func crlf(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/32)
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n':
			i++
			fallthrough
		case b[i] == '\r', b[i] == '\n':
			out = append(out, '\r', '\n')
		default:
			out = append(out, b[i])
		}
	}
	return out
}

func (o *opening) decryptionKey(info xmldoc.Element) (crypto.Decrypter, error) {
	ref, err := readReference(info, o.Envelope.Security)
	if err != nil {
		return nil, err
	}
	for _, d := range o.Decrypt {
		// An expired certificate of ours still opens what is on its way.
		if ref.matches(d.Certificate) {
			return d.Key, nil
		}
	}
	return nil, errors.New("message is encrypted for another certificate")
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
