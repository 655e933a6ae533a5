package kafkalog

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"oncegate/gateway/payload"
	"oncegate/gateway/replay"
	"oncegate/schemas"
	"oncegate/schemas/canon"
)

// Headers of a canonical message: CloudEvents 1.0 in binary mode (Kafka protocol
// binding 3.2), W3C trace context, and our own.
const (
	headerSpec        = "ce_specversion"
	headerID          = replay.HeaderID
	headerType        = replay.HeaderKind
	headerSource      = "ce_source"
	headerTime        = "ce_time"
	headerSubject     = "ce_subject" // the conversation
	headerSchema      = "ce_dataschema"
	headerCorrelation = "ce_correlationid" // the conversation
	headerCausation   = "ce_causationid"   // the message that this one follows from
	headerPartition   = "ce_partitionkey"  // partitioning extension: equals the key
	headerTrace       = "traceparent"
	headerContent     = "content-type"
	headerReplayOf    = replay.HeaderReplayOf
	headerSeries      = replay.HeaderSeries

	mediaJSON = "application/json"
)

// CodecConfig says how messages are written and read.
type CodecConfig struct {
	// Source names this deployment in ce_source, a URI reference. Required.
	Source string
	// Sealer seals and opens private parts. Required where kinds with a private
	// part pass; without it they are refused on writing and stay closed on reading.
	Sealer canon.Sealer
}

// A Codec turns canonical messages into records and back. It checks every body
// against its schema on both ways. It is safe for concurrent use.
type Codec struct{ cfg CodecConfig }

// NewCodec returns a codec.
func NewCodec(cfg CodecConfig) (*Codec, error) {
	if cfg.Source == "" || len(cfg.Source) > 256 || strings.ContainsFunc(cfg.Source, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("configuring the codec: source: a URI reference is required")
	}
	return &Codec{cfg}, nil
}

// errNoSealer keeps a private part from being written in clear or dropped.
var errNoSealer = errors.New("this process holds no keys for private parts")

// Encode returns the record of a message. Its private part is sealed for the
// conversation, with the message's id and kind as associated data.
func (c *Codec) Encode(ctx context.Context, m canon.Message) (*Record, error) {
	if err := checkMessage(m); err != nil {
		return nil, canon.NewFault(canon.CodeMessageInvalid, err, "message cannot be written")
	}
	body, err := canon.MarshalBody(m.Body, func(plain []byte) (canon.Box, error) {
		if c.cfg.Sealer == nil {
			return canon.Box{}, errNoSealer
		}
		if err := schemas.ValidatePrivate(m.Kind, plain); err != nil {
			return canon.Box{}, err
		}
		return c.cfg.Sealer.Seal(ctx, m.Conversation, associated(m.ID, m.ReplayOf, m.Kind), plain)
	})
	if errors.Is(err, canon.ErrForgotten) {
		return nil, canon.NewFault(canon.CodePayloadForgotten, err, "the conversation was forgotten")
	}
	if err != nil {
		return nil, err
	}
	if err := schemas.Validate(m.Kind, body); err != nil {
		return nil, err
	}
	h := make([]Header, 0, 13)
	put := func(name, value string) {
		if value != "" {
			h = append(h, Header{name, []byte(value)})
		}
	}
	put(headerSpec, "1.0")
	put(headerID, string(m.ID))
	put(headerType, string(m.Kind))
	put(headerSource, c.cfg.Source)
	put(headerTime, m.At.UTC().Format(time.RFC3339Nano))
	put(headerSubject, string(m.Conversation))
	put(headerSchema, schemas.ID(m.Kind))
	put(headerCorrelation, string(m.Conversation))
	put(headerCausation, string(m.Cause))
	put(headerPartition, string(m.Conversation))
	put(headerTrace, m.Trace)
	put(headerContent, mediaJSON)
	put(headerReplayOf, string(m.ReplayOf))
	if m.Series > 0 {
		put(headerSeries, strconv.Itoa(m.Series))
	}
	return &Record{Topic: TopicOf(m.Kind), Partition: -1, Key: []byte(m.Conversation), Value: body, Headers: h}, nil
}

// Decode returns the message of a record. What breaks the form is a Fault of
// kind Invalid; a key store that cannot be reached is not.
func (c *Codec) Decode(ctx context.Context, r *Record) (canon.Message, error) {
	m, err := decodeHeaders(r)
	if err != nil {
		return canon.Message{}, canon.NewFault(canon.CodeMessageInvalid, err, "record is not a canonical message")
	}
	if err := schemas.Validate(m.Kind, r.Value); err != nil {
		return canon.Message{}, err
	}
	var opening error // what the key store said, as it said it
	m.Body, err = canon.UnmarshalBody(m.Kind, r.Value, func(b canon.Box) ([]byte, error) {
		if c.cfg.Sealer == nil {
			return nil, canon.ErrForgotten // who lacks the key sees the open part
		}
		plain, err := c.cfg.Sealer.Open(ctx, m.Conversation, associated(m.ID, m.ReplayOf, m.Kind), b)
		if err != nil {
			opening = err
			return nil, err
		}
		return plain, schemas.ValidatePrivate(m.Kind, plain)
	})
	if err == nil {
		return m, nil
	}
	if _, is := errors.AsType[*canon.Fault](err); is {
		return canon.Message{}, err
	}
	if ctx.Err() != nil {
		return canon.Message{}, context.Cause(ctx)
	}
	if opening != nil {
		// A seal that does not hold is a Fault of its own; all else is the store's.
		return canon.Message{}, canon.NewFault(canon.CodePayloadUnavailable, err, "opening the private part")
	}
	return canon.Message{}, canon.NewFault(canon.CodeMessageInvalid, err, "body cannot be read")
}

// associated binds a private part to its message. A message that is sent again
// under a new id keeps the body, and so the seal, of the first.
func associated(id, replayOf canon.MessageID, k canon.Kind) []byte {
	if replayOf != "" {
		id = replayOf
	}
	return payload.Associate(string(id), string(k))
}

func checkMessage(m canon.Message) error {
	var errs []error
	if !canon.ValidUUID(string(m.ID)) {
		errs = append(errs, errors.New("id: not a UUID"))
	}
	if !canon.ValidUUID(string(m.Conversation)) {
		errs = append(errs, errors.New("conversation: not a UUID"))
	}
	if m.Cause != "" && !canon.ValidUUID(string(m.Cause)) {
		errs = append(errs, errors.New("cause: not a UUID"))
	}
	if m.ReplayOf != "" && !canon.ValidUUID(string(m.ReplayOf)) {
		errs = append(errs, errors.New("replay of: not a UUID"))
	}
	if m.Series < 0 || m.Series > maxSeries {
		errs = append(errs, errors.New("series: out of bounds"))
	}
	if m.At.IsZero() {
		errs = append(errs, errors.New("at: missing"))
	}
	if m.Trace != "" && !traceparent.MatchString(m.Trace) {
		errs = append(errs, errors.New("trace: not a traceparent"))
	}
	if m.Body == nil {
		errs = append(errs, errors.New("body: missing"))
	} else if m.Body.Kind() != m.Kind {
		errs = append(errs, fmt.Errorf("kind %q: the body is %q", m.Kind, m.Body.Kind()))
	}
	return errors.Join(errs...)
}

// traceparent is W3C Trace Context 3.2.
var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// Limits on what is read from a record, far above what is ever written.
const (
	maxHeaders     = 64
	maxHeaderValue = 4 << 10
	maxSeries      = 1_000_000
)

func decodeHeaders(r *Record) (canon.Message, error) {
	var m canon.Message
	if r.Value == nil {
		return m, errors.New("tombstone")
	}
	if len(r.Headers) > maxHeaders {
		return m, fmt.Errorf("%d headers, at most %d", len(r.Headers), maxHeaders)
	}
	get := make(map[string]string, len(r.Headers))
	for _, h := range r.Headers {
		if len(h.Value) > maxHeaderValue {
			return m, fmt.Errorf("header %.40q: longer than %d bytes", h.Key, maxHeaderValue)
		}
		if _, twice := get[h.Key]; twice && strings.HasPrefix(h.Key, "ce_") {
			return m, fmt.Errorf("header %.40q: twice", h.Key)
		}
		get[h.Key] = string(h.Value)
	}
	if get[headerSpec] != "1.0" {
		return m, fmt.Errorf("%s: want 1.0", headerSpec)
	}
	if media, _, _ := strings.Cut(get[headerContent], ";"); strings.TrimSpace(media) != mediaJSON {
		return m, fmt.Errorf("%s: want %s", headerContent, mediaJSON)
	}
	m = canon.Message{
		ID:           canon.MessageID(get[headerID]),
		Kind:         canon.Kind(get[headerType]),
		Conversation: canon.ConversationID(r.Key),
		Cause:        canon.MessageID(get[headerCausation]),
		Trace:        get[headerTrace],
		ReplayOf:     canon.MessageID(get[headerReplayOf]),
	}
	if !traceparent.MatchString(m.Trace) {
		m.Trace = "" // a broken trace is no reason to refuse (Trace Context 3.4)
	}
	if s, ok := get[headerCorrelation]; ok && s != string(m.Conversation) {
		return m, fmt.Errorf("%s: differs from the key", headerCorrelation)
	}
	if s, ok := get[headerSeries]; ok {
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil || n > maxSeries {
			return m, fmt.Errorf("%s: not a number of ours", headerSeries)
		}
		m.Series = int(n)
	}
	at, err := time.Parse(time.RFC3339Nano, get[headerTime])
	if err != nil {
		return m, fmt.Errorf("%s: not a time", headerTime)
	}
	m.At = at.UTC()
	for name, id := range map[string]string{headerID: string(m.ID), "key": string(m.Conversation), headerCausation: string(m.Cause), headerReplayOf: string(m.ReplayOf)} {
		if !canon.ValidUUID(id) && (id != "" || name == headerID || name == "key") {
			return m, fmt.Errorf("%s: not a UUID", name)
		}
	}
	return m, nil
}
