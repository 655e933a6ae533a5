package schemas_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"oncegate/schemas"
	"oncegate/schemas/canon"
)

// samples is one file of testdata. A bad one is the first good one with places
// set or dropped (JSON pointers) and says which rule must name the fault.
type samples struct {
	Good []struct {
		Name string
		Doc  json.RawMessage
	}
	Bad []struct {
		Name string
		Set  map[string]any
		Drop []string
		Want string
	}
}

func TestSamples(t *testing.T) {
	for name, check := range contracts() {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			var s samples
			if err := json.Unmarshal(data, &s); err != nil {
				t.Fatal(err)
			}
			if len(s.Good) == 0 || len(s.Bad) == 0 {
				t.Fatal("want good and bad samples")
			}
			for _, g := range s.Good {
				if err := check(g.Doc); err != nil {
					t.Errorf("good %q: %v", g.Name, err)
				}
			}
			for _, b := range s.Bad {
				var doc any
				if err := json.Unmarshal(s.Good[0].Doc, &doc); err != nil {
					t.Fatal(err)
				}
				for at, v := range b.Set {
					doc = change(t, doc, at, func(m map[string]any, key string) { m[key] = v }, v)
				}
				for _, at := range b.Drop {
					doc = change(t, doc, at, func(m map[string]any, key string) { delete(m, key) }, nil)
				}
				changed, err := json.Marshal(doc)
				if err != nil {
					t.Fatal(err)
				}
				err = check(changed)
				f, ok := errors.AsType[*canon.Fault](err)
				if !ok || f.Code != canon.CodeMessageInvalid || f.Kind != canon.Invalid {
					t.Errorf("bad %q: %v, want a fault with %s", b.Name, err, canon.CodeMessageInvalid)
					continue
				}
				if !strings.Contains(f.Detail, b.Want) {
					t.Errorf("bad %q: %q does not name %q", b.Name, f.Detail, b.Want)
				}
				for _, value := range []string{"Aino", "Testi", "1990", "javascript", "JVBERi0"} {
					if strings.Contains(err.Error(), value) {
						t.Errorf("bad %q: the error quotes the document: %v", b.Name, err)
					}
				}
			}
		})
	}
}

// contracts names every schema that judges documents.
func contracts() map[string]func([]byte) error {
	out := make(map[string]func([]byte) error)
	for _, k := range schemas.Kinds() {
		out[string(k)] = func(doc []byte) error { return schemas.Validate(k, doc) }
		if schemas.PrivateDocument(k) != nil {
			out[string(k)+".private"] = func(doc []byte) error { return schemas.ValidatePrivate(k, doc) }
		}
	}
	return out
}

// change applies f to the object that holds the last token of the pointer.
func change(t *testing.T, doc any, at string, f func(map[string]any, string), whole any) any {
	t.Helper()
	if at == "" {
		return whole
	}
	tokens := strings.Split(at, "/")[1:]
	here := doc
	for _, tok := range tokens[:len(tokens)-1] {
		switch h := here.(type) {
		case map[string]any:
			here = h[tok]
		case []any:
			i, err := strconv.Atoi(tok)
			if err != nil || i >= len(h) {
				t.Fatalf("%s: no such place", at)
			}
			here = h[i]
		}
	}
	m, ok := here.(map[string]any)
	if !ok {
		t.Fatalf("%s: no such place", at)
	}
	f(m, tokens[len(tokens)-1])
	return doc
}

func TestDocuments(t *testing.T) {
	for _, k := range canon.Kinds() {
		doc := schemas.Document(k)
		var head struct {
			Schema string `json:"$schema"`
			ID     string `json:"$id"`
		}
		if err := json.Unmarshal(doc, &head); err != nil {
			t.Errorf("%s: %v", k, err)
			continue
		}
		if head.Schema != "https://json-schema.org/draft/2020-12/schema" || head.ID != schemas.ID(k) {
			t.Errorf("%s: head %+v, want 2020-12 and %s", k, head, schemas.ID(k))
		}
	}
	if schemas.Document("evidence.request.v9") != nil {
		t.Error("an unknown kind has a document")
	}
	if !json.Valid(schemas.Parts()) {
		t.Error("the parts are not JSON")
	}
}

func TestNotADocument(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	tests := map[string]string{
		"":                             "not JSON",
		"{":                            "not JSON",
		"nul":                          "not JSON",
		`{"timer":"T1",}`:              "not JSON",
		`{"timer":"T1","timer":"T1"}`:  "stands twice",
		`{"timer":"T1"} {}`:            "more than one",
		`{"timer":"T1"}}`:              "more than one",
		`{"timer":"T1"}]`:              "more than one",
		"{\"timer\":\"T\xff\"}":        "not UTF-8",
		deep:                           "nested deeper",
		`[` + strings.Repeat("[", 1e5): "nested deeper",
		`null`:                         "(root): type: object",
	}
	for doc, want := range tests {
		err := schemas.Validate(canon.KindDeadline, []byte(doc))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", doc, err, want)
		}
	}
	err := schemas.Validate(canon.KindDeadline, make([]byte, schemas.MaxDocument+1))
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("too large: %v", err)
	}
	for _, k := range []canon.Kind{"", "nothing.v1", "../parts.v1", "parts.v1"} {
		if err := schemas.Validate(k, []byte("{}")); err == nil {
			t.Errorf("kind %q was judged", k)
		}
	}
	if err := schemas.ValidatePrivate(canon.KindAudit, []byte("{}")); err == nil {
		t.Error("a private part was allowed where there is none")
	}
}

func TestManyFaultsAreBounded(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`{"exchange":"x","decisions":[`)
	for i := range 90 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"document":"%d","approved":%d}`, i, i)
	}
	b.WriteString("]}")
	err := schemas.Validate(canon.KindConsentDecision, b.Bytes())
	if err == nil || len(err.Error()) > 1000 || !strings.Contains(err.Error(), "more") {
		t.Errorf("error %v, want a short one that says there is more", err)
	}
}

// FuzzValidate: what is valid can be decoded into canon and is the same again.
func FuzzValidate(f *testing.F) {
	kinds := schemas.Kinds()
	for i, k := range kinds {
		data, err := os.ReadFile(filepath.Join("testdata", string(k)+".json"))
		if err != nil {
			f.Fatal(err)
		}
		var s samples
		if err := json.Unmarshal(data, &s); err != nil {
			f.Fatal(err)
		}
		for _, g := range s.Good {
			f.Add(i, []byte(g.Doc))
		}
	}
	f.Fuzz(func(t *testing.T, i int, doc []byte) {
		if i < 0 {
			i = -(i + 1)
		}
		kind := kinds[i%len(kinds)]
		if schemas.Validate(kind, doc) != nil {
			return
		}
		body, err := canon.UnmarshalBody(kind, doc, func(canon.Box) ([]byte, error) { return nil, canon.ErrForgotten })
		if err != nil {
			// Form cannot say that base64 is whole, or a date within Go's years.
			t.Skip(err)
		}
		again, err := canon.MarshalBody(body, nil)
		if err != nil {
			t.Fatalf("decoded and not encoded: %v", err)
		}
		if err := schemas.Validate(kind, again); err != nil {
			t.Fatalf("encoded again it is invalid: %v\n%s\n%s", err, doc, again)
		}
	})
}

// BenchmarkValidate checks a document, beside decoding it without any check.
func BenchmarkValidate(b *testing.B) {
	for _, k := range []canon.Kind{canon.KindEvidenceRequest, canon.KindDeadline} {
		data, err := os.ReadFile(filepath.Join("testdata", string(k)+".json"))
		if err != nil {
			b.Fatal(err)
		}
		var s samples
		if err := json.Unmarshal(data, &s); err != nil {
			b.Fatal(err)
		}
		var doc bytes.Buffer
		if err := json.Compact(&doc, s.Good[0].Doc); err != nil {
			b.Fatal(err)
		}
		b.Run(string(k), func(b *testing.B) {
			b.SetBytes(int64(doc.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if err := schemas.Validate(k, doc.Bytes()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(string(k)+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(doc.Len()))
			b.ReportAllocs()
			for b.Loop() {
				var v any
				if err := json.Unmarshal(doc.Bytes(), &v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
