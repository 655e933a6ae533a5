package registers

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"oncegate/connectors/register"
	"oncegate/mapping"
)

var update = flag.Bool("update", false, "write record.json and evidence.xml of the samples anew")

// loaded reads the definitions once for all tests.
var loaded = sync.OnceValues(func() (map[string]*register.Definition, error) { return register.Load(FS) })

func load(t *testing.T) map[string]*register.Definition {
	t.Helper()
	defs, err := loaded()
	if err != nil {
		t.Fatalf("loading:\n%v", err)
	}
	return defs
}

func TestSamplesHold(t *testing.T) {
	defs := load(t)
	if *update {
		for name, d := range defs {
			writeGoldens(t, name, d)
		}
		t.Skip("goldens written: review them as a diff and run again")
	}
	for name, d := range defs {
		for _, s := range d.Samples() {
			if s.Err != nil {
				t.Errorf("%s %s %s: %v", name, s.Case, s.Check, s.Err)
			}
		}
	}
}

func TestEveryFolderIsEmbedded(t *testing.T) {
	folders, err := filepath.Glob("*/" + register.DefinitionFile)
	if err != nil {
		t.Fatal(err)
	}
	defs := load(t)
	for _, f := range folders {
		if defs[filepath.Dir(f)] == nil {
			t.Errorf("%s is not in the binary", f)
		}
	}
	if len(defs) != len(folders) {
		t.Errorf("have %d registers in the binary, %d folders", len(defs), len(folders))
	}
}

// Every register shows what each outcome looks like, and a record that is hard to
// read: optional parts missing, partial dates, other prefixes, unknown codes.
func TestEveryKindOfSampleIsThere(t *testing.T) {
	for name := range load(t) {
		files := samples(t, name)
		for kind, want := range map[string]string{"notfound": "not-found", "several": "ambiguous", "fault": "unavailable"} {
			if have := strings.TrimSpace(string(files[kind+".fault"])); have != want {
				t.Errorf("%s: %s.fault says %q, want %q", name, kind, have, want)
			}
			if replyOf(files, kind) == "" {
				t.Errorf("%s: %s has no reply", name, kind)
			}
		}
		for _, kind := range []string{"found", "hard"} {
			for _, part := range []string{"query.json", "record.json", "evidence.xml"} {
				if files[kind+"."+part] == nil {
					t.Errorf("%s: %s.%s is missing", name, kind, part)
				}
			}
			if replyOf(files, kind) == "" {
				t.Errorf("%s: %s has no reply", name, kind)
			}
			sent := slices.ContainsFunc([]string{"query.xml", "query.target", "sent.json", "query.args"}, func(part string) bool { return files[kind+"."+part] != nil })
			if !sent {
				t.Errorf("%s: %s does not show what is sent", name, kind)
			}
		}
	}
}

// samples are the files under testdata of one register.
func samples(t *testing.T, name string) map[string][]byte {
	t.Helper()
	sub, err := fs.Sub(FS, name+"/testdata")
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.ReadDir(sub, ".")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		if out[f.Name()], err = fs.ReadFile(sub, f.Name()); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func replyOf(files map[string][]byte, kind string) string {
	for _, form := range []string{"reply.xml", "reply.json", "reply.mime"} {
		if files[kind+"."+form] != nil {
			return form
		}
	}
	return ""
}

// Rules that no sample reaches are rules that nobody has seen work.
func TestSamplesReachTheRules(t *testing.T) {
	const least = 95
	for name, d := range load(t) {
		c, err := d.Coverage()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		reports := map[string]mapping.CoverageReport{"reply": c.Reply}
		if c.Query != nil {
			reports["query"] = *c.Query
		}
		for part, r := range reports {
			if r.Rules.Percent() < least {
				t.Errorf("%s: samples reach %d of %d rules of the %s; not these: %v", name, r.Rules.Used, r.Rules.All, part, r.NeverFired)
			}
		}
	}
}

// Nobody in the samples exists. Their names are made of words for "example",
// "sample" and "test" in many languages and of a few given names; whoever adds a
// person chooses from this list, or adds a word that is no family's name.
func TestPeopleAreFictitious(t *testing.T) {
	words := map[string]bool{}
	for _, w := range strings.Fields(familyNames + givenNames) {
		words[strings.ToLower(w)] = true
	}
	for name := range load(t) {
		for file, text := range samples(t, name) {
			if !strings.HasSuffix(file, ".record.json") && !strings.HasSuffix(file, ".query.json") {
				continue
			}
			v, err := mapping.DecodeJSON(text)
			if err != nil {
				t.Errorf("%s %s: %v", name, file, err)
				continue
			}
			eachName(v, func(field, value string) {
				for _, w := range strings.FieldsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || r == '-' }) {
					if !words[strings.ToLower(w)] {
						t.Errorf("%s %s: %s holds %q, which is not on the list of fictitious names", name, file, field, w)
					}
				}
			})
		}
	}
}

const (
	familyNames = `
		Marwick Testa Ejemplo Prøveland Primer Ensayo Campione Prova Esempio D'Esempio Primjer
		van der Voorbeeld Proefsma Çelebi Œ Testinen Esimerkkilä Koekäs Åminne Öhrnberg Proov
		Näidis Proovivälja Exemplo de Ensaio Exempelsson Mönster Prøvesen Musterfrau Groß Beispiel
		Probst Prüfer Prueba Ñandú Muestra y Ñúñez Vzorec Kontrol Pavyzdys Pavyzdytė Bandymas`
	givenNames = `
		Lucía Inés Carla Tobias Oskar Emil Nela Jon Ada Matija Aurora Nicolò Chiara Zoë Maria
		Fenna Sjoerd Ayşe Aino Elviira Täyttä & Ehtaa Väinö Ilmari Õie Jürgen Žan Ülo Тестия
		Mafalda Conceição Xavier Íñigo Œuvrarde Åsa Märta Bjørn Käthe Örs Mª Àngels Ñ Rūta Ąžuolas`
)

// eachName visits the names of persons.
func eachName(v any, visit func(field, value string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if s, ok := v[k].(string); ok && slices.Contains([]string{"familyName", "givenName", "birthFamilyName", "familyNameAfterMarriage"}, k) {
				visit(k, s)
			}
			eachName(v[k], visit)
		}
	case []any:
		for _, x := range v {
			eachName(x, visit)
		}
	}
}

func TestCheckReportsEveryCheckOnce(t *testing.T) {
	var out strings.Builder
	failed, err := register.Check(&out, FS)
	if failed != 0 || err != nil {
		t.Fatalf("failed %d, err %v\n%s", failed, err, out.String())
	}
	for _, want := range []string{"ok   births found query", "ok   births found evidence", "ok   companies notfound reply", "ok   residence several reply"} {
		if strings.Count(out.String(), want+"\n") != 1 {
			t.Errorf("want one line %q in\n%s", want, out.String())
		}
	}
}

// writeGoldens writes record and evidence of every case that has a reply and is to
// be found.
func writeGoldens(t *testing.T, name string, d *register.Definition) {
	t.Helper()
	files := samples(t, name)
	for file := range files {
		kind, part, _ := strings.Cut(file, ".")
		form := replyOf(files, kind)
		if part != form || form == "reply.mime" || files[kind+".fault"] != nil {
			continue
		}
		record, evidence, err := d.Try(200, files[kind+"."+form])
		if err != nil {
			t.Errorf("%s %s: %v", name, kind, err)
			continue
		}
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, record, "", "  "); err != nil {
			t.Fatal(err)
		}
		pretty.WriteByte('\n')
		lines := append(bytes.ReplaceAll(evidence, []byte("><"), []byte(">\n<")), '\n')
		for part, text := range map[string][]byte{"record.json": pretty.Bytes(), "evidence.xml": lines} {
			if err := os.WriteFile(filepath.Join(name, "testdata", kind+"."+part), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
