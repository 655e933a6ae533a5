package messages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

// DeskConfig says what a Desk works with.
type DeskConfig struct {
	Store   Store         // Required.
	Source  replay.Source // Required.
	Sink    replay.Sink   // Required.
	Publish canon.Publish // Required: for the legal record.
	// Forgotten reports whether the conversation's key was forgotten: then nothing
	// is left to send. Default: none is.
	Forgotten func(ctx context.Context, id canon.ConversationID) (bool, error)
	Now       func() time.Time // Default: time.Now.
	Logger    *slog.Logger     // Default: discards.
}

// A Desk is where an operator has messages sent again.
type Desk struct{ cfg DeskConfig }

// NewDesk checks the configuration and reports all faults at once.
func NewDesk(cfg DeskConfig) (*Desk, error) {
	var errs []error
	for _, f := range []struct {
		missing bool
		name    string
	}{{cfg.Store == nil, "Store"}, {cfg.Source == nil, "Source"}, {cfg.Sink == nil, "Sink"}, {cfg.Publish == nil, "Publish"}} {
		if f.missing {
			errs = append(errs, fmt.Errorf("desk: %s is required", f.name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Desk{cfg}, nil
}

// An Order is an operator's word that a message be sent again.
type Order struct {
	AS4    string // ebMS MessageId
	Reason string // Required; audited, names no person.
	Actor  string // Required: the login that says it, "api:NAME" or "os:NAME"
}

const maxReason = 500

var actorForm = regexp.MustCompile(`^(api|os):[!-~]{1,80}$`) // as the schema of audit.v1 wants it

func (o *Order) check() error {
	o.Reason = strings.TrimSpace(o.Reason)
	switch {
	case o.Reason == "":
		return canon.NewFault(canon.CodeBadInput, nil, "reason is required: it is audited")
	case utf8.RuneCountInString(o.Reason) > maxReason || !utf8.ValidString(o.Reason) || strings.ContainsFunc(o.Reason, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return canon.NewFault(canon.CodeBadInput, nil, "reason is one line of at most %d characters", maxReason)
	case !actorForm.MatchString(o.Actor):
		return canon.NewFault(canon.CodeBadInput, nil, "who asks is not known")
	}
	return nil
}

// Resend has a message that ended in SEND_FAILURE sent again: the same message
// under the same MessageId, so that a peer who has it finds the duplicate, in a
// series of attempts of its own. The order is on record before anything is sent. It
// returns where the message stands now. Two orders at once make one series.
func (d *Desk) Resend(ctx context.Context, o Order) (canon.MessageNote, error) {
	if err := o.check(); err != nil {
		return canon.MessageNote{}, err
	}
	m, err := d.cfg.Store.Get(ctx, o.AS4)
	if errors.Is(err, ErrUnknown) {
		return canon.MessageNote{}, canon.NewFault(canon.CodeUnknownMessage, err, "no such message")
	}
	if err != nil {
		return canon.MessageNote{}, fmt.Errorf("looking for the message: %w", err)
	}
	n := m.MessageNote
	if err := resendable(n); err != nil {
		return n, err
	}
	series := n.Series + 1
	r, err := replay.New(replay.Config{
		Source: d.cfg.Source, Sink: d.cfg.Sink, Forgotten: d.cfg.Forgotten, Now: d.cfg.Now, Logger: d.cfg.Logger,
		Audit: func(ctx context.Context, e canon.AuditEvent) error { return d.record(ctx, e, n, o, series) },
	})
	if err != nil {
		return n, err
	}
	p, err := r.PlanResend(ctx, replay.Selection{Topics: []string{string(n.Kind)}, Conversation: n.Conversation, Message: n.Message, Limit: 1}, series)
	if err != nil {
		return n, err
	}
	switch {
	case p.Messages > 0:
	case p.Skipped[replay.SkipForgotten] > 0:
		return n, canon.NewFault(canon.CodePayloadForgotten, nil, "its exchange has ended and what it held was erased")
	default:
		return n, canon.NewFault(canon.CodeUnknownMessage, nil, "the log no longer holds the message")
	}
	if _, err := r.Run(ctx, p, replay.RunOptions{Reason: o.Reason}); err != nil {
		return n, fmt.Errorf("sending again: %w", err)
	}
	next := canon.MessageNote{
		AS4: n.AS4, Direction: n.Direction, Peer: n.Peer, Action: n.Action, Conversation: n.Conversation, Exchange: n.Exchange,
		Message: n.Message, Kind: n.Kind, State: canon.MessageReadyToSend, Series: series, At: d.cfg.Now().UTC(), Parts: n.Parts, Bytes: n.Bytes,
	}
	if err := d.cfg.Store.Note(ctx, next); err != nil {
		// It is on the log: the sender notes what it does with it.
		d.cfg.Logger.WarnContext(ctx, "resend not noted", "as4", n.AS4, "error", err)
	}
	return next, nil
}

// resendable refuses what a resend cannot help.
func resendable(n canon.MessageNote) error {
	var why string
	switch {
	case n.Direction != canon.MessageOut:
		why = "it came from the partner, who alone can send it again"
	case n.Message == "" || n.Kind == "":
		why = "it is a test message: send a new one"
	case n.State == canon.MessageAcknowledged || n.State == canon.MessageAcknowledgedWithWarning:
		why = "the partner has it (" + string(n.State) + ")"
	case n.State != canon.MessageSendFailure:
		why = "it is being sent (" + string(n.State) + ")"
	default:
		return nil
	}
	return canon.NewFault(canon.CodeNotResendable, nil, "%s", why)
}

// record enters a resend in the legal record, in the message's own conversation.
func (d *Desk) record(ctx context.Context, e canon.AuditEvent, n canon.MessageNote, o Order, series int) error {
	e.Room, e.Exchange, e.Peer, e.AS4, e.Actor = "messages", n.Exchange, n.Peer, n.AS4, o.Actor
	at := d.cfg.Now().UTC()
	cause := canon.Message{ID: n.Message, Conversation: n.Conversation}
	// An order that is repeated, because the first broke off, is on record twice.
	return d.cfg.Publish(ctx, canon.Follow(cause, fmt.Sprintf("resend %d %s %s", series, e.Outcome, at.Format(time.RFC3339Nano)), at, &e))
}
