package codes

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestListsAreWhole(t *testing.T) {
	unique := func(name string, want int, codes []string) {
		t.Helper()
		seen := make(map[string]bool)
		for _, c := range codes {
			if c == "" || seen[c] {
				t.Errorf("%s: code %q is empty or twice", name, c)
			}
			seen[c] = true
		}
		if len(codes) != want {
			t.Errorf("%s: %d codes, want %d", name, len(codes), want)
		}
	}
	unique("procedures", 28, codesOf(procedures(), func(p Procedure) string { return p.Code }))
	unique("countries", 31, codesOf(countries(), func(c Country) string { return c.Code }))
	unique("languages", 26, codesOf(languages(), func(l Language) string { return l.Code }))
	unique("assurances", 3, codesOf(assurances(), func(a Assurance) string { return a.Code }))

	annex := 0
	for _, p := range Procedures() {
		if p.Title == "" || p.LifeEvent == "" || p.Edition == "" {
			t.Errorf("procedure %s is not whole: %+v", p.Code, p)
		}
		if p.AnnexII != "" {
			annex++
		}
		if p.Test != (p.Code == "00") {
			t.Errorf("procedure %s: test %v", p.Code, p.Test)
		}
	}
	if annex != 21 {
		t.Errorf("%d procedures of Annex II, want 21", annex)
	}
}

func codesOf[T any](rows []T, code func(T) string) []string {
	var out []string
	for _, r := range rows {
		out = append(out, code(r))
	}
	return out
}

func TestLookup(t *testing.T) {
	if p, ok := ProcedureOf("T3"); !ok || p.AnnexII != "SDG-II-05" {
		t.Errorf("T3 = %+v, %v", p, ok)
	}
	if c, ok := CountryOf("EL"); !ok || c.Name != "Greece" {
		t.Errorf("EL = %+v, %v", c, ok)
	}
	if _, ok := LanguageOf("FI"); !ok {
		t.Error("FI is unknown")
	}
	// Never a guess.
	for name, ok := range map[string]bool{
		"procedure in lower case": second(ProcedureOf("t3")), "X8": second(ProcedureOf("X8")), "no procedure": second(ProcedureOf("")),
		"GR": second(CountryOf("GR")), "language in lower case": second(LanguageOf("fi")),
		"eIDAS URI": second(AssuranceOf("http://eidas.europa.eu/LoA/high")),
	} {
		if ok {
			t.Errorf("%s was found", name)
		}
	}
	Procedures()[0].Code = "changed"
	if _, ok := ProcedureOf("R1"); !ok {
		t.Error("a caller changed the list")
	}
}

func second[T any](_ T, ok bool) bool { return ok }

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

// TestAgainstTheOfficialList: every procedure of the published genericode file
// is ours too.
func TestAgainstTheOfficialList(t *testing.T) {
	f := openAsset(t, "oots/tdd-1.0-artefacts/codelists/OOTS/Procedures-CodeList.gc")
	var list struct {
		Rows []struct {
			Values []struct {
				Column string `xml:"ColumnRef,attr"`
				Simple string `xml:"SimpleValue"`
			} `xml:"Value"`
		} `xml:"SimpleCodeList>Row"`
	}
	if err := xml.NewDecoder(f).Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	n := 0
	for _, row := range list.Rows {
		for _, v := range row.Values {
			if v.Column != "code" && v.Column != "Code" {
				continue
			}
			n++
			if p, ok := ProcedureOf(v.Simple); !ok || p.Edition != "2022-12" {
				t.Errorf("procedure %s: %+v, %v, want one of edition 2022-12", v.Simple, p, ok)
			}
		}
	}
	if n != 21 {
		t.Errorf("the official list has %d codes, want 21", n)
	}
}

// openAsset finds the shared assets beside the repository.
func openAsset(t *testing.T, name string) *os.File {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		f, err := os.Open(filepath.Join(dir, "shared", "assets", filepath.FromSlash(name)))
		if err == nil {
			t.Cleanup(func() { _ = f.Close() })
			return f
		}
		if dir == filepath.Dir(dir) {
			t.Skipf("assets are not beside the repository: %s", name)
		}
	}
}
