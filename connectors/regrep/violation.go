package regrep

import (
	"fmt"

	"oncegate/connectors/xmldoc"
)

// A violation says which rule a message breaks. Its text names the rule and the
// place, never a value: values may be a person's.
type violation struct {
	edm  string // the EDM error code that the sender is told
	rule string // R-EDM-..., or the chapter where no rule id is known
	text string
}

func (v *violation) Error() string { return v.rule + ": " + v.text }

// invalid is a violation found outside a document.
func invalid(rule, format string, args ...any) *violation {
	return &violation{edm: codeInvalid, rule: rule, text: fmt.Sprintf(format, args...)}
}

// ruleID completes a short rule id such as S005 with its family. Labels that are
// no rule id (a chapter, "XSD", "XML") stand for themselves.
func ruleID(family, rule string) string {
	if len(rule) == 4 && (rule[0] == 'S' || rule[0] == 'C') {
		return family + rule
	}
	return rule
}

func at(e xmldoc.Element) string {
	if e.IsZero() {
		return ""
	}
	line, _ := e.Position()
	return fmt.Sprintf(" (line %d)", line)
}
