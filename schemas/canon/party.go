package canon

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
}

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

// A NaturalPerson is the eIDAS minimum data set of a person (sdg:Person).
type NaturalPerson struct {
	Assurance    string `json:"assurance,omitempty"`  // Low, Substantial, High
	Identifier   string `json:"identifier,omitempty"` // XX/YY/unique part
	FamilyName   string `json:"familyName"`
	GivenName    string `json:"givenName"`
	BirthDate    string `json:"birthDate"` // YYYY-MM-DD
	PlaceOfBirth string `json:"placeOfBirth,omitempty"`
	Gender       string `json:"gender,omitempty"`
	Nationality  string `json:"nationality,omitempty"`
}

// A LegalPerson is the eIDAS minimum data set of a company (sdg:LegalPerson).
type LegalPerson struct {
	Assurance  string `json:"assurance,omitempty"`
	Identifier string `json:"identifier"` // XX/YY/unique part
	Name       string `json:"name"`
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
		return s.Legal.Identifier == other.Legal.Identifier && s.Legal.Name == other.Legal.Name
	}
	return false
}
