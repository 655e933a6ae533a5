package regrep

import (
	"strings"

	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// personRules names the rules that an sdg:Person keeps as subject or as
// representative (TDD 4.5.1).
type personRules struct {
	what                      string
	assuranceSet, assurance   string
	format, schemeSet, scheme string
	birth                     string
	address                   string
	nationality, birthCountry string
	residence                 string
	gender                    string
	power                     string // PowerOfRepresentationScope
	eidas2                    bool   // the rules of profile eidas2 apply
}

var (
	naturalPerson = personRules{what: "NaturalPerson", assuranceSet: "C036", assurance: "C037", format: "C040",
		schemeSet: "C041", scheme: "C042", birth: "C043", address: "C045", nationality: "C075", birthCountry: "C076",
		residence: "C077", gender: "C127", eidas2: true}
	naturalRepresentative = personRules{what: "AuthorizedRepresentative", assuranceSet: "C058", assurance: "C059",
		format: "C061", schemeSet: "C062", scheme: "C063", birth: "C064", address: "C067", nationality: "C078",
		birthCountry: "C079", residence: "C080", gender: "C124", power: "C081"}
)

// person reads the person of a request. eidas2 reports the scheme of the
// identifier, whose attributes follow other rules (Reg. 2024/2977).
func (r *reader) person(e xmldoc.Element, rules *personRules, procedures func(string) bool) (p canon.NaturalPerson, eidas2 bool) {
	f := r.parts(e, "",
		part{name: sdgName("LevelOfAssurance"), min: 1, max: 1, rule: rules.assuranceSet},
		part{name: sdgName("Identifier"), max: 1},
		part{name: sdgName("FamilyName"), min: 1, max: 1},
		part{name: sdgName("GivenName"), min: 1, max: 1},
		part{name: sdgName("DateOfBirth"), min: 1, max: 1},
		part{name: sdgName("BirthName"), max: 1},
		part{name: sdgName("PlaceOfBirth"), max: 1},
		part{name: sdgName("CurrentAddress"), max: 1},
		part{name: sdgName("Gender"), max: 1},
		part{name: sdgName("Nationality"), max: many},
		part{name: sdgName("CountryOfBirth"), max: 1},
		part{name: sdgName("TownOfBirth"), max: 1},
		part{name: sdgName("CountryOfResidence"), max: 1},
		part{name: sdgName("PhoneNumber"), max: 1},
		part{name: sdgName("EmailAddress"), max: 1},
		part{name: sdgName("SectorSpecificAttribute"), max: many},
	)
	p.Assurance = r.code(f.one("LevelOfAssurance"), rules.assurance, in(assuranceLevels))
	if id := f.one("Identifier"); !id.IsZero() { // absent is a warning only: C038, C060
		scheme := r.attr(id, plainName("schemeID"), rules.schemeSet)
		if r.bad == nil && scheme != "eidas" && scheme != "eidas2" {
			r.fail(id, rules.scheme, "schemeID of Identifier is neither eidas nor eidas2")
		}
		eidas2 = scheme == "eidas2"
		p.Identifier = r.code(id, rules.format, eidasIdentifier)
	}
	p.FamilyName = r.name(f.one("FamilyName"))
	p.GivenName = r.name(f.one("GivenName"))
	p.BirthDate = r.date(f.one("DateOfBirth"), rules.birth)
	birthName := r.text(f.one("BirthName"), 0)
	r.nonLatin(f.one("BirthName"))
	p.PlaceOfBirth = r.birthplace(f.one("PlaceOfBirth"))
	if a := f.one("CurrentAddress"); !a.IsZero() {
		r.address(a, rules.address, "")
	}
	p.Gender = r.text(f.one("Gender"), 0)
	for i, n := range f.all("Nationality") {
		if c := r.code(n, rules.nationality, in(countries)); i == 0 {
			p.Nationality = c
		}
	}
	r.code(f.one("CountryOfBirth"), rules.birthCountry, in(countries))
	r.text(f.one("TownOfBirth"), 2)
	r.nonLatin(f.one("TownOfBirth"))
	r.code(f.one("CountryOfResidence"), rules.residence, in(countries))
	r.text(f.one("PhoneNumber"), 2)
	r.text(f.one("EmailAddress"), 2)
	r.sectorAttributes(f.all("SectorSpecificAttribute"), rules.power, procedures)

	if r.bad == nil && !f.one("Gender").IsZero() {
		list := gendersEidas
		if eidas2 {
			list = gendersEidas2
		}
		if !list[p.Gender] {
			r.fail(f.one("Gender"), rules.gender, "Gender is not in the list of the identity scheme")
		}
	}
	if eidas2 && rules.eidas2 {
		switch { // R-EDM-REQ-C121 to C125; which id is which is not known
		case r.bad != nil:
		case p.Assurance != "High":
			r.fail(e, "C121", "eidas2 asks for LevelOfAssurance High")
		case f.one("PlaceOfBirth").IsZero() || f.one("Nationality").IsZero():
			r.fail(e, "C122", "eidas2 asks for PlaceOfBirth and Nationality")
		case !f.one("BirthName").IsZero() && strings.Count(birthName, "#") != 1:
			r.fail(e, "C123", "eidas2 asks for two values in BirthName, separated by #")
		}
	}
	return p, eidas2
}

// name reads a name that must not be empty.
func (r *reader) name(e xmldoc.Element) string {
	s := r.text(e, 0)
	if !e.IsZero() && s == "" {
		r.fail(e, "XSD", e.Name().Local+" is empty")
	}
	r.atMost(e, s, maxName)
	r.nonLatin(e)
	return s
}

// birthplace reads PlaceOfBirth, which must not be empty either.
func (r *reader) birthplace(e xmldoc.Element) string {
	r.text(e, 2)
	return r.name(e)
}

func (r *reader) nonLatin(e xmldoc.Element) {
	if e.IsZero() || r.bad != nil {
		return
	}
	if s, ok := e.Attr(plainName("nonLatin")); ok {
		r.length(e, "nonLatin", collapse(s), 2)
	}
}

func (r *reader) sectorAttributes(els []xmldoc.Element, power string, procedures func(string) bool) {
	for _, e := range els {
		f := r.parts(e, "",
			part{name: sdgName("AttributeName"), min: 1, max: 1},
			part{name: sdgName("AttributeURI"), min: 1, max: 1},
			part{name: sdgName("AttributeValue"), min: 1, max: 1},
		)
		name := r.text(f.one("AttributeName"), 2)
		value := r.text(f.one("AttributeValue"), 2)
		if power == "" || name != "PowerOfRepresentationScope" || r.bad != nil {
			continue
		}
		for code := range strings.SplitSeq(value, ",") {
			if code = strings.TrimSpace(code); code != "ALL" && !procedures(code) {
				r.fail(e, power, "PowerOfRepresentationScope names no procedure")
			}
		}
	}
}

// legalRules names the rules that an sdg:LegalPerson keeps (TDD 4.5.1).
type legalRules struct {
	assuranceSet, assurance   string
	present                   string
	format, schemeSet, scheme string
	otherSet, other           string
	address                   string
	power                     string
}

var (
	legalPerson = legalRules{assuranceSet: "C047", assurance: "C048", present: "C049", format: "C051", schemeSet: "C052",
		scheme: "C053", otherSet: "C054", other: "C055", address: "C056"}
	legalRepresentative = legalRules{assuranceSet: "C082", assurance: "C083", present: "C084", format: "C085",
		schemeSet: "C086", scheme: "C087", otherSet: "C088", other: "C089", address: "C090", power: "C091"}
)

func (r *reader) legalPerson(e xmldoc.Element, rules *legalRules, procedures func(string) bool) (p canon.LegalPerson, eidas2 bool) {
	f := r.parts(e, "",
		part{name: sdgName("LevelOfAssurance"), min: 1, max: 1, rule: rules.assuranceSet},
		part{name: sdgName("Identifier"), max: many},
		part{name: sdgName("LegalPersonIdentifier"), min: 1, max: 1, rule: rules.present},
		part{name: sdgName("LegalName"), min: 1, max: 1},
		part{name: sdgName("RegisteredAddress"), max: 1},
		part{name: sdgName("LegalPhoneNumber"), max: 1},
		part{name: sdgName("LegalEmailAddress"), max: 1},
		part{name: sdgName("SectorSpecificAttribute"), max: many},
	)
	p.Assurance = r.code(f.one("LevelOfAssurance"), rules.assurance, in(assuranceLevels))
	for _, id := range f.all("Identifier") {
		if scheme := r.attr(id, plainName("schemeID"), rules.otherSet); r.bad == nil && !legalSchemes[scheme] {
			r.fail(id, rules.other, "schemeID of Identifier is not in IdentifierSchemes")
		}
	}
	p.Identifier, eidas2 = r.legalIdentifier(f.one("LegalPersonIdentifier"), rules.present, rules.format, rules.schemeSet, rules.scheme)
	p.Name = r.legalName(f.one("LegalName"))
	if a := f.one("RegisteredAddress"); !a.IsZero() {
		r.address(a, rules.address, "")
	}
	r.text(f.one("LegalPhoneNumber"), 2)
	r.text(f.one("LegalEmailAddress"), 2)
	r.sectorAttributes(f.all("SectorSpecificAttribute"), rules.power, procedures)
	return p, eidas2
}

func (r *reader) legalName(e xmldoc.Element) string {
	s := r.text(e, 0)
	if !e.IsZero() && s == "" {
		r.fail(e, "XSD", "LegalName is empty")
	}
	r.atMost(e, s, maxLegalName)
	r.nonLatin(e)
	return s
}

func (r *reader) legalIdentifier(e xmldoc.Element, present, format, schemeSet, scheme string) (id string, eidas2 bool) {
	if id = r.text(e, 0); !e.IsZero() && id == "" {
		r.fail(e, present, "LegalPersonIdentifier is empty")
	}
	s := r.attr(e, plainName("schemeID"), schemeSet)
	if !e.IsZero() && r.bad == nil && s != "eidas" && s != "eidas2" {
		r.fail(e, scheme, "schemeID of LegalPersonIdentifier is neither eidas nor eidas2")
	}
	return r.code(e, format, eidasIdentifier), s == "eidas2"
}

// about reads IsAbout of an evidence: the minimum data set, without assurance
// (R-EDM-RESP-S041, S042).
func (r *reader) about(e xmldoc.Element) canon.Subject {
	f := r.parts(e, "",
		part{name: sdgName("NaturalPerson"), max: 1},
		part{name: sdgName("LegalPerson"), max: 1},
	)
	natural, legal := f.one("NaturalPerson"), f.one("LegalPerson")
	switch {
	case natural.IsZero() == legal.IsZero():
		if !e.IsZero() {
			r.fail(e, "XSD", "IsAbout is not about exactly one person")
		}
	case !natural.IsZero():
		f := r.parts(natural, "S041",
			part{name: sdgName("Identifier"), max: 1},
			part{name: sdgName("FamilyName"), min: 1, max: 1},
			part{name: sdgName("GivenName"), min: 1, max: 1},
			part{name: sdgName("DateOfBirth"), min: 1, max: 1},
			part{name: sdgName("PlaceOfBirth"), max: 1},
		)
		p := &canon.NaturalPerson{
			FamilyName:   r.name(f.one("FamilyName")),
			GivenName:    r.name(f.one("GivenName")),
			BirthDate:    r.date(f.one("DateOfBirth"), "C032"),
			PlaceOfBirth: r.birthplace(f.one("PlaceOfBirth")),
		}
		if id := f.one("Identifier"); !id.IsZero() {
			if s := r.attr(id, plainName("schemeID"), "C030"); r.bad == nil && s != "eidas" && s != "eidas2" {
				r.fail(id, "C031", "schemeID of Identifier is neither eidas nor eidas2")
			}
			p.Identifier = r.code(id, "C028", eidasIdentifier)
		}
		return canon.Subject{Natural: p}
	default:
		f := r.parts(legal, "S042",
			part{name: sdgName("LegalPersonIdentifier"), min: 1, max: 1, rule: "C033"},
			part{name: sdgName("LegalName"), min: 1, max: 1},
		)
		p := &canon.LegalPerson{Name: r.legalName(f.one("LegalName"))}
		p.Identifier, _ = r.legalIdentifier(f.one("LegalPersonIdentifier"), "C033", "C034", "C036", "C037")
		return canon.Subject{Legal: p}
	}
	return canon.Subject{}
}
