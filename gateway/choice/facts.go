package choice

import "oncegate/schemas/canon"

// A Query is what Solve does not know: a canon.RequirementsQuery, an
// EvidenceTypesQuery or a DataServicesQuery.
type Query any

// Facts are the answers of the common services to the queries of one plan.
type Facts struct {
	requirements told[canon.RequirementsAnswer]
	options      map[key]told[canon.RequirementsAnswer]
	services     map[key]dialogue
	obstacle     Obstacle
}

// told is one answer, or the fault instead of it.
type told[T any] struct {
	known  bool
	answer T
	err    error
}

// A dialogue is what the directory said about one evidence type: at first, and
// after each set of answers to its questions.
type dialogue struct {
	turns []turn
}

type turn struct {
	query  canon.DataServicesQuery
	answer told[canon.DataServicesAnswer]
}

// NewFacts returns facts that know nothing.
func NewFacts() *Facts {
	return &Facts{
		options: map[key]told[canon.RequirementsAnswer]{}, services: map[key]dialogue{},
		obstacle: func(string, canon.Agent, canon.DataService) string { return "" },
	}
}

// KnowRequirements adds the answer of the evidence broker about the procedure.
func (f *Facts) KnowRequirements(a canon.RequirementsAnswer, err error) {
	f.requirements = told[canon.RequirementsAnswer]{true, a, err}
}

// KnowOptions adds what proves a requirement in a country.
func (f *Facts) KnowOptions(q canon.EvidenceTypesQuery, a canon.RequirementsAnswer, err error) {
	f.options[key{q.Requirement, q.Country}] = told[canon.RequirementsAnswer]{true, a, err}
}

// KnowServices adds who gives an evidence type in a country, or what the directory
// wants to know first.
func (f *Facts) KnowServices(q canon.DataServicesQuery, a canon.DataServicesAnswer, err error) {
	k := key{q.Classification, q.Country}
	d := f.services[k]
	d.turns = append(d.turns, turn{q, told[canon.DataServicesAnswer]{true, a, err}})
	f.services[k] = d
}
