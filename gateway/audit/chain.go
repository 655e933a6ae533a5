package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"oncegate/schemas/canon"
)

// A Record is one event as it stands on the log.
type Record struct {
	Partition int
	Offset    int64
	Message   canon.Message // its body is a *canon.AuditEvent
}

// An Entry is one link of the chain of its partition.
type Entry struct {
	Partition    int                  `json:"partition"`
	Offset       int64                `json:"offset"` // place on the topic audit.v1
	Message      canon.MessageID      `json:"message"`
	Conversation canon.ConversationID `json:"conversation"`
	Cause        canon.MessageID      `json:"cause,omitempty"`
	At           time.Time            `json:"at"`
	Event        canon.AuditEvent     `json:"event"`
	Previous     string               `json:"previous"` // hash of the entry before, in this partition
	Hash         string               `json:"hash"`     // over all of the above
}

// A Head is where the chain of a partition stands. The zero Head, with its
// partition, stands before the first entry. Heads kept elsewhere prove that the
// chain was not written anew.
type Head struct {
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	Hash      string    `json:"hash"`
	Until     time.Time `json:"until,omitzero"` // in an anchor: everything before was forgotten at its term
}

// next links a record to the head.
func (h Head) next(r Record) (Entry, error) {
	e, ok := r.Message.Body.(*canon.AuditEvent)
	if !ok {
		return Entry{}, canon.NewFault(canon.CodeMessageInvalid, nil, "no audit event: %s", r.Message.Kind)
	}
	entry := Entry{
		Partition: r.Partition, Offset: r.Offset, Message: r.Message.ID, Conversation: r.Message.Conversation,
		Cause: r.Message.Cause, At: r.Message.At.UTC(), Event: *e, Previous: h.Hash,
	}
	var err error
	entry.Hash, err = entry.sum()
	return entry, err
}

// sum returns the hash of the entry: SHA-256 of its JSON without the hash.
func (e Entry) sum() (string, error) {
	e.Hash = ""
	text, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("encoding an audit entry: %w", err)
	}
	h := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(h[:]), nil
}

func (e Entry) head() Head { return Head{Partition: e.Partition, Offset: e.Offset, Hash: e.Hash} }

// A Break is the place where a chain does not hold.
type Break struct {
	Partition int
	Offset    int64
	Reason    string
}

// Error names place and reason.
func (b *Break) Error() string {
	return fmt.Sprintf("audit chain of partition %d is broken at offset %d: %s", b.Partition, b.Offset, b.Reason)
}

// Verify follows the chain of one partition from a head and returns where it
// ends; a *Break where it does not hold.
func Verify(from Head, entries iter.Seq2[Entry, error]) (Head, error) {
	h := from
	for e, err := range entries {
		if err != nil {
			return h, err
		}
		broken := func(reason string) (Head, error) {
			return h, &Break{Partition: from.Partition, Offset: e.Offset, Reason: reason}
		}
		sum, err := e.sum()
		switch {
		case err != nil:
			return h, err
		case e.Partition != from.Partition:
			return broken("the entry is of another partition")
		case e.Hash != sum:
			return broken("the entry was changed")
		case e.Previous != h.Hash:
			return broken("an entry before it is missing or was changed")
		case h.Hash != "" && e.Offset <= h.Offset:
			return broken("the order of the log is not kept")
		}
		h = e.head()
	}
	return h, nil
}
