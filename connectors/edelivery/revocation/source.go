package revocation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"sync"
	"time"
)

// How often a CRL is fetched: again after refetch while it is fresh, and after a
// failure not before retry.
const (
	refetch = time.Hour
	retry   = 30 * time.Second
	// brief is how long messages wait for a new list while the old one is good.
	brief = time.Second
)

// A source is one file or address with CRLs. One caller reads it, others wait.
type source struct {
	name string

	mu     sync.Mutex
	lists  []*list
	sum    [sha256.Size]byte
	again  time.Time    // when to look again
	fault  error        // of the last look
	coming chan fetched // what is being fetched; nil for nothing
}

type fetched struct {
	data []byte
	err  error
}

func (s *Store) source(name string) *source {
	s.mu.Lock()
	defer s.mu.Unlock()
	src := s.sources[name]
	if src == nil {
		src = &source{name: name}
		s.sources[name] = src
	}
	return src
}

// ask says what a source knows of a certificate.
func (s *Store) ask(ctx context.Context, src *source, cert, issuer *x509.Certificate, now time.Time) (until time.Time, err error) {
	src.mu.Lock()
	defer src.mu.Unlock()
	s.look(ctx, src, now)
	err = unknownf("%s: no CRL of this issuer", src.name)
	if src.fault != nil {
		err = unknownf("%s: %w", src.name, src.fault)
	}
	for _, l := range src.lists {
		if !bytes.Equal(l.crl.RawIssuer, issuer.RawSubject) || !l.covers(cert) {
			continue
		}
		if fault := l.signedBy(issuer); fault != nil {
			err = unknownf("%s: %w", src.name, fault)
			continue
		}
		// What was revoked stays revoked, however old the list is.
		if _, ok := l.revoked[string(cert.SerialNumber.Bytes())]; ok {
			return until, errRevoked
		}
		if !l.fresh(now) {
			err = unknownf("%s: CRL was valid from %s to %s", src.name, l.crl.ThisUpdate.Format(time.RFC3339), l.crl.NextUpdate.Format(time.RFC3339))
			continue
		}
		good := now.Add(s.Refresh)
		if l.crl.NextUpdate.Before(good) {
			good = l.crl.NextUpdate
		}
		if until.IsZero() || good.Before(until) {
			until = good
		}
	}
	if !until.IsZero() {
		return until, nil
	}
	return until, err
}

// look reads the source again when it is time. What it held stays in use while a new
// look fails: a list says itself until when it is good.
func (s *Store) look(ctx context.Context, src *source, now time.Time) {
	due := src.again.IsZero() || !now.Before(src.again)
	if !due && len(src.coming) == 0 {
		return
	}
	var data []byte
	remote := isURL(src.name)
	if remote {
		f, here := s.await(ctx, src, now)
		if !here {
			src.again = now.Add(min(retry, s.Refresh))
			return
		}
		data, src.fault = f.data, f.err
		src.again = now.Add(refetch)
	} else {
		data, src.fault = s.Read(src.name)
		src.again = now.Add(s.Refresh)
	}
	if src.fault == nil {
		src.fault = src.take(data, remote)
	}
	if src.fault != nil {
		src.again = now.Add(min(retry, s.Refresh))
		s.Logger.WarnContext(ctx, "reading CRL", "source", src.name, "cause", src.fault)
		return
	}
	for _, l := range src.lists {
		if remote && l.crl.NextUpdate.Before(src.again) && l.crl.NextUpdate.After(now) {
			src.again = l.crl.NextUpdate
		}
	}
}

// await fetches, and waits for what is being fetched; not for long where the list that
// is held is good: a server that hangs shall not hold up every message.
func (s *Store) await(ctx context.Context, src *source, now time.Time) (f fetched, here bool) {
	if src.coming == nil {
		coming := make(chan fetched, 1)
		src.coming = coming
		// A peer that hangs up shall not make the next one wait for another try.
		go func(ctx context.Context) {
			data, err := s.fetch(ctx, src.name, maxCRL)
			coming <- fetched{data, err}
		}(context.WithoutCancel(ctx))
	}
	var enough <-chan time.Time
	if slices.ContainsFunc(src.lists, func(l *list) bool { return l.fresh(now) }) {
		t := time.NewTimer(brief)
		defer t.Stop()
		enough = t.C
	}
	select {
	case f = <-src.coming:
		src.coming = nil
		return f, true
	case <-enough:
		return f, false
	}
}

func (src *source) take(data []byte, remote bool) error {
	sum := sha256.Sum256(data)
	if src.sum == sum {
		return nil
	}
	lists, err := parseCRLs(data)
	if err != nil {
		return err
	}
	if remote {
		// Who answers in place of the server shall not bring yesterday's list back.
		for _, l := range lists {
			for _, old := range src.lists {
				if bytes.Equal(old.crl.RawIssuer, l.crl.RawIssuer) && l.crl.ThisUpdate.Before(old.crl.ThisUpdate) {
					return errOlder
				}
			}
		}
	}
	src.lists, src.sum = lists, sum
	return nil
}

// A ListState is what an operator wants to know of one CRL.
type ListState struct {
	Source     string
	Issuer     string
	ThisUpdate time.Time
	NextUpdate time.Time
	Fault      error // the source cannot be read; nothing else is set
}

// Lists looks at the CRLs of the policy: with network also at those at addresses.
func (c *Checker) Lists(ctx context.Context, network bool, now time.Time) []ListState {
	var out []ListState
	for _, src := range c.sources {
		if isURL(src.name) && !network {
			continue
		}
		src.mu.Lock()
		c.store.look(ctx, src, now)
		if src.fault != nil {
			out = append(out, ListState{Source: src.name, Fault: src.fault})
		}
		for _, l := range src.lists {
			out = append(out, ListState{Source: src.name, Issuer: l.crl.Issuer.CommonName, ThisUpdate: l.crl.ThisUpdate, NextUpdate: l.crl.NextUpdate})
		}
		src.mu.Unlock()
	}
	return out
}
