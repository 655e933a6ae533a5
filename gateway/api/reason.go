package api

import (
	"regexp"
	"slices"
	"strings"

	"oncegate/schemas/rules"
)

// A Reason says why an exchange ended without evidence, as far as a rule is to
// blame: which rule, where, what it means and how it is kept.
type Reason struct {
	Rule    string `json:"rule"`
	Path    string `json:"path,omitempty"`
	Meaning string `json:"meaning,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

var (
	ruleID   = regexp.MustCompile(`\bR-[A-Za-z]{2,5}(?:-[A-Za-z]{2,5})?-[A-Z][0-9]{3}\b`)
	rulePath = regexp.MustCompile(`(?:^|\s)(/[A-Za-z0-9_:@\[\]/.='"*()-]+)`)
)

// ReasonOf reads the rule out of the detail of a refusal (EDM:ERR:0003: rule and
// place). A detail of another kind has none.
func ReasonOf(detail string) *Reason {
	id := ruleID.FindString(detail)
	if id == "" {
		return nil
	}
	out := &Reason{Rule: id}
	if m := rulePath.FindStringSubmatch(detail); m != nil {
		out.Path = strings.TrimRight(m[1], ".:,)")
	}
	for _, d := range []rules.Document{rules.EDMRequest, rules.EDMResponse, rules.EDMError, rules.EDMHeader} {
		all, err := rules.Of(d)
		if err != nil {
			continue // a test of that package reads them all
		}
		if i := slices.IndexFunc(all, func(r rules.Rule) bool { return r.ID == id }); i >= 0 {
			out.Meaning, out.Remedy = all[i].Meaning, all[i].Remedy
			break
		}
	}
	return out
}
