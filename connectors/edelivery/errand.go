package edelivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/schemas/canon"
)

// An errand is one canonical message on its way to another access point, in one
// series of attempts.
type errand struct {
	m       canon.Message
	env     *canon.Envelope
	id      string       // ebMS MessageId: that of the message in every series
	table   *pmode.Table // what was in force when the last attempt began
	partner *pmode.Partner
	action  string
	parts   int
	bytes   int64
	tries   tries
}

func (n *node) errand(m canon.Message, env *canon.Envelope) *errand {
	t := n.PModes.Table()
	return &errand{m: m, env: env, table: t, id: string(m.ID) + "@" + t.Own().Domain}
}

// series distinguishes the names of an operator's resends from those of the first
// series, which has none.
func (e *errand) series(name string) string {
	if e.m.Series == 0 {
		return name
	}
	return name + " " + strconv.Itoa(e.m.Series)
}

// key is where the claim and the outcome are kept. The same canonical message is
// the same message on the wire, whatever it says.
func (e *errand) key() string { return "as4:out:" + canon.DeriveUUID(e.series("sent"), e.id) }

// outcome returns the messages that follow from a delivery.
func (e *errand) outcome(d delivery) []canon.Message {
	receipt := canon.Follow(e.m, e.series("as4 delivery"), d.At, &canon.DeliveryReceipt{
		Of: e.m.ID, OfKind: e.m.Kind, AS4: e.id, Peer: e.env.To, Series: e.m.Series,
		Outcome: d.Outcome, Receipt: d.Receipt, Attempts: d.Attempts, Code: d.Code, Error: string(d.Error),
	})
	event := &canon.AuditEvent{
		Step: stepSent, Room: room, Outcome: string(d.Outcome),
		Exchange: e.env.Exchange, Peer: e.env.To, AS4: e.id, Code: d.Code, Reason: reasonOf(d), Proof: d.Proof,
	}
	if d.Receipt != "" {
		event.Digests = map[string]string{"receipt": d.Receipt}
	}
	return []canon.Message{receipt, canon.Follow(e.m, e.series(stepSent), d.At, event)}
}

func reasonOf(d delivery) string {
	if d.Reason == "" {
		return string(d.Error)
	}
	if d.Error == "" {
		return d.Reason
	}
	return string(d.Error) + " " + d.Reason
}

// noteOut tells the journal where the message stands.
func (n *node) noteOut(ctx context.Context, e *errand, note canon.MessageNote) {
	note.AS4, note.Direction, note.Peer = e.id, canon.MessageOut, e.env.To
	note.Action, note.Conversation, note.Exchange = e.action, e.m.Conversation, e.env.Exchange
	note.Message, note.Kind, note.Series = e.m.ID, e.m.Kind, e.m.Series
	note.Parts, note.Bytes = e.parts, e.bytes
	n.note(ctx, note)
}

// deliver encodes, seals and sends until the outcome is known, or the message waits on
// the shelf. An error leaves it open. travels is false for a message of which nothing is
// to be said now: it waits, or the codec does not send it.
func (s *Sender) deliver(ctx context.Context, e *errand) (d delivery, travels bool, err error) {
	if s.Shelf != nil && s.waits(ctx, e) {
		return d, false, nil
	}
	out, ok, err := s.Codec.Encode(ctx, e.m, s.Payloads)
	switch {
	case errors.Is(err, canon.ErrForgotten):
		return s.failed(0, canon.CodePayloadForgotten, "", "what it should carry was forgotten"), true, nil
	case err != nil && canon.AsFault(err).Kind == canon.Invalid:
		// It would break a rule and never leaves: whoever waits for it is told at once.
		fault := canon.AsFault(err)
		s.Logger.ErrorContext(ctx, "message cannot be written", slog.String("as4", e.id), slog.String("code", string(fault.Code)), slog.String("detail", fault.Detail))
		return s.failed(0, fault.Code, "", fault.Detail), true, nil
	case err != nil:
		return d, true, fmt.Errorf("encoding message: %w", err)
	case !ok:
		return d, false, nil
	}
	e.action = out.Action
	if err := s.putOnRecord(ctx, e, out); err != nil {
		return d, true, err
	}
	if p, _, err := e.table.Outbound(e.env.To, out.Action); err == nil && p.MEP == pmode.Pull {
		e.partner = p
		err := s.shelve(ctx, e) // sealed when the partner fetches it
		if errors.Is(err, canon.ErrForgotten) {
			return s.failed(0, canon.CodePayloadForgotten, "", "what it should carry was forgotten"), true, nil
		}
		return d, false, err
	}
	l, d, err := s.letter(ctx, e, out)
	if fault := canon.AsFault(err); err != nil && fault.Kind == canon.Unavailable && s.Shelf != nil && e.partner != nil {
		// Whatever it takes to write to this partner is away: others need not wait for it.
		s.Logger.WarnContext(ctx, "message cannot be sealed now", slog.String("as4", e.id), slog.String("partner", e.partner.Name), slog.Any("error", err))
		item := s.waiting(e, s.Now())
		item.From = s.Now().Add(e.partner.Retry.Initial)
		return d, false, s.putOff(ctx, e, item)
	}
	if l == nil {
		return d, true, err
	}
	e.parts, e.bytes = len(out.Parts), l.body.Length
	if s.Shelf != nil {
		return s.first(ctx, e, l)
	}
	d, err = s.persist(ctx, e, l)
	return d, true, err
}

// letter seals the message for the agreement that is in force. Without a letter d
// says why none can be made, unless err does.
func (n *node) letter(ctx context.Context, e *errand, out Outgoing) (l *letter, d delivery, err error) {
	partner, service, err := n.outbound(ctx, e, out)
	if fault := canon.AsFault(err); err != nil && fault.Kind == canon.Unavailable {
		return nil, d, err
	} else if err != nil {
		n.Logger.WarnContext(ctx, "no agreement to send", slog.String("as4", e.id), slog.Any("error", err))
		return nil, n.failed(0, fault.Code, ebms.ProcessingModeMismatch, "no agreement to send this action to this party"), nil
	}
	e.partner = partner
	recipient, err := partner.Recipient(ctx, n.Now())
	if e, ok := errors.AsType[*ebms.Error](err); ok && e.Code.Passing() {
		return nil, d, canon.NewFault(canon.CodePeerUnreachable, err, "whether the partner's certificate is revoked is not known now")
	}
	if err != nil {
		// Waiting would hold up every other partner; the operator sends it again.
		n.Logger.ErrorContext(ctx, "no valid encryption certificate", slog.String("as4", e.id), slog.String("partner", partner.Name), slog.Any("error", err))
		return nil, n.failed(0, canon.CodeSecurity, "", "no certificate of the partner is valid for encryption"), nil
	}
	l, err = n.seal(e.table, e.m, e.id, partner, recipient, service, out)
	if unfit, ok := errors.AsType[*ebms.Error](err); ok {
		n.Logger.ErrorContext(ctx, "message does not fit its agreement", slog.String("as4", e.id), slog.String("partner", partner.Name), slog.Any("error", err))
		return nil, n.failed(0, canon.CodeNoAgreement, unfit.Code, unfit.Detail), nil
	}
	if errors.Is(err, errNoIdentity) {
		n.Logger.ErrorContext(ctx, "no valid signing certificate", slog.String("as4", e.id), slog.String("partner", partner.Name), slog.Any("error", err))
		return nil, n.failed(0, canon.CodeSecurity, "", errNoIdentity.Error()), nil
	}
	return l, d, err
}

// outbound finds the agreement: a static one, else that which is discovered for the
// final recipient.
func (n *node) outbound(ctx context.Context, e *errand, out Outgoing) (*pmode.Partner, ebms.Service, error) {
	p, service, err := e.table.Outbound(e.env.To, out.Action)
	if err == nil || n.Discovery == nil || canon.AsFault(err).Code != canon.CodeNoAgreement {
		return p, service, err
	}
	to := out.FinalRecipient
	if to.ID == "" {
		to = e.env.To
	}
	return n.Discovery.Resolve(ctx, to, out.Action)
}

func (n *node) failed(attempts int, code canon.Code, err ebms.Code, reason string) delivery {
	return delivery{At: n.Now().UTC(), Outcome: canon.DeliveryFailed, Attempts: attempts, Code: code, Error: err, Reason: reason}
}
