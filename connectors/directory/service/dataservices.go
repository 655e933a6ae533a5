package service

import (
	"slices"
	"strings"
	"unicode/utf8"

	"oncegate/connectors/directory/answers"
)

const maxAnswer = 256 // characters of one value that a person gives

// dataServices answers the query of the Data Service Directory. Where a service
// tells its providers apart by questions that are not answered yet, the answer is
// DSD:ERR:0005; with the answers only providers that fit are left.
func (q *asking) dataServices() ([]answers.DataService, *refusal) {
	classification, country := q.params.Get("evidence-type-classification"), q.params.Get("country-code")
	all := q.candidates(classification, country)
	if no := q.check(PartDirectory, []parameter{
		{name: "evidence-type-classification", required: true, ok: func(s string) bool { _, ok := evidenceTypeID(s); return ok }},
		{name: "country-code", required: true, ok: q.country},
		{name: "specification", ok: edmVersion.MatchString},
		{name: "evidence-type-id", ok: uuidWord.MatchString},
		{name: "jurisdiction-context-id", old: true, ok: uuidWord.MatchString},
		{name: "jurisdiction-admin-l2", old: true, ok: q.nuts, refusal: wrongAnswer("jurisdiction-admin-l2")},
		{name: "jurisdiction-admin-l3", old: true, ok: lauWord.MatchString, refusal: wrongAnswer("jurisdiction-admin-l3")},
	}, func(name string) bool { return q.asks(classification, country, name) }); no != nil {
		return nil, no
	}
	if !q.cat.knows(classification) {
		return nil, dsdType
	}
	if id := q.params.Get("evidence-type-id"); id != "" && len(all) > 0 {
		all = slices.DeleteFunc(slices.Clone(all), func(s answers.DataService) bool { return !strings.EqualFold(s.ID, id) })
		if len(all) == 0 {
			return nil, wrongAnswer("evidence-type-id")
		}
	}
	var out []answers.DataService
	var open *refusal
	for _, s := range all {
		if no := q.values(s); no != nil {
			return nil, no
		}
		concepts, place := q.open(s)
		if len(concepts) > 0 || place != nil {
			if open == nil { // the slot holds one data service (R-DSD-ERR-S013)
				open = input(s, concepts, place)
			}
			continue
		}
		s.Access = slices.DeleteFunc(slices.Clone(s.Access), func(a answers.AccessService) bool { return !q.fits(s, a.Publisher) })
		if len(s.Access) > 0 {
			out = append(out, s)
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case open != nil:
		return nil, open
	}
	return nil, dsdEmpty
}

// candidates are the data services of an evidence type in a country, with the
// access services that speak the version asked for.
func (q *asking) candidates(classification, country string) []answers.DataService {
	d := q.cat.members[country].Directory
	if d == nil {
		return nil
	}
	specification := q.params.Get("specification")
	var out []answers.DataService
	for _, s := range d.Services {
		if s.Classification != classification {
			continue
		}
		v := s.DataService
		v.Object = answers.ObjectID("data service", country, s.ID)
		for _, key := range s.Providers {
			i := slices.IndexFunc(d.Providers, func(p Provider) bool { return p.Key == key })
			if i < 0 {
				continue
			}
			a := d.Providers[i].AccessService
			if (specification == "" || slices.Contains(a.ConformsTo, specification)) &&
				(q.edition != answers.Edition10 || slices.Contains(a.ConformsTo, answers.EDM10)) {
				v.Access = append(v.Access, a)
			}
		}
		if len(v.Access) > 0 {
			out = append(out, v)
		}
	}
	return out
}

// asks reports whether a parameter is named by a concept that a service of the
// evidence type asks.
func (q *asking) asks(classification, country, name string) bool {
	d := q.cat.members[country].Directory
	return d != nil && slices.ContainsFunc(d.Services, func(s Service) bool {
		return s.Classification == classification && slices.ContainsFunc(s.Concepts, func(c answers.Concept) bool { return strings.EqualFold(c.ID, name) })
	})
}

// value returns the answer to a concept. Parameters are named by its UUID, which
// clients may spell in either case.
func (q *asking) value(c answers.Concept) (string, bool) {
	for name, v := range q.params {
		if strings.EqualFold(name, c.ID) {
			return v[0], true
		}
	}
	return "", false
}

// values refuses answers that a question of the service does not have.
func (q *asking) values(s answers.DataService) *refusal {
	for _, c := range s.Concepts {
		v, given := q.value(c)
		if !given {
			continue
		}
		list, served := q.cat.lists[c.ValueExpression]
		switch {
		case v == "" || utf8.RuneCountInString(v) > maxAnswer, c.Type == "boolean" && !boolean(v), served && !list.has(v):
			return wrongAnswer(c.ID)
		}
	}
	d := s.Determination
	if d == nil || q.edition == answers.Edition20 {
		return nil
	}
	if id := q.params.Get("jurisdiction-context-id"); id != "" && !strings.EqualFold(id, d.ContextID) {
		return wrongAnswer("jurisdiction-context-id")
	}
	return nil
}

// open returns the questions of a service that are not answered. What tells its
// providers apart by place is asked up to 1.2 only (TDD a.3, no. 8).
func (q *asking) open(s answers.DataService) (concepts []answers.Concept, place *answers.Determination) {
	for _, c := range s.Concepts {
		if _, given := q.value(c); !given {
			concepts = append(concepts, c)
		}
	}
	d := s.Determination
	if d == nil || q.edition == answers.Edition20 {
		return concepts, nil
	}
	answered := true
	switch d.Level {
	case "Country": // country-code has it
	case "LAU":
		answered = q.params.Has("jurisdiction-admin-l3")
	default:
		answered = q.params.Has("jurisdiction-admin-l2")
	}
	if !answered {
		place = d
	}
	return concepts, place
}

// fits reports whether a provider serves what the person answered. One that
// states no value of a concept is not told apart by it.
func (q *asking) fits(s answers.DataService, p answers.Provider) bool {
	for _, c := range s.Concepts {
		v, _ := q.value(c)
		i := slices.IndexFunc(p.Concepts, func(o answers.Concept) bool { return strings.EqualFold(o.ID, c.ID) })
		if i < 0 {
			continue
		}
		if c.Type == "boolean" && boolean(v) {
			v = map[bool]string{true: "true", false: "false"}[truth(v)]
		}
		if !slices.Contains(p.Concepts[i].Supported.List, v) {
			return false
		}
	}
	return len(p.Jurisdictions) == 0 || slices.ContainsFunc(p.Jurisdictions, func(j answers.Jurisdiction) bool {
		return within(j, q.params.Get("jurisdiction-admin-l2"), q.params.Get("jurisdiction-admin-l3"))
	})
}
