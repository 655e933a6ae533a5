package service

import (
	"slices"
	"strings"

	"oncegate/connectors/directory/answers"
	"oncegate/schemas/canon"
)

func (r *loading) directory(f directoryFile) *Directory {
	d, seen := &Directory{}, map[string]bool{}
	lists := map[string]CodeList{}
	for _, l := range f.CodeLists {
		v := r.codeList(l)
		r.unique(seen, l.At, "code list", "list "+l.Name)
		lists[l.Name] = v
		d.Lists = append(d.Lists, v)
	}
	for _, c := range f.Concepts {
		r.concept(c, lists)
		r.unique(seen, c.At, "concept", "concept "+c.Key)
		r.unique(seen, c.At, "concept", c.ID)
		r.concepts[c.Key] = c
	}
	for _, p := range f.Points {
		r.point(p)
		r.unique(seen, p.At, "access point", "point "+p.Key)
		r.points[p.Key] = p
	}
	for _, p := range f.Providers {
		r.unique(seen, p.At, "provider", "provider "+p.Key)
		d.Providers = append(d.Providers, r.provider(p, lists))
	}
	serves := map[string]bool{}
	for _, s := range f.Services {
		r.unique(seen, s.At, "service", s.ID)
		d.Services = append(d.Services, r.service(s, f.Providers))
		for _, p := range s.Providers {
			serves[p] = true
		}
	}
	for _, p := range f.Providers {
		if !serves[p.Key] {
			r.warn(p.At, "", "provider %q serves nothing", p.Key)
		}
	}
	for _, c := range f.Concepts {
		if !r.asked[c.Key] {
			r.warn(c.At, "", "concept %q is asked by no service", c.Key)
		}
	}
	return d
}

func (r *loading) codeList(f codeListFile) CodeList {
	l, seen := CodeList{Country: r.country, Name: f.Name, Version: f.Version}, map[string]bool{}
	if !keyWord.MatchString(f.Name) || f.Version == "" {
		r.fault(f.At, "letters, digits and ._-", "code list has no name or no version")
	}
	if len(f.Codes) == 0 {
		r.fault(f.At, "", "code list %q has no codes", f.Name)
	}
	for _, c := range f.Codes {
		r.unique(seen, c.At, "code", c.Code)
		if c.Code == "" || len(c.Code) > maxAnswer {
			r.fault(c.At, "", "code is empty or too long")
		}
		l.Codes = append(l.Codes, Code{Value: c.Code, Names: r.named(c.At, "code", c.Names)})
	}
	return l
}

func (r *loading) concept(c conceptFile, lists map[string]CodeList) {
	if !keyWord.MatchString(c.Key) {
		r.fault(c.At, "letters, digits and ._-", "concept has no key")
	}
	r.uuid(c.At, "concept", c.ID)
	r.named(c.At, "concept", c.Question)
	if c.Scheme != "" && !httpsURL(c.Scheme) {
		r.fault(c.At, "https://sr.oots.tech.ec.europa.eu/codelists/CC/NAME", "scheme of concept %q is not an https URL", c.Key)
	}
	switch c.Type {
	case "codelist":
		_, known := lists[c.CodeList]
		switch {
		case c.CodeList != "" && !known:
			r.fault(c.At, "list it under code_lists", "concept %q refers to the unknown code list %q", c.Key, c.CodeList)
		case (c.CodeList == "") == (c.URL == ""):
			r.fault(c.At, "code_list: one of this file, or url: an https URL", "concept %q needs one list to choose from", c.Key)
		case c.URL != "" && !httpsURL(c.URL):
			r.fault(c.At, "", "url of concept %q is not an https URL", c.Key)
		}
	case "string", "boolean":
		if c.CodeList != "" {
			r.fault(c.At, "type: codelist", "concept %q has a code list and is a %s", c.Key, c.Type)
		}
	default:
		r.fault(c.At, "string, boolean or codelist", "concept %q has the unknown type %q", c.Key, c.Type)
	}
}

// noun is a concept as it is asked.
func (r *loading) noun(c conceptFile) answers.Concept {
	v := answers.Concept{ID: c.ID, Scheme: c.Scheme, Type: c.Type, ValueExpression: c.URL, Descriptions: c.Question}
	if c.CodeList != "" {
		v.ValueExpression = r.ListURL(r.country, c.CodeList)
	}
	return v
}

func (r *loading) point(p pointFile) {
	if !keyWord.MatchString(p.Key) {
		r.fault(p.At, "letters, digits and ._-", "access point has no key")
	}
	r.participant(p.At, "access point", p.ID)
	if len(p.ConformsTo) == 0 {
		r.fault(p.At, "conforms_to: [oots-edm:v2.0]", "access point %q names no version of EDM", p.Key)
	}
	for _, v := range p.ConformsTo {
		if !edmVersion.MatchString(v) {
			r.fault(p.At, "for example oots-edm:v2.0", "access point %q conforms to the unknown %q", p.Key, v)
		}
	}
}

func (r *loading) provider(p providerFile, lists map[string]CodeList) Provider {
	if !keyWord.MatchString(p.Key) {
		r.fault(p.At, "letters, digits and ._-", "provider has no key")
	}
	v := Provider{Key: p.Key}
	if at, ok := r.points[p.Point]; ok {
		v.ID, _ = ParseParticipant(at.ID)
		v.Names, v.ConformsTo = at.Names, at.ConformsTo
	} else {
		r.fault(p.At, "list it under access_points", "provider %q refers to the unknown access point %q", p.Key, p.Point)
	}
	v.Publisher = answers.Provider{
		ID: r.participant(p.At, "provider", p.ID), Names: r.named(p.At, "provider", p.Names), Descriptions: p.Descriptions,
		Address: canon.Address{Country: r.country}, Jurisdictions: r.jurisdictions(p.Jurisdictions),
	}
	if a := p.Address; a != nil {
		v.Publisher.Address = canon.Address{Full: a.Full, Locator: a.Number, PostCode: a.PostCode, City: a.City, Street: a.Street, Country: a.Country, Region: a.NUTS}
		if a.Country == "" {
			v.Publisher.Address.Country = r.country
		} else if !r.Lists.Has("CountryIdentificationCode", a.Country) {
			r.fault(a.At, "", "address has the unknown country %q", a.Country)
		}
		if a.NUTS != "" && !nuts(r.Lists, a.NUTS) {
			r.fault(a.At, "", "%q is not a code of NUTS", a.NUTS)
		}
	}
	for _, a := range p.Answers {
		c, ok := r.concepts[a.Concept]
		if !ok {
			r.fault(a.At, "list it under concepts", "provider %q answers the unknown concept %q", p.Key, a.Concept)
			continue
		}
		if len(a.Values) == 0 {
			r.fault(a.At, "", "provider %q supports no value of %q", p.Key, a.Concept) // R-DSD-RESP-C028
		}
		n := r.noun(c)
		n.Supported = answers.Values{Kind: answers.StringValue, List: a.Values}
		if c.Type == "boolean" {
			n.Supported.Kind = answers.BooleanValue
		}
		for _, s := range a.Values {
			if list, ok := lists[c.CodeList]; ok && !list.has(s) || c.Type == "boolean" && s != "true" && s != "false" {
				r.fault(a.At, "", "provider %q supports %q, which is no value of %q", p.Key, s, a.Concept)
			}
		}
		v.Publisher.Concepts = append(v.Publisher.Concepts, n)
	}
	return v
}

func (r *loading) service(s serviceFile, providers []providerFile) Service {
	r.uuid(s.At, "service", s.ID)
	r.own(s.At, "evidence type of a service", s.EvidenceType)
	v := Service{Providers: s.Providers, DataService: answers.DataService{
		ID: s.ID, Classification: s.EvidenceType, Titles: r.named(s.At, "service", s.Titles), Descriptions: s.Descriptions,
		Assurance: s.Assurance, Notes: s.Notes,
	}}
	if s.Assurance != "" && !r.Lists.Has("LevelsOfAssurance", s.Assurance) {
		r.fault(s.At, "Low, Substantial or High", "service has the unknown level of assurance %q", s.Assurance)
	}
	if len(s.Distributions) == 0 {
		r.fault(s.At, "", "service has no distribution")
	}
	for _, d := range s.Distributions {
		v.Distributions = append(v.Distributions, r.distribution(d))
	}
	if p := s.Place; p != nil {
		r.uuid(p.At, "place", p.ID)
		if !level(p.Level) {
			r.fault(p.At, strings.Join(levels(), ", "), "place has the unknown level %q", p.Level)
		}
		v.Determination = &answers.Determination{ContextID: p.ID, Contexts: r.named(p.At, "place", p.Question), Level: p.Level}
	}
	for _, q := range s.Questions {
		c, ok := r.concepts[q]
		if !ok {
			r.fault(s.At, "list it under concepts", "service asks the unknown concept %q", q)
			continue
		}
		r.asked[q] = true
		v.Concepts = append(v.Concepts, r.noun(c))
	}
	if len(s.Providers) == 0 {
		r.fault(s.At, "", "service has no provider")
	}
	for _, p := range s.Providers {
		if !slices.ContainsFunc(providers, func(f providerFile) bool { return f.Key == p }) {
			r.fault(s.At, "list it under providers", "service names the unknown provider %q", p)
		}
	}
	return v
}

func (r *loading) distribution(d distributionFile) answers.Distribution {
	if len(d.Formats) == 0 {
		r.fault(d.At, "formats: [application/pdf]", "distribution has no format")
	}
	for _, f := range d.Formats {
		if !r.Lists.Has("OOTSMediaTypes", f) {
			r.fault(d.At, "codes are those of OOTSMediaTypes", "distribution has the unknown format %q", f)
		}
		if structured(f) && d.ConformsTo == "" { // R-DSD-RESP-C039
			r.fault(d.At, "conforms_to: https://sr.oots.tech.ec.europa.eu/datamodels/NAME-VERSION", "structured distribution names no data model")
		}
	}
	for _, l := range d.Languages {
		if !r.language(l) {
			r.fault(d.At, "", "distribution has the unknown language %q", l)
		}
	}
	for _, u := range []string{d.ConformsTo, d.Transformation} {
		if u != "" && !dataModel(u) {
			r.fault(d.At, "https://sr.oots.tech.ec.europa.eu/datamodels/NAME-VERSION", "%q is not a data model of the Semantic Repository", u)
		}
	}
	if d.Transformation != "" && d.ConformsTo == "" { // R-DSD-RESP-C040
		r.fault(d.At, "", "distribution has a transformation and no data model")
	}
	return answers.Distribution{Formats: d.Formats, Languages: d.Languages, ConformsTo: d.ConformsTo, Transformation: d.Transformation}
}
