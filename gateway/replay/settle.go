package replay

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"oncegate/schemas/canon"
)

// What became of a dead letter.
const (
	SettledRedriven  = "redriven"
	SettledDiscarded = "discarded"
)

// isNote reports whether a record of a dead-letter topic tells of a letter and is
// none. A dead letter has an origin, whatever headers the original came with.
func isNote(rec *Record) bool {
	_, settles := rec.Header(HeaderSettles)
	_, died := rec.Header(HeaderOriginTopic)
	return settles && !died && len(rec.Value) == 0
}

// A ledger says what became of letters. It holds a byte per letter in blocks, so
// that the settlements of millions fit into memory.
type ledger map[block]*[blockLetters]settlement

type block struct {
	topic     string
	partition int
	number    int64
}

const blockLetters = 256

type settlement byte

const (
	redriven settlement = iota + 1
	discarded
)

func (l ledger) enter(topic string, partition int, offset int64, how settlement) {
	at := block{topic, partition, offset / blockLetters}
	if l[at] == nil {
		l[at] = new([blockLetters]settlement)
	}
	l[at][offset%blockLetters] = how
}

// of returns how a letter was settled, or "".
func (l ledger) of(rec *Record) string {
	b := l[block{rec.Topic, rec.Partition, rec.Offset / blockLetters}]
	if b == nil {
		return ""
	}
	switch b[rec.Offset%blockLetters] {
	case redriven:
		return SettledRedriven
	case discarded:
		return SettledDiscarded
	}
	return ""
}

// settlements reads which letters of the topics were dealt with, up to now.
func (r *Replayer) settlements(ctx context.Context, topics ...string) (ledger, error) {
	out := make(ledger)
	for _, topic := range topics {
		if err := r.readSettlements(ctx, topic, out); err != nil {
			return nil, fmt.Errorf("reading settlements of %s: %w", topic, err)
		}
	}
	return out, nil
}

func (r *Replayer) readSettlements(ctx context.Context, topic string, out ledger) error {
	spans, err := r.cfg.Source.Bounds(ctx, Range{Topic: topic})
	if err != nil {
		return err
	}
	ends := make(map[int]int64) // a note of what was never written takes no memory
	for _, span := range spans {
		ends[span.Partition] = span.To
	}
	for _, span := range spans {
		err := r.cfg.Source.Scan(ctx, span, func(rec *Record) error {
			if !isNote(rec) {
				return nil
			}
			how, _ := rec.Header(HeaderSettlement)
			at, _ := rec.Header(HeaderSettles)
			t, partition, offset, err := parsePosition(at)
			if err != nil || t != topic || offset >= ends[partition] {
				return nil
			}
			switch how {
			case SettledRedriven:
				out.enter(topic, partition, offset, redriven)
			case SettledDiscarded:
				out.enter(topic, partition, offset, discarded)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
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
	o, err := strconv.ParseUint(parts[2], 10, 63)
	if err != nil || o == math.MaxInt64 {
		return "", 0, 0, bad
	}
	return parts[0], int(p), int64(o), nil
}
