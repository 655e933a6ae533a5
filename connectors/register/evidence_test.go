package register_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/evidence"
	"oncegate/connectors/register"
	"oncegate/mapping"
	"oncegate/schemas/canon"
)

// abodes is a register that names a canonical record and no rules of evidence.
const abodes = `apiVersion: oncegate/v1
kind: Register
name: abodes
title: Abodes
country: FI
about: natural-person
evidence_type:
  id: 8c1f6b52-7d3e-4a90-b5c1-2e4d6f8a0098
  classification: https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/FI/8c1f6b52-7d3e-4a90-b5c1-2e4d6f8a0098
  titles: {EN: Residence}
  languages: [FI]
issuer: {scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:FI", id: test-abodes, names: {EN: Abodes (test)}}
transport: {kind: rest, method: POST, path: /abodes}
query:
  rules: [{to: Ask/Name, from: subject/natural/familyName}]
reply:
  hits: /Abode
  rules:
    - {to: person.familyName, from: Name}
    - {to: person.sex, from: Sex}
    - to: "addresses[]"
      each: Town
      rules: [{to: town, from: .}]
record: residence
supplements:
  - {role: HumanReadableVersion, page: canonical, titles: {EN: To read}, languages: [EN, SL]}
`

func loadAbodes(text string, samples map[string]string) (map[string]*register.Definition, error) {
	files := fstest.MapFS{"abodes/register.yaml": {Data: []byte(text)}}
	for name, content := range samples {
		files["abodes/testdata/"+name] = &fstest.MapFile{Data: []byte(content)}
	}
	return register.Load(files)
}

func askAbodes(t *testing.T, answer string) (*canon.RegisterRecord, map[string][]byte) {
	t.Helper()
	defs, err := loadAbodes(abodes, nil)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(reply(http.StatusOK, xmlType, []byte(answer)))
	t.Cleanup(server.Close)
	payloads := &heap{}
	c, err := register.New(defs["abodes"], register.Endpoint{URL: server.URL}, register.Config{Payloads: payloads, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ms, err := c.Handle(t.Context(), canon.Message{
		ID: "0b7e3c52-6a51-5d0e-9a55-6a1f2c3d4e04", Kind: canon.KindRegisterQuery, Conversation: "c-1", At: time.Date(2026, 5, 11, 8, 0, 0, 0, time.UTC),
		Body: &canon.RegisterQuery{Register: "abodes", Private: canon.Clear(canon.QueryPrivate{Subject: canon.Subject{Natural: &canon.NaturalPerson{FamilyName: "Testa"}}})},
	})
	rec := record(t, ms, err)
	docs := map[string][]byte{}
	for _, d := range rec.Documents {
		r, err := payloads.Open(t.Context(), "c-1", d.Payload)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		docs[d.Role+" "+d.Payload.MediaType+" "+strings.Join(d.Languages, ",")] = b.Bytes()
	}
	return rec, docs
}

// TestACanonicalRecordHasEvidenceAndPages without a rule of its own, the same on
// every repetition, and its version names what made them.
func TestACanonicalRecordHasEvidenceAndPages(t *testing.T) {
	rec, docs := askAbodes(t, `<Abode><Name>Näytteinen</Name><Town>Mallila</Town></Abode>`)
	if rec.Outcome != canon.RecordFound {
		t.Fatalf("outcome %s %s %s", rec.Outcome, rec.Code, rec.Detail)
	}
	kind, _ := evidence.Type("residence")
	if !strings.HasPrefix(rec.Mapping, "abodes@") || !strings.HasSuffix(rec.Mapping, "+"+kind.Version) {
		t.Errorf("version %s", rec.Mapping)
	}
	want := `<e:ResidenceEvidence xmlns:e="urn:oncegate:evidence:residence:1"><e:Person><e:FamilyName>Näytteinen</e:FamilyName></e:Person><e:Address><e:Town>Mallila</e:Town></e:Address></e:ResidenceEvidence>`
	if _, got, _ := strings.Cut(string(docs["MainEvidence application/xml FI"]), "?>\n"); got != want {
		t.Errorf("evidence %s", cmp.Diff(want, got))
	}
	_, again := askAbodes(t, `<Abode><Name>Näytteinen</Name><Town>Mallila</Town></Abode>`)
	for _, language := range []string{"EN", "SL"} {
		key := "HumanReadableVersion application/pdf " + language
		if !bytes.HasPrefix(docs[key], []byte("%PDF-")) {
			t.Errorf("no pages in %s", language)
		}
		if !bytes.Equal(docs[key], again[key]) {
			t.Errorf("the pages in %s differ when the query is handled again", language)
		}
	}
}

// TestARecordThatBreaksItsTypeIsInvalid: the place and the rule are named, no
// value is.
func TestARecordThatBreaksItsTypeIsInvalid(t *testing.T) {
	rec, _ := askAbodes(t, `<Abode><Name>Näytteinen</Name><Sex>Zaupno</Sex></Abode>`)
	if rec.Outcome != canon.RecordFailed {
		t.Fatalf("outcome %s", rec.Outcome)
	}
	for _, want := range []string{"record residence", "required: addresses", "/person/sex: enum: female, male"} {
		if !strings.Contains(rec.Detail, want) {
			t.Errorf("%q does not say %q", rec.Detail, want)
		}
	}
	if strings.Contains(rec.Detail, "Zaupno") {
		t.Errorf("%q holds a value", rec.Detail)
	}
}

func TestSamplesOfPages(t *testing.T) {
	samples := map[string]string{
		"found.reply.xml":   `<Abode><Name>Näytteinen</Name><Town>Mallila</Town></Abode>`,
		"found.record.json": `{"person": {"familyName": "Näytteinen"}, "addresses": [{"town": "Mallila"}]}`,
		"found.page.txt": "# Residence\n\nHuman-readable version, made by machine from the record of the register.\n\n" +
			"## Person\n\nFamily name | Näytteinen\n\n## Addresses\n\nAddress\nMallila\n",
	}
	check := func() (out []string) {
		defs, err := loadAbodes(abodes, samples)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range defs["abodes"].Samples() {
			word := "ok"
			if s.Err != nil {
				word = "differs"
			}
			out = append(out, s.Case+" "+s.Check+" "+word)
		}
		return out
	}
	if d := cmp.Diff([]string{"found reply ok", "found page EN ok", "found page SL ok", "found page.txt ok"}, check()); d != "" {
		t.Error(d)
	}
	samples["found.page.txt"] += "Helsinki\n"
	if got := check(); got[len(got)-1] != "found page.txt differs" {
		t.Error(got)
	}
}

func TestRecordsThatCannotBe(t *testing.T) {
	for _, tc := range []struct{ old, new, want string }{
		{"record: residence", "record: abode", "want one of birth, company"},
		{"record: residence", "evidence: canonical", "name its type under the key"},
		{"record: residence", "record: residence\nevidence: usual", "want canonical or rules"},
		{"record: residence\n", "", `missing key "evidence"`},
		{"record: residence\n", "evidence:\n  rules: [{to: A, from: kind}]\n", "pages are made of a canonical record"},
		{"languages: [EN, SL]", "languages: [EN, ZZ]", "pages are made in EN, SL"},
		{", languages: [EN, SL]", "", `missing key "languages"`},
		{"page: canonical", "page: usual", "canonical"},
		{"page: canonical", "page: canonical, content: /A", "page stands without rules and content"},
		{"page: canonical", "page: canonical, format: image/png", "pages are application/pdf"},
	} {
		_, err := loadAbodes(strings.Replace(abodes, tc.old, tc.new, 1), nil)
		if list, ok := err.(mapping.Errors); !ok || !strings.Contains(list.Render(), tc.want) { //nolint:errorlint // Load returns it bare
			t.Errorf("%s: got %v, want %q", tc.new, err, tc.want)
		}
	}
	// Rules of evidence may stand beside a canonical record.
	if _, err := loadAbodes(strings.Replace(abodes, "record: residence", "record: residence\nevidence:\n  rules: [{to: A, from: person/familyName}]", 1), nil); err != nil {
		t.Error(err)
	}
}
