package service

import (
	"oncegate/connectors/directory/answers"
	"oncegate/connectors/regrep/rim"
)

// A refusal is one exception of the services (TDD 3.1.4, 3.2.4).
type refusal struct {
	kind, code, message, detail string
	ask                         *answers.DataService // DSD:ERR:0005: what is asked, with its questions
	concepts                    []answers.Concept
	place                       *answers.Determination
}

// The codes. Each refusal of this package is one of them.
const (
	codeEBEmpty       = "EB:ERR:0001"
	codeEBRequirement = "EB:ERR:0002"
	codeEBParameters  = "EB:ERR:0003"
	codeEBLevel       = "EB:ERR:0004"
	codeEBProcedure   = "EB:ERR:0005"
	codeEBCountry     = "EB:ERR:0006"
	codeEBQuery       = "EB:ERR:0007"

	codeDSDEmpty      = "DSD:ERR:0001"
	codeDSDType       = "DSD:ERR:0002"
	codeDSDParameters = "DSD:ERR:0003"
	codeDSDQuery      = "DSD:ERR:0004"
	codeDSDInput      = "DSD:ERR:0005"
	codeDSDValue      = "DSD:ERR:0006"
)

var (
	ebEmpty       = &refusal{kind: answers.NotFound, code: codeEBEmpty, message: "The result set is empty", detail: "EMPTY_RESULT"}
	ebRequirement = &refusal{kind: answers.NotFound, code: codeEBRequirement, message: "The requirement requested, represented by the requirement id, does not exist", detail: "requirement-id"}
	ebLevel       = &refusal{kind: answers.InvalidRequest, code: codeEBLevel, message: "The jurisdiction level code query parameter is invalid or unknown", detail: "jurisdiction-admin-l2, jurisdiction-admin-l3"}
	ebProcedure   = &refusal{kind: answers.InvalidRequest, code: codeEBProcedure, message: "The value of the procedure-id query parameter is invalid or unknown", detail: "procedure-id"}
	ebCountry     = &refusal{kind: answers.InvalidRequest, code: codeEBCountry, message: "The value of the procedure implementation country query parameter is invalid or unknown", detail: "country-code"}

	dsdEmpty = &refusal{kind: answers.NotFound, code: codeDSDEmpty, message: "No Data Services were found based on the given parameters", detail: "DS_NOT_FOUND"}
	dsdType  = &refusal{kind: answers.NotFound, code: codeDSDType, message: "The Evidence Type requested cannot be found", detail: "evidence-type-classification"}
)

// malformed says which parameter does not follow the specification, never its value.
func malformed(part Part, detail string) *refusal {
	code := codeEBParameters
	if part == PartDirectory {
		code = codeDSDParameters
	}
	return &refusal{kind: answers.InvalidRequest, code: code, message: "The query parameters do not follow the query specification", detail: detail}
}

func unknownQuery(part Part) *refusal {
	code := codeEBQuery
	if part == PartDirectory {
		code = codeDSDQuery
	}
	return &refusal{kind: answers.InvalidRequest, code: code, message: "The requested Query does not exist", detail: "queryId"}
}

// wrongAnswer says which question was answered with a value that it does not have.
func wrongAnswer(detail string) *refusal {
	return &refusal{kind: answers.InvalidRequest, code: codeDSDValue, message: "Incorrect provided value for requested parameters", detail: detail}
}

func input(s answers.DataService, concepts []answers.Concept, place *answers.Determination) *refusal {
	s.Access, s.Concepts, s.Determination = nil, nil, nil
	detail := "UserRequestedClassificationConcepts"
	switch {
	case place != nil && len(concepts) > 0:
		detail = "JurisdictionDetermination and UserRequestedClassificationConcepts"
	case place != nil:
		detail = "JurisdictionDetermination"
	}
	return &refusal{
		kind: answers.NotFound, code: codeDSDInput, message: "The query requires the included extra attributes to be provided by the user",
		detail: detail, ask: &s, concepts: concepts, place: place,
	}
}

func (r *refusal) exception() answers.Exception {
	x := answers.Exception{Type: r.kind, Code: r.code, Message: r.message, Severity: rim.SeverityError, Detail: r.detail}
	if r.ask != nil {
		x.Severity, x.Service, x.Concepts, x.Determination = answers.SeverityAdditionalInput, r.ask, r.concepts, r.place
	}
	return x
}
