package regrep

import (
	"slices"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

// properties is what the message header says about the exchange (TDD 4.7).
type properties struct {
	sender, recipient canon.Participant // C1 and C4, or the reverse
	exchange          canon.ExchangeID
	session           canon.SessionID
}

// readProperties checks the message properties against an edition.
func readProperties(h *ebms.UserMessage, ed edition) (p properties, err error) {
	session := collapse(h.ConversationID)
	if !uuid(session) {
		return p, invalid("R-EDM-ebMS-017", "ConversationId is not a UUID")
	}
	names := ed.properties()
	if len(h.Properties) != len(names) {
		return p, invalid("R-EDM-ebMS-018", "there are not exactly %d message properties", len(names))
	}
	found := map[string]ebms.Property{}
	for _, property := range h.Properties {
		if !slices.Contains(names, property.Name) {
			return p, invalid("R-EDM-ebMS-019", "there is a message property with another name")
		}
		found[property.Name] = property
	}
	if len(found) != len(names) {
		return p, invalid("R-EDM-ebMS-019", "a message property is there twice")
	}
	for _, name := range []string{ebms.PropertyOriginalSender, ebms.PropertyFinalRecipient} {
		if q := found[name]; !organisationScheme(collapse(q.Type)) || collapse(q.Value) == "" {
			return p, invalid("TDD 4.7.1", "%s is not an organisation with its scheme", name)
		}
	}
	exchange := collapse(found[propertyExchange].Value)
	if !uuid(exchange) {
		return p, invalid("R-EDM-ebMS-037", "ExchangeId is not a UUID")
	}
	if found[propertySpecification].Value != ed.specification() { // literally, no normalisation
		return p, invalid("R-EDM-ebMS-038", "SpecificationId is not the SpecificationIdentifier of the document")
	}
	return properties{
		sender:    participant(found[ebms.PropertyOriginalSender]),
		recipient: participant(found[ebms.PropertyFinalRecipient]),
		exchange:  canon.ExchangeID(exchange),
		session:   canon.SessionID(session),
	}, nil
}

func participant(p ebms.Property) canon.Participant {
	return canon.Participant{Scheme: collapse(p.Type), ID: collapse(p.Value)}
}
