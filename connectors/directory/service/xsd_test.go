package service

import (
	"bytes"
	"net/url"
	"testing"

	"oncegate/connectors/directory/schematest"
)

func TestAnswersKeepTheirSchema(t *testing.T) {
	h := handler(t, Config{Source: deployed(t)})
	var list []url.Values
	for _, s := range [][]string{
		{"queryId", QueryRequirements},
		{"queryId", QueryRequirements, "procedure-id", "T2", "country-code", "SI"},
		{"queryId", QueryEvidenceTypes, "requirement-id", school},
		{"queryId", QueryEvidenceTypes, "requirement-id", birth},
		{"queryId", QueryDataServices, "evidence-type-classification", birthES, "country-code", "ES"},
		{"queryId", QueryDataServices, "evidence-type-classification", livesES, "country-code", "ES"},
		{"queryId", QueryDataServices, "evidence-type-classification", livesES, "country-code", "ES", region, "NORTH"},
		{"queryId", QueryDataServices, "evidence-type-classification", tradeFI, "country-code", "FI", clubFI, "true"},
		{"queryId", QueryDataServices},
	} {
		v := url.Values{}
		for i := 0; i < len(s); i += 2 {
			v.Set(s[i], s[i+1])
		}
		list = append(list, v)
	}
	for edition, accept := range map[string]string{"1.0": "", "1.2": "oots-cs:v1.2", "2.0": "oots-cs:v2.0"} {
		var docs [][]byte
		for _, v := range list {
			if _, body := ask(t, h, "/rest/search", accept, v); !bytes.Contains(body, []byte("MatchType")) { // which no schema at hand has
				docs = append(docs, body)
			}
		}
		schematest.Check(t, edition, docs...)
	}
}
