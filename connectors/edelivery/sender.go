package edelivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/pmode"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// A Sender sends canonical messages to other access points and checks their
// receipts.
type Sender struct{ node }

// NewSender returns a sender.
func NewSender(c Config) (*Sender, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configuring sender: %w", err)
	}
	if c.HTTP == nil {
		c.HTTP = Client(nil)
	}
	// A redirect would carry evidence to an address that no agreement names.
	hc := *c.HTTP
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.HTTP = &hc
	return &Sender{node{Config: c, gzip: &wssec.Gzip{}}}, nil
}

// delivery is how sending one message ended. It is what Remembered keeps.
type delivery struct {
	At       time.Time             `json:"at"`
	Outcome  canon.DeliveryOutcome `json:"outcome"`
	Receipt  string                `json:"receipt,omitempty"`
	Attempts int                   `json:"attempts"`
	Code     canon.Code            `json:"code,omitempty"`
	Error    ebms.Code             `json:"error,omitempty"`
}

// Handle sends evidence messages that stand on the outward leg and returns a
// DeliveryReceipt and an audit event. It is a canon.Handler: called again with the
// same message it sends nothing and returns the same messages. An outcome, good or
// bad, is a message; an error means that the outcome is not known yet.
func (s *Sender) Handle(ctx context.Context, m canon.Message) ([]canon.Message, error) {
	env := canon.EnvelopeOf(m.Body)
	if env == nil || env.Leg != canon.LegOut {
		return nil, nil
	}
	table := s.PModes.Table()
	id := string(m.ID) + "@" + table.Own().Domain
	// The same canonical message is the same message on the wire, whatever it says.
	key, identity := "as4:out:"+canon.DeriveUUID("sent", id), string(m.ID)
	state, stored, err := s.Remembered.Claim(ctx, key, identity, lease)
	if err != nil {
		return nil, canon.NewFault(canon.CodePeerUnreachable, err, "what was sent is not known now")
	}
	var d delivery
	switch state {
	case StateDone:
		if err := json.Unmarshal(stored, &d); err != nil {
			return nil, fmt.Errorf("reading what was sent: %w", err)
		}
		return outcome(m, env, id, d), nil
	case StateClaimed:
	default:
		// Another worker sends it, or one did and died: its claim ends by itself.
		return nil, canon.NewFault(canon.CodePeerUnreachable, nil, "message is being sent")
	}
	start := s.Now()
	d, travels, err := s.deliver(ctx, table, m, env, id)
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Deadline)
	defer cancel()
	if err != nil || !travels {
		if err := s.Remembered.Release(after, key, identity); err != nil {
			s.Logger.ErrorContext(ctx, "claim not released", slog.String("as4", id), slog.Any("error", err))
		}
		return nil, err
	}
	s.Observe(Observation{Outcome: string(d.Outcome), Code: string(d.Error), Attempts: d.Attempts, Duration: s.Now().Sub(start)})
	data, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("remembering what was sent: %w", err)
	}
	if data, err = s.Remembered.Complete(after, key, identity, data, s.Retention); err != nil {
		// Sent, but not remembered: sent again the peer finds the duplicate.
		s.Logger.ErrorContext(ctx, "delivery not remembered", slog.String("as4", id), slog.Any("error", err))
		return outcome(m, env, id, d), nil
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("reading what was sent: %w", err)
	}
	return outcome(m, env, id, d), nil
}

// lease is how long a worker that died keeps its message from being sent. A worker
// that lives longer than its lease does no harm: the peer finds the duplicate.
const lease = 10 * time.Second

// outcome returns the messages that follow from a delivery.
func outcome(m canon.Message, env *canon.Envelope, id string, d delivery) []canon.Message {
	receipt := canon.Follow(m, "as4 delivery", d.At, &canon.DeliveryReceipt{
		Of: m.ID, OfKind: m.Kind, AS4: id, Peer: env.To,
		Outcome: d.Outcome, Receipt: d.Receipt, Attempts: d.Attempts, Code: d.Code, Error: string(d.Error),
	})
	event := &canon.AuditEvent{
		Step: stepSent, Room: room, Outcome: string(d.Outcome),
		Exchange: env.Exchange, Peer: env.To, AS4: id, Code: d.Code, Reason: string(d.Error),
	}
	if d.Receipt != "" {
		event.Digests = map[string]string{"receipt": d.Receipt}
	}
	return []canon.Message{receipt, canon.Follow(m, stepSent, d.At, event)}
}

// deliver encodes, seals and sends until the outcome is known. An error leaves it
// open. travels is false for a message that the codec does not send.
func (s *Sender) deliver(ctx context.Context, table *pmode.Table, m canon.Message, env *canon.Envelope, id string) (d delivery, travels bool, err error) {
	out, ok, err := s.Codec.Encode(ctx, m, s.Payloads)
	switch {
	case errors.Is(err, canon.ErrForgotten):
		return s.failed(0, canon.CodePayloadForgotten, ""), true, nil
	case err != nil:
		return d, true, fmt.Errorf("encoding message: %w", err)
	case !ok:
		return d, false, nil
	}
	partner, service, err := table.Outbound(env.To, out.Action)
	if err != nil {
		s.Logger.WarnContext(ctx, "no agreement to send", slog.String("as4", id), slog.Any("error", err))
		return s.failed(0, canon.CodeNoAgreement, ebms.ProcessingModeMismatch), true, nil
	}
	recipient, err := wssec.Recipient(partner.Encrypt, s.Now())
	if err != nil {
		// Waiting would hold up every other partner; the operator replays it.
		s.Logger.ErrorContext(ctx, "no valid encryption certificate", slog.String("as4", id), slog.String("partner", partner.Name), slog.Any("error", err))
		return s.failed(0, canon.CodeSecurity, ""), true, nil
	}
	letter, err := s.seal(table.Own(), m, id, partner, recipient, service, out)
	if err != nil {
		return d, true, err
	}
	defer letter.close(ctx, s.Logger)
	d, err = s.persist(ctx, partner, letter)
	return d, true, err
}

func (s *Sender) failed(attempts int, code canon.Code, e ebms.Code) delivery {
	return delivery{At: s.Now().UTC(), Outcome: canon.DeliveryFailed, Attempts: attempts, Code: code, Error: e}
}

func (s *Sender) acknowledged(attempts int, receipt string, e ebms.Code) delivery {
	return delivery{At: s.Now().UTC(), Outcome: canon.DeliveryAcknowledged, Attempts: attempts, Receipt: receipt, Error: e}
}

// persist tries until there is a signed word of the peer or the attempts are used up.
func (s *Sender) persist(ctx context.Context, p *pmode.Partner, l *letter) (delivery, error) {
	for n := 1; ; n++ {
		sig, err := s.post(ctx, p, l)
		if err := ctx.Err(); err != nil {
			return delivery{}, fmt.Errorf("sending message: %w", err)
		}
		switch {
		case err == nil && sig.receipt != "":
			return s.acknowledged(n, sig.receipt, ""), nil
		case err == nil && sig.duplicate():
			// The peer holds the message and its receipt was lost (c.1).
			return s.acknowledged(n, "", sig.code), nil
		case err == nil && sig.code != ebms.DeliveryFailure:
			s.Logger.WarnContext(ctx, "peer refused message", slog.String("as4", l.id), slog.String("code", string(sig.code)))
			return s.failed(n, canon.CodePeerRefused, sig.code), nil
		}
		s.Logger.InfoContext(ctx, "message not acknowledged", slog.String("as4", l.id), slog.Int("attempt", n), slog.Any("error", err))
		if n >= p.Retry.Attempts {
			if e, ok := errors.AsType[*ebms.Error](err); ok && e.Code == ebms.InvalidReceipt {
				return s.failed(n, canon.CodeReceiptInvalid, ebms.InvalidReceipt), nil
			}
			return s.failed(n, canon.CodePeerUnreachable, ebms.MissingReceipt), nil
		}
		if !wait(ctx, p.Retry.Pause(n)) {
			return delivery{}, fmt.Errorf("sending message: %w", ctx.Err())
		}
	}
}

// verdict is what the peer said, signed.
type verdict struct {
	receipt string // digest of a receipt that was checked
	code    ebms.Code
	detail  string
}

// duplicate reports that the peer received the message before: phase4 says so with
// a code of its own, others with Other and a word.
func (v verdict) duplicate() bool {
	return v.code == ebms.DuplicateDetected || v.code == ebms.Other && strings.Contains(strings.ToLower(v.detail), "duplicate")
}
