package evidence_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/evidence"
	"oncegate/connectors/pdf"
	"oncegate/connectors/xmldoc"
	"oncegate/connectors/xsd"
	"oncegate/schemas/canon"
	"oncegate/schemas/records"
)

var update = flag.Bool("update", false, "write the goldens")

func TestData(t *testing.T) {
	if err := evidence.Check(); err != nil {
		t.Fatal(err)
	}
	for _, typ := range records.Types() {
		if _, ok := evidence.Type(typ); !ok {
			t.Errorf("no evidence of type %s", typ)
		}
	}
	if _, ok := evidence.Type("weather"); ok {
		t.Error("evidence of the weather")
	}
}

// example is the example of schemas/records.
func example(t testing.TB, typ string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../schemas/records/testdata", typ+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func kind(t testing.TB, typ string) *evidence.Kind {
	t.Helper()
	k, ok := evidence.Type(typ)
	if !ok {
		t.Fatal(evidence.Check())
	}
	return k
}

func facts() evidence.Facts {
	return evidence.Facts{
		Evidence: "6c2f1c0e-4b7a-4d53-9a86-0f1d7e5b3a01", IssuedOn: "2026-03-02", Languages: []string{"ES"},
		Titles:  []canon.Text{{Lang: "ES", Text: "Certificado (prueba)"}, {Lang: "EN", Text: "Certificate (test)"}},
		Issuer:  []canon.Text{{Lang: "EN", Text: "Register (test)"}},
		Mapping: "births@0123456789ab", Made: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC),
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, d)
	}
}

// TestDocument: the evidence of the examples, as it has been published.
func TestDocument(t *testing.T) {
	for _, typ := range records.Types() {
		text, err := kind(t, typ).Document(example(t, typ))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, typ+".xml", text)
	}
}

// TestText: what people read, in each language.
func TestText(t *testing.T) {
	for i, typ := range records.Types() {
		language := evidence.Languages()[i%len(evidence.Languages())]
		text, err := kind(t, typ).Text(example(t, typ), language)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, typ+"."+strings.ToLower(language)+".txt", []byte(text))
	}
}

// TestSchema: what Document makes keeps evidence.xsd, judged by libxml2.
func TestSchema(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, evidence.Files()); err != nil {
		t.Fatal(err)
	}
	for _, typ := range records.Types() {
		for name, record := range map[string][]byte{"example": example(t, typ), "full": full(t, typ).json(t)} {
			doc, err := kind(t, typ).Document(record)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, typ+".xml")
			if err := os.WriteFile(file, doc, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), xmllint, "--nonet", "--noout", "--schema", filepath.Join(dir, typ, "evidence.xsd"), file).CombinedOutput()
			if err != nil {
				t.Errorf("%s %s: %v\n%s", typ, name, err, out)
			}
		}
	}
}

// A maximal record has every field of its schema, each with a value of its own.
type maximal struct {
	value map[string]any
	texts map[string]string // by path: what must be found in the documents
}

func (m maximal) json(t *testing.T) []byte {
	t.Helper()
	text, err := json.Marshal(m.value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func full(t *testing.T, typ string) maximal {
	t.Helper()
	m := maximal{map[string]any{}, map[string]string{}}
	for i, f := range records.Fields(typ) {
		var v any
		text := fmt.Sprint(100 + i)
		switch {
		case f.Path == "kind" || f.Shape == records.Object:
			continue
		case len(f.Words) > 0:
			v, text = f.Words[0], ""
		case f.Of == "country" || f.Of == "language":
			v = []string{"SI", "ES", "FI", "IT", "NL", "DE", "FR"}[i%7]
			text = ""
		case f.Of == "currency":
			v, text = "RON", ""
		case f.Of == "time":
			v = fmt.Sprintf("%02d:%02d", i%24, i%60)
			text = v.(string)
		case f.Shape == records.Date:
			text = fmt.Sprint(1700 + i)
			v = text + "-02-03"
		case f.Shape == records.Partial || strings.HasSuffix(f.Path, ".year"):
			text = fmt.Sprint(1700 + i)
			v = text
		case strings.HasSuffix(f.Path, "ects"):
			v, text = "FX", "FX"
		case strings.HasSuffix(f.Path, "fieldCode"):
			v, text = "0612", "0612"
		case strings.HasSuffix(f.Path, "eqfLevel") || strings.HasSuffix(f.Path, "iscedLevel"):
			v, text = json.Number("7"), "7"
		case f.Shape == records.Integer || f.Shape == records.Number:
			v = json.Number(text)
		case f.Shape == records.Boolean:
			v, text = true, ""
		default:
			text = fmt.Sprintf("v%dx", i)
			v = text
		}
		m.set(f.Path, v)
		m.texts[f.Path] = text
	}
	return m
}

// set writes one value at a path, through lists of one item; spouses are two.
func (m maximal) set(path string, v any) {
	at := m.value
	names := strings.Split(path, ".")
	for i, name := range names {
		name, isList := strings.CutSuffix(name, "[]")
		last := i == len(names)-1
		switch {
		case last && isList:
			at[name] = []any{v}
		case last:
			at[name] = v
		case isList:
			items, _ := at[name].([]any)
			if len(items) == 0 {
				items = append(items, map[string]any{})
			}
			if name == "spouses" && len(items) == 1 {
				items = append(items, map[string]any{"familyName": "Druga"})
			}
			at[name] = items
			at, _ = items[0].(map[string]any)
		default:
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at, _ = at[name].(map[string]any)
		}
	}
}

// TestNothingIsLost: every field of a record stands in its XML and on its pages.
func TestNothingIsLost(t *testing.T) {
	for _, typ := range records.Types() {
		m := full(t, typ)
		record := m.json(t)
		doc, err := kind(t, typ).Document(record)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := xmldoc.ParseBytes(doc, xmldoc.Limits{}); err != nil {
			t.Fatal(err)
		}
		for _, language := range evidence.Languages() {
			text, err := kind(t, typ).Text(record, language)
			if err != nil {
				t.Fatal(err)
			}
			for path, want := range m.texts {
				if !bytes.Contains(doc, []byte(want)) {
					t.Errorf("%s: %s is not in the XML", typ, path)
				}
				if !strings.Contains(text, want) {
					t.Errorf("%s: %s is not on the page in %s", typ, path, language)
				}
			}
		}
	}
}

func TestPage(t *testing.T) {
	for _, typ := range records.Types() {
		for _, language := range evidence.Languages() {
			a, err := kind(t, typ).Page(example(t, typ), facts(), language)
			if err != nil {
				t.Fatalf("%s %s: %v", typ, language, err)
			}
			if typ != "birth" {
				break // one language each, all of them for one
			}
			b, err := kind(t, typ).Page(example(t, typ), facts(), language)
			if err != nil || !bytes.Equal(a, b) {
				t.Errorf("%s %s: the same record and facts gave other bytes (%v)", typ, language, err)
			}
		}
	}
	if _, err := kind(t, "birth").Page(example(t, "birth"), facts(), "XX"); !errors.Is(err, evidence.ErrNoLanguage) {
		t.Errorf("a page in no language: %v", err)
	}
	if _, err := kind(t, "birth").Page([]byte(`{"person":`), facts(), "EN"); err == nil {
		t.Error("a page of a broken record")
	}
}

// TestFilesAreOpen: whoever receives evidence can read what it means.
func TestFilesAreOpen(t *testing.T) {
	for _, typ := range records.Types() {
		for _, name := range []string{"evidence.xsd", "evidence.yaml", "page.yaml"} {
			if _, err := fs.Stat(evidence.Files(), typ+"/"+name); err != nil {
				t.Error(err)
			}
		}
	}
}

func BenchmarkPage(b *testing.B) {
	k, record, f := kind(b, "birth"), example(b, "birth"), facts()
	size := 0
	for b.Loop() {
		out, err := k.Page(record, f, "SL")
		if err != nil {
			b.Fatal(err)
		}
		size = len(out)
	}
	b.ReportMetric(float64(size), "bytes/pdf")
}

func BenchmarkDocument(b *testing.B) {
	k, record := kind(b, "birth"), example(b, "birth")
	for b.Loop() {
		if _, err := k.Document(record); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSchemasCompile: the XSD of every type is read by the engine of ours as well,
// and says yes to what is made.
func TestSchemasCompile(t *testing.T) {
	for _, typ := range records.Types() {
		schema, err := xsd.Compile(xsd.Config{FS: evidence.Files(), Root: typ + "/evidence.xsd"})
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		for name, record := range map[string][]byte{"example": example(t, typ), "full": full(t, typ).json(t)} {
			text, err := kind(t, typ).Document(record)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			for _, finding := range schema.Validate(doc.Root()) {
				t.Errorf("%s %s: %v", typ, name, finding)
			}
		}
		doc, err := xmldoc.ParseBytes([]byte(`<x xmlns="urn:oncegate:evidence:`+typ+`:1"/>`), xmldoc.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if len(schema.Validate(doc.Root())) == 0 {
			t.Errorf("%s: the schema takes anything", typ)
		}
	}
}

// TestJudged: veraPDF finds the pages of all types to be PDF/UA-1 and PDF/A-2a.
func TestJudged(t *testing.T) {
	peer := os.Getenv("ONCEGATE_TEST_PDF")
	if peer == "" {
		t.Skip("ONCEGATE_TEST_PDF does not name the judge; make test-interop does")
	}
	dir := t.TempDir()
	args := []string{"-cp", filepath.Join(peer, "peer.jar") + ":" + filepath.Join(peer, "lib", "*"), "Judge"}
	for i, typ := range records.Types() {
		for j, record := range [][]byte{example(t, typ), full(t, typ).json(t)} {
			page, err := kind(t, typ).Page(record, facts(), evidence.Languages()[(i+j)%len(evidence.Languages())])
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, fmt.Sprintf("%s-%d.pdf", typ, j))
			if err := os.WriteFile(file, page, 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, file)
		}
	}
	out, err := exec.CommandContext(t.Context(), "java", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := 4 * len(records.Types()); strings.Count(string(out), "\n") != want || strings.Count(string(out), " ok\n") != want {
		t.Errorf("the judge says:\n%s", out)
	}
}

// FuzzPage: whatever the record is, pages are made or refused.
func FuzzPage(f *testing.F) {
	for i, typ := range records.Types() {
		f.Add(uint8(i), example(f, typ))
	}
	f.Fuzz(func(t *testing.T, n uint8, record []byte) {
		typ := records.Types()[int(n)%len(records.Types())]
		_, err := kind(t, typ).Page(record, facts(), "SL")
		if err != nil && records.Validate(typ, record) == nil && !errors.Is(err, pdf.ErrTooLarge) {
			t.Errorf("a valid record has no pages: %v", err)
		}
		if _, err := kind(t, typ).Document(record); err != nil && records.Validate(typ, record) == nil {
			t.Errorf("a valid record has no document: %v", err)
		}
	})
}
