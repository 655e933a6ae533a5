// Package codes publishes the code lists of the Once-Only Technical System as
// data: procedures with their legal basis, countries, regions, languages, schemes,
// levels of assurance, error codes.
//
// A list is a file data/<Name>.json, an array of codes. A row is a code alone or an
// object: code, name, from and until (the first and last edition of the technical
// design documents in which it counts; both may be absent), and what else a list
// knows: type and severity of an error code, rank of a level, life event and basis
// of a procedure. The lists and their sources:
//
//	Procedures                 TDD 1.0 and additions up to 2.0.1
//	CountryIdentificationCode  ISO 3166-1 alpha-2, EL for Greece
//	OOTSCountries              who takes part; EU for a body of the Union
//	LanguageCode               ISO 639-1, upper case
//	OfficialLanguages          of the Union, Iceland and Norway, by their own names
//	NUTS                       Publications Office, with countries and levels 1 to 3
//	EAS                        Electronic Address Scheme, 2022-03 and TDD 2.0.1
//	OOTSMediaTypes             type says structured or unstructured
//	LevelsOfAssurance          with rank
//	IdentifierSchemes          of legal persons
//	IdentityScheme             of eIDAS identifiers
//	AgentClassification        ER, IP, EP, ERRP
//	EDMErrorCodes EBErrorCodes DSDErrorCodes LCMErrorCodes ErrorSeverity
//	JurisdictionLevel          up to 1.2
//	Gender GenderEidas2        by identity scheme
//	AssociatedDocument         what may be asked beside the evidence
//	EvidenceClassification     what a document of an answer is
//	ConceptType                of a question to the user
//
// A deployment adds to the lists with an overlay: a directory of files of the same
// names and form. A row of the overlay takes the place of the rows of its code, a
// new code is added, {"code": "X9", "withdrawn": true} takes one away.
//
// It owns the lists and their lookup; an unknown code is answered with false, never
// with a guess, and codes are compared exactly (TDD: case matters). It does not
// decide what follows from a code. Before it: nobody; it imports the standard
// library only. After it: rules and readers of messages, the core, the pages.
package codes
