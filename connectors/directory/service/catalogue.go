package service

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"oncegate/connectors/directory/answers"
	"oncegate/schemas/canon"
)

// A File is one file of data with its name.
type File struct {
	Name string
	Data []byte
	// Submitted files came through LCM. They stand in for the same part of the same
	// Member State in other files: a submission replaces all of it.
	Submitted bool
}

// A Catalogue is the data of all Member States, ready to be asked. It is
// immutable and safe for concurrent use.
type Catalogue struct {
	members      map[string]Member
	countries    []string                       // sorted
	requirements map[string]answers.Requirement // by id; described by whoever describes them
	order        []string                       // of the requirements
	lists        map[string]CodeList            // by URL
}

// Check reads files and says everything that is wrong with them, in the order of
// the files. The catalogue is nil where a fault is more than a warning.
func (l Loader) Check(files []File) (*Catalogue, []*Fault) {
	c := &Catalogue{members: map[string]Member{}, requirements: map[string]answers.Requirement{}, lists: map[string]CodeList{}}
	var faults []*Fault
	var refs []reference
	from := map[string]File{} // by country and part
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b File) int { return cmp.Or(order(a.Submitted)-order(b.Submitted), cmp.Compare(a.Name, b.Name)) })
	for _, f := range files {
		m, needs, found := l.member(f.Name, f.Data)
		faults = append(faults, found...)
		refs = append(refs, needs...)
		if m.Country == "" {
			continue
		}
		have := c.members[m.Country]
		have.Country = m.Country
		for _, part := range []Part{PartBroker, PartDirectory} {
			if part == PartBroker && m.Broker == nil || part == PartDirectory && m.Directory == nil {
				continue
			}
			key := m.Country + " " + string(part)
			if other, ok := from[key]; ok {
				at := &Fault{File: f.Name, Line: 1, Col: 1, Text: fmt.Sprintf("%s of %s is in %s too", part, m.Country, other.Name), Remedy: "one file has all of it"}
				if other.Submitted && !f.Submitted {
					at.Warning, at.Text, at.Remedy = true, fmt.Sprintf("%s of %s is not used: it was submitted (%s)", part, m.Country, other.Name), ""
				}
				faults = append(faults, at)
				continue
			}
			from[key] = f
			if part == PartBroker {
				have.Broker = m.Broker
			} else {
				have.Directory = m.Directory
			}
		}
		c.members[m.Country] = have
	}
	c.index(l)
	for _, r := range refs {
		if _, ok := c.requirements[r.id]; !ok {
			faults = append(faults, &Fault{File: r.file, Line: r.at.line, Col: r.at.col, Text: fmt.Sprintf("%s %q is described by no file", r.what, r.id), Remedy: "list it under requirements"})
		}
	}
	slices.SortStableFunc(faults, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Col-b.Col)
	})
	if Join(faults) != nil {
		return nil, faults
	}
	return c, faults
}

func order(submitted bool) int {
	if submitted {
		return 0
	}
	return 1
}

// Join returns the faults that are not warnings as one error.
func Join(faults []*Fault) error {
	var errs []error
	for _, f := range faults {
		if !f.Warning {
			errs = append(errs, f)
		}
	}
	return errors.Join(errs...)
}

func (c *Catalogue) index(l Loader) {
	for country := range c.members {
		c.countries = append(c.countries, country)
	}
	slices.Sort(c.countries)
	for _, country := range c.countries {
		m := c.members[country]
		if m.Broker != nil {
			for _, r := range m.Broker.Requirements {
				c.describe(r)
			}
		}
		if m.Directory != nil {
			for _, list := range m.Directory.Lists {
				c.lists[l.ListURL(list.Country, list.Name)] = list
			}
		}
	}
}

// describe adds what a Member State says of a requirement, which belongs to all:
// names in further languages join those that are there.
func (c *Catalogue) describe(r answers.Requirement) {
	have, ok := c.requirements[r.ID]
	if !ok {
		c.order = append(c.order, r.ID)
		r.Object = answers.ObjectID("requirement", r.ID)
		c.requirements[r.ID] = r
		return
	}
	have.Names, have.Descriptions = join(have.Names, r.Names), join(have.Descriptions, r.Descriptions)
	c.requirements[r.ID] = have
}

func join(a, b []canon.Text) []canon.Text {
	a = slices.Clip(a)
	for _, t := range b {
		if !slices.ContainsFunc(a, func(o canon.Text) bool { return o.Lang == t.Lang }) {
			a = append(a, t)
		}
	}
	return a
}

// Member returns the data of a Member State.
func (c *Catalogue) Member(country string) (Member, bool) {
	m, ok := c.members[country]
	return m, ok
}

// Requirement returns a requirement as all files together describe it.
func (c *Catalogue) Requirement(id string) (answers.Requirement, bool) {
	r, ok := c.requirements[id]
	return r, ok
}

// List returns a code list that is served.
func (c *Catalogue) List(country, name string) (CodeList, bool) {
	for _, l := range c.lists {
		if l.Country == country && l.Name == name {
			return l, true
		}
	}
	return CodeList{}, false
}

// Size says how much there is, for logs and health.
func (c *Catalogue) Size() (members, requirements, services int) {
	for _, m := range c.members {
		if m.Directory != nil {
			services += len(m.Directory.Services)
		}
	}
	return len(c.members), len(c.requirements), services
}

// frameworks returns the procedures that a requirement derives from.
func (c *Catalogue) frameworks(requirement string, match func(answers.Framework) bool) []answers.Framework {
	var out []answers.Framework
	for _, country := range c.countries {
		b := c.members[country].Broker
		if b == nil {
			continue
		}
		for _, f := range b.Frameworks {
			if slices.Contains(f.Requirements, requirement) && match(f.Framework) {
				out = append(out, f.Framework)
			}
		}
	}
	return out
}

// proofs returns the evidence type lists that fulfil a requirement, of one
// country or of all.
func (c *Catalogue) proofs(requirement, country string, match func(answers.Jurisdiction) bool) []answers.EvidenceTypeList {
	var out []answers.EvidenceTypeList
	for _, at := range c.countries {
		b := c.members[at].Broker
		if b == nil || country != "" && at != country {
			continue
		}
		for _, p := range b.Proofs {
			if !slices.Contains(p.Requirements, requirement) || !slices.ContainsFunc(p.Jurisdictions, match) {
				continue
			}
			list := p.EvidenceTypeList
			for _, id := range p.All {
				if i := slices.IndexFunc(b.Types, func(t answers.EvidenceType) bool { return t.Classification == id }); i >= 0 {
					list.Types = append(list.Types, b.Types[i])
				}
			}
			out = append(out, list)
		}
	}
	return out
}

// orphans returns the requirements that only this Member State describes and that
// others refer to.
func (c *Catalogue) orphans(country string) []answers.Requirement {
	b := c.members[country].Broker
	if b == nil {
		return nil
	}
	var out []answers.Requirement
	for _, r := range b.Requirements {
		refers, describes := false, false
		for at, m := range c.members {
			if at == country || m.Broker == nil {
				continue
			}
			describes = describes || slices.ContainsFunc(m.Broker.Requirements, func(o answers.Requirement) bool { return o.ID == r.ID })
			refers = refers || slices.ContainsFunc(m.Broker.Frameworks, func(f Framework) bool { return slices.Contains(f.Requirements, r.ID) }) ||
				slices.ContainsFunc(m.Broker.Proofs, func(p Proof) bool { return slices.Contains(p.Requirements, r.ID) })
		}
		if refers && !describes {
			out = append(out, r)
		}
	}
	return out
}

// knows reports whether any Member State has the evidence type.
func (c *Catalogue) knows(classification string) bool {
	for _, m := range c.members {
		if m.Broker != nil && slices.ContainsFunc(m.Broker.Types, func(t answers.EvidenceType) bool { return t.Classification == classification }) ||
			m.Directory != nil && slices.ContainsFunc(m.Directory.Services, func(s Service) bool { return s.Classification == classification }) {
			return true
		}
	}
	return false
}
