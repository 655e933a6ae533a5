package xmlsec

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"

	"oncegate/connectors/xmldoc"
)

// A Target is one thing to be signed. Exactly one of Element, Canonical, Content and
// Digest says what; ID, CID or Enveloped says how it is referred to.
type Target struct {
	ID        string // "#ID": the value of the element's wsu:Id, Id or ID
	CID       string // "cid:CID": a MIME part, without angle brackets, not percent-encoded
	Enveloped bool   // URI="": the whole document the signature will be put into

	Element   xmldoc.Element // canonicalised and digested here; with Enveloped the root
	Prefixes  []string       // InclusiveNamespaces PrefixList for Element
	Canonical []byte         // canonical octets, when the caller wrote the element by hand
	Content   io.Reader      // the part's content as Attachment-Content-Signature-Transform sees it
	Digest    []byte         // a digest computed before with Signing.Digest
}

// A Signing says what to sign and how.
type Signing struct {
	Key       crypto.Signer      // Required.
	Algorithm SignatureAlgorithm // Default: by the key; RSA takes rsa-sha256, a curve the hash of its size.
	Digest    DigestAlgorithm    // Default: SHA256.
	Targets   []Target           // Required, in the order of the references.
	ID        string             // Id of ds:Signature. Default: none.
	KeyInfoID string             // Id of ds:KeyInfo. Default: none.
	KeyInfo   []byte             // Content of ds:KeyInfo, well-formed where the signature will stand. Default: no ds:KeyInfo.
	Rand      io.Reader          // Default: crypto/rand.
}

// A Signature is a signature ready to be put into a document.
type Signature struct {
	XML        []byte // the ds:Signature element; declares the prefix ds itself
	References []Reference
}

// A Reference is what a signature says of one target.
type Reference struct {
	URI    string
	CID    string // the Content-ID of an attachment, percent-decoded; empty for elements
	Digest []byte
	// Element is the ds:Reference itself after Verify, to be copied into a receipt;
	// zero after Sign.
	Element xmldoc.Element
}

// DigestValue returns the digest in base64, as it stands in ds:DigestValue.
func (r Reference) DigestValue() string { return base64.StdEncoding.EncodeToString(r.Digest) }

var errSigning = errors.New("signing")

// Sign makes a signature over the targets. Canonicalisation is exclusive without
// comments; ds:SignedInfo has no PrefixList because it uses the prefix ds only.
func Sign(s Signing) (*Signature, error) {
	if s.Key == nil || len(s.Targets) == 0 {
		return nil, fmt.Errorf("%w: a key and at least one target are required", errSigning)
	}
	if s.Algorithm == "" {
		s.Algorithm = defaultAlgorithm(s.Key.Public())
	}
	if s.Digest == "" {
		s.Digest = SHA256
	}
	if s.Rand == nil {
		s.Rand = rand.Reader
	}
	if err := fit(s.Algorithm, s.Key.Public(), defaultMinRSABits); err != nil {
		return nil, fmt.Errorf("%w: %w", errSigning, err)
	}
	if s.Digest.Hash() == 0 {
		return nil, fmt.Errorf("%w: unknown digest algorithm", errSigning)
	}
	for _, id := range []string{s.ID, s.KeyInfoID} {
		if id != "" && !xmldoc.ValidNCName(id) {
			return nil, fmt.Errorf("%w: an id that is not a name", errSigning)
		}
	}
	out := &Signature{References: make([]Reference, 0, len(s.Targets))}
	// The canonical ds:SignedInfo is written at once; in the document its xmlns:ds is
	// dropped because ds:Signature declares it.
	buffer := octets.Get().(*[]byte)
	defer octets.Put(buffer)
	info := append((*buffer)[:0], `<ds:SignedInfo xmlns:ds="`+SpaceDS+`"><ds:CanonicalizationMethod Algorithm="`+string(ExclusiveC14N)+`"></ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="`...)
	info = append(append(info, s.Algorithm...), `"></ds:SignatureMethod>`...)
	var scratch []byte
	for i := range s.Targets {
		ref, err := digestTarget(&s.Targets[i], s.Digest, &scratch)
		if err != nil {
			return nil, fmt.Errorf("%w: target %d: %w", errSigning, i, err)
		}
		info = appendReference(info, &s.Targets[i], s.Digest, ref)
		out.References = append(out.References, ref)
	}
	info = append(info, `</ds:SignedInfo>`...)
	if cap(info) <= maxScratch {
		*buffer = info
	}
	value, err := signOctets(s, info)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSigning, err)
	}
	b := make([]byte, 0, len(info)+len(s.KeyInfo)+1024)
	b = append(b, `<ds:Signature xmlns:ds="`+SpaceDS+`"`...)
	if s.ID != "" {
		b = append(append(append(b, ` Id="`...), s.ID...), '"')
	}
	b = append(append(b, `><ds:SignedInfo`...), info[len(`<ds:SignedInfo xmlns:ds="`+SpaceDS+`"`):]...)
	b = append(b, `<ds:SignatureValue>`...)
	b = base64.StdEncoding.AppendEncode(b, value)
	b = append(b, `</ds:SignatureValue>`...)
	if len(s.KeyInfo) > 0 {
		b = append(b, `<ds:KeyInfo`...)
		if s.KeyInfoID != "" {
			b = append(append(append(b, ` Id="`...), s.KeyInfoID...), '"')
		}
		b = append(append(append(b, '>'), s.KeyInfo...), `</ds:KeyInfo>`...)
	}
	out.XML = append(b, `</ds:Signature>`...)
	return out, nil
}

func digestTarget(t *Target, alg DigestAlgorithm, scratch *[]byte) (Reference, error) {
	ref := Reference{}
	named := 0
	if t.ID != "" {
		if named++; !xmldoc.ValidNCName(t.ID) {
			return ref, errors.New("an id that is not a name")
		}
		ref.URI = "#" + t.ID
	}
	if t.CID != "" {
		if named++; !validCID(t.CID) {
			return ref, errors.New("a Content-ID that cannot be written as a cid: URL")
		}
		ref.URI, ref.CID = "cid:"+escapeCID(t.CID), t.CID
	}
	if t.Enveloped {
		named++
	}
	if named != 1 {
		return ref, errors.New("exactly one of ID, CID and Enveloped is required")
	}
	sources := 0
	for _, given := range []bool{!t.Element.IsZero(), t.Canonical != nil, t.Content != nil, t.Digest != nil} {
		if given {
			sources++
		}
	}
	if sources != 1 || t.CID != "" && !t.Element.IsZero() {
		return ref, errors.New("exactly one of Element, Canonical, Content and Digest is required, and for a part not Element")
	}
	if t.Digest != nil {
		if len(t.Digest) != alg.Hash().Size() {
			return ref, errors.New("a digest of another length")
		}
		ref.Digest = t.Digest
		return ref, nil
	}
	h := alg.Hash().New()
	switch {
	case t.Content != nil:
		if _, err := io.Copy(h, t.Content); err != nil {
			return ref, fmt.Errorf("reading the content: %w", err)
		}
	case t.Canonical != nil:
		h.Write(t.Canonical)
	case t.Enveloped:
		if err := t.Element.Document().Canonical(h, xmldoc.C14N{Prefixes: t.Prefixes}); err != nil {
			return ref, err
		}
	default:
		digestElement(h, t.Element, xmldoc.C14N{Prefixes: t.Prefixes}, scratch)
	}
	ref.Digest = h.Sum(nil)
	return ref, nil
}

// octets are buffers for canonical octets, none of them much longer than maxScratch.
var octets = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

const maxScratch = 64 << 10

// digestElement hashes canonical octets: small elements through a buffer that the
// references of one signature share, large ones as a stream.
func digestElement(h io.Writer, e xmldoc.Element, form xmldoc.C14N, scratch *[]byte) {
	if len(e.Raw()) > maxScratch {
		_ = e.Canonical(h, form) // a hash never fails to write
		return
	}
	*scratch = e.AppendCanonical((*scratch)[:0], form)
	_, _ = h.Write(*scratch)
}

func appendReference(b []byte, t *Target, alg DigestAlgorithm, ref Reference) []byte {
	b = append(b, `<ds:Reference URI="`...)
	b = xmldoc.AppendAttr(b, ref.URI)
	b = append(b, `"><ds:Transforms>`...)
	switch {
	case t.CID != "":
		b = append(b, `<ds:Transform Algorithm="`+transformAttachment+`"></ds:Transform>`...)
	default:
		if t.Enveloped {
			b = append(b, `<ds:Transform Algorithm="`+transformEnveloped+`"></ds:Transform>`...)
		}
		b = append(b, `<ds:Transform Algorithm="`+string(ExclusiveC14N)+`">`...)
		if len(t.Prefixes) > 0 {
			b = append(b, `<ec:InclusiveNamespaces xmlns:ec="`+SpaceEC+`" PrefixList="`...)
			b = xmldoc.AppendAttr(b, strings.Join(t.Prefixes, " "))
			b = append(b, `"></ec:InclusiveNamespaces>`...)
		}
		b = append(b, `</ds:Transform>`...)
	}
	b = append(b, `</ds:Transforms><ds:DigestMethod Algorithm="`...)
	b = append(append(b, alg...), `"></ds:DigestMethod><ds:DigestValue>`...)
	b = base64.StdEncoding.AppendEncode(b, ref.Digest)
	return append(b, `</ds:DigestValue></ds:Reference>`...)
}

func defaultAlgorithm(pub crypto.PublicKey) SignatureAlgorithm {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return RSASHA256
	case ed25519.PublicKey:
		return Ed25519
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P384():
			return ECDSASHA384
		case elliptic.P521():
			return ECDSASHA512
		}
		return ECDSASHA256
	}
	return ""
}

func signOctets(s Signing, octets []byte) ([]byte, error) {
	kind, hash := s.Algorithm.parts()
	if kind == kindEd25519 {
		return s.Key.Sign(s.Rand, octets, crypto.Hash(0))
	}
	h := hash.New()
	h.Write(octets)
	value, err := s.Key.Sign(s.Rand, h.Sum(nil), hash)
	if err != nil || kind == kindRSA {
		return value, err
	}
	// A Signer returns DER; XML Signature wants r and s at the width of the curve (RFC 4050 3.3).
	var rs struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(value, &rs); err != nil || len(rest) > 0 {
		return nil, errors.New("the signer's ECDSA value is not DER")
	}
	width := (s.Key.Public().(*ecdsa.PublicKey).Curve.Params().BitSize + 7) / 8
	if rs.R.Sign() <= 0 || rs.S.Sign() <= 0 || rs.R.BitLen() > 8*width || rs.S.BitLen() > 8*width {
		return nil, errors.New("the signer's ECDSA value does not fit its curve")
	}
	out := make([]byte, 2*width)
	rs.R.FillBytes(out[:width])
	rs.S.FillBytes(out[width:])
	return out, nil
}

// X509Data returns content for ds:KeyInfo that holds certificates in DER, the
// signer's first.
func X509Data(certificates ...[]byte) []byte {
	b := []byte(`<ds:X509Data xmlns:ds="` + SpaceDS + `">`)
	for _, der := range certificates {
		b = append(b, `<ds:X509Certificate>`...)
		b = base64.StdEncoding.AppendEncode(b, der)
		b = append(b, `</ds:X509Certificate>`...)
	}
	return append(b, `</ds:X509Data>`...)
}
