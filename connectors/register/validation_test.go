package register

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"oncegate/connectors/xmldoc"
	"oncegate/mapping"
)

// edgeText is a small register; %EXTRA% are lines below reply.
const edgeText = `apiVersion: oncegate/v1
kind: Register
name: edge
title: Edge
country: LV
evidence_type:
  id: 4f7c9a52-0d3e-4b61-8a75-1c2d3e4f5a6b
  classification: https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/LV/4f7c9a52-0d3e-4b61-8a75-1c2d3e4f5a6b
  titles: {EN: Edge}
  languages: [LV]
issuer: {scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:LV", id: test-edge, names: {EN: Edge}}
transport: {kind: rest, method: GET, path: /v1}
prefixes: {r: "urn:example:edge", t: "urn:example:types"}
reply:
  outcomes:
    - {when: exists(/r:Result/r:Nothing), means: not-found}
  hits: /r:Result/r:Person
%EXTRA%  rules:
    - {to: person.familyName, from: t:Surname, required: true}
evidence:
  rules:
    - {to: r:Evidence/r:Name, from: person/familyName}
`

func edgeRegister(t testing.TB, extra string, files ...string) (*Definition, error) {
	t.Helper()
	fsys := fstest.MapFS{"edge/register.yaml": {Data: []byte(strings.Replace(edgeText, "%EXTRA%", extra, 1))}}
	for i := 0; i+1 < len(files); i += 2 {
		fsys["edge/"+files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	defs, err := Load(fsys)
	return defs["edge"], err
}

const edgeSchema = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:example:types" targetNamespace="urn:example:edge" elementFormDefault="qualified">
  <xs:import namespace="urn:example:types" schemaLocation="https://127.0.0.1:1/types.xsd"/>
  <xs:element name="Result"><xs:complexType><xs:choice>
    <xs:element name="Nothing"><xs:complexType/></xs:element>
    <xs:element name="Person" maxOccurs="unbounded"><xs:complexType><xs:sequence><xs:element ref="t:Surname"/></xs:sequence></xs:complexType></xs:element>
  </xs:choice></xs:complexType></xs:element>
</xs:schema>`

const edgeTypes = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:example:types">
  <xs:element name="Surname"><xs:simpleType><xs:restriction base="xs:token"><xs:maxLength value="12"/></xs:restriction></xs:simpleType></xs:element>
</xs:schema>`

const edgeKeys = "  schema: answer.xsd\n  catalog: {\"urn:example:types\": sub/types.xsd}\n"

func edgeReply(names ...string) string {
	var b strings.Builder
	b.WriteString(`<Result xmlns="urn:example:edge" xmlns:t="urn:example:types">`)
	for _, n := range names {
		b.WriteString("<Person><t:Surname>" + n + "</t:Surname></Person>")
	}
	return b.String() + "</Result>"
}

func TestAnswersKeepTheirSchema(t *testing.T) {
	for _, c := range []struct {
		name, keys, reply string
		status            int
		outcome           outcome
		detail            string
	}{
		{"valid", edgeKeys, edgeReply("Paraugs"), 200, outcomeFound, ""},
		{"other prefixes, CDATA, comments", edgeKeys, `<p:Result xmlns:p="urn:example:edge"><p:Person><!-- x --><Surname xmlns="urn:example:types"><![CDATA[Paraugs]]></Surname></p:Person></p:Result>`, 200, outcomeFound, ""},
		{"a place of a schema is not followed", edgeKeys, strings.Replace(edgeReply("Paraugs"), "<Result ", `<Result xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:example:edge http://127.0.0.1:1/other.xsd" `, 1), 200, outcomeFound, ""},
		{"a value that is too long", edgeKeys, edgeReply("Paraugs-Paraugs"), 200, outcomeInvalid, "the reply breaks answer.xsd: /Result/Person/t:Surname (1:70): cvc-maxLength-valid: "},
		{"an element that is none", edgeKeys, strings.Replace(edgeReply("Paraugs"), "Person>", "Persona>", 2), 200, outcomeInvalid, "cvc-complex-type.2.4.a"},
		{"not found is checked too", edgeKeys, `<Result xmlns="urn:example:edge"><Nothing>x</Nothing></Result>`, 200, outcomeInvalid, "cvc-complex-type.2.1"},
		{"not found", edgeKeys, `<Result xmlns="urn:example:edge"><Nothing/></Result>`, 404, outcomeNotFound, ""},
		{"the page of an error is not checked", edgeKeys, `<error xmlns="urn:other"/>`, 503, outcomeUnavailable, ""},
		{"an unknown root is", edgeKeys, `<error xmlns="urn:other"/>`, 200, outcomeInvalid, "cvc-elt.1"},
		{"reported only", strings.Replace(edgeKeys, "answer.xsd", "{file: answer.xsd, on_error: report}", 1), edgeReply("Paraugs-Paraugs"), 200, outcomeFound, ""},
		{"several hits", edgeKeys, edgeReply("Paraugs", "Zilberts"), 200, outcomeAmbiguous, "2 records match"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := edgeRegister(t, c.keys, "answer.xsd", edgeSchema, "sub/types.xsd", edgeTypes)
			if err != nil {
				t.Fatal(err)
			}
			res := d.read(&raw{status: c.status, media: "application/xml", body: []byte(c.reply)}, nil)
			if res.outcome != c.outcome || !strings.Contains(res.detail, c.detail) {
				t.Errorf("got %s (%s), want %s (%s)", res.outcome, res.detail, c.outcome, c.detail)
			}
			if reported := len(res.broken) > 0; reported != (c.name == "reported only") {
				t.Errorf("reported: %v", res.broken)
			}
			for _, text := range append(res.broken, res.detail) {
				if strings.Contains(text, "Paraugs") {
					t.Errorf("a person is told outside: %s", text)
				}
			}
		})
	}
}

func TestSchemaKeysAreChecked(t *testing.T) {
	good := []string{"answer.xsd", edgeSchema, "sub/types.xsd", edgeTypes}
	for _, c := range []struct {
		name, keys string
		files      []string
		fault      string
	}{
		{"good", edgeKeys, good, ""},
		{"no such file", "  schema: none.xsd\n", good, "edge/register.yaml:18:11: there is no file none.xsd in the folder of the register"},
		{"out of the folder", "  schema: ../answer.xsd\n", good, "edge/register.yaml:18:11: want the path of a file in the folder"},
		{"not in the catalog", "  schema: answer.xsd\n", good, `edge/answer.xsd:2:3: namespace "urn:example:types" at "https://127.0.0.1:1/types.xsd" is not in the folder, and nothing is fetched: put a copy there and name it in the catalog: {"urn:example:types": FILE}`},
		{"a catalog alone", "  catalog: {a: b.xsd}\n", good, "edge/register.yaml:18:12: a catalog stands beside a schema"},
		{"what to do on errors", "  schema: {file: answer.xsd, on_error: ignore}\n", good, "edge/register.yaml:18:40: "},
		{"a broken schema", "  schema: answer.xsd\n", []string{"answer.xsd", strings.Replace(edgeTypes, "maxLength", "maxLenght", 1)}, "edge/answer.xsd:2:77: xs:maxLenght may not stand in xs:restriction"},
		{"an unknown encoding", "  encoding: koi8-r\n", nil, "edge/register.yaml:18:13: want one of UTF-8, "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := edgeRegister(t, c.keys, c.files...)
			var list mapping.Errors
			switch {
			case c.fault == "" && err != nil:
				t.Error(err)
			case c.fault == "":
			case !errors.As(err, &list) || !strings.HasPrefix(list[0].Error(), c.fault):
				t.Errorf("got %v, want %s", err, c.fault)
			case !strings.Contains(list.Render(), "^"):
				t.Errorf("no caret:\n%s", list.Render())
			}
		})
	}
}

func TestQueriesKeepTheirSchema(t *testing.T) {
	const schema = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:example:edge" elementFormDefault="qualified">
<xs:element name="Ask"><xs:complexType><xs:sequence><xs:element name="Name"><xs:simpleType><xs:restriction base="xs:string"><xs:maxLength value="8"/></xs:restriction></xs:simpleType></xs:element></xs:sequence></xs:complexType></xs:element></xs:schema>`
	files := fstest.MapFS{"edge/ask.xsd": {Data: []byte(schema)}}
	text := strings.Replace(edgeText, "{kind: rest, method: GET, path: /v1}", "{kind: rest, method: POST, path: /v1}\nquery: {schema: ask.xsd, rules: [{to: r:Ask/r:Name, from: subject/natural/familyName}]}", 1)
	files["edge/register.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(text, "%EXTRA%", "", 1))}
	defs, err := Load(files)
	if err != nil {
		t.Fatal(err)
	}
	d := defs["edge"]
	for name, want := range map[string]string{
		"Paraugs":         "",
		"Paraugs-Paraugs": "the query breaks ask.xsd: /r:Ask/r:Name (2:35): cvc-maxLength-valid: ",
	} {
		in := map[string]any{"subject": map[string]any{"natural": map[string]any{"familyName": name}}}
		req, res := d.makeRequest(in, nil)
		if (req == nil) != (want != "") || !strings.HasPrefix(res.detail, want) || strings.Contains(res.detail, "Paraugs") {
			t.Errorf("%s: got %q, want %q", name, res.detail, want)
		}
	}
}

// RFC 7303 3: mark, then content type, then declaration; where they disagree, nobody
// knows how a name is spelled.
func TestEncodingsOfReplies(t *testing.T) {
	doc := func(declared, name string) string {
		if declared != "" {
			declared = `<?xml version="1.0" encoding="` + declared + `"?>`
		}
		return declared + edgeReply(name)
	}
	for _, c := range []struct {
		name, key, media, body string
		want                   string // the name that is read
		fault                  string
	}{
		{"declared", "", "application/xml", doc("ISO-8859-1", "M\xe4ki"), "Mäki", ""},
		{"declared and said", "", "application/xml; charset=latin1", doc("ISO-8859-1", "M\xe4ki"), "Mäki", ""},
		{"said alone", "", "application/xml; charset=windows-1252", doc("", "D\x92Arc"), "D’Arc", ""},
		{"said alone, but UTF-8", "", "text/xml; charset=ISO-8859-1", doc("", "Mäki"), "", `the content type says "ISO-8859-1", the document "UTF-8"; reply.encoding in register.yaml can say`},
		{"said and declared differ", "", "text/xml; charset=utf-8", doc("ISO-8859-1", "M\xe4ki"), "", `the content type says "utf-8", the document "ISO-8859-1"`},
		{"mark against content type", "", "text/xml; charset=windows-1252", "\xef\xbb\xbf" + doc("", "Mäki"), "", `the content type says "windows-1252", the document "UTF-8"`},
		{"mark", "", "text/xml", "\xef\xbb\xbf" + doc("", "Mäki"), "Mäki", ""},
		{"Windows-1252 called ISO-8859-1", "", "application/xml", doc("ISO-8859-1", "D\x92Arc"), "", "the document seems to be windows-1252; reply.encoding in register.yaml can say"},
		{"the same, and it is known", "windows-1252", "application/xml; charset=ISO-8859-1", doc("ISO-8859-1", "D\x92Arc"), "D’Arc", ""},
		{"UTF-8 called UTF-16, and it is known", "utf-8", "application/xml", doc("UTF-16", "Mäki"), "Mäki", ""},
		{"UTF-8 called UTF-16", "", "application/xml", doc("UTF-16", "Mäki"), "", `the declaration says "UTF-16", but the bytes are no UTF-16`},
		{"ISO-8859-1 called nothing", "", "application/xml", doc("", "M\xe4ki"), "", "xml:1:82: encoding: the bytes are not UTF-8"},
		{"ISO-8859-15", "", "application/xml", doc("ISO-8859-15", "\xa6kodov\xe1"), "Škodová", ""},
		{"unknown", "", "application/xml; charset=koi8-r", doc("", "Mari"), "", `the content type says "koi8-r", which is not read`},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := ""
			if c.key != "" {
				key = "  encoding: " + c.key + "\n"
			}
			d, err := edgeRegister(t, key)
			if err != nil {
				t.Fatal(err)
			}
			res := d.read(&raw{status: 200, media: c.media, body: []byte(c.body)}, nil)
			switch {
			case c.fault != "" && (res.outcome != outcomeInvalid || !strings.Contains(res.detail, c.fault)):
				t.Errorf("got %s (%s), want %s", res.outcome, res.detail, c.fault)
			case c.fault == "" && !strings.Contains(string(res.record), `"`+c.want+`"`):
				t.Errorf("got %s (%s) %s, want %s", res.outcome, res.detail, res.record, c.want)
			}
		})
	}
}

// A list of a hundred thousand hits is refused as ambiguous, for little memory and without
// a record of any of them.
func TestHugeListIsAmbiguous(t *testing.T) {
	d, err := edgeRegister(t, edgeKeys, "answer.xsd", edgeSchema, "sub/types.xsd", edgeTypes)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 100_000)
	for i := range names {
		names[i] = fmt.Sprintf("P%d", i)
	}
	body := []byte(edgeReply(names...))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res := d.read(&raw{status: 200, media: "application/xml", body: body}, nil)
	runtime.ReadMemStats(&after)
	if res.outcome != outcomeAmbiguous || res.detail != "100000 records match" {
		t.Errorf("got %s (%s)", res.outcome, res.detail)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > uint64(25*len(body)) {
		t.Errorf("%d bytes for an answer of %d", used, len(body))
	}
}

// Tricks with entities and depth stop at the door.
func TestTricksAreRefused(t *testing.T) {
	d, err := edgeRegister(t, edgeKeys, "answer.xsd", edgeSchema, "sub/types.xsd", edgeTypes)
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"entities that multiply": `<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>` + edgeReply("&b;"),
		"an outer entity":        `<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + edgeReply("&a;"),
		"an unknown entity":      edgeReply("&nbsp;"),
		"a null character":       edgeReply("&#0;"),
		"depth":                  strings.Repeat("<a>", 100_000),
		"attributes":             `<Result xmlns="urn:example:edge" ` + strings.Repeat(`a="1" `, 100_000) + "/>",
		"an include":             `<Result xmlns="urn:example:edge"><xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/></Result>`,
		"two roots":              edgeReply("Paraugs") + edgeReply("Paraugs"),
		"another namespace":      strings.Replace(edgeReply("Paraugs"), "urn:example:edge", "urn:example:Edge", 1),
		"no namespace":           strings.Replace(edgeReply("Paraugs"), ` xmlns="urn:example:edge"`, "", 1),
	} {
		t.Run(name, func(t *testing.T) {
			res := d.read(&raw{status: 200, media: "application/xml", body: []byte(body)}, nil)
			if res.outcome != outcomeInvalid || res.detail == "" {
				t.Errorf("got %s (%s)", res.outcome, res.detail)
			}
		})
	}
}

// FuzzDocument: no bytes and no content type make the reading of a reply panic.
func FuzzDocument(f *testing.F) {
	f.Add([]byte(edgeReply("Paraugs")), "application/xml; charset=utf-16")
	f.Add([]byte("\xff\xfe<\x00"), "text/xml; charset=latin1")
	f.Fuzz(func(t *testing.T, body []byte, media string) {
		for _, as := range []xmldoc.Encoding{xmldoc.EncodingUnset, xmldoc.Windows1252, xmldoc.UTF16BE} {
			r := raw{status: 200, media: media, body: body, encoding: as}
			if _, err := r.document(); err == nil && len(body) == 0 {
				t.Fatal("nothing is a document")
			}
		}
	})
}
