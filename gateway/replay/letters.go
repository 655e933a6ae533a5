package replay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"oncegate/schemas/canon"
)

// What became of a dead letter.
const (
	SettledRedriven  = "redriven"
	SettledDiscarded = "discarded"
)

// A Letter is what may be shown of a dead letter: its head, never its body.
type Letter struct {
	Position      string               `json:"position"` // topic/partition/offset
	Topic         string               `json:"topic"`    // where it was read, and where a redrive sends it
	Kind          canon.Kind           `json:"kind"`
	ID            canon.MessageID      `json:"id,omitempty"` // unset where its head is unreadable
	Conversation  canon.ConversationID `json:"conversation,omitempty"`
	DiedAt        time.Time            `json:"diedAt"`
	Code          canon.Code           `json:"code,omitempty"`
	Cause         string               `json:"cause,omitempty"`
	NextStep      string               `json:"nextStep,omitempty"`
	Attempts      int                  `json:"attempts,omitempty"`
	FirstFailedAt time.Time            `json:"firstFailedAt,omitzero"`
	Replays       int                  `json:"replays,omitempty"`
	Size          int                  `json:"size"`
	Settled       string               `json:"settled,omitempty"` // redriven, discarded
}

// Letters calls f with the dead letters of the selection (Dead is implied), in
// order of death within a partition. Settled ones are left out unless all is set.
func (r *Replayer) Letters(ctx context.Context, sel Selection, all bool, f func(Letter) error) error {
	sel.Dead = true
	if err := sel.Validate(); err != nil {
		return canon.NewFault(canon.CodeBadInput, nil, "selection: %s", err)
	}
	sel = sel.fixed(r.cfg.Now())
	spans, err := r.spans(ctx, &sel)
	if err != nil {
		return fmt.Errorf("listing dead letters: %w", err)
	}
	settled, err := r.settlements(ctx, sel.topics())
	if err != nil {
		return fmt.Errorf("listing dead letters: %w", err)
	}
	n := 0
	for _, span := range spans {
		err := r.cfg.Source.Scan(ctx, span, func(rec *Record) error {
			if _, note := rec.Header(HeaderSettles); note || rec.Value == nil || !sel.covers(rec) {
				return nil
			}
			l := letterOf(rec)
			if l.Settled = settled[l.Position]; l.Settled != "" && !all {
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

// Show returns one dead letter with its record as it is stored. The private part
// of the body is sealed there, too.
func (r *Replayer) Show(ctx context.Context, position string) (*Letter, *Record, error) {
	topic, partition, offset, err := parsePosition(position)
	if err != nil {
		return nil, nil, err
	}
	var found *Record
	err = r.cfg.Source.Scan(ctx, Span{Topic: topic, Partition: partition, From: offset, To: offset + 1}, func(rec *Record) error {
		if _, note := rec.Header(HeaderSettles); !note && rec.Value != nil && rec.Offset == offset {
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
	settled, err := r.settlements(ctx, []string{topic})
	if err != nil {
		return nil, nil, fmt.Errorf("reading a dead letter: %w", err)
	}
	l := letterOf(found)
	l.Settled = settled[l.Position]
	return &l, found, nil
}

func letterOf(rec *Record) Letter {
	l := Letter{
		Position: rec.Position(), Topic: rec.target(), Kind: rec.kind(),
		DiedAt: rec.Time.UTC(), Size: len(rec.Value), Replays: rec.replays(),
	}
	if id, ok := rec.id(); ok {
		l.ID = id
	}
	if canon.ValidUUID(string(rec.Key)) {
		l.Conversation = canon.ConversationID(rec.Key)
	}
	if s, ok := rec.Header(HeaderErrorCode); ok && canon.Code(s).NextStep() != "" {
		l.Code, l.NextStep = canon.Code(s), canon.Code(s).NextStep()
	}
	if s, ok := rec.Header(headerCause); ok {
		l.Cause = shown(s)
	}
	if s, ok := rec.Header(HeaderAttempts); ok {
		l.Attempts, _ = strconv.Atoi(s) // zero where it is no number
	}
	if s, ok := rec.Header(HeaderFirstFailed); ok {
		l.FirstFailedAt, _ = time.Parse(time.RFC3339Nano, s) // zero where it is no time
	}
	return l
}

// shown makes a header fit for a terminal: bounded, and no control characters.
func shown(s string) string {
	const most = 500
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || 0x80 <= c && c < 0xa0 {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}

// settlements reads which letters of the topics were dealt with, up to now.
func (r *Replayer) settlements(ctx context.Context, topics []string) (map[string]string, error) {
	out := make(map[string]string)
	for _, topic := range topics {
		spans, err := r.cfg.Source.Bounds(ctx, Range{Topic: topic})
		if err != nil {
			return nil, fmt.Errorf("reading settlements of %s: %w", topic, err)
		}
		for _, span := range spans {
			err := r.cfg.Source.Scan(ctx, span, func(rec *Record) error {
				at, ok := rec.Header(HeaderSettles)
				how, _ := rec.Header(HeaderSettlement)
				if ok && (how == SettledRedriven || how == SettledDiscarded) && strings.HasPrefix(at, topic+"/") {
					out[at] = how
				}
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("reading settlements of %s: %w", topic, err)
			}
		}
	}
	return out, nil
}

func (r *Replayer) settle(ctx context.Context, letters []Record, how, job string) error {
	notes := make([]Record, len(letters))
	for i := range letters {
		notes[i] = Record{
			Topic: letters[i].Topic, Key: letters[i].Key, Value: []byte{},
			Headers: []Header{
				{HeaderSettles, []byte(letters[i].Position())},
				{HeaderSettlement, []byte(how)},
				{HeaderReplayJob, []byte(job)},
			},
		}
	}
	if err := r.cfg.Sink.Write(ctx, notes...); err != nil {
		return fmt.Errorf("settling dead letters: %w", err)
	}
	return nil
}

func parsePosition(s string) (topic string, partition int, offset int64, err error) {
	bad := canon.NewFault(canon.CodeBadInput, nil, "position: want topic/partition/offset of a dead letter")
	parts := strings.Split(s, "/")
	if len(parts) != 3 || !strings.HasSuffix(parts[0], deadSuffix) {
		return "", 0, 0, bad
	}
	p, err := strconv.ParseUint(parts[1], 10, 31)
	if err != nil {
		return "", 0, 0, bad
	}
	o, err := strconv.ParseUint(parts[2], 10, 62)
	if err != nil {
		return "", 0, 0, bad
	}
	return parts[0], int(p), int64(o), nil
}
