package service

import (
	"net/url"
	"slices"
	"strings"

	"oncegate/connectors/directory/answers"
)

// The queries (TDD 3.1.4, 3.2.4).
const (
	QueryRequirements  = "urn:fdc:oots:eb:ebxml-regrep:queries:requirements-by-procedure-and-jurisdiction"
	QueryEvidenceTypes = "urn:fdc:oots:eb:ebxml-regrep:queries:evidence-types-by-requirement-and-jurisdiction"
	QueryDataServices  = "urn:fdc:oots:dsd:ebxml-regrep:queries:dataservices-by-evidencetype-and-jurisdiction"
)

// asking answers one query.
type asking struct {
	cat     *Catalogue
	lists   Lists
	edition answers.Edition
	params  url.Values
}

// A parameter is one that a query knows.
type parameter struct {
	name     string
	required bool
	old      bool // removed in 2.0 (TDD a.3, no. 8)
	ok       func(string) bool
	refusal  *refusal // where the value is wrong; default: parameters do not follow the specification
}

// answer answers a query of one service (PartBroker, PartDirectory) or, where it
// is empty, of either.
func (q *asking) answer(part Part) answers.Answer {
	a := answers.Answer{Edition: q.edition}
	var no *refusal
	id, ids := q.params.Get("queryId"), q.params["queryId"]
	switch {
	case len(ids) != 1 || id == "":
		no = malformed(part, "queryId")
	case id == QueryRequirements && part != PartDirectory:
		a.Requirements, no = q.requirements()
	case id == QueryEvidenceTypes && part != PartDirectory:
		a.Requirements, no = q.evidenceTypes()
	case id == QueryDataServices && part != PartBroker:
		a.Services, no = q.dataServices()
	default:
		no = unknownQuery(part)
	}
	if no != nil {
		a.Exceptions = []answers.Exception{no.exception()}
	}
	return a
}

// check holds the parameters against those that a query knows. other says what
// a name that is not among them is.
func (q *asking) check(part Part, known []parameter, other func(string) bool) *refusal {
	names := make([]string, 0, len(q.params))
	for name := range q.params {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		i := slices.IndexFunc(known, func(p parameter) bool { return p.name == name })
		switch {
		case name == "queryId":
		case i < 0 && (other == nil || !other(name)):
			return malformed(part, "unknown parameter") // its name comes from outside and is not repeated
		case i >= 0 && known[i].old && q.edition == answers.Edition20:
			return malformed(part, name)
		case len(q.params[name]) != 1:
			if i < 0 {
				name = "repeated parameter"
			}
			return malformed(part, name)
		}
	}
	for _, p := range known {
		v := q.params.Get(p.name)
		switch {
		case !q.params.Has(p.name) && p.required:
			return malformed(part, p.name)
		case q.params.Has(p.name) && !p.ok(v):
			if p.refusal != nil {
				return p.refusal
			}
			return malformed(part, p.name)
		}
	}
	return nil
}

func (q *asking) country(s string) bool   { return q.lists.Has("OOTSCountries", s) }
func (q *asking) procedure(s string) bool { return q.lists.Has("Procedures", s) }
func (q *asking) nuts(s string) bool      { return nuts(q.lists, s) }

func boolean(s string) bool { return slices.Contains([]string{"true", "false", "1", "0"}, s) }
func truth(s string) bool   { return s == "true" || s == "1" }

// within reports whether a jurisdiction covers the place that was asked for: the
// level 2 may be given more finely than the provider states it, and what states
// no level covers all of its country.
func within(j answers.Jurisdiction, nuts, lau string) bool {
	return (nuts == "" || j.Level2 == "" || strings.HasPrefix(nuts, j.Level2)) && (lau == "" || j.Level3 == "" || j.Level3 == lau)
}

// requirements answers EB-1.
func (q *asking) requirements() ([]answers.Requirement, *refusal) {
	if no := q.check(PartBroker, []parameter{
		{name: "procedure-id", ok: q.procedure, refusal: ebProcedure},
		{name: "country-code", ok: q.country, refusal: ebCountry},
		{name: "return-incomplete", ok: boolean},
		{name: "jurisdiction-admin-l2", ok: q.nuts, old: true, refusal: ebLevel},
		{name: "jurisdiction-admin-l3", ok: lauWord.MatchString, old: true, refusal: ebLevel},
	}, nil); no != nil {
		return nil, no
	}
	procedure, country := q.params.Get("procedure-id"), q.params.Get("country-code")
	complete := !truth(q.params.Get("return-incomplete"))
	var out []answers.Requirement
	for _, id := range q.cat.order {
		r := q.cat.requirements[id]
		r.Frameworks = q.cat.frameworks(id, func(f answers.Framework) bool {
			return (procedure == "" || slices.Contains(f.Procedures, procedure)) && (country == "" || f.Jurisdiction.Country == country) &&
				within(f.Jurisdiction, q.params.Get("jurisdiction-admin-l2"), q.params.Get("jurisdiction-admin-l3"))
		})
		if len(r.Frameworks) == 0 || complete && !q.proven(id) {
			continue // R-EB-REQ-S017: a requirement without a procedure cannot be answered
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		return nil, ebEmpty
	}
	return out, nil
}

// proven reports whether any Member State has evidence for a requirement.
func (q *asking) proven(id string) bool {
	return slices.ContainsFunc(q.cat.proofs(id, "", anywhere), func(l answers.EvidenceTypeList) bool { return len(l.Types) > 0 })
}

func anywhere(answers.Jurisdiction) bool { return true }

// evidenceTypes answers EB-2.
func (q *asking) evidenceTypes() ([]answers.Requirement, *refusal) {
	if no := q.check(PartBroker, []parameter{
		{name: "requirement-id", ok: requirementID, required: true},
		{name: "country-code", ok: q.country},
		{name: "jurisdiction-admin-l2", ok: q.nuts, old: true, refusal: ebLevel},
		{name: "jurisdiction-admin-l3", ok: lauWord.MatchString, old: true, refusal: ebLevel},
	}, nil); no != nil {
		return nil, no
	}
	id := q.params.Get("requirement-id")
	r, ok := q.cat.requirements[id]
	if !ok {
		return nil, ebRequirement
	}
	r.Frameworks = q.cat.frameworks(id, func(answers.Framework) bool { return true })
	r.Lists = q.cat.proofs(id, q.params.Get("country-code"), func(j answers.Jurisdiction) bool {
		return within(j, q.params.Get("jurisdiction-admin-l2"), q.params.Get("jurisdiction-admin-l3"))
	})
	shaped := answers.Answer{Edition: q.edition, Requirements: []answers.Requirement{r}}.Shaped().Requirements
	if len(shaped[0].Lists) == 0 || len(r.Frameworks) == 0 {
		return nil, ebEmpty
	}
	return shaped, nil
}
