package node

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oncegate/gateway/messages/messagestest"
	"oncegate/schemas/canon"
)

func TestWhatHasNotEndedIsExported(t *testing.T) {
	cfg, err := Load(sample(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*ServerConfig{&cfg.EDelivery.ServerConfig, &cfg.API.ServerConfig, &cfg.Web.ServerConfig, &cfg.Monitor} {
		s.Listen = "127.0.0.1:0"
	}
	n, err := New(t.Context(), cfg, Options{Embedded: true, Data: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	shelf, err := n.shelf()
	if err != nil {
		t.Fatal(err)
	}
	// A node registers its own when it is built; this one has a registry of its own.
	m := &Node{cfg: n.cfg, messages: n.messages, reg: prometheus.NewRegistry(), log: n.log}
	waiting, err := m.ongoing(shelf, n.pmodes)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	at := func(d time.Duration) func(*canon.MessageNote) {
		return func(m *canon.MessageNote) { m.At = now.Add(-d) }
	}
	if err := n.messages.Note(t.Context(), messagestest.Sample(0, at(time.Hour)), messagestest.Sample(1, at(time.Minute))); err != nil {
		t.Fatal(err)
	}
	item := canon.Shelved{
		Message:   canon.Message{ID: "m", Kind: canon.KindEvidenceResponse, Conversation: "c", At: now.Add(-2 * time.Hour), Body: &canon.EvidenceResponse{}},
		Partition: "urn:mpc:a", Attempts: 2, Expires: now.Add(time.Hour),
	}
	if err := shelf.Put(t.Context(), item); err != nil {
		t.Fatal(err)
	}
	if err := waiting.count(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	families, err := m.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue()
		}
	}
	if got["gateway_as4_ongoing_messages SEND_IN_PROGRESS"] != 2 || got["gateway_as4_ongoing_messages READY_TO_PULL"] != 0 {
		t.Errorf("counted %v in progress", got["gateway_as4_ongoing_messages SEND_IN_PROGRESS"])
	}
	if age := got["gateway_as4_ongoing_oldest_seconds"]; age < 3599 || age > 3601 {
		t.Errorf("the oldest is %v s old, want an hour", age)
	}
	_, there := got["gateway_as4_shelf_messages urn:mpc:a"]
	if there {
		t.Error("a partition of which no agreement tells is exported")
	}
}
