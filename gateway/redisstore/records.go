package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"oncegate/schemas/canon"
)

// records seals what is kept under the key of its conversation.
type records struct {
	Sealer canon.Sealer
}

// associated binds a private part to its place.
func associated(id canon.ConversationID, place string) []byte {
	return fmt.Appendf(nil, "oncegate redis v1\n%d:%s%d:%s", len(id), id, len(place), place)
}

func (s records) sealer(ctx context.Context, id canon.ConversationID, place string) func([]byte) (canon.Box, error) {
	return func(plain []byte) (canon.Box, error) {
		return s.Sealer.Seal(ctx, id, associated(id, place), plain)
	}
}

func (s records) opener(ctx context.Context, id canon.ConversationID, place string) func(canon.Box) ([]byte, error) {
	return func(b canon.Box) ([]byte, error) {
		return s.Sealer.Open(ctx, id, associated(id, place), b)
	}
}

// record is a canon.Message at rest.
type record struct {
	ID       canon.MessageID `json:"id"`
	Kind     canon.Kind      `json:"kind"`
	Cause    canon.MessageID `json:"cause,omitempty"`
	At       time.Time       `json:"at"`
	Trace    string          `json:"trace,omitempty"`
	ReplayOf canon.MessageID `json:"replayOf,omitempty"`
	Series   int             `json:"series,omitempty"`
	Body     json.RawMessage `json:"body"`
}

func (s records) sealMessages(ctx context.Context, id canon.ConversationID, ms []canon.Message) ([]byte, error) {
	records := make([]record, len(ms))
	for i, m := range ms {
		body, err := canon.MarshalBody(m.Body, s.sealer(ctx, id, string(m.ID)+" "+string(m.Kind)))
		if err != nil {
			return nil, fmt.Errorf("sealing a message: %w", err)
		}
		records[i] = record{ID: m.ID, Kind: m.Kind, Cause: m.Cause, At: m.At, Trace: m.Trace, ReplayOf: m.ReplayOf, Series: m.Series, Body: body}
	}
	return json.Marshal(records)
}

func (s records) openMessages(ctx context.Context, id canon.ConversationID, text []byte) ([]canon.Message, error) {
	var records []record
	if err := json.Unmarshal(text, &records); err != nil {
		return nil, fmt.Errorf("reading applied messages: %w", err)
	}
	ms := make([]canon.Message, len(records))
	for i, r := range records {
		body, err := canon.UnmarshalBody(r.Kind, r.Body, s.opener(ctx, id, string(r.ID)+" "+string(r.Kind)))
		if err != nil {
			return nil, fmt.Errorf("opening an applied message: %w", err)
		}
		ms[i] = canon.Message{ID: r.ID, Kind: r.Kind, Conversation: id, Cause: r.Cause, At: r.At, Trace: r.Trace, ReplayOf: r.ReplayOf, Series: r.Series, Body: body}
	}
	return ms, nil
}
