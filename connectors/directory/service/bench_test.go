package service

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"testing"
)

// BenchmarkQuery measures a query from the request line to the unsigned answer.
func BenchmarkQuery(b *testing.B) {
	src, err := Open(SourceConfig{Loader: loader(), Path: filepath.Join("..", "..", "..", "deploy", "directory")})
	if err != nil {
		b.Fatal(err)
	}
	h, err := New(Config{Source: src})
	if err != nil {
		b.Fatal(err)
	}
	for name, v := range map[string]url.Values{
		"evidence-types": {"queryId": {QueryEvidenceTypes}, "requirement-id": {school}, "country-code": {"SI"}},
		"data-services":  {"queryId": {QueryDataServices}, "evidence-type-classification": {birthES}, "country-code": {"ES"}},
	} {
		r := httptest.NewRequest(http.MethodGet, "/rest/search?"+v.Encode(), nil)
		r.Header.Set("Accept-Version", "oots-cs:v2.0")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
