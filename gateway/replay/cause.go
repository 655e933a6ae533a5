package replay

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"oncegate/schemas/canon"
)

// Headers that a death adds to a record. The first group has the names of Kafka
// Connect (DeadLetterQueueReporter), which people and tools know; the second is
// ours.
const (
	connectErrors         = "__connect.errors."
	HeaderOriginTopic     = connectErrors + "topic"
	HeaderOriginPartition = connectErrors + "partition"
	HeaderOriginOffset    = connectErrors + "offset"
	HeaderGroup           = connectErrors + "connector.name"
	HeaderTask            = connectErrors + "task.id"
	HeaderStage           = connectErrors + "stage"
	HeaderClass           = connectErrors + "class.name"
	HeaderFailure         = connectErrors + "exception.class.name"
	HeaderCause           = connectErrors + "exception.message"

	HeaderErrorCode   = "gw_error_code"
	HeaderAttempts    = "gw_attempts"
	HeaderFirstFailed = "gw_first_failed_at" // stays with the record when it is redriven
)

// FaultPrefix stands before the kind of a fault in HeaderFailure.
const FaultPrefix = "canon.Fault."

// Letters that other software wrote: the names of Spring for Apache Kafka
// (KafkaHeaders.DLT_*) and of watermill (middleware.PoisonQueue).
const (
	springDead      = "kafka_dlt-"
	springTopic     = springDead + "original-topic"
	springPartition = springDead + "original-partition" // int32, big-endian
	springOffset    = springDead + "original-offset"    // int64, big-endian
	springGroup     = springDead + "original-consumer-group"
	springException = springDead + "exception-fqcn"

	watermillDead       = "_poisoned"
	watermillReason     = "reason" + watermillDead
	watermillTopic      = "topic" + watermillDead
	watermillHandler    = "handler" + watermillDead
	watermillSubscriber = "subscriber" + watermillDead
)

// IsCause reports whether a header tells why a record died, in our words or
// those of other software. The time of the first failure is not among them: it
// outlives a redrive.
func IsCause(name string) bool {
	switch name {
	case HeaderErrorCode, HeaderAttempts, watermillReason, watermillTopic, watermillHandler, watermillSubscriber:
		return true
	}
	return strings.HasPrefix(name, connectErrors) || strings.HasPrefix(name, springDead)
}

// An Origin is where a dead letter stood before it died, as its headers say.
// Partition and Offset are -1 where they do not say.
type Origin struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
}

// String returns topic/partition/offset, or the topic where no more is known.
func (o Origin) String() string {
	if o.Partition < 0 || o.Offset < 0 {
		return o.Topic
	}
	return o.Topic + "/" + strconv.Itoa(o.Partition) + "/" + strconv.FormatInt(o.Offset, 10)
}

func letterOf(rec *Record) Letter {
	l := Letter{
		Position: rec.Position(), Topic: rec.target(), Origin: originOf(rec), Kind: rec.kind(),
		DiedAt: rec.Time.UTC(), Size: len(rec.Value), Replays: rec.replays(),
		Stage: rec.told(HeaderStage),
		Group: rec.told(HeaderGroup, springGroup, watermillSubscriber),
		// The message of a foreign exception likes to quote the record: Spring's is
		// not read.
		Cause:   rec.told(HeaderCause, watermillReason),
		Failure: strings.TrimPrefix(rec.told(HeaderFailure, springException), FaultPrefix),
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
	if n, err := strconv.Atoi(rec.told(HeaderAttempts)); err == nil {
		l.Attempts = max(n, 0)
	}
	if s, ok := rec.Header(HeaderFirstFailed); ok {
		l.FirstFailedAt, _ = time.Parse(time.RFC3339Nano, s) // zero where it is no time
	}
	return l
}

// originOf reads our own headers or, where they are missing, those of others: one
// set, never a mixture.
func originOf(rec *Record) Origin {
	o := Origin{Topic: rec.target(), Partition: -1, Offset: -1}
	if topic := rec.told(HeaderOriginTopic); topic != "" {
		o.Topic = topic
		if n, err := strconv.ParseUint(rec.told(HeaderOriginPartition), 10, 31); err == nil {
			o.Partition = int(n)
		}
		if n, err := strconv.ParseUint(rec.told(HeaderOriginOffset), 10, 63); err == nil {
			o.Offset = int64(n)
		}
		return o
	}
	if topic := rec.told(springTopic); topic != "" {
		o.Topic = topic
		if s, _ := rec.Header(springPartition); len(s) == 4 {
			o.Partition = max(int(int32(binary.BigEndian.Uint32([]byte(s)))), -1)
		}
		if s, _ := rec.Header(springOffset); len(s) == 8 {
			o.Offset = max(int64(binary.BigEndian.Uint64([]byte(s))), -1)
		}
		return o
	}
	if topic := rec.told(watermillTopic); topic != "" {
		o.Topic = topic
	}
	return o
}

// told returns the first of the headers that is there, fit to be shown.
func (r *Record) told(names ...string) string {
	for _, name := range names {
		if s, ok := r.Header(name); ok {
			return shown(s)
		}
	}
	return ""
}

// shown makes a header fit for a terminal: bounded, and no control characters.
func shown(s string) string {
	const most = 500
	if len(s) > most*4 {
		s = s[:most*4] // as many runes at least, or as many faults
	}
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
