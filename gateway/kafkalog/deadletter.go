package kafkalog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"oncegate/schemas/canon"
)

// Headers of a dead letter. The first group has the names of Kafka Connect
// (DeadLetterQueueReporter), which people and tools know; the second is ours.
const (
	deadTopic     = "__connect.errors.topic"
	deadPartition = "__connect.errors.partition"
	deadOffset    = "__connect.errors.offset"
	deadGroup     = "__connect.errors.connector.name"
	deadTask      = "__connect.errors.task.id"
	deadStage     = "__connect.errors.stage"
	deadClass     = "__connect.errors.class.name"
	deadException = "__connect.errors.exception.class.name"
	deadMessage   = "__connect.errors.exception.message"

	headerCode        = "gw_error_code"
	headerAttempts    = "gw_attempts"
	headerFirstFailed = "gw_first_failed_at"
	headerReplayCount = "gw_replay_count"

	// A settlement on the dead-letter topic closes the letter at that offset.
	headerSettles  = "gw_settles"
	headerSettled  = "gw_settlement"
	headerReason   = "gw_reason"
	connectPrefix  = "__connect.errors."
	settledRedrive = "redriven"
	settledDiscard = "discarded"
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
	Group         string          `json:"group"`
	Stage         Stage           `json:"stage"`
	Code          canon.Code      `json:"code"`
	Kind          canon.FaultKind `json:"kind"`
	Detail        string          `json:"detail"`
	Attempts      int             `json:"attempts"`
	FirstFailedAt time.Time       `json:"firstFailedAt,omitzero"`
}

// deadLetter returns the record for the dead-letter topic: bytes, key and
// headers of the original, then the cause.
func deadLetter(r *Record, d Death) *Record {
	out := &Record{Topic: DeadLetters(r.Topic), Partition: 0, Key: r.Key, Value: r.Value, Headers: withoutCause(r.Headers)}
	if first, ok := r.Header(headerFirstFailed); ok && validTime(first) {
		d.FirstFailedAt, _ = time.Parse(time.RFC3339Nano, first) // it died before
	}
	put := func(name, value string) {
		out.Headers = append(out.Headers, Header{name, []byte(value)})
	}
	put(deadTopic, r.Topic)
	put(deadPartition, strconv.Itoa(r.Partition))
	put(deadOffset, strconv.FormatInt(r.Offset, 10))
	put(deadGroup, d.Group)
	put(deadTask, strconv.Itoa(r.Partition))
	put(deadStage, string(d.Stage))
	put(deadClass, "oncegate/gateway/kafkalog.Consumer")
	put(deadException, "canon.Fault."+string(d.Kind))
	put(deadMessage, cut(d.Detail, 1024))
	put(headerCode, string(d.Code))
	put(headerAttempts, strconv.Itoa(d.Attempts))
	put(headerFirstFailed, d.FirstFailedAt.UTC().Format(time.RFC3339Nano))
	put(headerReplayCount, strconv.Itoa(replayCount(r)))
	return out
}

// withoutCause drops what an earlier death added.
func withoutCause(hs []Header) []Header {
	return slices.DeleteFunc(slices.Clone(hs), func(h Header) bool {
		switch h.Key {
		case headerCode, headerAttempts, headerFirstFailed, headerReplayCount:
			return true
		}
		return strings.HasPrefix(h.Key, connectPrefix)
	})
}

func replayCount(r *Record) int {
	s, _ := r.Header(headerReplayCount)
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func validTime(s string) bool {
	_, err := time.Parse(time.RFC3339Nano, s)
	return err == nil
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// A DeadLetter is one record that could not be handled, without its body.
type DeadLetter struct {
	At           Position             `json:"at"`     // where it lies
	Origin       Position             `json:"origin"` // where it stood
	DiedAt       time.Time            `json:"diedAt"`
	Message      canon.MessageID      `json:"message,omitempty"`
	Kind         canon.Kind           `json:"kind,omitempty"`
	Conversation canon.ConversationID `json:"conversation,omitempty"` // empty where the key is none
	Size         int                  `json:"size"`
	Death        Death                `json:"death"`
	ReplayCount  int                  `json:"replayCount"`
	Settled      string               `json:"settled,omitempty"` // redriven, discarded
}

// readDeadLetter reads the cause from the headers: ours, or those of Spring and
// watermill for letters that other software wrote.
func readDeadLetter(r *Record) DeadLetter {
	get := func(names ...string) string {
		for _, n := range names {
			if v, ok := r.Header(n); ok {
				return cut(v, 1024)
			}
		}
		return ""
	}
	d := DeadLetter{
		At: r.Position(), DiedAt: r.Time, Size: len(r.Value), ReplayCount: replayCount(r),
		Kind: canon.Kind(cut(get(headerType), 64)),
		Death: Death{
			Group: get(deadGroup, "kafka_dlt-original-consumer-group", "subscriber_poisoned"), Stage: Stage(get(deadStage)),
			Code: canon.Code(get(headerCode)), Detail: get(deadMessage, "reason_poisoned"),
		},
	}
	if id := get(headerID); canon.ValidUUID(id) {
		d.Message = canon.MessageID(id)
	}
	if canon.ValidUUID(string(r.Key)) {
		d.Conversation = canon.ConversationID(r.Key)
	}
	d.Death.Kind = canon.FaultKind(strings.TrimPrefix(get(deadException, "kafka_dlt-exception-fqcn"), "canon.Fault."))
	d.Death.Attempts, _ = strconv.Atoi(get(headerAttempts))
	d.Death.FirstFailedAt, _ = time.Parse(time.RFC3339Nano, get(headerFirstFailed))
	d.Origin = Position{Topic: get(deadTopic, "kafka_dlt-original-topic", "topic_poisoned"), Partition: -1, Offset: -1}
	if n, err := strconv.Atoi(get(deadPartition)); err == nil {
		d.Origin.Partition = n
	}
	if n, err := strconv.ParseInt(get(deadOffset), 10, 64); err == nil {
		d.Origin.Offset = n
	}
	// Spring writes numbers as big-endian bytes.
	if v, ok := r.Header("kafka_dlt-original-partition"); ok && len(v) == 4 {
		d.Origin.Partition = int(int32(binary.BigEndian.Uint32([]byte(v))))
	}
	if v, ok := r.Header("kafka_dlt-original-offset"); ok && len(v) == 8 {
		d.Origin.Offset = int64(binary.BigEndian.Uint64([]byte(v)))
	}
	if d.Origin.Topic == "" {
		d.Origin.Topic = strings.TrimSuffix(r.Topic, deadSuffix)
	}
	return d
}

// DeadLetters lists the dead letters of a topic in order of death; without
// settled, only those that wait for somebody. f may return ErrStop.
func (c *Cluster) DeadLetters(ctx context.Context, topic string, settled bool, f func(DeadLetter) error) error {
	closed := make(map[int64]string)
	var open []DeadLetter
	// Settlements come after their letters: both passes see the same end or a
	// later one, so a letter may be listed that is just being settled, never one
	// that was settled before.
	err := c.Scan(ctx, Range{Topic: DeadLetters(topic)}, func(r Record) error {
		if of, how, is := settlement(&r); is {
			closed[of] = how
			return nil
		}
		if len(open) == maxDeadLetters {
			return fmt.Errorf("more than %d dead letters", maxDeadLetters)
		}
		open = append(open, readDeadLetter(&r))
		return nil
	})
	if err != nil {
		return fmt.Errorf("listing dead letters: %w", err)
	}
	for _, d := range open {
		if d.Settled = closed[d.At.Offset]; d.Settled != "" && !settled {
			continue
		}
		if err := f(d); errors.Is(err, ErrStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// maxDeadLetters bounds what one listing holds in memory, about 100 MB.
const maxDeadLetters = 100_000

// DeadLetter returns one dead letter with its record: the original bytes, key
// and headers, and the cause.
func (c *Cluster) DeadLetter(ctx context.Context, at Position) (DeadLetter, *Record, error) {
	if !strings.HasSuffix(at.Topic, deadSuffix) {
		return DeadLetter{}, nil, canon.NewFault(canon.CodeBadInput, nil, "%s is no topic of dead letters", at.Topic)
	}
	r, err := c.At(ctx, at)
	if err != nil {
		return DeadLetter{}, nil, err
	}
	if _, _, is := settlement(r); is {
		return DeadLetter{}, nil, canon.NewFault(canon.CodeBadInput, nil, "%s is the settlement of a dead letter", at)
	}
	d := readDeadLetter(r)
	err = c.Scan(ctx, Range{Topic: at.Topic, Partitions: []int{at.Partition}, FromOffset: at.Offset + 1}, func(s Record) error {
		if of, how, is := settlement(&s); is && of == at.Offset {
			d.Settled = how
		}
		return nil
	})
	return d, r, err
}

func settlement(r *Record) (of int64, how string, is bool) {
	s, is := r.Header(headerSettles)
	if !is {
		return 0, "", false
	}
	of, err := strconv.ParseInt(s, 10, 64)
	how, _ = r.Header(headerSettled)
	return of, how, err == nil
}

// Redrive puts the original of a dead letter back on its topic, marked as a
// replay and counted, and settles the letter. The message keeps its id: whoever
// has handled it already does nothing more. It returns where the message is now.
// A letter that was settled is not driven again.
func (c *Cluster) Redrive(ctx context.Context, p *Producer, at Position) (Position, error) {
	d, r, err := c.DeadLetter(ctx, at)
	if err != nil {
		return Position{}, fmt.Errorf("redriving %s: %w", at, err)
	}
	if d.Settled != "" {
		return Position{}, fmt.Errorf("redriving %s: %w", at, canon.NewFault(canon.CodeNotReady, nil, "the dead letter was %s before", d.Settled))
	}
	again := &Record{Topic: d.Origin.Topic, Partition: -1, Key: r.Key, Value: r.Value, Headers: withoutCause(r.Headers)}
	if r.Key == nil && d.Origin.Partition >= 0 {
		again.Partition = d.Origin.Partition
	}
	if !d.Death.FirstFailedAt.IsZero() {
		again.Headers = append(again.Headers, Header{headerFirstFailed, []byte(d.Death.FirstFailedAt.UTC().Format(time.RFC3339Nano))})
	}
	again.Headers = append(again.Headers, Header{headerReplayCount, []byte(strconv.Itoa(d.ReplayCount + 1))})
	if _, marked := r.Header(headerReplayOf); !marked && d.Message != "" {
		again.Headers = append(again.Headers, Header{headerReplayOf, []byte(d.Message)})
	}
	if err := p.Produce(ctx, again); err != nil {
		return Position{}, fmt.Errorf("redriving %s: %w", at, asFault(err))
	}
	return again.Position(), c.settle(ctx, p, at, r.Key, settledRedrive, "")
}

// Discard settles a dead letter without doing anything else. The reason must
// name no person.
func (c *Cluster) Discard(ctx context.Context, p *Producer, at Position, reason string) error {
	d, r, err := c.DeadLetter(ctx, at)
	if err != nil {
		return fmt.Errorf("discarding %s: %w", at, err)
	}
	if strings.TrimSpace(reason) == "" {
		return canon.NewFault(canon.CodeBadInput, nil, "discarding a dead letter needs a reason")
	}
	if d.Settled != "" {
		return fmt.Errorf("discarding %s: %w", at, canon.NewFault(canon.CodeNotReady, nil, "the dead letter was %s before", d.Settled))
	}
	return c.settle(ctx, p, at, r.Key, settledDiscard, reason)
}

func (c *Cluster) settle(ctx context.Context, p *Producer, at Position, key []byte, how, reason string) error {
	s := &Record{Topic: at.Topic, Partition: at.Partition, Key: key, Headers: []Header{
		{headerSettles, []byte(strconv.FormatInt(at.Offset, 10))}, {headerSettled, []byte(how)},
	}}
	if reason != "" {
		s.Headers = append(s.Headers, Header{headerReason, []byte(cut(reason, 1024))})
	}
	if err := p.Produce(ctx, s); err != nil {
		return fmt.Errorf("settling %s: %w", at, asFault(err))
	}
	return nil
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
