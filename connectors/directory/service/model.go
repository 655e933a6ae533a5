package service

import (
	"slices"
	"strings"

	"oncegate/connectors/directory/answers"
	"oncegate/schemas/canon"
)

// A Part is one of the two services. A submission replaces one part of one
// Member State (TDD 3.1.5, 3.2.5).
type Part string

// The parts.
const (
	PartBroker    Part = "broker"    // Evidence Broker
	PartDirectory Part = "directory" // Data Service Directory
)

// A Member is the data of one Member State. A nil part is one it does not keep here.
type Member struct {
	Country   string
	Broker    *Broker
	Directory *Directory
}

// A Broker is what a Member State tells the Evidence Broker.
type Broker struct {
	Requirements []answers.Requirement // without frameworks and lists
	Frameworks   []Framework
	Types        []answers.EvidenceType
	Proofs       []Proof
}

// A Framework is a procedure with the requirements that derive from it.
type Framework struct {
	answers.Framework
	Requirements []string // ids
}

// A Proof is an evidence type list with what it fulfils and holds.
type Proof struct {
	answers.EvidenceTypeList          // without types
	Requirements             []string // ids
	All                      []string // classifications
}

// A Directory is what a Member State tells the Data Service Directory.
type Directory struct {
	Lists     []CodeList
	Providers []Provider
	Services  []Service
}

// A Provider is an access service with the evidence provider behind it.
type Provider struct {
	Key string // unique in its directory
	answers.AccessService
}

// A Service is a data service with the providers that serve it.
type Service struct {
	answers.DataService          // without access services
	Providers           []string // keys
}

// A CodeList is a list that questions refer to.
type CodeList struct {
	Country string
	Name    string
	Version string
	Codes   []Code
}

// A Code is one value of a list.
type Code struct {
	Value string
	Names []canon.Text
}

// has reports whether the list has a code.
func (l CodeList) has(code string) bool {
	return slices.ContainsFunc(l.Codes, func(c Code) bool { return c.Value == code })
}

// ParseParticipant reads scheme::id.
func ParseParticipant(s string) (canon.Participant, bool) {
	scheme, id, ok := strings.Cut(s, "::")
	return canon.Participant{Scheme: scheme, ID: id}, ok && scheme != "" && id != ""
}
