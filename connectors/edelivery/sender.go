package edelivery

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/wssec"
	"oncegate/schemas/canon"
)

// A Sender sends canonical messages to other access points and checks their
// receipts.
type Sender struct {
	node
	outages outages
}

// NewSender returns a sender.
func NewSender(c Config) (*Sender, error) {
	publishes := c.Shelf != nil || c.Recorder != nil
	c, err := c.withDefaults()
	if publishes && c.Publish == nil {
		err = errors.Join(err, errors.New("config: Publish is required with Shelf and Recorder"))
	}
	if err != nil {
		return nil, fmt.Errorf("configuring sender: %w", err)
	}
	return &Sender{node: node{Config: c, gzip: &wssec.Gzip{}, lines: newLines(c.HTTP)}}, nil
}

// delivery is how sending one message ended. It is what Remembered keeps.
type delivery struct {
	At       time.Time             `json:"at"`
	Outcome  canon.DeliveryOutcome `json:"outcome"`
	Receipt  string                `json:"receipt,omitempty"`
	Attempts int                   `json:"attempts"`
	Code     canon.Code            `json:"code,omitempty"`
	Error    ebms.Code             `json:"error,omitempty"`
	Warning  bool                  `json:"warning,omitempty"` // acknowledged without a receipt
	Reason   string                `json:"reason,omitempty"`  // fixed words, for the operator
	Proof    []byte                `json:"proof,omitempty"`   // the signed receipt
}

// encode is json.Marshal, which would look at every byte of the proof twice more.
func (d delivery) encode() ([]byte, error) {
	proof := d.Proof
	d.Proof = nil
	b, err := json.Marshal(d)
	if err != nil || len(proof) == 0 {
		return b, err
	}
	const field = `,"proof":"` // the last one
	out := make([]byte, 0, len(b)+len(field)+base64.StdEncoding.EncodedLen(len(proof))+len(`"}`))
	out = append(append(out, b[:len(b)-1]...), field...)
	out = base64.StdEncoding.AppendEncode(out, proof)
	return append(out, `"}`...), nil
}

// state is that of a message whose series ended so.
func (d delivery) state() canon.MessageState {
	switch {
	case d.Outcome != canon.DeliveryAcknowledged:
		return canon.MessageSendFailure
	case d.Warning:
		return canon.MessageAcknowledgedWithWarning
	}
	return canon.MessageAcknowledged
}

// Handle sends evidence messages that stand on the outward leg and returns a
// DeliveryReceipt and an audit event. It is a canon.Handler: called again with the
// same message of the same series it sends nothing and returns the same messages.
// An outcome, good or bad, is a message; an error means that the outcome is not
// known yet. With a Shelf it makes the first attempt only and says nothing of a message
// that waits there for the next one, or for the partner that fetches it: Tend does.
func (s *Sender) Handle(ctx context.Context, m canon.Message) ([]canon.Message, error) {
	env := canon.EnvelopeOf(m.Body)
	if env == nil || env.Leg != canon.LegOut {
		return nil, nil
	}
	e := s.errand(m, env)
	key, identity := e.key(), string(m.ID)
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
		return e.outcome(d), nil
	case StateClaimed:
	default:
		// Another worker sends it, or one did and died: its claim ends by itself.
		return nil, canon.NewFault(canon.CodePeerUnreachable, nil, "message is being sent")
	}
	start := s.Now()
	d, travels, err := s.deliver(ctx, e)
	after, cancel := s.after(ctx)
	defer cancel()
	if err != nil || !travels {
		if err != nil && e.tries.Attempts == 0 {
			s.noteOut(after, e, canon.MessageNote{State: canon.MessageReadyToSend})
		}
		// A series that has begun is gone on with when the claim ends by itself; see resume.
		if e.tries.Attempts == 0 {
			if err := s.Remembered.Release(after, key, identity); err != nil {
				s.Logger.ErrorContext(ctx, "claim not released", slog.String("as4", e.id), slog.Any("error", err))
			}
		}
		return nil, err
	}
	s.Observe(Observation{Outcome: string(d.Outcome), Code: string(d.Error), Attempts: d.Attempts, Duration: s.Now().Sub(start)})
	data, err := d.encode()
	if err != nil {
		return nil, fmt.Errorf("remembering what was sent: %w", err)
	}
	if stored, err = s.Remembered.Complete(after, key, identity, data, s.Retention); err != nil {
		// Sent, but not remembered: sent again the peer finds the duplicate.
		s.Logger.ErrorContext(ctx, "delivery not remembered", slog.String("as4", e.id), slog.Any("error", err))
	} else if !bytes.Equal(stored, data) { // the first answer wins
		d = delivery{}
		if err := json.Unmarshal(stored, &d); err != nil {
			return nil, fmt.Errorf("reading what was sent: %w", err)
		}
	}
	s.noteOut(after, e, canon.MessageNote{State: d.state(), Attempts: d.Attempts, At: d.At, Code: d.Code, Error: string(d.Error)})
	return e.outcome(d), nil
}

// lease is how long a worker that died keeps its message from being sent. A worker
// that lives longer than its lease does no harm: the peer finds the duplicate.
const lease = 10 * time.Second
