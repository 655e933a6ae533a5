package regrep

import (
	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// refuse makes the answer to a request that cannot be read. It says what is
// known: the parties of the document where they can be read, else those of the
// header, else us. root is the zero Element where there is no document.
func (c *Codec) refuse(in edelivery.Incoming, root xmldoc.Element, v *violation) canon.Message {
	h := &in.Header
	cause := messageID(h)
	seen := glimpse(root)
	env := canon.Envelope{
		Leg: canon.LegOut, From: h.To.ID, To: h.From.ID,
		Exchange:      canon.ExchangeID(idOr(property(h, propertyExchange).Value, cause, "exchange")),
		Session:       canon.SessionID(idOr(h.ConversationID, cause, "session")),
		Specification: c.editions[0].specification(),
		IssuedAt:      in.Now.UTC(),
		Requester:     seen.requester,
		Provider:      c.located(seen.provider),
		RefTo:         h.MessageID,
	}
	if env.Requester.ID.IsZero() {
		env.Requester = named(participant(property(h, ebms.PropertyOriginalSender)))
	}
	if seen.provider.ID.IsZero() {
		env.Provider = c.reporter
	}
	return canon.Message{
		ID:           canon.Derive(cause, "refusal"),
		Kind:         canon.KindEvidenceRefusal,
		Conversation: canon.InboundConversation(h.From.ID, env.Exchange),
		At:           in.Now.UTC(),
		Body: &canon.EvidenceRefusal{
			Envelope: env, Request: seen.request, Response: canon.DeriveUUID("refusal", string(cause)),
			ErrorCode: v.edm, Detail: v.Error(), Code: canon.CodeRequestInvalid, ErrorRole: "ERRP",
		},
	}
}

// idOr returns s if it is a UUID, else one derived from the message: our own
// answer must keep R-EDM-ebMS-017 and -037.
func idOr(s string, cause canon.MessageID, what string) string {
	if s = collapse(s); uuid(s) {
		return s
	}
	return canon.DeriveUUID("unreadable", what, string(cause))
}

func property(h *ebms.UserMessage, name string) ebms.Property {
	for _, p := range h.Properties {
		if p.Name == name {
			return p
		}
	}
	return ebms.Property{}
}

// named makes an agent of an identifier alone, which stands for its name too.
func named(p canon.Participant) canon.Agent {
	if !organisationScheme(p.Scheme) || p.ID == "" || len(p.ID) >= 256 {
		return canon.Agent{}
	}
	return canon.Agent{ID: p, Names: []canon.Text{{Lang: "EN", Text: p.ID}}}
}

// A glimpsed request is what can be read of one that breaks a rule.
type glimpsed struct {
	request             canon.RequestID
	requester, provider canon.Agent
}

// glimpse reads each part on its own, so that one broken rule does not hide the rest.
func glimpse(root xmldoc.Element) (g glimpsed) {
	if root.IsZero() {
		return g
	}
	r := &reader{family: familyRequest}
	id := r.attr(root, plainName("id"), "")
	if len(id) > len(uuidURN) && id[:len(uuidURN)] == uuidURN && uuid(id[len(uuidURN):]) {
		g.request = canon.RequestID(id)
	}
	for s := range root.All(rimName("Slot")) {
		name, _ := s.Attr(plainName("name"))
		v, err := s.Only(rimName("SlotValue"))
		if err != nil {
			continue
		}
		switch r := (&reader{family: familyRequest}); collapse(name) {
		case "EvidenceRequester":
			for e := range r.collection(v, "Agent", "S039") {
				if a, class := r.agent(e, &requesterInRequest); class == "ER" && r.bad == nil {
					g.requester = a
				}
			}
		case "EvidenceProvider":
			if a, _ := r.agent(r.any(v, "Agent", "S042"), &providerInRequest); r.bad == nil {
				g.provider = a
			}
		}
	}
	return g
}
