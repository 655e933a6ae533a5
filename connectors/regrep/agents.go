package regrep

import (
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// agentRules names the rules that an sdg:Agent keeps at its place.
type agentRules struct {
	children          string // closed list of children
	schemeSet, scheme string // schemeID present; in a list
	langSet, lang     string // Name/@lang present; in LanguageCode
	country, nuts     string // AdminUnitLevel1, AdminUnitLevel2
	class, classList  string // Classification present; in classes
	classes           []string
	address           bool   // Address is allowed
	addressed         string // the class that must have an Address
	addressRule       string // the rule that says so
	classified        bool   // Classification is required
}

// The places of agents in a request, an answer and an error.
var (
	requesterInRequest = agentRules{children: "S040", schemeSet: "C011", scheme: "C012", langSet: "C109", lang: "C108",
		country: "C015", nuts: "C016", class: "C013", classList: "C014", classes: []string{"ER", "IP"},
		address: true, addressed: "ER", addressRule: "C073", classified: true}
	providerInRequest = agentRules{children: "S043", schemeSet: "C017", scheme: "C018", langSet: "C111", lang: "C110"}

	providerInResponse = agentRules{children: "S026", schemeSet: "C006", scheme: "C007", langSet: "TDD 4.5.2", lang: "TDD 4.5.2",
		country: "C008", nuts: "C009", class: "C010", classList: "TDD 4.5.2", classes: []string{"EP", "IP"},
		address: true, addressed: "EP", addressRule: "C047", classified: true}
	requesterInResponse = agentRules{children: "S028", schemeSet: "C012", scheme: "C013", langSet: "TDD 4.5.2", lang: "TDD 4.5.2"}
	issuer              = agentRules{children: "TDD 4.5.2", schemeSet: "C038", scheme: "C039", langSet: "TDD 4.5.2", lang: "TDD 4.5.2"}

	errorProvider = agentRules{children: "XSD", schemeSet: "C003", scheme: "C004", langSet: "C029", lang: "C028",
		country: "C005", nuts: "C006", class: "C007", classList: "C008", classes: []string{"EP", "IP", "ERRP"},
		address: true, addressed: "*", addressRule: "C024", classified: true}
	requesterInError = agentRules{children: "XSD", schemeSet: "C009", scheme: "C010", langSet: "C031", lang: "C030"}
)

// agent reads an sdg:Agent and its classification.
func (r *reader) agent(e xmldoc.Element, rules *agentRules) (canon.Agent, string) {
	ps := []part{
		{name: sdgName("Identifier"), min: 1, max: 1},
		{name: sdgName("Name"), min: 1, max: many},
	}
	if rules.address {
		ps = append(ps, part{name: sdgName("Address"), max: 1, rule: rules.addressRule})
	}
	if rules.classified {
		ps = append(ps, part{name: sdgName("Classification"), min: 1, max: 1, rule: rules.class})
	}
	f := r.parts(e, rules.children, ps...)
	a := canon.Agent{
		ID:    r.organisation(f.one("Identifier"), rules.schemeSet, rules.scheme),
		Names: r.texts(f.all("Name"), rules.langSet, rules.lang),
	}
	class := r.code(f.one("Classification"), rules.classList, oneOf(rules.classes...))
	if rules.classified && class == "" {
		r.fail(e, rules.class, "Classification is empty")
	}
	if address := f.one("Address"); !address.IsZero() {
		a.Country = r.address(address, rules.country, rules.nuts)
	} else if rules.addressed == "*" || rules.addressed != "" && rules.addressed == class {
		r.fail(e, rules.addressRule, "Agent lacks an Address")
	}
	return a, class
}

// organisation reads an Identifier with the scheme of an organisation.
func (r *reader) organisation(e xmldoc.Element, present, list string) canon.Participant {
	p := canon.Participant{Scheme: r.attr(e, plainName("schemeID"), present), ID: r.text(e, 0)}
	switch {
	case e.IsZero() || r.bad != nil:
	case !organisationScheme(p.Scheme):
		r.fail(e, list, "schemeID is neither an EAS code nor unregistered with a country")
	case p.ID == "" || len(p.ID) >= 256:
		r.fail(e, list, "Identifier must have 1 to 255 characters")
	}
	return p
}

// address reads an sdg:Address and returns its country.
func (r *reader) address(e xmldoc.Element, country, nutsRule string) string {
	f := r.parts(e, "",
		part{name: sdgName("FullAddress"), max: 1},
		part{name: sdgName("LocatorDesignator"), max: 1},
		part{name: sdgName("PostCode"), max: 1},
		part{name: sdgName("PostCityName"), max: 1},
		part{name: sdgName("Thoroughfare"), max: 1},
		part{name: sdgName("AdminUnitLevel1"), min: 1, max: 1},
		part{name: sdgName("AdminUnitLevel2"), max: 1},
	)
	for _, name := range []string{"FullAddress", "PostCode", "PostCityName", "Thoroughfare"} {
		r.text(f.one(name), 2)
	}
	r.text(f.one("LocatorDesignator"), 1)
	if level2 := f.one("AdminUnitLevel2"); !level2.IsZero() {
		r.code(level2, or(nutsRule, "XSD"), nuts)
	}
	return r.code(f.one("AdminUnitLevel1"), country, in(countries))
}
