package directory

import (
	"slices"
	"strings"

	"oncegate/connectors/directory/answers"
	"oncegate/schemas/canon"
)

func requirements(list []answers.Requirement) []canon.DirectoryRequirement {
	out := make([]canon.DirectoryRequirement, 0, len(list))
	for _, r := range list {
		v := canon.DirectoryRequirement{Requirement: canon.Requirement{ID: r.ID, Names: r.Names, Descriptions: r.Descriptions}}
		for _, f := range r.Frameworks {
			v.Frameworks = append(v.Frameworks, canon.ProcedureFramework{
				ID: f.ID, Procedures: f.Procedures, Titles: f.Titles, Descriptions: f.Descriptions, Jurisdiction: jurisdiction(f.Jurisdiction),
			})
		}
		for _, l := range r.Lists {
			v.Options = append(v.Options, option(l))
		}
		out = append(out, v)
	}
	return out
}

func option(l answers.EvidenceTypeList) canon.EvidenceOption {
	v := canon.EvidenceOption{ID: l.ID, Names: l.Names, NoMatch: l.NoMatch, Reasons: l.MatchDescriptions, Jurisdictions: jurisdictions(l.Jurisdictions)}
	for _, t := range l.Types {
		v.EvidenceTypes = append(v.EvidenceTypes, canon.EvidenceKind{
			Classification: t.Classification, Titles: t.Titles, Descriptions: t.Descriptions,
			Distributions: distributions(t.Distributions), Jurisdictions: jurisdictions(t.Jurisdictions),
		})
	}
	return v
}

func jurisdictions(list []answers.Jurisdiction) []canon.Jurisdiction {
	var out []canon.Jurisdiction
	for _, j := range list {
		out = append(out, jurisdiction(j))
	}
	return out
}

func jurisdiction(j answers.Jurisdiction) canon.Jurisdiction {
	v := canon.Jurisdiction{Country: j.Country, Region: j.Level2, Place: j.Level3}
	for _, c := range j.Classifications {
		v.Classes = append(v.Classes, canon.ListedCode{List: c.List, Code: c.Code})
	}
	return v
}

// distributions writes one for each format, as requests have them.
func distributions(list []answers.Distribution) []canon.Distribution {
	var out []canon.Distribution
	for _, d := range list {
		for _, f := range d.Formats {
			out = append(out, canon.Distribution{Format: f, Languages: d.Languages, ConformsTo: d.ConformsTo, Transformation: d.Transformation})
		}
	}
	return out
}

func evidenceType(s answers.DataService) canon.EvidenceType {
	return canon.EvidenceType{
		ID: s.ID, Classification: s.Classification, Titles: s.Titles, Descriptions: s.Descriptions, Distributions: distributions(s.Distributions),
	}
}

// dataServices writes one for each access service: each is a choice. The XSD of 2.0
// has access services without a provider, which nobody can ask: they are left out.
func dataServices(list []answers.DataService) []canon.DataService {
	var out []canon.DataService
	for _, s := range list {
		var asked []canon.Question
		for _, c := range s.Concepts {
			asked = append(asked, question(c))
		}
		if s.Determination != nil {
			asked = append(asked, placeQuestion(*s.Determination))
		}
		for _, a := range s.Access {
			if a.Publisher.ID.IsZero() {
				continue
			}
			v := canon.DataService{
				EvidenceType: evidenceType(s), AccessPoint: a.ID, AccessNames: a.Names, Specifications: a.ConformsTo,
				Provider: provider(a.Publisher), Descriptions: a.Publisher.Descriptions, Jurisdictions: jurisdictions(a.Publisher.Jurisdictions),
				Assurance: s.Assurance, Notes: s.Notes, Classifications: slices.Clone(asked),
			}
			for _, c := range a.Publisher.Concepts {
				v.Supports = append(v.Supports, supported(c))
			}
			out = append(out, v)
		}
	}
	return out
}

func provider(p answers.Provider) canon.Agent {
	a := canon.Agent{ID: p.ID, Names: p.Names, Country: p.Address.Country, Address: p.Address}
	a.Address.Country = ""
	return a
}

func supported(c answers.Concept) canon.ConceptAnswer {
	kind := map[answers.ValueKind]string{answers.DateValue: "date", answers.BooleanValue: "boolean"}[c.Supported.Kind]
	q := question(c)
	return canon.ConceptAnswer{ID: q.ID, Scheme: q.Scheme, Type: string(q.Type), ValueURL: q.ValueURL, Descriptions: q.Descriptions, Kind: kind, Values: c.Supported.List}
}

// question writes a concept as a question. 1.0 writes Codelist, and leaves the type
// out where there is a list (the samples).
func question(c answers.Concept) canon.Question {
	q := canon.Question{ID: c.ID, Scheme: c.Scheme, Type: canon.QuestionType(strings.ToLower(c.Type)), Descriptions: c.Descriptions}
	switch q.Type {
	case canon.QuestionCodelist, canon.QuestionBoolean, canon.QuestionString:
	default:
		q.Type = canon.QuestionString
		if c.ValueExpression != "" {
			q.Type = canon.QuestionCodelist
		}
	}
	q.ValueURL = c.ValueExpression
	return q
}

func placeQuestion(d answers.Determination) canon.Question {
	return canon.Question{ID: d.ContextID, Type: canon.QuestionPlace, Level: d.Level, Descriptions: d.Contexts}
}

// questions are those of a DSD:ERR:0005. A concept whose name is no UUID is none: it
// would be a parameter of the query under a name of its own choice.
func questions(x answers.Exception) []canon.Question {
	if x.Code != additionalInput {
		return nil
	}
	var out []canon.Question
	for _, c := range x.Concepts {
		if canon.ValidUUID(strings.ToLower(c.ID)) {
			out = append(out, question(c))
		}
	}
	if x.Determination != nil {
		out = append(out, placeQuestion(*x.Determination))
	}
	return out
}
