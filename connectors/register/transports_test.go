package register_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
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
	c, payloads, log := joined(t, def, ep, nil)
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
	c, _, log = joined(t, def, ep, nil)
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
