package register_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/register"
	"oncegate/connectors/registers"
	"oncegate/schemas/canon"
)

// overHTTP are the built-in registers that a fake can play as a server.
func overHTTP(t *testing.T) map[string]*register.Definition {
	t.Helper()
	defs, err := register.Load(registers.FS)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range defs {
		if d.Transport != "soap11" && d.Transport != "soap12" && d.Transport != "rest" {
			delete(defs, name)
		}
	}
	return defs
}

func (s setup) outcome(t *testing.T, m canon.Message) *canon.RegisterRecord {
	t.Helper()
	out, err := s.connector.Handle(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return out[0].Body.(*canon.RegisterRecord)
}

// A fake recognises the person of a sample whoever asks, answers what the real
// register would, and knows nobody else.
func TestAFakePlaysARegister(t *testing.T) {
	for name, def := range overHTTP(t) {
		t.Run(name, func(t *testing.T) {
			fake, err := register.NewFake(def)
			if err != nil {
				t.Fatal(err)
			}
			s := connect(t, name, fake, func(e *register.Endpoint) {
				if def.OfXRoad() {
					e.XRoad = register.XRoad{Client: "EE/GOV/10000000/portal"}
				}
			})
			m := query(t, name)
			m.ID = canon.MessageID(canon.DeriveUUID("another", name))
			q := m.Body.(*canon.RegisterQuery)
			q.Requester = canon.Agent{ID: canon.Participant{Scheme: "urn:x:y", ID: "another"}, Names: []canon.Text{{Lang: "EN", Text: "Another"}}, Country: "IT"}
			rec := s.outcome(t, m)
			if rec.Outcome != canon.RecordFound {
				t.Fatalf("outcome %s %s %s\n%s", rec.Outcome, rec.Code, rec.Detail, s.log)
			}
			var have, want any
			if err := json.Unmarshal(s.payloads.bytes[rec.Record.Digest], &have); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(sample(t, name+"/testdata/found.record.json"), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("the record differs (-want +got):\n%s", diff)
			}
			private, _ := q.Private.Get()
			if n := private.Subject.Natural; n != nil {
				n.Identifier, n.FamilyName, n.BirthDate = "ES/SI/nobody", "Nobody", "1900-01-01"
			} else {
				private.Subject.Legal.Identifier, private.Subject.Legal.Name = "SI/ES/nobody", "Nobody Ltd"
			}
			q.Private = canon.Clear(*private)
			m.ID = canon.MessageID(canon.DeriveUUID("somebody else", name))
			if rec := s.outcome(t, m); rec.Outcome != canon.RecordNotFound {
				t.Errorf("somebody else: outcome %s %s %s, want not-found", rec.Outcome, rec.Code, rec.Detail)
			}
			fake.Fail(9)
			m.ID = canon.MessageID(canon.DeriveUUID("down", name))
			if _, err := s.connector.Handle(t.Context(), m); err == nil || canon.AsFault(err).Kind != canon.Unavailable {
				t.Errorf("a register that is down: %v, want it tried again", err)
			}
			if n := fake.Calls(); n < 3 {
				t.Errorf("%d calls, want three", n)
			}
		})
	}
}

func TestAFakeWantsSamples(t *testing.T) {
	defs, err := register.Load(fstest.MapFS{"births/register.yaml": {Data: sample(t, "births/register.yaml")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := register.NewFake(defs["births"]); err == nil || !strings.Contains(err.Error(), "no sample") {
		t.Errorf("a folder without samples: %v", err)
	}
	fake, err := register.NewFake(overHTTP(t)["births"])
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]int{"": http.StatusOK, "<a/>": http.StatusBadRequest, "not XML": http.StatusBadRequest} {
		w := httptest.NewRecorder()
		fake.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)))
		if w.Code != want {
			t.Errorf("%q: status %d, want %d", body, w.Code, want)
		}
	}
}

// Another version runs beside: it changes nothing, and names the fields that it
// would have changed.
func TestAShadowOnlyReports(t *testing.T) {
	defs := overHTTP(t)
	next, err := register.Load(fstest.MapFS{"births/register.yaml": {Data: bytes.Replace(sample(t, "births/register.yaml"),
		[]byte(`"join(c:Name/c:Family, ' ')"`), []byte(`"upper(join(c:Name/c:Family, ' '))"`), 1)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		shadow *register.Definition
		want   []string
	}{
		{"the same version", defs["births"], nil},
		{"another version", next["births"], []string{"amilyName", "FamilyName"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fake, err := register.NewFake(defs["births"])
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(fake)
			defer server.Close()
			var reports []register.ShadowReport
			var log bytes.Buffer
			c, err := register.New(defs["births"], register.Endpoint{URL: server.URL}, register.Config{
				Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil)),
				Shadow: tc.shadow, Shadowed: func(r register.ShadowReport) { reports = append(reports, r) },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			rec := setup{connector: c}.outcome(t, query(t, "births"))
			if rec.Outcome != canon.RecordFound || rec.Mapping != defs["births"].Version || len(reports) != 1 {
				t.Fatalf("outcome %s by %s, %d reports", rec.Outcome, rec.Mapping, len(reports))
			}
			var paths []string
			for _, ch := range reports[0].Changes {
				paths = append(paths, ch.Path)
				if ch.Old != "" || ch.New != "" {
					t.Errorf("%s tells values", ch.Path)
				}
			}
			for _, want := range tc.want {
				if !strings.Contains(strings.Join(paths, "\n"), want) {
					t.Errorf("%s is missing in %q", want, paths)
				}
			}
			if tc.want == nil && len(paths) > 0 {
				t.Errorf("the same version differs in %q", paths)
			}
			if strings.Contains(log.String(), "Marwick") {
				t.Error("the log names the person")
			}
		})
	}
}

// What is recorded of a register plays that register, and names nobody.
func TestARecordedRegisterCanBePlayed(t *testing.T) {
	def := overHTTP(t)["births"]
	fake, err := register.NewFake(def)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(fake)
	defer server.Close()
	dir := t.TempDir()
	rec, err := register.NewRecorder(def, register.RecordSettings{Dir: dir, Until: time.Now().Add(time.Hour)}, dir, rand.Reader, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := register.New(def, register.Endpoint{URL: server.URL}, register.Config{Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.DiscardHandler), Recorder: rec})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	setup{connector: c}.outcome(t, query(t, "births"))
	files, err := filepath.Glob(filepath.Join(dir, "births", "testdata", "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("recorded %v, %v", files, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"Marwick", "Lucía", "00017", "1994-03-17"} {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("%s holds %s", f, secret)
			}
		}
	}
	played, err := register.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := register.NewFake(played["births"]); err != nil {
		t.Errorf("playing what was recorded: %v", err)
	}
}
