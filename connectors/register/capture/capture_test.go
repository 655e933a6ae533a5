package capture

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"oncegate/connectors/xmldoc"
	"oncegate/mapping/yamldoc"
)

const rulesText = `
- {path: //r:Surname, as: family-name}
- {path: r:Name, as: given-name}
- {path: //r:Born, as: date, pattern: DD.MM.YYYY}
- {path: //r:Number, as: identifier}
- {path: //@kind, as: keep}
- {path: /r:Result/r:Note, as: drop}
- {path: /json/person/code, as: keep}
- {path: number, as: identifier}
`

func rulesOf(t testing.TB, text string) (*Rules, error) {
	t.Helper()
	doc, root := yamldoc.Parse("register.yaml", []byte(text))
	r := Parse(root, map[string]string{"r": "urn:r"}, func(string) {})
	return r, doc.Err()
}

func sound(t testing.TB) *Rules {
	t.Helper()
	r, err := rulesOf(t, rulesText)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func names(t testing.TB, seed byte) *Pseudonyms {
	t.Helper()
	p, err := NewPseudonyms(bytes.NewReader(bytes.Repeat([]byte{seed}, 64)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const answer = `<!-- Ana --><q:Result xmlns:q="urn:r" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:t="urn:types">
  <q:Person kind="D" office="Ana"><q:Surname> KRANJEC </q:Surname><q:Name>Lucía</q:Name><q:Born xsi:type="t:Day">17.00.1994</q:Born><q:Number>AB-1234567</q:Number></q:Person>
  <Other xmlns="">Ljubljana 4<![CDATA[ & co]]></Other><q:Note>Kranjec</q:Note><q:Ref>7c1e6f3a-55d2-5b0c-9d11-2f8e4a6b7c01</q:Ref></q:Result>`

// What no rule names is masked, what a rule names keeps its form, and nothing of the
// person is left anywhere.
func TestAnAnswerNamesNobody(t *testing.T) {
	doc, err := xmldoc.ParseBytes([]byte(answer), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	out := names(t, 1).XML(doc.Root(), sound(t), map[string]string{"7c1e6f3a-55d2-5b0c-9d11-2f8e4a6b7c01": "new-id"})
	for _, secret := range []string{"KRANJEC", "Kranjec", "Lucía", "1994-", "17.", "1234567", "Ljubljana", "Ana", "7c1e6f3a"} {
		if strings.Contains(string(out), secret) {
			t.Errorf("%s is left in\n%s", secret, out)
		}
	}
	for _, want := range []string{`kind="D"`, `office="Xxx"`, `xsi:type="t:Day"`, `xmlns:t="urn:types"`, `<Other>Xxxxxxxxx 0 &amp; xx</Other>`, `<q:Note></q:Note>`, "<q:Ref>new-id</q:Ref>"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is missing in\n%s", want, out)
		}
	}
	again, err := xmldoc.ParseBytes(out, xmldoc.Limits{})
	if err != nil {
		t.Fatalf("reading what was written: %v\n%s", err, out)
	}
	person, err := again.Root().Only(xmldoc.Name{Space: "urn:r", Local: "Person"})
	if err != nil {
		t.Fatal(err)
	}
	text := func(local string) string {
		e, err := person.Only(xmldoc.Name{Space: "urn:r", Local: local})
		if err != nil {
			t.Fatal(err)
		}
		return e.Text()
	}
	if s := text("Surname"); strings.TrimSpace(s) != strings.ToUpper(strings.TrimSpace(s)) || s[0] != ' ' {
		t.Errorf("surname %q, want capitals and its white space", s)
	}
	if b := text("Born"); len(b) != 10 || b[3:5] == "00" == false || b[2] != '.' {
		t.Errorf("born %q, want a date without month", b)
	}
	if n := text("Number"); len(n) != 10 || n[2] != '-' || strings.ToUpper(n) != n {
		t.Errorf("number %q, want the form AA-0000000", n)
	}
}

// One person has one pseudonym in query and answer, and another one under another key.
func TestPseudonymsAgree(t *testing.T) {
	p := names(t, 1)
	id := rule{as: Identifier}
	if a, b := p.text(id, "test-17", nil), p.text(id, "ES/SI/test-17", nil); b != "ES/SI/"+a {
		t.Errorf("identifiers %s and %s differ", a, b)
	}
	iso, dots := rule{as: Date, pattern: "YYYY-MM-DD"}, rule{as: Date, pattern: "DD.MM.YYYY"}
	a, b := p.text(iso, "1994-03-17", nil), p.text(dots, "17.03.1994", nil)
	if a[8:]+"."+a[5:7]+"."+a[:4] != b || a == "1994-03-17" {
		t.Errorf("dates %s and %s", a, b)
	}
	if d := p.text(iso, "1994-03-17T08:15:00Z", nil); !strings.HasPrefix(d, a+"T00:00:00") {
		t.Errorf("a time became %s", d)
	}
	if d := p.text(iso, "in spring", nil); d != "xx xxxxxx" {
		t.Errorf("what is no date became %q", d)
	}
	fam := rule{as: FamilyName}
	if p.text(fam, "Kranjec", nil) != strings.ToUpper(p.text(fam, "KRANJEC", nil)[:1])+strings.ToLower(p.text(fam, "KRANJEC", nil)[1:]) && !strings.Contains(p.text(fam, "Kranjec", nil), "-") {
		t.Error("case makes another person")
	}
	if p.text(id, "test-17", nil) == names(t, 2).text(id, "test-17", nil) {
		t.Error("two keys give one pseudonym")
	}
	if s := p.text(rule{as: Identifier}, strings.Repeat("7", 100), nil); len(s) != 100 || strings.Contains(s, strings.Repeat("7", 10)) {
		t.Errorf("a long identifier became %s", s)
	}
}

func TestRulesWithFaults(t *testing.T) {
	for text, want := range map[string]string{
		"- {path: //x:A, as: keep}":                   "1:10: prefix x is not declared",
		"- {path: //r:A, as: secret}":                 "want one of mask, keep",
		"- {path: '//r:A[1]', as: keep}":              "conditions are not part",
		"- {path: //@a/r:A, as: keep}":                "at the end of a path",
		"- {path: //r:A, as: keep, pattern: YYYY}":    "pattern goes with as: date",
		"- {path: //r:A, as: date, pattern: YY.MM}":   "a pattern is made of",
		"- {as: keep}":                                `missing key "path"`,
		"- {path: //r:A}":                             `missing key "as"`,
		"- {path: //r:A, as: keep, whatever: 'here'}": "whatever",
	} {
		if _, err := rulesOf(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestARecorderKeepsSamples(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	dir := filepath.Join(t.TempDir(), "testdata")
	r, err := New(Config{Dir: dir, Until: now.Add(time.Hour), Most: 2, Rules: sound(t), Random: bytes.NewReader(make([]byte, 32)), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	var query any
	if err := json.Unmarshal([]byte(`{"register":"lv","message":"m-1","exchange":"e-1","procedure":"R1","requester":{"id":{"id":"u"}},
		"subject":{"natural":{"identifier":"ES/SI/test-17","familyName":"Kranjec","givenName":"Lucía","birthDate":"1994-03-17","placeOfBirth":"Celje","nationality":"SI","age":31}},"later":"Kranjec"}`), &query); err != nil {
		t.Fatal(err)
	}
	if kept, err := r.Keep(Case{Query: query, Media: "application/json", Status: 404, Body: []byte(`{"person":{"number":"test-17","code":"D","name":"Kranjec","age":31,"ok":true,"ref":"m-1","none":null,"list":["a"]}}`)}); err != nil || !kept {
		t.Fatalf("kept %v, %v", kept, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "captured-20260304-050607-0001.*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	var all string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if st, _ := os.Stat(f); st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", f, st.Mode().Perm())
		}
		all += string(text)
	}
	for _, secret := range []string{"Kranjec", "Lucía", "1994-03-17", "test-17", "Celje", "31", "m-1", "e-1"} {
		if strings.Contains(all, secret) {
			t.Errorf("%s is left in\n%s", secret, all)
		}
	}
	for _, want := range []string{`"code": "D"`, `"nationality": "SI"`, `"procedure": "R1"`, "404\n", `"ES/SI/`} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is missing in\n%s", want, all)
		}
	}
	doc, err := xmldoc.ParseBytes([]byte(answer), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	root := doc.Root()
	for i, want := range []bool{true, false} {
		if kept, err := r.Keep(Case{Query: query, Media: "text/xml", Root: &root}); err != nil || kept != want {
			t.Errorf("case %d: kept %v, %v, want %v", i+2, kept, err, want)
		}
	}
	r.kept, now = 0, now.Add(time.Hour)
	if kept, err := r.Keep(Case{Query: query, Media: "text/xml", Root: &root}); err != nil || kept {
		t.Errorf("after its time: kept %v, %v", kept, err)
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a recorder without folder and end is made")
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(answer))
	f.Add([]byte(`{"person":{"number":"1"}}`))
	f.Add([]byte(`<a n1234567="" n7654321=""/>`))
	rules := sound(f)
	p := names(f, 1)
	f.Fuzz(func(t *testing.T, text []byte) {
		if out, err := p.JSON(text, rules, nil); err == nil && !json.Valid(out) {
			t.Errorf("not JSON: %q", out)
		}
		doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{})
		if err != nil {
			return
		}
		if _, err := xmldoc.ParseBytes(p.XML(doc.Root(), rules, nil), xmldoc.Limits{}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// Where persons stand in names and in places that nobody meant for them, the case is
// rid of them or is not kept.
func TestPersonsInStrangePlaces(t *testing.T) {
	const xsi = `xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`
	query := func() any {
		var q any
		if err := json.Unmarshal([]byte(`{"register":"lv","message":"m-1","requester":{"id":{"id":"u"}},
			"subject":{"natural":{"identifier":"ES/SI/test-1700","familyName":"Kranjec","givenName":"Lucía","birthDate":"1994-03-17"}}}`), &q); err != nil {
			t.Fatal(err)
		}
		return q
	}
	for rule, tc := range map[string]struct {
		xml, json string
		kept      bool
	}{
		"the location of a schema":         {xml: `<a ` + xsi + ` xsi:schemaLocation="urn:a http://reg.example/x?who=Novak-19871224"/>`, kept: true},
		"a type that is none":              {xml: `<a ` + xsi + ` xsi:type="Novak 19871224"/>`, kept: true},
		"a nil that is none":               {xml: `<a ` + xsi + ` xsi:nil="Novak 19871224"/>`, kept: true},
		"a number as a name":               {xml: `<a><p19871224-Novak1/></a>`, kept: true},
		"a number as the name of an attr":  {xml: `<a n19871224-1="Novak"/>`, kept: true},
		"a number as a member":             {json: `{"people":{"19871224-1234":{"x":"Novak"}}}`, kept: true},
		"a name of two words as a member":  {json: `{"people":{"Nika Novak":1,"Mira Novak":2}}`, kept: true},
		"who was asked for, as a name":     {xml: `<a><Kranjec/></a>`},
		"who was asked for, as a member":   {json: `{"people":{"kranjec":1}}`},
		"who was asked for, as a prefix":   {xml: `<Kranjec:a xmlns:Kranjec="urn:a"/>`},
		"who was asked for, as a space":    {xml: `<a xmlns="urn:people:test-1700"/>`},
		"who was asked for, in a kept one": {xml: `<a kind="D Kranjec"/>`},
		"the day of birth, in a kept one":  {xml: `<a kind="D19940317"/>`},
		"and with dots":                    {xml: `<a kind="17.03.1994"/>`},
	} {
		t.Run(rule, func(t *testing.T) {
			dir := t.TempDir()
			now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
			r, err := New(Config{Dir: dir, Until: now.Add(time.Hour), Rules: sound(t), Random: bytes.NewReader(make([]byte, 32)), Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			c := Case{Query: query(), Media: "application/json", Body: []byte(tc.json)}
			if tc.xml != "" {
				doc, err := xmldoc.ParseBytes([]byte(tc.xml), xmldoc.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				root := doc.Root()
				c.Root = &root
			}
			if kept, err := r.Keep(c); kept != tc.kept {
				t.Errorf("kept %v, want %v (%v)", kept, tc.kept, err)
			}
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			if err != nil || !tc.kept && len(files) > 0 {
				t.Errorf("files %v, %v", files, err)
			}
			for _, f := range files {
				text, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				for _, secret := range []string{"novak", "19871224", "nika", "mira", "kranjec", "19940317", "1700"} {
					if strings.Contains(strings.ToLower(string(text)), secret) {
						t.Errorf("%s is left in %s", secret, text)
					}
				}
			}
		})
	}
}

// Two processes record into one folder, and somebody has put a link there.
func TestNoFileIsWrittenOver(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	dir := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Symlink(elsewhere, filepath.Join(dir, "captured-20260304-050607-0001.query.json")); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		r, err := New(Config{Dir: dir, Until: now.Add(time.Hour), Random: bytes.NewReader(make([]byte, 32)), Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		if kept, err := r.Keep(Case{Query: map[string]any{}, Media: "application/json", Body: []byte(`{"a":1}`)}); !kept || err != nil {
			t.Fatalf("process %d: kept %v, %v", n, kept, err)
		}
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("a link was followed")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.reply.json")); len(files) != 2 {
		t.Errorf("files %v, want two answers", files)
	}
}

func TestDatesAtTheEdges(t *testing.T) {
	p := names(t, 1)
	for _, text := range []string{"9999-12-31", "0001-01-01", "1994A03B17", "1994-03\x0017"} {
		if got, ok := p.date(text, "YYYY-MM-DD"); ok && (len(got) != 10 || got[4] != '-' || got[7] != '-') {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := p.text(rule{as: Identifier}, "ES/SI/AN/NA/KRANJEC", nil); strings.Contains(got, "AN/NA") {
		t.Errorf("got %s", got)
	}
}
