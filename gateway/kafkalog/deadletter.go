package kafkalog

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

// A Stage says where a record died, in Kafka Connect's words.
type Stage string

// The stages.
const (
	StageDecode  Stage = "VALUE_CONVERTER"
	StageHandle  Stage = "TASK_PUT"
	StagePublish Stage = "KAFKA_PRODUCE"
)

// A Death says why a record could not be handled. It names no person.
type Death struct {
	Group         string
	Stage         Stage
	Code          canon.Code
	Kind          canon.FaultKind
	Detail        string
	Attempts      int
	FirstFailedAt time.Time
}

// deadLetter returns the record for the dead-letter topic: bytes, key and
// headers of the original, then the cause. How often the record was sent again
// is the original's to say.
func deadLetter(r *Record, d Death) *Record {
	first := d.FirstFailedAt
	if s, ok := r.Header(replay.HeaderFirstFailed); ok {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			first = t // it died before
		}
	}
	out := &Record{Topic: DeadLetters(r.Topic), Partition: 0, Key: r.Key, Value: r.Value, Headers: withoutCause(r.Headers)}
	put := func(name, value string) {
		out.Headers = append(out.Headers, Header{name, []byte(value)})
	}
	put(replay.HeaderOriginTopic, r.Topic)
	put(replay.HeaderOriginPartition, strconv.Itoa(r.Partition))
	put(replay.HeaderOriginOffset, strconv.FormatInt(r.Offset, 10))
	put(replay.HeaderGroup, d.Group)
	put(replay.HeaderTask, strconv.Itoa(r.Partition))
	put(replay.HeaderStage, string(d.Stage))
	put(replay.HeaderClass, "oncegate/gateway/kafkalog.Consumer")
	put(replay.HeaderFailure, replay.FaultPrefix+string(d.Kind))
	put(replay.HeaderCause, cut(d.Detail, 1024))
	put(replay.HeaderErrorCode, string(d.Code))
	put(replay.HeaderAttempts, strconv.Itoa(d.Attempts))
	put(replay.HeaderFirstFailed, first.UTC().Format(time.RFC3339Nano))
	return out
}

// withoutCause drops what an earlier death added.
func withoutCause(hs []Header) []Header {
	return slices.DeleteFunc(slices.Clone(hs), func(h Header) bool {
		return replay.IsCause(h.Key) || h.Key == replay.HeaderFirstFailed
	})
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// At returns the record at a position.
func (c *Cluster) At(ctx context.Context, at Position) (*Record, error) {
	var found *Record
	err := c.Scan(ctx, Range{Topic: at.Topic, Partitions: []int{at.Partition}, FromOffset: at.Offset, ToOffset: at.Offset + 1}, func(r Record) error {
		found = &r
		return ErrStop
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, canon.NewFault(canon.CodeBadInput, nil, "there is no record at %s", at)
	}
	return found, nil
}
