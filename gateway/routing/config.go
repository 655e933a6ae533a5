package routing

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

// A Config is the routes section of a deployment.
type Config struct {
	Country     string    `yaml:"country"`      // Required. Our Member State, upper-case two-letter code.
	AccessPoint string    `yaml:"access_point"` // Required. Our access point, scheme::id.
	Partners    []Partner `yaml:"partners"`     // Other Member States; empty: nobody may ask and nobody can be asked.
	Provide     []Provide `yaml:"provide"`      // What we give.
	Ask         []Ask     `yaml:"ask"`          // What we ask others for, before what the directory says.

	// Specifications are the editions that we write, for routes of the directory: the
	// newest that both sides speak is taken. Default: oots-edm:v2.0, oots-edm:v1.2.
	Specifications []string `yaml:"specifications"`
	// TestProcedures lets procedures through that exist for tests only.
	TestProcedures bool `yaml:"test_procedures"`
	// Wallets says whether people may be identified by a wallet (identity scheme
	// eidas2), a profile that TDD 2.0 has for tests only: refuse or accept, whoever
	// asks. Default: refuse.
	Wallets string `yaml:"wallets"`

	Lists *codes.Lists `yaml:"-"` // Default: the published ones.
	// Agreement reports whether messages can be exchanged with an access point: a
	// P-Mode is there. It is asked at every use. Default: it belongs to a partner.
	Agreement func(canon.Participant) bool `yaml:"-"`
}

// Valid says on which days an entry holds.
type Valid struct {
	From  string `yaml:"from,omitempty"`  // First day, YYYY-MM-DD, UTC. Default: since ever.
	Until string `yaml:"until,omitempty"` // Last day. Default: no end.
}

// A Partner is an access point of another Member State.
type Partner struct {
	Country     string `yaml:"country"`      // Required.
	AccessPoint string `yaml:"access_point"` // Required. scheme::id; one country may have several.
	Valid       `yaml:",inline"`
}

// A Provide is one kind of evidence that an authority of ours issues.
type Provide struct {
	Name             string   `yaml:"name"`              // Required. Unique; it stands in logs.
	Procedures       []string `yaml:"procedures"`        // Required. Codes of list Procedures.
	EvidenceType     string   `yaml:"evidence_type"`     // Required. Classification, https URI.
	Provider         string   `yaml:"provider"`          // Required. Issuing authority, scheme::id.
	Register         string   `yaml:"register"`          // Required. Folder name of the register connector.
	Countries        []string `yaml:"countries"`         // Default: every partner.
	Requesters       []string `yaml:"requesters"`        // Authorities, scheme::id. Default: every authority of those countries.
	MinimumAssurance string   `yaml:"minimum_assurance"` // Low, Substantial, High. Default: Substantial.
	Requirements     []string `yaml:"requirements"`      // What it proves, https URIs; a request must name no other. Default: any.
	Valid            `yaml:",inline"`
}

// An Ask is one kind of evidence that authorities of ours may ask for.
type Ask struct {
	Name             string   `yaml:"name"`              // Required. Unique.
	Procedures       []string `yaml:"procedures"`        // Required.
	EvidenceType     string   `yaml:"evidence_type"`     // Required. Classification.
	Requesters       []string `yaml:"requesters"`        // Authorities of ours, scheme::id. Default: all.
	Provider         string   `yaml:"provider"`          // Required. Authority there, scheme::id.
	Country          string   `yaml:"country"`           // Required. Where the provider is.
	AccessPoint      string   `yaml:"access_point"`      // Default: the partner's, where the country has just one.
	Specification    string   `yaml:"specification"`     // Default: oots-edm:v2.0.
	MinimumAssurance string   `yaml:"minimum_assurance"` // Default: Substantial.
	Requirements     []string `yaml:"requirements"`      // As above.
	Valid            `yaml:",inline"`
}

// DefaultSpecification is the EDM version of a route that names none.
const DefaultSpecification = "oots-edm:v2.0"

// Specifications are the editions that we write, newest first.
func Specifications() []string { return []string{"oots-edm:v2.0", "oots-edm:v1.2"} }

// The values of Config.Wallets.
const (
	WalletsRefuse = "refuse"
	WalletsAccept = "accept"
)

// ParseParticipant reads scheme::id.
func ParseParticipant(s string) (canon.Participant, error) {
	i := strings.LastIndex(s, "::")
	if i <= 0 || i+2 == len(s) || strings.ContainsAny(s, " \t\r\n") {
		return canon.Participant{}, fmt.Errorf("participant %q: want scheme::id", s)
	}
	return canon.Participant{Scheme: s[:i], ID: s[i+2:]}, nil
}

// compiler turns a Config into a Table and gathers every fault.
type compiler struct {
	faults []error
	names  map[string]bool
	where  string
	lists  *codes.Lists
}

func (k *compiler) fault(format string, args ...any) {
	k.faults = append(k.faults, fmt.Errorf(k.where+format, args...))
}

func (k *compiler) participant(field, s string) canon.Participant {
	p, err := ParseParticipant(s)
	if err != nil {
		k.fault("%s: %w", field, err)
	}
	return p
}

func (k *compiler) participants(field string, in []string) []canon.Participant {
	var out []canon.Participant
	for _, s := range in {
		out = append(out, k.participant(field, s))
	}
	return out
}

func (k *compiler) country(field, s string) {
	if len(s) != 2 || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' {
		k.fault("%s %q: want an upper-case two-letter code", field, s)
	}
}

func (k *compiler) name(s string) {
	switch {
	case s == "":
		k.fault("name: required")
	case k.names[s]:
		k.fault("name %q: used twice", s)
	}
	k.names[s] = true
}

func (k *compiler) procedures(in []string) {
	if len(in) == 0 || slices.Contains(in, "") {
		k.fault("procedures: name at least one, none empty")
	}
	for _, p := range in {
		if _, ok := k.lists.Procedure(p); p != "" && !ok {
			k.fault("procedures: %q is in no code list: nothing could be asked for it (Reg. 2018/1724 Art. 14(1))", p)
		}
	}
}

func (k *compiler) evidenceType(s string) {
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" {
		k.fault("evidence_type %q: want the https URI of a classification", s)
	}
}

func (k *compiler) assurance(s string) string {
	if s == "" {
		s = "Substantial"
	}
	if _, ok := k.lists.Assurance(s); !ok {
		k.fault("minimum_assurance %q: want Low, Substantial or High", s)
	}
	return s
}

// period turns days into the instants between which an entry holds.
func (k *compiler) period(v Valid) (p period) {
	var err error
	if v.From != "" {
		if p.from, err = time.Parse(time.DateOnly, v.From); err != nil {
			k.fault("from %q: want YYYY-MM-DD", v.From)
		}
	}
	if v.Until != "" {
		last, err := time.Parse(time.DateOnly, v.Until)
		if err != nil {
			k.fault("until %q: want YYYY-MM-DD", v.Until)
		}
		if p.until = last.AddDate(0, 0, 1); !p.until.After(p.from) {
			k.fault("until %s lies before from %s", v.Until, v.From)
		}
	}
	return p
}

func (k *compiler) requirements(in []string) []string {
	for _, s := range in {
		if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" {
			k.fault("requirements: %q: want an https URI", s)
		}
	}
	return in
}

func (k *compiler) specification(field, s string) {
	if _, ok := edition(s); !ok {
		k.fault("%s %q: want oots-edm:v and a number", field, s)
	}
}

// NewTable checks the configuration and reports all faults at once.
func NewTable(c Config) (*Table, error) {
	if c.Lists == nil {
		c.Lists = codes.Default()
	}
	if len(c.Specifications) == 0 {
		c.Specifications = Specifications()
	}
	k := &compiler{names: map[string]bool{}, lists: c.Lists}
	k.country("country", c.Country)
	t := &Table{
		country: c.Country, own: k.participant("access_point", c.AccessPoint), partners: map[canon.Participant]partner{},
		lists: c.Lists, tests: c.TestProcedures, wallets: c.Wallets == WalletsAccept, speaks: c.Specifications, agreed: c.Agreement,
		routes: map[canon.ConversationID]learned{},
	}
	t.known.Store(&index{})
	switch c.Wallets {
	case "", WalletsRefuse, WalletsAccept:
	default:
		k.fault("wallets %q: want %s or %s", c.Wallets, WalletsRefuse, WalletsAccept)
	}
	for _, s := range c.Specifications {
		k.specification("specifications:", s)
	}
	for i, p := range c.Partners {
		k.where = fmt.Sprintf("partner %d: ", i+1)
		k.country("country", p.Country)
		if p.Country == c.Country {
			k.fault("country %s is our own (Reg. 2018/1724 Art. 14(1): two Member States)", p.Country)
		}
		ap := k.participant("access_point", p.AccessPoint)
		if _, twice := t.partners[ap]; twice {
			k.fault("access_point %s: used twice", p.AccessPoint)
		}
		if ap == t.own && !ap.IsZero() {
			k.fault("access_point %s is our own", p.AccessPoint)
		}
		t.partners[ap] = partner{p.Country, k.period(p.Valid)}
	}
	for i, r := range c.Provide {
		k.where = fmt.Sprintf("provide %d (%s): ", i+1, r.Name)
		t.provide = append(t.provide, k.provide(t, r))
	}
	for i, r := range c.Ask {
		k.where = fmt.Sprintf("ask %d (%s): ", i+1, r.Name)
		t.ask = append(t.ask, k.ask(t, r))
	}
	if err := errors.Join(k.faults...); err != nil {
		return nil, err
	}
	return t, nil
}

func (k *compiler) provide(t *Table, r Provide) entry {
	k.name(r.Name)
	k.procedures(r.Procedures)
	k.evidenceType(r.EvidenceType)
	if r.Register == "" {
		k.fault("register: required")
	}
	for _, c := range r.Countries {
		k.country("countries", c)
		if len(t.accessPoints(c)) == 0 {
			k.fault("countries: %s is no partner", c)
		}
	}
	e := entry{
		Route:      Route{Name: r.Name, Register: r.Register, Own: t.own},
		procedures: r.Procedures, evidenceType: r.EvidenceType, provider: k.participant("provider", r.Provider),
		requesters: k.participants("requesters", r.Requesters), countries: r.Countries, assurance: k.assurance(r.MinimumAssurance),
		requirements: k.requirements(r.Requirements), period: k.period(r.Valid),
	}
	for _, other := range t.provide {
		if overlap(e, other) {
			k.fault("overlaps with %s: same provider, evidence type and procedure", other.Name)
		}
	}
	return e
}

func (k *compiler) ask(t *Table, r Ask) entry {
	k.name(r.Name)
	k.procedures(r.Procedures)
	k.evidenceType(r.EvidenceType)
	e := entry{
		Route:      Route{Name: r.Name, Own: t.own, Country: r.Country, Specification: r.Specification},
		procedures: r.Procedures, evidenceType: r.EvidenceType, provider: k.participant("provider", r.Provider),
		requesters: k.participants("requesters", r.Requesters), assurance: k.assurance(r.MinimumAssurance),
		requirements: k.requirements(r.Requirements), period: k.period(r.Valid),
	}
	if e.Specification == "" {
		e.Specification = DefaultSpecification
	}
	k.specification("specification", e.Specification)
	switch aps := t.accessPoints(r.Country); {
	case len(aps) == 0:
		k.fault("country %q is no partner", r.Country)
	case r.AccessPoint != "":
		if e.Peer = k.participant("access_point", r.AccessPoint); !slices.Contains(aps, e.Peer) {
			k.fault("access_point %s is none of partner %s", r.AccessPoint, r.Country)
		}
	case len(aps) > 1:
		k.fault("access_point: required, partner %s has %d", r.Country, len(aps))
	default:
		e.Peer = aps[0]
	}
	for _, other := range t.ask {
		if overlap(e, other) {
			k.fault("overlaps with %s: same provider, evidence type and procedure", other.Name)
		}
	}
	return e
}

// overlap reports that one request could fit both: which one serves it would be
// a matter of order, and nobody would notice.
func overlap(a, b entry) bool {
	return a.provider == b.provider && a.evidenceType == b.evidenceType && common(a.procedures, b.procedures) &&
		a.period.overlaps(b.period) &&
		(len(a.countries) == 0 || len(b.countries) == 0 || common(a.countries, b.countries)) &&
		(len(a.requesters) == 0 || len(b.requesters) == 0 || common(a.requesters, b.requesters))
}

func common[T comparable](a, b []T) bool {
	return slices.ContainsFunc(a, func(x T) bool { return slices.Contains(b, x) })
}
