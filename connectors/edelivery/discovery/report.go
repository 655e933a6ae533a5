package discovery

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/naptr"
	"oncegate/connectors/xmldoc"
)

// A Report explains a discovery step by step. It has what the steps before a failure found.
type Report struct {
	Participant string           `json:"participant"`
	Document    string           `json:"document,omitempty"`
	Process     string           `json:"process,omitempty"`
	DNS         *DNSReport       `json:"dns,omitempty"`
	Publisher   string           `json:"publisher,omitempty"`
	Version     Version          `json:"version,omitempty"`
	Documents   []string         `json:"documents,omitempty"` // of the service group, unsigned
	Fetched     []string         `json:"fetched,omitempty"`
	Signer      *Certificate     `json:"signer,omitempty"`
	Endpoints   []EndpointReport `json:"endpoints,omitempty"`
	Agreement   []pmode.Setting  `json:"agreement,omitempty"`
	Steps       []StepReport     `json:"steps"`
}

// A StepReport is how one step went.
type StepReport struct {
	Step    Step   `json:"step"`
	OK      bool   `json:"ok"`
	Text    string `json:"text"`
	Remedy  string `json:"remedy,omitempty"`
	Verdict string `json:"verdict,omitempty"`
}

// A DNSReport is what the DNS said.
type DNSReport struct {
	Name      string         `json:"name"`
	Aliases   []string       `json:"aliases,omitempty"`
	Resolver  string         `json:"resolver,omitempty"`
	Validated bool           `json:"validated"`
	TTL       string         `json:"ttl,omitempty"`
	Records   []naptr.Record `json:"records,omitempty"`
}

// A Certificate is what people compare of one.
type Certificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	SHA256    string    `json:"sha256"`
}

// An EndpointReport is an endpoint of the metadata.
type EndpointReport struct {
	Processes    []string      `json:"processes,omitempty"`
	Transport    string        `json:"transport"`
	Spoken       bool          `json:"spoken"` // its transport is configured
	Address      string        `json:"address"`
	Activation   *time.Time    `json:"activation,omitempty"`
	Expiration   *time.Time    `json:"expiration,omitempty"`
	Active       bool          `json:"active"`
	Certificates []Certificate `json:"certificates,omitempty"`
	Chosen       bool          `json:"chosen"`
}

// Explain runs a discovery anew, remembering nothing, and reports every step. Without
// a document it ends with what the publisher lists for the participant. The error is
// a *Failure, which the report's last step tells too.
func (r *Resolver) Explain(ctx context.Context, id, document, process Identifier) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	rep := &Report{Participant: id.String(), Document: document.String(), Process: process.String()}
	err := r.explain(ctx, rep, id, r.activityOf(document, process))
	if f, ok := errors.AsType[*Failure](err); ok {
		text := f.Rule
		if f.Where != "" {
			text = f.Where + ": " + text
		}
		if f.Err != nil {
			text += ": " + f.Err.Error()
		}
		rep.Steps = append(rep.Steps, StepReport{Step: f.Step, Text: text, Remedy: f.Remedy, Verdict: string(f.Verdict)})
	}
	return rep, err
}

// activityOf returns the activity that has the document and the process, or what an
// action without one stands for.
func (r *Resolver) activityOf(document, process Identifier) Activity {
	for _, a := range r.Activities {
		if r.activity(a.Action).Document == document && (process.IsZero() || a.Process == process) {
			return r.activity(a.Action)
		}
	}
	return Activity{Action: document.Value, Document: document, Process: process}
}

func (rep *Report) done(s Step, format string, args ...any) {
	rep.Steps = append(rep.Steps, StepReport{Step: s, OK: true, Text: fmt.Sprintf(format, args...)})
}

func (r *Resolver) explain(ctx context.Context, rep *Report, id Identifier, a Activity) error {
	place, err := r.locate(ctx, id)
	if place.Name != "" {
		ans := place.answer
		rep.DNS = &DNSReport{Name: place.Name, Resolver: ans.Server, Validated: ans.Secure && ans.Server != "", Records: ans.Records}
		if len(ans.Names) > 1 {
			rep.DNS.Aliases = ans.Names[1:]
		}
		if len(ans.Records) > 0 {
			rep.DNS.TTL = ans.TTL.String()
		}
	}
	if err != nil {
		return err
	}
	rep.Publisher, rep.Version = place.Address, place.Version
	if place.Name != "" {
		rep.done(StepDNS, "%s leads to publisher %s", place.Name, place.Address)
	} else {
		rep.done(StepDNS, "not asked: publisher %s is configured", place.Address)
	}
	if a.Document.IsZero() {
		return r.explainGroup(ctx, rep, place, id)
	}
	d, err := r.describe(ctx, place, id, a.Document, a.Process)
	if err != nil {
		return err
	}
	rep.Fetched, rep.Signer = d.Addresses, describeCertificate(d.signer.certificate)
	rep.done(StepFetch, "%d document(s) fetched, the last from %s", len(d.Addresses), d.Address)
	rep.done(StepSignature, "signed by %s, valid to %s", rep.Signer.Subject, rep.Signer.NotAfter.Format(time.DateOnly))
	c, pickErr := r.pick(d, a.Process)
	rep.Endpoints = r.reportEndpoints(d, c)
	if pickErr != nil {
		return pickErr
	}
	rep.done(StepEndpoint, "%s over %s", c.endpoint.Address, c.transport.Name)
	p, _, err := r.agreement(ctx, c, a)
	if err != nil {
		return err
	}
	rep.done(StepCertificate, "encrypts for %s, valid to %s", p.Encrypt[0].Subject, p.Encrypt[0].NotAfter.Format(time.DateOnly))
	rep.done(StepAgreement, "with party %s of type %s", p.Party.ID.ID, p.Party.Type())
	rep.Agreement = p.Settings()
	return nil
}

func (r *Resolver) explainGroup(ctx context.Context, rep *Report, place Place, id Identifier) error {
	address := place.group(id)
	b, err := r.fetch.get(ctx, address)
	if err != nil {
		return &Failure{StepFetch, fetchVerdict(err), address, "the publisher gives no service group", "check participant and publisher", err}
	}
	limits := documentLimits
	limits.MaxBytes = r.MaxBytes
	doc, err := xmldoc.ParseBytes(b, limits)
	var g *Group
	if err == nil {
		g, err = ReadGroup(doc.Root())
	}
	if err != nil {
		return &Failure{StepDocument, Refused, address, "a service group is of SMP 1.0, SMP 2.0 or Peppol", "tell the operator of the publisher", err}
	}
	if !g.Participant.same(id) {
		return &Failure{StepDocument, Refused, address, "a service group is about the participant that was asked for", "treat it as an incident: the publisher answers for another participant", fmt.Errorf("it is about %s", g.Participant)}
	}
	rep.Fetched, rep.Documents = []string{address}, g.Documents
	rep.done(StepFetch, "%s lists %d document(s); the list is not signed", address, len(g.Documents))
	return nil
}

func (r *Resolver) reportEndpoints(d *Described, c choice) []EndpointReport {
	var out []EndpointReport
	now := r.Now()
	for _, p := range d.Processes {
		var ids []string
		for _, id := range p.IDs {
			ids = append(ids, id.String())
		}
		for _, e := range p.Endpoints {
			o := EndpointReport{Processes: ids, Transport: e.Profile, Address: e.Address, Active: active(e.Activation, e.Expiration, now) == nil}
			if !e.Activation.IsZero() {
				o.Activation = &e.Activation
			}
			if !e.Expiration.IsZero() {
				o.Expiration = &e.Expiration
			}
			for _, t := range r.Transports {
				o.Spoken = o.Spoken || t.Name == e.Profile
			}
			for _, pub := range e.Certificates {
				der, err := pub.der()
				if err != nil {
					continue
				}
				if cert, err := x509.ParseCertificate(der); err == nil {
					o.Certificates = append(o.Certificates, *describeCertificate(cert))
				}
			}
			o.Chosen = c.transport != nil && e.Profile == c.endpoint.Profile && e.Address == c.endpoint.Address && (len(ids) == 0 || slices.Contains(p.IDs, c.process))
			out = append(out, o)
		}
	}
	return out
}

func describeCertificate(c *x509.Certificate) *Certificate {
	sum := sha256.Sum256(c.Raw)
	return &Certificate{
		Subject: c.Subject.String(), Issuer: c.Issuer.String(), Serial: c.SerialNumber.Text(16),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, SHA256: hex.EncodeToString(sum[:]),
	}
}
