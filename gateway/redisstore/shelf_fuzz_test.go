package redisstore

import (
	"context"
	"errors"
	"testing"

	"oncegate/schemas/canon"
)

// A damaged item is an error, never a panic and never half a message.
func FuzzShelvedItem(f *testing.F) {
	f.Add(`[{"id":"m","kind":"evidence.response.v1","at":"2026-09-14T09:31:07Z","body":{}}]`, "2", "1", "1789372267000", "kept")
	f.Add(`[]`, "2", "1", "1", "")
	f.Add(`[{}]`, "x", "-1", "", "")
	s := &Shelf{records: records{closed{}}}
	f.Fuzz(func(t *testing.T, message, attempts, taken, expires, kept string) {
		item, err := s.read(context.Background(), map[string]string{
			"message": message, "attempts": attempts, "taken": taken, "expires": expires, "kept": kept, "conversation": "c", "partition": "p",
		})
		if (err == nil) != (item != nil) {
			t.Errorf("item %v with error %v", item, err)
		}
		if item != nil && item.Message.Body == nil {
			t.Error("an item without a message")
		}
	})
}

// closed is a Sealer whose keys are all forgotten.
type closed struct{}

func (closed) Seal(context.Context, canon.ConversationID, []byte, []byte) (canon.Box, error) {
	return canon.Box{}, errors.New("closed")
}

func (closed) Open(context.Context, canon.ConversationID, []byte, canon.Box) ([]byte, error) {
	return nil, canon.ErrForgotten
}
