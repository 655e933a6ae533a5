package replay

import (
	"context"
	"slices"
	"strconv"
	"time"

	"oncegate/schemas/canon"
)

// Headers that a replay reads or writes.
const (
	HeaderID          = "ce_id"
	HeaderKind        = "ce_type"
	HeaderReplayOf    = "gw_replay_of"
	HeaderReplayCount = "gw_replay_count"
	HeaderSeries      = "gw_series"     // which resend to a peer, from 1
	HeaderReplayJob   = "gw_replay_job" // beside HeaderSettles
	HeaderSettles     = "gw_settles"    // topic/partition/offset of a dead letter
	HeaderSettlement  = "gw_settlement" // redriven, discarded
	deadSuffix        = ".dlq"
)

// A Header is one name and value beside a record.
type Header struct {
	Key   string
	Value []byte
}

// A Record is one entry of a partition as it is stored. A nil Value is a
// tombstone; an empty one is not.
type Record struct {
	Topic     string // without the deployment's prefix
	Partition int    // set by a Source; a Sink places records by Key
	Offset    int64  // set by a Source
	Time      time.Time
	Key       []byte
	Value     []byte
	Headers   []Header
}

// Header returns the value of the last header of that name.
func (r *Record) Header(name string) (string, bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == name {
			return string(r.Headers[i].Value), true
		}
	}
	return "", false
}

// Position returns topic/partition/offset.
func (r *Record) Position() string {
	return r.Topic + "/" + strconv.Itoa(r.Partition) + "/" + strconv.FormatInt(r.Offset, 10)
}

func (r *Record) id() (canon.MessageID, bool) {
	s, _ := r.Header(HeaderID)
	return canon.MessageID(s), canon.ValidUUID(s)
}

// kind is one of ours: a header that says something else is not repeated.
func (r *Record) kind() canon.Kind {
	if s, _ := r.Header(HeaderKind); slices.Contains(canon.Kinds(), canon.Kind(s)) {
		return canon.Kind(s)
	}
	return canon.Kind(r.target())
}

// replays returns how often the record was sent again; an unreadable count is
// as good as too many.
func (r *Record) replays() int {
	s, ok := r.Header(HeaderReplayCount)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return int(^uint(0) >> 1)
	}
	return n
}

// A Range asks for a part of a topic.
type Range struct {
	Topic string
	From  time.Time // written at or after; zero: from the first record
	To    time.Time // written before; zero: up to the end as it is now
	Key   []byte    // nil: any; else only the partition where records of this key stand
}

// A Span is a fixed piece of one partition.
type Span struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	From      int64  `json:"from"` // first offset
	To        int64  `json:"to"`   // first offset that is not part of it
}

func (s Span) name() string { return s.Topic + "/" + strconv.Itoa(s.Partition) }

// A Source reads the log.
type Source interface {
	// Bounds turns a range into spans, one per partition that it touches. What is
	// written later is outside of them. A topic that does not exist is an error.
	Bounds(ctx context.Context, r Range) ([]Span, error)
	// Scan calls f with every committed record of the span in order of offsets.
	// The record is f's to keep. An error of f ends the scan and is returned in
	// the chain.
	Scan(ctx context.Context, s Span, f func(*Record) error) error
}

// A Sink writes to the log.
type Sink interface {
	// Write returns nil only when all records are durable, those of one key in
	// the order given. Topics are without prefix; Partition, Offset and Time are
	// the sink's own. It does not keep rs.
	Write(ctx context.Context, rs ...Record) error
}
