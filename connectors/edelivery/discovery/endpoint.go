package discovery

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oncegate/connectors/certpath"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/naptr"
	"oncegate/connectors/netguard"
	"oncegate/schemas/canon"
)

// A choice is an endpoint that we can reach.
type choice struct {
	described *Described
	process   Identifier
	endpoint  Endpoint
	transport *Transport
}

// process returns the group of endpoints of a process: that of the identifier, or one
// for any process; without an identifier the only one.
func (d *Described) process(id Identifier) (Process, error) {
	if id.IsZero() {
		if len(d.Processes) == 1 && len(d.Processes[0].IDs) <= 1 {
			return d.Processes[0], nil
		}
		return Process{}, errors.New("the metadata has several processes: name one")
	}
	for _, p := range d.Processes {
		if slices.Contains(p.IDs, id) {
			return p, nil
		}
	}
	for _, p := range d.Processes {
		if len(p.IDs) == 0 {
			return p, nil
		}
	}
	return Process{}, errors.New("the metadata does not have the process")
}

// pick returns the endpoint to use now: of the transport profiles that we speak, the
// first in our order that is active.
func (r *Resolver) pick(d *Described, process Identifier) (choice, error) {
	p, err := d.process(process)
	if err != nil {
		return choice{}, &Failure{StepEndpoint, Unregistered, d.Address, "the participant takes part in the process", "check process and scheme, or name one in activities", err}
	}
	if process.IsZero() && len(p.IDs) == 1 {
		process = p.IDs[0]
	}
	now := r.Now()
	var late error
	for i := range r.Transports {
		t := &r.Transports[i]
		for _, e := range p.Endpoints {
			if e.Profile != t.Name {
				continue
			}
			if err := active(e.Activation, e.Expiration, now); err != nil {
				late = err
				continue
			}
			return choice{d, process, e, t}, nil
		}
	}
	if late != nil {
		return choice{}, &Failure{StepEndpoint, Refused, d.Address, "an endpoint is used from its activation to its expiration", "ask the participant to renew its registration", late}
	}
	var have []string
	for _, e := range p.Endpoints {
		have = append(have, e.Profile)
	}
	return choice{}, &Failure{StepEndpoint, Unregistered, d.Address, "an endpoint has a transport profile that we speak", "add its transport profile to transports, if it is one of AS4", fmt.Errorf("it has %s", strings.Join(have, ", "))}
}

func active(from, to, now time.Time) error {
	if !from.IsZero() && now.Before(from) {
		return fmt.Errorf("it is active from %s", from.Format(time.RFC3339))
	}
	if !to.IsZero() && !now.Before(to) {
		return fmt.Errorf("it expired at %s", to.Format(time.RFC3339))
	}
	return nil
}

// certificate returns the encryption certificate of an endpoint: the first that is of
// the domain and good for it now.
func (r *Resolver) certificate(ctx context.Context, c choice, now time.Time) (*x509.Certificate, error) {
	fail := func(err error) error {
		return &Failure{StepCertificate, trustVerdict(err), c.described.Address, "the endpoint has a certificate that is valid now, encrypts, and leads to an anchor of the domain", "compare the anchors of the transport with the certificate; ask the participant to renew it", err}
	}
	err := errors.New("it has none")
	for _, p := range c.endpoint.Certificates {
		if p.Use != "" && !encrypts(p.Use) {
			continue
		}
		var cert *x509.Certificate
		if cert, err = r.published(ctx, p, c.transport, now); err == nil {
			return cert, nil
		}
	}
	return nil, fail(err)
}

// encrypts reads what SMP 2.0 says of the use of a certificate, a code of the domain:
// one that says signing and not encryption is none of ours.
func encrypts(use string) bool {
	use = strings.ToLower(use)
	return !strings.Contains(use, "sign") || strings.Contains(use, "encr") || strings.Contains(use, "agree")
}

func (r *Resolver) published(ctx context.Context, p Published, t *Transport, now time.Time) (*x509.Certificate, error) {
	if err := active(p.Activation, p.Expiration, now); err != nil {
		return nil, err
	}
	der, err := p.der()
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	if err := usable(cert, now, x509.KeyUsageKeyEncipherment|x509.KeyUsageDataEncipherment|x509.KeyUsageKeyAgreement); err != nil {
		return nil, err
	}
	if err := r.domain(ctx, cert, t, now); err != nil {
		return nil, err
	}
	if !validID(cert.Subject.CommonName) {
		return nil, errors.New("the certificate has no common name that can be a party id")
	}
	return cert, nil
}

// domain checks that a certificate leads to an anchor of the domain, and remembers
// the good ones for as long as their path holds.
func (r *Resolver) domain(ctx context.Context, cert *x509.Certificate, t *Transport, now time.Time) error {
	key := sha256.Sum256(append([]byte(t.Name+"\x00"), cert.Raw...))
	r.mu.Lock()
	until := r.paths[key]
	r.mu.Unlock()
	if now.Before(until) {
		return nil
	}
	trust := t.Partner.Trust
	until, err := certpath.Rules{
		Anchors: certpath.Pool(trust.Anchors), Intermediates: certpath.Pool(trust.Intermediates), Policies: trust.Policies, Revocation: trust.Revocation,
	}.Verify(ctx, cert, now)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.paths) >= maxTables {
		clear(r.paths)
	}
	r.paths[key] = until
	return nil
}

// validID bounds what becomes a party id.
func validID(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' || r == '<' || r == '>' })
}

// agreement makes the agreement of an endpoint.
func (r *Resolver) agreement(ctx context.Context, c choice, a Activity) (*pmode.Partner, ebms.Service, error) {
	now := r.Now()
	cert, err := r.certificate(ctx, c, now)
	if err != nil {
		return nil, ebms.Service{}, err
	}
	u, err := naptr.ReadAddress(c.endpoint.Address, r.PlainHTTP)
	if err != nil {
		return nil, ebms.Service{}, &Failure{StepEndpoint, Refused, c.described.Address, "an endpoint has an https address", "ask the participant to register one", err}
	}
	if !r.PrivateAddresses && netguard.Internal(u.Hostname()) {
		return nil, ebms.Service{}, &Failure{StepEndpoint, Refused, c.described.Address, "access points are at public addresses", "allow private_addresses where the domain is a private network", netguard.ErrPrivate}
	}
	service := a.Service
	if service.Value == "" {
		service = ebms.Service{Value: c.process.Value, Type: c.process.Scheme}
	}
	p := c.transport.Partner
	p.Name = "discovered " + cert.Subject.CommonName
	p.Party.ID.ID = cert.Subject.CommonName
	p.URL = u.String()
	p.Encrypt = []*x509.Certificate{cert}
	p.Trust.Names = []string{cert.Subject.CommonName}
	// What a template says of a service's messages holds for the discovered one.
	s := pmode.Service{}
	for _, t := range p.Services {
		if t.Service == service {
			s = t
		}
	}
	s.Service, s.Actions = service, []string{a.Action}
	p.Services = []pmode.Service{s}
	key := strings.Join([]string{c.transport.Name, u.String(), string(cert.Raw), service.Value, service.Type, a.Action}, "\x00")
	table, err := r.table(key, p)
	if err != nil {
		return nil, service, &Failure{StepAgreement, Refused, c.described.Address, "the endpoint makes an agreement", "compare the partner of the transport with the endpoint", err}
	}
	return table.Partners()[0], service, nil
}

// maxTables bounds the agreements that are kept made.
const maxTables = 4096

// table checks an agreement and keeps it, with what its verifier remembers, while our
// side does not change.
func (r *Resolver) table(key string, p pmode.Partner) (*pmode.Table, error) {
	under := r.PModes.Table()
	r.mu.Lock()
	have := r.tables[key]
	r.mu.Unlock()
	if have.table != nil && have.under == under {
		return have.table, nil
	}
	t, err := pmode.New(*under.Own(), []pmode.Partner{p})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.tables) >= maxTables {
		clear(r.tables)
	}
	r.tables[key] = made{t, under}
	return t, nil
}

// Inbound returns the agreement of a dynamic receiver for a header whose sender no
// static agreement names: of the first transport that receives and whose services
// have the header's. The header proves nothing yet. The message must verify under the
// agreement, whose trust is: a path to an anchor of the domain, and the common name
// equal to the party id that the header gives (DR_TA01 to 04).
func (r *Resolver) Inbound(h *ebms.UserMessage) (*pmode.Partner, error) {
	why := error(ebms.Errorf(ebms.ProcessingModeMismatch, "no agreement with the sending party"))
	if !validID(h.From.ID.ID) {
		return nil, why
	}
	own := r.PModes.Table().Own()
	for i := range r.Transports {
		t := &r.Transports[i]
		if !t.Receive || h.From.ID.Scheme != t.Partner.Party.ID.Scheme || h.From.ID == own.Party.ID {
			continue
		}
		p := t.Partner
		p.Name = "discovered " + h.From.ID.ID
		p.Party.ID = canon.Participant{Scheme: h.From.ID.Scheme, ID: h.From.ID.ID}
		p.URL, p.Encrypt = "", nil
		p.Trust.Names = []string{h.From.ID.ID}
		p.Services = t.Partner.Services
		table, err := r.table("in\x00"+t.Name+"\x00"+h.From.ID.Scheme+"\x00"+h.From.ID.ID, p)
		if err != nil {
			return nil, fmt.Errorf("making the agreement of a dynamic receiver: %w", err)
		}
		if _, err = table.Match(h); err == nil {
			return table.Partners()[0], nil
		}
		why = err
	}
	return nil, why
}
