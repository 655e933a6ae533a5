package replay

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"oncegate/schemas/canon"
)

// A Selection says which records are meant.
type Selection struct {
	// Topics to read, named as their kinds. Required.
	Topics []string `json:"topics"`
	// Dead means the dead letters of these topics instead of the topics.
	Dead bool `json:"dead,omitempty"`

	// Partition and offsets need exactly one topic; offsets without a partition
	// apply to each.
	Partition  *int   `json:"partition,omitempty"`
	FromOffset *int64 `json:"fromOffset,omitempty"`
	ToOffset   *int64 `json:"toOffset,omitempty"` // exclusive

	From  time.Time     `json:"from,omitzero"`  // written at or after
	To    time.Time     `json:"to,omitzero"`    // written before
	Since time.Duration `json:"since,omitzero"` // in place of From: so long before now

	Conversation canon.ConversationID `json:"conversation,omitempty"`
	Message      canon.MessageID      `json:"message,omitempty"`
	Headers      map[string]string    `json:"headers,omitempty"` // each must be there with this value

	// Limit bounds the number of messages. Default: 100,000.
	Limit int `json:"limit,omitempty"`
}

const (
	defaultLimit = 100_000
	maxLimit     = 5_000_000 // one id of each is held in memory
)

// Validate reports all faults at once.
func (s *Selection) Validate() error {
	var errs []error
	if len(s.Topics) == 0 {
		errs = append(errs, errors.New("topics: at least one is required"))
	}
	for _, t := range s.Topics {
		if !slices.Contains(canon.Kinds(), canon.Kind(t)) {
			errs = append(errs, fmt.Errorf("topic %q: not a canonical kind", t))
		} else if canon.Kind(t).Compacted() && !s.Dead {
			errs = append(errs, fmt.Errorf("topic %q: holds a state: an older record sent again would undo the newest", t))
		}
	}
	if (s.Partition != nil || s.FromOffset != nil || s.ToOffset != nil) && len(s.Topics) != 1 {
		errs = append(errs, errors.New("partition and offsets need exactly one topic"))
	}
	if s.Partition != nil && *s.Partition < 0 {
		errs = append(errs, errors.New("partition: negative"))
	}
	if s.FromOffset != nil && *s.FromOffset < 0 || s.ToOffset != nil && *s.ToOffset < 0 {
		errs = append(errs, errors.New("offset: negative"))
	}
	if s.FromOffset != nil && s.ToOffset != nil && *s.FromOffset >= *s.ToOffset {
		errs = append(errs, errors.New("offsets: the range is empty"))
	}
	if s.Since < 0 {
		errs = append(errs, errors.New("since: negative"))
	}
	if s.Since > 0 && !s.From.IsZero() {
		errs = append(errs, errors.New("since and from exclude each other"))
	}
	if !s.From.IsZero() && !s.To.IsZero() && !s.From.Before(s.To) {
		errs = append(errs, errors.New("times: the range is empty"))
	}
	if s.Message != "" && !canon.ValidUUID(string(s.Message)) {
		errs = append(errs, errors.New("message: not an id"))
	}
	if s.Limit < 0 || s.Limit > maxLimit {
		errs = append(errs, fmt.Errorf("limit: not in 0..%d", maxLimit))
	}
	return errors.Join(errs...)
}

// fixed returns the selection with relative times and defaults resolved.
func (s Selection) fixed(now time.Time) Selection {
	if s.Since > 0 {
		s.From, s.Since = now.Add(-s.Since).UTC(), 0
	}
	if s.Limit == 0 {
		s.Limit = defaultLimit
	}
	return s
}

func (s *Selection) topics() []string {
	out := slices.Clone(s.Topics)
	if s.Dead {
		for i, t := range out {
			out[i] = t + deadSuffix
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// cut narrows a span to the selected partition and offsets; false for none of it.
func (s *Selection) cut(span Span) (Span, bool) {
	if s.Partition != nil && span.Partition != *s.Partition {
		return span, false
	}
	if s.FromOffset != nil {
		span.From = max(span.From, *s.FromOffset)
	}
	if s.ToOffset != nil {
		span.To = min(span.To, *s.ToOffset)
	}
	return span, span.From < span.To
}

// covers reports whether a record of a span is meant.
func (s *Selection) covers(r *Record) bool {
	if s.Conversation != "" && !bytes.Equal(r.Key, []byte(s.Conversation)) {
		return false
	}
	// Spans by time are as exact as the log's index; times are compared again.
	if !s.From.IsZero() && r.Time.Before(s.From.Truncate(time.Millisecond)) || !s.To.IsZero() && !r.Time.Before(s.To) {
		return false
	}
	if s.Message != "" {
		if id, _ := r.id(); id != s.Message {
			return false
		}
	}
	for name, want := range s.Headers {
		if got, ok := r.Header(name); !ok || got != want {
			return false
		}
	}
	return true
}

// target returns the topic that a record is sent to. It follows from where the
// record stands, not from a header that somebody wrote.
func (r *Record) target() string { return strings.TrimSuffix(r.Topic, deadSuffix) }
