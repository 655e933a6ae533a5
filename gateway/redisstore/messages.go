package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"oncegate/gateway/messages"
	"oncegate/schemas/canon"
)

// MessagesConfig says what Messages work with.
type MessagesConfig struct {
	Client Client           // Required.
	Prefix Prefix           // Required.
	Term   time.Duration    // How long a message is kept after its last note. Default: 336 h.
	Now    func() time.Time // Default: time.Now.
}

// Messages is a messages.Store. Notes are appended and folded when they are read,
// so that writers never wait for each other.
//
//	<prefix>:message:1:notes:<key>                list of notes, JSON (messages.Key)
//	<prefix>:message:1:index:all                  sorted set: key by last change
//	<prefix>:message:1:index:state:<state>        the same of those that may be in the state
//	<prefix>:message:1:index:as4:<sha256>         the same of one MessageId,
//	<prefix>:message:1:index:conversation:<...>   of one conversation,
//	<prefix>:message:1:index:exchange:<...>       of one exchange
//	<prefix>:message:1:whole, …:recovering        as those of Conversations
//
// An index may hold too much, never too little: what it names is looked at.
type Messages struct{ cfg MessagesConfig }

var _ messages.Store = (*Messages)(nil)

// NewMessages checks the configuration and reports all faults at once.
func NewMessages(cfg MessagesConfig) (*Messages, error) {
	var faults []error
	if cfg.Client == nil {
		faults = append(faults, errors.New("messages: Client is required"))
	}
	faults = append(faults, cfg.Prefix.check())
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if cfg.Term <= 0 {
		cfg.Term = 336 * time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Messages{cfg}, nil
}

const messageShape = "1"

func (s *Messages) key(name string) string { return s.cfg.Prefix.key("message", messageShape+":"+name) }

func (s *Messages) notes(key string) string { return s.key("notes:" + key) }

const indexAll = "index:all"

func indexState(st canon.MessageState) string { return "index:state:" + string(st) }

// indexOf hashes what a peer may have chosen.
func indexOf(what, value string) string {
	h := sha256.Sum256([]byte(value))
	return "index:" + what + ":" + hex.EncodeToString(h[:])
}

// Note implements messages.Store.
func (s *Messages) Note(ctx context.Context, ns ...canon.MessageNote) error {
	if len(ns) == 0 {
		return nil
	}
	_, err := s.cfg.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		touched := map[string]bool{}
		for _, n := range ns {
			text, err := json.Marshal(n)
			if err != nil {
				return fmt.Errorf("encoding a note: %w", err)
			}
			place := messages.PlaceOf(n)
			list := s.notes(place.Key)
			p.RPush(ctx, list, text)
			p.LTrim(ctx, list, -messages.MaxHistory, -1)
			p.PExpire(ctx, list, s.cfg.Term)
			for _, index := range indexes(n) {
				index = s.key(index)
				touched[index] = true
				p.ZAddArgs(ctx, index, redis.ZAddArgs{GT: true, Members: []redis.Z{{Score: float64(place.At), Member: place.Key}}})
			}
			if n.State.Final() {
				s.settle(ctx, p, place.Key)
			}
		}
		before := "(" + millis(s.cfg.Now().Add(-s.cfg.Term))
		for index := range touched {
			p.ZRemRangeByScore(ctx, index, "-inf", before)
			p.PExpire(ctx, index, s.cfg.Term)
		}
		return nil
	})
	return unavailable("noting messages", err)
}

// settle takes a message out of the indexes of states that it has left: else they
// would name all that ever were in them.
func (s *Messages) settle(ctx context.Context, p redis.Pipeliner, key string) {
	for _, st := range canon.MessageStates() {
		if !st.Final() {
			p.ZRem(ctx, s.key(indexState(st)), key)
		}
	}
}

func indexes(n canon.MessageNote) []string {
	out := []string{indexAll, indexState(n.State), indexOf("as4", n.AS4)}
	if n.Conversation != "" {
		out = append(out, indexOf("conversation", string(n.Conversation)))
	}
	if n.Exchange != "" {
		out = append(out, indexOf("exchange", string(n.Exchange)))
	}
	return out
}

// narrowest is the index with the fewest messages of which one may match.
func narrowest(f messages.Filter) string {
	switch {
	case f.AS4 != "":
		return indexOf("as4", f.AS4)
	case f.Conversation != "":
		return indexOf("conversation", string(f.Conversation))
	case f.Exchange != "":
		return indexOf("exchange", string(f.Exchange))
	case f.State != "":
		return indexState(f.State)
	}
	return indexAll
}

const sameID = 32 // messages with one MessageId that are looked at

// Get implements messages.Reader.
func (s *Messages) Get(ctx context.Context, as4 string) (*messages.Message, error) {
	keys, err := s.cfg.Client.ZRevRange(ctx, s.key(indexOf("as4", as4)), 0, sameID-1).Result()
	if err != nil {
		return nil, unavailable("looking for a message", err)
	}
	ms, err := s.read(ctx, keys)
	if err != nil {
		return nil, err
	}
	var found *messages.Message
	for i := range ms {
		if len(ms[i].Notes) > 0 && (found == nil || found.Direction != canon.MessageOut && ms[i].Direction == canon.MessageOut) {
			found = &ms[i]
		}
	}
	if found == nil {
		return nil, messages.ErrUnknown
	}
	return found, nil
}

// read folds the notes of messages; one without notes is past its term.
func (s *Messages) read(ctx context.Context, keys []string) ([]messages.Message, error) {
	lists := make([]*redis.StringSliceCmd, len(keys))
	_, err := s.cfg.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, k := range keys {
			lists[i] = p.LRange(ctx, s.notes(k), 0, -1)
		}
		return nil
	})
	if err != nil {
		return nil, unavailable("reading notes", err)
	}
	out := make([]messages.Message, len(keys))
	for i, list := range lists {
		notes := make([]canon.MessageNote, 0, len(list.Val()))
		for _, text := range list.Val() {
			var n canon.MessageNote
			if err := json.Unmarshal([]byte(text), &n); err != nil {
				return nil, fmt.Errorf("reading a note: %w", err)
			}
			notes = append(notes, n)
		}
		out[i] = messages.Fold(notes)
	}
	return out, nil
}

const (
	listLooks = 60  // at the index, for one page
	listBatch = 200 // messages of one look at most; the first ones are smaller
)

// List implements messages.Reader.
func (s *Messages) List(ctx context.Context, q messages.Query) (messages.Page, error) {
	rng := redis.ZRangeBy{Min: "-inf", Max: "+inf", Count: int64(min(q.Size()+1, listBatch))}
	if !q.Since.IsZero() {
		rng.Min = millis(q.Since)
	}
	if !q.Until.IsZero() {
		rng.Max = "(" + millis(q.Until)
	}
	var last messages.Place // looked at last; a page goes on behind it
	if q.Cursor != "" {
		var err error
		if last, err = messages.ParsePlace(q.Cursor); err != nil {
			return messages.Page{}, err
		}
		rng.Max = strconv.FormatInt(last.At, 10)
	}
	index := s.key(narrowest(q.Filter))
	begun := q.Cursor != ""
	var page messages.Page
	for range listLooks {
		zs, err := s.cfg.Client.ZRevRangeByScoreWithScores(ctx, index, &rng).Result()
		if err != nil {
			return messages.Page{}, unavailable("listing messages", err)
		}
		var places []messages.Place
		var keys []string
		for _, z := range zs {
			key, ok := z.Member.(string)
			if p := (messages.Place{At: int64(z.Score), Key: key}); ok && (!begun || last.Before(p)) {
				places, keys = append(places, p), append(keys, key)
			}
		}
		ms, err := s.read(ctx, keys)
		if err != nil {
			return messages.Page{}, err
		}
		for i, m := range ms {
			if len(m.Notes) > 0 && q.Match(m.MessageNote) {
				if len(page.Messages) == q.Size() {
					page.Next = last.String()
					return page, nil
				}
				page.Messages = append(page.Messages, m.MessageNote)
			}
			last, begun = places[i], true
		}
		if int64(len(zs)) < rng.Count {
			return page, nil
		}
		// The next look begins at the moment where this one ended, and passes over
		// those of that moment which were looked at.
		if end := strconv.FormatInt(int64(zs[len(zs)-1].Score), 10); end == rng.Max {
			rng.Offset += rng.Count
		} else {
			rng.Max, rng.Offset = end, 0
		}
		rng.Count = min(2*rng.Count, listBatch)
	}
	page.Next = last.String()
	return page, nil
}

// Ongoing implements messages.Store.
func (s *Messages) Ongoing(ctx context.Context) (messages.Ongoing, error) {
	var o messages.Ongoing
	seen := map[string]bool{} // a message stands in each state that it went through
	for _, st := range canon.MessageStates() {
		if st.Final() {
			continue
		}
		all, err := s.cfg.Client.ZRange(ctx, s.key(indexState(st)), 0, messages.MaxOngoing-1).Result()
		if err != nil {
			return o, unavailable("counting messages", err)
		}
		all = slices.DeleteFunc(all, func(key string) bool { return seen[key] })
		for keys := range slices.Chunk(all, listBatch) {
			ms, err := s.read(ctx, keys)
			if err != nil {
				return o, err
			}
			for i, m := range ms {
				seen[keys[i]] = true
				o.Add(m)
			}
		}
	}
	return o, nil
}

// Whole implements messages.Store.
func (s *Messages) Whole(ctx context.Context) (bool, error) {
	return isWhole(ctx, s.cfg.Client, s.key("whole"), s.key("recovering"))
}

// MarkLost implements messages.Store.
func (s *Messages) MarkLost(ctx context.Context) error {
	return unavailable("marking notes as lost", s.cfg.Client.Del(ctx, s.key("whole"), s.key("recovering")).Err())
}

// MarkWhole implements messages.Store.
func (s *Messages) MarkWhole(ctx context.Context) error {
	return markWhole(ctx, s.cfg.Client, s.key("whole"), s.key("recovering"))
}
