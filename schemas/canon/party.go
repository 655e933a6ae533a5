package canon

import (
	"slices"
	"strings"
)

// A Participant identifies an organisation: an authority or an access point.
type Participant struct {
	Scheme string `json:"scheme"` // urn:cef.eu:names:identifier:EAS:<code> or urn:oasis:names:tc:ebcore:partyid-type:unregistered:<CC>
	ID     string `json:"id"`
}

// String returns scheme and id with two colons between them, as eDelivery writes them.
func (p Participant) String() string { return p.Scheme + "::" + p.ID }

// IsZero reports that the participant is unset.
func (p Participant) IsZero() bool { return p == Participant{} }

// A Text is one string in one language; Lang is a two-letter upper-case code.
type Text struct {
	Lang string `json:"lang"`
	Text string `json:"text"`
}

// An Agent is an authority with its names.
type Agent struct {
	ID      Participant `json:"id"`
	Names   []Text      `json:"names"`
	Country string      `json:"country,omitempty"` // AdminUnitLevel1
	Address Address     `json:"address,omitzero"`  // what is known beyond Country; its own Country stays unset
}

// An Address is where somebody lives or an authority sits (sdg:Address).
type Address struct {
	Full     string `json:"full,omitempty"`
	Locator  string `json:"locator,omitempty"` // number of the house, or its name
	PostCode string `json:"postCode,omitempty"`
	City     string `json:"city,omitempty"`   // PostCityName
	Street   string `json:"street,omitempty"` // Thoroughfare
	Country  string `json:"country,omitempty"`
	Region   string `json:"region,omitempty"` // NUTS code
}

// IsZero reports that nothing is known.
func (a Address) IsZero() bool { return a == Address{} }

// Name returns the first name, for pages and logs.
func (a Agent) Name() string {
	if len(a.Names) == 0 {
		return a.ID.ID
	}
	return a.Names[0].Text
}

// A Subject is whom evidence is about: exactly one of the two.
type Subject struct {
	Natural *NaturalPerson `json:"natural,omitempty"`
	Legal   *LegalPerson   `json:"legal,omitempty"`
}

// The schemes of the identifier of a person.
const (
	SchemeEidas  = "eidas"
	SchemeEidas2 = "eidas2" // European Digital Identity Wallet, Reg. (EU) 2024/2977
)

// A NaturalPerson is what a request says about a person: the eIDAS minimum data
// set and what the means of identification added (sdg:Person).
type NaturalPerson struct {
	Assurance    string `json:"assurance,omitempty"`  // Low, Substantial, High
	Identifier   string `json:"identifier,omitempty"` // XX/YY/unique part
	Scheme       string `json:"scheme,omitempty"`     // of the identifier; unset means eidas
	FamilyName   string `json:"familyName"`
	GivenName    string `json:"givenName"`
	BirthDate    string `json:"birthDate"` // YYYY-MM-DD
	BirthName    string `json:"birthName,omitempty"`
	PlaceOfBirth string `json:"placeOfBirth,omitempty"`
	Gender       string `json:"gender,omitempty"`
	Nationality  string `json:"nationality,omitempty"`

	OtherNationalities []string    `json:"otherNationalities,omitempty"` // after the first
	CountryOfBirth     string      `json:"countryOfBirth,omitempty"`
	TownOfBirth        string      `json:"townOfBirth,omitempty"`
	Residence          string      `json:"residence,omitempty"` // country
	Address            Address     `json:"address,omitzero"`
	Phone              string      `json:"phone,omitempty"`
	Email              string      `json:"email,omitempty"`
	NonLatin           NonLatin    `json:"nonLatin,omitzero"`
	Attributes         []Attribute `json:"attributes,omitempty"`
}

// NonLatin holds the spellings of a person's names in another script.
type NonLatin struct {
	FamilyName   string `json:"familyName,omitempty"`
	GivenName    string `json:"givenName,omitempty"`
	BirthName    string `json:"birthName,omitempty"`
	PlaceOfBirth string `json:"placeOfBirth,omitempty"`
	TownOfBirth  string `json:"townOfBirth,omitempty"`
}

// A LegalPerson is what a request says about a company (sdg:LegalPerson).
type LegalPerson struct {
	Assurance    string       `json:"assurance,omitempty"`
	Identifier   string       `json:"identifier,omitempty"` // XX/YY/unique part
	Scheme       string       `json:"scheme,omitempty"`     // of the identifier; unset means eidas
	Name         string       `json:"name"`
	NonLatinName string       `json:"nonLatinName,omitempty"`
	Others       []Identifier `json:"others,omitempty"`
	Address      Address      `json:"address,omitzero"`
	Phone        string       `json:"phone,omitempty"`
	Email        string       `json:"email,omitempty"`
	Attributes   []Attribute  `json:"attributes,omitempty"`
}

// An Identifier is a further number of a company, of list IdentifierSchemes.
type Identifier struct {
	Scheme string `json:"scheme"` // VAT, TAX, BusinessCode, LEI, EORI, SEED, SIC
	ID     string `json:"id"`
}

// An Attribute is one that a sector asks for (sdg:SectorSpecificAttribute).
type Attribute struct {
	Name  string `json:"name"`
	URI   string `json:"uri"`
	Value string `json:"value"`
}

// The attribute that says for what a representative may act; its value is one
// procedure code, several between commas, or ALL.
const (
	PowerName = "PowerOfRepresentationScope"
	PowerURI  = "http://data.europa.eu/p4s/attributes/PowerOfRepresentationScope"
	PowerAll  = "ALL"
)

// A Representative acts for the subject of a request: a person, a company, or a
// person on behalf of a company that represents.
type Representative struct {
	Natural *NaturalPerson `json:"natural,omitempty"`
	Legal   *LegalPerson   `json:"legal,omitempty"`
}

// IsZero reports that the subject acts for itself.
func (r Representative) IsZero() bool { return r.Natural == nil && r.Legal == nil }

// Scope returns the procedures, or ALL, for which the representative may act;
// nothing where the request does not say.
func (r Representative) Scope() []string {
	var out []string
	add := func(attributes []Attribute) {
		for _, a := range attributes {
			if a.Name != PowerName {
				continue
			}
			for code := range strings.SplitSeq(a.Value, ",") {
				if code = strings.TrimSpace(code); code != "" {
					out = append(out, code)
				}
			}
		}
	}
	if r.Natural != nil {
		add(r.Natural.Attributes)
	}
	if r.Legal != nil {
		add(r.Legal.Attributes)
	}
	return out
}

// Matches reports whether other is the same person: by identifier where both
// have one, and always by name and date of birth (TDD 4.9: the minimum data set
// of the authenticated person must match that of the request).
func (s Subject) Matches(other Subject) bool {
	switch {
	case s.Natural != nil && other.Natural != nil:
		a, b := s.Natural, other.Natural
		if a.Identifier != "" && b.Identifier != "" && a.Identifier != b.Identifier {
			return false
		}
		return a.FamilyName == b.FamilyName && a.GivenName == b.GivenName && a.BirthDate == b.BirthDate
	case s.Legal != nil && other.Legal != nil:
		a, b := s.Legal, other.Legal
		if a.Identifier != b.Identifier || a.Name != b.Name {
			return false
		}
		// Names of companies repeat: one number, at least, must be the same.
		return a.Identifier != "" || slices.ContainsFunc(a.Others, func(id Identifier) bool { return slices.Contains(b.Others, id) })
	}
	return false
}
