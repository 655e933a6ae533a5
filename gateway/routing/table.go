package routing

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

// A Query is one exchange that looks for its route.
type Query struct {
	Procedure    string
	EvidenceType string   // classification
	Requirements []string // what the evidence is to prove, URIs
	Requester    canon.Agent
	Provider     canon.Agent
	Peer         canon.Participant // the access point that sent the request; unset when we ask
	Assurance    string            // of the person's identification: Low, Substantial, High
	Offer        canon.Offer       // what the directory said of the provider to who asks; unset where it was not asked
	Acting       string            // of the identification of who acts for the person; empty where nobody does or it is not stated
	Wallet       bool              // the person, or who acts for them, is identified by a wallet
	At           time.Time         // of the request
}

// A Route says how a query is served.
type Route struct {
	Name          string            // of the configured route, or the key of one of the directory
	Register      string            // which register answers, when we provide
	Own, Peer     canon.Participant // access points
	Country       string            // the other Member State
	Specification string            // when we ask
	Basis         string            // provision under which evidence may be exchanged for the procedure
}

// A Reason says why there is no route; empty when there is one.
type Reason string

// The reasons, in the order in which a query fails.
const (
	NoPartner       Reason = "the access point belongs to no partner"
	ExpiredPartner  Reason = "the registration of the access point is not valid at this time"
	WrongState      Reason = "the requester is not of the Member State of its access point"
	SameState       Reason = "requester and provider are of the same Member State (Reg. 2018/1724 Art. 14(1))"
	OutOfScope      Reason = "procedure out of scope (Reg. 2018/1724 Art. 14(1))"
	TestOnly        Reason = "procedure out of scope: it exists for tests only"
	NoWallet        Reason = "identification by a wallet (eidas2) is not accepted: the profile is for tests only"
	NoProvider      Reason = "the provider is not served here"
	NoEvidenceType  Reason = "the provider has no such evidence type"
	NotValid        Reason = "the route is not valid at this time"
	NoProcedure     Reason = "the evidence type is not given for this procedure"
	NoRequirement   Reason = "the evidence type does not prove what the request requires"
	NoRequester     Reason = "the requester may not ask for this evidence"
	NoAgreement     Reason = "there is no agreement (P-Mode) with the access point of the provider"
	NoSpecification Reason = "there is no edition of the messages that both sides speak"
	LowAssurance    Reason = "the level of assurance of the identification is too low"
)

// Reasons lists every reason, in the order in which a query fails.
func Reasons() []Reason {
	return []Reason{
		NoPartner, ExpiredPartner, WrongState, SameState, OutOfScope, TestOnly, NoWallet, NoProvider, NoEvidenceType, NotValid,
		NoProcedure, NoRequirement, NoRequester, NoAgreement, NoSpecification, LowAssurance,
	}
}

type entry struct {
	Route
	procedures   []string
	evidenceType string
	requirements []string // empty: any
	provider     canon.Participant
	requesters   []canon.Participant // empty: all
	countries    []string            // empty: all
	assurance    string
	period       period
}

type partner struct {
	country string
	period  period
}

// A period is the time in which an entry holds; its zero value is always.
type period struct{ from, until time.Time }

func (p period) holds(at time.Time) bool {
	return !at.Before(p.from) && (p.until.IsZero() || at.Before(p.until))
}

func (p period) overlaps(q period) bool {
	return (p.until.IsZero() || q.from.Before(p.until)) && (q.until.IsZero() || p.from.Before(q.until))
}

// A Table holds the routes of a deployment: those of its configuration, which do
// not change, and those of the directory, which Learn exchanges as a whole. It is
// safe for concurrent use.
type Table struct {
	country  string
	own      canon.Participant
	partners map[canon.Participant]partner
	provide  []entry
	ask      []entry
	lists    *codes.Lists
	tests    bool
	wallets  bool
	speaks   []string
	agreed   func(canon.Participant) bool // nil: partners

	learning sync.Mutex // one writer
	routes   map[canon.ConversationID]learned
	known    atomic.Pointer[index]
}

// Country returns our Member State.
func (t *Table) Country() string { return t.country }

// Own returns our access point.
func (t *Table) Own() canon.Participant { return t.own }

// Provide resolves a request that came from another access point.
func (t *Table) Provide(q Query) (Route, Reason) {
	p, ok := t.partners[q.Peer]
	switch {
	case !ok:
		return Route{}, NoPartner
	case !p.period.holds(q.At):
		return Route{}, ExpiredPartner
	case q.Requester.Country == t.country, q.Provider.Country != "" && q.Provider.Country == p.country:
		return Route{}, SameState
	case q.Requester.Country != "" && q.Requester.Country != p.country, registered(q.Requester.ID, p.country):
		return Route{}, WrongState
	}
	basis, why := t.scope(q.Procedure)
	if why == "" && q.Wallet && !t.wallets {
		why = NoWallet
	}
	if why != "" {
		return Route{}, why
	}
	e, why := t.find(t.provide, q, p.country)
	if why != "" {
		return Route{}, why
	}
	r := e.Route
	r.Peer, r.Country, r.Basis = q.Peer, p.country, basis
	return r, ""
}

// Ask resolves a request of an authority of ours. A configured route of the pair of
// provider and evidence type hides those of the directory: who configured it knew
// why. What the request itself brings from the directory counts where neither knows
// the pair.
func (t *Table) Ask(q Query) (Route, Reason) {
	if q.Provider.Country == t.country || registeredIn(q.Provider.ID) == t.country {
		return Route{}, SameState
	}
	if q.Requester.Country != "" && q.Requester.Country != t.country {
		return Route{}, WrongState
	}
	basis, why := t.scope(q.Procedure)
	if why == "" && q.Wallet && !t.wallets {
		why = NoWallet
	}
	if why != "" {
		return Route{}, why
	}
	e, why := t.find(t.ask, q, "")
	r := e.Route
	if why == "" && !t.partners[r.Peer].period.holds(q.At) {
		why = ExpiredPartner
	}
	if why == NoProvider || why == NoEvidenceType {
		var other Reason
		if r, other = t.fromDirectory(q); other != NoProvider {
			why = other
		}
	}
	if (why == NoProvider || why == NoEvidenceType) && !q.Offer.IsZero() {
		r, why = t.fromOffer(q)
	}
	if why != "" {
		return Route{}, why
	}
	r.Basis = basis
	return r, ""
}

// Partner returns the Member State of a configured access point.
func (t *Table) Partner(p canon.Participant) (country string, ok bool) {
	found, ok := t.partners[p]
	return found.country, ok
}

const unregistered = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:"

// registeredIn returns the Member State that the scheme of an identifier names.
func registeredIn(p canon.Participant) string {
	if c, ok := strings.CutPrefix(p.Scheme, unregistered); ok && len(c) == 2 && strings.ToUpper(c) == c {
		return c
	}
	return ""
}

// registered reports that an identifier is of another Member State than the given.
func registered(p canon.Participant, country string) (elsewhere bool) {
	c := registeredIn(p)
	return c != "" && c != country
}

// find narrows the entries step by step; the step at which none is left is the
// reason, so that an operator learns what is missing.
func (t *Table) find(entries []entry, q Query, country string) (entry, Reason) {
	left := slices.Clone(entries)
	for _, step := range []struct {
		keep func(entry) bool
		why  Reason
	}{
		{func(e entry) bool { return e.provider == q.Provider.ID }, NoProvider},
		{func(e entry) bool { return e.evidenceType == q.EvidenceType }, NoEvidenceType},
		{func(e entry) bool { return e.period.holds(q.At) }, NotValid},
		{func(e entry) bool { return slices.Contains(e.procedures, q.Procedure) }, NoProcedure},
		{func(e entry) bool { return proves(e.requirements, q.Requirements) }, NoRequirement},
		{func(e entry) bool {
			return (country == "" || len(e.countries) == 0 || slices.Contains(e.countries, country)) &&
				(len(e.requesters) == 0 || slices.Contains(e.requesters, q.Requester.ID))
		}, NoRequester},
		{func(e entry) bool { return t.assured(q, e.assurance) }, LowAssurance},
	} {
		left = slices.DeleteFunc(left, func(e entry) bool { return !step.keep(e) })
		if len(left) == 0 {
			return entry{}, step.why
		}
	}
	return left[0], ""
}

// assured reports that the identification is good enough: that of the person and,
// where somebody acts for them, that of both.
func (t *Table) assured(q Query, least string) bool {
	return t.lists.Meets(q.Assurance, least) && (q.Acting == "" || t.lists.Meets(q.Acting, least))
}

// proves reports that all that is required can be proved; a route that does not
// say what it proves is trusted with any.
func proves(proved, required []string) bool {
	return len(proved) == 0 || !slices.ContainsFunc(required, func(r string) bool { return !slices.Contains(proved, r) })
}

// Registers returns the registers that routes lead to.
func (t *Table) Registers() []string {
	var out []string
	for _, e := range t.provide {
		out = append(out, e.Register)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (t *Table) accessPoints(country string) []canon.Participant {
	var out []canon.Participant
	for ap, p := range t.partners {
		if p.country == country {
			out = append(out, ap)
		}
	}
	return out
}
