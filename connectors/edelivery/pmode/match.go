package pmode

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"oncegate/connectors/edelivery/ebms"
)

// Match returns the agreement that an inbound header belongs to. The header need
// not be verified yet: the agreement says how to verify it. A mismatch is an
// *ebms.Error, ProcessingModeMismatch: its detail, which the peer may read, names
// the rule, its cause, which is for the operator, the field with what was wanted
// and what came. Where the party is known but nothing else matches, one of its
// agreements comes with the error, so that the answer can be signed for a partner.
func (t *Table) Match(h *ebms.UserMessage) (*Partner, error) {
	candidates := t.parties[h.From.ID]
	if len(candidates) == 0 {
		return nil, ebms.Because(ebms.ProcessingModeMismatch, t.stranger(h), "no agreement with the sending party")
	}
	var best difference
	for _, p := range candidates {
		d := p.differs(t, h)
		if d.rule == "" {
			return p, p.Check(h)
		}
		if d.rank > best.rank {
			best = d
			best.partner = p
		}
	}
	return candidates[0], ebms.Because(ebms.ProcessingModeMismatch, best.cause(), best.rule)
}

// stranger says why a sending party is not known.
func (t *Table) stranger(h *ebms.UserMessage) error {
	for _, p := range t.ids[strings.ToLower(h.From.ID.ID)] {
		return fmt.Errorf("From/PartyId: the nearest agreement is %q with %q of type %q; the message has %s of type %s",
			p.Name, p.Party.ID.ID, p.Party.Type(), foreign(h.From.ID.ID), foreign(h.From.Type()))
	}
	return fmt.Errorf("From/PartyId: no partner has %s of type %s", foreign(h.From.ID.ID), foreign(h.From.Type()))
}

// A difference between a header and an agreement: the first one in the order in
// which a header is compared. The rank is how far the comparing came.
type difference struct {
	rank      int
	rule      string // what the peer is told
	field     string
	want, got string
	partner   *Partner
}

func (d difference) cause() error {
	return fmt.Errorf("%s: the nearest agreement is %q with %s; the message has %s", d.field, d.partner.Name, d.want, foreign(d.got))
}

// differs compares a header with an agreement with its sender.
func (p *Partner) differs(t *Table, h *ebms.UserMessage) difference {
	if p.Direction == Out && !h.IsTest() {
		return difference{rank: 1, rule: "no agreement for this service and action", field: "direction", want: `"out"`, got: "in"}
	}
	for i, c := range []struct {
		ok                bool
		rule, field, want string
		got               string
	}{
		{h.To.ID.ID == t.own.Party.ID.ID, "message is not for this party and role", "To/PartyId", t.own.Party.ID.ID, h.To.ID.ID},
		{h.To.ID.Scheme == t.own.Party.ID.Scheme, "message is not for this party and role", "To/PartyId/@type", t.own.Party.Type(), h.To.Type()},
		{h.To.Role == p.OwnRole, "message is not for this party and role", "To/Role", p.OwnRole, h.To.Role},
		{p.takesFrom(h.MPC), "no agreement for this partition", "UserMessage/@mpc", p.MPC, h.MPC},
		{p.Party.Role == h.From.Role, "no agreement for this role", "From/Role", p.Party.Role, h.From.Role},
		// pmode is a hint of the sender's own naming; value and type identify (ebMS3 5.2.2.7).
		{p.Agreement.Value == h.Agreement.Value, "no agreement with this AgreementRef", "AgreementRef", p.Agreement.Value, h.Agreement.Value},
		{p.Agreement.Type == h.Agreement.Type, "no agreement with this AgreementRef", "AgreementRef/@type", p.Agreement.Type, h.Agreement.Type},
	} {
		if !c.ok {
			return difference{rank: i + 2, rule: c.rule, field: c.field, want: strconv.Quote(c.want), got: c.got}
		}
	}
	if h.IsTest() || p.service(h) != nil {
		return difference{}
	}
	d := difference{rank: 9, rule: "no agreement for this service and action", field: "Service", got: h.Service.Value}
	var values, types, actions []string
	for _, s := range p.Services {
		values = append(values, s.Service.Value)
		if s.Service.Value == h.Service.Value {
			types = append(types, s.Service.Type)
			if s.Service.Type == h.Service.Type {
				actions = append(actions, s.Actions...)
			}
		}
	}
	d.want = quoted(values)
	if len(actions) > 0 {
		d.rank, d.field, d.want, d.got = 11, "Action", quoted(actions), h.Action
	} else if len(types) > 0 {
		d.rank, d.field, d.want, d.got = 10, "Service/@type", quoted(types), h.Service.Type
	}
	return d
}

// takesFrom reports whether a message of the partner may come in this partition:
// that of the agreement, the one from which we pull, and the default one for what
// a pulling partner pushes to us.
func (p *Partner) takesFrom(mpc string) bool {
	if mpc == "" {
		mpc = ebms.DefaultMPC
	}
	return mpc == p.MPC || p.Fetch.Every > 0 && mpc == p.Fetch.MPC ||
		mpc == ebms.DefaultMPC && (p.MEP == Pull || p.Fetch.Every > 0)
}

func (p *Partner) service(h *ebms.UserMessage) *Service {
	for i := range p.Services {
		if s := &p.Services[i]; s.Service == h.Service && slices.Contains(s.Actions, h.Action) {
			return s
		}
	}
	return nil
}

// foreign quotes what a stranger wrote, for the log.
func foreign(s string) string {
	const longest = 128
	if len(s) > longest {
		s = s[:longest] + "…"
	}
	return strconv.Quote(s)
}

// quoted lists what an agreement has, not too long.
func quoted(all []string) string {
	const most = 8
	var b strings.Builder
	for i, s := range all {
		if i == most {
			fmt.Fprintf(&b, " and %d more", len(all)-most)
			break
		}
		if i > 0 {
			b.WriteString(" or ")
		}
		b.WriteString(strconv.Quote(s))
	}
	return b.String()
}

// Check compares what the header of a message says of its content with the
// agreement: properties, the message that it answers, authorities, payloads. Match
// has done so for an inbound header. Values, which may name persons, are not told.
func (p *Partner) Check(h *ebms.UserMessage) error {
	if h.IsTest() {
		return nil
	}
	return p.content(h, p.Corners.Theirs, p.Corners.Ours)
}

// CheckOut is Check for a message of ours.
func (p *Partner) CheckOut(h *ebms.UserMessage) error {
	if h.IsTest() {
		return nil
	}
	if len(h.Parts) > p.Limits.Parts {
		return ebms.Errorf(ebms.ProcessingModeMismatch, "%d payload parts, where the agreement allows %d", len(h.Parts), p.Limits.Parts)
	}
	return p.content(h, p.Corners.Ours, p.Corners.Theirs)
}

// Bounds returns the limits of a message with this header: those of the agreement
// and of the payload profile of its service, whichever is less.
func (p *Partner) Bounds(h *ebms.UserMessage) Limits {
	l := p.Limits
	if s := p.service(h); s != nil && s.Payloads.Size > 0 {
		l.Message = min(l.Message, s.Payloads.Size)
		l.Part = min(l.Part, l.Message)
	}
	return l
}
