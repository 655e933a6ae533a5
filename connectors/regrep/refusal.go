package regrep

import (
	"slices"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/regrep/rim"
	"oncegate/connectors/xmldoc"
	"oncegate/schemas/canon"
)

// refuse makes the answer to a request that cannot be read, in the version of the
// request where that is known. It says what is known: the parties of the document
// where they can be read, else those of the header, else us.
func (c *Codec) refuse(in edelivery.Incoming, saw sighting, v *violation) canon.Message {
	h := &in.Header
	cause := messageID(h)
	ed, specification := saw.ed, saw.specification
	if ed == nil {
		ed, specification = speak(h)
	}
	seen := c.glimpse(ed, saw.root)
	exchange := idOr(property(h, propertyExchange).Value, cause, "exchange")
	if !ed.exchangeID {
		exchange = canon.DeriveUUID("exchange", string(cause))
	}
	env := canon.Envelope{
		Leg: canon.LegOut, From: h.To.ID, To: h.From.ID,
		Exchange:      canon.ExchangeID(exchange),
		Session:       canon.SessionID(idOr(h.ConversationID, cause, "session")),
		Specification: specification,
		IssuedAt:      in.Now.UTC(),
		Requester:     seen.requester,
		Provider:      c.located(seen.provider),
		RefTo:         h.MessageID,
	}
	if env.Requester.ID.IsZero() {
		env.Requester = c.named(participant(h, ebms.PropertyOriginalSender))
	}
	if seen.provider.ID.IsZero() {
		env.Provider = c.reporter
	}
	if env.Requester.ID.IsZero() && ed.errorsNamed {
		// Who carried the request stands for who asked; where that has no name either,
		// the next version does not need one.
		if env.Requester = c.named(h.From.ID); env.Requester.ID.IsZero() {
			env.Specification = editions[slices.Index(editions, ed)-1].literals[0]
		}
	}
	return canon.Message{
		ID:           canon.Derive(cause, "refusal"),
		Kind:         canon.KindEvidenceRefusal,
		Conversation: canon.InboundConversation(h.From.ID, env.Exchange),
		At:           in.Now.UTC(),
		Body: &canon.EvidenceRefusal{
			Envelope: env, Request: seen.request, Response: canon.DeriveUUID("refusal", string(cause)),
			ErrorCode: v.edm, Detail: shortened(v.Error()), Code: canon.CodeRequestInvalid, ErrorRole: "ERRP",
		},
	}
}

// shortened keeps a detail within the canonical schema.
func shortened(s string) string {
	const most = 2000
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}

// idOr returns s if it is a UUID, else one derived from the message: our own
// answer must keep R-EDM-ebMS-017 and -037.
func idOr(s string, cause canon.MessageID, what string) string {
	if s = rim.Collapse(s); rim.IsUUID(s) {
		return s
	}
	return canon.DeriveUUID("unreadable", what, string(cause))
}

// named makes an agent of an identifier alone, which stands for its name too.
func (c *Codec) named(p canon.Participant) canon.Agent {
	if !organisation(c.lists, p) || len(p.ID) < 2 {
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
// What it returns goes into our own answer, which keeps the rules.
func (c *Codec) glimpse(ed *edition, root xmldoc.Element) (g glimpsed) {
	if root.IsZero() {
		return g
	}
	if id, _ := root.Attr(rim.Plain("id")); rim.IsURN(rim.Collapse(id)) {
		g.request = canon.RequestID(rim.Collapse(id))
	}
	for s := range root.All(nameSlot) {
		name, _ := s.Attr(rim.Plain("name"))
		v := s.First()
		switch r := (&reader{ed: ed}); rim.Collapse(name) {
		case slotRequester:
			for e := range r.Collection(v, nameAgent) {
				if a, class := r.Agent(e); class == "ER" && !r.Failed() && c.presentable(a) {
					g.requester = a
				}
			}
		case slotProvider:
			if a, _ := r.Agent(r.Any(v, nameAgent)); !r.Failed() && c.presentable(a) {
				g.provider = a
			}
		}
	}
	return g
}

// presentable reports whether an authority can be named in an answer of ours.
func (c *Codec) presentable(a canon.Agent) bool {
	for _, t := range a.Names {
		if len([]rune(t.Text)) < 2 || !c.lists.Has("LanguageCode", t.Lang) {
			return false
		}
	}
	return organisation(c.lists, a.ID) && (a.Country == "" || c.lists.Has("CountryIdentificationCode", a.Country))
}
