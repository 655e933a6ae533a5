package api

import (
	"time"

	"oncegate/schemas/canon"
)

// subjectBody is components/schemas/Subject, representativeBody Representative.
type subjectBody struct {
	Natural *naturalBody `json:"natural"`
	Legal   *legalBody   `json:"legal"`
}

type representativeBody subjectBody

type naturalBody struct {
	Assurance          string          `json:"assurance"`
	Identifier         string          `json:"identifier"`
	Scheme             string          `json:"scheme"`
	FamilyName         string          `json:"family_name"`
	GivenName          string          `json:"given_name"`
	BirthDate          string          `json:"birth_date"`
	BirthName          string          `json:"birth_name"`
	PlaceOfBirth       string          `json:"place_of_birth"`
	TownOfBirth        string          `json:"town_of_birth"`
	CountryOfBirth     string          `json:"country_of_birth"`
	Gender             string          `json:"gender"`
	Nationality        string          `json:"nationality"`
	OtherNationalities []string        `json:"other_nationalities"`
	Residence          string          `json:"country_of_residence"`
	Address            addressBody     `json:"address"`
	Phone              string          `json:"phone"`
	Email              string          `json:"email"`
	NonLatin           nonLatinBody    `json:"non_latin"`
	Attributes         []attributeBody `json:"attributes"`
}

type legalBody struct {
	Assurance    string           `json:"assurance"`
	Identifier   string           `json:"identifier"`
	Scheme       string           `json:"scheme"`
	Name         string           `json:"name"`
	NonLatinName string           `json:"non_latin_name"`
	Others       []identifierBody `json:"other_identifiers"`
	Address      addressBody      `json:"address"`
	Phone        string           `json:"phone"`
	Email        string           `json:"email"`
	Attributes   []attributeBody  `json:"attributes"`
}

type addressBody struct {
	Full     string `json:"full"`
	Locator  string `json:"locator"`
	PostCode string `json:"post_code"`
	City     string `json:"city"`
	Street   string `json:"street"`
	Country  string `json:"country"`
	Region   string `json:"region"`
}

type nonLatinBody struct {
	FamilyName   string `json:"family_name"`
	GivenName    string `json:"given_name"`
	BirthName    string `json:"birth_name"`
	PlaceOfBirth string `json:"place_of_birth"`
	TownOfBirth  string `json:"town_of_birth"`
}

type attributeBody struct {
	Name  string `json:"name"`
	URI   string `json:"uri"`
	Value string `json:"value"`
}

type identifierBody struct {
	Scheme string `json:"scheme"`
	ID     string `json:"id"`
}

func (n *naturalBody) canon() *canon.NaturalPerson {
	if n == nil {
		return nil
	}
	return &canon.NaturalPerson{
		Assurance: n.Assurance, Identifier: n.Identifier, Scheme: n.Scheme, FamilyName: n.FamilyName, GivenName: n.GivenName,
		BirthDate: n.BirthDate, BirthName: n.BirthName, PlaceOfBirth: n.PlaceOfBirth, TownOfBirth: n.TownOfBirth, CountryOfBirth: n.CountryOfBirth,
		Gender: n.Gender, Nationality: n.Nationality, OtherNationalities: n.OtherNationalities, Residence: n.Residence,
		Address: canon.Address(n.Address), Phone: n.Phone, Email: n.Email, NonLatin: canon.NonLatin(n.NonLatin), Attributes: attributes(n.Attributes),
	}
}

func (l *legalBody) canon() *canon.LegalPerson {
	if l == nil {
		return nil
	}
	out := &canon.LegalPerson{
		Assurance: l.Assurance, Identifier: l.Identifier, Scheme: l.Scheme, Name: l.Name, NonLatinName: l.NonLatinName,
		Address: canon.Address(l.Address), Phone: l.Phone, Email: l.Email, Attributes: attributes(l.Attributes),
	}
	for _, o := range l.Others {
		out.Others = append(out.Others, canon.Identifier(o))
	}
	return out
}

func attributes(in []attributeBody) []canon.Attribute {
	var out []canon.Attribute
	for _, a := range in {
		out = append(out, canon.Attribute(a))
	}
	return out
}

func (s subjectBody) canon() canon.Subject {
	return canon.Subject{Natural: s.Natural.canon(), Legal: s.Legal.canon()}
}

func (b representativeBody) canon() canon.Representative {
	return canon.Representative{Natural: b.Natural.canon(), Legal: b.Legal.canon()}
}

// flaws are days that a schema cannot judge.
func (s subjectBody) flaws(at string, now time.Time) []flaw {
	if s.Natural == nil {
		return nil
	}
	if day, err := time.Parse(time.DateOnly, s.Natural.BirthDate); err != nil || day.After(now) {
		return []flaw{{Location: at + "/natural/birth_date", Detail: "is not a day of the past"}}
	}
	return nil
}
