package rim

import (
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

var (
	nameIdentifier     = SDG("Identifier")
	nameName           = SDG("Name")
	nameAddress        = SDG("Address")
	nameJurisdiction   = SDG("Jurisdiction")
	nameClassification = SDG("Classification")
	nameFull           = SDG("FullAddress")
	nameLocator        = SDG("LocatorDesignator")
	namePostCode       = SDG("PostCode")
	nameCity           = SDG("PostCityName")
	nameStreet         = SDG("Thoroughfare")
	nameLevel1         = SDG("AdminUnitLevel1")
	nameLevel2         = SDG("AdminUnitLevel2")
)

// Agent reads an sdg:Agent and its classification, which may be empty.
func (r *Reader) Agent(e xmldoc.Element) (a canon.Agent, class string) {
	s := r.Sequence(e)
	a.ID = r.Participant(s.One(nameIdentifier))
	a.Names = r.Texts(s.Many(nameName, 1, Many))
	if address := s.Maybe(nameAddress); !address.IsZero() {
		a.Address = r.Address(address)
		a.Country, a.Address.Country = a.Address.Country, ""
	}
	s.Skip(nameJurisdiction) // of the directory; says nothing about the authority itself
	class = r.TextMax(s.Maybe(nameClassification), MaxName)
	s.End()
	return a, class
}

// Participant reads an Identifier with its scheme, each up to 255 characters.
func (r *Reader) Participant(e xmldoc.Element) canon.Participant {
	p := canon.Participant{Scheme: r.NeedAttr(e, attrScheme), ID: r.Filled(e, 255)}
	if !e.IsZero() && r.fault == nil && !isURI(p.Scheme) {
		r.Fail(e, "schemeID of "+e.Name().Local+" is not a URN")
	}
	return p
}

// isURI reports whether s is a URN as the canonical schema asks for.
func isURI(s string) bool {
	if len(s) <= len("urn:") || len(s) > 254 || s[:4] != "urn:" {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// Address reads an sdg:Address (or another element of its type).
func (r *Reader) Address(e xmldoc.Element) canon.Address {
	s := r.Sequence(e)
	a := canon.Address{
		Full:     r.Text(s.Maybe(nameFull)),
		Locator:  r.Text(s.Maybe(nameLocator)),
		PostCode: r.Text(s.Maybe(namePostCode)),
		City:     r.Text(s.Maybe(nameCity)),
		Street:   r.Text(s.Maybe(nameStreet)),
		Country:  r.Country(s.One(nameLevel1)),
		Region:   r.region(s.Maybe(nameLevel2)),
	}
	s.End()
	return a
}

// region reads a code of NUTS by its form: the list changes every three years.
func (r *Reader) region(e xmldoc.Element) string {
	return r.Matching(e, "a NUTS code", func(s string) bool {
		if len(s) < 2 || len(s) > 5 {
			return false
		}
		for i := range len(s) {
			if (s[i] < '0' || s[i] > '9') && (s[i] < 'A' || s[i] > 'Z') {
				return false
			}
		}
		return true
	})
}
