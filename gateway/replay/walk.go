package replay

import (
	"context"
	"errors"
	"fmt"

	"oncegate/schemas/canon"
)

// A walk goes over the records of a plan and judges each. Plan and Run use the
// same one, so that what was planned is what happens.
type walk struct {
	r         *Replayer
	sel       *Selection
	spans     []Span
	discard   bool
	settled   ledger
	seen      map[canon.MessageID]bool // ids that are sent
	forgotten map[canon.ConversationID]bool
	limit     int
	taken     int
	truncated bool
}

var errEnough = errors.New("enough")

func (r *Replayer) newWalk(ctx context.Context, p *Plan) (*walk, error) {
	w := &walk{
		r:         r,
		sel:       &p.Selection,
		spans:     p.Spans,
		discard:   p.Discard,
		seen:      make(map[canon.MessageID]bool),
		forgotten: make(map[canon.ConversationID]bool),
		limit:     p.Selection.Limit,
	}
	if p.Selection.Dead {
		var err error
		if w.settled, err = r.settlements(ctx, p.Selection.topics()...); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// run calls f with every selected record and, where it is not to be sent, why.
func (w *walk) run(ctx context.Context, f func(*Record, Reason) error) error {
	for _, span := range w.spans {
		err := w.r.cfg.Source.Scan(ctx, span, func(rec *Record) error {
			if !w.sel.covers(rec) {
				return nil
			}
			if w.sel.Dead && isNote(rec) {
				return nil
			}
			why, err := w.judge(ctx, rec)
			if err != nil {
				return err
			}
			if why == "" {
				if w.taken >= w.limit {
					w.truncated = true
					return errEnough
				}
				w.taken++
				if id, ok := rec.id(); ok && !w.discard {
					w.seen[id] = true
				}
			}
			return f(rec, why)
		})
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("scanning %s: %w", span.name(), err)
		}
	}
	return nil
}

func (w *walk) judge(ctx context.Context, rec *Record) (Reason, error) {
	if w.sel.Dead && w.settled.of(rec) != "" {
		return SkipSettled, nil
	}
	if w.discard {
		return "", nil // also what can never be sent: nobody else could put it away
	}
	if rec.Value == nil {
		return SkipTombstone, nil
	}
	id, ok := rec.id()
	if !ok || len(rec.Key) == 0 {
		return SkipForeign, nil
	}
	if rec.replays() >= w.r.cfg.MaxReplays {
		return SkipLoop, nil
	}
	if w.seen[id] {
		return SkipDuplicate, nil
	}
	gone, err := w.isForgotten(ctx, canon.ConversationID(rec.Key))
	if err != nil {
		return "", err
	}
	if gone {
		return SkipForgotten, nil
	}
	return "", nil
}

func (w *walk) isForgotten(ctx context.Context, id canon.ConversationID) (bool, error) {
	if w.r.cfg.Forgotten == nil {
		return false, nil
	}
	gone, ok := w.forgotten[id]
	if ok {
		return gone, nil
	}
	gone, err := w.r.cfg.Forgotten(ctx, id)
	if err != nil {
		return false, fmt.Errorf("asking for the key of a conversation: %w", err)
	}
	w.forgotten[id] = gone
	return gone, nil
}
