package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"oncegate/cmd/node"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

// The directory says which editions a provider speaks: the newest that both speak is
// taken, and where there is none the person is told at once.
// Covers: B-055
func TestTheNewestSharedEditionIsTaken(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, tt := range []struct {
		name   string
		speaks []string // of Slovenia; the directory says 2.0 and 1.2 of Spain
		taken  string
		outs   string
	}{
		{"both speak two", nil, "oots-edm:v2.0", "delivered"},
		{"we speak the older alone", []string{"oots-edm:v1.2"}, "oots-edm:v1.2", "delivered"},
		{"order is no wish", []string{"oots-edm:v1.0", "oots-edm:v1.2", "oots-edm:v2.0"}, "oots-edm:v2.0", "delivered"},
		{"none", []string{"oots-edm:v1.0"}, "", "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := staged(ctx, t, Config{}, func(_ *Landscape, member string, have obj) {
				if member == Slovenia {
					delete(have, "ask")
					if tt.speaks != nil {
						have["specifications"] = tt.speaks
					}
				}
			})
			until(ctx, t, "the routes of the directory", func() (bool, error) {
				status, body := s.ask(ctx, t, s.si, http.MethodGet, "/api/v1/routes", "")
				return status == http.StatusOK && bytes.Contains(body, []byte("test-civil-register")), nil
			})
			res := s.play(t, Script{Register: "births"})
			c, err := s.Node(Slovenia).Exchanges().Get(ctx, res.Exchange)
			if err != nil {
				t.Fatal(err)
			}
			if res.Outcome != tt.outs || tt.taken != "" && c.Specification != tt.taken {
				t.Fatalf("outcome %q %q in %s, want %s\nsteps: %q", res.Outcome, c.Detail, c.Specification, tt.taken, res.Steps)
			}
			if tt.taken == "" && (c.Code != canon.CodeNoRoute || !strings.Contains(c.Detail, "no edition of the messages that both sides speak")) {
				t.Errorf("%s %s", c.Code, c.Detail)
			}
		})
	}
}

// A forger stands before Spain and holds all keys: of the first request it passes on
// another version, and Slovenia hears of it by the answer alone.
type forger struct {
	t        *testing.T
	l        func() *Landscape
	header   func(*ebms.UserMessage)
	document func(string) string
	taken    atomic.Bool
}

func (f *forger) options(member string) node.Options {
	if member != Spain {
		return node.Options{}
	}
	return node.Options{HTTP: func(name string, next http.Handler) http.Handler {
		if name != node.RoleEDelivery {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			if _, err := body.ReadFrom(r.Body); err != nil {
				http.Error(w, "unreadable", http.StatusBadRequest)
				return
			}
			h, err := headerOf(r.Header.Get("Content-Type"), body.Bytes())
			if err != nil || h.Action != "ExecuteQueryRequest" {
				http.Error(w, "not now", http.StatusServiceUnavailable)
				return
			}
			// What Slovenia sent never arrives, however often it comes.
			http.Error(w, "not now", http.StatusServiceUnavailable)
			if !f.taken.CompareAndSwap(false, true) {
				return
			}
			e := newEnemy(f.t, f.l(), post{contentType: r.Header.Get("Content-Type"), body: body.Bytes()})
			forged := e.sealed(f.t, func(h *ebms.UserMessage) {
				h.ConversationID = e.header.ConversationID
				if f.header != nil {
					f.header(h)
				}
			}, e.document(f.t, func(xml string) string {
				if f.document != nil {
					return f.document(xml)
				}
				return xml
			})...).body()
			sent, err := io.ReadAll(forged.Reader())
			if err != nil {
				f.t.Error(err)
				return
			}
			again := r.Clone(r.Context())
			again.Header.Set("Content-Type", forged.ContentType)
			out := serveAgain(next, again, sent)
			if out.status != http.StatusOK || !bytes.Contains(out.body.Bytes(), []byte("NonRepudiationInformation")) {
				f.t.Errorf("the forged request is answered %d %s", out.status, out.body.Bytes())
			}
		})
	}}
}

// A request whose version is not spoken here, or whose header says another than its
// document, is refused with EDM:ERR:0003: the answer names what is spoken or which rule
// is broken, and the portal that asked is told what to do.
// Covers: B-055, B-057
func TestAVersionThatDoesNotFitIsRefused(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	set := func(name, value string) func(*ebms.UserMessage) {
		return func(h *ebms.UserMessage) {
			for i, p := range h.Properties {
				if p.Name == name {
					h.Properties[i].Value = value
				}
			}
		}
	}
	swap := func(old, new string) func(string) string {
		return func(xml string) string { return strings.Replace(xml, ">"+old+"<", ">"+new+"<", 1) }
	}
	for _, tt := range []struct {
		name     string
		asks     string // edition of the route
		header   func(*ebms.UserMessage)
		document func(string) string
		says     []string
	}{
		{"a version to come", "oots-edm:v2.0", set("SpecificationId", "oots-edm:v3.0"), swap("oots-edm:v2.0", "oots-edm:v3.0"), []string{"oots-edm:v2.0", "oots-edm:v1.2", "oots-edm:v1.0"}},
		{"a version to come, without ExchangeId", "oots-edm:v1.2", nil, swap("oots-edm:v1.2", "oots-edm:v1.9"), []string{"oots-edm:v2.0", "oots-edm:v1.2"}},
		{"header 1.2, document 2.0", "oots-edm:v2.0", set("SpecificationId", "oots-edm:v1.2"), nil, []string{"R-EDM-ebMS-038"}},
		{"header 2.0, document 1.2", "oots-edm:v1.2", func(h *ebms.UserMessage) {
			h.Properties = append(h.Properties[:len(h.Properties):len(h.Properties)],
				ebms.Property{Name: "ExchangeId", Value: h.ConversationID}, ebms.Property{Name: "SpecificationId", Value: "oots-edm:v2.0"})
		}, nil, []string{"R-EDM-ebMS-018"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var s *stage
			f := &forger{t: t, header: tt.header, document: tt.document}
			ready := make(chan struct{})
			f.l = func() *Landscape { <-ready; return s.Landscape }
			s = staged(ctx, t, Config{Options: f.options}, speaking(tt.asks))
			close(ready)
			res := s.play(t, Script{Register: "births"})
			if res.Outcome != "refused" || res.Code != string(canon.CodeAnswerInvalid) || res.EDM != "EDM:ERR:0003" {
				t.Fatalf("outcome %q %q %q\nsteps: %q", res.Outcome, res.Code, res.EDM, res.Steps)
			}
			var st caseState
			if err := s.portal.call(ctx, http.MethodGet, "/api/v1/evidence-requests/"+string(res.Exchange), "", nil, &st); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.says {
				if !strings.Contains(st.Detail, want) {
					t.Errorf("the portal reads %q, which does not name %s", st.Detail, want)
				}
			}
			if st.NextStep == "" {
				t.Error("the portal reads no remedy")
			}
			if n := s.regs.count("births"); n != 0 {
				t.Errorf("the register was asked %d times", n)
			}
			if data, _ := json.Marshal(st); bytes.Contains(data, []byte("Marwick")) {
				t.Errorf("a name in the reason: %s", data)
			}
		})
	}
}
