package lcm

import (
	"fmt"
	"slices"
	"strings"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/service"
)

// member turns a submission of a country into its data. Faults are what only the
// whole shows: data of other Member States, and ends that are not tied.
func (s Submission) member(country string) (service.Member, []Fault) {
	m := merging{country: country, objects: map[string]Object{}}
	for _, o := range s.Objects {
		m.objects[strings.ToLower(o.ID)] = o
		m.owned(o)
	}
	out := service.Member{Country: country}
	if s.Part == service.PartDirectory {
		out.Directory = m.directory(s)
	} else {
		out.Broker = m.broker(s)
	}
	return out, m.faults
}

type merging struct {
	country string
	objects map[string]Object
	faults  []Fault
}

// owned refuses an object that speaks of another Member State. Requirements belong
// to all; of them names are taken, and never those of others replaced.
func (m *merging) owned(o Object) {
	var classification string
	var at []answers.Jurisdiction
	switch {
	case o.Type != nil:
		classification, at = o.Type.Classification, o.Type.Jurisdictions
	case o.List != nil:
		at = o.List.Jurisdictions
	case o.Framework != nil:
		at = []answers.Jurisdiction{o.Framework.Jurisdiction}
	case o.Service != nil:
		classification = o.Service.Classification
	case o.Provider != nil:
		p := o.Provider.Publisher
		at = p.Jurisdictions
		if c, ok := strings.CutPrefix(p.ID.Scheme, unregistered); ok && c != "oots" {
			at = append(slices.Clip(at), answers.Jurisdiction{Country: c})
		}
		if c := p.Address.Country; c != "" {
			at = append(slices.Clip(at), answers.Jurisdiction{Country: c})
		}
	}
	foreign := slices.ContainsFunc(at, func(j answers.Jurisdiction) bool { return j.Country != m.country })
	if classification != "" {
		path := "/evidencetypeclassifications/"
		_, rest, _ := strings.Cut(classification, path)
		of, _, _ := strings.Cut(rest, "/")
		foreign = foreign || of != m.country && of != "oots"
	}
	if foreign {
		m.faults = append(m.faults, Fault{Code: CodeDataset, Rule: ruleWhose, Text: "the data is of another Member State than the submitter", Object: o.ID})
	}
}

const unregistered = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:"

// tied yields the other ends of the associations of one kind from an object.
func (m *merging) tied(s Submission, kind, source string) []Object {
	var out []Object
	for _, a := range s.Associations {
		if a.Kind == kind && strings.EqualFold(a.Source, source) {
			if o, ok := m.objects[strings.ToLower(a.Target)]; ok && o.node() == kinds[kind].target {
				out = append(out, o)
			}
		}
	}
	return out
}

func (m *merging) broker(s Submission) *service.Broker {
	b := &service.Broker{}
	needs := map[string][]string{} // framework object -> requirements
	for _, o := range s.Objects {
		switch {
		case o.Requirement != nil:
			b.Requirements = append(b.Requirements, *o.Requirement)
			for _, f := range m.tied(s, derives, o.ID) {
				needs[f.ID] = append(needs[f.ID], o.Requirement.ID)
			}
		case o.Type != nil:
			b.Types = append(b.Types, *o.Type)
		case o.List != nil:
			p := service.Proof{EvidenceTypeList: *o.List}
			for _, t := range m.tied(s, contains, o.ID) {
				p.All = append(p.All, t.Type.Classification)
			}
			for _, r := range m.tied(s, fulfills, o.ID) {
				p.Requirements = append(p.Requirements, r.Requirement.ID)
			}
			b.Proofs = append(b.Proofs, p)
		}
	}
	for _, o := range s.Objects {
		if o.Framework != nil {
			b.Frameworks = append(b.Frameworks, service.Framework{Framework: *o.Framework, Requirements: needs[o.ID]})
		}
	}
	return b
}

func (m *merging) directory(s Submission) *service.Directory {
	d := &service.Directory{}
	servers := map[string][]string{} // service object -> providers
	for _, o := range s.Objects {
		if o.Provider == nil {
			continue
		}
		key := strings.TrimPrefix(strings.ToLower(o.ID), "urn:uuid:")
		d.Providers = append(d.Providers, service.Provider{Key: key, AccessService: *o.Provider})
		for _, v := range m.tied(s, serves, o.ID) {
			servers[v.ID] = append(servers[v.ID], key)
		}
	}
	for _, o := range s.Objects {
		if o.Service != nil {
			d.Services = append(d.Services, service.Service{DataService: *o.Service, Providers: servers[o.ID]})
		}
	}
	return d
}

// dataset makes refusals of what the data says by itself.
func dataset(found []*service.Fault) []Fault {
	var out []Fault
	for _, f := range found {
		text := f.Text
		if f.Remedy != "" {
			text += fmt.Sprintf(" (%s)", f.Remedy)
		}
		out = append(out, Fault{Code: CodeDataset, Rule: "dataset", Text: text})
	}
	return out
}
