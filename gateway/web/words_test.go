package web

import (
	"io/fs"
	"strings"
	"testing"

	"oncegate/schemas/canon"
)

// Covers: B-070
func TestLanguages(t *testing.T) {
	w := newWorld(t)
	_, location := w.ask()
	b := w.browser()
	for _, tc := range []struct{ header, lang string }{
		{"de-AT,de;q=0.9,en;q=0.1", "de"}, {"lv, sl;q=0.5, fr;q=0.4", "sl"}, {"lv", "en"}, {"", "en"}, {"fr;q=2, es;q=0.1", "es"}, {"*;q=x,,,;", "en"},
	} {
		b.lang = tc.header
		if got := b.get(location).want(t, 200).Header.Get("Content-Language"); got != tc.lang {
			t.Errorf("%q: got %s, want %s", tc.header, got, tc.lang)
		}
	}
	b.get(location+"?lang=fr").want(t, 200, `lang="fr"`, "S’identifier")
	b.lang = "de"
	b.post(location+"/identify", nil).want(t, 200, `<html lang="fr"`, "Ne rien envoyer") // it stays
	b.get(location+"?lang=de").want(t, 200, "Geburtsurkunde", "Geburtsdatum")
	for _, l := range w.preview.words.languages {
		b.get(location+"?lang="+l.Code).want(t, 200, `<html lang="`+l.Code+`"`, `aria-current="true">`+l.text("language.name"))
	}
}

// Covers: B-070
func TestEveryLanguageHasEveryWord(t *testing.T) {
	c, err := loadCatalogue()
	fatal(t, err)
	if len(c.languages) < 5 || c.languages[0].Code != "en" {
		t.Fatalf("languages: %v", c.languages)
	}
	en := c.languages[0]
	for _, l := range c.languages[1:] {
		for k, v := range en.words {
			w, ok := l.words[k]
			if !ok || w == "" {
				t.Errorf("%s has no %q", l.Code, k)
			}
			for _, p := range []string{"{0}", "{1}", "{2}"} {
				if strings.Contains(v, p) != strings.Contains(w, p) {
					t.Errorf("%s: %q has other places than English", l.Code, k)
				}
			}
		}
		for k := range l.words {
			if _, ok := en.words[k]; !ok {
				t.Errorf("%s has %q, which English has not", l.Code, k)
			}
		}
	}
	// Every key that a template or a page asks for is there.
	used := 0
	err = fs.WalkDir(templateFiles, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := templateFiles.ReadFile(path)
		for _, part := range strings.Split(string(data), `.T "`)[1:] {
			key, _, _ := strings.Cut(part, `"`)
			used++
			if _, ok := en.words[key]; !ok {
				t.Errorf("%s asks for %q, which no language has", path, key)
			}
		}
		return err
	})
	fatal(t, err)
	if used < 50 {
		t.Errorf("only %d keys were found in templates", used)
	}
	for _, r := range declineReasons {
		if _, ok := en.words["reason."+r]; !ok {
			t.Errorf("no word for reason %s", r)
		}
	}
	for _, k := range canon.FaultKinds() {
		p, ok := faultPages[k]
		if !ok || en.words[p.key+".title"] == "" || en.words[p.key+".text"] == "" {
			t.Errorf("fault kind %s has no page", k)
		}
	}
}

func TestLabels(t *testing.T) {
	c, err := loadCatalogue()
	fatal(t, err)
	de, _ := c.find("de")
	for _, tc := range []struct {
		key, want string
		known     bool
	}{
		{"familyName", "Familienname", true}, {"family_name", "Familienname", true}, {"FamilyName", "Familienname", true},
		{"shoeSize", "Shoe size", false}, {"shoe-size", "Shoe size", false}, {"ISBN", "ISBN", false}, {"éclat", "Éclat", false}, {"", "", true}, {"__", "", true},
	} {
		if got, known := de.label(tc.key); got != tc.want || known != tc.known {
			t.Errorf("%q: got %q %v, want %q %v", tc.key, got, known, tc.want, tc.known)
		}
	}
	for record, want := range map[string]string{
		`{"givenNames":["Inés","Carla"]}`: "Inés, Carla", `{"a":[]}`: "Keine Angabe", `{"a":12500.00}`: "12500.00", `["x","y"]`: "x, y", `"x"`: "x",
	} {
		if got, err := fields([]byte(record), de); err != nil || len(got) != 1 || got[0].Value != want {
			t.Errorf("%s: got %+v %v, want %q", record, got, err, want)
		}
	}
}

func TestARecordThatCannotBeShown(t *testing.T) {
	for _, bad := range []string{"", "{", "\xff", "[1] 2", strings.Repeat("[", 50) + strings.Repeat("]", 50), "[" + strings.Repeat("1,", maxFields) + "1]"} {
		w := newWorld(t)
		w.record = bad
		_, location := w.ask()
		w.browser().identify(location).want(t, 200, "cannot be shown here as a list", "Download document 1", "Send nothing")
	}
}

func FuzzFields(f *testing.F) {
	c, err := loadCatalogue()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{birthRecord, "", "[", `{"a":[{}],"b":null,"a":1}`, "\"\u202e\"", "1e999", "[1]2"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fs, err := fields(data, c.languages[0])
		if err != nil {
			return
		}
		n := 0
		var walk func(fs []field, depth int)
		walk = func(fs []field, depth int) {
			if depth > maxDepth+1 {
				t.Fatal("too deep")
			}
			for _, f := range fs {
				n++
				if strings.ContainsAny(f.Label+f.Value, "\x00\x07\u202e\u2066") {
					t.Fatal("a sign that hides is shown")
				}
				walk(f.Fields, depth+1)
			}
		}
		walk(fs, 0)
		if n > maxFields {
			t.Fatal("too many")
		}
	})
}
