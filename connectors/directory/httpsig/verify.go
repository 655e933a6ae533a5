package httpsig

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"time"

	"oncegate/connectors/certpath"
)

// Trust says whose signatures are believed: of the pinned certificates, and of
// those with a path to an anchor whose subject fits.
type Trust struct {
	Pinned        []*x509.Certificate
	Anchors       []*x509.Certificate
	Intermediates []*x509.Certificate // besides those that come with a signature
	Subject       *regexp.Regexp      // Default any. Of the subject as RFC 2253 writes it; not anchored by itself.
	Policies      []x509.OID          // Default any. The signer's certificate must state one of them, and the path allow it.
	Revocation    certpath.Revocation // Default none.

	MaxAge time.Duration // Default any. How old a signature may be; services seem to write the time of their own start.
	Skew   time.Duration // Default 5m. How far in our future its time may lie.
}

// Signed is what a good signature says.
type Signed struct {
	Certificate *x509.Certificate
	At          time.Time // when the signer says it signed
	Until       time.Time // the path holds no longer than this
}

// Subject returns the subject of the signer's certificate as RFC 2253 writes it.
func (s Signed) Subject() string {
	if s.Certificate == nil {
		return ""
	}
	return s.Certificate.Subject.String()
}

// ErrUnsigned is returned for an answer without a signature.
var ErrUnsigned = errors.New("the answer is not signed")

// ErrRevocation is in the chain of an error that comes from asking for revocation.
var ErrRevocation = certpath.ErrRevocation

// Validate says why nothing can be trusted.
func (t *Trust) Validate() error {
	if len(t.Pinned) == 0 && len(t.Anchors) == 0 {
		return errors.New("neither pinned certificates nor trust anchors")
	}
	if t.MaxAge < 0 || t.Skew < 0 {
		return errors.New("max_age and skew are not negative")
	}
	return nil
}

// Verify checks that a trusted signer signed the body, at now. Its errors name the
// rule and never hold the body.
func (t *Trust) Verify(ctx context.Context, h http.Header, body []byte, now time.Time) (Signed, error) {
	digest, sig, err := headers(h)
	if err != nil {
		return Signed{}, err
	}
	if err := checkDigest(digest, body); err != nil {
		return Signed{}, err
	}
	first, rest, ok := strings.Cut(sig, ".")
	second, third, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || second != "" || strings.Contains(third, ".") {
		return Signed{}, errors.New("the signature is not a detached JWS in compact form")
	}
	p, err := readProtected(first)
	if err != nil {
		return Signed{}, err
	}
	raw, err := b64url.DecodeString(third)
	if err != nil || len(raw) != 64 { // of both algorithms
		return Signed{}, errors.New("the signature has not 64 bytes in base64url")
	}
	// The path comes before the arithmetic: a stranger's key is not computed with.
	until, err := t.path(ctx, p, now)
	if err != nil {
		return Signed{}, err
	}
	if err := p.verify(signingInput(first, digest), raw); err != nil {
		return Signed{}, err
	}
	return Signed{Certificate: p.chain[0], At: p.signedAt, Until: until}, nil
}

// headers returns the values of the two headers, each of which stands once.
func headers(h http.Header) (digest, sig string, err error) {
	sigs, digests := h.Values(HeaderSignature), h.Values(HeaderDigest)
	switch {
	case len(sigs) == 0:
		return "", "", ErrUnsigned
	case len(sigs) > 1 || len(digests) != 1:
		return "", "", errors.New("the headers of the signature do not stand once each")
	case len(sigs[0]) > maxSignature || len(digests[0]) > 256:
		return "", "", errors.New("the headers of the signature are too long")
	case strings.ContainsAny(sigs[0]+digests[0], "\r\n"): // which base64 would skip
		return "", "", errors.New("a header of the signature has a line end")
	}
	return digests[0], sigs[0], nil
}

const digestPrefix = "SHA-256="

func checkDigest(digest string, body []byte) error {
	name, value, _ := strings.Cut(digest, "=")
	if !strings.EqualFold(name+"=", digestPrefix) { // RFC 3230 4.1.1: in any case
		return errors.New("the digest is not SHA-256 alone")
	}
	want, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		return errors.New("the digest is not base64")
	}
	sum := sha256.Sum256(body)
	if subtle.ConstantTimeCompare(sum[:], want) != 1 {
		return errors.New("the digest is not that of the body")
	}
	return nil
}

// signingInput is what is signed (TDD 3.6.2): the name in lower case, a colon, one
// space, and the value as it stands in the header.
func signingInput(protected, digest string) []byte {
	return []byte(protected + ".digest: " + digest)
}

// path checks times and the way from the signer to an anchor.
func (t *Trust) path(ctx context.Context, p *protected, now time.Time) (time.Time, error) {
	skew := t.Skew
	if skew == 0 {
		skew = 5 * time.Minute
	}
	if p.signedAt.After(now.Add(skew)) {
		return time.Time{}, errors.New("the signature is from the future")
	}
	if t.MaxAge > 0 && now.Sub(p.signedAt) > t.MaxAge {
		return time.Time{}, fmt.Errorf("the signature is older than %s", t.MaxAge)
	}
	leaf := p.chain[0]
	switch {
	case leaf.IsCA: // also of a pinned one
		return time.Time{}, errors.New("the signer's certificate is one of an authority")
	case now.Before(leaf.NotBefore) || now.After(leaf.NotAfter):
		return time.Time{}, fmt.Errorf("the signer's certificate is valid from %s to %s", leaf.NotBefore.Format(time.DateOnly), leaf.NotAfter.Format(time.DateOnly))
	case leaf.KeyUsage != 0 && leaf.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0:
		return time.Time{}, errors.New("the signer's certificate does not allow signatures")
	}
	for _, pin := range t.Pinned {
		if pin.Equal(leaf) {
			return leaf.NotAfter, nil
		}
	}
	if len(t.Anchors) == 0 {
		return time.Time{}, errors.New("the signer's certificate is not a pinned one")
	}
	if subject := leaf.Subject.String(); t.Subject != nil && !t.Subject.MatchString(subject) {
		return time.Time{}, fmt.Errorf("the signer %q does not match the pattern of subjects", subject)
	}
	return t.chain(ctx, p.chain, now)
}

const maxRSABits = 8192 // what a signature costs to check grows with the square of the key

func (t *Trust) chain(ctx context.Context, chain []*x509.Certificate, now time.Time) (time.Time, error) {
	intermediates := append(chain[1:len(chain):len(chain)], t.Intermediates...)
	for _, i := range intermediates {
		if k, ok := i.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxRSABits {
			return time.Time{}, errors.New("a certificate of x5c has a key that is too large")
		}
	}
	return certpath.Rules{
		Anchors: certpath.Pool(t.Anchors), Intermediates: certpath.Pool(intermediates), Policies: t.Policies, Revocation: t.Revocation,
	}.Verify(ctx, chain[0], now)
}

// verify checks the signature. The key decides together with the algorithm: none
// stands for another.
func (p *protected) verify(input, sig []byte) error {
	good := false
	switch key := p.chain[0].PublicKey.(type) {
	case *ecdsa.PublicKey:
		if p.algorithm != algES256 || key.Curve != elliptic.P256() {
			return errors.New("the signer's key is not of the algorithm")
		}
		sum := sha256.Sum256(input)
		good = ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) // RFC 7518 3.4
	case ed25519.PublicKey:
		if p.algorithm == algES256 {
			return errors.New("the signer's key is not of the algorithm")
		}
		good = ed25519.Verify(key, input, sig)
	default:
		return errors.New("the signer's key is of neither algorithm")
	}
	if !good {
		return errors.New("the signature is not good")
	}
	return nil
}
