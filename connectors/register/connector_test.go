package register_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/connectors/register"
	"oncegate/connectors/registers"
	"oncegate/schemas/canon"
)

// heap keeps payloads in memory. It is a store in its own right, small enough
// to stand here; gateway rooms are out of reach of connectors.
type heap struct {
	mu    sync.Mutex
	bytes map[string][]byte
	fail  error
}

var _ canon.Payloads = (*heap)(nil)

func (h *heap) Put(_ context.Context, id canon.ConversationID, mediaType string, r io.Reader) (canon.PayloadRef, error) {
	if h.fail != nil {
		return canon.PayloadRef{}, h.fail
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return canon.PayloadRef{}, err
	}
	sum := sha256.Sum256(text)
	ref := canon.PayloadRef{Digest: "sha256:" + hex.EncodeToString(sum[:]), MediaType: mediaType, Size: int64(len(text)), Store: "heap", Where: string(id)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bytes == nil {
		h.bytes = map[string][]byte{}
	}
	h.bytes[ref.Digest] = text
	return ref, nil
}

func (h *heap) Open(_ context.Context, _ canon.ConversationID, ref canon.PayloadRef) (io.ReadCloser, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return io.NopCloser(bytes.NewReader(h.bytes[ref.Digest])), nil
}

func sample(t testing.TB, file string) []byte {
	t.Helper()
	text, err := registers.FS.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// query makes the message that the sample query of a register stands for.
func query(t testing.TB, name string) canon.Message {
	t.Helper()
	var in struct {
		canon.RegisterQuery
		Message canon.MessageID `json:"message"`
		Subject canon.Subject   `json:"subject"`
	}
	if err := json.Unmarshal(sample(t, name+"/testdata/found.query.json"), &in); err != nil {
		t.Fatal(err)
	}
	q := in.RegisterQuery
	q.Private = canon.Clear(canon.QueryPrivate{Subject: in.Subject})
	return canon.Message{ID: in.Message, Kind: canon.KindRegisterQuery, Conversation: "c-1", At: time.Date(2026, 5, 11, 8, 0, 0, 0, time.UTC), Body: &q}
}

type setup struct {
	connector *register.Connector
	payloads  *heap
	log       *bytes.Buffer
}

func connect(t testing.TB, name string, handler http.Handler, change func(*register.Endpoint)) setup {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	defs, err := register.Load(registers.FS)
	if err != nil {
		t.Fatal(err)
	}
	ep := register.Endpoint{URL: server.URL}
	if change != nil {
		change(&ep)
	}
	s := setup{payloads: &heap{}, log: &bytes.Buffer{}}
	s.connector, err = register.New(defs[name], ep, register.Config{
		Payloads: s.payloads,
		Now:      func() time.Time { return time.Date(2026, 5, 11, 8, 0, 1, 0, time.UTC) },
		Log:      slog.New(slog.NewJSONHandler(s.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.connector.Close)
	return s
}

// reply answers every call with one status, content type and body.
func reply(status int, contentType string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		w.Write(body)
	})
}

const (
	soapType = "application/soap+xml; charset=utf-8"
	xmlType  = "application/xml"
)

func record(t testing.TB, ms []canon.Message, err error) *canon.RegisterRecord {
	t.Helper()
	if err != nil {
		t.Fatalf("handling: %v", err)
	}
	if len(ms) != 1 {
		t.Fatalf("got %d messages, want 1", len(ms))
	}
	return ms[0].Body.(*canon.RegisterRecord)
}

func TestFoundRecordsTravelByReference(t *testing.T) {
	for _, tc := range []struct{ name, contentType, method, path string }{
		{"births", soapType, "POST", "/civil-status/v3"},
		{"residence", xmlType, "POST", "/population/v2/residence-search"},
		{"companies", "application/xml; charset=utf-8", "GET", "/companies/v1/test-B-00731/extract?purpose=U1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got *http.Request
			var sent []byte
			answer := reply(200, tc.contentType, sample(t, tc.name+"/testdata/found.reply.xml"))
			s := connect(t, tc.name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				got = r
				sent, _ = io.ReadAll(r.Body)
				answer.ServeHTTP(w, r)
			}), func(e *register.Endpoint) { e.Auth = register.Auth{Header: "X-Api-Key", Value: "test-key"} })
			m := query(t, tc.name)
			first, err := s.connector.Handle(t.Context(), m)
			rec := record(t, first, err)
			if got.Method != tc.method || got.RequestURI != tc.path {
				t.Errorf("asked %s %s, want %s %s", got.Method, got.RequestURI, tc.method, tc.path)
			}
			if got.Header.Get("X-Api-Key") != "test-key" {
				t.Error("the key of the deployment was not sent")
			}
			if tc.name == "births" {
				if ct, want := got.Header.Get("Content-Type"), `application/soap+xml; action="urn:example:civil-status:births:3/FindBirthEntry"; charset=utf-8`; ct != want {
					t.Errorf("content type %s, want %s", ct, want)
				}
				if !bytes.Contains(sent, []byte("test-00017-lm")) {
					t.Error("the query does not name the person")
				}
			}
			if rec.Outcome != canon.RecordFound || rec.Code != "" || rec.Query != m.ID || !strings.HasPrefix(rec.Mapping, tc.name+"@") {
				t.Errorf("got %+v, want a found record of query %s", rec, m.ID)
			}
			if len(rec.Documents) != 1 || rec.Documents[0].IssuedOn != "2026-05-11" || rec.Documents[0].Payload.MediaType != "application/xml" || rec.Documents[0].Role != canon.RoleMain {
				t.Errorf("documents %+v", rec.Documents)
			}
			var have, want any
			if err := json.Unmarshal(s.payloads.bytes[rec.Record.Digest], &have); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(sample(t, tc.name+"/testdata/found.record.json"), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
			again, err := s.connector.Handle(t.Context(), m)
			if diff := cmp.Diff(first, again); diff != "" || err != nil {
				t.Errorf("the same query twice, err %v (-first +again):\n%s", err, diff)
			}
		})
	}
}

func TestOutcomesAreNamed(t *testing.T) {
	births := func(name string) []byte { return sample(t, "births/testdata/"+name+".reply.xml") }
	huge := append([]byte("<?xml version=\"1.0\"?><a>"), bytes.Repeat([]byte("x"), 1<<12)...)
	for _, tc := range []struct {
		rule    string
		answer  http.Handler
		outcome canon.RecordOutcome // empty: the query is tried again
		code    canon.Code
	}{
		{"no hit is an answer", reply(200, soapType, births("notfound")), canon.RecordNotFound, canon.CodeEvidenceNotFound},
		{"several hits are refused", reply(200, soapType, births("several")), canon.RecordAmbiguous, canon.CodeEvidenceAmbiguous},
		{"a receiver fault passes", reply(500, soapType, births("fault")), "", canon.CodeRegisterFault},
		{"a sender fault stays", reply(400, soapType, births("refused")), canon.RecordFailed, canon.CodeRegisterReply},
		{"a gateway's error page means down", reply(502, "text/html", []byte("<html>bad gateway")), "", canon.CodeRegisterDown},
		{"refused credentials wait for the operator", reply(401, "text/plain", nil), "", canon.CodeRegisterDown},
		{"a redirect is not followed", http.RedirectHandler("http://127.0.0.1:1/", http.StatusTemporaryRedirect), "", canon.CodeRegisterDown},
		{"too many requests means later", reply(429, "text/plain", nil), "", canon.CodeRegisterDown},
		{"an unknown address is no missing person", reply(404, "text/html", nil), canon.RecordFailed, canon.CodeRegisterReply},
		{"another media type is refused", reply(200, "text/html", births("found")), canon.RecordFailed, canon.CodeRegisterReply},
		{"no media type is refused", reply(200, "", births("found")), canon.RecordFailed, canon.CodeRegisterReply},
		{"a lie about the encoding is refused", reply(200, "application/soap+xml; charset=iso-8859-1", births("found")), canon.RecordFailed, canon.CodeRegisterReply},
		{"broken XML is refused", reply(200, soapType, births("found")[:400]), canon.RecordFailed, canon.CodeRegisterReply},
		{"a DOCTYPE is refused", reply(200, soapType, []byte("<!DOCTYPE a><a/>")), canon.RecordFailed, canon.CodeRegisterReply},
		{"no envelope is refused", reply(200, soapType, []byte("<a/>")), canon.RecordFailed, canon.CodeRegisterReply},
		{"a flood is cut off", reply(200, soapType, huge), canon.RecordFailed, canon.CodeRegisterReply},
		{"a record that lacks a required field is refused", reply(200, soapType, bytes.Replace(births("found"), []byte(` number="T-1994-000317"`), nil, 1)), canon.RecordFailed, canon.CodeRegisterReply},
		{"an answer about somebody else is refused", reply(200, soapType, bytes.Replace(births("found"), []byte("test-00017-lm"), []byte("test-00018-xx"), 1)), canon.RecordFailed, canon.CodeRegisterReply},
		{"an empty answer is not no hit", reply(200, soapType, bytes.Replace(births("notfound"), []byte("NONE"), []byte("OK"), 1)), canon.RecordFailed, canon.CodeRegisterReply},
		{"a header that must be understood is refused", reply(200, soapType, bytes.Replace(births("found"), []byte(`<t:Node `), []byte(`<t:Node env:mustUnderstand="true" `), 1)), canon.RecordFailed, canon.CodeRegisterReply},
		{"a connection cut in the answer means down", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", soapType)
			w.Header().Set("Content-Length", "5000")
			w.Write(births("found")[:700])
		}), "", canon.CodeRegisterDown},
		{"compression that was not asked for is refused", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", soapType)
			w.Header().Set("Content-Encoding", "gzip")
			w.Write([]byte{0x1f, 0x8b})
		}), canon.RecordFailed, canon.CodeRegisterReply},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			s := connect(t, "births", tc.answer, func(e *register.Endpoint) { e.MaxReply = 4000 })
			ms, err := s.connector.Handle(t.Context(), query(t, "births"))
			if tc.outcome == "" {
				f := canon.AsFault(err)
				if f == nil || f.Kind != canon.Unavailable || f.Code != tc.code || len(ms) != 0 {
					t.Errorf("got %d messages and %v, want %s", len(ms), err, tc.code)
				}
			} else if rec := record(t, ms, err); rec.Outcome != tc.outcome || rec.Code != tc.code {
				t.Errorf("got %s %s (%s), want %s %s", rec.Outcome, rec.Code, rec.Detail, tc.outcome, tc.code)
			}
			for _, person := range []string{"Lucía", "Marwick", "test-00017", "Villaprueba"} {
				detail := fmt.Sprint(err)
				if len(ms) > 0 {
					detail += ms[0].Body.(*canon.RegisterRecord).Detail
				}
				if strings.Contains(detail+s.log.String(), person) {
					t.Errorf("%q is told outside: %s %s", person, detail, s.log)
				}
			}
			if len(s.payloads.bytes) != 0 {
				t.Error("something was stored although nothing was found")
			}
		})
	}
}

func TestARegisterThatHangsIsLeft(t *testing.T) {
	stop := make(chan struct{})
	s := connect(t, "births", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}), func(e *register.Endpoint) { e.Timeout = 50 * time.Millisecond })
	defer close(stop)
	_, err := s.connector.Handle(t.Context(), query(t, "births"))
	if f := canon.AsFault(err); f == nil || f.Code != canon.CodeRegisterDown {
		t.Errorf("got %v, want %s", err, canon.CodeRegisterDown)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.connector.Handle(ctx, query(t, "births")); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped ourselves: got %v, want %v", err, context.Canceled)
	}
}

func TestCallsInFlightAreLimited(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	arrived, release := make(chan struct{}, 8), make(chan struct{})
	answer := reply(200, soapType, sample(t, "births/testdata/notfound.reply.xml"))
	s := connect(t, "births", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		arrived <- struct{}{}
		<-release
		mu.Lock()
		now--
		mu.Unlock()
		answer.ServeHTTP(w, r)
	}), func(e *register.Endpoint) { e.Care.Concurrency = 2 })
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, err := s.connector.Handle(t.Context(), query(t, "births")); err != nil {
				t.Errorf("handling: %v", err)
			}
		})
	}
	<-arrived
	<-arrived
	close(release)
	wg.Wait()
	if most > 2 {
		t.Errorf("%d calls at one time, want at most 2", most)
	}
}

func TestHandleRefusesWhatItCannotAsk(t *testing.T) {
	s := connect(t, "births", reply(500, "text/plain", nil), nil)
	m := query(t, "births")
	m.Body.(*canon.RegisterQuery).Private = canon.Sealed[canon.QueryPrivate]{}
	ms, err := s.connector.Handle(t.Context(), m)
	if rec := record(t, ms, err); rec.Outcome != canon.RecordFailed || rec.Code != canon.CodePayloadForgotten {
		t.Errorf("a forgotten person: got %s %s", rec.Outcome, rec.Code)
	}
	company := query(t, "companies")
	company.Body.(*canon.RegisterQuery).Register = "births"
	ms, err = s.connector.Handle(t.Context(), company)
	if rec := record(t, ms, err); rec.Outcome != canon.RecordFailed || rec.Code != canon.CodeMappingFailed || !strings.Contains(rec.Detail, "births/register.yaml:") {
		t.Errorf("a company asked of births: got %s %s %q", rec.Outcome, rec.Code, rec.Detail)
	}
	if _, err := s.connector.Handle(t.Context(), query(t, "residence")); canon.AsFault(err).Kind != canon.Invalid {
		t.Errorf("a query for another register: got %v", err)
	}
}

func TestAStoreThatFailsStopsTheRecord(t *testing.T) {
	s := connect(t, "births", reply(200, soapType, sample(t, "births/testdata/found.reply.xml")), nil)
	s.payloads.fail = canon.NewFault(canon.CodePayloadUnavailable, nil, "closed")
	ms, err := s.connector.Handle(t.Context(), query(t, "births"))
	if len(ms) != 0 || canon.AsFault(err).Code != canon.CodePayloadUnavailable {
		t.Errorf("got %d messages and %v", len(ms), err)
	}
}

func TestEndpointsAreChecked(t *testing.T) {
	defs, err := register.Load(registers.FS)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		rule string
		ep   register.Endpoint
		ok   bool
	}{
		{"https anywhere", register.Endpoint{URL: "https://registers.example/api"}, true},
		{"http to a loopback address", register.Endpoint{URL: "http://127.0.0.1:8080"}, true},
		{"no http elsewhere", register.Endpoint{URL: "http://registers.example"}, false},
		{"no secret in the address", register.Endpoint{URL: "https://me:secret@registers.example"}, false},
		{"an address is required", register.Endpoint{}, false},
		{"a user needs a password", register.Endpoint{URL: "https://registers.example", Auth: register.Auth{User: "me"}}, false},
	} {
		_, err := register.New(defs["births"], tc.ep, register.Config{Payloads: &heap{}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if (err == nil) != tc.ok {
			t.Errorf("%s: got %v", tc.rule, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the secret", tc.rule)
		}
	}
	if got := fmt.Sprintf("%v %+v %s", register.Secret("s3"), register.Auth{Value: "s3"}, register.Secret("s3")); strings.Contains(got, "s3") {
		t.Errorf("a secret prints: %s", got)
	}
}

func TestSamplesOfTheRepositoryAreEmbedded(t *testing.T) {
	if _, err := os.Stat("../registers/births/register.yaml"); err != nil {
		t.Skip("not in the source tree")
	}
	disk, err := register.Load(os.DirFS("../registers"))
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := register.Load(registers.FS)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range disk {
		if embedded[name] == nil || embedded[name].Version != d.Version {
			t.Errorf("%s differs between disk and binary", name)
		}
	}
}

// TestAKeyForgottenWhileTheRegisterAnswers: the exchange ended in between. The
// partition must go on, and the same message must follow as when the key was gone
// before.
func TestAKeyForgottenWhileTheRegisterAnswers(t *testing.T) {
	s := connect(t, "births", reply(http.StatusOK, soapType, sample(t, "births/testdata/found.reply.xml")), nil)
	s.payloads.fail = fmt.Errorf("sealing: %w", canon.ErrForgotten)
	ms, err := s.connector.Handle(t.Context(), query(t, "births"))
	rec := record(t, ms, err)
	if rec.Outcome != canon.RecordFailed || rec.Code != canon.CodePayloadForgotten || len(rec.Documents) != 0 || rec.Record != (canon.PayloadRef{}) {
		t.Errorf("got %s %s with %d documents, want failed %s with none", rec.Outcome, rec.Code, len(rec.Documents), canon.CodePayloadForgotten)
	}
}
