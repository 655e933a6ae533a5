package answers

import (
	"slices"
	"strings"

	"oncegate/schemas/canon"
)

// EDM10 is the version of the evidence exchange that access services of Common
// Services 1.0 conform to (R-DSD-RESP-C015).
const EDM10 = "oots-edm:v1.0"

// Shaped returns the answer with what its edition can say (TDD a.3, a.4): up to
// 1.2 one format for each distribution, jurisdictions at the evidence types and
// the determination of the jurisdiction; from 1.2 languages, notes, descriptions
// of requirements and providers, and names of access services; from 2.0
// jurisdictions at the lists, classifications of jurisdictions, schemes of
// concepts and NoMatch.
func (a Answer) Shaped() Answer {
	s := Shaper(a.Edition)
	a.Requirements = each(a.Requirements, s.Requirement)
	a.Services = each(a.Services, s.DataService)
	a.Exceptions = each(a.Exceptions, func(x Exception) Exception {
		if x.Service != nil {
			v := s.DataService(*x.Service)
			x.Service = &v
		}
		x.Concepts = each(x.Concepts, s.concept)
		if s.is(Edition20) {
			x.Determination = nil
		}
		return x
	})
	return a
}

// each maps a list and leaves nil what is empty.
func each[T any](list []T, f func(T) T) []T {
	var out []T
	for _, v := range list {
		out = append(out, f(v))
	}
	return out
}

// A Shaper says nouns as an edition can say them.
type Shaper Edition

func (s Shaper) is(e Edition) bool { return Edition(s) == e }

// Requirement returns r as the edition says it.
func (s Shaper) Requirement(r Requirement) Requirement {
	if s.is(Edition10) {
		r.Descriptions = nil
	}
	r.Frameworks = each(r.Frameworks, s.Framework)
	lists := r.Lists
	r.Lists = nil
	for _, l := range lists {
		if !s.is(Edition20) && len(l.Types) == 0 {
			continue // R-EB-EVI-S015: a list has types; NoMatch came with 2.0
		}
		r.Lists = append(r.Lists, s.EvidenceTypeList(l))
	}
	return r
}

// Framework returns f as the edition says it.
func (s Shaper) Framework(f Framework) Framework {
	f.Jurisdiction = s.jurisdiction(f.Jurisdiction)
	return f
}

// EvidenceTypeList returns l as the edition says it.
func (s Shaper) EvidenceTypeList(l EvidenceTypeList) EvidenceTypeList {
	if s.is(Edition20) {
		for _, t := range l.Types { // told once, where 2.0 has it
			for _, j := range t.Jurisdictions {
				if !slices.ContainsFunc(l.Jurisdictions, j.equal) {
					l.Jurisdictions = append(slices.Clip(l.Jurisdictions), j)
				}
			}
		}
	} else {
		l.NoMatch, l.MatchDescriptions = false, nil
	}
	at := l.Jurisdictions
	l.Types = each(l.Types, func(t EvidenceType) EvidenceType {
		if len(t.Jurisdictions) == 0 {
			t.Jurisdictions = at
		}
		return s.EvidenceType(t)
	})
	if s.is(Edition20) {
		l.Jurisdictions = each(l.Jurisdictions, s.jurisdiction)
	} else {
		l.Jurisdictions = nil
	}
	return l
}

// EvidenceType returns t as the edition says it.
func (s Shaper) EvidenceType(t EvidenceType) EvidenceType {
	t.Distributions = s.distributions(t.Distributions)
	if s.is(Edition20) {
		t.Jurisdictions = nil
	}
	t.Jurisdictions = each(t.Jurisdictions, s.jurisdiction)
	return t
}

func (j Jurisdiction) equal(other Jurisdiction) bool {
	return j.Country == other.Country && j.Level2 == other.Level2 && j.Level3 == other.Level3 &&
		slices.Equal(j.Classifications, other.Classifications)
}

func (s Shaper) jurisdiction(j Jurisdiction) Jurisdiction {
	if s.is(Edition20) {
		j.Level3 = ""
	} else {
		j.Classifications = nil
	}
	return j
}

func (s Shaper) distributions(list []Distribution) []Distribution {
	var out []Distribution
	for _, d := range list {
		switch {
		case s.is(Edition20) && d.Transformation != "":
			continue // removed: there a subset is a distribution of its own (TDD a.3)
		case s.is(Edition20):
			out = append(out, d)
			continue
		case s.is(Edition10):
			d.Languages = nil
		}
		for _, f := range d.Formats {
			one := d
			one.Formats = []string{f}
			out = append(out, one)
		}
	}
	return out
}

// DataService returns v as the edition says it.
func (s Shaper) DataService(v DataService) DataService {
	v.Distributions = s.distributions(v.Distributions)
	access := v.Access
	v.Access = nil
	for _, a := range access {
		if s.is(Edition10) && !slices.Contains(a.ConformsTo, EDM10) {
			continue // R-DSD-RESP-C015: nothing else can be said there
		}
		v.Access = append(v.Access, s.AccessService(a))
	}
	if s.is(Edition10) {
		v.Notes = nil
	}
	if s.is(Edition20) {
		v.Determination = nil
	}
	v.Concepts = each(v.Concepts, s.concept)
	return v
}

// AccessService returns a as the edition says it. In 1.0 it speaks oots-edm:v1.0.
func (s Shaper) AccessService(a AccessService) AccessService {
	if s.is(Edition10) {
		a.Names, a.ConformsTo = nil, []string{EDM10}
		a.Publisher.Descriptions = nil
		if len(a.Publisher.Jurisdictions) > 1 {
			a.Publisher.Jurisdictions = a.Publisher.Jurisdictions[:1]
		}
	}
	a.Publisher.Jurisdictions = each(a.Publisher.Jurisdictions, s.jurisdiction)
	a.Publisher.Concepts = each(a.Publisher.Concepts, s.concept)
	return a
}

func (s Shaper) concept(c Concept) Concept {
	if !s.is(Edition20) {
		c.Scheme = ""
	}
	switch {
	case s.is(Edition10) && strings.EqualFold(c.Type, "codelist"):
		c.Type = "Codelist"
	case !s.is(Edition10):
		c.Type = strings.ToLower(c.Type)
	}
	return c
}

// ObjectID returns an id for a registry object, derived from what it holds.
func ObjectID(parts ...string) string { return "urn:uuid:" + canon.DeriveUUID(parts...) }
