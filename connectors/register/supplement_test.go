package register_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/register"
	"oncegate/mapping"
	"oncegate/schemas/canon"
)

// slips is a register whose record has documents that go with it, and which may have
// to prepare it first.
const slips = `apiVersion: oncegate/v1
kind: Register
name: slips
title: Slips
country: FI
about: natural-person
evidence_type:
  id: 8c1f6b52-7d3e-4a90-b5c1-2e4d6f8a0099
  classification: https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/FI/8c1f6b52-7d3e-4a90-b5c1-2e4d6f8a0099
  titles: {EN: Slip}
  languages: [FI]
issuer: {scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:FI", id: test-slips, names: {EN: Slips (test)}}
transport: {kind: rest, method: POST, path: /slips}
query:
  rules: [{to: Ask/Name, from: subject/natural/familyName}]
reply:
  outcomes:
    - {when: exists(/Later), means: deferred, available: /Later/@on}
  hits: /Slip
  rules: [{to: number, from: "@number"}]
evidence:
  rules: [{to: Evidence/Number, from: number}]
supplements:
  - {role: Annex, titles: {EN: Picture}, format: application/pdf, content: /Slip/Picture}
  - {role: HumanReadableVersion, titles: {EN: To read}, languages: [EN], when: "/Slip/@readable = 'yes'", rules: [{to: Page/Number, from: number}]}
  - {role: Translation, titles: {EN: In English}, languages: [EN], format: application/pdf, content: /Slip/English}
`

func loadSlips(t *testing.T, text string) (*register.Definition, error) {
	t.Helper()
	defs, err := register.Load(fstest.MapFS{"slips/register.yaml": {Data: []byte(text)}})
	return defs["slips"], err
}

func askSlips(t *testing.T, answer string) (*canon.RegisterRecord, *heap) {
	t.Helper()
	def, err := loadSlips(t, slips)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(reply(http.StatusOK, xmlType, []byte(answer)))
	t.Cleanup(server.Close)
	payloads := &heap{}
	c, err := register.New(def, register.Endpoint{URL: server.URL}, register.Config{Payloads: payloads, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ms, err := c.Handle(t.Context(), canon.Message{
		ID: "0b7e3c52-6a51-5d0e-9a55-6a1f2c3d4e03", Kind: canon.KindRegisterQuery, Conversation: "c-1", At: time.Date(2026, 5, 11, 8, 0, 0, 0, time.UTC),
		Body: &canon.RegisterQuery{Register: "slips", Private: canon.Clear(canon.QueryPrivate{Subject: canon.Subject{Natural: &canon.NaturalPerson{FamilyName: "Testa"}}})},
	})
	return record(t, ms, err), payloads
}

func TestSupplementsGoWithTheEvidence(t *testing.T) {
	rec, payloads := askSlips(t, `<Slip number="7" readable="yes"><Picture>JVBE
		Ri0x</Picture><English/></Slip>`)
	if rec.Outcome != canon.RecordFound {
		t.Fatalf("outcome %s %s %s", rec.Outcome, rec.Code, rec.Detail)
	}
	var got []string
	for _, d := range rec.Documents {
		r, err := payloads.Open(t.Context(), "c-1", d.Payload)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := b.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(b.String(), "?>\n")
		if body == "" {
			body = b.String()
		}
		got = append(got, d.Role+" "+d.Payload.MediaType+" "+strings.TrimSpace(body))
		if d.Role != canon.RoleMain && d.For != rec.Documents[0].ID {
			t.Errorf("%s belongs to %q", d.Role, d.For)
		}
	}
	want := []string{
		"MainEvidence application/xml <Evidence><Number>7</Number></Evidence>",
		"Annex application/pdf %PDF-1",
		"HumanReadableVersion application/xml <Page><Number>7</Number></Page>",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

func TestASupplementThatCannotBeReadEndsTheExchange(t *testing.T) {
	rec, _ := askSlips(t, `<Slip number="7"><Picture>no base64!</Picture></Slip>`)
	if rec.Outcome != canon.RecordFailed || rec.Code != canon.CodeMappingFailed || strings.Contains(rec.Detail, "no base64!") {
		t.Errorf("outcome %s %s %q", rec.Outcome, rec.Code, rec.Detail)
	}
}

func TestARecordThatWillBeThereLater(t *testing.T) {
	for _, tc := range []struct {
		on      string
		outcome canon.RecordOutcome
		want    time.Time
	}{
		{"2026-09-15", canon.RecordDeferred, time.Date(2026, 9, 15, 0, 0, 0, 0, time.UTC)},
		{"2026-09-15T14:30:00+02:00", canon.RecordDeferred, time.Date(2026, 9, 15, 12, 30, 0, 0, time.UTC)},
		{"soon", canon.RecordFailed, time.Time{}},
		{"", canon.RecordFailed, time.Time{}},
	} {
		rec, _ := askSlips(t, `<Later on="`+tc.on+`"/>`)
		if rec.Outcome != tc.outcome || !rec.AvailableAt.Equal(tc.want) {
			t.Errorf("%q: %s at %s", tc.on, rec.Outcome, rec.AvailableAt)
		}
	}
}

func TestSupplementsThatCannotBe(t *testing.T) {
	for _, tc := range []struct{ old, new, want string }{
		{"role: Annex", "role: Appendix", "want one of Annex, HumanReadableVersion, Translation"},
		{"format: application/pdf, content: /Slip/Picture", "format: text/html, content: /Slip/Picture", "want one of application/pdf"},
		{", content: /Slip/Picture", "", "want one of rules"},
		{`rules: [{to: Page/Number, from: number}]`, `format: application/pdf, rules: [{to: Page/Number, from: number}]`, "rules make application/xml"},
		{", available: /Later/@on", "", "available says when"},
		{"means: deferred", "means: not-found", "available says when"},
		{"languages: [EN], when", "languages: [english], when", "want a two-letter language code"},
	} {
		_, err := loadSlips(t, strings.Replace(slips, tc.old, tc.new, 1))
		if list, ok := err.(mapping.Errors); !ok || !strings.Contains(list.Render(), tc.want) { //nolint:errorlint // Load returns it bare
			t.Errorf("%s: got %v, want %q", tc.new, err, tc.want)
		}
	}
}
