package answers

import "oncegate/schemas/canon"

// An Edition is a version of the Common Services.
type Edition string

// The editions, oldest first.
const (
	Edition10 Edition = "oots-cs:v1.0" // its answers do not name it
	Edition11 Edition = "oots-cs:v1.1" // read, not written; its shape is that of 1.2
	Edition12 Edition = "oots-cs:v1.2"
	Edition20 Edition = "oots-cs:v2.0"
)

// Editions returns the editions that are written here, newest first.
func Editions() []Edition { return []Edition{Edition20, Edition12, Edition10} }

// An Answer is one query:QueryResponse: requirements, data services, or an
// exception.
type Answer struct {
	Edition      Edition
	Requirements []Requirement // of the Evidence Broker
	Services     []DataService // of the Data Service Directory
	Exceptions   []Exception   // status Failure
}

// A Requirement is sdg:Requirement.
type Requirement struct {
	Object       string // id of the registry object, urn:uuid:...
	ID           string // https URI
	Names        []canon.Text
	Descriptions []canon.Text // from 1.2
	Frameworks   []Framework
	Lists        []EvidenceTypeList // alternatives (OR); in answers about evidence types only
}

// A Framework is sdg:ReferenceFramework: a procedure as one jurisdiction runs it.
type Framework struct {
	ID           string // bare UUID
	Titles       []canon.Text
	Descriptions []canon.Text
	Procedures   []string // RelatedTo/Identifier, codes of list Procedures
	Jurisdiction Jurisdiction
}

// A Jurisdiction is sdg:JurisdictionType. The zero value is none.
type Jurisdiction struct {
	Country         string       // AdminUnitLevel1
	Level2, Level3  string       // NUTS and LAU; up to 1.2 (Level2 stays in the reconstructed 2.0)
	Classifications []ListedCode // from 2.0: AdditionalJurisdictionClassification
}

// IsZero reports that no jurisdiction is stated.
func (j Jurisdiction) IsZero() bool { return j.Country == "" }

// A ListedCode is a code with the list that it is from.
type ListedCode struct{ List, Code string }

// An EvidenceTypeList is one way to prove a requirement: all its types together
// (AND). An empty one with NoMatch says that there is none.
type EvidenceTypeList struct {
	ID                string // bare UUID
	Names             []canon.Text
	NoMatch           bool         // MatchType NoMatch; from 2.0
	MatchDescriptions []canon.Text // from 2.0
	Types             []EvidenceType
	Jurisdictions     []Jurisdiction // from 2.0
}

// An EvidenceType is sdg:EvidenceType.
type EvidenceType struct {
	Classification string // https URI
	Titles         []canon.Text
	Descriptions   []canon.Text
	Jurisdictions  []Jurisdiction // up to 1.2
	Distributions  []Distribution
}

// A DataService is sdg:DataServiceEvidenceType.
type DataService struct {
	Object         string // id of the registry object, urn:uuid:...; empty in an exception
	ID             string // bare UUID
	Classification string // https URI
	Titles         []canon.Text
	Descriptions   []canon.Text
	Distributions  []Distribution
	Access         []AccessService
	Assurance      string // Low, Substantial, High
	Notes          []canon.Text
	Determination  *Determination // up to 1.2
	Concepts       []Concept      // EvidenceProviderClassification
}

// A Distribution is a form in which evidence can be had.
type Distribution struct {
	Formats        []string // media types; one up to 1.2
	Languages      []string // from 1.2
	ConformsTo     string
	Transformation string // up to 1.2
}

// An AccessService is an access point (C3) with one evidence provider (C4) behind it.
type AccessService struct {
	ID         canon.Participant
	Names      []canon.Text // from 1.2
	ConformsTo []string     // EDM versions; one in 1.0
	Publisher  Provider     // zero where none is stated
}

// A Provider is an evidence provider as the directory lists it.
type Provider struct {
	ID            canon.Participant
	Names         []canon.Text
	Descriptions  []canon.Text // from 1.2
	Address       canon.Address
	Jurisdictions []Jurisdiction // one in 1.0
	Concepts      []Concept      // ClassificationConcept, with the values it supports
}

// A Concept is sdg:InformationConceptType: what a provider is told apart by. As
// a question it has no Supported values; as an answer or of a provider it has.
type Concept struct {
	ID, Scheme      string // UUID, and schemeID from 2.0
	Type            string // string, boolean, codelist; Codelist in 1.0
	ValueExpression string // https URL of a Genericode list
	Descriptions    []canon.Text
	Supported       Values
}

// Values are the values of a concept, all of one kind. The zero value is none.
type Values struct {
	Kind ValueKind
	List []string
}

// A ValueKind is the element that holds a value.
type ValueKind string

// The kinds.
const (
	StringValue  ValueKind = "StringValue"
	DateValue    ValueKind = "DateValue"
	BooleanValue ValueKind = "BooleanValue"
)

// A Determination asks for the place that tells providers apart (up to 1.2).
type Determination struct {
	ContextID string // bare UUID
	Contexts  []canon.Text
	Level     string // Country, NUTS1, NUTS2, NUTS3, LAU
}

// An Exception is rs:Exception.
type Exception struct {
	Type     string // local name of xsi:type in rs
	Code     string // EB:ERR:0001 ...
	Message  string
	Severity string
	Detail   string

	// Slots of DSD:ERR:0005.
	Service       *DataService
	Concepts      []Concept
	Determination *Determination
}
