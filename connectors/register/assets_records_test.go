package register

import (
	"strings"
	"testing"
)

// The records that the assets must become, put together of what the oracle finds.

func opt(e *element, path string) string {
	if found := e.all(path); len(found) == 1 {
		return found[0].text
	}
	return ""
}

func numbers(scheme string, found []*element) (out []any) {
	for _, f := range found {
		out = append(out, is{"scheme": scheme, "value": f.text})
	}
	return out
}

// Italy: civil status archive.

func italianWord(code string) string {
	return map[string]string{"M": "male", "F": "female", "100": "IT"}[code]
}

func italianPlace(e *element, path string) is {
	found := e.all(path)
	if len(found) != 1 {
		return nil
	}
	c := found[0]
	return is{"town": opt(c, "nomeComune"), "townCode": opt(c, "codiceIstat"), "region": opt(c, "siglaProvinciaIstat"), "country": "IT"}
}

func italianPerson(e *element, role string) is {
	var ids []any
	for _, id := range [][2]string{{"codice-fiscale", "codiceFiscale/codFiscale"}, {"scheda-anpr", "idSchedaSoggettoANPR"}, {"ansc", "idSoggettoANSC"}, {"anpr", "idANPR"}} {
		ids = append(ids, numbers(id[0], e.all(id[1]))...)
	}
	return is{
		"role": role, "familyName": opt(e, "cognome"), "givenName": opt(e, "nome"), "birthDate": opt(e, "dataNascita"),
		"sex": italianWord(opt(e, "sesso")), "identifiers": ids, "placeOfBirth": italianPlace(e, "luogoNascita/comune"),
		"nationalities": []any{italianWord(opt(e, "nazionalita/codiceStato"))}, "address": italianPlace(e, "luogoResidenza/comune"),
	}
}

func italianNotice(t *testing.T, root *element) is {
	h := root.at(t, "testata")
	return is{
		"number": h.at(t, "idNotifica").text, "title": h.at(t, "descrizioneUsecase").text, "issuedOn": h.at(t, "dataValidita").text,
		"authority": is{"name": "Comune " + h.at(t, "codMittente").text},
	}
}

func italianEntry(t *testing.T, root *element) is {
	a := root.at(t, "evento/atto")
	return is{
		"number": a.at(t, "idAnsc").text, "volume": a.at(t, "numeroComunale").text, "year": a.at(t, "anno").text,
		"registeredOn": a.at(t, "dataFormazioneAtto").text,
		"registry": is{
			"name": a.at(t, "comuneRegistrazione/nomeComune").text, "region": a.at(t, "comuneRegistrazione/siglaProvinciaIstat").text,
			"identifiers": numbers("istat", a.all("comuneRegistrazione/codiceIstat")), "country": "IT",
		},
	}
}

func italianBirth(t *testing.T, root *element) is {
	return is{
		"kind": "birth", "document": italianNotice(t, root), "entry": italianEntry(t, root),
		"person": italianPerson(root.at(t, "evento/intestatario"), ""),
		"parents": []any{
			italianPerson(root.at(t, "evento/maternita/generalita"), "mother"),
			italianPerson(root.at(t, "evento/paternita/generalita"), "father"),
		},
	}
}

func italianMarriage(t *testing.T, root *element) is {
	var spouses []any
	for _, s := range root.all("evento/intestatario") {
		spouses = append(spouses, italianPerson(s, "spouse"))
	}
	m := root.at(t, "evento/matrimonio/datiMatrimonio")
	return is{
		"kind": "marriage", "document": italianNotice(t, root), "entry": italianEntry(t, root), "form": "civil",
		"date": m.at(t, "dataEvento").text, "place": italianPlace(m, "luogoEvento/comune"), "spouses": spouses,
	}
}

func italianMismatch(t *testing.T, root *element) is {
	item := func(label, value string) any { return is{"label": label, "value": value} }
	town := func(e *element) string {
		return e.at(t, "nomeComune").text + " " + e.at(t, "codiceIstat").text + " " + e.at(t, "siglaProvinciaIstat").text
	}
	a, p := root.at(t, "evento/atto"), root.at(t, "evento/datiAnagraficiANPR")
	g := p.at(t, "generalita")
	return is{
		"kind": "document", "document": italianNotice(t, root), "title": root.at(t, "testata/descrizioneUsecase").text,
		"person": italianPerson(root.at(t, "evento/intestatario"), ""),
		"sections": []any{
			is{"title": "Act", "items": []any{
				item("number", a.at(t, "idAnsc").text), item("number in the town", a.at(t, "numeroComunale").text),
				item("year", a.at(t, "anno").text), item("made", a.at(t, "dataFormazioneAtto").text), item("town", town(a.at(t, "comuneRegistrazione"))),
			}},
			is{"title": "Population register", "items": []any{
				item("scanned", p.at(t, "dataScansione").text), item("family name", g.at(t, "cognome").text), item("given name", g.at(t, "nome").text),
				item("sex", italianWord(g.at(t, "sesso").text)), item("born", g.at(t, "dataNascita").text),
				item("place of birth", town(g.at(t, "luogoNascita/comune"))), item("codice-fiscale", g.at(t, "codiceFiscale/codFiscale").text),
				item("scheda-anpr", g.at(t, "idSchedaSoggettoANPR").text), item("anpr", g.at(t, "idANPR").text),
			}},
		},
	}
}

// Netherlands: a company of the chamber of commerce.

func dutchCompany(t *testing.T, root *element) is {
	address := func(path, kind string) is {
		a := root.at(t, path)
		return is{
			"kind": kind, "street": a.at(t, "Thoroughfare").text, "houseNumber": a.at(t, "LocationDesignator").text,
			"postCode": a.at(t, "PostCode").text, "town": a.at(t, "PostName").text, "country": a.at(t, "AdminUnitL1").text,
		}
	}
	status := "other"
	if root.at(t, "CompanyStatus").text == "economically active" {
		status = "active"
	}
	return is{
		"kind": "company", "status": status, "registeredOn": root.at(t, "RegistrationDate").text,
		"company": is{
			"name": root.at(t, "CompanyName/LegalEntityLegalName").text, "legalForm": root.at(t, "CompanyType").text,
			"identifiers": numbers("EUID", root.all("CompanyEUID")), "address": address("RegisteredAddress", "seat"),
			"contact": is{"email": root.at(t, "CompanyContactData/Email").text, "phone": root.at(t, "CompanyContactData/Telephone").text},
		},
		"activities": []any{is{"code": root.at(t, "CompanyActivity/NaceCode").text, "scheme": "NACE2"}},
		"addresses":  []any{address("PostalAddress", "postal")},
	}
}

// DE4A: birth and domicile.

func de4aWord(code string) string {
	return map[string]string{
		"FEMALE": "female", "MALE": "male", "NST": "not-stated",
		"MKD": "MK", "CAN": "CA", "ATA": "AQ", "ISR": "IL", "SLE": "SL", "TLS": "TL",
	}[code]
}

func de4aIDs(e *element) (out []any) {
	for _, id := range e.all("Identifier") {
		scheme := opt(id, "IdentifierType")
		if scheme == "" {
			scheme = "unknown"
		}
		out = append(out, is{"scheme": scheme, "value": opt(id, "Identifier")})
	}
	return out
}

func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

func de4aDocument(t *testing.T, root *element) is {
	by, place := root.at(t, "IssuingAuthority"), root.at(t, "IssuingPlace")
	return is{
		"number": opt(root, "Identifier/Identifier"), "title": opt(root, "Identifier/IdentifierType"), "issuedOn": root.at(t, "IssueDate").text,
		"authority": is{
			"name": by.at(t, "PrefLabel").text, "identifiers": de4aIDs(by), "town": first(opt(place, "PostName"), opt(place, "PostCode")),
			"region": opt(place, "AdminUnitL2"), "country": de4aWord(opt(place, "AdminUnitL1")),
		},
	}
}

func de4aPerson(e *element, role string) is {
	join := func(path string) string {
		var out []string
		for _, f := range e.all(path) {
			out = append(out, f.text)
		}
		return strings.Join(out, " ")
	}
	p := is{
		"role": role, "familyName": join("PersonName/FamilyName"), "givenName": join("PersonName/GivenName"),
		"sex": de4aWord(opt(e, "Gender")), "identifiers": de4aIDs(e), "nationalities": []any{de4aWord(opt(e, "Citizenship/Name"))},
	}
	if year := opt(e, "DateOfBirth/Year"); year != "" {
		p["birthDate"] = year + opt(e, "DateOfBirth/Month")[1:] + opt(e, "DateOfBirth/Day")[2:]
	}
	for _, b := range e.all("PlaceOfBirth") {
		p["placeOfBirth"] = is{
			"name": first(opt(b, "LocatorName"), opt(b, "LocatorDesignator")), "town": first(opt(b, "PostName"), opt(b, "AddressArea")),
			"region": opt(b, "AdminUnitL2"), "country": de4aWord(opt(b, "AdminUnitL1")),
		}
	}
	return p
}

func de4aBirth(t *testing.T, root *element) is {
	return is{
		"kind": "birth", "document": de4aDocument(t, root), "person": de4aPerson(root.at(t, "CertifiesBirth/Child"), ""),
		"parents": []any{de4aPerson(root.at(t, "CertifiesBirth/Parent"), "parent")},
	}
}

func de4aDomicile(t *testing.T, root *element) is {
	d := root.at(t, "CertifiesDomicile/Domicile")
	return is{
		"kind": "residence", "document": de4aDocument(t, root), "person": de4aPerson(root.at(t, "CertifiesDomicile/Inhabitant"), ""),
		"addresses": []any{is{
			"kind": "permanent", "postCode": d.at(t, "PostCode").text, "region": d.at(t, "AdminUnitL2").text, "country": de4aWord(d.at(t, "AdminUnitL1").text),
		}},
	}
}

// ELMO in an answer of Erasmus Without Paper.

func elmoTranscript(t *testing.T, root *element) is {
	elmo := root.at(t, "tor/elmo")
	report, learner := elmo.at(t, "report"), elmo.at(t, "learner")
	issuer := report.at(t, "issuer")
	ids := func(e *element, scheme func(string) string) (out []any) {
		for _, id := range e.all("identifier") {
			out = append(out, is{"scheme": scheme(id.attr["type"]), "value": id.text})
		}
		return out
	}
	var own, english string
	for _, title := range issuer.all("title") {
		switch title.attr["lang"] {
		case "pl":
			own = title.text
		case "en":
			english = title.text
		}
	}
	var courses []any
	for _, c := range report.all("learningOpportunitySpecification") {
		courses = append(courses, is{
			"code": c.at(t, "identifier").text, "title": c.at(t, "title").text,
			"grade": is{"value": c.at(t, "specifies/learningOpportunityInstance/resultLabel").text},
		})
	}
	day := func(path string) string { return report.at(t, path).text[:len("2006-01-02")] }
	return is{
		"kind":     "diploma",
		"document": is{"number": root.at(t, "tor/omobility-id").text, "title": report.at(t, "attachment/title").text, "issuedOn": day("issueDate")},
		"person": is{
			"familyName": learner.at(t, "familyName").text, "givenName": learner.at(t, "givenNames").text, "birthDate": learner.at(t, "bday").text,
			"nationalities": []any{learner.at(t, "citizenship").text},
			"identifiers": ids(learner, func(kind string) string {
				if kind == "nationalIdentifier" {
					return "national-number"
				}
				return "other"
			}),
		},
		"institution": is{
			"name": own, "tradingNames": []any{english}, "identifiers": ids(issuer, func(kind string) string { return kind }),
			"address": is{"country": issuer.at(t, "country").text}, "contact": is{"website": issuer.at(t, "url").text},
		},
		"courses": courses,
	}
}
