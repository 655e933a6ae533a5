package regrep

import (
	"strings"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

var (
	nameAssurance     = rim.SDG("LevelOfAssurance")
	nameFamily        = rim.SDG("FamilyName")
	nameGiven         = rim.SDG("GivenName")
	nameBorn          = rim.SDG("DateOfBirth")
	nameBirthName     = rim.SDG("BirthName")
	nameBirthPlace    = rim.SDG("PlaceOfBirth")
	nameCurrent       = rim.SDG("CurrentAddress")
	nameGender        = rim.SDG("Gender")
	nameNationality   = rim.SDG("Nationality")
	nameBirthCountry  = rim.SDG("CountryOfBirth")
	nameBirthTown     = rim.SDG("TownOfBirth")
	nameResidence     = rim.SDG("CountryOfResidence")
	namePhone         = rim.SDG("PhoneNumber")
	nameEmail         = rim.SDG("EmailAddress")
	nameAttribute     = rim.SDG("SectorSpecificAttribute")
	nameAttributeName = rim.SDG("AttributeName")
	nameAttributeURI  = rim.SDG("AttributeURI")
	nameAttributeText = rim.SDG("AttributeValue")
	nameLegalID       = rim.SDG("LegalPersonIdentifier")
	nameLegalName     = rim.SDG("LegalName")
	nameRegistered    = rim.SDG("RegisteredAddress")
	nameLegalPhone    = rim.SDG("LegalPhoneNumber")
	nameLegalEmail    = rim.SDG("LegalEmailAddress")
	nameNatural       = rim.SDG("NaturalPerson")
	nameLegal         = rim.SDG("LegalPerson")
	attrNonLatin      = rim.Plain("nonLatin")
)

// person reads an sdg:Person, or a NaturalPerson that an evidence is about.
func (r *reader) person(e xmldoc.Element) *canon.NaturalPerson {
	s := r.Sequence(e)
	p := new(canon.NaturalPerson)
	p.Assurance = r.assurance(s.Maybe(nameAssurance))
	p.Identifier, p.Scheme = r.personID(s.Maybe(nameIdentifier))
	p.FamilyName, p.NonLatin.FamilyName = r.name(s.One(nameFamily), rim.MaxName)
	p.GivenName, p.NonLatin.GivenName = r.name(s.One(nameGiven), rim.MaxName)
	p.BirthDate = r.Date(s.One(nameBorn))
	p.BirthName, p.NonLatin.BirthName = r.name(s.Maybe(nameBirthName), rim.MaxName)
	p.PlaceOfBirth, p.NonLatin.PlaceOfBirth = r.name(s.Maybe(nameBirthPlace), rim.MaxName)
	if a := s.Maybe(nameCurrent); !a.IsZero() {
		p.Address = r.Address(a)
	}
	p.Gender = r.TextMax(s.Maybe(nameGender), 16)
	if r.ed.attributes {
		for n := range s.Many(nameNationality, 0, rim.Many) {
			if c := r.Country(n); p.Nationality == "" {
				p.Nationality = c
			} else {
				p.OtherNationalities = append(p.OtherNationalities, c)
			}
		}
		p.CountryOfBirth = r.Country(s.Maybe(nameBirthCountry))
		p.TownOfBirth, p.NonLatin.TownOfBirth = r.name(s.Maybe(nameBirthTown), rim.MaxName)
		p.Residence = r.Country(s.Maybe(nameResidence))
		p.Phone = r.TextMax(s.Maybe(namePhone), rim.MaxName)
		p.Email = r.TextMax(s.Maybe(nameEmail), maxEmail)
	}
	p.Attributes = r.attributes(&s)
	s.End()
	return p
}

// assurance reads a level; which there are is a rule.
func (r *reader) assurance(e xmldoc.Element) string {
	return r.Matching(e, "Low, Substantial or High", func(s string) bool { return s == "Low" || s == "Substantial" || s == "High" })
}

// name reads a name, which is not empty, and its spelling in another script.
func (r *reader) name(e xmldoc.Element, most int) (name, nonLatin string) {
	nonLatin = r.Attr(e, attrNonLatin)
	if len(nonLatin) > most && len([]rune(nonLatin)) > most {
		r.Fail(e, "nonLatin of "+e.Name().Local+" is too long")
	}
	return r.Filled(e, most), nonLatin
}

// personID reads an eIDAS identifier; an empty one is none.
func (r *reader) personID(e xmldoc.Element) (id, scheme string) {
	id = r.TextMax(e, maxPersonID)
	if id == "" {
		return "", ""
	}
	if !eidasForm(id) {
		r.Fail(e, e.Name().Local+" is not of the form XX/YY/...")
	}
	switch scheme = r.NeedAttr(e, attrScheme); {
	case r.Failed():
	case strings.EqualFold(scheme, canon.SchemeEidas):
		scheme = "" // the usual one
	case scheme != canon.SchemeEidas2:
		r.Fail(e, "schemeID of "+e.Name().Local+" is neither eidas nor eidas2")
	}
	return id, scheme
}

const maxPersonID = 262

// eidasForm reports whether s is two country codes and a part without blanks; which
// countries there are, and how long the part is, are rules.
func eidasForm(s string) bool {
	if len(s) < 7 || s[2] != '/' || s[5] != '/' || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == 0xa0 || c == 0x85 || spaces(c) }) {
		return false
	}
	for _, i := range [...]int{0, 1, 3, 4} {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// spaces reports the white space beyond Latin-1 that the canonical schema refuses.
func spaces(c rune) bool {
	return c == 0x1680 || c >= 0x2000 && c <= 0x200a || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000 || c == 0xfeff
}

func (r *reader) attributes(s *rim.Sequence) []canon.Attribute {
	var out []canon.Attribute
	for e := range s.Many(nameAttribute, 0, rim.Many) {
		in := r.Sequence(e)
		out = append(out, canon.Attribute{
			Name:  r.Filled(in.One(nameAttributeName), rim.MaxName),
			URI:   r.Filled(in.One(nameAttributeURI), rim.MaxURL),
			Value: r.Filled(in.One(nameAttributeText), rim.MaxText),
		})
		in.End()
	}
	return out
}

// legalPerson reads an sdg:LegalPerson.
func (r *reader) legalPerson(e xmldoc.Element) *canon.LegalPerson {
	s := r.Sequence(e)
	p := new(canon.LegalPerson)
	p.Assurance = r.assurance(s.Maybe(nameAssurance))
	for id := range s.Many(nameIdentifier, 0, rim.Many) {
		p.Others = append(p.Others, canon.Identifier{Scheme: r.scheme(id), ID: r.Filled(id, rim.MaxName)})
	}
	p.Identifier, p.Scheme = r.personID(s.Maybe(nameLegalID))
	p.Name, p.NonLatinName = r.name(s.One(nameLegalName), maxLegalName)
	if a := s.Maybe(nameRegistered); !a.IsZero() {
		p.Address = r.Address(a)
	}
	if r.ed.attributes {
		p.Phone = r.TextMax(s.Maybe(nameLegalPhone), rim.MaxName)
		p.Email = r.TextMax(s.Maybe(nameLegalEmail), maxEmail)
	}
	p.Attributes = r.attributes(&s)
	s.End()
	return p
}

// scheme reads the scheme of a company's further identifier.
func (r *reader) scheme(e xmldoc.Element) string {
	s := r.NeedAttr(e, attrScheme)
	if !r.Failed() && !word(s) {
		r.Fail(e, "schemeID of "+e.Name().Local+" is not a code")
	}
	return s
}

// about reads whom an evidence is about: the minimum data set, and no more of what a
// peer may say there.
func (r *reader) about(e xmldoc.Element) canon.Subject {
	s := r.Sequence(e)
	natural, legal := s.Maybe(nameNatural), xmldoc.Element{}
	if natural.IsZero() {
		legal = s.One(nameLegal)
	}
	s.End()
	switch {
	case !natural.IsZero():
		p := r.person(natural)
		return canon.Subject{Natural: &canon.NaturalPerson{
			Identifier: p.Identifier, Scheme: p.Scheme, FamilyName: p.FamilyName, GivenName: p.GivenName,
			BirthDate: p.BirthDate, PlaceOfBirth: p.PlaceOfBirth,
			NonLatin: canon.NonLatin{FamilyName: p.NonLatin.FamilyName, GivenName: p.NonLatin.GivenName, PlaceOfBirth: p.NonLatin.PlaceOfBirth},
		}}
	case !legal.IsZero():
		p := r.legalPerson(legal)
		return canon.Subject{Legal: &canon.LegalPerson{Identifier: p.Identifier, Scheme: p.Scheme, Name: p.Name, NonLatinName: p.NonLatinName}}
	}
	return canon.Subject{}
}
