package pmode

import (
	"slices"
	"strconv"
	"strings"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

// content checks a header against the service that it is of. senders and
// recipients are the authorities that may be named.
func (p *Partner) content(h *ebms.UserMessage, senders, recipients []canon.Participant) error {
	s := p.service(h)
	if s == nil {
		return ebms.Errorf(ebms.ProcessingModeMismatch, "no agreement for this service and action")
	}
	if p.TwoWay && h.RefToMessageID == "" && slices.Contains(s.Replies, h.Action) {
		return ebms.Errorf(ebms.ValueInconsistent, "an answer without RefToMessageId")
	}
	for _, c := range []struct {
		name string
		in   []canon.Participant
	}{{ebms.PropertyOriginalSender, senders}, {ebms.PropertyFinalRecipient, recipients}} {
		if len(c.in) > 0 && !slices.ContainsFunc(h.Properties, func(q ebms.Property) bool {
			return q.Name == c.name && slices.Contains(c.in, canon.Participant{Scheme: q.Type, ID: q.Value})
		}) {
			return ebms.Errorf(ebms.ProcessingModeMismatch, "no agreement for this %s", c.name)
		}
	}
	if err := s.properties(h.Properties); err != nil {
		return err
	}
	return s.Payloads.check(h.Parts)
}

// properties checks the message properties. Names are told, values are not.
func (s *Service) properties(have []ebms.Property) error {
	if len(s.Properties) == 0 {
		return nil
	}
	seen := map[string]bool{}
	for _, q := range have {
		i := slices.IndexFunc(s.Properties, func(p Property) bool { return p.Name == q.Name })
		switch {
		case i < 0:
			return ebms.Errorf(ebms.ProcessingModeMismatch, "a message property that the agreement does not have")
		case seen[q.Name]:
			return ebms.Errorf(ebms.ProcessingModeMismatch, "message property %s twice", q.Name)
		case !s.Properties[i].Datatype.holds(q.Value):
			return ebms.Errorf(ebms.ProcessingModeMismatch, "message property %s is not of its type", q.Name)
		}
		seen[q.Name] = true
	}
	for _, p := range s.Properties {
		if p.Required && !seen[p.Name] {
			return ebms.Errorf(ebms.ProcessingModeMismatch, "message property %s is missing", p.Name)
		}
	}
	return nil
}

func (d Datatype) holds(value string) bool {
	switch d {
	case Integer:
		_, err := strconv.ParseInt(value, 10, 64)
		return err == nil
	case Boolean:
		return strings.EqualFold(value, "true") || strings.EqualFold(value, "false")
	}
	return true
}

// check compares the parts that a header names with the payload profile. Sizes are
// checked as Bounds, where the bytes are.
func (l Payloads) check(parts []ebms.PartInfo) error {
	if l.Max > 0 && len(parts) > l.Max {
		return ebms.Errorf(ebms.ProcessingModeMismatch, "more payload parts than the agreement allows")
	}
	seen := map[string]bool{}
	for _, q := range parts {
		media, _ := q.Property(ebms.PropertyMimeType)
		media, _, _ = strings.Cut(media, ";")
		media = strings.TrimSpace(media)
		if len(l.Types) > 0 && !slices.ContainsFunc(l.Types, func(t string) bool { return strings.EqualFold(t, media) }) {
			return ebms.Errorf(ebms.ProcessingModeMismatch, "a payload part of a type that the agreement does not have")
		}
		if len(l.Parts) == 0 {
			continue
		}
		i := slices.IndexFunc(l.Parts, func(p Payload) bool { return p.ID == q.ID })
		switch {
		case i < 0:
			return ebms.Errorf(ebms.ProcessingModeMismatch, "a payload part that the agreement does not have")
		case l.Parts[i].Type != "" && !strings.EqualFold(l.Parts[i].Type, media):
			return ebms.Errorf(ebms.ProcessingModeMismatch, "payload part %s is not of its type", l.Parts[i].ID)
		}
		seen[q.ID] = true
	}
	for _, p := range l.Parts {
		if p.Required && !seen[p.ID] {
			return ebms.Errorf(ebms.ProcessingModeMismatch, "payload part %s is missing", p.ID)
		}
	}
	return nil
}

// CheckSizes compares the clear sizes of the parts with the payload profile of the
// service; the bounds of the whole message are in Bounds.
func (p *Partner) CheckSizes(h *ebms.UserMessage, sizes map[string]int64) error {
	s := p.service(h)
	if s == nil {
		return nil
	}
	for _, part := range s.Payloads.Parts {
		if part.Size > 0 && sizes[part.ID] > part.Size {
			return ebms.Errorf(ebms.ProcessingModeMismatch, "payload part %s is larger than agreed", part.ID)
		}
	}
	return nil
}
