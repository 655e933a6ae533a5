package xmlsec

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"math/big"
	"slices"
	"strings"

	"oncegate/connectors/xmldoc"
)

// ErrAttachmentUnknown is the answer of Verification.Attachments for a part whose
// digest cannot be computed.
var ErrAttachmentUnknown = errors.New("the digest of the attachment cannot be computed")

// A Verification is one signature to be checked.
type Verification struct {
	// Signature is the ds:Signature. Required: the zero Element is refused as absent.
	Signature xmldoc.Element
	// Key finds the public key. It is called once, after the algorithms were found
	// acceptable, with ds:KeyInfo or the zero Element. Required. The caller answers for
	// trust: who the key belongs to and whether it is still good.
	Key func(keyInfo xmldoc.Element) (crypto.PublicKey, error)
	// Attachments returns the digest of a part's content as the signature transform
	// sees it; see AttachmentDigest. cid is percent-decoded. Default: every cid:
	// reference is refused.
	Attachments func(cid string, hash crypto.Hash) ([]byte, error)
	Policy      Policy
}

// WithKey returns a Verification.Key that always answers pub.
func WithKey(pub crypto.PublicKey) func(xmldoc.Element) (crypto.PublicKey, error) {
	return func(xmldoc.Element) (crypto.PublicKey, error) { return pub, nil }
}

// A Verified is what a checked signature covers: the only thing a reader may trust.
// Only Verify makes one that covers anything.
type Verified struct {
	elements   []xmldoc.Element
	cids       []string
	unchecked  []string
	references []Reference
	algorithm  SignatureAlgorithm
	key        crypto.PublicKey
}

// Elements returns the covered elements in the order of the references.
func (v *Verified) Elements() []xmldoc.Element { return slices.Clone(v.elements) }

// Covers reports whether a reference points to this very element. What stands below a
// covered element is covered too; see Includes.
func (v *Verified) Covers(e xmldoc.Element) bool { return slices.Contains(v.elements, e) }

// Includes reports whether e is a covered element or stands below one.
func (v *Verified) Includes(e xmldoc.Element) bool {
	return slices.ContainsFunc(v.elements, func(c xmldoc.Element) bool { return c.Contains(e) })
}

// CIDs returns the Content-IDs of the covered attachments in the order of the references.
func (v *Verified) CIDs() []string { return slices.Clone(v.cids) }

// CoversCID reports whether the attachment with this Content-ID is covered.
func (v *Verified) CoversCID(cid string) bool { return slices.Contains(v.cids, cid) }

// Unchecked returns the attachments that Policy.UncheckedAttachments let pass.
func (v *Verified) Unchecked() []string { return slices.Clone(v.unchecked) }

// References returns URI, digest and the ds:Reference element of every reference, as
// a non-repudiation receipt repeats them (AS4 5.1.8).
func (v *Verified) References() []Reference { return slices.Clone(v.references) }

// Algorithm returns the signature algorithm.
func (v *Verified) Algorithm() SignatureAlgorithm { return v.algorithm }

// Key returns the public key the signature was checked with.
func (v *Verified) Key() crypto.PublicKey { return v.key }

// FindSignature returns the one ds:Signature that is a child of parent.
func FindSignature(parent xmldoc.Element) (xmldoc.Element, error) {
	var found xmldoc.Element
	for e := range parent.All(ds("Signature")) {
		if !found.IsZero() {
			return xmldoc.Element{}, refuse(ReasonManySignatures, "more than one ds:Signature", nil)
		}
		found = e
	}
	if found.IsZero() {
		return found, refuse(ReasonNoSignature, "no ds:Signature", nil)
	}
	return found, nil
}

// Verify checks a signature: structure and algorithms first, then the key and the
// signature value, then every digest. Any error is a *Refusal and nothing is covered.
func Verify(in Verification) (*Verified, error) {
	if in.Signature.IsZero() {
		return nil, refuse(ReasonNoSignature, "no ds:Signature", nil)
	}
	p := in.Policy.withDefaults()
	s, err := readSignature(in.Signature, &p)
	if err != nil {
		return nil, err
	}
	if err := s.locate(&p); err != nil {
		return nil, err
	}
	if in.Key == nil {
		return nil, refuse(ReasonKeyUnresolved, "no key", nil)
	}
	key, err := in.Key(s.keyInfo)
	if err != nil {
		return nil, refuse(ReasonKeyUnresolved, "finding the key", err)
	}
	if err := fit(s.algorithm, key, p.MinRSABits); err != nil {
		return nil, err
	}
	buffer := octets.Get().(*[]byte)
	defer octets.Put(buffer)
	scratch := s.info.AppendCanonical((*buffer)[:0], s.form)
	if !checkValue(s.algorithm, key, scratch, s.value) {
		return nil, refuse(ReasonSignatureInvalid, "ds:SignatureValue", nil)
	}
	v := &Verified{algorithm: s.algorithm, key: key, references: make([]Reference, 0, len(s.refs))}
	for i := range s.refs {
		if err := v.check(&s.refs[i], &in, &p, &scratch); err != nil {
			return nil, err
		}
	}
	*buffer = scratch
	return v, nil
}

// check compares one digest and, when it is right, adds the target to what is covered.
func (v *Verified) check(r *reference, in *Verification, p *Policy, scratch *[]byte) error {
	var got []byte
	if r.cid != "" {
		if in.Attachments == nil {
			return refuse(ReasonAttachmentUnknown, "no attachments are expected", nil)
		}
		digest, err := in.Attachments(r.cid, r.hash)
		if errors.Is(err, ErrAttachmentUnknown) && p.UncheckedAttachments {
			v.unchecked = append(v.unchecked, r.cid)
			v.references = append(v.references, Reference{URI: r.uri, CID: r.cid, Digest: r.digest, Element: r.element})
			return nil
		}
		if err != nil {
			return refuse(ReasonAttachmentUnknown, "digest of an attachment", err)
		}
		got = digest
	} else {
		h := r.hash.New()
		if r.uri == "" {
			if err := r.target.Document().Canonical(h, r.form); err != nil {
				return refuse(ReasonDigestMismatch, "canonical form of the document", err)
			}
		} else {
			digestElement(h, r.target, r.form, scratch)
		}
		got = h.Sum(nil)
	}
	if subtle.ConstantTimeCompare(got, r.digest) != 1 {
		what := "an attachment"
		if r.cid == "" {
			what = r.target.Name().Local
		}
		return refuse(ReasonDigestMismatch, what, nil)
	}
	if r.cid != "" {
		v.cids = append(v.cids, r.cid)
	} else {
		v.elements = append(v.elements, r.target)
	}
	v.references = append(v.references, Reference{URI: r.uri, CID: r.cid, Digest: r.digest, Element: r.element})
	return nil
}

// checkValue verifies a signature value over canonical octets. The key was found fit.
func checkValue(alg SignatureAlgorithm, pub crypto.PublicKey, octets, value []byte) bool {
	_, hash := alg.parts()
	if key, ok := pub.(ed25519.PublicKey); ok {
		return ed25519.Verify(key, octets, value)
	}
	h := hash.New()
	h.Write(octets)
	sum := h.Sum(nil)
	switch key := pub.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, hash, sum, value) == nil
	case *ecdsa.PublicKey:
		width := (key.Curve.Params().BitSize + 7) / 8
		if len(value) != 2*width { // exact: r and s have one spelling
			return false
		}
		return ecdsa.Verify(key, sum, new(big.Int).SetBytes(value[:width]), new(big.Int).SetBytes(value[width:]))
	}
	return false
}

// named is an element by one of its ids.
type named struct {
	id      string
	element xmldoc.Element
}

// locate finds the target of every reference by id, refusing any id that stands on two
// elements: under wsu:Id, Id and ID alike, since other readers may know only one of them.
func (s *signature) locate(p *Policy) error {
	ids := make([]named, 0, 32)
	for e := range s.element.Document().Root().Descendants() {
		for a := range e.Attrs() {
			if isID(a.Name) && a.Value != "" {
				ids = append(ids, named{a.Value, e})
			}
		}
	}
	slices.SortFunc(ids, func(a, b named) int { return strings.Compare(a.id, b.id) })
	for i := range ids[min(1, len(ids)):] {
		if ids[i].id == ids[i+1].id {
			return refuse(ReasonIDCollision, "an id stands twice in the document", nil)
		}
	}
	if s.form.V11 && based(s.info) {
		return refuse(ReasonTransform, "C14N 1.1 of an element below an xml:base", nil)
	}
	for i := range s.refs {
		r := &s.refs[i]
		switch {
		case r.cid != "":
		case r.uri == "":
			r.target = s.element.Document().Root()
		default:
			at, ok := slices.BinarySearchFunc(ids, strings.TrimPrefix(r.uri, "#"), func(n named, id string) int { return strings.Compare(n.id, id) })
			if !ok {
				return refuse(ReasonMissingTarget, "a reference to an id that does not exist", nil)
			}
			r.target = ids[at].element
		}
		if r.form.V11 && !r.target.IsZero() && based(r.target) {
			return refuse(ReasonTransform, "C14N 1.1 of an element below an xml:base", nil)
		}
		if r.enveloped && !r.target.Contains(s.element) || r.enveloped && r.target == s.element {
			return refuse(ReasonTransform, "enveloped-signature on an element that does not hold the signature", nil)
		}
		if r.enveloped {
			r.form.Exclude = s.element
		}
		for j := range s.refs[:i] {
			o := &s.refs[j]
			if r.cid != "" && r.cid == o.cid || r.cid == "" && o.cid == "" && r.target == o.target {
				return refuse(ReasonDuplicateTarget, "two references to one target", nil)
			}
		}
	}
	return nil
}

// based reports an xml:base above e, whose joining by C14N 1.1 (2.4) xmldoc leaves out.
func based(e xmldoc.Element) bool {
	for up := e.Parent(); !up.IsZero(); up = up.Parent() {
		if _, ok := up.Attr(xmldoc.Name{Space: xmldoc.SpaceXML, Local: "base"}); ok {
			return true
		}
	}
	return false
}

func isID(n xmldoc.Name) bool {
	switch n.Local {
	case "Id":
		return n.Space == "" || n.Space == SpaceWSU
	case "ID":
		return n.Space == ""
	}
	return false
}
