package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"oncegate/connectors/rulecheck"
	"oncegate/schemas/rules"
)

const basesDir = "../../schemas/rules/testdata/base/"

// brokenRequest writes a request that keeps neither its identifier nor its procedure.
func brokenRequest(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(basesDir + "2.0-edm-request.xml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := bytes.Cut(text, []byte(` id="urn:uuid:`))
	if !ok {
		t.Fatal("the sample has no id")
	}
	head := text[:len(text)-len(rest)]
	name := filepath.Join(t.TempDir(), "request.xml")
	if err := os.WriteFile(name, append(append([]byte{}, head...), append([]byte("SECRET"), rest...)...), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Covers: B-057
func TestValidateText(t *testing.T) {
	if out := ok(t, "validate", basesDir+"2.0-edm-request.xml"); !strings.HasSuffix(out, ": edm-request 2.0: ok\n") {
		t.Errorf("got %q", out)
	}
	name := brokenRequest(t)
	r := cli(t, "validate", name)
	if r.code != exitFindings || !strings.Contains(r.err, " in 1 document") {
		t.Errorf("exit %d, %q", r.code, r.err)
	}
	for _, want := range []string{name + ": edm-request 2.0: ", ": fatal: R-EDM-REQ-S004: ", "    at      /query:QueryRequest\n", "    remedy  "} {
		if !strings.Contains(r.out, want) {
			t.Errorf("does not print %q:\n%s", want, r.out)
		}
	}
	if strings.Contains(r.out+r.err, "SECRET") {
		t.Error("prints a value of the document")
	}
}

func TestValidateJSON(t *testing.T) {
	name := brokenRequest(t)
	r := cli(t, "validate", name, basesDir+"1.2-edm-response.xml", "-o", "json")
	var got []validation
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || len(got) != 2 || r.code != exitFindings {
		t.Fatalf("exit %d, %v:\n%s", r.code, err, r.out)
	}
	if f := got[0].Findings; got[0].Fatal == 0 || len(f) != got[0].Fatal+got[0].Others || f[0].Rule != "R-EDM-REQ-S004" || f[0].Layer != rulecheck.LayerRule ||
		f[0].Severity != rules.Fatal || f[0].Line == 0 || f[0].Column == 0 || f[0].Edition != "2.0" || f[0].Remedy == "" {
		t.Errorf("got %+v", got[0])
	}
	if got[1].Document != "edm-response" || got[1].Edition != "1.2" || got[1].Fatal != 0 || got[1].Findings == nil {
		t.Errorf("got %+v", got[1])
	}
	var same []validation
	parsed(t, &same, "validate", basesDir+"1.2-edm-response.xml")
}

// TestValidateAgainst compares an answer with its request, and with another one.
func TestValidateAgainst(t *testing.T) {
	request, answer := basesDir+"2.0-edm-request.xml", basesDir+"2.0-edm-response.xml"
	r := cli(t, "validate", answer, "--against", request, "-o", "json")
	var got []validation
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || len(got) != 1 {
		t.Fatalf("%v:\n%s", err, r.out)
	}
	for _, f := range got[0].Findings {
		if f.Layer != rulecheck.LayerCross {
			t.Errorf("got %+v", f)
		}
	}
	if r := cli(t, "validate", answer, "--against", answer); r.code != exitFindings || !strings.Contains(r.out, "request") {
		t.Errorf("an answer is taken for a request: exit %d\n%s", r.code, r.out)
	}
}

func TestValidateDirectory(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"sub/other.xml": "<a/>", "notes.txt": "no", "some.json": `{"a": 1}`} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out := ok(t, "validate", dir, basesDir); !strings.Contains(out, "0 with fatal findings; 2 other files passed over\n") {
		t.Errorf("got %q", out)
	}
}

func TestValidateStdin(t *testing.T) {
	record := `{"register":"lv-births","mapping":"7","query":"00000005-0000-4000-8000-000000000005","outcome":"not-found","code":"OG-REG-0001"}`
	for name, c := range map[string]struct {
		in   string
		args []string
		code int
		says string
	}{
		"a record":            {record, nil, exitOK, "stdin: register.record.v1: ok"},
		"two records":         {record + "\n" + record, nil, exitOK, "stdin: register.record.v1: ok"},
		"a second bad record": {record + "\n" + strings.Replace(record, "0005\"", "x\"", 1), []string{"--kind", "register.record.v1"}, exitFindings, "stdin:2:1: fatal: The schema is not kept: pattern"},
		"an unknown key":      {strings.Replace(record, "{", `{"regster":1,`, 1), []string{"--kind", "register.record.v1"}, exitFindings, "a key that it does not know.\n    at      (root)\n    remedy  Remove the key"},
		"a missing key":       {strings.Replace(record, `"mapping":"7",`, "", 1), []string{"--kind", "register.record.v1"}, exitFindings, "required: mapping.\n    at      (root)\n    remedy  Add"},
		"a schema":            {`{"$schema":"https://json-schema.org/draft/2020-12/schema"}`, nil, exitFindings, "unknown document"},
		"no kind of ours":     {`{"a":1}`, nil, exitFindings, "canonical message"},
		"no JSON":             {`{"a":`, nil, exitFindings, "stdin:1:6: fatal: The text is not JSON."},
		"no document of ours": {"<a/>", nil, exitFindings, "unknown document"},
		"malformed":           {"<a>\n<b></a>", nil, exitFindings, "stdin:2:4: fatal: mismatch"},
		"a doctype":           {"<!DOCTYPE a><a/>", nil, exitFindings, "doctype"},
		"nothing":             {"", nil, exitFindings, "stdin: xml: 1 fatal finding"},
		"an SOAP envelope": {`<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header><eb:Messaging xmlns:eb="http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"><eb:UserMessage/></eb:Messaging></s:Header></s:Envelope>`,
			nil, exitFindings, "edm-ebms 1.2"},
		"another edition": {`<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header><eb:Messaging xmlns:eb="http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"><eb:UserMessage/></eb:Messaging></s:Header></s:Envelope>`,
			[]string{"--edition", "2.0"}, exitFindings, "edm-ebms 2.0"},
	} {
		var out, errs bytes.Buffer
		code := run(append([]string{"validate", "-"}, c.args...), strings.NewReader(c.in), &out, &errs)
		if code != c.code || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: exit %d, want %d and %q:\n%s%s", name, code, c.code, c.says, out.String(), errs.String())
		}
	}
}

func TestValidateUsage(t *testing.T) {
	empty := t.TempDir()
	for says, args := range map[string][]string{
		"requires at least 1 arg": {},
		"no such file":            {"nowhere.xml"},
		"no .xml":                 {empty},
		"--edition":               {basesDir + "2.0-edm-request.xml", "--edition", "3.0"},
		"--kind":                  {basesDir + "2.0-edm-request.xml", "--kind", "weather"},
		"nothing.xml":             {basesDir + "2.0-edm-request.xml", "--against", "nothing.xml"},
		"output format":           {basesDir + "2.0-edm-request.xml", "-o", "xml"},
	} {
		if r := cli(t, append([]string{"validate"}, args...)...); r.code != exitUsage || !strings.Contains(r.err, says) {
			t.Errorf("%v: exit %d %q, want %q", args, r.code, r.err, says)
		}
	}
}
