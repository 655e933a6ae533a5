package codes

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"oncegate/schemas/assets"
)

// TestListsAreWhole reads every list.
func TestListsAreWhole(t *testing.T) {
	l := Default()
	want := map[string]int{
		"AgentClassification": 4, "AssociatedDocument": 3, "ConceptType": 4, "CountryIdentificationCode": 249, "DSDErrorCodes": 6,
		"EAS": 102, "EBErrorCodes": 7, "EDMErrorCodes": 8, "ErrorSeverity": 5, "EvidenceClassification": 4, "Gender": 3, "GenderEidas2": 8,
		"IdentifierSchemes": 7, "IdentityScheme": 2, "JurisdictionLevel": 5, "LCMErrorCodes": 3, "LanguageCode": 184,
		"LevelsOfAssurance": 3, "NUTS": 1845, "OOTSCountries": 31, "OOTSMediaTypes": 6, "OfficialLanguages": 26, "Procedures": 28,
	}
	got := make(map[string]int)
	for _, name := range l.Names() {
		got[name] = len(l.Codes(name))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("lists and their sizes (-want +got):\n%s", d)
	}
	for _, p := range Procedures() {
		if p.Title == "" || p.LifeEvent == "" {
			t.Errorf("procedure %s is not whole: %+v", p.Code, p)
		}
	}
	for _, list := range []string{"EDMErrorCodes", "EBErrorCodes", "DSDErrorCodes", "LCMErrorCodes"} {
		for _, code := range l.Codes(list) {
			e, _ := l.Entry(list, code)
			if e.Name == "" || !strings.HasSuffix(e.Type, "ExceptionType") || !l.Has("ErrorSeverity", e.Severity) {
				t.Errorf("%s is not whole: %+v", code, e)
			}
		}
	}
	for _, list := range []string{"OOTSCountries", "OfficialLanguages"} {
		within := map[string]string{"OOTSCountries": "CountryIdentificationCode", "OfficialLanguages": "LanguageCode"}[list]
		for _, code := range l.Codes(list) {
			if !l.Has(within, code) && code != "EU" {
				t.Errorf("%s %s is not of list %s", list, code, within)
			}
		}
	}
}

// Covers: B-001, B-009, B-011
func TestEveryProcedureHasItsLegalBasis(t *testing.T) {
	kinds := make(map[BasisKind][]string)
	rows := make(map[string]bool)
	for _, p := range Procedures() {
		kinds[p.Basis.Kind] = append(kinds[p.Basis.Kind], p.Code)
		if p.Basis.Kind == BasisAnnexII {
			rows[p.Basis.Provision] = true
		}
		if p.Test() != (p.Code == "00") {
			t.Errorf("procedure %s: test %v", p.Code, p.Test())
		}
	}
	if n := len(kinds[BasisAnnexII]); n != 21 || len(rows) != 21 {
		t.Errorf("%d procedures in %d rows of Annex II, want 21 in 21", n, len(rows))
	}
	delete(kinds, BasisAnnexII)
	want := map[BasisKind][]string{BasisDirective: {"AM1"}, BasisUnionAct: {"V5", "X7", "X9", "X10", "X11"}, BasisTest: {"00"}}
	if d := cmp.Diff(want, kinds); d != "" {
		t.Errorf("bases (-want +got):\n%s", d)
	}
	if p, _ := ProcedureOf("X10"); p.Basis.Act != "Regulation (EU) 2022/868" {
		t.Errorf("X10 rests on %q", p.Basis.Act)
	}
}

func TestLookup(t *testing.T) {
	l := Default()
	for _, c := range []struct {
		list, code string
		want       bool
	}{
		{"Procedures", "T3", true}, {"Procedures", "t3", false}, {"Procedures", "X8", false}, {"Procedures", "", false},
		{"Procedures", "R1S1", false}, {"Procedures", "T", false}, {"OOTSCountries", "EL", true}, {"OOTSCountries", "GR", false},
		{"CountryIdentificationCode", "XK", false}, {"CountryIdentificationCode", "AFG", false},
		{"LanguageCode", "FI", true}, {"LanguageCode", "fi", false}, {"LanguageCode", "FIN", false},
		{"LevelsOfAssurance", "http://eidas.europa.eu/LoA/high", false}, {"LevelsOfAssurance", "LowSubstantial", false},
		{"NUTS", "AT130", true}, {"NUTS", "AT1300", false}, {"EAS", "0192", true}, {"EAS", "192", false},
		{"Weather", "rain", false}, {"", "", false},
	} {
		if got := l.Has(c.list, c.code); got != c.want {
			t.Errorf("%s has %q: %v, want %v", c.list, c.code, got, c.want)
		}
	}
	if l.Codes("Weather") != nil {
		t.Error("a list that does not exist has codes")
	}
	if e, ok := l.Entry("Weather", "rain"); ok || e != (Entry{}) {
		t.Errorf("a list that does not exist knows %+v", e)
	}
	l.Codes("Gender")[0] = "changed"
	if !l.Has("Gender", "Male") {
		t.Error("a caller changed the list")
	}
	if c, ok := CountryOf("EL"); !ok || c.Name != "Greece" {
		t.Errorf("EL = %+v, %v", c, ok)
	}
	if len(Countries()) != 31 || len(Languages()) != 26 {
		t.Errorf("%d countries, %d languages", len(Countries()), len(Languages()))
	}
	if g, ok := LanguageOf("FI"); !ok || g.Name != "suomi" {
		t.Errorf("FI = %+v, %v", g, ok)
	}
}

func TestEditions(t *testing.T) {
	for _, c := range []struct {
		list, code string
		want       map[string]bool
	}{
		{"Procedures", "R1", map[string]bool{"1.0": true, "1.1": true, "1.2": true, "2.0": true, "3.0": false, "": true}},
		{"Procedures", "AM1", map[string]bool{"1.0": false, "1.1": true, "1.2": true, "2.0": true, "": true}},
		{"EAS", "9906", map[string]bool{"1.0": true, "1.2": true, "2.0": false, "": true}},
		{"EAS", "0225", map[string]bool{"1.0": false, "1.2": true, "2.0": true}},
		{"JurisdictionLevel", "LAU", map[string]bool{"1.0": true, "1.2": true, "2.0": false}},
		{"IdentityScheme", "eidas2", map[string]bool{"1.0": false, "1.2": false, "2.0": true}},
		{"EBErrorCodes", "EB:ERR:0004", map[string]bool{"1.0": true, "1.2": true, "2.0": false}},
	} {
		for edition, want := range c.want {
			l := Default().In(edition)
			if got := l.Has(c.list, c.code); got != want || slices.Contains(l.Codes(c.list), c.code) != want {
				t.Errorf("%s has %s in edition %q: %v, want %v", c.list, c.code, edition, got, want)
			}
		}
	}
	for edition, want := range map[string]string{"1.0": "Problem during", "1.2": "Invalid query", "2.0": "Invalid query", "": "Invalid query"} {
		if e, ok := Default().In(edition).Entry("EDMErrorCodes", "EDM:ERR:0008"); !ok || !strings.HasPrefix(e.Name, want) {
			t.Errorf("EDM:ERR:0008 in edition %q: %+v", edition, e)
		}
	}
}

func TestMeets(t *testing.T) {
	for _, tc := range []struct {
		have, want string
		ok         bool
	}{
		{"High", "Low", true}, {"High", "High", true}, {"Substantial", "High", false}, {"Low", "Substantial", false},
		{"", "Low", false}, {"High", "", false}, {"high", "Low", false},
	} {
		if got := Meets(tc.have, tc.want); got != tc.ok {
			t.Errorf("Meets(%q, %q) = %v, want %v", tc.have, tc.want, got, tc.ok)
		}
	}
}

// Covers: B-001, B-009
func TestAnOverlayAddsCodesWithoutCode(t *testing.T) {
	l, err := Load(Default(), fstest.MapFS{
		"Procedures.json": {Data: []byte(`[
			{"code": "X12", "name": "Something of tomorrow", "basis": {"kind": "union-act", "act": "Regulation (EU) 2031/1"}},
			{"code": "X9", "withdrawn": true},
			{"code": "R1", "name": "Birth", "basis": {"kind": "annex-ii", "act": "Regulation (EU) 2018/1724", "provision": "Annex II, row 1"}}]`)},
		"NUTS.json":          {Data: []byte(`["LV007", {"code": "AT130", "from": "2.0"}]`)},
		"..data/hidden.json": {Data: []byte(`no list`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := l.Procedure("X12"); !ok || p.Basis.Kind != BasisUnionAct {
		t.Errorf("X12 = %+v, %v", p, ok)
	}
	if l.Has("Procedures", "X9") {
		t.Error("X9 was withdrawn and is there")
	}
	if p, _ := l.Procedure("R1"); p.Title != "Birth" {
		t.Errorf("R1 = %+v", p)
	}
	if n := len(l.Procedures()); n != 28 {
		t.Errorf("%d procedures, want 28", n)
	}
	if !l.Has("NUTS", "LV007") || !l.Has("NUTS", "AT111") || l.In("1.2").Has("NUTS", "AT130") || !l.In("2.0").Has("NUTS", "AT130") {
		t.Error("the overlay of NUTS is not followed")
	}
	if !l.Has("EAS", "0192") || Default().Has("Procedures", "X12") {
		t.Error("the overlay reached where it should not")
	}
}

func TestAnOverlayIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"a name of no list":        {"Procedure.json", `[]`, "no list has this name"},
		"no JSON file":             {"Procedures.yaml", `[]`, "no list has this name"},
		"no array":                 {"NUTS.json", `{}`, "reading rows"},
		"two values":               {"NUTS.json", `[] []`, "more than one JSON value"},
		"an unknown field":         {"NUTS.json", `[{"code": "A", "colour": 1}]`, "unknown field"},
		"an empty code":            {"NUTS.json", `[""]`, "row 1: code is missing"},
		"nothing":                  {"NUTS.json", `[null]`, "row 1: code is missing"},
		"space around a code":      {"NUTS.json", `["A", "B "]`, "row 2: a value is too long"},
		"a code twice":             {"NUTS.json", `["A", "A"]`, `row 2: code "A" stands twice`},
		"a code twice in one":      {"NUTS.json", `["A", {"code": "A", "from": "2.0"}]`, "stands twice"},
		"an unknown edition":       {"NUTS.json", `[{"code": "A", "from": "3.0"}]`, "from and until"},
		"editions upside down":     {"NUTS.json", `[{"code": "A", "from": "2.0", "until": "1.0"}]`, "from and until"},
		"a procedure of no basis":  {"Procedures.json", `["X12"]`, "names its basis"},
		"an unknown kind of basis": {"Procedures.json", `[{"code": "X12", "basis": {"kind": "wish", "act": "A"}}]`, "basis kind is"},
		"an act without a name":    {"Procedures.json", `[{"code": "X12", "basis": {"kind": "union-act"}}]`, "names the act"},
		"a fifth directive":        {"Procedures.json", `[{"code": "X12", "basis": {"kind": "directive", "act": "Directive 1999/1/EC"}}]`, "one of the four"},
		"an annex without a row":   {"Procedures.json", `[{"code": "X12", "basis": {"kind": "annex-ii", "act": "Regulation (EU) 2018/1724"}}]`, "names the row"},
		"a basis of a region":      {"NUTS.json", `[{"code": "A", "basis": {"kind": "test"}}]`, "only a procedure"},
		"a level without rank":     {"LevelsOfAssurance.json", `["Highest"]`, "rank is missing"},
		"a huge file":              {"NUTS.json", strings.Repeat(" ", maxFile+1), "larger than"},
	} {
		got, err := Load(Default(), fstest.MapFS{c.file: {Data: []byte(c.text)}})
		if got != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if _, err := Load(Default(), os.DirFS(filepath.Join(t.TempDir(), "absent"))); err == nil {
		t.Error("a directory that is not there is taken")
	}
}

// TestAgainstTheOfficialLists compares edition 1.0 with the published genericode
// files. Ours is narrower where the published list also has three-letter codes.
func TestAgainstTheOfficialLists(t *testing.T) {
	l := Default().In("1.0")
	two := func(c string) bool { return len(c) == 2 }
	any := func(string) bool { return true }
	for list, c := range map[string]struct {
		file string
		keep func(string) bool
	}{
		"Procedures":                {"OOTS/Procedures-CodeList.gc", any},
		"OOTSMediaTypes":            {"OOTS/OOTSMediaTypes-CodeList.gc", any},
		"IdentifierSchemes":         {"OOTS/IdentifierSchemes-CodeList.gc", any},
		"LevelsOfAssurance":         {"OOTS/LevelsOfAssurance-CodeList.gc", any},
		"AgentClassification":       {"OOTS/AgentClassification-CodeList.gc", any},
		"JurisdictionLevel":         {"OOTS/JurisdictionLevel-CodeList.gc", any},
		"EBErrorCodes":              {"OOTS/EBErrorCodes-CodeList.gc", any},
		"DSDErrorCodes":             {"OOTS/DSDErrorCodes-CodeList.gc", any},
		"LCMErrorCodes":             {"OOTS/LCMErrorCodes-CodeList.gc", any},
		"CountryIdentificationCode": {"External/CountryIdentificationCode-2.3.gc", two},
		"LanguageCode":              {"External/LanguageCode-2.3.gc", two},
		"EAS":                       {"External/EAS.gc", any},
		"NUTS":                      {"External/NutsCodes.gc", any},
	} {
		want := genericode(t, c.file, c.keep)
		got := slices.Sorted(slices.Values(l.Codes(list)))
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-official +ours):\n%s", list, d)
		}
	}
}

func genericode(t *testing.T, name string, keep func(string) bool) []string {
	t.Helper()
	var list struct {
		Rows []struct {
			Values []struct {
				Column string `xml:"ColumnRef,attr"`
				Simple string `xml:"SimpleValue"`
			} `xml:"Value"`
		} `xml:"SimpleCodeList>Row"`
	}
	if err := xml.Unmarshal(assets.Read(t, "oots/tdd-1.0-artefacts/codelists/"+name), &list); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, row := range list.Rows {
		for _, v := range row.Values {
			if c := strings.TrimSpace(v.Simple); strings.EqualFold(v.Column, "code") && keep(c) {
				found[c] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func FuzzLoad(f *testing.F) {
	f.Add("NUTS.json", []byte(`["LV007", {"code": "AT130", "from": "2.0"}]`))
	f.Add("Procedures.json", []byte(`[{"code": "X12", "basis": {"kind": "union-act", "act": "A"}}, {"code": "X9", "withdrawn": true}]`))
	f.Add("EAS.json", []byte(`[{"code": 1}]`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		l, err := Load(Default(), fstest.MapFS{name: {Data: data}})
		if (l == nil) != (err != nil) {
			t.Fatalf("lists %v with error %v", l, err)
		}
		if err != nil || !strings.HasSuffix(name, ".json") || strings.HasPrefix(name, ".") || strings.Contains(name, "/") {
			return // such a file is not looked at
		}
		list := strings.TrimSuffix(name, ".json")
		for _, code := range l.Codes(list) {
			if _, ok := l.Entry(list, code); !ok || !l.Has(list, code) {
				t.Fatalf("list %s has %q and has it not", list, code)
			}
		}
		for _, p := range l.Procedures() {
			if p.Basis.Kind == "" {
				t.Fatalf("procedure %q has no basis", p.Code)
			}
		}
		var rows []json.RawMessage
		if json.Unmarshal(data, &rows) != nil {
			t.Fatal("what is no array was taken")
		}
	})
}

func BenchmarkHas(b *testing.B) {
	l := Default().In("2.0")
	nuts, _ := l.List("NUTS")
	b.Run("by name", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.Has("NUTS", "FI1C1")
		}
	})
	b.Run("held", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			nuts.Has("FI1C1")
		}
	})
}

func ExampleLists_In() {
	fmt.Println(Default().In("1.0").Has("Procedures", "X10"), Default().In("2.0").Has("Procedures", "X10"))
	// Output: false true
}
