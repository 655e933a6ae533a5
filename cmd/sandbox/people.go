package sandbox

import (
	"encoding/json"
	"io/fs"

	"oncegate/connectors/registers"
	"oncegate/schemas/canon"
)

// A persona is a fictitious person, or a company with somebody who acts for it,
// that the eID of the landscape knows.
type persona struct {
	ID       string // short name on the eID page and in flags
	Subject  canon.Subject
	Register string // which register of the landscape holds a record; empty: none
	Abroad   bool   // known in a Member State that is not always there
}

// people are the inhabitants of the landscape. None of them exists. Beside those
// that the scripts know by name, each register has the person of its own samples.
func people() []persona {
	out := []persona{
		{"lucia", natural("ES/SI/test-00017-lm", "Marwick-Testa", "Lucía", "1994-03-17"), "births", false},
		{"oskar", natural("ES/SI/test-00042-op", "Prøveland", "Oskar", "1981-11-02"), "residence", false},
		{"velden", canon.Subject{Legal: &canon.LegalPerson{Assurance: "High", Identifier: "ES/SI/test-B-00731", Name: "Velden Optika d.o.o. (test)"}}, "companies", false},
		{"ingrid", natural("ES/SI/test-00099-in", "Nullmeier-Probe", "Ingrid", "1979-05-05"), "", false},
	}
	for _, e := range elsewhere() {
		text, err := fs.ReadFile(registers.FS, e.Register+"/testdata/found.query.json")
		if err != nil {
			panic(err) // the samples are embedded
		}
		var q struct {
			Subject canon.Subject `json:"subject"`
		}
		if err := json.Unmarshal(text, &q); err != nil {
			panic(err)
		}
		if n := q.Subject.Natural; n != nil {
			q.Subject = natural(n.Identifier, n.FamilyName, n.GivenName, n.BirthDate)
		} else {
			q.Subject.Legal.Assurance = "High"
		}
		out = append(out, persona{e.Register, q.Subject, e.Register, true})
	}
	return out
}

func natural(id, family, given, born string) canon.Subject {
	return canon.Subject{Natural: &canon.NaturalPerson{
		Assurance: "High", Identifier: id, FamilyName: family, GivenName: given, BirthDate: born,
	}}
}

// label is what the eID page calls the persona.
func (p persona) label() string {
	if n := p.Subject.Natural; n != nil {
		return n.GivenName + " " + n.FamilyName
	}
	return p.Subject.Legal.Name
}

// claims are the eIDAS attributes that the eID states about the persona.
func (p persona) claims() map[string]any {
	if n := p.Subject.Natural; n != nil {
		return map[string]any{
			"person_identifier": n.Identifier, "family_name": n.FamilyName, "given_name": n.GivenName,
			"birthdate": n.BirthDate, "acr": "http://eidas.europa.eu/LoA/high",
		}
	}
	l := p.Subject.Legal
	return map[string]any{
		"legal_person_identifier": l.Identifier, "legal_name": l.Name, "acr": "http://eidas.europa.eu/LoA/high",
	}
}

func personaByID(id string) (persona, bool) {
	for _, p := range people() {
		if p.ID == id {
			return p, true
		}
	}
	return persona{}, false
}
