package directory

import (
	"net/url"
	"strings"

	"oncegate/connectors/directory/answers"
	"oncegate/schemas/canon"
)

// The queries (TDD 3.1.4, 3.2.4).
const (
	queryRequirements  = "urn:fdc:oots:eb:ebxml-regrep:queries:requirements-by-procedure-and-jurisdiction"
	queryEvidenceTypes = "urn:fdc:oots:eb:ebxml-regrep:queries:evidence-types-by-requirement-and-jurisdiction"
	queryDataServices  = "urn:fdc:oots:dsd:ebxml-regrep:queries:dataservices-by-evidencetype-and-jurisdiction"
)

// A part is one of the two services, as it stands in DNS names.
type part string

const (
	broker   part = "eb"
	registry part = "dsd"
)

// A query is one question to one instance.
type query struct {
	word    string // eb-requirements, eb-evidence-types, dsd: in logs and metrics
	service part
	country string // whose instance is asked
	params  []parameter
	old     []parameter // sent to instances of 1.x only (TDD a.3, no. 8)
	private bool        // a parameter is a person's answer: nothing is remembered, logged or published
}

// A parameter of a query.
type parameter struct {
	name, value string
	private     bool // what a person answered
}

// add appends a parameter that has a value.
func (q *query) add(name, value string) {
	if value != "" {
		q.params = append(q.params, parameter{name: name, value: value})
	}
}

func (q *query) answer(name, value string) {
	q.params = append(q.params, parameter{name, value, true})
	q.private = true
}

// places are the parameters of 1.x for a place.
func places(region, place string) (out []parameter) {
	if region != "" {
		out = append(out, parameter{name: "jurisdiction-admin-l2", value: region})
	}
	if place != "" {
		out = append(out, parameter{name: "jurisdiction-admin-l3", value: place})
	}
	return out
}

func requirementsQuery(q canon.RequirementsQuery) *query {
	out := &query{word: "eb-requirements", service: broker, country: q.Country, old: places(q.Region, q.Place)}
	out.add("queryId", queryRequirements)
	out.add("procedure-id", q.Procedure)
	out.add("country-code", q.Country)
	if q.Incomplete {
		out.add("return-incomplete", "true")
	}
	return out
}

func evidenceTypesQuery(q canon.EvidenceTypesQuery) *query {
	out := &query{word: "eb-evidence-types", service: broker, country: q.Country, old: places(q.Region, q.Place)}
	out.add("queryId", queryEvidenceTypes)
	out.add("requirement-id", q.Requirement)
	out.add("country-code", q.Country)
	return out
}

func dataServicesQuery(q canon.DataServicesQuery) *query {
	out := &query{word: "dsd", service: registry, country: q.Country}
	out.add("queryId", queryDataServices)
	out.add("evidence-type-classification", q.Classification)
	out.add("country-code", q.Country)
	out.add("specification", q.Specification)
	out.add("evidence-type-id", q.EvidenceType)
	if p := q.Place; p.Context != "" {
		out.add("jurisdiction-context-id", p.Context)
		switch p.Level { // a question of 1.x, so its parameters are known where it came from
		case "LAU":
			out.answer("jurisdiction-admin-l3", p.Code)
		case "NUTS1", "NUTS2", "NUTS3":
			out.answer("jurisdiction-admin-l2", p.Code)
		}
	}
	for _, c := range q.Concepts {
		for _, v := range c.Values {
			out.answer(c.ID, v) // named by the concept's identifier
		}
	}
	return out
}

// encode writes the query string for instances that speak these editions. The public
// one has no answers of a person in it.
func (q *query) encode(speaks []answers.Edition, public bool) string {
	list := q.params
	if !newest(speaks) {
		list = append(list[:len(list):len(list)], q.old...)
	}
	var b strings.Builder
	for i, p := range list {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(escape(p.name))
		b.WriteByte('=')
		if public && p.private {
			b.WriteString("...")
			continue
		}
		b.WriteString(escape(p.value))
	}
	return b.String()
}

// newest reports that 2.0 is among the editions.
func newest(speaks []answers.Edition) bool {
	for _, e := range speaks {
		if e == answers.Edition20 {
			return true
		}
	}
	return false
}

// escape writes a blank as %20: + means a blank in forms only.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
