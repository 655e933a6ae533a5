package web

import (
	"testing"

	"oncegate/schemas/codes"
)

// A person reads what their evidence is for, in their language and not as a code.
//
// Covers: B-017, B-070
func TestEveryProcedureHasItsName(t *testing.T) {
	c, err := loadCatalogue()
	fatal(t, err)
	for _, l := range c.languages {
		for _, p := range codes.Default().Procedures() {
			if l.words["procedure."+p.Code] == "" {
				t.Errorf("%s has no name for %s", l.Code, p.Code)
			}
		}
	}
}
