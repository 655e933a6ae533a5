package records_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"oncegate/schemas/records"
)

func example(t *testing.T, typ string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", typ+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestExamplesAreValid(t *testing.T) {
	for _, typ := range records.Types() {
		if err := records.Validate(typ, example(t, typ)); err != nil {
			t.Errorf("%s: %v", typ, err)
		}
	}
	if len(records.Types()) != 10 {
		t.Errorf("types: %v", records.Types())
	}
}

// TestInvalid: what is refused, and the place and rule that are named.
func TestInvalid(t *testing.T) {
	for _, c := range []struct{ name, typ, doc, want string }{
		{"no type", "birthday", `{}`, `no schema for "record birthday"`},
		{"the vocabulary is no type", "vocabulary", `{}`, "no schema"},
		{"not JSON", "birth", `{`, "not JSON"},
		{"twice", "birth", `{"person":1,"person":2}`, "twice"},
		{"nobody", "birth", `{}`, "(root): required: person"},
		{"no name", "birth", `{"person":{"birthDate":"1999"}}`, "/person: required: familyName; /person: required: givenName"},
		{"no date of birth", "birth", `{"person":{"familyName":"A"}}`, "/person: required: birthDate"},
		{"a day no calendar has", "birth", `{"person":{"familyName":"A","birthDate":"1999-02-30"}}`, "/person/birthDate: format: partial-date"},
		{"a national date", "birth", `{"person":{"familyName":"A","birthDate":"17.03.1994"}}`, "/person/birthDate: format"},
		{"a month of no year", "residence", `{"person":{"familyName":"A"},"addresses":[{"since":"1999-13"}]}`, "/addresses/0/since: format: partial-date"},
		{"a partial day of issue", "birth", `{"person":{"familyName":"A","birthDate":"1999"},"document":{"issuedOn":"1999-02"}}`, "/document/issuedOn: format: date"},
		{"a foreign word", "birth", `{"person":{"familyName":"A","birthDate":"1999","sex":"F"}}`, "/person/sex: enum: female, male"},
		{"a spouse as parent", "birth", `{"person":{"familyName":"A","birthDate":"1999"},"parents":[{"role":"spouse","familyName":"B"}]}`, "/parents/0/role: enum: mother, father, parent"},
		{"a parent without role", "birth", `{"person":{"familyName":"A","birthDate":"1999"},"parents":[{"familyName":"B"}]}`, "/parents/0: required: role"},
		{"an unknown field", "birth", `{"person":{"familyName":"A","birthDate":"1999","nickname":"B"}}`, "/person: additionalProperties"},
		{"another type", "birth", `{"kind":"marriage","person":{"familyName":"A","birthDate":"1999"}}`, "/kind: const"},
		{"one spouse", "marriage", `{"date":"1999","spouses":[{"familyName":"A"}]}`, "/spouses: minItems: 2"},
		{"no address", "residence", `{"person":{"familyName":"A"},"addresses":[]}`, "/addresses: minItems: 1"},
		{"an empty address", "residence", `{"person":{"familyName":"A"},"addresses":[{}]}`, "/addresses/0: minProperties"},
		{"neither diploma nor transcript", "diploma", `{"person":{"familyName":"A"},"institution":{"name":"B"}}`, "required: courses; (root): required: qualification"},
		{"credits as text", "diploma", `{"person":{"familyName":"A"},"institution":{"name":"B"},"courses":[{"title":"C","credits":{"value":"5"}}]}`, "/courses/0/credits/value: type: number"},
		{"level of no framework", "diploma", `{"person":{"familyName":"A"},"institution":{"name":"B"},"qualification":{"title":"C","eqfLevel":9}}`, "/qualification/eqfLevel: maximum"},
		{"an amount without currency", "company", `{"company":{"name":"A"},"status":"active","capital":{"value":1}}`, "/capital: required: currency"},
		{"a company of no name", "company", `{"company":{},"status":"active"}`, "/company: required: name"},
		{"a plate with spaces around", "vehicle", `{"registration":{"plate":" A "},"vehicle":{"vin":"V"}}`, "/registration/plate: pattern"},
		{"two taxpayers in one", "tax-statement", `{"subject":"income","taxpayer":{"person":{"familyName":"A"},"organisation":{"name":"B"}}}`, "/taxpayer: oneOf"},
		{"a control character", "document", `{"title":"A\u0007","sections":[{"text":"B"}]}`, "/title: pattern"},
		{"a section of nothing", "document", `{"title":"A","sections":[{}]}`, "/sections/0: minProperties"},
		{"a benefit every now and then", "pension-statement", `{"person":{"familyName":"A"},"institution":{"name":"B"},"pensions":[{"kind":"old-age","status":"paid","every":"often"}]}`, "/pensions/0/every: enum"},
		{"no kind of period", "social-security-statement", `{"person":{"familyName":"A"},"institution":{"name":"B"},"periods":[{"from":"2001"}]}`, "/periods/0: required: kind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := records.Validate(c.typ, []byte(c.doc))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestNoValueIsNamed: whatever is wrong, no text of the record is repeated (style
// 22).
func TestNoValueIsNamed(t *testing.T) {
	const canary = "Zaupnikova"
	for _, typ := range records.Types() {
		var v any
		if err := json.Unmarshal(example(t, typ), &v); err != nil {
			t.Fatal(err)
		}
		doc, err := json.Marshal(poison(v, canary))
		if err != nil {
			t.Fatal(err)
		}
		if err := records.Validate(typ, doc); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

// poison puts a text everywhere, as value and as name.
func poison(v any, text string) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = poison(v[k], text)
		}
		v[text] = text
		return v
	case []any:
		for i := range v {
			v[i] = poison(v[i], text)
		}
		return v
	}
	return text
}

func TestFields(t *testing.T) {
	path := regexp.MustCompile(`^[a-z][A-Za-z0-9]*(\[\])?(\.[a-z][A-Za-z0-9]*(\[\])?)*$`)
	for _, typ := range records.Types() {
		for _, f := range records.Fields(typ) {
			if f.Description == "" || !strings.HasSuffix(f.Description, ".") {
				t.Errorf("%s: %s has no description: %q", typ, f.Path, f.Description)
			}
			if !path.MatchString(f.Path) {
				t.Errorf("%s: path %q", typ, f.Path)
			}
		}
	}
	for _, c := range []struct {
		typ, path string
		want      bool
	}{
		{"birth", "person", true},
		{"birth", "person.familyName", true},
		{"birth", "person.nationalities[]", true},
		{"birth", "person.nationalities", false}, // a list is not a text
		{"birth", "parents[].birthDate", true},
		{"birth", "parents.birthDate", false},
		{"birth", "person.shoeSize", false},
		{"residence", "addresses[].town", true},
		{"birth", "addresses[].town", false},
		{"unknown", "person", false},
	} {
		if got := records.Known(c.typ, c.path); got != c.want {
			t.Errorf("Known(%s, %s) = %v", c.typ, c.path, got)
		}
	}
	if f, _ := records.Find("birth", "parents[].role"); len(f.Words) != 3 || !f.Required {
		t.Errorf("the roles of parents: %+v", f)
	}
	if f, _ := records.Find("birth", "person.nationalities[]"); f.Of != "country" {
		t.Errorf("nationalities: %+v", f)
	}
	if f, _ := records.Find("company", "capital.value"); f.Shape != records.Number {
		t.Errorf("capital: %+v", f)
	}
}

// TestEveryPropertyIsDescribed looks at the files themselves.
func TestEveryPropertyIsDescribed(t *testing.T) {
	files := map[string][]byte{"vocabulary": records.Vocabulary()}
	for _, typ := range records.Types() {
		files[typ] = records.Schema(typ)
	}
	for name, text := range files {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		described(t, name, v)
	}
}

func described(t *testing.T, at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		props, _ := v["properties"].(map[string]any)
		for name, p := range props {
			if m, ok := p.(map[string]any); !ok || m["description"] == nil {
				t.Errorf("%s/%s has no description", at, name)
			}
		}
		for name, child := range v {
			described(t, at+"/"+name, child)
		}
	case []any:
		for _, child := range v {
			described(t, at, child)
		}
	}
}

func FuzzValidate(f *testing.F) {
	for _, typ := range records.Types() {
		text, err := os.ReadFile(filepath.Join("testdata", typ+".json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(typ, text)
	}
	f.Fuzz(func(t *testing.T, typ string, doc []byte) {
		_ = records.Validate(typ, doc) // says yes or no and does not fall over
	})
}
