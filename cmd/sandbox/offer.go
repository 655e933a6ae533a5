package sandbox

import (
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
// of the given registers.
func offers(defs map[string]*register.Definition) []offer {
	var out []offer
	for _, o := range []offer{
		{Register: "births", Procedure: "T2", Purpose: "Admission to a public university", Requirement: need("0b5d6f0e-5a40-4c52-9a39-40d1a5c0e001", "Proof of birth")},
		{Register: "residence", Procedure: "V1", Purpose: "Registering a change of address", Requirement: need("0b5d6f0e-5a40-4c52-9a39-40d1a5c0e002", "Proof of residence")},
		{Register: "companies", Procedure: "X1", Purpose: "Notifying a business activity", Requirement: need("0b5d6f0e-5a40-4c52-9a39-40d1a5c0e003", "Proof of registration of a company")},
	} {
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
