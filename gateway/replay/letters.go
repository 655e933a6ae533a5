package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"oncegate/schemas/canon"
)

// A Letter is what may be shown of a dead letter: its head, never its body. What
// its headers say is bounded and free of control characters.
type Letter struct {
	Position      string               `json:"position"` // topic/partition/offset
	Topic         string               `json:"topic"`    // where a redrive sends it
	Origin        Origin               `json:"origin"`   // where it was read
	Kind          canon.Kind           `json:"kind"`
	ID            canon.MessageID      `json:"id,omitempty"` // unset where its head is unreadable
	Conversation  canon.ConversationID `json:"conversation,omitempty"`
	DiedAt        time.Time            `json:"diedAt"`
	Group         string               `json:"group,omitempty"`   // who could not handle it
	Stage         string               `json:"stage,omitempty"`   // where in there, in Kafka Connect's words
	Failure       string               `json:"failure,omitempty"` // kind of the fault, or a foreign exception's class
	Code          canon.Code           `json:"code,omitempty"`
	Cause         string               `json:"cause,omitempty"`
	NextStep      string               `json:"nextStep,omitempty"`
	Attempts      int                  `json:"attempts,omitempty"`
	FirstFailedAt time.Time            `json:"firstFailedAt,omitzero"`
	Replays       int                  `json:"replays,omitempty"`
	Size          int                  `json:"size"`
	Settled       string               `json:"settled,omitempty"` // redriven, discarded
}

// Letters calls f with the dead letters of the selection (Dead is implied), topic
// after topic, in order of death within a partition. Settled ones are left out
// unless all is set. An error of f ends it and is returned in the chain.
func (r *Replayer) Letters(ctx context.Context, sel Selection, all bool, f func(Letter) error) error {
	sel.Dead = true
	if err := sel.Validate(); err != nil {
		return canon.NewFault(canon.CodeBadInput, nil, "selection: %s", err)
	}
	sel = sel.fixed(r.cfg.Now())
	n := 0
	for _, topic := range sel.topics() {
		err := r.lettersOf(ctx, &sel, topic, func(l Letter) error {
			if l.Settled != "" && !all {
				return nil
			}
			if n++; n > sel.Limit {
				return errEnough
			}
			return f(l)
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listing dead letters: %w", err)
		}
	}
	return nil
}

func (r *Replayer) lettersOf(ctx context.Context, sel *Selection, topic string, f func(Letter) error) error {
	spans, err := r.spans(ctx, sel, topic)
	if err != nil || len(spans) == 0 {
		return err
	}
	// Read after the bounds: a settlement is never missed, and one that has just
	// been written may be seen.
	settled, err := r.settlements(ctx, topic)
	if err != nil {
		return err
	}
	for _, span := range spans {
		err := r.cfg.Source.Scan(ctx, span, func(rec *Record) error {
			if isNote(rec) || !sel.covers(rec) {
				return nil
			}
			l := letterOf(rec)
			l.Settled = settled.of(rec)
			return f(l)
		})
		if err != nil {
			return fmt.Errorf("scanning %s: %w", span.name(), err)
		}
	}
	return nil
}

// Show returns one dead letter with its record as it is stored. The private part
// of the body is sealed there, too.
func (r *Replayer) Show(ctx context.Context, position string) (*Letter, *Record, error) {
	topic, partition, offset, err := parsePosition(position)
	if err != nil {
		return nil, nil, err
	}
	var found *Record
	err = r.cfg.Source.Scan(ctx, Span{Topic: topic, Partition: partition, From: offset, To: offset + 1}, func(rec *Record) error {
		if !isNote(rec) && rec.Offset == offset {
			found = rec
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("reading a dead letter: %w", err)
	}
	if found == nil {
		return nil, nil, canon.NewFault(canon.CodeBadInput, nil, "no dead letter at %s", position)
	}
	settled, err := r.settlements(ctx, topic)
	if err != nil {
		return nil, nil, fmt.Errorf("reading a dead letter: %w", err)
	}
	l := letterOf(found)
	l.Settled = settled.of(found)
	return &l, found, nil
}
