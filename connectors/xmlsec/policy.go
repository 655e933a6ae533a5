package xmlsec

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"slices"
)

const (
	defaultMinRSABits    = 2048
	maxRSABits           = 16384
	defaultMaxReferences = 30 // Santuario's secure validation, hence Domibus
)

// A Policy says which signatures are acceptable. The zero Policy is that of eDelivery
// AS4 1.15: rsa-sha256, SHA-256 and exclusive C14N, references by id and to
// attachments only.
type Policy struct {
	Signatures    []SignatureAlgorithm // Default: RSASHA256.
	Digests       []DigestAlgorithm    // Default: SHA256.
	C14N          []C14NAlgorithm      // Default: ExclusiveC14N.
	MinRSABits    int                  // Default 2048; lower values count as 2048.
	MaxReferences int                  // Default 30.

	// Enveloped allows the enveloped-signature transform and with it URI="".
	Enveloped bool

	// UncheckedAttachments lets a signature pass although Attachments answers
	// ErrAttachmentUnknown; such attachments are not covered. For looking at captured
	// messages whose key is not at hand, never for receiving.
	UncheckedAttachments bool
}

func (p Policy) withDefaults() Policy {
	if len(p.Signatures) == 0 {
		p.Signatures = []SignatureAlgorithm{RSASHA256}
	}
	if len(p.Digests) == 0 {
		p.Digests = []DigestAlgorithm{SHA256}
	}
	if len(p.C14N) == 0 {
		p.C14N = []C14NAlgorithm{ExclusiveC14N}
	}
	p.MinRSABits = max(p.MinRSABits, defaultMinRSABits)
	if p.MaxReferences <= 0 {
		p.MaxReferences = defaultMaxReferences
	}
	return p
}

func (p *Policy) signature(uri string) (SignatureAlgorithm, error) {
	alg := SignatureAlgorithm(uri)
	if kind, _ := alg.parts(); kind == kindUnset {
		return "", refuse(ReasonUnknownAlgorithm, "ds:SignatureMethod", nil)
	}
	if !slices.Contains(p.Signatures, alg) {
		return "", refuse(ReasonAlgorithmDenied, "ds:SignatureMethod", nil)
	}
	return alg, nil
}

func (p *Policy) digest(uri string) (crypto.Hash, error) {
	alg := DigestAlgorithm(uri)
	if alg.Hash() == 0 {
		return 0, refuse(ReasonUnknownAlgorithm, "ds:DigestMethod", nil)
	}
	if !slices.Contains(p.Digests, alg) {
		return 0, refuse(ReasonAlgorithmDenied, "ds:DigestMethod", nil)
	}
	return alg.Hash(), nil
}

// fit says whether a public key is of the algorithm's kind and strong enough.
func fit(alg SignatureAlgorithm, pub crypto.PublicKey, minRSABits int) error {
	kind, _ := alg.parts()
	have := kindUnset
	switch k := pub.(type) {
	case *rsa.PublicKey:
		have = kindRSA
		// The ceiling keeps a peer from choosing how long a verification takes.
		if k == nil || k.N == nil || k.N.BitLen() < minRSABits || k.N.BitLen() > maxRSABits {
			return refuse(ReasonKeyUnfit, fmt.Sprintf("an RSA key of less than %d or more than %d bits", minRSABits, maxRSABits), nil)
		}
	case *ecdsa.PublicKey:
		have = kindECDSA
		if k == nil || k.Curve != elliptic.P256() && k.Curve != elliptic.P384() && k.Curve != elliptic.P521() {
			return refuse(ReasonKeyUnfit, "a curve other than P-256, P-384 and P-521", nil)
		}
	case ed25519.PublicKey:
		have = kindEd25519
		if len(k) != ed25519.PublicKeySize {
			return refuse(ReasonKeyUnfit, "an Ed25519 key of another length", nil)
		}
	}
	if kind == kindUnset || have != kind {
		return refuse(ReasonKeyUnfit, "the key is not of the kind the algorithm needs", nil)
	}
	return nil
}
