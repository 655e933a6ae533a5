package node

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sync/errgroup"

	"oncegate/gateway/kafkalog"
	"oncegate/schemas/canon"
)

const testType = "4f7c9a52-0d3e-4b61-8a75-1c2d3e4f5a6b"

// A registerWorld is a node that takes the role registers alone, with a directory
// of registers of its own that tests write to.
type registerWorld struct {
	t    *testing.T
	dir  string
	url  string // of all registers: /NAME/...
	node *Node
	live *liveRegisters
	ctx  context.Context
	g    *errgroup.Group
}

// folder writes the folder of a register of companies; as is what its records say of
// themselves.
func (w *registerWorld) folder(name, as string) {
	w.t.Helper()
	w.folderOver(name, as, "transport: {kind: rest, method: GET, path: /company}", "/company")
}

// folderOver is folder with another transport, and what goes out over it.
func (w *registerWorld) folderOver(name, as, transport, hits string) {
	w.t.Helper()
	w.write("registers/"+name+"/register.yaml", fmt.Sprintf(`apiVersion: oncegate/v1
kind: Register
name: %s
title: A register of a test
country: LV
about: legal-person
evidence_type:
  id: 4f7c9a52-0d3e-4b61-8a75-1c2d3e4f5a6b
  classification: https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/LV/4f7c9a52-0d3e-4b61-8a75-1c2d3e4f5a6b
  titles: {EN: Extract}
  languages: [LV]
issuer: {scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:LV", id: test, names: {EN: Test}}
%s
reply:
  hits: %s
  rules:
    - {to: kind, value: %s}
    - {to: name, from: name, required: true}
evidence:
  rules:
    - {to: company/name, from: name}
`, name, transport, hits, as))
}

func (w *registerWorld) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	fatal(w.t, os.MkdirAll(filepath.Dir(path), 0o755))
	fatal(w.t, os.WriteFile(path, []byte(text), 0o600))
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *registerWorld) configure(names ...string) {
	settings := map[string]string{}
	for _, n := range names {
		settings[n] = fmt.Sprintf("{url: %s/%s, timeout: 30s}", w.url, n)
	}
	w.configureAs(settings)
}

func (w *registerWorld) configureAs(settings map[string]string) {
	text := `name: test
country: LV
roles: [registers]
keys: {wrap: [{id: k1, file: wrap.key, from: 2020-01-01T00:00:00Z, until: 2040-01-01T00:00:00Z}]}
registers_dir: registers
registers:
`
	for name, s := range settings {
		text += fmt.Sprintf("  %s: %s\n", name, s)
	}
	w.write("oncegate.yaml", text)
}

func newRegisterWorld(t *testing.T, registers http.Handler) *registerWorld {
	srv := httptest.NewServer(registers)
	t.Cleanup(srv.Close)
	w := &registerWorld{t: t, dir: t.TempDir(), url: srv.URL}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	w.write("wrap.key", base64.StdEncoding.EncodeToString(key))
	w.folder("slow", "company")
	w.folder("quick", "company")
	w.configure("slow", "quick")
	cfg, err := Load(filepath.Join(w.dir, "oncegate.yaml"))
	fatal(t, err)
	cfg.Kafka.Partitions = 1 // whatever waits, waits before all others
	n, err := New(t.Context(), cfg, Options{Embedded: true, Logger: slog.New(slog.DiscardHandler)})
	fatal(t, err)
	w.node, w.live = n, n.registers
	ctx, cancel := context.WithCancel(context.Background())
	w.g, w.ctx = errgroup.WithContext(ctx)
	w.g.Go(func() error { return n.Run(w.ctx) })
	t.Cleanup(func() {
		cancel()
		if err := w.g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("running: %v", err)
		}
		n.Close()
	})
	return w
}

// ask puts a query on the log and returns its conversation.
func (w *registerWorld) ask(register, what string) canon.Message {
	w.t.Helper()
	id := canon.ConversationID(canon.DeriveUUID("conversation", register, what))
	m := canon.Message{
		ID: canon.Derive(canon.MessageID(id), "register.query"), Kind: canon.KindRegisterQuery, Conversation: id, At: time.Now(),
		Body: &canon.RegisterQuery{
			Register: register, Exchange: canon.ExchangeID(canon.DeriveUUID("exchange", string(id))), EvidenceType: canon.EvidenceType{ID: testType, Classification: "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/LV/" + testType, Titles: []canon.Text{{Lang: "EN", Text: "Extract"}}},
			Procedure: "R1", Requester: canon.Agent{ID: canon.Participant{Scheme: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:SI", ID: "test"}, Names: []canon.Text{{Lang: "EN", Text: "Test"}}, Country: "SI"},
			Private: canon.Clear(canon.QueryPrivate{Subject: canon.Subject{Legal: &canon.LegalPerson{Assurance: "High", Identifier: "SI/LV/test", Name: "Test d.o.o."}}}),
		},
	}
	fatal(w.t, w.node.writer.Publish(w.t.Context(), m))
	return m
}

// record waits for the answer to a query.
func (w *registerWorld) record(q canon.Message) *canon.RegisterRecord {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		var found *canon.RegisterRecord
		err := w.node.cluster.Scan(w.t.Context(), kafkalog.Range{Topic: kafkalog.TopicOf(canon.KindRegisterRecord), Conversation: q.Conversation}, func(r kafkalog.Record) error {
			m, err := w.node.codec.Decode(w.t.Context(), &r)
			if err != nil {
				return err
			}
			found = m.Body.(*canon.RegisterRecord)
			return nil
		})
		fatal(w.t, err)
		if found != nil {
			return found
		}
		select {
		case <-deadline:
			w.t.Fatal("no answer of the register in 20 s")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// A register that does not answer keeps no query of another one waiting, though
// they lie on one partition, one behind the other.
func TestARegisterThatHangsKeepsNoOtherWaiting(t *testing.T) {
	asked := make(chan struct{}, 1)
	w := newRegisterWorld(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/slow/") {
			asked <- struct{}{}
			<-r.Context().Done()
			return
		}
		rw.Header().Set("Content-Type", "application/xml")
		_, _ = io.WriteString(rw, "<company><name>Fiktiva SIA</name></company>")
	}))
	w.ask("slow", "1")
	q := w.ask("quick", "1")
	<-asked
	if rec := w.record(q); rec.Outcome != canon.RecordFound {
		t.Errorf("outcome %s %s %s, want found", rec.Outcome, rec.Code, rec.Detail)
	}
}

// Registers follow their files without restart, all or nothing.
func TestRegistersFollowTheirFiles(t *testing.T) {
	w := newRegisterWorld(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/xml")
		_, _ = io.WriteString(rw, "<company><name>Fiktiva SIA</name></company>")
	}))
	look := func() error { return w.live.look(w.ctx, w.g, false) }
	first := w.record(w.ask("quick", "1"))
	if err := look(); err != nil {
		t.Fatalf("nothing changed, and: %v", err)
	}
	kept := w.live.served["slow"].now

	w.folder("quick", "organisation")
	fatal(t, look())
	second := w.record(w.ask("quick", "2"))
	if first.Mapping == second.Mapping || !strings.HasPrefix(second.Mapping, "quick@") {
		t.Errorf("mappings %s and %s, want two versions of quick", first.Mapping, second.Mapping)
	}
	if w.live.served["slow"].now != kept {
		t.Error("the register that did not change has another connector")
	}

	// One fault anywhere, and nothing comes into force.
	w.folder("third", "company")
	w.configure("slow", "quick", "third")
	w.write("registers/slow/register.yaml", "kind: Register\n")
	if err := look(); err == nil || !strings.Contains(err.Error(), "slow/register.yaml:1") {
		t.Errorf("a fault: %v, want its file and line", err)
	}
	if err := look(); err != nil {
		t.Errorf("the same fault is told again: %v", err)
	}
	if _, ok := w.live.served["third"]; ok || testutil.ToFloat64(w.live.attempts.WithLabelValues("refused")) != 1 {
		t.Error("a register came into force beside a fault, or the refusal was not counted once")
	}
	if rec := w.record(w.ask("quick", "3")); rec.Mapping != second.Mapping {
		t.Errorf("after a refusal quick runs %s, want %s", rec.Mapping, second.Mapping)
	}

	// A query may wait for its register: it is asked when the register comes.
	waiting := w.ask("third", "1")
	w.folder("slow", "company")
	fatal(t, look())
	if rec := w.record(waiting); rec.Outcome != canon.RecordFound {
		t.Errorf("outcome %s %s, want found", rec.Outcome, rec.Code)
	}

	// Samples that do not hold are a fault, too.
	w.write("registers/third/testdata/found.reply.xml", "<company><name>Fiktiva SIA</name></company>")
	w.write("registers/third/testdata/found.record.json", `{"kind": "company", "name": "Another"}`)
	if err := look(); err == nil || !strings.Contains(err.Error(), "sample found") {
		t.Errorf("a sample that does not hold: %v", err)
	}
	w.configure("slow", "quick")
	fatal(t, look())
	if _, ok := w.live.served["third"]; ok {
		t.Error("a register that was taken out is still served")
	}
}

// What is recorded does not become a register of the deployment, nor changes the files
// that are followed.
func TestAnswersAreNotRecordedIntoTheDirectoryOfTheRegisters(t *testing.T) {
	w := newRegisterWorld(t, http.NotFoundHandler())
	for dir, refused := range map[string]bool{"registers": true, "registers/sub": true, ".": true, "recorded": false, "registers-2": false} {
		w.configure("slow")
		text, err := os.ReadFile(filepath.Join(w.dir, "oncegate.yaml"))
		fatal(t, err)
		w.write("oncegate.yaml", strings.Replace(string(text), "timeout: 30s", "timeout: 30s, record: {dir: "+dir+", until: 2040-01-01T00:00:00Z}", 1))
		if err := w.live.look(w.ctx, w.g, true); (err != nil) != refused {
			t.Errorf("%s: got %v, refused should be %v", dir, err, refused)
		}
	}
}
