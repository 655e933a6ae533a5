package kafkalog

import (
	"context"
	"errors"
	"fmt"

	"oncegate/schemas/canon"
)

// A Writer publishes canonical messages. It is safe for concurrent use.
type Writer struct {
	codec    *Codec
	producer *Producer
}

// NewWriter returns a writer over a producer, which the caller closes.
func NewWriter(codec *Codec, producer *Producer) *Writer { return &Writer{codec, producer} }

var _ canon.Publish = (*Writer)(nil).Publish

// Publish seals, checks and writes the messages, and returns nil only when all
// of them are on the log. Messages of one conversation and kind keep their
// order. On an error any part of them may be on the log, then or later (see
// ErrOutcomeUnknown): publish all of them again with the same ids.
func (w *Writer) Publish(ctx context.Context, ms ...canon.Message) error {
	_, err := w.PublishAt(ctx, ms...)
	return err
}

// PublishAt does the same and says where the messages stand.
func (w *Writer) PublishAt(ctx context.Context, ms ...canon.Message) ([]Position, error) {
	if len(ms) == 0 {
		return nil, nil
	}
	// All are encoded before any is written: a fault in the last one then leaves
	// nothing of the others behind.
	rs := make([]*Record, len(ms))
	for i, m := range ms {
		r, err := w.codec.Encode(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("publishing %s %s: %w", m.Kind, m.ID, err)
		}
		rs[i] = r
	}
	if err := w.producer.Produce(ctx, rs...); err != nil {
		return nil, fmt.Errorf("publishing %s %s: %w", ms[0].Kind, ms[0].ID, asFault(err))
	}
	at := make([]Position, len(rs))
	for i, r := range rs {
		at[i] = r.Position()
	}
	return at, nil
}

// asFault gives the errors of the producer their kind.
func asFault(err error) error {
	if _, is := errors.AsType[*canon.Fault](err); is {
		return err
	}
	switch {
	case errors.Is(err, ErrTooLarge):
		return canon.NewFault(canon.CodeMessageInvalid, err, "message is too large")
	case errors.Is(err, ErrClosed):
		return unavailable(err, "the log is closing")
	}
	return canon.NewFault(canon.CodeInternal, err, "the log refused the message")
}
