package messages

import (
	"context"
	"fmt"
	"iter"

	"oncegate/schemas/canon"
)

// A History reads back from the log what messages came and what became of those
// that went: evidence messages and delivery receipts. Other messages do no harm.
type History func(ctx context.Context) iter.Seq2[canon.Message, error]

const recoverBatch = 500

// Recover notes again what the log tells, where the store was lost since it was
// last whole. Messages may be noted meanwhile. actions names the ebMS action of a
// kind of message, as far as it is known.
func Recover(ctx context.Context, s Store, history History, actions map[canon.Kind]string) (noted int, err error) {
	whole, err := s.Whole(ctx)
	if err != nil || whole {
		return 0, err
	}
	if noted, err = Refresh(ctx, s, history, actions); err != nil {
		return noted, err
	}
	if err := s.MarkWhole(ctx); err != nil {
		return noted, fmt.Errorf("marking the message log whole: %w", err)
	}
	return noted, nil
}

// Refresh notes what the log tells. What was noted before stays as it is.
func Refresh(ctx context.Context, s Store, history History, actions map[canon.Kind]string) (noted int, err error) {
	batch := make([]canon.MessageNote, 0, recoverBatch)
	flush := func() error {
		if err := s.Note(ctx, batch...); err != nil {
			return fmt.Errorf("noting messages of the log: %w", err)
		}
		noted += len(batch)
		batch = batch[:0]
		return nil
	}
	for m, err := range history(ctx) {
		if err != nil {
			return noted, fmt.Errorf("reading the log: %w", err)
		}
		n, ok := NoteOf(m)
		if !ok {
			continue
		}
		n.Action = actions[n.Kind]
		if batch = append(batch, n); len(batch) == recoverBatch {
			if err := flush(); err != nil {
				return noted, err
			}
		}
	}
	return noted, flush()
}

// NoteOf is what a message of the log tells of an AS4 message; false where it
// tells nothing, or nothing that can be noted.
func NoteOf(m canon.Message) (canon.MessageNote, bool) {
	n := canon.MessageNote{Conversation: m.Conversation, At: m.At}
	switch b := m.Body.(type) {
	case *canon.DeliveryReceipt:
		n.AS4, n.Direction, n.Peer, n.Message, n.Kind = b.AS4, canon.MessageOut, b.Peer, b.Of, b.OfKind
		n.Series, n.Attempts, n.Code, n.Error = b.Series, b.Attempts, b.Code, b.Error
		n.State = StateOf(b)
	default:
		e := canon.EnvelopeOf(m.Body)
		if e == nil || e.Leg != canon.LegIn {
			return n, false
		}
		n.AS4, n.Direction, n.Peer, n.Exchange = e.AS4, canon.MessageIn, e.From, e.Exchange
		n.Message, n.Kind, n.State = m.ID, m.Kind, canon.MessageReceived
	}
	return n, n.Validate() == nil
}

// StateOf is the state in which a delivery leaves its message.
func StateOf(b *canon.DeliveryReceipt) canon.MessageState {
	switch {
	case b.Outcome == canon.DeliveryFailed:
		return canon.MessageSendFailure
	case b.Receipt == "":
		return canon.MessageAcknowledgedWithWarning // the peer has it, and its receipt was lost
	}
	return canon.MessageAcknowledged
}
