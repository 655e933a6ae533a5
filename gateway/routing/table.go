package routing

import (
	"slices"

	"oncegate/schemas/canon"
)

// A Query is one exchange that looks for its route.
type Query struct {
	Procedure    string
	EvidenceType string // classification
	Requester    canon.Agent
	Provider     canon.Agent
	Peer         canon.Participant // the access point that sent the request; unset when we ask
	Assurance    string            // of the person's identification: Low, Substantial, High
}

// A Route says how a query is served.
type Route struct {
	Name          string
	Register      string            // which register answers, when we provide
	Own, Peer     canon.Participant // access points
	Country       string            // the other Member State
	Specification string            // when we ask
}

// A Reason says why there is no route; empty when there is one.
type Reason string

// The reasons.
const (
	NoPartner      Reason = "the access point belongs to no partner"
	WrongState     Reason = "the requester is not of the Member State of its access point"
	SameState      Reason = "requester and provider are of the same Member State (Reg. 2018/1724 Art. 14(1))"
	NoProvider     Reason = "the provider is not served here"
	NoEvidenceType Reason = "the provider has no such evidence type"
	NoProcedure    Reason = "the evidence type is not given for this procedure"
	NoRequester    Reason = "the requester may not ask for this evidence"
	LowAssurance   Reason = "the level of assurance of the identification is too low"
)

// Reasons lists every reason, for exhaustiveness tests.
func Reasons() []Reason {
	return []Reason{NoPartner, WrongState, SameState, NoProvider, NoEvidenceType, NoProcedure, NoRequester, LowAssurance}
}

type entry struct {
	Route
	procedures   []string
	evidenceType string
	provider     canon.Participant
	requesters   []canon.Participant // empty: all
	countries    []string            // empty: all
	assurance    int
}

// A Table holds the routes of a deployment. It does not change; a new
// configuration is a new Table.
type Table struct {
	country  string
	own      canon.Participant
	partners map[canon.Participant]string // access point -> country
	provide  []entry
	ask      []entry
}

// Country returns our Member State.
func (t *Table) Country() string { return t.country }

// Own returns our access point.
func (t *Table) Own() canon.Participant { return t.own }

// Provide resolves a request that came from another access point.
func (t *Table) Provide(q Query) (Route, Reason) {
	country, ok := t.partners[q.Peer]
	switch {
	case !ok:
		return Route{}, NoPartner
	case q.Requester.Country == t.country:
		return Route{}, SameState
	case q.Requester.Country != "" && q.Requester.Country != country:
		return Route{}, WrongState
	}
	e, why := find(t.provide, q, country)
	if why != "" {
		return Route{}, why
	}
	r := e.Route
	r.Peer, r.Country = q.Peer, country
	return r, ""
}

// Ask resolves a request of an authority of ours.
func (t *Table) Ask(q Query) (Route, Reason) {
	if q.Provider.Country == t.country {
		return Route{}, SameState
	}
	e, why := find(t.ask, q, "")
	return e.Route, why
}

// find narrows the entries step by step; the step at which none is left is the
// reason, so that an operator learns what is missing.
func find(entries []entry, q Query, country string) (entry, Reason) {
	left := slices.Clone(entries)
	for _, step := range []struct {
		keep func(entry) bool
		why  Reason
	}{
		{func(e entry) bool { return e.provider == q.Provider.ID }, NoProvider},
		{func(e entry) bool { return e.evidenceType == q.EvidenceType }, NoEvidenceType},
		{func(e entry) bool { return slices.Contains(e.procedures, q.Procedure) }, NoProcedure},
		{func(e entry) bool {
			return (country == "" || len(e.countries) == 0 || slices.Contains(e.countries, country)) &&
				(len(e.requesters) == 0 || slices.Contains(e.requesters, q.Requester.ID))
		}, NoRequester},
		{func(e entry) bool { return assurance[q.Assurance] >= e.assurance }, LowAssurance},
	} {
		left = slices.DeleteFunc(left, func(e entry) bool { return !step.keep(e) })
		if len(left) == 0 {
			return entry{}, step.why
		}
	}
	return left[0], ""
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
	for ap, c := range t.partners {
		if c == country {
			out = append(out, ap)
		}
	}
	return out
}
