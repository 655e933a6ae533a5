package discovery

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/naptr"
	"oncegate/connectors/netguard"
	"oncegate/connectors/remember"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// A Resolver finds access points. It is safe for concurrent use.
type Resolver struct {
	Config
	dns   *naptr.Client
	fetch *fetcher

	places   *remember.Memory[Place]
	metadata *remember.Memory[*Described]

	mu     sync.Mutex
	tables map[string]made
	paths  map[[sha256.Size]byte]time.Time // until when a certificate of the domain is known good
}

// made is the table of one agreement that was found, made under that of the static ones.
type made struct {
	table *pmode.Table
	under *pmode.Table
}

// New returns a resolver.
func New(c Config) (*Resolver, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Resolver{Config: c, fetch: newFetcher(&c), tables: map[string]made{}, paths: map[[sha256.Size]byte]time.Time{}}
	kept := remember.Config{Entries: c.Entries, Stale: c.Stale, Timeout: c.Timeout, Now: c.Now}
	r.places, r.metadata = remember.New[Place](kept), remember.New[*Described](kept)
	if c.Zone != "" {
		servers := c.Resolvers
		if len(servers) == 0 {
			if servers, err = naptr.SystemServers(); err != nil {
				return nil, fmt.Errorf("configuring discovery: %w", err)
			}
		}
		r.dns = &naptr.Client{Servers: servers, Try: c.DNSTry, Random: c.Random, Secure: c.DNSSEC}
	}
	return r, nil
}

// A Place is a publisher as the DNS names it.
type Place struct {
	Address string
	Version Version
	Name    string // the name that was asked; empty where the publisher is configured
	answer  naptr.Answer
}

// A Described is metadata that a trusted publisher signed.
type Described struct {
	*Metadata
	Address   string   // of the document
	Addresses []string // all that were fetched
	signer    signer
}

// Resolve returns the agreement for sending an action to a participant that no static
// agreement names, and the service the action belongs to. An error is a *canon.Fault
// around a *Failure.
func (r *Resolver) Resolve(ctx context.Context, to canon.Participant, action string) (*pmode.Partner, ebms.Service, error) {
	a := r.activity(action)
	p, service, err := r.resolve(ctx, Participant(to), a)
	if err == nil {
		return p, service, nil
	}
	f, ok := errors.AsType[*Failure](err)
	if !ok {
		return nil, service, canon.NewFault(canon.CodePeerUnreachable, err, "the access point of %s is not known now", to)
	}
	return nil, service, canon.NewFault(f.Code(), err, "no access point of %s for %s was found: step %s, %s", to, action, f.Step, f.Verdict)
}

// activity returns what an action stands for.
func (r *Resolver) activity(action string) Activity {
	out := Activity{Action: action}
	for _, a := range r.Activities {
		if a.Action == action {
			out = a
		}
	}
	if out.Document.IsZero() {
		out.Document = Identifier{Scheme: r.DocumentScheme, Value: action}
	}
	return out
}

func (r *Resolver) resolve(ctx context.Context, id Identifier, a Activity) (*pmode.Partner, ebms.Service, error) {
	found, err := r.places.Get(ctx, id.Scheme+"::"+strings.ToLower(id.Value), func(ctx context.Context) remember.Outcome[Place] {
		return r.askPlace(ctx, id)
	})
	if err != nil {
		return nil, ebms.Service{}, err
	}
	place := found.Value
	address := place.metadata(id, a.Document)
	d, err := r.metadata.Get(ctx, address+"\x00"+a.Process.String(), func(ctx context.Context) remember.Outcome[*Described] {
		return r.askMetadata(ctx, place, id, a)
	})
	if err != nil {
		return nil, ebms.Service{}, err
	}
	if d.Way == remember.Stale {
		r.Logger.WarnContext(ctx, "publisher does not answer: old metadata serves", slog.String("publisher", place.Address))
	}
	c, err := r.pick(d.Value, a.Process)
	if err != nil {
		return nil, ebms.Service{}, err
	}
	return r.agreement(ctx, c, a)
}

// askPlace locates and says how long the answer holds.
func (r *Resolver) askPlace(ctx context.Context, id Identifier) remember.Outcome[Place] {
	p, err := r.locate(ctx, id)
	o := remember.Outcome[Place]{Value: p, Err: err, TTL: r.TTL}
	if p.Name != "" {
		o.TTL = min(p.answer.TTL, r.TTL)
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		o.TTL, o.Down = r.Negative, f.Verdict == Unreachable
		if f.Verdict == Unregistered {
			o.TTL = min(p.answer.TTL, r.Negative)
		}
	}
	return o
}

// locate finds the publisher of a participant.
func (r *Resolver) locate(ctx context.Context, id Identifier) (Place, error) {
	if r.Publisher != "" {
		return Place{Address: r.Publisher, Version: r.Version}, nil
	}
	name, err := QueryName(id, r.Zone)
	if err != nil {
		return Place{}, &Failure{StepIdentifier, Refused, id.String(), "the identifier has no domain name", "give it as scheme::value or as an ebCore URN", err}
	}
	p := Place{Name: name}
	p.answer, err = r.dns.Lookup(ctx, name)
	switch {
	case errors.Is(err, naptr.ErrNoName), errors.Is(err, naptr.ErrNoRecord):
		return p, &Failure{StepDNS, Unregistered, name, "the participant is not registered in the zone", "check identifier, scheme and zone; ask the participant's publisher to register it", err}
	case errors.Is(err, naptr.ErrInsecure):
		return p, &Failure{StepDNS, Refused, name, "the answer must be validated with DNSSEC", "use a validating resolver on a trusted way, or switch dnssec off where the zone is not signed", err}
	case errors.Is(err, naptr.ErrLoop):
		return p, &Failure{StepDNS, Refused, name, "aliases are followed eight times at most", "tell the operator of the zone", err}
	case err != nil:
		return p, &Failure{StepDNS, Unreachable, name, "no resolver gives an answer", "check the resolvers and the way to them; the look-up is repeated", err}
	}
	u, service, err := choose(p.answer.Records, name, r.Services, r.PlainHTTP)
	if err != nil {
		verdict := Refused
		if errors.Is(err, naptr.ErrNoService) {
			verdict = Unregistered
		}
		return p, &Failure{StepDNS, verdict, name, "no NAPTR record leads to a publisher", "tell the operator of the zone, or add the record's service to services", err}
	}
	p.Address, p.Version = u.String(), service.Version
	return p, nil
}

// metadata returns the address of the metadata of a document.
func (p Place) metadata(id, document Identifier) string {
	return p.group(id) + "/services/" + segment(document.String())
}

// group returns the address of the service group of a participant.
func (p Place) group(id Identifier) string {
	base := strings.TrimRight(p.Address, "/")
	if p.Version == SMP2 && !strings.HasSuffix(base, "/bdxr-smp-2") {
		base += "/bdxr-smp-2"
	}
	return base + "/" + segment(id.String())
}

func (r *Resolver) askMetadata(ctx context.Context, p Place, id Identifier, a Activity) remember.Outcome[*Described] {
	d, err := r.describe(ctx, p, id, a.Document, a.Process)
	o := remember.Outcome[*Described]{Value: d, Err: err, TTL: r.TTL}
	if err == nil {
		o.Limit = d.signer.until
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		o.TTL, o.Down = r.Negative, f.Verdict == Unreachable
	}
	return o
}

// documentLimits bound one document of a publisher, besides MaxBytes.
var documentLimits = xmldoc.Limits{MaxDepth: 48, MaxNodes: 50_000, MaxAttributes: 64, MaxNamespaces: 64}

// load fetches, reads and verifies one document.
func (r *Resolver) load(ctx context.Context, address string) (*Described, error) {
	b, err := r.fetch.get(ctx, address)
	if err != nil {
		remedy := "check the publisher and the way to it; the look-up is repeated"
		rule := "the publisher gives no document"
		switch {
		case errors.Is(err, errNotFound):
			rule, remedy = "the publisher has no metadata of this participant and document", "check participant and document, with their schemes; `oncegate discover` without a document lists what there is"
		case errors.Is(err, netguard.ErrPrivate):
			rule, remedy = "publishers are at public addresses", "allow private_addresses where the domain is a private network"
		case errors.Is(err, netguard.ErrTooLarge):
			remedy = "raise max_size if the publisher is right"
		}
		return nil, &Failure{StepFetch, fetchVerdict(err), address, rule, remedy, err}
	}
	limits := documentLimits
	limits.MaxBytes = r.MaxBytes
	doc, err := xmldoc.ParseBytes(b, limits)
	if err != nil {
		return nil, &Failure{StepDocument, Refused, address, "metadata is one well-formed document without DOCTYPE", "tell the operator of the publisher", err}
	}
	root, by, err := r.Signers.verify(ctx, doc, r.Now())
	if err != nil {
		return nil, &Failure{StepSignature, trustVerdict(err), address, "one signature of a trusted publisher covers the document", "compare anchors, subject and pinned of signers with the publisher's certificate; if they fit, treat it as an incident", err}
	}
	m, err := ReadMetadata(root)
	if err != nil {
		return nil, &Failure{StepDocument, Refused, address, "metadata is of SMP 1.0, SMP 2.0 or Peppol", "tell the operator of the publisher", err}
	}
	return &Described{Metadata: m, Address: address, Addresses: []string{address}, signer: by}, nil
}

// describe returns the metadata of a document, after one redirect at most.
func (r *Resolver) describe(ctx context.Context, p Place, id, document, process Identifier) (*Described, error) {
	address := p.metadata(id, document)
	d, err := r.load(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := d.about(id, document); err != nil {
		return nil, err
	}
	redirect := d.redirect(process)
	if redirect == nil {
		return d, nil
	}
	u, err := naptr.ReadAddress(redirect.Address, r.PlainHTTP)
	if err != nil {
		return nil, &Failure{StepRedirect, Refused, address, "a redirect leads to an https address", "tell the operator of the publisher", err}
	}
	next, err := r.load(ctx, redirectTarget(u, d.Version, id, document))
	if err != nil {
		return nil, err
	}
	next.Addresses = append(d.Addresses, next.Addresses...)
	if d.signer.until.Before(next.signer.until) {
		next.signer.until = d.signer.until
	}
	if !redirect.names(next.signer) {
		return nil, &Failure{StepRedirect, Refused, next.Address, "the signer is the one that the redirect names", "tell the operator of the first publisher: its CertificateUID or Certificate does not fit",
			fmt.Errorf("signer is %q", next.signer.certificate.Subject)}
	}
	if next.redirect(process) != nil {
		return nil, &Failure{StepRedirect, Refused, next.Address, "a redirect leads to metadata, not to another redirect", "tell the operator of the first publisher", nil}
	}
	return next, next.about(id, document)
}

// redirectTarget returns the address that a redirect means: SMP 1.0 gives that of the
// metadata, SMP 2.0 also that of the publisher.
func redirectTarget(u *url.URL, v Version, id, document Identifier) string {
	if v == SMP2 && !strings.Contains(u.EscapedPath(), "/services/") {
		return Place{Address: u.String(), Version: SMP2}.metadata(id, document)
	}
	return u.String()
}

// about checks that the metadata is about what was asked: a signature says nothing of
// the question (i.20).
func (d *Described) about(id, document Identifier) error {
	if d.Metadata.Redirect != nil {
		return nil
	}
	if !d.Participant.same(id) {
		return &Failure{StepDocument, Refused, d.Address, "metadata is about the participant that was asked for", "treat it as an incident: the publisher answers for another participant", fmt.Errorf("it is about %s", d.Participant)}
	}
	if d.Document != document {
		return &Failure{StepDocument, Refused, d.Address, "metadata is about the document that was asked for", "check the document and its scheme", fmt.Errorf("it is about %s", d.Document)}
	}
	return nil
}

// redirect returns the redirect for a process, or nil.
func (d *Described) redirect(process Identifier) *Redirect {
	if d.Metadata.Redirect != nil {
		return d.Metadata.Redirect
	}
	if p, err := d.process(process); err == nil {
		return p.Redirect
	}
	return nil
}

// names reports whether the redirect names the signer.
func (r *Redirect) names(s signer) bool {
	for _, p := range r.Certificates {
		if der, err := p.der(); err == nil && string(der) == string(s.certificate.Raw) {
			return true
		}
	}
	return named(r.UID, s.certificate)
}

// choose returns the publisher that the records name, with what its service stands for.
func choose(records []naptr.Record, name string, services []Service, plain bool) (*url.URL, Service, error) {
	var names []string
	for _, s := range services {
		names = append(names, s.Name)
	}
	u, service, err := naptr.Choose(records, name, names, plain)
	if err != nil {
		return nil, Service{}, err
	}
	return u, services[slices.Index(names, service)], nil
}
