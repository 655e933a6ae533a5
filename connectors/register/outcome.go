package register

import (
	"maps"
	"slices"

	"oncegate/schemas/canon"
)

// outcome is what one call to a register came to.
type outcome int

const (
	outcomeUnset       outcome = iota
	outcomeFound               // one record
	outcomeNotFound            // the register knows no such record
	outcomeAmbiguous           // several records: nobody here may choose
	outcomeUnavailable         // the register cannot answer now: try again
	outcomeInvalid             // the register answered what cannot be used
	outcomeDeferred            // there will be a record, at a time that the register names
)

// outcomeTable is the one table that turns outcomes into words of register.yaml
// and of the log (style 16). An unavailable register is no answer, so it has no
// record outcome: it becomes an error and the query is tried again.
func outcomeTable() map[outcome]struct {
	word   string
	record canon.RecordOutcome
	code   canon.Code
} {
	return map[outcome]struct {
		word   string
		record canon.RecordOutcome
		code   canon.Code
	}{
		outcomeFound:       {"found", canon.RecordFound, ""},
		outcomeNotFound:    {"not-found", canon.RecordNotFound, canon.CodeEvidenceNotFound},
		outcomeAmbiguous:   {"ambiguous", canon.RecordAmbiguous, canon.CodeEvidenceAmbiguous},
		outcomeUnavailable: {"unavailable", "", canon.CodeRegisterFault},
		outcomeInvalid:     {"invalid", canon.RecordFailed, canon.CodeRegisterReply},
		outcomeDeferred:    {"deferred", canon.RecordDeferred, ""},
	}
}

// String is the word of register.yaml and of the samples.
func (o outcome) String() string {
	if row, ok := outcomeTable()[o]; ok {
		return row.word
	}
	return "unset"
}

// outcomeWords are the words that an outcomes rule may use.
func outcomeWords() []string {
	var out []string
	for o, row := range outcomeTable() {
		if o != outcomeFound {
			out = append(out, row.word)
		}
	}
	slices.Sort(out)
	return out
}

func outcomeOf(word string) (outcome, bool) {
	for o := range maps.Keys(outcomeTable()) {
		if o != outcomeFound && o.String() == word {
			return o, true
		}
	}
	return outcomeUnset, false
}
