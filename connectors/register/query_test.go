package register_test

import (
	"bytes"
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

	"oncegate/connectors/register"
	"oncegate/schemas/canon"
)

// numbersRegister is a register that knows people by its own number and wants a
// password in the body. more is put in the place of REPLY, rules in that of RULES.
func numbersRegister(replace ...string) string {
	text := `apiVersion: oncegate/v1
kind: Register
name: numbers
title: Numbers
country: SI
evidence_type:
  id: 4f7c9a52-0d3e-4b61-8a75-1c2d3e4f5a6b
  classification: https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/SI/4f7c9a52-0d3e-4b61-8a75-1c2d3e4f5a6b
  titles: {EN: Numbers}
  languages: [SL]
issuer: {scheme: "urn:x", id: numbers, names: {EN: Numbers}}
transport: {kind: rest, method: POST, path: /ask}
prefixes: {n: "urn:n"}
query:
  outcomes:
    - {when: "not(starts-with(subject/natural/identifier, 'SI/'))", means: not-found}
  rules:
    - to: n:Ask
      rules:
        - {to: n:User, from: "secret('user')"}
        - {to: "@key", from: 'secret("key-2")'}
        - {to: n:Number, from: "split(subject/natural/identifier, '/', 3)", required: true}
reply:
  hits: /n:Found
  same:
    - {asked: "compact(transliterate(subject/natural/familyName, 'ascii'))", among: spouses, got: "compact(transliterate(familyName, 'ascii'))"}
  rules:
    - {to: kind, value: marriage}
    - {to: "spouses[]", each: n:Spouse, rules: [{to: role, value: spouse}, {to: familyName, from: .}]}
evidence:
  rules: [{to: e, rules: [{to: name, each: spouses, from: familyName}]}]
`
	return strings.NewReplacer(replace...).Replace(text)
}

func loadNumbers(text string, samples map[string]string) (*register.Definition, error) {
	files := fstest.MapFS{"numbers/register.yaml": {Data: []byte(text)}}
	for name, text := range samples {
		files["numbers/testdata/"+name] = &fstest.MapFile{Data: []byte(text)}
	}
	defs, err := register.Load(files)
	return defs["numbers"], err
}

func numbersQuery(id canon.MessageID, identifier, family string) canon.Message {
	m := question(id, family)
	body := *m.Body.(*canon.RegisterQuery)
	body.Register = "numbers"
	private, _ := body.Private.Get()
	person := *private.Subject.Natural
	person.Identifier = identifier
	body.Private = canon.Clear(canon.QueryPrivate{Subject: canon.Subject{Natural: &person}})
	m.Body = &body
	return m
}

func TestSecretsGoIntoTheRequestAlone(t *testing.T) {
	const secret, key = "gehe<im>&1234", "k-777"
	var sent []byte
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		sent, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/xml")
		fmt.Fprint(w, `<Found xmlns="urn:n"><Spouse>`+"MUŠTRA"+`</Spouse><Spouse>Exemplo</Spouse></Found>`)
	}))
	t.Cleanup(server.Close)
	d, err := loadNumbers(numbersRegister(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	with := register.Config{Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), Shadow: d}
	if _, err := register.New(d, register.Endpoint{URL: server.URL, Secrets: map[string]register.Secret{"user": secret}}, with); err == nil || !strings.Contains(err.Error(), "secrets.key-2") {
		t.Errorf("a missing secret: %v", err)
	}
	e := register.Endpoint{URL: server.URL, Secrets: map[string]register.Secret{"user": secret, "key-2": key}}
	c, err := register.New(d, e, with)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ms, err := c.Handle(t.Context(), numbersQuery("00000000-0000-4000-8000-000000000001", "SI/EE/17", "Mustra"))
	rec := record(t, ms, err)
	if rec.Outcome != canon.RecordFound {
		t.Errorf("outcome %s: %s", rec.Outcome, rec.Detail)
	}
	for _, want := range []string{"<n:User>gehe&lt;im&gt;&amp;1234</n:User>", `key="k-777"`, "<n:Number>17</n:Number>"} {
		if !strings.Contains(string(sent), want) {
			t.Errorf("%s is not in what was sent: %s", want, sent)
		}
	}
	// Nobody else sees it.
	in := map[string]any{"subject": map[string]any{"natural": map[string]any{"identifier": "SI/EE/17"}}}
	s, err := d.Sending(in)
	if err != nil || !strings.Contains(string(s.Body), "[secret user]") {
		t.Errorf("shown as sent: %s, %v", s.Body, err)
	}
	lineage, err := json.Marshal(s.Report)
	if err != nil || !strings.Contains(string(lineage), "[secret user]") {
		t.Errorf("lineage: %s, %v", lineage, err)
	}
	for name, text := range map[string]string{"log": log.String(), "lineage": string(lineage), "endpoint": fmt.Sprintf("%+v %#v", e, e), "record": fmt.Sprintf("%+v", rec)} {
		if strings.Contains(text, "gehe") || strings.Contains(text, key) {
			t.Errorf("%s holds the secret", name)
		}
	}
	// And the register does not hear of who has no number of its country.
	ms, err = c.Handle(t.Context(), numbersQuery("00000000-0000-4000-8000-000000000002", "EE/SI/17", "Mustra"))
	if rec := record(t, ms, err); rec.Outcome != canon.RecordNotFound || rec.Code != canon.CodeEvidenceNotFound || calls != 1 {
		t.Errorf("a foreigner: %s %s after %d calls, want not found after 1", rec.Outcome, rec.Code, calls)
	}
	ms, err = c.Handle(t.Context(), numbersQuery("00000000-0000-4000-8000-000000000003", "SI/EE/17", "Proov"))
	if rec := record(t, ms, err); rec.Outcome != canon.RecordFailed || !strings.Contains(rec.Detail, "somebody else") {
		t.Errorf("two others: %s %s", rec.Outcome, rec.Detail)
	}
}

func TestSecretsStandInQueryRulesAlone(t *testing.T) {
	for _, tc := range []struct{ name, from, to, want string }{
		{"reply", "{to: familyName, from: .}", "{to: familyName, from: \"secret('user')\"}", "stands nowhere else"},
		{"evidence", "each: spouses, from: familyName", "from: \"secret('user')\"", "stands nowhere else"},
		{"outcome", "not(starts-with(subject/natural/identifier, 'SI/'))", "secret('user') = 'x'", "stands nowhere else"},
		{"path", "path: /ask", "path: \"/{secret('user')}\"", "stands nowhere else"},
		{"header", "path: /ask", "path: /ask, headers: {X-Key: \"secret('user')\"}", "stands nowhere else"},
		{"parameter", "path: /ask", "path: /ask, params: {key: \"secret('user')\"}", "stands nowhere else"},
		{"same", "{asked: \"compact(", "{asked: \"concat(secret('user'), ", "stands nowhere else"},
		{"function", "from: \"secret('user')\"", "from: \"upper(secret('user'))\"", "stands nowhere else"},
		{"condition", "from: \"secret('user')\"", "from: \"secret('user')\", when: exists(subject)", "does not go with a secret"},
		{"name", "from: \"secret('user')\"", "from: \"secret('User')\"", "stands nowhere else"},
	} {
		text := numbersRegister(tc.from, tc.to)
		if text == numbersRegister() {
			t.Fatalf("%s: nothing was replaced", tc.name)
		}
		if _, err := loadNumbers(text, nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	read := func(file string) ([]byte, error) { return []byte(file + "-content\n"), nil }
	s := register.Settings{URL: "https://r.example.org", Secrets: map[string]string{"user": "u.txt"}}
	e, err := s.Endpoint(read)
	if err != nil || string(e.Secrets["user"]) != "u.txt-content" {
		t.Errorf("%q, %v", string(e.Secrets["user"]), err)
	}
	if f := s.Files(); len(f) != 1 || f[0].Key != "secrets.user" || !f[0].Secret {
		t.Errorf("files: %+v", f)
	}
	for name, s := range map[string]register.Settings{
		"a bad name":   {Secrets: map[string]string{"User x": "u"}},
		"without file": {Secrets: map[string]string{"user": ""}},
	} {
		if err := s.Validate(); err == nil {
			t.Errorf("%s passes", name)
		}
	}
	control := func(string) ([]byte, error) { return []byte("a\x01b"), nil }
	if _, err := s.Endpoint(control); err == nil || strings.Contains(err.Error(), "\x01") {
		t.Errorf("a control character: %v", err)
	}
}

func TestSamplesOfQueriesThatAreNotSent(t *testing.T) {
	for name, tc := range map[string]struct {
		identifier, fault, want string
	}{
		"not sent":      {"EE/SI/17", "not-found", ""},
		"sent":          {"SI/EE/17", "not-found", "the query is sent"},
		"other outcome": {"EE/SI/17", "invalid", "the outcome is not-found"},
	} {
		d, err := loadNumbers(numbersRegister(), map[string]string{
			"foreign.query.json": `{"subject": {"natural": {"identifier": "` + tc.identifier + `"}}}`, "foreign.fault": tc.fault + "\n",
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range d.Samples() {
			if s.Case != "foreign" {
				continue
			}
			if (s.Err == nil) != (tc.want == "") || s.Err != nil && !strings.Contains(s.Err.Error(), tc.want) {
				t.Errorf("%s: %s: %v", name, s.Check, s.Err)
			}
		}
		if _, err := d.Coverage(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFieldsThatTheRecordHasNot(t *testing.T) {
	for _, tc := range []struct{ to, want string }{
		{"familyNam", `did you mean "familyName"?`},
		{"surname.first", "the canonical record (marriage) has no field spouses[].surname.first"},
		{"registeredOn", "there is entry.registeredOn"},
	} {
		text := numbersRegister("{to: familyName, from: .}", "{to: "+tc.to+", from: .}", "evidence:\n  rules: [{to: e, rules: [{to: name, each: spouses, from: familyName}]}]", "record: marriage")
		_, err := loadNumbers(text, nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "numbers/register.yaml:29:") {
			t.Errorf("%s: %v", tc.to, err)
		}
	}
}
