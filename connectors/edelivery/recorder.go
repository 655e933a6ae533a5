package edelivery

import (
	"context"
	"fmt"

	"oncegate/schemas/canon"
)

// A Recorder makes the legal record of messages (IR 2022/1463 Art. 17). What it
// returns is on the log before a receipt leaves us, and before a message of ours
// does: a message that cannot be recorded is neither taken nor sent.
type Recorder interface {
	// Record is called again with the same transfer after a crash and must then
	// return messages with the same ids. Parts are open only during the call.
	Record(ctx context.Context, t Transfer) ([]canon.Message, error)
}

// A Transfer is one user message in clear, with the canonical message that it means.
type Transfer struct {
	Direction canon.MessageDirection
	AS4       string // ebMS MessageId
	RefTo     string // ebMS RefToMessageId
	Action    string
	From, To  canon.Participant // access points
	Message   canon.Message
	Parts     []Part
}

type noRecorder struct{}

func (noRecorder) Record(context.Context, Transfer) ([]canon.Message, error) { return nil, nil }

// withRecord returns ms with the record of what came.
func (in *inbound) withRecord(ctx context.Context, ms []canon.Message, parts []Part) ([]canon.Message, error) {
	if len(ms) == 0 {
		return ms, nil
	}
	h := in.header
	records, err := in.r.Recorder.Record(ctx, Transfer{
		Direction: canon.MessageIn, AS4: h.MessageID, RefTo: h.RefToMessageID, Action: h.Action,
		From: h.From.ID, To: h.To.ID, Message: ms[0], Parts: parts,
	})
	if err != nil {
		return nil, fmt.Errorf("recording message: %w", err)
	}
	return append(ms, records...), nil
}

// putOnRecord writes down what is to be sent.
func (s *Sender) putOnRecord(ctx context.Context, e *errand, out Outgoing) error {
	records, err := s.Recorder.Record(ctx, Transfer{
		Direction: canon.MessageOut, AS4: e.id, RefTo: out.RefToMessageID, Action: out.Action,
		From: e.table.Own().Party.ID, To: e.env.To, Message: e.m, Parts: out.Parts,
	})
	if err != nil {
		return fmt.Errorf("recording message: %w", err)
	}
	if len(records) == 0 {
		return nil
	}
	if err := s.Publish(ctx, records...); err != nil {
		return fmt.Errorf("publishing the record of a message: %w", err)
	}
	return nil
}
