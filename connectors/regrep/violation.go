package regrep

import (
	"errors"
	"fmt"
	"strings"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/rulecheck"
	"oncegate/schemas/rules"
)

// A violation says what is wrong with a message, as findings in the order of the
// checks; the first fatal one decides. Its text names rule and place, never a value:
// values may be a person's.
type violation struct {
	edm      string // the EDM error code that the sender is told
	findings []rulecheck.Finding
}

// maxOther is how many further rules a violation names.
const maxOther = 8

// Error names the rule, what it asks and the place, and what other rules are broken.
func (v *violation) Error() string {
	first, ok := rulecheck.FirstFatal(v.findings)
	if !ok {
		return "no fatal finding"
	}
	text := or(first.Rule, string(first.Layer)) + ": " + strings.TrimSuffix(first.Meaning, ".")
	if first.Path != "" {
		text += " at " + first.Path
	}
	if first.Line > 0 {
		text += fmt.Sprintf(" (line %d)", first.Line)
	}
	others := make([]string, 0, maxOther)
	seen := map[string]bool{first.Rule: true}
	for _, f := range v.findings {
		if f.Severity == rules.Fatal && f.Rule != "" && !seen[f.Rule] && len(others) < maxOther {
			seen[f.Rule] = true
			others = append(others, f.Rule)
		}
	}
	if len(others) > 0 {
		text += "; also " + strings.Join(others, ", ")
	}
	return text
}

// breaks is a violation of one layer, found at no certain place.
func breaks(layer rulecheck.Layer, rule, format string, args ...any) *violation {
	return &violation{edm: codeInvalid, findings: []rulecheck.Finding{finding(layer, rule, fmt.Sprintf(format, args...))}}
}

func finding(layer rulecheck.Layer, rule, meaning string) rulecheck.Finding {
	return rulecheck.Finding{Layer: layer, Rule: rule, Severity: rules.Fatal, Meaning: meaning}
}

// structural is the finding of a fault of structure; ok is false for other errors.
func structural(err error) (rulecheck.Finding, bool) {
	fault, ok := errors.AsType[*rim.Fault](err)
	if !ok {
		return rulecheck.Finding{}, false
	}
	f := finding(rulecheck.LayerStructure, "", fault.Text)
	f.Path, f.Line, f.Column = fault.Path, fault.Line, fault.Column
	return f, true
}
