package rules

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"sync"
)

//go:embed *.yaml
var files embed.FS

// A Document is a kind of document that has rules of its own.
type Document string

// The documents that have rules.
const (
	EDMRequest       Document = "edm-request"
	EDMResponse      Document = "edm-response"
	EDMError         Document = "edm-error"
	EDMHeader        Document = "edm-ebms" // the eb:UserMessage around one of the three
	EBRequirements   Document = "eb-requirements"
	EBEvidenceTypes  Document = "eb-evidence-types"
	EBError          Document = "eb-error"
	DSDServices      Document = "dsd-services"
	DSDError         Document = "dsd-error"
	EBSubmission     Document = "eb-submission"
	DSDSubmission    Document = "dsd-submission"
	SubmissionAnswer Document = "lcm-answer"
)

// Documents lists the documents, those of the exchange first.
func Documents() []Document {
	return []Document{EDMRequest, EDMResponse, EDMError, EDMHeader, EBRequirements, EBEvidenceTypes, EBError,
		DSDServices, DSDError, EBSubmission, DSDSubmission, SubmissionAnswer}
}

// The editions of the technical design documents that have rules. 1.1 is judged by
// the rules of 1.2, which corrects it.
const (
	Edition10 = "1.0"
	Edition12 = "1.2"
	Edition20 = "2.0"
)

// Editions lists the editions, oldest first.
func Editions() []string { return []string{Edition10, Edition12, Edition20} }

// A Severity says what a broken rule means.
type Severity uint8

// The severities, gravest first. A fatal finding invalidates a document, the others
// never do.
const (
	SeverityUnset Severity = iota
	Fatal
	Warning
	Caution
	Info
)

var severities = [...]string{Fatal: "fatal", Warning: "warning", Caution: "caution", Info: "info"}

func (s Severity) String() string {
	if s == SeverityUnset || int(s) >= len(severities) {
		return "unset"
	}
	return severities[s]
}

// MarshalText writes the word of s; an unset severity has none.
func (s Severity) MarshalText() ([]byte, error) {
	if s == SeverityUnset || int(s) >= len(severities) {
		return nil, fmt.Errorf("severity %d has no word", s)
	}
	return []byte(severities[s]), nil
}

// UnmarshalText reads the word of a severity.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, w := range severities {
		if i > 0 && w == string(text) {
			*s = Severity(i)
			return nil
		}
	}
	return errors.New("a severity is fatal, warning, caution or info")
}

// A Departure says how a published 1.0 test differs from what its rule means.
type Departure string

// The departures.
const (
	NeverMatches  Departure = "never-matches" // its context selects nothing
	Inverted      Departure = "inverted"      // it is broken by what the rule wants
	Substring     Departure = "substring"     // it takes any part of a code
	Informational Departure = "informational" // it counts what may be absent
	OtherwiseOff  Departure = "other"         // see the note
)

// A Rule is one row.
type Rule struct {
	ID            string
	Editions      []string
	Severity      Severity
	Context, Test string // expressions, see the package comment
	Meaning       string // what a document must do, in our own words
	Remedy        string // what to do about it
	Source        string // chapter of the specification, may be empty

	Official10   Departure // empty where the published 1.0 test means what the rule means
	OfficialNote string

	File string // of the row
	Line int

	context, test at
}

// In reports whether the rule belongs to an edition.
func (r *Rule) In(edition string) bool { return slices.Contains(r.Editions, edition) }

// families reads each file at its first use: a node that answers requests never
// reads the rules of the directories.
var families = func() map[Document]func() ([]Rule, error) {
	m := make(map[Document]func() ([]Rule, error))
	for _, d := range Documents() {
		m[d] = sync.OnceValues(func() ([]Rule, error) { return read(d) })
	}
	return m
}()

func read(d Document) ([]Rule, error) {
	name := string(d) + ".yaml"
	text, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("reading rules: %w", err)
	}
	got, rows, err := Parse("schemas/rules/"+name, text)
	if err == nil && got != d {
		err = fmt.Errorf("schemas/rules/%s: holds the rules of %s", name, got)
	}
	return rows, err
}

// Of returns the rules of a document in the order of its file. The slice is shared:
// do not change it. A document without a file is fs.ErrNotExist.
func Of(d Document) ([]Rule, error) {
	rows, ok := families[d]
	if !ok {
		return nil, fmt.Errorf("reading rules: no document is called %q", string(d))
	}
	return rows()
}
