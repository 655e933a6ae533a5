package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/regrep"
	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/gateway/payload"
	"oncegate/gateway/payload/payloadtest"
	"oncegate/gateway/preview"
	"oncegate/gateway/routing"
	"oncegate/schemas/canon"
	"oncegate/schemas/codes"
)

const (
	scheme      = "urn:oasis:names:tc:ebcore:partyid-type:unregistered:"
	repository  = "https://sr.oots.tech.ec.europa.eu/"
	proofOfLife = repository + "evidencetypeclassifications/LV/5b2f6a53-0d0e-4c55-8f0e-6a2c3c0a9b11"
	births      = "births"
)

// A state is one Member State as far as evidence goes through it: the core, the codec
// and the vault. What lies between two of them is the access points'.
type state struct {
	t     *testing.T
	clock *time.Time
	own   canon.Participant
	core  *exchange.Core
	codec *regrep.Codec
	vault *payload.Vault
	to    *state
	log   []canon.Message
}

func agentOf(country, id string) canon.Agent {
	return canon.Agent{ID: canon.Participant{Scheme: scheme + country, ID: id}, Names: []canon.Text{{Lang: "EN", Text: id}}, Country: country}
}

// person is fictitious; the identifier is one that EDM 1.0 takes too.
func person() canon.Subject {
	return canon.Subject{Natural: &canon.NaturalPerson{Assurance: "High", Identifier: "LV/NL/00000000001", FamilyName: "Fiktiva", GivenName: "Ilze", BirthDate: "1999-04-01"}}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// twoStates are Latvia, which gives evidence for all procedures, and the Netherlands,
// which ask for it in one edition of the messages.
func twoStates(t *testing.T, lists *codes.Lists, procedures []string, specification string) (asks, gives *state) {
	t.Helper()
	clock := time.Date(2026, 9, 14, 9, 0, 0, 0, time.UTC)
	lv, nl := agentOf("LV", "ap-lv"), agentOf("NL", "ap-nl")
	build := func(own canon.Agent, c routing.Config) *state {
		s := &state{t: t, clock: &clock, own: own.ID}
		c.Country, c.AccessPoint, c.Lists = own.Country, own.ID.String(), lists
		table, err := routing.NewTable(c)
		check(t, err)
		tickets, err := preview.NewTickets("https://preview.example.lv/p", bytes.Repeat([]byte{'k'}, 32))
		check(t, err)
		s.codec, err = regrep.New(regrep.Config{Reporter: own, ContentDomain: "gate.example.eu", Lists: lists})
		check(t, err)
		ring, err := payload.NewRing(payload.KEK{ID: "1", NotBefore: clock.AddDate(-1, 0, 0), Term: clock.AddDate(1, 0, 0), Key: payload.Secret(bytes.Repeat([]byte{1}, 32))})
		check(t, err)
		now := func() time.Time { return *s.clock }
		keyring, err := payload.NewKeyring(payload.KeyringConfig{Keys: &payloadtest.MemoryKeys{}, Ring: ring, Now: now})
		check(t, err)
		s.vault, err = payload.NewVault(payload.VaultConfig{Keyring: keyring, Blobs: &payloadtest.MemoryBlobs{}, Store: "memory"})
		check(t, err)
		s.core, err = exchange.New(exchange.Config{
			Store: &exchangetest.Memory{}, Routes: table, Tickets: tickets, Requests: &exchangetest.Requests{}, Now: now,
			History: func(context.Context, time.Time, canon.ConversationID) iter.Seq2[canon.Message, error] {
				return func(yield func(canon.Message, error) bool) {
					for _, m := range s.log {
						if !yield(m, nil) {
							return
						}
					}
				}
			},
		})
		check(t, err)
		return s
	}
	asks = build(nl, routing.Config{
		Partners: []routing.Partner{{Country: "LV", AccessPoint: lv.ID.String()}},
		Ask: []routing.Ask{{Name: "a", Procedures: procedures, EvidenceType: proofOfLife, Provider: agentOf("LV", "register").ID.String(),
			Country: "LV", Specification: specification}},
	})
	gives = build(lv, routing.Config{
		Partners: []routing.Partner{{Country: "NL", AccessPoint: nl.ID.String()}},
		Provide:  []routing.Provide{{Name: "p", Procedures: procedures, EvidenceType: proofOfLife, Provider: agentOf("LV", "register").ID.String(), Register: births}},
	})
	asks.to, gives.to = gives, asks
	return asks, gives
}

// handle has a message handled, sends what is to be sent, and returns what else follows.
func (s *state) handle(m canon.Message) (out []canon.Message) {
	s.t.Helper()
	s.log = append(s.log, m)
	said, err := s.core.Handle(s.t.Context(), m)
	check(s.t, err)
	for _, m := range said {
		if e := canon.EnvelopeOf(m.Body); e != nil && e.Leg == canon.LegOut {
			s.send(m, e)
			continue
		}
		out = append(out, m)
	}
	return out
}

// send writes a message as the other state will read it, and brings the receipt back.
func (s *state) send(m canon.Message, e *canon.Envelope) {
	s.t.Helper()
	*s.clock = s.clock.Add(time.Second)
	sent, ok, err := s.codec.Encode(s.t.Context(), m, s.vault)
	if err != nil || !ok {
		s.t.Fatalf("%s: %t, %v", m.Kind, ok, err)
	}
	as4 := string(m.ID) + "@" + s.own.ID
	h := ebms.UserMessage{
		Timestamp: *s.clock, MessageID: as4, From: ebms.Party{ID: e.From}, To: ebms.Party{ID: e.To}, Action: sent.Action,
		Service:        ebms.Service{Type: "urn:oasis:names:tc:ebcore:ebrs:ebms:binding:1.0", Value: "QueryManager"},
		ConversationID: sent.ConversationID, RefToMessageID: sent.RefToMessageID,
		Properties: append([]ebms.Property{
			{Name: "originalSender", Type: sent.OriginalSender.Scheme, Value: sent.OriginalSender.ID},
			{Name: "finalRecipient", Type: sent.FinalRecipient.Scheme, Value: sent.FinalRecipient.ID},
		}, sent.Properties...),
	}
	h.From.Role, h.To.Role = "http://sdg.europa.eu/edelivery/gateway", "http://sdg.europa.eu/edelivery/gateway"
	for _, p := range sent.Parts {
		h.Parts = append(h.Parts, ebms.PartInfo{ID: p.ID, Properties: []ebms.Property{{Name: ebms.PropertyMimeType, Value: p.MediaType}}})
	}
	arrived, err := s.to.codec.Decode(s.t.Context(), edelivery.Incoming{Header: h, Parts: sent.Parts, Now: *s.clock}, s.to.vault)
	check(s.t, err)
	for _, m := range arrived {
		s.to.handle(m)
	}
	s.handle(canon.Message{ID: canon.Derive(m.ID, "receipt"), Kind: canon.KindDeliveryReceipt, Conversation: m.Conversation, Cause: m.ID, At: *s.clock,
		Body: &canon.DeliveryReceipt{Of: m.ID, OfKind: m.Kind, Peer: e.To, AS4: as4, Outcome: canon.DeliveryAcknowledged, Attempts: 1}})
}

// say lets somebody of this state say something in a conversation.
func (s *state) say(id canon.ConversationID, b canon.Body) []canon.Message {
	s.t.Helper()
	*s.clock = s.clock.Add(time.Second)
	return s.handle(canon.Message{ID: canon.Derive(canon.MessageID(id), fmt.Sprint(len(s.log))), Kind: b.Kind(), Conversation: id, At: *s.clock, Body: b})
}

func (s *state) conversation(id canon.ConversationID) *exchange.Conversation {
	s.t.Helper()
	c, err := s.core.Get(s.t.Context(), id)
	check(s.t, err)
	return c
}

// cross lets one evidence go from a register to a portal: request, preview, decision,
// delivery. It returns what the portal reads.
func cross(t *testing.T, asks, gives *state, name, procedure, mediaType string, content []byte) []byte {
	t.Helper()
	mine, model := canon.OwnConversation("portal", name), ""
	if mediaType == "application/xml" {
		model = repository + "datamodels/proof-of-life-1.0.0"
	}
	first := &canon.EvidenceRequest{
		Envelope: canon.Envelope{Leg: canon.LegPortal, IssuedAt: *asks.clock, Requester: agentOf("NL", "university"), Provider: agentOf("LV", "register")},
		Step:     canon.StepFirst, Procedure: procedure, Portal: "portal", PreviewPossible: true,
		Requirements: []canon.Requirement{{ID: repository + "requirements/8d7e6f5a-1b2c-4d3e-9f80-a1b2c3d4e5f6", Names: []canon.Text{{Lang: "EN", Text: "To be alive"}}}},
		EvidenceType: canon.EvidenceType{ID: canon.DeriveUUID("type"), Classification: proofOfLife,
			Titles: []canon.Text{{Lang: "EN", Text: "Proof of life"}}, Distributions: []canon.Distribution{{Format: mediaType, ConformsTo: model}}},
		ExplicitRequest: canon.ExplicitRequest{Given: true, At: *asks.clock, Reference: "record-" + name},
		Private:         canon.Clear(canon.RequestPrivate{Subject: person()}),
	}
	asks.say(mine, first)
	c := asks.conversation(mine)
	if c.Phase != exchange.PreviewOffered {
		t.Fatalf("after the first request: %s %s %s", c.Phase, c.Code, c.Detail)
	}
	second := *first
	second.Step = canon.StepPreview
	second.Private = canon.Clear(canon.RequestPrivate{Subject: person(), ReturnLocation: "https://portal.example.nl/back"})
	asks.say(mine, &second)

	there, err := gives.core.List(t.Context(), 1)
	check(t, err)
	theirs := there[0].ID
	asked := gives.say(theirs, &canon.PreviewOpened{Exchange: there[0].Exchange, Private: canon.Clear(canon.OpenedPrivate{Subject: person()})})
	ref, err := gives.vault.Put(t.Context(), theirs, mediaType, bytes.NewReader(content))
	check(t, err)
	doc := canon.Document{
		ID: canon.DeriveUUID("document", name), Role: canon.RoleMain, Classification: proofOfLife, Titles: []canon.Text{{Lang: "EN", Text: "Proof of life"}},
		Issuer: agentOf("LV", "register"), IssuedOn: "2026-09-01", ValidFrom: "2026-09-01", ValidUntil: "2027-08-31", Languages: []string{"LV"}, ConformsTo: model, Payload: ref,
	}
	for _, m := range asked {
		if m.Kind == canon.KindRegisterQuery {
			gives.say(theirs, &canon.RegisterRecord{Register: births, Mapping: "1", Query: m.ID, Outcome: canon.RecordFound, Documents: []canon.Document{doc}})
		}
	}
	if c := gives.conversation(theirs); c.Phase != exchange.Held {
		t.Fatalf("the person sees nothing: %s %s %s", c.Phase, c.Code, c.Detail)
	}
	if c := asks.conversation(mine); c.Phase != exchange.Continued || len(c.Documents) != 0 {
		t.Fatalf("before the decision the requester is %s with %d documents", c.Phase, len(c.Documents))
	}
	gives.say(theirs, &canon.ConsentDecision{Exchange: there[0].Exchange, Decisions: []canon.DocumentDecision{{Document: doc.ID, Approved: true}}})

	c = asks.conversation(mine)
	if c.Phase != exchange.Delivered || len(c.Documents) != 1 || gives.conversation(theirs).Phase != exchange.Delivered {
		t.Fatalf("got %s %s %s with %d documents; there %s", c.Phase, c.Code, c.Detail, len(c.Documents), gives.conversation(theirs).Phase)
	}
	got := c.Documents[0]
	if got.Payload.Digest != ref.Digest || got.Payload.MediaType != mediaType {
		t.Errorf("shown %s %s, delivered %s %s", ref.MediaType, ref.Digest, got.Payload.MediaType, got.Payload.Digest)
	}
	if got.Issuer.ID != doc.Issuer.ID || got.IssuedOn != doc.IssuedOn || got.ValidFrom != doc.ValidFrom || got.ValidUntil != doc.ValidUntil {
		t.Errorf("issued by %s on %q, valid %q to %q", got.Issuer.ID, got.IssuedOn, got.ValidFrom, got.ValidUntil)
	}
	r, err := asks.vault.Open(t.Context(), mine, got.Payload)
	check(t, err)
	defer r.Close()
	data, err := io.ReadAll(r)
	check(t, err)
	return data
}

// Every procedure of every edition goes the whole way: request, preview, decision,
// delivery, in the messages that are sent between Member States.
//
// Covers: B-031, B-032, B-044, B-055, B-059, B-062
func TestEveryProcedureEndToEnd(t *testing.T) {
	const content = "<proof>Ilze Fiktiva, Rīga</proof>"
	lists := codes.Default()
	for _, specification := range regrep.Specifications() {
		// 1.1 differs from 1.2 by its name alone.
		edition := strings.Replace(strings.TrimPrefix(specification, "oots-edm:v"), "1.1", "1.2", 1)
		var procedures []string
		for _, p := range lists.In(edition).Procedures() {
			if !p.Test() {
				procedures = append(procedures, p.Code)
			}
		}
		if len(procedures) < 21 {
			t.Fatalf("%s has %d procedures", specification, len(procedures))
		}
		asks, gives := twoStates(t, lists, procedures, specification)
		for _, p := range procedures {
			t.Run(specification+"/"+p, func(t *testing.T) {
				asks.t, gives.t = t, t
				if got := cross(t, asks, gives, specification+p, p, "application/xml", []byte(content)); string(got) != content {
					t.Errorf("the portal reads %q", got)
				}
			})
		}
	}
}

// Text, sound, image and film are evidence: each arrives byte for byte. OOTS lists no
// form for sound and film; where Member States agree on one, their code list lets it pass.
//
// Covers: B-005, B-059
func TestEvidenceOfAnyMedium(t *testing.T) {
	agreed, err := codes.Load(codes.Default(), fstest.MapFS{"OOTSMediaTypes.json": {Data: []byte(`[
		{"code": "audio/mpeg", "type": "unstructured"}, {"code": "video/mp4", "type": "unstructured"}]`)}})
	check(t, err)
	for _, form := range []string{"audio/mpeg", "video/mp4"} {
		if codes.Default().Has("OOTSMediaTypes", form) {
			t.Errorf("OOTS lists %s by now: docs/conformance.yaml says that it does not", form)
		}
	}
	asks, gives := twoStates(t, agreed, []string{"T2"}, "oots-edm:v2.0")
	for _, tc := range []struct{ name, mediaType, begins string }{
		{"text", "application/pdf", "%PDF-1.7\r\n%\xe2\xe3\xcf\xd3\n"},
		{"text as data", "application/xml", "<?xml version=\"1.0\"?>\r\n<proof  a = 'b'/>\r\n"},
		{"sound", "audio/mpeg", "ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x00"},
		{"image", "image/png", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"},
		{"film", "video/mp4", "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			asks.t, gives.t = t, t
			content := []byte(tc.begins)
			if tc.mediaType != "application/xml" {
				for i := range 1 << 16 {
					content = append(content, byte(i*i>>3))
				}
			}
			if got := cross(t, asks, gives, tc.name, "T2", tc.mediaType, content); !bytes.Equal(got, content) {
				t.Errorf("%d bytes became %d others", len(content), len(got))
			}
		})
	}
}
