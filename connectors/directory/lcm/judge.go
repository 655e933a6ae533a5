package lcm

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"oncegate/connectors/directory/service"
	"oncegate/connectors/rulecheck"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/codes"
	"oncegate/schemas/rules"
)

// judge runs the business rules of submissions (schemas/rules) over a document.
type judge struct {
	sets map[string]*rulecheck.Set // by document and edition
	ties map[string]bool           // rules on associations, by id
}

// newJudge compiles the rules that there are.
func newJudge(lists *codes.Lists) (*judge, error) {
	j := &judge{sets: map[string]*rulecheck.Set{}, ties: map[string]bool{}}
	for _, doc := range []rules.Document{rules.EBSubmission, rules.DSDSubmission} {
		rows, err := rules.Of(doc)
		if errors.Is(err, fs.ErrNotExist) {
			continue // this document has no rules as data: Read and the data's own checks judge it
		}
		if err != nil {
			return nil, fmt.Errorf("reading the rules of submissions: %w", err)
		}
		for _, r := range rows {
			if strings.Contains(r.Context+r.Test, "AssociationType") || strings.Contains(r.Context+r.Test, "sourceObject") {
				j.ties[r.ID] = true
			}
		}
		for _, edition := range []string{rules.Edition10, rules.Edition12, rules.Edition20} {
			if !slices.ContainsFunc(rows, func(r rules.Rule) bool { return r.In(edition) }) {
				continue
			}
			set, err := rulecheck.Rules(doc, edition, lists)
			if err != nil {
				return nil, err
			}
			j.sets[string(doc)+" "+edition] = set
		}
	}
	return j, nil
}

// faults are the fatal findings.
func (j *judge) faults(part service.Part, root xmldoc.Element) []Fault {
	d, ok := rulecheck.Detect(root)
	if !ok {
		return nil
	}
	doc := rules.EBSubmission
	if part == service.PartDirectory {
		doc = rules.DSDSubmission
	}
	set := j.sets[string(doc)+" "+d.Edition]
	if set == nil {
		return nil
	}
	var out []Fault
	for _, f := range set.Check(d.Root) {
		if f.Severity != rules.Fatal {
			continue
		}
		code := CodeObject
		if j.ties[f.Rule] {
			code = CodeAssociation
		}
		out = append(out, Fault{Code: code, Rule: f.Rule, Text: f.Meaning + " " + f.Path, Line: f.Line})
	}
	return out
}
