package draft

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"oncegate/schemas/canon"
	"oncegate/schemas/editor"
)

// Config says what to write.
type Config struct {
	Name      string // Required: of the register and its folder
	Transport string // Required: one of Transports
	Record    string // Required: type of the canonical record, of Records
	Country   string // Default XX
	From      []byte // a reply to draft rules from. Default: an invented one
}

// Transports are the kinds that can be drafted. rest-json is rest with JSON.
func Transports() []string {
	return []string{"soap12", "soap11", "rest", "rest-json", "sql", "files", "kafka"}
}

// Records are the types of canonical records that can be drafted.
func Records() []string { return slices.Sorted(maps.Keys(answers())) }

var (
	namePattern    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	countryPattern = regexp.MustCompile(`^[A-Z]{2}$`)
)

// Files are the files of the folder by their names below it. The goldens of the
// samples are not among them: the definition makes them.
func Files(c Config) (map[string][]byte, error) {
	if c.Country == "" {
		c.Country = "XX"
	}
	switch {
	case !namePattern.MatchString(c.Name):
		return nil, fmt.Errorf("the name %q: want lower-case letters, digits and -", c.Name)
	case !slices.Contains(Transports(), c.Transport):
		return nil, fmt.Errorf("the transport %q: want one of %s", c.Transport, strings.Join(Transports(), ", "))
	case !slices.Contains(Records(), c.Record):
		return nil, fmt.Errorf("the record %q: want one of %s", c.Record, strings.Join(Records(), ", "))
	case !countryPattern.MatchString(c.Country):
		return nil, fmt.Errorf("the country %q: want two letters in upper case", c.Country)
	}
	w := writer{Config: c, answer: answers()[c.Record]}
	w.legal = c.Record == "company"
	w.form = formOf(c.Transport)
	if c.From != nil {
		var err error
		if w.found, err = readReply(c.From, w.form); err != nil {
			return nil, err
		}
	}
	out := map[string][]byte{
		"register.yaml":             []byte(w.definition()),
		"register.schema.json":      editor.Schema("register"), // for editors
		"testdata/found.query.json": []byte(w.query()),
	}
	found, notFound := w.replies()
	ext := "reply.xml"
	if w.form == formJSON {
		ext = "reply.json"
	}
	out["testdata/found."+ext] = []byte(found)
	if notFound != "" {
		out["testdata/notfound."+ext] = []byte(notFound)
		out["testdata/notfound.fault"] = []byte("not-found\n")
	}
	return out, nil
}

// A form is how names of a reply are written.
type form int

const (
	formXML form = iota + 1
	formJSON
	formRows
)

func formOf(transport string) form {
	switch transport {
	case "rest-json":
		return formJSON
	case "sql":
		return formRows
	}
	return formXML
}

// name writes words, such as family-name, as the form does.
func (f form) name(words string) string {
	parts := strings.Split(words, "-")
	if f == formRows {
		return strings.Join(parts, "_")
	}
	for i, p := range parts {
		if i > 0 || f == formXML {
			parts[i] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "")
}

// step is the same as a step of a path.
func (f form) step(words string) string {
	if f == formXML {
		return "r:" + f.name(words)
	}
	return f.name(words)
}

type writer struct {
	Config
	form   form
	answer []field
	legal  bool
	found  *reply // with From
}

// namespace is that of the invented documents.
func (w writer) namespace() string { return "urn:example:" + w.Name + ":1" }

func (w writer) id(what string) string { return canon.DeriveUUID("draft", w.Name, what) }

// query is the query of the sample, as rules see it.
func (w writer) query() string {
	subject := `"natural": {
      "assurance": "High",
      "identifier": "` + w.Country + `/SI/test-00042",
      "familyName": "Example",
      "givenName": "Alma",
      "birthDate": "1990-01-31"
    }`
	if w.legal {
		subject = `"legal": {
      "assurance": "High",
      "identifier": "` + w.Country + `/SI/test-00042",
      "name": "Example Works Ltd"
    }`
	}
	return `{
  "register": "` + w.Name + `",
  "message": "` + w.id("message") + `",
  "exchange": "` + w.id("exchange") + `",
  "procedure": "T3",
  "requester": {"id": {"scheme": "urn:oasis:names:tc:ebcore:partyid-type:unregistered:SI", "id": "test-authority"}, "names": [{"lang": "EN", "text": "Authority (test)"}], "country": "SI"},
  "subject": {
    ` + subject + `
  }
}
`
}

// replies are the invented ones, or what was given and none.
func (w writer) replies() (found, notFound string) {
	if w.found != nil {
		return string(w.From), ""
	}
	switch w.form {
	case formJSON:
		return "{\n  \"found\": true,\n  \"record\": {" + jsonOf(w.form, w.answer, "    ") + "\n  }\n}\n", "{\"found\": false}\n"
	case formRows:
		return "<rows>\n  <row>\n" + xmlOf(w.form, w.answer, "    ", "") + "  </row>\n</rows>\n", "<rows/>\n"
	}
	body := func(inner string) string {
		return `<r:FindResponse xmlns:r="` + w.namespace() + `">` + "\n" + inner + "</r:FindResponse>\n"
	}
	return w.envelope(body("  <r:Found>true</r:Found>\n  <r:Record>\n" + xmlOf(w.form, w.answer, "    ", "r:") + "  </r:Record>\n")),
		w.envelope(body("  <r:Found>false</r:Found>\n"))
}

func (w writer) envelope(body string) string {
	space := map[string]string{"soap11": "http://schemas.xmlsoap.org/soap/envelope/", "soap12": "http://www.w3.org/2003/05/soap-envelope"}[w.Transport]
	if space == "" {
		return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + body
	}
	return `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<soap:Envelope xmlns:soap="` + space + `"><soap:Body>` + "\n" + body + "</soap:Body></soap:Envelope>\n"
}
