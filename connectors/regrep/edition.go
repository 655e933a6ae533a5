package regrep

import (
	"slices"

	"oncegate/connectors/edelivery/ebms"
)

// An edition is one EDM version: what is written and read differently in it. The
// reader and the writer are the same for all.
type edition struct {
	name     string   // of the rules: "2.0"
	literals []string // of slot SpecificationIdentifier, the usual one first

	exchangeID     bool // ebMS properties ExchangeId and SpecificationId
	procedureText  bool // Procedure is an international string
	rootLanguage   bool // xml:lang on the request
	returnLocation bool // slot ReturnLocation; before, the portal appended it to the link
	previewMethod  bool // slot PreviewMethod
	packages       bool // documents travel in packages with associations, else in a flat list
	forms          int  // how many DistributedAs a request may hold
	formLanguages  bool // Language in DistributedAs
	associated     bool // AssociatedDocumentRequest in DistributedAs
	transformation bool // Transformation in DistributedAs and Distribution
	attributes     bool // Nationality and what follows it, phone and mail, nonLatin
	descriptions   bool // Description of a requirement
	legalActing    bool // slot AuthorizedRepresentativeLegalPerson
	errorsNamed    bool // an error names its requester, even that of a request that cannot be read
	looseErrors    bool // an error may hold a PreviewLocation that leads nowhere
}

// Editions of the data model, newest first. 1.1 differs from 1.2 by its literal alone.
var editions = []*edition{
	{
		name: "2.0", literals: []string{"oots-edm:v2.0"},
		exchangeID: true, returnLocation: true, packages: true, forms: maxForms, formLanguages: true, associated: true,
		attributes: true, descriptions: true, legalActing: true,
	}, {
		name: "1.2", literals: []string{"oots-edm:v1.2", "oots-edm:v1.1"},
		procedureText: true, rootLanguage: true, previewMethod: true, forms: 1, formLanguages: true, transformation: true,
		attributes: true, descriptions: true, legalActing: true,
	}, {
		name: "1.0", literals: []string{"oots-edm:v1.0"},
		procedureText: true, rootLanguage: true, previewMethod: true, forms: 1, transformation: true, errorsNamed: true, looseErrors: true,
	},
}

// Specifications lists the versions that are spoken, newest first.
func Specifications() []string {
	var out []string
	for _, ed := range editions {
		out = append(out, ed.literals...)
	}
	return out
}

// editionOf returns the edition of a literal.
func editionOf(specification string) (*edition, bool) {
	for _, ed := range editions {
		if slices.Contains(ed.literals, specification) {
			return ed, true
		}
	}
	return nil, false
}

// speak returns the version in which a request of unknown version is answered: the
// newest, or the newest without ExchangeId where the header has none.
func speak(h *ebms.UserMessage) (*edition, string) {
	for _, ed := range editions {
		if _, ok := h.Property(propertyExchange); ok || !ed.exchangeID {
			return ed, ed.literals[0]
		}
	}
	return editions[0], editions[0].literals[0]
}
