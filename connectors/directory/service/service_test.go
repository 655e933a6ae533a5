package service

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/directory/answers"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/codes"
)

const base = "https://directory.example"

func loader() Loader { return Loader{Lists: codes.Default(), Base: base} }

// deployed is the sample data.
func deployed(t *testing.T) *Source {
	t.Helper()
	return open(t, filepath.Join("..", "..", "..", "deploy", "directory"))
}

func open(t *testing.T, path string) *Source {
	t.Helper()
	s, err := Open(SourceConfig{Loader: loader(), Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func handler(t *testing.T, c Config) *Handler {
	t.Helper()
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ask sends a query and returns the answer's root.
func ask(t *testing.T, h http.Handler, path, accept string, params url.Values) (xmldoc.Element, []byte) {
	t.Helper()
	req := httptest.NewRequestWithContext(context.Background(), http.MethodGet, path+"?"+params.Encode(), nil)
	if accept != "" {
		req.Header.Set("Accept-Version", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/x-ebrs+xml" {
		t.Fatalf("status %d, type %q", res.StatusCode, res.Header.Get("Content-Type"))
	}
	sum := sha256.Sum256(body)
	if got, want := res.Header.Get("Digest"), "SHA-256="+base64.StdEncoding.EncodeToString(sum[:]); got != want {
		t.Errorf("digest %q, want %q", got, want)
	}
	doc, err := xmldoc.ParseBytes(body, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return doc.Root(), body
}

const (
	birth     = "https://sr.oots.tech.ec.europa.eu/requirements/0b5d6f0e-5a40-4c52-9a39-40d1a5c0e001"
	residence = "https://sr.oots.tech.ec.europa.eu/requirements/0b5d6f0e-5a40-4c52-9a39-40d1a5c0e002"
	school    = "https://sr.oots.tech.ec.europa.eu/requirements/0b5d6f0e-5a40-4c52-9a39-40d1a5c0e004"
	typeES    = "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/ES/"
	birthES   = typeES + "6c2f1c0e-4b7a-4d53-9a86-0f1d7e5b3a01"
	livesES   = typeES + "2d9a7f44-5c1b-4e0d-8b32-7a6c9e1f4b02"
	tradeFI   = "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/FI/d3b5e8a1-0c66-4f7e-8c24-1b7a6c3d0021"
	region    = "9be524c1-6efe-417a-974c-088f54f0e001"
	clubFI    = "9be524c1-6efe-417a-974c-088f54f0e021"
)

// outline tells an answer in a few words: code and detail of an exception, or
// what is in it.
func outline(root xmldoc.Element) string {
	var out []string
	for e := range root.Descendants() {
		attr := func(name string) string { s, _ := e.Attr(xmldoc.Name{Local: name}); return s }
		switch e.Name().Local {
		case "Exception":
			out = append(out, attr("code")+" "+attr("detail"))
		case "Requirement", "EvidenceTypeList", "AccessService", "Publisher", "EvidenceProviderClassification", "ReferenceFramework":
			id := e.First().Text()
			out = append(out, e.Name().Local[:1]+":"+id[strings.LastIndexByte(id, '/')+1:])
		case "EvidenceType":
			out = append(out, "t:"+e.First().Text()[len(e.First().Text())-2:])
		case "MatchType", "JurisdictionLevel":
			out = append(out, e.Text())
		}
	}
	return strings.Join(out, " ")
}

func TestQueries(t *testing.T) {
	h := handler(t, Config{Source: deployed(t)})
	const v2, v12 = "oots-cs:v2.0", "oots-cs:v1.2"
	dsd := func(more ...string) []string {
		return append([]string{"queryId", QueryDataServices}, more...)
	}
	tests := []struct {
		name, accept string
		params       []string
		want         string
	}{
		{"requirements of a procedure in a country", v2, []string{"queryId", QueryRequirements, "procedure-id", "T2", "country-code", "SI"},
			"R:0b5d6f0e-5a40-4c52-9a39-40d1a5c0e001 R:4a1e0d6c-0c55-4a5e-9a52-61f7c6a3e011 R:0b5d6f0e-5a40-4c52-9a39-40d1a5c0e004 R:4a1e0d6c-0c55-4a5e-9a52-61f7c6a3e011"},
		{"only those that somebody proves", v2, []string{"queryId", QueryRequirements, "procedure-id", "V1", "return-incomplete", "false"},
			"R:0b5d6f0e-5a40-4c52-9a39-40d1a5c0e002 R:4a1e0d6c-0c55-4a5e-9a52-61f7c6a3e012"},
		{"none for a procedure", v2, []string{"queryId", QueryRequirements, "procedure-id", "W1"}, "EB:ERR:0001 EMPTY_RESULT"},
		{"unknown procedure", v2, []string{"queryId", QueryRequirements, "procedure-id", "t2"}, "EB:ERR:0005 procedure-id"},
		{"unknown country", v2, []string{"queryId", QueryRequirements, "country-code", "GR"}, "EB:ERR:0006 country-code"},
		{"level of 1.x in 2.0", v2, []string{"queryId", QueryRequirements, "jurisdiction-admin-l2", "ES3"}, "EB:ERR:0003 jurisdiction-admin-l2"},
		{"level of 1.x that is none", v12, []string{"queryId", QueryRequirements, "jurisdiction-admin-l2", "es3"}, "EB:ERR:0004 jurisdiction-admin-l2, jurisdiction-admin-l3"},
		{"unknown parameter", v2, []string{"queryId", QueryRequirements, "procedure", "T2"}, "EB:ERR:0003 unknown parameter"},
		{"unknown query", v2, []string{"queryId", "urn:other"}, "EB:ERR:0007 queryId"},
		{"query of the other service", v2, []string{"queryId", QueryDataServices}, "EB:ERR:0007 queryId"},
		{"no query", v2, nil, "EB:ERR:0003 queryId"},

		{"evidence types go together or are alternatives", v2, []string{"queryId", QueryEvidenceTypes, "requirement-id", school, "country-code", "SI"},
			"R:0b5d6f0e-5a40-4c52-9a39-40d1a5c0e004 R:4a1e0d6c-0c55-4a5e-9a52-61f7c6a3e011 E:7d0c6f5e-2f4a-4b6e-8a53-0d9e3b1fe011 t:11 t:12 E:7d0c6f5e-2f4a-4b6e-8a53-0d9e3b1fe012 t:13"},
		{"a country that knows that it has none", v2, []string{"queryId", QueryEvidenceTypes, "requirement-id", residence, "country-code", "FI"},
			"R:0b5d6f0e-5a40-4c52-9a39-40d1a5c0e002 R:4a1e0d6c-0c55-4a5e-9a52-61f7c6a3e012 E:7d0c6f5e-2f4a-4b6e-8a53-0d9e3b1fe022 NoMatch"},
		{"... which 1.2 cannot say", v12, []string{"queryId", QueryEvidenceTypes, "requirement-id", residence, "country-code", "FI"}, "EB:ERR:0001 EMPTY_RESULT"},
		{"a country that says nothing", v2, []string{"queryId", QueryEvidenceTypes, "requirement-id", birth, "country-code", "DE"}, "EB:ERR:0001 EMPTY_RESULT"},
		{"requirement missing", v2, []string{"queryId", QueryEvidenceTypes}, "EB:ERR:0003 requirement-id"},
		{"requirement unknown", v2, []string{"queryId", QueryEvidenceTypes, "requirement-id", birth[:len(birth)-1] + "9"}, "EB:ERR:0002 requirement-id"},
		{"country of evidence unknown", v2, []string{"queryId", QueryEvidenceTypes, "requirement-id", birth, "country-code", "XX"}, "EB:ERR:0003 country-code"},

		{"data services", v2, dsd("evidence-type-classification", birthES, "country-code", "ES"), "A:AP_ES_TEST P:test-civil-register"},
		{"of a version", v2, dsd("evidence-type-classification", birthES, "country-code", "ES", "specification", "oots-edm:v1.2"), "A:AP_ES_TEST P:test-civil-register"},
		{"of a version that nobody speaks", v2, dsd("evidence-type-classification", birthES, "country-code", "ES", "specification", "oots-edm:v3.0"), "DSD:ERR:0001 DS_NOT_FOUND"},
		{"in another country", v2, dsd("evidence-type-classification", birthES, "country-code", "SI"), "DSD:ERR:0001 DS_NOT_FOUND"},
		{"evidence type unknown", v2, dsd("evidence-type-classification", typeES+"6c2f1c0e-4b7a-4d53-9a86-0f1d7e5b3a99", "country-code", "ES"), "DSD:ERR:0002 evidence-type-classification"},
		{"country missing", v2, dsd("evidence-type-classification", birthES), "DSD:ERR:0003 country-code"},
		{"evidence type of no repository", v2, dsd("evidence-type-classification", "https://other.example/x", "country-code", "ES"), "DSD:ERR:0003 evidence-type-classification"},
		{"country twice", v2, dsd("evidence-type-classification", birthES, "country-code", "ES", "country-code", "FI"), "DSD:ERR:0003 country-code"},
		{"question", v2, dsd("evidence-type-classification", livesES, "country-code", "ES"), "DSD:ERR:0005 UserRequestedClassificationConcepts E:" + region},
		{"answered", v2, dsd("evidence-type-classification", livesES, "country-code", "ES", "evidence-type-id", "2d9a7f44-5c1b-4e0d-8b32-7a6c9e1f4b02", region, "SOUTH"),
			"A:AP_ES_TEST P:test-population-register-south E:" + region},
		{"answered with what is not in the list", v2, dsd("evidence-type-classification", livesES, "country-code", "ES", region, "EAST"), "DSD:ERR:0006 " + region},
		{"answered for another service", v2, dsd("evidence-type-classification", livesES, "country-code", "ES", "evidence-type-id", "6c2f1c0e-4b7a-4d53-9a86-0f1d7e5b3a01", region, "SOUTH"), "DSD:ERR:0006 evidence-type-id"},
		{"yes and no", v2, dsd("evidence-type-classification", tradeFI, "country-code", "FI", clubFI, "1"), "A:AP_FI_TEST P:test-register-of-associations E:" + clubFI},
		{"neither yes nor no", v2, dsd("evidence-type-classification", tradeFI, "country-code", "FI", clubFI, "maybe"), "DSD:ERR:0006 " + clubFI},
		{"question of another evidence type", v2, dsd("evidence-type-classification", birthES, "country-code", "ES", region, "NORTH"), "DSD:ERR:0003 unknown parameter"},
		{"1.0 sees who speaks 1.0", "", dsd("evidence-type-classification", birthES, "country-code", "ES"), "A:AP_ES_TEST P:test-civil-register"},
		{"1.0 sees nobody else", "", dsd("evidence-type-classification", tradeFI, "country-code", "FI", clubFI, "true"), "DSD:ERR:0001 DS_NOT_FOUND"},
		{"newest that is shared", "oots-cs:v9.0, oots-cs:v1.2", dsd("evidence-type-classification", birthES, "country-code", "ES"), "A:AP_ES_TEST P:test-civil-register"},
		{"nothing shared", "oots-cs:v9.0", dsd("evidence-type-classification", birthES, "country-code", "ES"), "DSD:ERR:0003 Accept-Version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := "/eb/rest/search"
			params := url.Values{}
			for i := 0; i < len(tt.params); i += 2 {
				params.Add(tt.params[i], tt.params[i+1])
			}
			if params.Get("queryId") == QueryDataServices && !strings.HasPrefix(tt.name, "query of the other") {
				path = "/dsd/rest/search"
			}
			root, _ := ask(t, h, path, tt.accept, params)
			out := outline(root)
			if out != tt.want {
				// the order of concepts in and behind providers does not matter here
				trimmed := strings.ReplaceAll(out, " C:"+region, "")
				if trimmed != tt.want {
					t.Errorf("got  %s\nwant %s", out, tt.want)
				}
			}
		})
	}
}

func TestCodeList(t *testing.T) {
	h := handler(t, Config{Source: deployed(t)})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/dsd/rest/codelists/ES/regions", nil))
	doc, err := xmldoc.ParseBytes(w.Body.Bytes(), xmldoc.Limits{})
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %v\n%s", w.Code, err, w.Body)
	}
	var got []string
	for e := range doc.Root().Descendants() {
		if e.Name().Local == "SimpleValue" {
			got = append(got, e.Text())
		}
	}
	if want := "NORTH,Northern provinces,Provincias del norte,SOUTH,Southern provinces,Provincias del sur"; strings.Join(got, ",") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ","), want)
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/dsd/rest/codelists/ES/other", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("unknown list: %d", w.Code)
	}
}

// TestEveryCode draws every code of the lists, with its type and severity as the
// lists have them.
func TestEveryCode(t *testing.T) {
	h := handler(t, Config{Source: deployed(t)})
	const v2, v12 = "oots-cs:v2.0", "oots-cs:v1.2"
	tests := map[string]struct {
		accept, path string
		params       []string
	}{
		codeEBEmpty:       {v2, "/eb", []string{"queryId", QueryRequirements, "procedure-id", "W1"}},
		codeEBRequirement: {v2, "/eb", []string{"queryId", QueryEvidenceTypes, "requirement-id", birth[:len(birth)-1] + "9"}},
		codeEBParameters:  {v2, "/eb", nil},
		codeEBLevel:       {v12, "/eb", []string{"queryId", QueryRequirements, "jurisdiction-admin-l2", "x"}},
		codeEBProcedure:   {v2, "/eb", []string{"queryId", QueryRequirements, "procedure-id", "x"}},
		codeEBCountry:     {v2, "/eb", []string{"queryId", QueryRequirements, "country-code", "x"}},
		codeEBQuery:       {v2, "/eb", []string{"queryId", "x"}},
		codeDSDEmpty:      {v2, "/dsd", []string{"queryId", QueryDataServices, "evidence-type-classification", birthES, "country-code", "SI"}},
		codeDSDType:       {v2, "/dsd", []string{"queryId", QueryDataServices, "evidence-type-classification", birthES[:len(birthES)-1] + "9", "country-code", "ES"}},
		codeDSDParameters: {v2, "/dsd", nil},
		codeDSDQuery:      {v2, "/dsd", []string{"queryId", QueryRequirements}},
		codeDSDInput:      {v2, "/dsd", []string{"queryId", QueryDataServices, "evidence-type-classification", livesES, "country-code", "ES"}},
		codeDSDValue:      {v2, "/dsd", []string{"queryId", QueryDataServices, "evidence-type-classification", livesES, "country-code", "ES", region, "x"}},
	}
	for _, list := range []string{"EBErrorCodes", "DSDErrorCodes"} {
		for _, code := range codes.Default().Codes(list) {
			tt, ok := tests[code]
			if !ok {
				t.Errorf("no query draws %s", code)
				continue
			}
			params := url.Values{}
			for i := 0; i < len(tt.params); i += 2 {
				params.Set(tt.params[i], tt.params[i+1])
			}
			root, _ := ask(t, h, tt.path+"/rest/search", tt.accept, params)
			a, err := answers.Read(root)
			if err != nil || len(a.Exceptions) != 1 {
				t.Fatalf("%s: %v %+v", code, err, a.Exceptions)
			}
			x, want := a.Exceptions[0], codesEntry(t, list, code)
			if x.Code != code || "rs:"+x.Type != want.Type || x.Severity != want.Severity || x.Message != want.Name || x.Detail == "" {
				t.Errorf("%s: got %+v, want %+v", code, x, want)
			}
		}
	}
}

func codesEntry(t *testing.T, list, code string) codes.Entry {
	t.Helper()
	e, ok := codes.Default().Entry(list, code)
	if !ok {
		t.Fatalf("%s has no %s", list, code)
	}
	return e
}
