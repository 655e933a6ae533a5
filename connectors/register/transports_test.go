package register_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"oncegate/connectors/register"
	"oncegate/connectors/register/pgfake"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// taxRegister makes a register of one person's income with the given transport and
// query, as YAML.
func taxRegister(t *testing.T, transport, query string) *register.Definition {
	t.Helper()
	text := `apiVersion: oncegate/v1
kind: Register
name: tax
title: Tax register
country: EE
evidence_type:
  id: 4f7c9a52-0d3e-4b61-8a75-1c2d3e4f5a6b
  classification: https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/EE/4f7c9a52-0d3e-4b61-8a75-1c2d3e4f5a6b
  titles: {EN: Tax statement}
  languages: [ET]
issuer: {scheme: "urn:x", id: tax, names: {EN: Tax register}}
` + transport + query + `reply:
  outcomes:
    - {when: not(exists(/rows/row)), means: not-found}
  hits: /rows/row
  rules:
    - {to: kind, value: income}
    - {to: person.familyName, from: family, required: true}
    - {to: income, from: income}
    - {to: "towns[]", each: extra/address, rules: [{to: town, from: town}]}
evidence:
  rules: [{to: income, rules: [{to: name, from: person/familyName}]}]
`
	defs, err := register.Load(fstest.MapFS{"tax/register.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return defs["tax"]
}

// question is a query for the register of taxRegister.
func question(id canon.MessageID, family string) canon.Message {
	return canon.Message{ID: id, Kind: canon.KindRegisterQuery, Conversation: "c-1", At: time.Date(2026, 5, 11, 8, 0, 0, 0, time.UTC), Body: &canon.RegisterQuery{
		Register: "tax", Private: canon.Clear(canon.QueryPrivate{Subject: canon.Subject{Natural: &canon.NaturalPerson{
			Identifier: "ES/EE/17", FamilyName: family, GivenName: "Ana", BirthDate: "1994-03-17",
		}}}),
	}}
}

const questionID canon.MessageID = "7c1e6f3a-55d2-5b0c-9d11-2f8e4a6b7c01"

// joined is a connector over any transport.
func joined(t *testing.T, def *register.Definition, ep register.Endpoint, change func(*register.Config)) (*register.Connector, *heap, *bytes.Buffer) {
	t.Helper()
	payloads, log := &heap{}, &bytes.Buffer{}
	conf := register.Config{Payloads: payloads, Now: time.Now, Log: slog.New(slog.NewJSONHandler(log, nil))}
	if change != nil {
		change(&conf)
	}
	c, err := register.New(def, ep, conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, payloads, log
}

func found(t *testing.T, payloads *heap, ms []canon.Message, err error) string {
	t.Helper()
	rec := record(t, ms, err)
	if rec.Outcome != canon.RecordFound {
		t.Fatalf("the outcome is %s: %s", rec.Outcome, rec.Detail)
	}
	return string(payloads.bytes[rec.Record.Digest])
}

const sqlTransport = `transport:
  kind: sql
  statement: |
    SELECT family, income, extra
      FROM tax WHERE code = $1 AND born = $2
  args:
    - {from: "split(subject/natural/identifier, '/', 3)", required: true}
    - {from: subject/natural/birthDate, type: date}
`

func TestSQL(t *testing.T) {
	def := taxRegister(t, sqlTransport, "")
	doc, err := xmldoc.ParseBytes([]byte(`<rows><row><family>Muestra</family><income>12.50</income><extra><address><town>Tartu</town></address><address><town>Narva</town></address></extra></row></rows>`), xmldoc.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pgfake.Columns(doc.Root())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- pgfake.Serve(ctx, l, pgfake.Config{
			User: "gateway", Password: "very-secret",
			Columns: func(string) ([]pgfake.Column, error) { return columns, nil },
			Rows: func(_ context.Context, _ string, args []*string) ([][]*string, error) {
				switch {
				case len(args) != 2 || *args[0] != "17" || *args[1] != "1994-03-17":
					return nil, &pgfake.Error{Code: "22023", Message: "other values"}
				}
				return pgfake.Rows(columns, doc.Root())
			},
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	ep := register.Endpoint{URL: "postgres://" + l.Addr().String() + "/tax", Auth: register.Auth{User: "gateway", Password: "very-secret"}}
	c, payloads, _ := joined(t, def, ep, nil)
	ms, err := c.Handle(t.Context(), question(questionID, "Muestra"))
	got := found(t, payloads, ms, err)
	var rec struct {
		Income string
		Towns  []struct{ Town string }
	}
	if err := json.Unmarshal([]byte(got), &rec); err != nil || rec.Income != "12.50" || len(rec.Towns) != 2 || rec.Towns[1].Town != "Narva" {
		t.Errorf("got %s, %v", got, err)
	}

	ep.Auth.Password = "other-secret"
	c, _, log := joined(t, def, ep, nil)
	_, err = c.Handle(t.Context(), question(questionID, "Muestra"))
	if f := canon.AsFault(err); f == nil || f.Kind != canon.Unavailable {
		t.Errorf("wrong password: got %v, want unavailable", err)
	}
	for _, secret := range []string{"other-secret", "Muestra", "1994"} {
		if strings.Contains(err.Error()+log.String(), secret) {
			t.Errorf("%q is told: %v %s", secret, err, log)
		}
	}
}

func TestSQLSettings(t *testing.T) {
	def := taxRegister(t, sqlTransport, "")
	user := register.Auth{User: "gateway", Password: "secret"}
	for name, tc := range map[string]struct {
		ep   register.Endpoint
		want string
	}{
		"another scheme": {register.Endpoint{URL: "https://db.example.org/tax", Auth: user}, "postgres://"},
		"no database":    {register.Endpoint{URL: "postgres://db.example.org", Auth: user}, "postgres://"},
		"no user":        {register.Endpoint{URL: "postgres://db.example.org/tax"}, "user and password_file"},
		"options":        {register.Endpoint{URL: "postgres://db.example.org/tax?sslmode=disable", Auth: user}, "no user, query"},
	} {
		_, err := register.New(def, tc.ep, register.Config{Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

const askingQuery = `query:
  rules: [{to: ask, rules: [{to: ref, from: message}, {to: family, from: subject/natural/familyName}]}]
`

const answerXML = `<rows><row><family>Muestra</family><income>12.50</income></row></rows>`

// filesOf lists the files below a directory.
func filesOf(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	if err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, rel)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

func dropDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"out", "in"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A reply that comes while nobody waits is found by the next try of the same query;
// one that cannot be used ends in quarantine with the place and the rule.
func TestFiles(t *testing.T) {
	dir := dropDir(t)
	def := taxRegister(t, "transport: {kind: files, ready: renamed, poll: 10ms}\n", askingQuery)
	c, payloads, log := joined(t, def, register.Endpoint{URL: "file://" + dir, Timeout: 300 * time.Millisecond}, nil)
	_, err := c.Handle(t.Context(), question(questionID, "Muestra"))
	if f := canon.AsFault(err); f == nil || f.Kind != canon.Unavailable || !strings.Contains(f.Detail, "no reply there yet") {
		t.Fatalf("got %v, want unavailable", err)
	}
	file := string(questionID) + ".xml"
	if text, err := os.ReadFile(filepath.Join(dir, "out", file)); err != nil || !strings.Contains(string(text), "<family>Muestra</family>") {
		t.Errorf("the query is %s, %v", text, err)
	}
	put(t, filepath.Join(dir, "in", file), answerXML)
	ms, err := c.Handle(t.Context(), question(questionID, "Muestra"))
	found(t, payloads, ms, err)
	if got, want := filesOf(t, dir), "out/"+file; got != want { // the register has not fetched it; nothing else is left
		t.Errorf("the directory holds %s, want %s", got, want)
	}

	put(t, filepath.Join(dir, "in", file), `<rows><row><income>1</income></row></rows>`)
	ms, err = c.Handle(t.Context(), question(questionID, "Muestra"))
	if rec := record(t, ms, err); rec.Outcome != canon.RecordFailed {
		t.Errorf("got %s", rec.Outcome)
	}
	reasons, _ := filepath.Glob(filepath.Join(dir, "quarantine", "*.reason"))
	if len(reasons) != 1 {
		t.Fatalf("the directory holds %s", filesOf(t, dir))
	}
	if text, _ := os.ReadFile(reasons[0]); !strings.Contains(string(text), "register.yaml:") {
		t.Errorf("the reason is %q", text)
	}
	if strings.Contains(filesOf(t, dir)+log.String(), "Muestra") {
		t.Errorf("a person is named: %s %s", filesOf(t, dir), log)
	}
}

// Where replies take hours, the requester is told when; a later query for the same
// finds the reply to the first, under a name that nobody can guess back.
func TestDeferredFiles(t *testing.T) {
	dir := dropDir(t)
	def := taxRegister(t, "transport: {kind: files, ready: renamed, poll: 10ms, deferred: 4h}\n", askingQuery)
	ep := register.Endpoint{URL: "file://" + dir, Timeout: 200 * time.Millisecond}
	if _, err := register.New(def, ep, register.Config{Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "name_key_file") {
		t.Errorf("without a key: got %v", err)
	}
	ep.NameKey = "0123456789abcdef"
	c, payloads, _ := joined(t, def, ep, nil)
	before := time.Now()
	ms, err := c.Handle(t.Context(), question(questionID, "Muestra"))
	rec := record(t, ms, err)
	if rec.Outcome != canon.RecordDeferred || rec.AvailableAt.Sub(before).Round(time.Minute) != 4*time.Hour {
		t.Fatalf("got %s, available at %v", rec.Outcome, rec.AvailableAt)
	}
	asked, err := filepath.Glob(filepath.Join(dir, "out", "*.xml"))
	if err != nil || len(asked) != 1 || strings.Contains(asked[0], string(questionID)) {
		t.Fatalf("out holds %v", asked)
	}
	if err := os.Remove(asked[0]); err != nil { // the register has fetched it
		t.Fatal(err)
	}
	other := question("9d1e6f3a-55d2-5b0c-9d11-2f8e4a6b7c02", "Ejemplo")
	if rec := record(t, first(c.Handle(t.Context(), other)), nil); rec.Outcome != canon.RecordDeferred {
		t.Errorf("another person: got %s", rec.Outcome)
	}
	put(t, filepath.Join(dir, "in", filepath.Base(asked[0])), answerXML)
	ms, err = c.Handle(t.Context(), question("8d1e6f3a-55d2-5b0c-9d11-2f8e4a6b7c01", "Muestra"))
	found(t, payloads, ms, err)
}

func first(ms []canon.Message, _ error) []canon.Message { return ms }

// bus answers in memory.
type bus struct {
	reply register.BusReply
	err   error
	asked register.BusRequest
}

func (b *bus) Ask(_ context.Context, r register.BusRequest) (register.BusReply, error) {
	b.asked = r
	return b.reply, b.err
}

func TestKafka(t *testing.T) {
	def := taxRegister(t, "transport: {kind: kafka, request_topic: tax.requests, reply_topic: tax.replies}\n", askingQuery)
	b := &bus{reply: register.BusReply{Media: "application/xml; charset=utf-8", Body: []byte(answerXML)}}
	with := func(c *register.Config) { c.Bus = b }
	ep := register.Endpoint{PersonalDataOnTopic: true}
	c, payloads, _ := joined(t, def, ep, with)
	ms, err := c.Handle(t.Context(), question(questionID, "Muestra"))
	found(t, payloads, ms, err)
	if b.asked.ID != questionID || b.asked.Topic != "tax.requests" || b.asked.Replies != "tax.replies" || b.asked.Since.IsZero() {
		t.Errorf("asked %+v", b.asked)
	}
	for name, tc := range map[string]struct {
		reply register.BusReply
		err   error
		want  canon.RecordOutcome
	}{
		"not well-formed": {register.BusReply{Body: []byte("<rows>")}, nil, canon.RecordFailed},
		"nobody":          {register.BusReply{Body: []byte("<rows/>")}, nil, canon.RecordNotFound},
		"too large":       {register.BusReply{Body: make([]byte, 5<<20)}, nil, canon.RecordFailed},
		"down":            {register.BusReply{}, canon.NewFault(canon.CodeRegisterDown, nil, "no broker"), ""},
	} {
		b.reply, b.err = tc.reply, tc.err
		c, _, _ := joined(t, def, ep, with)
		ms, err := c.Handle(t.Context(), question(questionID, "Muestra"))
		if tc.want == "" {
			if f := canon.AsFault(err); f == nil || f.Kind != canon.Unavailable {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		}
		if rec := record(t, ms, err); rec.Outcome != tc.want {
			t.Errorf("%s: got %s, want %s", name, rec.Outcome, tc.want)
		}
	}
	for want, conf := range map[string]struct {
		ep   register.Endpoint
		with register.Config
	}{
		"no Kafka":               {ep, register.Config{}},
		"personal_data_on_topic": {register.Endpoint{}, register.Config{Bus: b}},
		"has no url":             {register.Endpoint{URL: "https://example.org", PersonalDataOnTopic: true}, register.Config{Bus: b}},
	} {
		conf.with.Payloads, conf.with.Now, conf.with.Log = &heap{}, time.Now, slog.New(slog.DiscardHandler)
		if _, err := register.New(def, conf.ep, conf.with); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
