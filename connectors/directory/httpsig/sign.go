package httpsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"time"
)

// A Signer signs answers. It is safe for concurrent use if its key is.
type Signer struct {
	key       crypto.Signer
	algorithm string
	chain     []string
	thumb     string
	now       func() time.Time
}

// NewSigner returns a signer with a key on P-256 (ES256) or of Ed25519 (EdDSA, what
// TDD 3.6.2 prefers). The chain has the certificate of the key first and goes on
// towards the anchor; the anchor itself need not stand there.
func NewSigner(key crypto.Signer, chain []*x509.Certificate, now func() time.Time) (*Signer, error) {
	if key == nil || len(chain) == 0 || len(chain) > maxChain || now == nil {
		return nil, fmt.Errorf("signing answers: want a key, 1 to %d certificates and a clock", maxChain)
	}
	s := &Signer{key: key, now: now}
	switch pub := key.Public().(type) {
	case *ecdsa.PublicKey:
		if pub.Curve != elliptic.P256() {
			return nil, errors.New("signing answers: want a key on P-256 or of Ed25519")
		}
		s.algorithm = algES256
	case ed25519.PublicKey:
		s.algorithm = algEdDSA
	default:
		return nil, errors.New("signing answers: want a key on P-256 or of Ed25519")
	}
	if pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(chain[0].PublicKey) {
		return nil, errors.New("signing answers: the first certificate is not that of the key")
	}
	for _, c := range chain {
		s.chain = append(s.chain, base64.StdEncoding.EncodeToString(c.Raw))
	}
	sum := sha512.Sum512(chain[0].Raw)
	s.thumb = b64url.EncodeToString(sum[:])
	return s, nil
}

// protectedJSON is the protected header as it is written.
type protectedJSON struct {
	Algorithm string `json:"alg"`
	Thumb     struct {
		Algorithm string `json:"digAlg"`
		Value     string `json:"digVal"`
	} `json:"x5t#o"`
	Chain    []string `json:"x5c"`
	Type     string   `json:"typ"`
	B64      bool     `json:"b64"`
	IssuedAt int64    `json:"iat"`
	SigD     struct {
		Mechanism string   `json:"mId"`
		Names     []string `json:"pars"`
	} `json:"sigD"`
	Critical []string `json:"crit"`
}

// Sign sets both headers for a body.
func (s *Signer) Sign(h http.Header, body []byte) error {
	sum := sha256.Sum256(body)
	digest := digestPrefix + base64.StdEncoding.EncodeToString(sum[:])
	p := protectedJSON{Algorithm: s.algorithm, Chain: s.chain, Type: "jose", IssuedAt: s.now().Unix(), Critical: []string{"b64", "sigD"}}
	p.Thumb.Algorithm, p.Thumb.Value = "S512", s.thumb
	p.SigD.Mechanism, p.SigD.Names = mechanism, []string{"digest"}
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("signing answer: %w", err)
	}
	encoded := b64url.EncodeToString(data)
	sig, err := s.sign(signingInput(encoded, digest))
	if err != nil {
		return fmt.Errorf("signing answer: %w", err)
	}
	h.Set(HeaderDigest, digest)
	h.Set(HeaderSignature, encoded+".."+b64url.EncodeToString(sig))
	return nil
}

func (s *Signer) sign(input []byte) ([]byte, error) {
	if s.algorithm == algEdDSA {
		return s.key.Sign(rand.Reader, input, crypto.Hash(0))
	}
	sum := sha256.Sum256(input)
	der, err := s.key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var rs struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &rs); err != nil || len(rest) != 0 || rs.R.Sign() < 0 || rs.S.Sign() < 0 || rs.R.BitLen() > 256 || rs.S.BitLen() > 256 {
		return nil, errors.New("the key gives no ECDSA signature on P-256")
	}
	out := make([]byte, 64)
	rs.R.FillBytes(out[:32])
	rs.S.FillBytes(out[32:])
	return out, nil
}
