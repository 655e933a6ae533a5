package register_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/register"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// trial is a definition of a register that exists in tests alone.
func trial(transport, query, reply string) string {
	return `apiVersion: oncegate/v1
kind: Register
name: trial
title: Trial
country: ES
evidence_type:
  id: 6c2f1c0e-4b7a-4d53-9a86-0f1d7e5b3a01
  classification: https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/ES/6c2f1c0e-4b7a-4d53-9a86-0f1d7e5b3a01
  titles: {EN: Trial}
  languages: [ES]
issuer: {scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:ES", id: trial, names: {EN: Trial}}
prefixes: {r: "urn:example:trial", e: "urn:example:evidence", h: "urn:example:header", s11: "http://schemas.xmlsoap.org/soap/envelope/"}
transport: ` + transport + "\n" + query + "\n" + reply + `
evidence:
  rules:
    - {to: e:Trial/e:Name, from: name, required: true}
`
}

const (
	xmlQuery = `query: {rules: [{to: r:Ask, rules: [{to: r:Born, from: subject/natural/birthDate}]}]}`
	xmlReply = `reply:
  outcomes: [{when: exists(/r:None), means: not-found}]
  hits: /r:Answer
  rules: [{to: name, from: r:Name, required: true}]`
	jsonReply = `reply:
  outcomes: [{status: 404, means: not-found}, {status: 204, means: not-found}, {when: "/json/state = 'closed'", status: 403, means: unavailable}]
  hits: /json/people
  rules: [{to: name, from: name, required: true}, {to: "shares[]", each: shares, as: number}]`
)

func definition(t testing.TB, text string) (*register.Definition, error) {
	t.Helper()
	defs, err := register.Load(fstest.MapFS{"trial/register.yaml": {Data: []byte(text)}})
	return defs["trial"], err
}

// asks makes a connector to a handler, and the query it is asked.
func asks(t testing.TB, text string, handler http.Handler, change func(*register.Endpoint)) (setup, canon.Message) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	def, err := definition(t, text)
	if err != nil {
		t.Fatal(err)
	}
	e := register.Endpoint{URL: server.URL + "/base"}
	if change != nil {
		change(&e)
	}
	s := setup{payloads: &heap{}, log: &bytes.Buffer{}}
	s.connector, err = register.New(def, e, register.Config{
		Payloads: s.payloads, Now: time.Now, Log: slog.New(slog.NewJSONHandler(s.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.connector.Close)
	m := query(t, "births")
	m.Body.(*canon.RegisterQuery).Register = "trial"
	return s, m
}

// outcomeOf is what one query came to, in a word, with its detail.
func outcomeOf(t testing.TB, s setup, m canon.Message) (string, string) {
	t.Helper()
	ms, err := s.connector.Handle(t.Context(), m)
	if err != nil {
		if f := canon.AsFault(err); f == nil || f.Kind != canon.Unavailable {
			t.Fatalf("handling: %v", err)
		}
		return "unavailable", err.Error()
	}
	rec := ms[0].Body.(*canon.RegisterRecord)
	return string(rec.Outcome), rec.Detail
}

const space11 = "http://schemas.xmlsoap.org/soap/envelope/"

func envelope11(header, body string) []byte {
	if header != "" {
		header = "<S:Header>" + header + "</S:Header>"
	}
	return []byte(`<S:Envelope xmlns:S="` + space11 + `">` + header + `<S:Body>` + body + `</S:Body></S:Envelope>`)
}

const found11 = `<a:Answer xmlns:a="urn:example:trial"><a:Name>Ana</a:Name></a:Answer>`

func TestSOAP11(t *testing.T) {
	def := trial(`{kind: soap11, path: /v1, action: "urn:ask", headers: [{rules: [{to: h:Consumer, from: requester/id/id}, {to: h:Consumer/@s11:mustUnderstand, value: "1"}]}]}`, xmlQuery, xmlReply)
	var got *http.Request
	var sent []byte
	answer := func(status int, body []byte) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r
			sent, _ = io.ReadAll(r.Body)
			reply(status, "text/xml; charset=utf-8", body).ServeHTTP(w, r)
		})
	}
	fault := func(code string) []byte {
		return envelope11("", `<S:Fault><faultcode>`+code+`</faultcode><faultstring>Ana Muestra is broken</faultstring></S:Fault>`)
	}
	for _, tc := range []struct {
		rule, want string
		handler    http.Handler
	}{
		{"an answer", "found", answer(200, envelope11("", found11))},
		{"no hit", "not-found", answer(200, envelope11("", `<None xmlns="urn:example:trial"/>`))},
		{"a fault of the server passes", "unavailable", answer(500, fault("S:Server"))},
		{"a fault without a prefix", "unavailable", answer(500, fault("Server.Busy"))},
		{"a fault of the client stays", "failed", answer(500, fault("S:Client.Unknown"))},
		{"a fault that says nothing passes", "unavailable", answer(500, fault("x"))},
		{"an envelope of SOAP 1.2", "failed", answer(200, bytes.ReplaceAll(envelope11("", found11), []byte(space11), []byte("http://www.w3.org/2003/05/soap-envelope")))},
		{"a header that must be understood", "failed", answer(200, envelope11(`<x S:mustUnderstand="1"/>`, found11))},
		{"a header for whoever knows it", "found", answer(200, envelope11(`<x S:mustUnderstand="0"/>`, found11))},
		{"two answers", "failed", answer(200, envelope11("", found11+found11))},
		{"another media type", "failed", reply(200, "application/soap+xml", envelope11("", found11))},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			s, m := asks(t, def, tc.handler, nil)
			outcome, detail := outcomeOf(t, s, m)
			if outcome != tc.want {
				t.Errorf("got %s (%s), want %s", outcome, detail, tc.want)
			}
			if strings.Contains(detail, "Muestra") {
				t.Errorf("the detail tells a person: %s", detail)
			}
		})
	}
	if h := got.Header; h.Get("Content-Type") != "text/xml; charset=utf-8" {
		t.Errorf("content type %s", h.Get("Content-Type"))
	}
	s, m := asks(t, strings.Replace(def, "  hits:", "  encoding: windows-1252\n  hits:", 1), answer(200, bytes.Replace(append([]byte(`<?xml version="1.0" encoding="ISO-8859-1"?>`), envelope11("", found11)...), []byte("Ana"), []byte("\x80"), 1)), nil)
	outcomeOf(t, s, m)
	kept := ""
	for _, text := range s.payloads.bytes {
		kept += string(text)
	}
	if !strings.Contains(kept, "€") {
		t.Errorf("what the definition says about the encoding is forgotten: %q", kept)
	}
	if a := got.Header["Soapaction"]; len(a) != 1 || a[0] != `"urn:ask"` {
		t.Errorf("SOAPAction %q, want it quoted", a)
	}
	doc, err := xmldoc.ParseBytes(sent, xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	header, err := doc.Root().Only(xmldoc.Name{Space: space11, Local: "Header"})
	if err != nil {
		t.Fatalf("%v in %s", err, sent)
	}
	block := header.First()
	if must, _ := block.Attr(xmldoc.Name{Space: space11, Local: "mustUnderstand"}); block.Name().Local != "Consumer" || must != "1" || block.Text() == "" {
		t.Errorf("the header is %s", header.Raw())
	}
}

func TestAddressing(t *testing.T) {
	def := trial(`{kind: soap12, path: /v1, action: "urn:ask", addressing: {}}`, xmlQuery, xmlReply)
	const wsa = "http://www.w3.org/2005/08/addressing"
	for _, tc := range []struct{ rule, relates, want string }{
		{"the answer relates to the query", "", "found"},
		{"the answer relates to another", "urn:uuid:00000000-0000-0000-0000-000000000000", "failed"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			s, m := asks(t, def, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				doc, err := xmldoc.Parse(r.Body, xmldoc.Limits{})
				if err != nil {
					t.Error(err)
					return
				}
				header := doc.Root().First()
				texts := map[string]string{}
				for e := range header.Children() {
					texts[e.Name().Local] = e.Text()
				}
				if texts["Action"] != "urn:ask" || !strings.HasSuffix(texts["To"], "/base/v1") {
					t.Errorf("headers %v", texts)
				}
				relates := tc.relates
				if relates == "" {
					relates = texts["MessageID"]
				}
				body := bytes.ReplaceAll(envelope11(`<w:RelatesTo xmlns:w="`+wsa+`" S:mustUnderstand="true">`+relates+`</w:RelatesTo>`, found11), []byte(space11), []byte("http://www.w3.org/2003/05/soap-envelope"))
				reply(200, soapType, body).ServeHTTP(w, r)
			}), nil)
			if outcome, detail := outcomeOf(t, s, m); outcome != tc.want {
				t.Errorf("got %s (%s), want %s", outcome, detail, tc.want)
			}
		})
	}
}

func TestRESTWithJSON(t *testing.T) {
	def := trial(`{kind: rest, method: PUT, path: /v1/search, body: json, accept: json}`,
		`query: {rules: [{to: born, from: subject/natural/birthDate}, {to: "names[]", each: subject/natural/familyName}, {to: most, value: "2", as: integer}]}`, jsonReply)
	const answer = `{"people":[{"name":"Ana","shares":[12345678901234567.10, 2]}]}`
	for _, tc := range []struct {
		rule, want string
		handler    http.Handler
	}{
		{"an answer", "found", reply(200, "application/json", []byte(answer))},
		{"a subtype of JSON", "found", reply(200, "application/vnd.example+json; charset=utf-8", []byte(answer))},
		{"status 404 is no hit, with a body", "not-found", reply(404, "application/problem+json", []byte(`{"title":"none"}`))},
		{"status 404 is no hit, without", "not-found", reply(404, "", nil)},
		{"status 204 is no hit", "not-found", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })},
		{"status 404 of a page in between is none", "failed", reply(404, "text/html", []byte("<html>nothing here</html>"))},
		{"a status and what it says", "unavailable", reply(403, "application/json", []byte(`{"state":"closed"}`))},
		{"down", "unavailable", reply(503, "application/json", []byte(`{}`))},
		{"several hits", "ambiguous", reply(200, "application/json", []byte(`{"people":[{"name":"Ana"},{"name":"Eva"}]}`))},
		{"an empty list proves nothing", "failed", reply(200, "application/json", []byte(`{"people":[]}`))},
		{"XML is not what was asked for", "failed", reply(200, "application/xml", []byte("<json><people><name>Ana</name></people></json>"))},
		{"a member twice", "failed", reply(200, "application/json", []byte(`{"people":[{"name":"Ana","name":"Eva"}]}`))},
		{"bytes after the end", "failed", reply(200, "application/json", []byte(answer+"{}"))},
		{"nothing", "failed", reply(200, "application/json", nil)},
		{"an encoding JSON has not", "failed", reply(200, "application/json", []byte("{\"people\":[{\"name\":\"\xc1na\"}]}"))},
		{"half a character", "failed", reply(200, "application/json", []byte(`{"people":[{"name":"\ud83d"}]}`))},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			var sent []byte
			s, m := asks(t, def, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != "PUT" || r.URL.Path != "/base/v1/search" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Accept") != "application/json" {
					t.Errorf("asked %s %s %v", r.Method, r.URL, r.Header)
				}
				sent, _ = io.ReadAll(r.Body)
				tc.handler.ServeHTTP(w, r)
			}), nil)
			outcome, detail := outcomeOf(t, s, m)
			if outcome != tc.want {
				t.Errorf("got %s (%s), want %s", outcome, detail, tc.want)
			}
			if tc.want == "found" {
				for _, text := range s.payloads.bytes {
					if bytes.HasPrefix(text, []byte("{")) {
						if want := `{"name":"Ana","shares":[12345678901234567.10,2]}`; string(text) != want {
							t.Errorf("record %s, want %s", text, want)
						}
					}
				}
			}
			var query map[string]any
			if err := json.Unmarshal(sent, &query); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]any{"born": "1994-03-17", "names": []any{"Marwick-Testa"}, "most": 2.0}, query); diff != "" && tc.rule == "an answer" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
		})
	}
}

// mime is a reply of several parts.
func mimeReply(rootType, root string, parts map[string]string) (string, []byte) {
	var b strings.Builder
	fmt.Fprintf(&b, "--edge\r\nContent-Type: %s\r\nContent-Transfer-Encoding: 8bit\r\nContent-ID: <root@trial>\r\n\r\n%s\r\n", rootType, root)
	for id, content := range parts {
		fmt.Fprintf(&b, "--edge\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <%s>\r\n\r\n%s\r\n", id, content)
	}
	b.WriteString("--edge--\r\n")
	return `multipart/related; type="application/xop+xml"; start="<root@trial>"; boundary=edge; start-info="text/xml"`, []byte(b.String())
}

// TestMTOM: what stands in another part is read as if it stood in the document.
func TestMTOM(t *testing.T) {
	const rootType = `application/xop+xml; charset=UTF-8; type="text/xml"`
	def := strings.Replace(trial(`{kind: soap11}`, xmlQuery, xmlReply), "evidence:\n", `supplements:
  - {role: Annex, format: application/pdf, titles: {EN: Copy}, languages: [ES], content: r:Answer/r:Copy}
evidence:
`, 1)
	include := func(href string) string {
		return `<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="` + href + `"/>`
	}
	root := func(copy string) string {
		return string(envelope11("", `<a:Answer xmlns:a="urn:example:trial"><a:Name>Ana</a:Name><a:Copy>`+copy+`</a:Copy></a:Answer>`))
	}
	pdf := "%PDF-1.7\r\n--edgeless\x00\xff\r\n"
	for _, tc := range []struct {
		rule, root, rootType string
		parts                map[string]string
		want                 string
	}{
		{rule: "a part", root: root(include("cid:copy@trial")), parts: map[string]string{"copy@trial": pdf}, want: "found"},
		{rule: "an id that is escaped", root: root(include("cid:copy%2B1%40trial")), parts: map[string]string{"copy+1@trial": pdf}, want: "found"},
		{rule: "base64 in place, no parts", root: root(base64.StdEncoding.EncodeToString([]byte(pdf))), want: "found"},
		{rule: "a part that is missing", root: root(include("cid:copy@trial")), want: "failed"},
		{rule: "another part", root: root(include("cid:other@trial")), parts: map[string]string{"copy@trial": pdf}, want: "failed"},
		{rule: "a part nobody refers to", root: root(include("cid:copy@trial")), parts: map[string]string{"copy@trial": pdf, "more@trial": pdf}, want: "failed"},
		{rule: "one part twice", root: root(include("cid:copy@trial") + `</a:Copy><a:Copy>` + include("cid:copy@trial")), parts: map[string]string{"copy@trial": pdf}, want: "failed"},
		{rule: "text beside it", root: root("JVBERi0x" + include("cid:copy@trial")), parts: map[string]string{"copy@trial": pdf}, want: "failed"},
		{rule: "an address of the web", root: root(include("http://127.0.0.1/copy")), parts: map[string]string{"copy@trial": pdf}, want: "failed"},
		{rule: "a root of another version", root: root(include("cid:copy@trial")), rootType: `application/xop+xml; type="application/soap+xml"`, parts: map[string]string{"copy@trial": pdf}, want: "failed"},
		{rule: "a root that says nothing", root: root(include("cid:copy@trial")), rootType: `application/xop+xml`, parts: map[string]string{"copy@trial": pdf}, want: "failed"},
		{rule: "too many parts", root: root(include("cid:copy@trial")), parts: many(70, pdf), want: "failed"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			media, body := mimeReply(firstOf(tc.rootType, rootType), tc.root, tc.parts)
			s, m := asks(t, def, reply(200, media, body), nil)
			outcome, detail := outcomeOf(t, s, m)
			if outcome != tc.want {
				t.Fatalf("got %s (%s), want %s", outcome, detail, tc.want)
			}
			if tc.want != "found" {
				return
			}
			for _, text := range s.payloads.bytes {
				if string(text) == pdf {
					return
				}
			}
			t.Error("the part is not among what is kept")
		})
	}
	media, body := mimeReply("text/xml", root(""), nil)
	s, m := asks(t, def, reply(200, strings.Replace(media, "application/xop+xml", "text/xml", 1), body), nil)
	if outcome, _ := outcomeOf(t, s, m); outcome != "failed" {
		t.Errorf("a multipart that is not MTOM: got %s", outcome)
	}
	folder := fstest.MapFS{
		"trial/register.yaml":                     {Data: []byte(def)},
		"trial/testdata/found.record.json":        {Data: []byte(`{"name":"Ana"}`)},
		"trial/testdata/found.reply.mime":         {},
		"trial/testdata/missing.reply.mime":       {},
		"trial/testdata/missing.fault":            {Data: []byte("invalid")},
		"trial/testdata/found.evidence.xml":       {Data: []byte(`<Trial xmlns="urn:example:evidence"><Name>Ana</Name></Trial>`)},
		"trial/testdata/somethingelse.query.json": {Data: []byte(`{"subject":{"natural":{"birthDate":"1994-03-17"}}}`)},
	}
	for name, parts := range map[string]map[string]string{"found": {"copy@trial": pdf}, "missing": nil} {
		media, body := mimeReply(rootType, root(include("cid:copy@trial")), parts)
		folder["trial/testdata/"+name+".reply.mime"].Data = append([]byte("Content-Type: "+media+"\r\n\r\n"), body...)
	}
	var out strings.Builder
	if failed, err := register.Check(&out, folder); failed != 0 || err != nil {
		t.Errorf("%d samples fail, %v\n%s", failed, err, out.String())
	}
}

func many(n int, content string) map[string]string {
	parts := map[string]string{"copy@trial": content}
	for i := range n {
		parts[fmt.Sprintf("p%d@trial", i)] = ""
	}
	return parts
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
