package service

import (
	"fmt"
	"slices"
	"strings"

	"oncegate/connectors/directory/answers"
	"oncegate/schemas/canon"
)

// A Loader reads the files of Member States.
type Loader struct {
	Lists Lists  // Required. Which codes there are.
	Base  string // Required. The https URL under which the service is asked; code lists are served below it.
}

// loading reads one file and checks what it says by itself.
type loading struct {
	source
	Loader
	country  string
	refs     []reference
	concepts map[string]conceptFile // by key
	points   map[string]pointFile
	asked    map[string]bool // concepts that a service asks
}

// A reference is an id that another file may have to hold.
type reference struct {
	file string
	at   place
	what string // "requirement", "evidence type"
	id   string
}

// member reads one file. Faults that are not warnings mean that the member is not to be used.
func (l Loader) member(name string, data []byte) (Member, []reference, []*Fault) {
	r := &loading{source: source{file: name, lists: l.Lists}, Loader: l,
		concepts: map[string]conceptFile{}, points: map[string]pointFile{}, asked: map[string]bool{}}
	var f memberFile
	if !r.read(data, &f) {
		return Member{}, nil, r.faults
	}
	m := Member{Country: f.Country}
	if r.country = f.Country; !l.Lists.Has("OOTSCountries", f.Country) {
		r.fault(f.At, "two letters, upper case; Greece is EL", "country %q is not a country of OOTS", f.Country)
	}
	if f.Broker != nil {
		m.Broker = r.broker(*f.Broker)
	}
	if f.Directory != nil {
		m.Directory = r.directory(*f.Directory)
	}
	if f.Broker != nil && f.Directory != nil {
		r.served(f.Broker.Types, f.Directory.Services)
	}
	if f.Broker == nil && f.Directory == nil {
		r.fault(f.At, "broker or directory; an empty one is written {}", "the file has no data")
	}
	return m, r.refs, r.faults
}

// served warns of evidence types that one service knows and the other does not:
// what is issued at home is listed for others too (B-008).
func (r *loading) served(types []typeFile, services []serviceFile) {
	for _, t := range types {
		if !slices.ContainsFunc(services, func(s serviceFile) bool { return s.EvidenceType == t.ID }) {
			r.warn(t.At, "list it under directory.services", "evidence type %q is served by no data service", t.ID)
		}
	}
	for _, s := range services {
		if !slices.ContainsFunc(types, func(t typeFile) bool { return t.ID == s.EvidenceType }) {
			r.warn(s.At, "list it under broker.evidence_types", "data service of an evidence type that the broker does not know")
		}
	}
}

// unique reports a second use of an id.
func (r *loading) unique(seen map[string]bool, at place, what, id string) {
	if seen[strings.ToLower(id)] {
		r.fault(at, "", "%s %q is there twice", what, id)
	}
	seen[strings.ToLower(id)] = true
}

func (r *loading) uuid(at place, what, id string) {
	if !uuidWord.MatchString(id) {
		r.fault(at, "for example "+canon.DeriveUUID("directory example", what), "%s has no UUID as its id", what)
	}
}

func (r *loading) named(at place, what string, names texts) []canon.Text {
	if len(names) == 0 {
		r.fault(at, "", "%s has no name in any language", what)
	}
	return names
}

func (r *loading) own(at place, what, classification string) {
	country, ok := evidenceTypeID(classification)
	switch {
	case !ok:
		r.fault(at, "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/CC/UUID", "%s %q is not a classification of the Semantic Repository", what, classification)
	case country != r.country && country != "oots":
		r.fault(at, "a Member State states its own data only", "%s is of %s, the file is of %s", what, country, r.country)
	}
}

func (r *loading) broker(f brokerFile) *Broker {
	b, seen := &Broker{}, map[string]bool{}
	for _, q := range f.Requirements {
		if !requirementID(q.ID) {
			r.fault(q.At, "https://sr.oots.tech.ec.europa.eu/requirements/UUID", "requirement %q is not an id of the Semantic Repository", q.ID)
		}
		r.unique(seen, q.At, "requirement", q.ID)
		b.Requirements = append(b.Requirements, answers.Requirement{ID: q.ID, Names: r.named(q.At, "requirement", q.Names), Descriptions: q.Descriptions})
	}
	for _, p := range f.Procedures {
		r.uuid(p.At, "procedure", p.ID)
		r.unique(seen, p.At, "procedure", p.ID)
		if len(p.Codes) == 0 {
			r.fault(p.At, "", "procedure has no code")
		}
		for _, c := range p.Codes {
			if !r.Lists.Has("Procedures", c) {
				r.fault(p.At, "codes are those of the list Procedures, case matters", "procedure has the unknown code %q", c)
			}
		}
		v := Framework{Framework: answers.Framework{ID: p.ID, Titles: r.named(p.At, "procedure", p.Titles), Descriptions: p.Descriptions, Procedures: p.Codes, Jurisdiction: answers.Jurisdiction{Country: r.country}}, Requirements: p.Requirements}
		if p.Jurisdiction != nil {
			v.Jurisdiction = r.jurisdiction(*p.Jurisdiction)
		}
		r.needs(p.At, p.Requirements)
		b.Frameworks = append(b.Frameworks, v)
	}
	for _, t := range f.Types {
		r.own(t.At, "evidence type", t.ID)
		r.unique(seen, t.At, "evidence type", t.ID)
		b.Types = append(b.Types, answers.EvidenceType{Classification: t.ID, Titles: r.named(t.At, "evidence type", t.Titles), Descriptions: t.Descriptions, Jurisdictions: r.jurisdictions(t.Jurisdictions)})
	}
	used := map[string]bool{}
	for _, p := range f.Proofs {
		r.uuid(p.At, "proof", p.ID)
		r.unique(seen, p.At, "proof", p.ID)
		if len(p.Requirements) == 0 {
			r.fault(p.At, "", "proof fulfils no requirement")
		}
		r.needs(p.At, p.Requirements)
		if (len(p.All) == 0) == (len(p.NoMatch) == 0) {
			r.fault(p.At, "all: the evidence types that together prove it; no_match: why there is none", "proof has both or none of all and no_match")
		}
		for _, id := range p.All {
			if !slices.ContainsFunc(f.Types, func(t typeFile) bool { return t.ID == id }) {
				r.fault(p.At, "list it under evidence_types", "proof holds the unknown evidence type %q", id)
			}
			used[id] = true
		}
		b.Proofs = append(b.Proofs, Proof{EvidenceTypeList: answers.EvidenceTypeList{ID: p.ID, Names: p.Names, NoMatch: len(p.NoMatch) > 0, MatchDescriptions: p.NoMatch, Jurisdictions: r.jurisdictions(p.Jurisdictions)}, Requirements: p.Requirements, All: p.All})
	}
	for _, t := range f.Types {
		if !used[t.ID] {
			r.warn(t.At, "", "evidence type %q proves nothing", t.ID)
		}
	}
	return b
}

// needs notes requirements, which any file may describe.
func (r *loading) needs(at place, ids []string) {
	for _, id := range ids {
		r.refs = append(r.refs, reference{r.file, at, "requirement", id})
	}
}

func (r *loading) jurisdictions(list []jurisdictionFile) []answers.Jurisdiction {
	if len(list) == 0 {
		return []answers.Jurisdiction{{Country: r.country}}
	}
	var out []answers.Jurisdiction
	for _, j := range list {
		out = append(out, r.jurisdiction(j))
	}
	return out
}

func (r *loading) jurisdiction(f jurisdictionFile) answers.Jurisdiction {
	j := answers.Jurisdiction{Country: r.country, Level2: f.NUTS, Level3: f.LAU}
	if f.NUTS != "" && !nuts(r.Lists, f.NUTS) {
		r.fault(f.At, "", "%q is not a code of NUTS", f.NUTS)
	}
	if f.LAU != "" && !lauWord.MatchString(f.LAU) {
		r.fault(f.At, "", "%q is not a code of LAU", f.LAU)
	}
	for _, c := range f.Classifications {
		if !httpsURL(c.List) || c.Code == "" {
			r.fault(c.At, "list: an https URL, code: one of its codes", "classification of a jurisdiction has no list or no code")
		}
		j.Classifications = append(j.Classifications, answers.ListedCode{List: c.List, Code: c.Code})
	}
	return j
}

// nuts reports a code of NUTS. A list that holds none is not at hand: then the
// form is all there is to check.
func nuts(lists Lists, code string) bool {
	return nutsWord.MatchString(code) && (lists.Has("NUTS", code) || !lists.Has("NUTS", "DE"))
}

func (r *loading) participant(at place, what, s string) canon.Participant {
	p, ok := ParseParticipant(s)
	switch {
	case !ok:
		r.fault(at, "scheme::id", "%s %q is not written as scheme and id", what, s)
	case !organisationScheme(r.Lists, p.Scheme):
		r.fault(at, schemeEAS+"CODE or "+schemeUnregistered+":CC", "%s has the unknown scheme %q", what, p.Scheme)
	}
	return p
}

// ListURL is where a code list is served.
func (l Loader) ListURL(country, name string) string {
	return fmt.Sprintf("%s/dsd/rest/codelists/%s/%s", strings.TrimSuffix(l.Base, "/"), country, name)
}
