package regrep

import (
	"strings"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/rulecheck"
	"oncegate/schemas/canon"
)

// correlation says which exchange a message belongs to (TDD 4.7).
type correlation struct {
	exchange     canon.ExchangeID
	session      canon.SessionID
	conversation canon.ConversationID
}

// correlate reads the message properties, whose rules have run.
//
// From 2.0 on the property ExchangeId names the exchange. Before, nothing does: a
// first request opens one that is derived from its sender, session and id; a second
// request names the first by the PreviewLocation, which holds the conversation; and an
// answer to us copies our ConversationId, which we made the id of the exchange.
func correlate(ed *edition, h *ebms.UserMessage, body canon.Body) (c correlation, err error) {
	session := rim.Collapse(h.ConversationID)
	if !rim.IsUUID(session) {
		return c, breaks(rulecheck.LayerStructure, "R-EDM-ebMS-017", "ConversationId is not a UUID")
	}
	c.session = canon.SessionID(session)
	request, asked := body.(*canon.EvidenceRequest)
	if asked {
		sender, recipient := participant(h, ebms.PropertyOriginalSender), participant(h, ebms.PropertyFinalRecipient)
		if sender != request.Requester.ID || recipient != request.Provider.ID {
			return c, breaks(rulecheck.LayerCross, "TDD 4.7.1", "originalSender and finalRecipient are not the requester and the provider of the request")
		}
	}
	switch exchange, _ := h.Property(propertyExchange); {
	case ed.exchangeID:
		if exchange = rim.Collapse(exchange); !rim.IsUUID(exchange) {
			return c, breaks(rulecheck.LayerStructure, "R-EDM-ebMS-037", "ExchangeId is not a UUID")
		}
		c.exchange = canon.ExchangeID(exchange)
	case asked:
		c.exchange = canon.ExchangeID(canon.DeriveUUID("exchange", h.From.ID.Scheme, h.From.ID.ID, session, string(request.Request)))
	default:
		c.exchange = canon.ExchangeID(session)
	}
	if !asked { // our own exchange comes back: its id is ours to spell
		c.exchange = canon.ExchangeID(strings.ToLower(string(c.exchange)))
		c.conversation = canon.ConversationID(c.exchange)
		return c, nil
	}
	c.conversation = canon.InboundConversation(h.From.ID, c.exchange)
	if private, ok := request.Private.Get(); ok && !ed.exchangeID && request.Step == canon.StepPreview {
		// The core checks that the location is of this peer and this person.
		if id, ok := canon.PreviewConversation(private.PreviewLocation); ok {
			c.conversation = id
		}
	}
	return c, nil
}

func property(h *ebms.UserMessage, name string) ebms.Property {
	for _, p := range h.Properties {
		if p.Name == name {
			return p
		}
	}
	return ebms.Property{}
}

func participant(h *ebms.UserMessage, name string) canon.Participant {
	p := property(h, name)
	return canon.Participant{Scheme: rim.Collapse(p.Type), ID: rim.Collapse(p.Value)}
}
