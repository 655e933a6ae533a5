package exchange_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"oncegate/gateway/consent"
	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/gateway/preview"
	"oncegate/gateway/routing"
	"oncegate/schemas"
	"oncegate/schemas/canon"
)

const (
	birth  = "https://sr.example/evidencetypeclassifications/LV/birth"
	lvAP   = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:LV::ap-lv"
	nlAP   = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:NL::ap-nl"
	births = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:LV::births"
	uni    = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:NL::university"
)

var t0 = time.Date(2026, 9, 14, 9, 0, 0, 0, time.UTC)

func party(s string) canon.Participant {
	p, err := routing.ParseParticipant(s)
	if err != nil {
		panic(err)
	}
	return p
}

func agent(s, country string) canon.Agent {
	p := party(s)
	return canon.Agent{ID: p, Names: []canon.Text{{Lang: "EN", Text: p.ID}}, Country: country}
}

// world is both countries' configuration: Latvia provides, the Netherlands ask.
func world(t testing.TB, country string) *exchange.World {
	t.Helper()
	c := routing.Config{Country: country, AccessPoint: lvAP}
	if country == "LV" {
		c.Partners = []routing.Partner{{Country: "NL", AccessPoint: nlAP}}
		c.Provide = []routing.Provide{{Name: "births", Procedures: []string{"T2"}, EvidenceType: birth, Provider: births, Register: "lv-births"}}
	} else {
		c.AccessPoint = nlAP
		c.Partners = []routing.Partner{{Country: "LV", AccessPoint: lvAP}}
		c.Ask = []routing.Ask{{Name: "births", Procedures: []string{"T2"}, EvidenceType: birth, Provider: births, Country: "LV"}}
	}
	table, err := routing.NewTable(c)
	if err != nil {
		t.Fatal(err)
	}
	tickets, err := preview.NewTickets("https://preview.example/p", []byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return &exchange.World{Routes: table, Tickets: tickets, Policy: &consent.Policy{}, Timeouts: timeouts}
}

var timeouts = exchange.Timeouts{
	AskT1: 6 * time.Minute, AskT2: 15 * time.Minute, AskT3: 41 * time.Minute, ProvideT2: 16 * time.Minute, ProvideT3: 40 * time.Minute, Keep: 72 * time.Hour,
}

// waive returns the world with one exemption.
func waive(t testing.TB, w *exchange.World, what consent.Waiver, country string) *exchange.World {
	t.Helper()
	p, err := consent.NewPolicy([]consent.Exemption{{
		Waives: what, Provision: "Fictitious Act 1, section 2", Procedures: []string{"T2"}, EvidenceTypes: []string{birth}, Countries: []string{country}, From: "2020-01-01",
	}})
	if err != nil {
		t.Fatal(err)
	}
	next := *w
	next.Policy = p
	return &next
}

// A side makes the messages of one conversation.
type side struct {
	t  testing.TB
	id canon.ConversationID
	w  *exchange.World
	// state, for messages that depend on it
	c *exchange.Conversation
	n int
	// clock of the next message
	at time.Time
}

const exchangeID = canon.ExchangeID("6d4b9b2c-0f39-4b59-9f7f-1a4c0c0d4e21")

func providerSide(t testing.TB) *side {
	return &side{t: t, id: canon.InboundConversation(party(nlAP), exchangeID), w: world(t, "LV"), at: t0}
}

func requesterSide(t testing.TB) *side {
	return &side{t: t, id: canon.OwnConversation("portal", "key-1"), w: world(t, "NL"), at: t0}
}

func (s *side) message(body canon.Body) canon.Message {
	s.n++
	return canon.Message{ID: canon.MessageID(fmt.Sprintf("in-%d", s.n)), Kind: body.Kind(), Conversation: s.id, At: s.at, Body: body}
}

// step applies a message and a second goes by.
func (s *side) step(m canon.Message) (out []canon.Message) {
	s.t.Helper()
	c, out, err := s.c.Next(m, s.w)
	if err != nil {
		s.t.Fatalf("%s: %v", m.Kind, err)
	}
	s.c = c
	s.at = s.at.Add(time.Second)
	return out
}

// keepsContract checks what is said against the published schemas: a message
// that breaks its own would stop the partition.
func keepsContract(t testing.TB, id canon.ConversationID, out []canon.Message) {
	t.Helper()
	var sealer exchangetest.Sealer
	for _, m := range out {
		data, err := canon.MarshalBody(m.Body, func(p []byte) (canon.Box, error) {
			if err := schemas.ValidatePrivate(m.Kind, p); err != nil {
				t.Errorf("private part of %s: %v", m.Kind, err)
			}
			return sealer.Seal(context.Background(), id, nil, p)
		})
		if err != nil {
			t.Fatalf("encoding %s: %v", m.Kind, err)
		}
		if err := schemas.Validate(m.Kind, data); err != nil {
			t.Errorf("%s: %v\n%s", m.Kind, err, data)
		}
		for _, secret := range []string{"Fiktiva", "Ilze", "Anna", "LV/NL/", "1999-04-01", "preview.example", "portal.example"} {
			if strings.Contains(string(data), secret) {
				t.Errorf("%s tells %q in clear", m.Kind, secret)
			}
		}
	}
}

func uuid(n string) canon.RequestID {
	return canon.RequestID("urn:uuid:" + canon.DeriveUUID("test", n))
}

func stranger() canon.Subject {
	p := *exchangetest.Person().Natural
	p.GivenName, p.Identifier = "Anna", "LV/NL/000000-00002"
	return canon.Subject{Natural: &p}
}

func evidenceType(class string) canon.EvidenceType {
	return canon.EvidenceType{ID: canon.DeriveUUID("type", class), Classification: class, Titles: []canon.Text{{Lang: "EN", Text: "Birth"}}, Distributions: []canon.Distribution{{Format: "application/xml"}}}
}

// inbound is what the other access point sends us.
func (s *side) inbound() canon.Envelope {
	e := canon.Envelope{
		Leg: canon.LegIn, From: party(nlAP), To: party(lvAP), Exchange: exchangeID, Session: "0b0e3b2e-0f39-4b59-9f7f-1a4c0c0d4e21",
		Specification: "oots-edm:v2.0", IssuedAt: s.at, Requester: agent(uni, "NL"), Provider: agent(births, ""), AS4: "m@nl",
	}
	if s.w.Routes.Country() == "NL" {
		e.From, e.To, e.Exchange = e.To, e.From, canon.ExchangeID(s.id)
	}
	return e
}

func (s *side) request(step canon.Step, id string, change ...func(*canon.EvidenceRequest, *canon.RequestPrivate)) canon.Message {
	r := &canon.EvidenceRequest{
		Envelope: s.inbound(), Step: step, Request: uuid(id), Procedure: "T2", EvidenceType: evidenceType(birth),
		Requirements: []canon.Requirement{{ID: "https://sr.example/r", Names: []canon.Text{{Lang: "EN", Text: "Birth"}}}}, PreviewPossible: true,
		ExplicitRequest: canon.ExplicitRequest{Given: true},
	}
	p := canon.RequestPrivate{Subject: exchangetest.Person()}
	if s.w.Routes.Country() == "NL" { // of our portal
		r.Envelope = canon.Envelope{Leg: canon.LegPortal, Requester: r.Requester, Provider: r.Provider, IssuedAt: s.at}
		r.Portal, r.ExplicitRequest.At, r.ExplicitRequest.Reference = "portal", s.at, "consent-record-1"
		r.Request = ""
		if step == canon.StepPreview {
			p.ReturnLocation = "https://portal.example/return/1"
		}
	} else if step == canon.StepPreview {
		p.PreviewLocation = s.w.Tickets.Location(s.id, uuid("r1"))
		p.ReturnLocation = "https://portal.example/return/1"
	}
	for _, f := range change {
		f(r, &p)
	}
	r.Private = canon.Clear(p)
	return s.message(r)
}

func (s *side) opened(who canon.Subject) canon.Message {
	return s.message(&canon.PreviewOpened{Exchange: exchangeID, Private: canon.Clear(canon.OpenedPrivate{Subject: who})})
}

func docID(name string) string { return canon.DeriveUUID("document", name) }

func document(id, role, class, of string) canon.Document {
	if of != "" {
		of = docID(of)
	}
	return canon.Document{ID: docID(id), Role: role, Classification: class, For: of, Payload: canon.PayloadRef{Digest: "sha256:" + strings.Repeat("0", 64), MediaType: "application/xml", Size: 1, Store: "files", Where: id}}
}

func documents() []canon.Document {
	return []canon.Document{document("main", canon.RoleMain, birth, ""), document("annex", "Annex", "", "main"), document("other", canon.RoleMain, birth, "")}
}

func (s *side) record(outcome canon.RecordOutcome, docs ...canon.Document) canon.Message {
	return s.message(&canon.RegisterRecord{Register: "lv-births", Mapping: "1", Query: canon.Derive(canon.MessageID(s.id), "query"), Outcome: outcome, Documents: docs})
}

func (s *side) deferred(until time.Time) canon.Message {
	m := s.record(canon.RecordDeferred)
	m.Body.(*canon.RegisterRecord).AvailableAt = until
	return m
}

// inForm returns documents as if they had another media type.
func inForm(mediaType string, docs []canon.Document) []canon.Document {
	out := slices.Clone(docs)
	for i := range out {
		out[i].Payload.MediaType = mediaType
	}
	return out
}

func (s *side) decided(approved ...string) canon.Message {
	d := &canon.ConsentDecision{Exchange: exchangeID}
	for _, id := range approved {
		d.Decisions = append(d.Decisions, canon.DocumentDecision{Document: docID(strings.TrimPrefix(id, "-")), Approved: !strings.HasPrefix(id, "-")})
	}
	return s.message(d)
}

func (s *side) receipt(step string, outcome canon.DeliveryOutcome) canon.Message {
	return s.message(&canon.DeliveryReceipt{Of: canon.Derive(canon.MessageID(s.id), step), Outcome: outcome, Attempts: 1, Receipt: "sha256:" + strings.Repeat("1", 64)})
}

// deadline is the timer's that runs; a dead one where none does.
func (s *side) deadline() canon.Message {
	if s.c == nil || s.c.Timer == "" {
		return s.message(&canon.Deadline{Timer: "T9", Due: s.at})
	}
	if s.at.Before(s.c.Due) {
		s.at = s.c.Due
	}
	return exchange.DeadlineOf(s.c, s.at)
}

func (s *side) previewRequired(change ...func(*canon.PreviewRequired)) canon.Message {
	b := &canon.PreviewRequired{Envelope: s.inbound(), Response: canon.DeriveUUID("v1"), Private: canon.Clear(canon.PreviewPrivate{Location: "https://preview.example/p/1"})}
	if s.c != nil {
		b.Request = s.c.First
	}
	for _, f := range change {
		f(b)
	}
	return s.message(b)
}

func (s *side) response(change ...func(*canon.EvidenceResponse)) canon.Message {
	b := &canon.EvidenceResponse{
		Envelope: s.inbound(), Response: canon.DeriveUUID("v2"), Status: canon.StatusDelivered, Documents: documents(),
		Private: canon.Clear(canon.ResponsePrivate{Subject: exchangetest.Person()}),
	}
	if s.c != nil {
		b.Request = s.c.First
		if s.c.Second != "" {
			b.Request = s.c.Second
		}
	}
	for _, f := range change {
		f(b)
	}
	return s.message(b)
}

func (s *side) refusal(code string) canon.Message {
	b := &canon.EvidenceRefusal{Envelope: s.inbound(), Response: canon.DeriveUUID("v3"), ErrorCode: code, Detail: "line\nbreak"}
	if s.c != nil {
		b.Request = s.c.First
		if s.c.Second != "" {
			b.Request = s.c.Second
		}
	}
	return s.message(b)
}

// kinds says what was said, audit events left out.
func kinds(out []canon.Message) string {
	var ks []string
	for _, m := range out {
		k := strings.TrimSuffix(string(m.Kind), ".v1")
		switch b := m.Body.(type) {
		case *canon.AuditEvent:
			continue
		case *canon.EvidenceRefusal:
			k += " " + b.ErrorCode
		case *canon.EvidenceResponse:
			k += " " + string(b.Status)
		case *canon.ExchangeNotice:
			k += " " + b.State
		case *canon.EvidenceRequest:
			k += " " + string(b.Step)
		}
		ks = append(ks, k)
	}
	return strings.Join(ks, ", ")
}

func steps(out []canon.Message) string {
	var ss []string
	for _, m := range out {
		if e, ok := m.Body.(*canon.AuditEvent); ok {
			ss = append(ss, e.Step)
		}
	}
	return strings.Join(ss, ", ")
}
