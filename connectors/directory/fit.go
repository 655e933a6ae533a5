package directory

import (
	"errors"
	"slices"

	"oncegate/connectors/directory/answers"
	"oncegate/schemas/canon"
)

// Signatures cover answers, not questions: whoever stands between could hand out a
// genuine answer to another question. So each answer must fit; what does not is left
// out, and an answer of which nothing is left is refused.

// fitRequirements keeps requirements of the procedure that was asked for.
func fitRequirements(a *answers.Answer, q canon.RequirementsQuery) error {
	if q.Procedure == "" || len(a.Requirements) == 0 {
		return someOr(len(a.Requirements)+len(a.Exceptions), "it has no requirements")
	}
	a.Requirements = slices.DeleteFunc(slices.Clone(a.Requirements), func(r answers.Requirement) bool {
		return !slices.ContainsFunc(r.Frameworks, func(f answers.Framework) bool { return slices.Contains(f.Procedures, q.Procedure) }) &&
			(len(r.Frameworks) > 0 || !q.Incomplete)
	})
	return someOr(len(a.Requirements), "no requirement is one of the procedure")
}

// fitEvidenceTypes keeps the requirement that was asked for, and of its lists those of
// the country, where they name one.
func fitEvidenceTypes(a *answers.Answer, q canon.EvidenceTypesQuery) error {
	if len(a.Requirements) == 0 {
		return someOr(len(a.Exceptions), "it has no requirement")
	}
	a.Requirements = slices.DeleteFunc(slices.Clone(a.Requirements), func(r answers.Requirement) bool { return r.ID != q.Requirement })
	for i := range a.Requirements {
		r := &a.Requirements[i]
		r.Lists = slices.DeleteFunc(slices.Clone(r.Lists), func(l answers.EvidenceTypeList) bool {
			return q.Country != "" && len(l.Jurisdictions) > 0 && !slices.ContainsFunc(l.Jurisdictions, func(j answers.Jurisdiction) bool { return within(j, q.Country) })
		})
	}
	return someOr(len(a.Requirements), "the requirement is another one")
}

// within reports whether a jurisdiction takes in a country.
func within(j answers.Jurisdiction, country string) bool {
	return j.Country == country || j.Country == "EU"
}

// fitDataServices keeps services for the evidence type and, where one was asked for,
// of the edition.
func fitDataServices(a *answers.Answer, q canon.DataServicesQuery) error {
	for _, x := range a.Exceptions {
		if x.Service != nil && x.Service.Classification != q.Classification {
			return errors.New("the questions are about another evidence type")
		}
	}
	if len(a.Services) == 0 {
		return someOr(len(a.Exceptions), "it has no data service")
	}
	a.Services = slices.DeleteFunc(slices.Clone(a.Services), func(s answers.DataService) bool { return s.Classification != q.Classification })
	if err := someOr(len(a.Services), "the data services are for another evidence type"); err != nil {
		return err
	}
	for i := range a.Services {
		s := &a.Services[i]
		s.Access = slices.DeleteFunc(slices.Clone(s.Access), func(x answers.AccessService) bool {
			return x.Publisher.ID.IsZero() || q.Specification != "" && !slices.Contains(x.ConformsTo, q.Specification)
		})
	}
	a.Services = slices.DeleteFunc(a.Services, func(s answers.DataService) bool { return len(s.Access) == 0 })
	return someOr(len(a.Services), "no data service speaks the edition that was asked for")
}

func someOr(n int, fault string) error {
	if n > 0 {
		return nil
	}
	return errors.New(fault)
}
