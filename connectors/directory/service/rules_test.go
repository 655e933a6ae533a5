package service

import (
	"net/url"
	"testing"

	"oncegate/connectors/rulecheck"
	"oncegate/schemas/codes"
	"oncegate/schemas/rules"
)

// TestAnswersKeepTheRules runs the business rules of each edition over the answers
// to all kinds of queries, good and bad.
func TestAnswersKeepTheRules(t *testing.T) {
	h := handler(t, Config{Source: deployed(t)})
	tests := []struct {
		doc    rules.Document
		params []string
	}{
		{rules.EBRequirements, []string{"queryId", QueryRequirements}},
		{rules.EBRequirements, []string{"queryId", QueryRequirements, "procedure-id", "T2", "country-code", "SI"}},
		{rules.EBEvidenceTypes, []string{"queryId", QueryEvidenceTypes, "requirement-id", school, "country-code", "SI"}},
		{rules.EBEvidenceTypes, []string{"queryId", QueryEvidenceTypes, "requirement-id", birth}},
		{rules.EBError, []string{"queryId", QueryEvidenceTypes}},
		{rules.EBError, []string{"queryId", QueryEvidenceTypes, "requirement-id", birth, "country-code", "DE"}},
		{rules.EBError, []string{"queryId", QueryRequirements, "procedure-id", "t2"}},
		{rules.EBError, []string{"queryId", QueryRequirements, "country-code", "GR"}},
		{rules.EBError, []string{"queryId", "x"}},
		{rules.DSDServices, []string{"queryId", QueryDataServices, "evidence-type-classification", birthES, "country-code", "ES"}},
		{rules.DSDServices, []string{"queryId", QueryDataServices, "evidence-type-classification", livesES, "country-code", "ES", region, "NORTH"}},
		{rules.DSDError, []string{"queryId", QueryDataServices, "evidence-type-classification", livesES, "country-code", "ES"}},
		{rules.DSDError, []string{"queryId", QueryDataServices, "evidence-type-classification", livesES, "country-code", "ES", region, "x"}},
		{rules.DSDError, []string{"queryId", QueryDataServices, "evidence-type-classification", birthES, "country-code", "SI"}},
		{rules.DSDError, []string{"queryId", QueryDataServices}},
	}
	for edition, accept := range map[string]string{"1.0": "", "1.2": "oots-cs:v1.2", "2.0": "oots-cs:v2.0"} {
		for _, tt := range tests {
			set, err := rulecheck.Rules(tt.doc, edition, codes.Default())
			if err != nil {
				t.Fatal(err)
			}
			v := url.Values{}
			for i := 0; i < len(tt.params); i += 2 {
				v.Set(tt.params[i], tt.params[i+1])
			}
			path := "/eb/rest/search"
			if v.Get("queryId") == QueryDataServices {
				path = "/dsd/rest/search"
			}
			root, body := ask(t, h, path, accept, v)
			for _, f := range set.Check(root) {
				if f.Severity == rules.Fatal {
					t.Errorf("%s %s: %s %s\n%s", edition, tt.doc, f.Rule, f.Path, body)
				}
			}
		}
	}
}
