package sandbox

import (
	"fmt"

	"oncegate/connectors/register"
	"oncegate/schemas/canon"
)

const (
	schemeSI = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:SI"
	schemeES = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:ES"
	schemeFI = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:FI"
)

// An offer is one evidence that the portal can ask for: what a lookup in the
// evidence broker and the data service directory would have answered.
type offer struct {
	Register    string // name in the landscape and folder under connectors/registers
	Title       string
	Procedure   string // list Procedures
	Purpose     string
	Provider    canon.Agent
	Requirement canon.Requirement
	Type        canon.EvidenceType
}

// offers lists what the landscape provides, with the evidence types and issuers
// of the given registers; everywhere says whether those of other countries are there.
func offers(defs map[string]*register.Definition, everywhere bool) []offer {
	here := []offer{
		{Register: "births", Procedure: "T2", Purpose: "Admission to a public university", Requirement: need("0b5d6f0e-5a40-4c52-9a39-40d1a5c0e001", "Proof of birth")},
		{Register: "residence", Procedure: "V1", Purpose: "Registering a change of address", Requirement: need("0b5d6f0e-5a40-4c52-9a39-40d1a5c0e002", "Proof of residence")},
		{Register: "companies", Procedure: "X1", Purpose: "Notifying a business activity", Requirement: need("0b5d6f0e-5a40-4c52-9a39-40d1a5c0e003", "Proof of registration of a company")},
	}
	if everywhere {
		here = append(here, elsewhere()...)
	}
	var out []offer
	for _, o := range here {
		d, ok := defs[o.Register]
		if !ok {
			continue
		}
		o.Type, o.Provider, o.Title = d.EvidenceType, d.Issuer, d.EvidenceType.Titles[0].Text
		o.Provider.Country = d.Country
		out = append(out, o)
	}
	return out
}

// elsewhere are the built-in registers of other countries.
func elsewhere() []offer {
	requirement := func(n int, name string) canon.Requirement {
		return need(fmt.Sprintf("0b5d6f0e-5a40-4c52-9a39-40d1a5c0e1%02d", n), name)
	}
	return []offer{
		{Register: "civil-status-it", Procedure: "R1", Purpose: "Having a birth in Italy registered", Requirement: requirement(1, "Proof of birth")},
		{Register: "population-nl", Procedure: "S1", Purpose: "Proving where you live, for the library card", Requirement: requirement(2, "Proof of residence")},
		{Register: "population-fi", Procedure: "V1", Purpose: "Moving from Finland", Requirement: requirement(3, "Proof of residence")},
		{Register: "civil-registry-ee", Procedure: "U2", Purpose: "Telling the social security office about a marriage in Estonia", Requirement: requirement(4, "Proof of marriage")},
		{Register: "marriages", Procedure: "U2", Purpose: "Telling the social security office about a marriage in Portugal", Requirement: requirement(5, "Proof of marriage")},
		{Register: "companies-nl", Procedure: "X1", Purpose: "Opening a branch of a Dutch company", Requirement: requirement(6, "Proof of registration of a company")},
		{Register: "diplomas-se", Procedure: "T3", Purpose: "Having a Swedish degree recognised", Requirement: requirement(7, "Proof of a degree")},
		{Register: "vehicles", Procedure: "V2", Purpose: "Registering a car from Finland", Requirement: requirement(8, "Proof of registration of a vehicle")},
		{Register: "pensions", Procedure: "W1", Purpose: "Claiming a pension after years in Austria", Requirement: requirement(9, "Statement of a pension")},
		{Register: "tax", Procedure: "U4", Purpose: "Declaring income from Lithuania", Requirement: requirement(10, "Statement of income and tax")},
	}
}

func need(id, name string) canon.Requirement {
	return canon.Requirement{ID: "https://sr.oots.tech.ec.europa.eu/requirements/" + id, Names: []canon.Text{{Lang: "EN", Text: name}}}
}

// asking is the authority that asks.
func asking() canon.Agent {
	return canon.Agent{
		ID:      canon.Participant{Scheme: schemeSI, ID: "SI-PORTAL-TEST"},
		Names:   []canon.Text{{Lang: "EN", Text: "One-Stop Portal of Slovenia (sandbox)"}, {Lang: "SL", Text: "Enotna točka (peskovnik)"}},
		Country: "SI",
	}
}
