package lcm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/rulecheck"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/codes"
	"oncegate/schemas/rules"
)

// A judge runs the business rules of submissions (schemas/rules) over documents.
type judge struct {
	sets  map[judged]*rulecheck.Set
	codes map[string]string // LCM:ERR of a rule, by id
}

type judged struct {
	document rules.Document
	edition  string
}

func newJudge(lists *codes.Lists) (*judge, error) {
	j := &judge{sets: map[judged]*rulecheck.Set{}, codes: map[string]string{}}
	for _, doc := range []rules.Document{rules.EBSubmission, rules.DSDSubmission} {
		rows, err := rules.Of(doc)
		if err != nil {
			return nil, fmt.Errorf("reading the rules of submissions: %w", err)
		}
		for i := range rows {
			j.codes[rows[i].ID] = codeOf(&rows[i])
		}
		for _, edition := range rules.Editions() {
			set, err := rulecheck.Rules(doc, edition, lists)
			if err != nil {
				return nil, err
			}
			j.sets[judged{doc, edition}] = set
		}
	}
	return j, nil
}

// codeOf is the code of what breaks a rule: what the rule looks at tells (TDD 3.6).
func codeOf(r *rules.Rule) string {
	switch {
	case strings.Contains(r.Context, "AssociationType") || strings.Contains(r.Context, "@sourceObject") || strings.Contains(r.Context, "@type"):
		return CodeAssociation
	case strings.Contains(r.Context, "rim:RegistryObject/") || strings.Contains(r.Context, "rim:RegistryObject[") || strings.HasSuffix(r.Context, "rim:RegistryObject"):
		return CodeObject
	}
	return CodeDataset
}

// findings are those of all rules. A submission without objects withdraws everything:
// no rule is asked about it, though those of 1.0 want objects.
func (j *judge) findings(root xmldoc.Element) ([]rulecheck.Finding, rulecheck.Detected) {
	d, ok := rulecheck.Detect(root)
	set := j.sets[judged{d.Document, d.Edition}]
	if !ok || set == nil || len(objectsOf(root)) == 0 {
		return nil, d
	}
	return set.Check(root), d
}

// faults are the fatal findings.
func (j *judge) faults(root xmldoc.Element) []Fault {
	var out []Fault
	var objects []xmldoc.Element
	found, _ := j.findings(root)
	for _, f := range found {
		if f.Severity != rules.Fatal {
			continue
		}
		if objects == nil {
			objects = objectsOf(root)
		}
		fault := Fault{Code: j.codes[f.Rule], Rule: f.Rule, Text: f.Meaning, Object: objectAt(objects, f.Path), Path: f.Path, Line: f.Line}
		if fault.Code == "" { // too much to judge
			fault.Code = CodeDataset
		}
		out = append(out, fault)
	}
	return out
}

// Inspect checks a submission whole: by the rules of its edition, and for what cannot
// be read though no rule says so. Nil lists are the published ones.
func Inspect(root xmldoc.Element, lists *codes.Lists) ([]rulecheck.Finding, error) {
	j, err := newJudge(lists)
	if err != nil {
		return nil, err
	}
	found, d := j.findings(root)
	_, faults := Read(root)
	for _, f := range faults {
		told := slices.ContainsFunc(found, func(have rulecheck.Finding) bool {
			return have.Severity == rules.Fatal && have.Line == f.Line
		})
		if !told {
			found = append(found, rulecheck.Finding{Layer: rulecheck.LayerStructure, Edition: d.Edition, Severity: rules.Fatal, Path: f.Path, Line: f.Line, Column: 1, Meaning: f.Text})
		}
	}
	return found, nil
}

// objectsOf are the registry objects in document order.
func objectsOf(root xmldoc.Element) []xmldoc.Element {
	var out []xmldoc.Element
	for list := range root.All(rim.RIM("RegistryObjectList")) {
		for o := range list.All(rim.RIM("RegistryObject")) {
			out = append(out, o)
		}
	}
	return out
}

// objectAt is the id of the object that a path leads to or through.
func objectAt(objects []xmldoc.Element, path string) string {
	_, rest, ok := strings.Cut(path, "RegistryObjectList/")
	if !ok {
		return ""
	}
	step, _, _ := strings.Cut(rest, "/")
	n := 1
	if _, place, many := strings.Cut(step, "["); many {
		n, _ = strconv.Atoi(strings.TrimSuffix(place, "]"))
	}
	if n < 1 || n > len(objects) {
		return ""
	}
	if id := attr(objects[n-1], "id"); rim.IsURN(id) {
		return id
	}
	return ""
}
