package canon

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// This file holds what the common services tell: the evidence broker, which
// evidence proves what, and the directory of data services, who gives it (TDD 3).

// An Origin says of an answer of the common services where it is from and how
// old it is.
type Origin struct {
	Provenance Provenance `json:"provenance"`
	Until      time.Time  `json:"until"`              // fresh until then
	Stale      bool       `json:"stale,omitempty"`    // older than that: the service does not answer now; Provenance.At tells the age
	Breaches   []string   `json:"breaches,omitempty"` // fatal business rules that the answer breaks, though it can be read
}

// A Jurisdiction is where something holds. The zero value is everywhere.
type Jurisdiction struct {
	Country string       `json:"country"`           // AdminUnitLevel1
	Region  string       `json:"region,omitempty"`  // NUTS code
	Place   string       `json:"place,omitempty"`   // LAU code; up to Common Services 1.2
	Classes []ListedCode `json:"classes,omitempty"` // by lists of the Member State; from Common Services 2.0
}

// A ListedCode is a code with the list that it is from.
type ListedCode struct {
	List string `json:"list"` // https URI in the Semantic Repository
	Code string `json:"code"`
}

// A ProcedureFramework is a procedure as one jurisdiction runs it (sdg:ReferenceFramework).
type ProcedureFramework struct {
	ID           string       `json:"id"` // bare UUID
	Procedures   []string     `json:"procedures"`
	Titles       []Text       `json:"titles,omitempty"`
	Descriptions []Text       `json:"descriptions,omitempty"`
	Jurisdiction Jurisdiction `json:"jurisdiction,omitzero"`
}

// A DirectoryRequirement is a requirement as the evidence broker knows it.
type DirectoryRequirement struct {
	Requirement
	Frameworks []ProcedureFramework `json:"frameworks,omitempty"` // the procedures that ask for it
	Options    []EvidenceOption     `json:"options,omitempty"`    // any one of them proves it (OR)
}

// An EvidenceOption is one way to prove a requirement: all its evidence types
// together (AND).
type EvidenceOption struct {
	ID            string         `json:"id"` // bare UUID
	Names         []Text         `json:"names,omitempty"`
	EvidenceTypes []EvidenceKind `json:"evidenceTypes,omitempty"`
	NoMatch       bool           `json:"noMatch,omitempty"` // the country says that it has no evidence for this
	Reasons       []Text         `json:"reasons,omitempty"` // why, with NoMatch
	Jurisdictions []Jurisdiction `json:"jurisdictions,omitempty"`
}

// An EvidenceKind is an evidence type as the evidence broker knows it.
type EvidenceKind struct {
	Classification string         `json:"classification"` // https URI in the Semantic Repository
	Titles         []Text         `json:"titles"`
	Descriptions   []Text         `json:"descriptions,omitempty"`
	Distributions  []Distribution `json:"distributions,omitempty"`
	Jurisdictions  []Jurisdiction `json:"jurisdictions,omitempty"` // up to Common Services 1.2
}

// A DataService is one authority that gives an evidence type, with the access
// point before it.
type DataService struct {
	EvidenceType    EvidenceType    `json:"evidenceType"`
	AccessPoint     Participant     `json:"accessPoint"` // C3
	AccessNames     []Text          `json:"accessNames,omitempty"`
	Specifications  []string        `json:"specifications"` // editions that it reads: oots-edm:v2.0
	Provider        Agent           `json:"provider"`       // C4
	Descriptions    []Text          `json:"descriptions,omitempty"`
	Jurisdictions   []Jurisdiction  `json:"jurisdictions,omitempty"` // of the provider
	Supports        []ConceptAnswer `json:"supports,omitempty"`      // what the provider is responsible for; not a person's answer
	Assurance       string          `json:"assurance,omitempty"`     // least level of the person's identification
	Notes           []Text          `json:"notes,omitempty"`
	Classifications []Question      `json:"classifications,omitempty"` // what tells the providers of the evidence type apart
}

// A QuestionType says how a question is answered.
type QuestionType string

// The types of question. Place is the question of Common Services up to 1.2 for
// the place that tells providers apart.
const (
	QuestionCodelist QuestionType = "codelist" // one of Choices
	QuestionString   QuestionType = "string"
	QuestionBoolean  QuestionType = "boolean"
	QuestionPlace    QuestionType = "place" // a code at Level
)

// A Question is what the directory wants to know of the person before it can
// name the authority (DSD:ERR:0005).
type Question struct {
	ID           string       `json:"id"`               // bare UUID
	Scheme       string       `json:"scheme,omitempty"` // https URI of a code list in the Semantic Repository
	Type         QuestionType `json:"type"`
	Level        string       `json:"level,omitempty"`    // of a place: Country, NUTS1, NUTS2, NUTS3, LAU
	ValueURL     string       `json:"valueUrl,omitempty"` // where the code list is; https
	Descriptions []Text       `json:"descriptions"`       // the question itself
	Choices      []Choosable  `json:"choices,omitempty"`  // of a code list
}

// A Choosable is one value of a code list.
type Choosable struct {
	Value string `json:"value"`
	Names []Text `json:"names,omitempty"`
}

// A PlaceAnswer answers a question of type place.
type PlaceAnswer struct {
	Context string `json:"context"` // the question's id
	Level   string `json:"level"`
	Code    string `json:"code"`
}

// Format prints no place.
func (PlaceAnswer) Format(f fmt.State, _ rune) { redact(f) }

// LogValue prints no place.
func (PlaceAnswer) LogValue() slog.Value { return hidden }

// A RequirementsQuery asks the evidence broker what a procedure wants proved.
type RequirementsQuery struct {
	Country    string // of the portal, whose instance is asked
	Procedure  string // code of list Procedures; empty: all
	Incomplete bool   // also requirements for which no evidence is known yet

	Region, Place string // NUTS and LAU codes; up to Common Services 1.2
}

// An EvidenceTypesQuery asks the evidence broker what proves a requirement.
type EvidenceTypesQuery struct {
	Country     string // that issues the evidence, whose instance is asked
	Requirement string // https URI

	Region, Place string // NUTS and LAU codes; up to Common Services 1.2
}

// A DataServicesQuery asks the directory who gives an evidence type.
type DataServicesQuery struct {
	Country        string // that issues the evidence, whose instance is asked
	Classification string // https URI of the evidence type
	Specification  string // only who reads it: oots-edm:v2.0; empty: all

	// The answers to the questions of an earlier answer; see Answer.
	EvidenceType string // EvidenceType.ID of that answer
	Concepts     []ConceptAnswer
	Place        PlaceAnswer
}

// The reasons why a value does not answer a question.
var (
	ErrNotOneAnswer = errors.New("the question wants one answer")
	ErrNotBoolean   = errors.New("the question is answered with true or false")
	ErrNotAChoice   = errors.New("the value is not one of the choices")
	ErrTooLong      = errors.New("the value is longer than 256 characters")
)

// maxAnswer bounds a free answer, which travels in a URL.
const maxAnswer = 256

// Check reports why a value does not answer the question. Its errors never hold
// the value.
func (q *Question) Check(value string) error {
	switch {
	case value == "":
		return ErrNotOneAnswer
	case len(value) > maxAnswer:
		return ErrTooLong
	case q.Type == QuestionBoolean && value != "true" && value != "false":
		return ErrNotBoolean
	case q.Type == QuestionCodelist && !slices.ContainsFunc(q.Choices, func(c Choosable) bool { return c.Value == value }):
		return ErrNotAChoice
	}
	return nil
}

// Answer adds the answer to a question to the query. Which of the answers go into
// the evidence request is then q.Concepts: a place does not.
func (d *DataServicesQuery) Answer(q Question, value string) error {
	if err := q.Check(value); err != nil {
		return fmt.Errorf("answering question %s: %w", q.ID, err)
	}
	if q.Type == QuestionPlace {
		d.Place = PlaceAnswer{Context: q.ID, Level: q.Level, Code: value}
		return nil
	}
	a := ConceptAnswer{ID: q.ID, Scheme: q.Scheme, Type: string(q.Type), ValueURL: q.ValueURL, Descriptions: q.Descriptions, Values: []string{value}}
	if q.Type == QuestionBoolean {
		a.Kind = string(QuestionBoolean)
	}
	d.Concepts = slices.DeleteFunc(slices.Clone(d.Concepts), func(have ConceptAnswer) bool { return have.ID == q.ID })
	d.Concepts = append(d.Concepts, a)
	return nil
}

// RequirementsAnswer answers both queries of the evidence broker.
type RequirementsAnswer struct {
	Origin
	Requirements []DirectoryRequirement `json:"requirements"`
}

// DataServicesAnswer answers a query of the directory: services, among which the
// person chooses where there are several, or questions to answer first.
type DataServicesAnswer struct {
	Origin
	Services     []DataService `json:"services,omitempty"`
	EvidenceType EvidenceType  `json:"evidenceType,omitzero"` // that the questions are about
	Questions    []Question    `json:"questions,omitempty"`
}

// IsZero reports that the evidence type is unset.
func (e EvidenceType) IsZero() bool { return e.ID == "" && e.Classification == "" }

// IsZero reports that no jurisdiction is stated.
func (j Jurisdiction) IsZero() bool {
	return j.Country == "" && j.Region == "" && j.Place == "" && len(j.Classes) == 0
}
