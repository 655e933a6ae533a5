package pmode

import (
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// Values of the Once-Only Technical System (TDD 4.7), the defaults of a table.
const (
	OOTSRole        = "http://sdg.europa.eu/edelivery/gateway"
	OOTSService     = "QueryManager"
	OOTSServiceType = "urn:oasis:names:tc:ebcore:ebrs:ebms:binding:1.0"
)

// OOTSActions are the actions of the service QueryManager.
func OOTSActions() []string {
	return []string{"ExecuteQueryRequest", "ExecuteQueryResponse", "ExceptionResponse"}
}

// Verifier returns the checker of this partner's certificates.
func (p *Partner) Verifier() *wssec.Verifier { return p.verifier }

// A Table holds our side and all partners. It does not change: a new
// configuration is a new table.
type Table struct {
	own      Own
	partners map[canon.Participant][]*Partner
}

// New checks everything, reports all faults at once, and fills in defaults.
func New(own Own, partners []Partner) (*Table, error) {
	var faults []error
	t := &Table{own: own, partners: map[canon.Participant][]*Partner{}}
	if t.own.Party.Role == "" {
		t.own.Party.Role = OOTSRole
	}
	if len(t.own.Signing) == 0 && t.own.Sign.Certificate != nil {
		t.own.Signing = []wssec.Identity{t.own.Sign}
	} else if len(t.own.Signing) > 0 {
		t.own.Sign = t.own.Signing[0]
	}
	for _, e := range checkOwn(t.own) {
		faults = append(faults, fmt.Errorf("own: %w", e))
	}
	names := map[string]bool{}
	for i := range partners {
		p := partners[i]
		if p.OwnRole == "" {
			p.OwnRole = t.own.Party.Role
		}
		p.setDefaults()
		for _, e := range p.check() {
			faults = append(faults, fmt.Errorf("partner %q: %w", p.Name, e))
		}
		if names[p.Name] {
			faults = append(faults, fmt.Errorf("partner %q: name is taken", p.Name))
		}
		names[p.Name] = true
		if p.Party.ID == own.Party.ID {
			faults = append(faults, fmt.Errorf("partner %q: party is our own", p.Name))
		}
		for _, o := range t.partners[p.Party.ID] {
			if o.Agreement == p.Agreement && o.Party.Role == p.Party.Role && overlap(o.Services, p.Services) {
				faults = append(faults, fmt.Errorf("partner %q: same party, agreement and action as %q", p.Name, o.Name))
			}
		}
		t.partners[p.Party.ID] = append(t.partners[p.Party.ID], &p)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("checking agreements: %w", err)
	}
	return t, nil
}

func checkOwn(o Own) []error {
	var es []error
	es = append(es, checkParty(o.Party)...)
	if o.Domain == "" || strings.ContainsAny(o.Domain, " @<>\t\r\n") {
		es = append(es, errors.New("domain is required and is a host name"))
	}
	switch {
	case o.Sign.Certificate == nil || o.Sign.Key == nil:
		es = append(es, errors.New("signing certificate and key are required"))
	case !samePublic(o.Sign.Certificate, o.Sign.Key.Public()):
		es = append(es, errors.New("signing key does not belong to its certificate"))
	case !isRSA(o.Sign.Certificate):
		es = append(es, errors.New("signing key is not RSA of 2048 bits or more"))
	}
	if len(o.Decrypt) == 0 {
		es = append(es, errors.New("a decryption certificate and key are required"))
	}
	for _, d := range o.Decrypt {
		switch {
		case d.Certificate == nil || d.Key == nil:
			es = append(es, errors.New("decryption certificate and key are required"))
		case !samePublic(d.Certificate, d.Key.Public()):
			es = append(es, errors.New("decryption key does not belong to its certificate"))
		case !isRSA(d.Certificate):
			es = append(es, errors.New("decryption key is not RSA of 2048 bits or more"))
		}
	}
	return es
}

func samePublic(c *x509.Certificate, pub crypto.PublicKey) bool {
	k, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(pub)
}

// isRSA reports the one kind of key of profile 1.15 (b.1).
func isRSA(c *x509.Certificate) bool {
	k, ok := c.PublicKey.(*rsa.PublicKey)
	return ok && k.N.BitLen() >= 2048
}

func checkParty(p ebms.Party) []error {
	var es []error
	if p.ID.ID == "" {
		es = append(es, errors.New("party id is required"))
	}
	// The canonical participant, which goes into every record, has such a scheme.
	if !strings.HasPrefix(p.ID.Scheme, "urn:") {
		es = append(es, errors.New("party type is required and is a urn"))
	}
	return es
}

func (p *Partner) setDefaults() {
	if p.Party.Role == "" {
		p.Party.Role = OOTSRole
	}
	if p.MEP == "" {
		p.MEP = Push
	}
	if p.MPC == "" {
		p.MPC = ebms.DefaultMPC
	}
	if p.Fetch.Every > 0 && p.Fetch.MPC == "" {
		p.Fetch.MPC = p.MPC
	}
	if p.Token == "" {
		p.Token = wssec.TokenBST
	}
	if p.SignToken == "" {
		p.SignToken = p.Token
	}
	if p.EncryptToken == "" {
		p.EncryptToken = p.Token
	}
	if len(p.Services) == 0 {
		p.Services = []Service{{Service: ebms.Service{Value: OOTSService, Type: OOTSServiceType}, Actions: OOTSActions()}}
	}
	if p.Retry.Attempts == 0 {
		p.Retry.Attempts = 5
	}
	if p.Retry.Initial == 0 {
		p.Retry.Initial = time.Second
	}
	if p.Retry.Factor == 0 {
		p.Retry.Factor = 2
	}
	if p.Retry.Max == 0 {
		p.Retry.Max = time.Minute
	}
	if p.Retry.Jitter == 0 {
		p.Retry.Jitter = 0.1
	}
	if p.Timeout == 0 {
		p.Timeout = time.Minute
	}
	if p.Limits.Part == 0 {
		p.Limits.Part = 64 << 20
	}
	if p.Limits.Message == 0 {
		p.Limits.Message = 128 << 20
	}
	if p.Limits.Ratio == 0 {
		p.Limits.Ratio = 200
	}
	if p.Limits.Parts == 0 {
		p.Limits.Parts = 28
	}
	if p.TLS.Min == 0 {
		p.TLS.Min = tls.VersionTLS12
	}
}

func (p *Partner) check() []error {
	var es []error
	add := func(ok bool, text string) {
		if !ok {
			es = append(es, errors.New(text))
		}
	}
	add(p.Name != "", "name is required")
	es = append(es, checkParty(p.Party)...)
	if p.URL != "" {
		u, err := url.Parse(p.URL)
		add(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil, "url is not an http or https address without credentials")
		add(len(p.Encrypt) > 0, "an encryption certificate is required with a url")
	}
	for _, c := range slices.Concat(p.Encrypt, p.Trust.Pinned) {
		add(isRSA(c), "a certificate's key is not RSA of 2048 bits or more")
	}
	v, err := wssec.NewVerifier(p.Trust)
	if err != nil {
		es = append(es, err)
	}
	p.verifier = v
	add(p.Token.Valid(), "token is not bst, ski or issuer-serial")
	for _, s := range p.Services {
		add(s.Service.Value != "" && len(s.Actions) > 0, "a service needs a value and actions")
		add(s.Service.Type != "" || strings.Contains(s.Service.Value, ":"), "a service without a type must be a URI")
	}
	add(p.Retry.Attempts > 0 && p.Retry.Attempts <= 100, "retry attempts are from 1 to 100")
	add(p.Retry.Initial > 0 && p.Retry.Max >= p.Retry.Initial && p.Retry.Factor >= 1, "retry pauses do not grow from initial to max")
	add(p.Timeout > 0, "timeout is not positive")
	add(p.Limits.Part > 0 && p.Limits.Message >= p.Limits.Part && p.Limits.Ratio > 0, "limits are not positive, or that of a message is below that of a part")
	return es
}

func overlap(a, b []Service) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Service == y.Service && slices.ContainsFunc(x.Actions, func(s string) bool { return slices.Contains(y.Actions, s) }) {
				return true
			}
		}
	}
	return false
}

// A Source has the table that is in force. Whoever works on one message asks once
// and keeps what it got: the next message may see another table.
type Source interface{ Table() *Table }

// Table returns t: a table is the source of itself.
func (t *Table) Table() *Table { return t }

// Own returns our side.
func (t *Table) Own() *Own { return &t.own }

// Partners returns all partners, sorted by name.
func (t *Table) Partners() []*Partner {
	var out []*Partner
	for _, ps := range t.partners {
		out = append(out, ps...)
	}
	slices.SortFunc(out, func(a, b *Partner) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Match returns the agreement that an inbound header belongs to. The header need
// not be verified yet: the agreement says how to verify it. A mismatch is an
// *ebms.Error, ProcessingModeMismatch, that names what did not match. Where the
// party is known but nothing else matches, one of its agreements comes with the
// error, so that the answer can be signed for a partner.
func (t *Table) Match(h *ebms.UserMessage) (*Partner, error) {
	ps := t.partners[h.From.ID]
	if len(ps) == 0 {
		return nil, ebms.Errorf(ebms.ProcessingModeMismatch, "no agreement with the sending party")
	}
	if h.To != t.own.Party {
		return ps[0], ebms.Errorf(ebms.ProcessingModeMismatch, "message is not for this party and role")
	}
	if h.MPC != "" && h.MPC != ebms.DefaultMPC {
		return ps[0], ebms.Errorf(ebms.ProcessingModeMismatch, "no agreement for this partition")
	}
	why := "no agreement for this role"
	for _, p := range ps {
		if p.Party.Role != h.From.Role {
			continue
		}
		// pmode is a hint of the sender's own naming; value and type identify (ebMS3 5.2.2.7).
		if p.Agreement.Value != h.Agreement.Value || p.Agreement.Type != h.Agreement.Type {
			why = "no agreement with this AgreementRef"
			continue
		}
		if h.IsTest() {
			return p, nil
		}
		why = "no agreement for this service and action"
		for _, s := range p.Services {
			if s.Service == h.Service && slices.Contains(s.Actions, h.Action) {
				return p, nil
			}
		}
	}
	return ps[0], ebms.Errorf(ebms.ProcessingModeMismatch, "%s", why)
}

// Outbound returns the agreement for sending the action to the party, and the
// service that it belongs to.
func (t *Table) Outbound(to canon.Participant, action string) (*Partner, ebms.Service, error) {
	for _, p := range t.partners[to] {
		if p.URL == "" {
			continue
		}
		for _, s := range p.Services {
			if slices.Contains(s.Actions, action) {
				return p, s.Service, nil
			}
		}
	}
	return nil, ebms.Service{}, canon.NewFault(canon.CodeNoAgreement, nil, "no agreement to send %s to %s", action, to)
}
