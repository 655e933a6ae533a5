package node

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"oncegate/gateway/kafkalog"
	"oncegate/gateway/kafkalog/embedded"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
)

const (
	ourAP    = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:SI::AP_SI"
	partnAP  = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:ES::AP_ES"
	diplomas = "https://sr.oots.tech.ec.europa.eu/evidencetypeclassifications/ES/6c2f1c0e-4b7a-4d53-9a86-0f1d7e5b3a02"
	routesOf = `country: SI
access_point: ` + ourAP + `
partners: [{country: ES, access_point: "` + partnAP + `"}]
`
)

// aLog is a node with a log and nothing else.
func aLog(t *testing.T, routes string) *Node {
	t.Helper()
	broker, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "routes.yaml"), []byte(routes), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode(&Config{Name: "test", Country: "SI", Routes: "routes.yaml", dir: dir}, Options{Logger: slog.New(slog.DiscardHandler)})
	if n.cluster, err = kafkalog.New(kafkalog.Config{Brokers: []string{broker.Addr()}, Embedded: true, Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.cluster.Close)
	if _, err := n.cluster.EnsureTopics(t.Context(), n.cluster.Catalogue()...); err != nil {
		t.Fatal(err)
	}
	if n.producer, err = kafkalog.NewProducer(n.cluster, kafkalog.ProducerConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.producer.Close(context.WithoutCancel(t.Context())) }) // everything was written
	if n.codec, err = kafkalog.NewCodec(kafkalog.CodecConfig{Source: "/test"}); err != nil {
		t.Fatal(err)
	}
	n.writer = kafkalog.NewWriter(n.codec, n.producer)
	if n.routes, _, err = n.cfg.loadRoutes(n.agreed); err != nil {
		t.Fatal(err)
	}
	return n
}

func parse(t *testing.T, s string) canon.Participant {
	t.Helper()
	p, err := routing.ParseParticipant(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func directoryRoute(t *testing.T, provider, accessPoint string) *canon.Route {
	return &canon.Route{
		EvidenceType: canon.EvidenceType{ID: canon.DeriveUUID("type", provider), Classification: diplomas},
		Provider:     canon.Agent{ID: parse(t, "urn:oasis:names:tc:ebcore:partyid-type:unregistered:ES::"+provider), Names: []canon.Text{{Lang: "EN", Text: provider}}},
		Country:      "ES", AccessPoint: parse(t, accessPoint), Specifications: []string{"oots-edm:v2.0"},
		Provenance: canon.Provenance{Edition: "oots-cs:v2.0", Source: "https://dsd.example/", At: time.Unix(1_800_000_000, 0).UTC()},
	}
}

var learnedAt = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)

func (n *Node) tell(t *testing.T, at time.Time, rs ...*canon.Route) {
	t.Helper()
	for _, r := range rs {
		if err := n.writer.Publish(t.Context(), r.Message(at)); err != nil {
			t.Fatal(err)
		}
	}
}

// Before the core serves it has read all that the log says of routes; what is
// written later counts at once, and operators see what cannot be used.
func TestRoutesFollowTheLog(t *testing.T) {
	n := aLog(t, routesOf)
	n.tell(t, learnedAt, directoryRoute(t, "ministry", partnAP), directoryRoute(t, "university", ourAP+"x"))
	if err := n.followRoutes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if learned := len(n.routes.Learned(time.Now())); learned != 2 {
		t.Fatalf("learned %d routes before serving, want 2", learned)
	}
	got := map[string]float64{}
	families, err := n.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "gateway_directory_routes" {
				got[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	want := map[string]float64{"usable": 1, "no-agreement": 1, "no-specification": 0, "not-valid": 0, "own-country": 0, "hidden": 0}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("metrics (-want +got):\n%s", d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.work[len(n.work)-1](ctx) }()
	gone := directoryRoute(t, "ministry", partnAP)
	gone.Withdrawn = true
	n.tell(t, learnedAt.Add(time.Hour), gone, directoryRoute(t, "library", partnAP))
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for usable := ""; usable != "library"; {
		select {
		case <-deadline:
			t.Fatalf("usable is %q, want the library alone", usable)
		case <-tick.C:
		}
		var names []string
		for _, l := range n.routes.Learned(time.Now()) {
			if l.Usable() {
				names = append(names, l.Route.Provider.Name())
			}
		}
		usable = strings.Join(names, " ")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// An access point is agreed with by a P-Mode, by discovery, or, where the process
// knows no P-Modes, as a partner.
func TestAgreedAccessPoints(t *testing.T) {
	n := aLog(t, routesOf)
	if !n.agreed(parse(t, partnAP)) || n.agreed(parse(t, partnAP+"x")) {
		t.Error("without P-Modes the partners of the routes count")
	}
	n.cfg.EDelivery.Discovery = "discovery.yaml"
	if !n.agreed(parse(t, partnAP+"x")) {
		t.Error("discovery finds what it needs")
	}
}

// The doctor names what operators have to do about routes of the directory.
func TestDoctorLooksAtRoutesOfTheDirectory(t *testing.T) {
	n := aLog(t, routesOf+`ask:
  - {name: configured, procedures: [T3], evidence_type: "`+diplomas+`", provider: "urn:oasis:names:tc:ebcore:partyid-type:unregistered:ES::ministry", country: ES}
`)
	n.tell(t, learnedAt, directoryRoute(t, "ministry", partnAP), directoryRoute(t, "university", ourAP+"x"), directoryRoute(t, "library", partnAP))
	d := &doctor{c: n.cfg, now: time.Now()}
	d.directoryRoutes(t.Context(), n)
	var got []string
	for _, f := range d.findings {
		got = append(got, f.State+" "+f.Text)
	}
	want := map[string]bool{
		"warn cannot be used: " + string(routing.NoAgreement):                   true,
		"ok the configured route configured is used, not that of the directory": true,
		"ok 1 of 3 routes can be used":                                          true,
	}
	for _, g := range got {
		delete(want, g)
	}
	if len(want) > 0 || len(got) != 3 {
		t.Errorf("found %q, missing %v", got, want)
	}
	for reason := range remedies {
		if remedies[reason] == "" {
			t.Errorf("no remedy for %q", reason)
		}
	}
}

// Which message used an id first is told from the audit topic: not by one that was
// refused because of it, and not before the memory begins.
//
// Covers: B-025
func TestUsedRequestsAreToldFromTheTrail(t *testing.T) {
	n := aLog(t, routesOf)
	id := func(s string) canon.RequestID { return canon.RequestID("urn:uuid:" + canon.DeriveUUID("request", s)) }
	cause := func(s string) canon.MessageID { return canon.MessageID(canon.DeriveUUID("cause", s)) }
	entry := func(step, by string, request canon.RequestID, code canon.Code) {
		t.Helper()
		m := canon.Message{
			ID: canon.MessageID(canon.DeriveUUID("entry", step, by, string(request))), Kind: canon.KindAudit, Cause: cause(by),
			Conversation: canon.ConversationID(canon.DeriveUUID("conversation", by)), At: learnedAt,
			Body: &canon.AuditEvent{Step: step, Room: "exchange", Outcome: "ok", Request: request, Code: code},
		}
		if err := n.writer.Publish(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	entry("request.received", "a", id("1"), "")
	entry("preview.offered", "a", id("1"), "")
	entry("request.refused", "b", id("1"), canon.CodeRequestReused)
	entry("request.refused", "c", id("2"), canon.CodeNoRoute)
	entry("preview.opened", "d", "", "")
	entry("request.received", "e", "urn:uuid:"+canon.RequestID(strings.ToUpper(canon.DeriveUUID("request", "3"))), "") // as its sender spells it
	told := map[canon.RequestID]canon.MessageID{}
	tell := func(r canon.RequestID, by canon.MessageID) error {
		if _, twice := told[r]; !twice {
			told[r] = by
		}
		return nil
	}
	if err := n.usedRequests(t.Context(), time.Now().Add(-requestMemory), tell); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[canon.RequestID]canon.MessageID{id("1"): cause("a"), id("2"): cause("c"), id("3"): cause("e")}, told); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	clear(told)
	if err := n.usedRequests(t.Context(), time.Now().Add(time.Hour), tell); err != nil || len(told) != 0 {
		t.Errorf("what is older than the memory is told: %v, %v", told, err)
	}
}
