package consent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oncegate/schemas/canon"
)

// A Waiver says which of the person's rights a provision sets aside. The two
// are separate switches (Reg. 2018/1724 Art. 14(4) and 14(5)).
type Waiver string

// The waivers.
const (
	WaiveExplicitRequest Waiver = "explicit-request"
	WaivePreview         Waiver = "preview"
)

// An Exemption is one entry of the policy: a provision of Union or national law
// that allows an exchange without the explicit request or without the preview.
type Exemption struct {
	Waives        Waiver   `yaml:"waives"`          // Required.
	Provision     string   `yaml:"provision"`       // Required. The citation; it goes into the audit trail.
	Procedures    []string `yaml:"procedures"`      // Required. Codes of list Procedures.
	EvidenceTypes []string `yaml:"evidence_types"`  // Required. Classifications.
	Countries     []string `yaml:"countries"`       // Required. The other Member State, upper-case two-letter codes.
	From          string   `yaml:"from"`            // Required. First day, YYYY-MM-DD, UTC.
	Until         string   `yaml:"until,omitempty"` // Last day. Default: no end.
	Priority      int      `yaml:"priority"`        // Of several that fit the highest is cited: the more specific act. Default: 0.
	from, until   time.Time
}

// A Case is what a policy is asked about.
type Case struct {
	Procedure    string
	EvidenceType string // classification
	Country      string // the other Member State
	At           time.Time
}

// A Policy knows the exemptions. The zero Policy knows none: the request is
// explicit and there is a preview.
type Policy struct{ exemptions []Exemption }

// NewPolicy checks the entries and reports all faults at once.
func NewPolicy(entries []Exemption) (*Policy, error) {
	p := &Policy{}
	var faults []error
	for i, e := range entries {
		if err := e.check(); err != nil {
			faults = append(faults, fmt.Errorf("exemption %d: %w", i+1, err))
			continue
		}
		p.exemptions = append(p.exemptions, e)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return p, nil
}

func (e *Exemption) check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if e.Waives != WaiveExplicitRequest && e.Waives != WaivePreview {
		fault("waives %q: want %q or %q", e.Waives, WaiveExplicitRequest, WaivePreview)
	}
	if strings.TrimSpace(e.Provision) == "" || len(e.Provision) > maxProvision {
		fault("provision: cite the law that allows it, in at most %d bytes", maxProvision)
	}
	if len(e.Procedures) == 0 || slices.Contains(e.Procedures, "") {
		fault("procedures: name at least one, none empty")
	}
	if len(e.EvidenceTypes) == 0 || slices.Contains(e.EvidenceTypes, "") {
		fault("evidence_types: name at least one, none empty")
	}
	if len(e.Countries) == 0 {
		fault("countries: name at least one")
	}
	for _, c := range e.Countries {
		if len(c) != 2 || strings.ToUpper(c) != c {
			fault("country %q: want an upper-case two-letter code", c)
		}
	}
	var err error
	if e.from, err = time.Parse(time.DateOnly, e.From); err != nil {
		fault("from %q: want YYYY-MM-DD", e.From)
	}
	if e.Until != "" {
		last, err := time.Parse(time.DateOnly, e.Until)
		if err != nil {
			fault("until %q: want YYYY-MM-DD", e.Until)
		}
		if e.until = last.AddDate(0, 0, 1); !e.until.After(e.from) {
			fault("until %s lies before from %s", e.Until, e.From)
		}
	}
	return errors.Join(faults...)
}

// maxProvision is what messages and the trail can carry.
const maxProvision = 500

// Exempt returns the provision that waives w in this case: where another Union act
// regulates the same point, its entry has the higher priority and is the one that
// is cited (Reg. 2018/1724 Art. 1(2)). Of equals the first counts.
func (p *Policy) Exempt(w Waiver, c Case) (provision string, ok bool) {
	if p == nil {
		return "", false
	}
	best := 0
	for _, e := range p.exemptions {
		if ok && e.Priority <= best {
			continue
		}
		if e.Waives == w && slices.Contains(e.Procedures, c.Procedure) && slices.Contains(e.EvidenceTypes, c.EvidenceType) &&
			slices.Contains(e.Countries, c.Country) && !c.At.Before(e.from) && (e.until.IsZero() || c.At.Before(e.until)) {
			provision, best, ok = e.Provision, e.Priority, true
		}
	}
	return provision, ok
}

// clockSkew is how far the portal's clock may be ahead of ours.
const clockSkew = time.Minute

// Asking checks the first request of a portal of ours: nothing leaves without
// the person's explicit request, recorded and dated, or an exemption. country is
// that of the provider, at the time of the request. The reason says what is
// missing; it is empty where the grant holds.
func (p *Policy) Asking(r *canon.EvidenceRequest, country string, at time.Time) (g Grant, reason string) {
	x := r.ExplicitRequest
	if x.InformedAt.After(at.Add(clockSkew)) {
		return Grant{}, "the information of the person lies in the future"
	}
	if !x.Given {
		return p.exempted(r, country, at)
	}
	switch {
	case x.Reference == "":
		return Grant{}, "the explicit request has no reference to its record"
	case x.At.IsZero():
		return Grant{}, "the explicit request has no time"
	case x.At.After(at.Add(clockSkew)):
		return Grant{}, "the explicit request lies in the future"
	}
	return granted(r, ""), ""
}

// Providing checks the first request of another Member State. The wire says only
// whether the person asked (slot ExplicitRequestGiven). country is that of the
// requester.
func (p *Policy) Providing(r *canon.EvidenceRequest, country string, at time.Time) (g Grant, reason string) {
	if !r.ExplicitRequest.Given {
		return p.exempted(r, country, at)
	}
	return granted(r, ""), ""
}

func (p *Policy) exempted(r *canon.EvidenceRequest, country string, at time.Time) (Grant, string) {
	c := Case{Procedure: r.Procedure, EvidenceType: r.EvidenceType.Classification, Country: country, At: at}
	provision, ok := p.Exempt(WaiveExplicitRequest, c)
	if !ok {
		return Grant{}, "no explicit request and no provision that waives it (Reg. 2018/1724 Art. 14(4))"
	}
	return granted(r, provision), ""
}
