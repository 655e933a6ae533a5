package revocation

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6960 names certificates with it; nothing is signed over it
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	maxAnswer  = 64 << 10
	maxAnswers = 4096
	// maxAge is how old an answer may be that does not say when the next one comes.
	maxAge = 24 * time.Hour
)

type answerKey [sha256.Size]byte

// An answer of a responder, or its silence, until when it is kept.
type answer struct {
	until time.Time
	err   error
}

// ocsp asks a responder, or remembers what it said.
func (s *Store) ocsp(ctx context.Context, url string, nonce bool, cert, issuer *x509.Certificate, now time.Time) (until time.Time, err error) {
	key := answerKeyOf(url, nonce, cert, issuer)
	s.mu.Lock()
	a, ok := s.answers[key]
	s.mu.Unlock()
	if ok && now.Before(a.until) {
		return a.until, a.err
	}
	// Messages that come together ask once; one that hangs up does not end the others.
	v, _, _ := s.asking.Do(string(key[:]), func() (any, error) {
		return s.renew(context.WithoutCancel(ctx), key, url, nonce, cert, issuer, now), nil
	})
	a = v.(answer)
	return a.until, a.err
}

func (s *Store) renew(ctx context.Context, key answerKey, url string, nonce bool, cert, issuer *x509.Certificate, now time.Time) (a answer) {
	a.until, a.err = s.askResponder(ctx, url, nonce, cert, issuer, now)
	switch {
	case errors.Is(a.err, errRevoked):
		a.until = now.Add(s.Keep)
	case a.err != nil:
		a.err = unknownf("%s: %w", url, a.err)
		a.until = now.Add(min(retry, s.Refresh))
	}
	// Only certificates with a path to an anchor come here, so a stranger cannot fill
	// the memory.
	s.mu.Lock()
	if len(s.answers) >= maxAnswers {
		clear(s.answers)
	}
	s.answers[key] = a
	s.mu.Unlock()
	return a
}

func answerKeyOf(url string, nonce bool, cert, issuer *x509.Certificate) (k answerKey) {
	h := sha256.New()
	fmt.Fprintf(h, "%d %s %t ", len(url), url, nonce)
	own, by := sha256.Sum256(cert.Raw), sha256.Sum256(issuer.Raw)
	h.Write(own[:])
	h.Write(by[:])
	h.Sum(k[:0])
	return k
}

func (s *Store) askResponder(ctx context.Context, url string, withNonce bool, cert, issuer *x509.Certificate, now time.Time) (until time.Time, err error) {
	var nonce []byte
	if withNonce {
		nonce = make([]byte, 32) // RFC 9654
		if _, err := io.ReadFull(s.Rand, nonce); err != nil {
			return until, fmt.Errorf("making a nonce: %w", err)
		}
	}
	id, err := newCertID(cert, issuer)
	if err != nil {
		return until, err
	}
	req, err := marshalRequest(id, nonce)
	if err != nil {
		return until, err
	}
	data, err := s.post(ctx, url, req, maxAnswer)
	if err != nil {
		return until, err
	}
	r, err := parseResponse(data)
	if err != nil {
		return until, err
	}
	if err := r.signedFor(issuer, now); err != nil {
		return until, err
	}
	if withNonce && subtle.ConstantTimeCompare(r.nonce, nonce) != 1 {
		return until, errors.New("responder does not repeat the nonce")
	}
	single, err := r.about(id)
	if err != nil {
		return until, err
	}
	until, err = single.holds(now)
	if err != nil {
		return until, err
	}
	if keep := now.Add(s.Keep); keep.Before(until) {
		until = keep
	}
	return until, nil
}

// holds says what the answer means now.
func (r *singleResponse) holds(now time.Time) (until time.Time, err error) {
	// Old or not, the authority said so of this very certificate.
	if !r.Revoked.At.IsZero() {
		return until, errRevoked
	}
	until = r.NextUpdate
	if until.IsZero() {
		until = r.ThisUpdate.Add(maxAge)
	}
	switch {
	case !bool(r.Good):
		return until, errors.New("responder does not know the certificate")
	case now.Add(skew).Before(r.ThisUpdate), !now.Before(until):
		return until, fmt.Errorf("answer was good from %s to %s", r.ThisUpdate.Format(time.RFC3339), until.Format(time.RFC3339))
	}
	return until, nil
}

// signedFor checks that the issuer itself answers, or a responder to which it gave
// this task in a certificate of its own making (RFC 6960 4.2.2.2).
func (r *response) signedFor(issuer *x509.Certificate, now time.Time) error {
	if r.isFrom(issuer) && issuer.CheckSignature(r.algorithm, r.tbs, r.signature) == nil {
		return nil
	}
	err := errors.New("answer is not signed by the issuer or its responder")
	for _, der := range r.certificates {
		c, parse := x509.ParseCertificate(der)
		if parse != nil || !r.isFrom(c) || bytes.Equal(c.Raw, issuer.Raw) {
			continue
		}
		switch {
		case !bytes.Equal(c.RawIssuer, issuer.RawSubject), c.CheckSignatureFrom(issuer) != nil:
			err = errors.New("responder's certificate is not of the issuer")
		case now.Before(c.NotBefore), now.After(c.NotAfter):
			err = errors.New("responder's certificate is not valid now")
		case !signsOCSP(c):
			err = errors.New("responder's certificate does not allow it to answer")
		default:
			if err = c.CheckSignature(r.algorithm, r.tbs, r.signature); err == nil {
				return nil
			}
		}
	}
	return err
}

func signsOCSP(c *x509.Certificate) bool {
	for _, u := range c.ExtKeyUsage {
		if u == x509.ExtKeyUsageOCSPSigning {
			return true
		}
	}
	return false
}

// isFrom compares the answer's responderID.
func (r *response) isFrom(c *x509.Certificate) bool {
	if r.byName != nil {
		return bytes.Equal(r.byName, c.RawSubject)
	}
	bits, err := keyBits(c)
	if err != nil {
		return false
	}
	sum := sha1.Sum(bits) //nolint:gosec // see import
	return bytes.Equal(r.byKey, sum[:])
}
