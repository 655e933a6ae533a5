package service

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"oncegate/connectors/directory/answers"
)

// encode writes one part of a Member State as a file of data.
func encode(m Member, part Part) ([]byte, error) {
	f := memberFile{Country: m.Country}
	switch part {
	case PartBroker:
		f.Broker = new(brokerFile)
		if m.Broker != nil {
			f.Broker = encodeBroker(m.Broker)
		}
	case PartDirectory:
		f.Directory = new(directoryFile)
		if m.Directory != nil {
			f.Directory = encodeDirectory(m.Directory)
		}
	default:
		return nil, fmt.Errorf("encoding directory data: unknown part %q", part)
	}
	var b bytes.Buffer
	b.WriteString("# Accepted through the LCM interface; the next submission replaces it.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(f); err != nil {
		return nil, fmt.Errorf("encoding directory data: %w", err)
	}
	return b.Bytes(), e.Close()
}

func encodeBroker(b *Broker) *brokerFile {
	f := &brokerFile{}
	for _, r := range b.Requirements {
		f.Requirements = append(f.Requirements, requirementFile{ID: r.ID, Names: r.Names, Descriptions: r.Descriptions})
	}
	for _, v := range b.Frameworks {
		p := procedureFile{ID: v.ID, Codes: v.Procedures, Titles: v.Titles, Descriptions: v.Descriptions, Requirements: v.Requirements}
		if js := encodeJurisdictions([]answers.Jurisdiction{v.Jurisdiction}); len(js) > 0 {
			p.Jurisdiction = &js[0]
		}
		f.Procedures = append(f.Procedures, p)
	}
	for _, t := range b.Types {
		f.Types = append(f.Types, typeFile{ID: t.Classification, Titles: t.Titles, Descriptions: t.Descriptions, Jurisdictions: encodeJurisdictions(t.Jurisdictions)})
	}
	for _, p := range b.Proofs {
		f.Proofs = append(f.Proofs, proofFile{ID: p.ID, Requirements: p.Requirements, Names: p.Names, All: p.All, NoMatch: p.MatchDescriptions, Jurisdictions: encodeJurisdictions(p.Jurisdictions)})
	}
	return f
}

// encodeJurisdictions leaves out what is the whole country, which is the default.
func encodeJurisdictions(list []answers.Jurisdiction) []jurisdictionFile {
	var out []jurisdictionFile
	for _, j := range list {
		f := jurisdictionFile{NUTS: j.Level2, LAU: j.Level3}
		for _, c := range j.Classifications {
			f.Classifications = append(f.Classifications, listedFile{List: c.List, Code: c.Code})
		}
		if f.NUTS == "" && f.LAU == "" && len(f.Classifications) == 0 && len(list) == 1 {
			return nil
		}
		out = append(out, f)
	}
	return out
}

func encodeDirectory(d *Directory) *directoryFile {
	f := &directoryFile{}
	for _, l := range d.Lists {
		v := codeListFile{Name: l.Name, Version: l.Version}
		for _, c := range l.Codes {
			v.Codes = append(v.Codes, codeFile{Code: c.Value, Names: c.Names})
		}
		f.CodeLists = append(f.CodeLists, v)
	}
	concept := func(c answers.Concept) string {
		if i := slices.IndexFunc(f.Concepts, func(o conceptFile) bool { return o.ID == c.ID }); i >= 0 {
			return f.Concepts[i].Key
		}
		key := fmt.Sprintf("concept-%d", len(f.Concepts)+1)
		f.Concepts = append(f.Concepts, conceptFile{Key: key, ID: c.ID, Scheme: c.Scheme, Type: conceptType(c.Type), Question: c.Descriptions, URL: c.ValueExpression})
		return key
	}
	for _, s := range d.Services { // questions first: they describe a concept fully
		for _, c := range s.Concepts {
			concept(c)
		}
	}
	for _, p := range d.Providers {
		point := pointFile{ID: p.ID.String(), Names: p.Names, ConformsTo: p.ConformsTo}
		i := slices.IndexFunc(f.Points, func(o pointFile) bool {
			return o.ID == point.ID && slices.Equal(o.ConformsTo, point.ConformsTo) && slices.Equal(o.Names, point.Names)
		})
		if i < 0 {
			i = len(f.Points)
			point.Key = fmt.Sprintf("access-point-%d", i+1)
			f.Points = append(f.Points, point)
		}
		a := p.Publisher.Address
		v := providerFile{
			Key: p.Key, ID: p.Publisher.ID.String(), Names: p.Publisher.Names, Descriptions: p.Publisher.Descriptions, Point: f.Points[i].Key,
			Address:       &addressFile{Full: a.Full, Number: a.Locator, PostCode: a.PostCode, City: a.City, Street: a.Street, Country: a.Country, NUTS: a.Region},
			Jurisdictions: encodeJurisdictions(p.Publisher.Jurisdictions),
		}
		for _, c := range p.Publisher.Concepts {
			v.Answers = append(v.Answers, answerFile{Concept: concept(c), Values: c.Supported.List})
		}
		f.Providers = append(f.Providers, v)
	}
	for _, s := range d.Services {
		v := serviceFile{ID: s.ID, EvidenceType: s.Classification, Titles: s.Titles, Descriptions: s.Descriptions, Assurance: s.Assurance, Notes: s.Notes, Providers: s.Providers}
		for _, x := range s.Distributions {
			v.Distributions = append(v.Distributions, distributionFile{Formats: x.Formats, Languages: x.Languages, ConformsTo: x.ConformsTo, Transformation: x.Transformation})
		}
		if p := s.Determination; p != nil {
			v.Place = &determinationFile{ID: p.ContextID, Level: p.Level, Question: p.Contexts}
		}
		for _, c := range s.Concepts {
			v.Questions = append(v.Questions, concept(c))
		}
		f.Services = append(f.Services, v)
	}
	return f
}

// conceptType is the spelling of 2.0; 1.0 wrote Codelist.
func conceptType(s string) string {
	for _, t := range []string{"string", "boolean", "codelist"} {
		if strings.EqualFold(s, t) {
			return t
		}
	}
	return s
}
