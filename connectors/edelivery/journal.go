package edelivery

import (
	"context"
	"log/slog"

	"oncegate/schemas/canon"
)

// A Journal is told where each message stands. It is a memory for operators and
// nothing follows from it: a note that is lost changes no exchange.
type Journal interface {
	// Note may be called for one state again and by several processes at once.
	Note(ctx context.Context, n canon.MessageNote) error
}

type noJournal struct{}

func (noJournal) Note(context.Context, canon.MessageNote) error { return nil }

// note tells the journal, and goes on without it where it fails.
func (n *node) note(ctx context.Context, note canon.MessageNote) {
	if note.At.IsZero() {
		note.At = n.Now()
	}
	note.At = note.At.UTC()
	if err := n.Journal.Note(ctx, note); err != nil {
		n.Logger.WarnContext(ctx, "state of a message not noted", slog.String("as4", note.AS4), slog.String("state", string(note.State)), slog.Any("error", err))
	}
}
