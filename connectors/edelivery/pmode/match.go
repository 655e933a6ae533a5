package pmode

import (
	"crypto/tls"
	"errors"
	"slices"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
)

// Identity returns the identity that signs for this partner at the given time:
// the first of ours that is valid; if none is, the one that is valid longest.
func (t *Table) Identity(p *Partner, now time.Time) (wssec.Identity, error) {
	var last wssec.Identity
	for _, id := range t.own.Signing {
		c := id.Certificate
		if !now.Before(c.NotBefore) && !now.After(c.NotAfter) {
			return id, nil
		}
		if last.Certificate == nil || c.NotAfter.After(last.Certificate.NotAfter) {
			last = id
		}
	}
	if last.Certificate == nil {
		return last, errors.New("no signing identity of ours fits this agreement")
	}
	return last, nil
}

// Bounds returns the limits of a message with this header: those of the agreement
// and of the payload profile of its service, whichever is less.
func (p *Partner) Bounds(h *ebms.UserMessage) Limits {
	l := p.Limits
	if s := p.service(h); s != nil && s.Payloads.Size > 0 {
		l.Message = min(l.Message, s.Payloads.Size)
		l.Part = min(l.Part, l.Message)
	}
	return l
}

func (p *Partner) service(h *ebms.UserMessage) *Service {
	for i, s := range p.Services {
		if s.Service == h.Service && slices.Contains(s.Actions, h.Action) {
			return &p.Services[i]
		}
	}
	return nil
}

// Allow reports whether a connection with this state may speak for the partner.
func (c Clients) Allow(state *tls.ConnectionState) error {
	if c.None() {
		return nil
	}
	if state == nil || len(state.PeerCertificates) == 0 {
		return errors.New("agreement asks for a client certificate, and the connection has none")
	}
	leaf := state.PeerCertificates[0]
	if slices.ContainsFunc(c.Pinned, leaf.Equal) {
		return nil
	}
	return errors.New("client certificate is not one of this partner")
}
