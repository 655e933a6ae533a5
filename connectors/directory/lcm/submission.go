package lcm

import (
	"slices"
	"strings"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/directory/service"
)

// A Submission is one lcm:SubmitObjectsRequest: all that a Member State tells one
// service. It replaces what the Member State told it before.
type Submission struct {
	ID           string       // urn:uuid:...
	Part         service.Part // which service; empty where no object says it
	Objects      []Object
	Associations []Association
}

// An Object is one registry object. Exactly one of its nouns is set.
type Object struct {
	ID             string // urn:uuid:..., what associations refer to
	Classification string // id of its rim:Classification

	Type        *answers.EvidenceType
	List        *answers.EvidenceTypeList
	Requirement *answers.Requirement
	Framework   *answers.Framework
	Service     *answers.DataService
	Provider    *answers.AccessService
}

// node is the classification node of the object, which is the name of its slot too.
func (o Object) node() string {
	switch {
	case o.Type != nil:
		return nodeType
	case o.List != nil:
		return nodeList
	case o.Requirement != nil:
		return nodeRequirement
	case o.Framework != nil:
		return nodeFramework
	case o.Service != nil:
		return nodeService
	case o.Provider != nil:
		return nodeProvider
	}
	return ""
}

// An Association ties two objects.
type Association struct {
	ID             string
	Kind           string // ContainsEvidence, FulfillsRequirement, DerivesFromReferenceFramework, ServesEvidenceType
	Source, Target string // ids of objects
}

// The nodes of both classification schemes.
const (
	nodeType        = "EvidenceType"
	nodeList        = "EvidenceTypeList"
	nodeRequirement = "Requirement"
	nodeFramework   = "ReferenceFramework"
	nodeService     = "DataServiceEvidenceType"
	nodeProvider    = "EvidenceProvider"
)

// The associations.
const (
	contains = "ContainsEvidence"
	fulfills = "FulfillsRequirement"
	derives  = "DerivesFromReferenceFramework"
	serves   = "ServesEvidenceType"
)

// schemes are the classification schemes of the services.
var schemes = map[service.Part]string{
	service.PartBroker:    "urn:fdc:oots:classification:eb",
	service.PartDirectory: "urn:fdc:oots:classification:dsd",
}

// A kind is what an association may tie.
type kind struct {
	source, target string
	part           service.Part
}

// kinds are the associations of both services.
var kinds = map[string]kind{
	contains: {nodeList, nodeType, service.PartBroker},
	fulfills: {nodeList, nodeRequirement, service.PartBroker},
	derives:  {nodeRequirement, nodeFramework, service.PartBroker},
	serves:   {nodeProvider, nodeService, service.PartDirectory},
}

func partOf(node string) service.Part {
	switch node {
	case nodeType, nodeList, nodeRequirement, nodeFramework:
		return service.PartBroker
	case nodeService, nodeProvider:
		return service.PartDirectory
	}
	return ""
}

// FromMember makes the submission of one part of a Member State. Ids of objects
// follow from what they hold: submitted again they are the same. Requirements that
// another Member State describes are those of cat.
func FromMember(m service.Member, part service.Part, id string, cat *service.Catalogue) Submission {
	b := &builder{s: Submission{ID: id, Part: part}, country: m.Country, cat: cat}
	switch {
	case part == service.PartBroker && m.Broker != nil:
		b.broker(m.Broker)
	case part == service.PartDirectory && m.Directory != nil:
		b.directory(m.Directory)
	}
	return b.s
}

type builder struct {
	s       Submission
	country string
	cat     *service.Catalogue
}

func (b *builder) id(parts ...string) string {
	return answers.ObjectID(append([]string{"lcm", string(b.s.Part), b.country}, parts...)...)
}

func (b *builder) add(o Object, id string) {
	o.ID = b.id(o.node(), id)
	o.Classification = b.id("classification", o.node(), id)
	b.s.Objects = append(b.s.Objects, o)
}

func (b *builder) tie(kind, source, target string) {
	b.s.Associations = append(b.s.Associations, Association{ID: b.id(kind, source, target), Kind: kind, Source: source, Target: target})
}

func (b *builder) broker(d *service.Broker) {
	for _, r := range d.Requirements {
		b.add(Object{Requirement: &answers.Requirement{ID: r.ID, Names: r.Names, Descriptions: r.Descriptions}}, r.ID)
	}
	for _, t := range d.Types {
		t.Distributions = nil // EB-SUB-S026
		b.add(Object{Type: &t}, t.Classification)
	}
	for _, p := range d.Proofs {
		l := p.EvidenceTypeList
		l.Types = nil // EB-SUB-S027
		b.add(Object{List: &l}, l.ID)
		for _, t := range p.All {
			b.tie(contains, b.id(nodeList, l.ID), b.id(nodeType, t))
		}
		for _, r := range p.Requirements {
			b.tie(fulfills, b.id(nodeList, l.ID), b.requirement(r))
		}
	}
	for _, f := range d.Frameworks {
		v := f.Framework
		b.add(Object{Framework: &v}, v.ID)
		for _, r := range f.Requirements {
			b.tie(derives, b.requirement(r), b.id(nodeFramework, v.ID))
		}
	}
}

// requirement returns the id of the object of a requirement, which is added where it
// is not there, so that the reference resolves.
func (b *builder) requirement(id string) string {
	object := b.id(nodeRequirement, id)
	if !slices.ContainsFunc(b.s.Objects, func(o Object) bool { return o.ID == object }) {
		r, _ := b.cat.Requirement(id) // the catalogue has it, or it would not have loaded
		b.add(Object{Requirement: &answers.Requirement{ID: id, Names: r.Names, Descriptions: r.Descriptions}}, id)
	}
	return object
}

func (b *builder) directory(d *service.Directory) {
	for _, p := range d.Providers {
		a := p.AccessService
		b.add(Object{Provider: &a}, p.Key)
	}
	for _, s := range d.Services {
		v := s.DataService
		v.Object, v.Access = "", nil
		b.add(Object{Service: &v}, v.ID)
		for _, p := range s.Providers {
			b.tie(serves, b.id(nodeProvider, p), b.id(nodeService, v.ID))
		}
	}
}

// Identifier is what the outside knows the object by.
func (o Object) Identifier() string {
	switch {
	case o.Type != nil:
		return o.Type.Classification
	case o.List != nil:
		return o.List.ID
	case o.Requirement != nil:
		return o.Requirement.ID
	case o.Framework != nil:
		return o.Framework.ID
	case o.Service != nil:
		return o.Service.ID
	case o.Provider != nil:
		return o.Provider.Publisher.ID.String()
	}
	return ""
}

// Without returns the submission without the objects that have one of the
// identifiers, nor what is tied to them alone: submitted, it withdraws them.
func (s Submission) Without(identifiers ...string) (_ Submission, missing []string) {
	gone := map[string]bool{}
	for _, id := range identifiers {
		found := false
		for _, o := range s.Objects {
			if strings.EqualFold(o.Identifier(), id) || strings.EqualFold(o.ID, id) {
				gone[o.ID], found = true, true
			}
		}
		if !found {
			missing = append(missing, id)
		}
	}
	s.Objects = slices.DeleteFunc(slices.Clone(s.Objects), func(o Object) bool { return gone[o.ID] })
	s.Associations = slices.DeleteFunc(slices.Clone(s.Associations), func(a Association) bool { return gone[a.Source] || gone[a.Target] })
	return s, missing
}
