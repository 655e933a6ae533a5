package draft_test

import (
	"strings"
	"testing"

	"oncegate/connectors/register/draft"
)

func TestWrongWords(t *testing.T) {
	good := draft.Config{Name: "x", Transport: "rest", Record: "birth"}
	for name, c := range map[string]struct {
		edit func(*draft.Config)
		want string
	}{
		"name":        {func(c *draft.Config) { c.Name = "X" }, "lower-case"},
		"transport":   {func(c *draft.Config) { c.Transport = "smtp" }, "soap12"},
		"record":      {func(c *draft.Config) { c.Record = "none" }, "birth"},
		"country":     {func(c *draft.Config) { c.Country = "Lv" }, "two letters"},
		"no document": {func(c *draft.Config) { c.From = []byte("<a>") }, "reading the reply"},
		"no rows":     {func(c *draft.Config) { c.Transport, c.From = "sql", []byte("<a/>") }, "<rows>"},
		"empty body": {func(c *draft.Config) {
			c.From = []byte(`<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>`)
		}, "empty"},
		"too deep": {func(c *draft.Config) { c.From = []byte(strings.Repeat("<a>", 20) + strings.Repeat("</a>", 20)) }, "too deep"},
	} {
		t.Run(name, func(t *testing.T) {
			conf := good
			c.edit(&conf)
			if _, err := draft.Files(conf); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// No text of a reply gets into the rules that are drafted from it.
func TestADraftHoldsNoValue(t *testing.T) {
	files, err := draft.Files(draft.Config{Name: "x", Transport: "rest", Record: "birth",
		From: []byte(`<a xmlns="urn:a" k="secret"><b>secret</b><b>secret</b><c d="secret"><e>secret</e></c></a>`)})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(files["register.yaml"]); strings.Contains(text, "secret") || !strings.Contains(text, "each: n1:b") {
		t.Errorf("the draft:\n%s", text)
	}
}

func FuzzFrom(f *testing.F) {
	f.Add([]byte(`<a xmlns="urn:a" k="v"><b>1</b><b x="1">2</b><c><d/></c></a>`), "rest")
	f.Add([]byte(`{"a": [{"b": 1}, {"c": [1, 2]}]}`), "rest-json")
	f.Add([]byte(`<rows><row><a>1</a></row></rows>`), "sql")
	f.Fuzz(func(t *testing.T, text []byte, transport string) {
		_, _ = draft.Files(draft.Config{Name: "x", Transport: transport, Record: "birth", From: text})
	})
}
