package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"oncegate/gateway/exchange"
	"oncegate/schemas/canon"
)

// ConversationsConfig says what Conversations work with.
type ConversationsConfig struct {
	Client Client       // Required.
	Prefix Prefix       // Required.
	Sealer canon.Sealer // Required. Seals the private parts.
	// Term is how long a conversation is kept after its last change. It must be
	// longer than the core's horizon, so that no timer outlives it, and than the
	// time for which pages show an exchange. Default: 120 h.
	Term time.Duration
}

// shape is the version of what is kept. A Conversation of another shape gets
// another one: the new binary then finds an empty memory and folds the log,
// instead of reading what it does not understand.
const shape = "5"

// Conversations is an exchange.Store.
//
//	<prefix>:conversation:<shape>:<id>   JSON, private part sealed
//	<prefix>:applied:<shape>:<id>        hash: cause -> the messages that followed, private parts sealed
//	<prefix>:index:<shape>:due           sorted set: id by the end of its timer
//	<prefix>:index:<shape>:changed       sorted set: id by last change
//	<prefix>:index:<shape>:whole         set once everything was restored from the log
//	<prefix>:index:<shape>:recovering    set while somebody restores
//
// A change is one MULTI under a WATCH on the conversation.
type Conversations struct {
	cfg ConversationsConfig
	records
	due, changed,
	whole, recovering string
}

var _ exchange.Store = (*Conversations)(nil)

// NewConversations checks the configuration and reports all faults at once.
func NewConversations(cfg ConversationsConfig) (*Conversations, error) {
	var faults []error
	if cfg.Client == nil {
		faults = append(faults, errors.New("conversations: Client is required"))
	}
	if cfg.Sealer == nil {
		faults = append(faults, errors.New("conversations: Sealer is required"))
	}
	faults = append(faults, cfg.Prefix.check())
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if cfg.Term <= 0 {
		cfg.Term = 120 * time.Hour
	}
	return &Conversations{
		cfg: cfg, records: records{cfg.Sealer}, due: cfg.Prefix.key("index", shape+":due"), changed: cfg.Prefix.key("index", shape+":changed"),
		whole: cfg.Prefix.key("index", shape+":whole"), recovering: cfg.Prefix.key("index", shape+":recovering"),
	}, nil
}

func (s *Conversations) state(id canon.ConversationID) string {
	return s.cfg.Prefix.key("conversation", shape+":"+string(id))
}

func (s *Conversations) applied(id canon.ConversationID) string {
	return s.cfg.Prefix.key("applied", shape+":"+string(id))
}

// maxRaces bounds how often an update yields to another writer; each time one
// of them gets through.
const maxRaces = 1000

// errPresent ends a Restore that came second.
var errPresent = errors.New("the conversation is there")

// Update implements exchange.Store.
func (s *Conversations) Update(ctx context.Context, id canon.ConversationID, cause canon.MessageID, f exchange.UpdateFunc) ([]canon.Message, error) {
	var out []canon.Message
	err := s.transact(ctx, id, func(tx *redis.Tx) error {
		var before, state *redis.StringCmd
		_, err := tx.Pipelined(ctx, func(p redis.Pipeliner) error {
			before, state = p.HGet(ctx, s.applied(id), string(cause)), p.Get(ctx, s.state(id))
			return nil
		})
		if err != nil && !errors.Is(err, redis.Nil) {
			return unavailable("reading a conversation", err)
		}
		if text, err := before.Bytes(); err == nil {
			out, err = s.openMessages(ctx, id, text)
			return err
		}
		old, err := s.open(ctx, id, state)
		if err != nil && !errors.Is(err, exchange.ErrUnknown) {
			return err
		}
		next, ms, err := f(old)
		if err != nil {
			return err
		}
		out = ms
		if next == old {
			return nil
		}
		return s.write(ctx, tx, next, []exchange.Applied{{Cause: cause, Messages: ms}})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// transact runs f until no other writer came between.
func (s *Conversations) transact(ctx context.Context, id canon.ConversationID, f func(*redis.Tx) error) error {
	for range maxRaces {
		var inner error
		err := s.cfg.Client.Watch(ctx, func(tx *redis.Tx) error {
			inner = f(tx)
			return inner
		}, s.state(id))
		switch {
		case errors.Is(err, redis.TxFailedErr):
			continue
		case err != nil && inner == nil:
			return unavailable("watching a conversation", err)
		default:
			return inner
		}
	}
	return canon.NewFault(canon.CodeMemoryUnavailable, nil, "a conversation changes too often")
}

// write stores a conversation and what was applied, all or nothing.
func (s *Conversations) write(ctx context.Context, tx *redis.Tx, c *exchange.Conversation, applied []exchange.Applied) error {
	text, err := s.seal(ctx, c)
	if err != nil {
		return err
	}
	fields := make([]any, 0, 2*len(applied))
	for _, a := range applied {
		ms, err := s.sealMessages(ctx, c.ID, a.Messages)
		if err != nil {
			return err
		}
		fields = append(fields, string(a.Cause), ms)
	}
	_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, s.state(c.ID), text, s.cfg.Term)
		if len(fields) > 0 {
			p.HSet(ctx, s.applied(c.ID), fields...)
			p.PExpire(ctx, s.applied(c.ID), s.cfg.Term)
		}
		if c.Timer == "" {
			p.ZRem(ctx, s.due, string(c.ID))
		} else {
			p.ZAdd(ctx, s.due, redis.Z{Score: float64(c.Due.UnixMilli()), Member: string(c.ID)})
			p.PExpire(ctx, s.due, s.cfg.Term)
		}
		p.ZAdd(ctx, s.changed, redis.Z{Score: float64(c.UpdatedAt.UnixMilli()), Member: string(c.ID)})
		p.ZRemRangeByScore(ctx, s.changed, "-inf", "("+millis(c.UpdatedAt.Add(-s.cfg.Term)))
		p.PExpire(ctx, s.changed, s.cfg.Term)
		return nil
	})
	if errors.Is(err, redis.TxFailedErr) {
		return err
	}
	return unavailable("writing a conversation", err)
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// Get implements exchange.Reader.
func (s *Conversations) Get(ctx context.Context, id canon.ConversationID) (*exchange.Conversation, error) {
	return s.open(ctx, id, s.cfg.Client.Get(ctx, s.state(id)))
}

// List implements exchange.Reader.
func (s *Conversations) List(ctx context.Context, limit int) ([]*exchange.Conversation, error) {
	if limit <= 0 {
		return nil, nil
	}
	ids, err := s.cfg.Client.ZRevRange(ctx, s.changed, 0, int64(limit)-1).Result()
	if err != nil {
		return nil, unavailable("listing conversations", err)
	}
	gets := make([]*redis.StringCmd, len(ids))
	_, err = s.cfg.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			gets[i] = p.Get(ctx, s.state(canon.ConversationID(id)))
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, unavailable("reading conversations", err)
	}
	var out []*exchange.Conversation
	for i, id := range ids {
		c, err := s.open(ctx, canon.ConversationID(id), gets[i])
		if errors.Is(err, exchange.ErrUnknown) {
			continue // its term ended before the index was swept
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// Due implements exchange.Store.
func (s *Conversations) Due(ctx context.Context, now time.Time, limit int) ([]canon.ConversationID, error) {
	if limit <= 0 {
		return nil, nil
	}
	var ids *redis.StringSliceCmd
	_, err := s.cfg.Client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRemRangeByScore(ctx, s.due, "-inf", "("+millis(now.Add(-s.cfg.Term))) // their conversations are gone
		ids = p.ZRangeByScore(ctx, s.due, &redis.ZRangeBy{Min: "-inf", Max: millis(now), Count: int64(limit)})
		return nil
	})
	if err != nil {
		return nil, unavailable("asking for deadlines", err)
	}
	out := make([]canon.ConversationID, len(ids.Val()))
	for i, id := range ids.Val() {
		out[i] = canon.ConversationID(id)
	}
	return out, nil
}

// Restore implements exchange.Store.
func (s *Conversations) Restore(ctx context.Context, c *exchange.Conversation, applied []exchange.Applied) error {
	err := s.transact(ctx, c.ID, func(tx *redis.Tx) error {
		n, err := tx.Exists(ctx, s.state(c.ID)).Result()
		if err != nil {
			return unavailable("looking for a conversation", err)
		}
		if n > 0 {
			return errPresent
		}
		return s.write(ctx, tx, c, applied)
	})
	if errors.Is(err, errPresent) {
		return nil
	}
	return err
}

// Whole implements exchange.Store.
func (s *Conversations) Whole(ctx context.Context) (bool, error) {
	return isWhole(ctx, s.cfg.Client, s.whole, s.recovering)
}

// MarkWhole implements exchange.Store.
func (s *Conversations) MarkWhole(ctx context.Context) error {
	return markWhole(ctx, s.cfg.Client, s.whole, s.recovering)
}

func (s *Conversations) seal(ctx context.Context, c *exchange.Conversation) ([]byte, error) {
	text, err := canon.MarshalSealed(c, s.sealer(ctx, c.ID, "conversation"))
	if err != nil {
		return nil, fmt.Errorf("sealing a conversation: %w", err)
	}
	return text, nil
}

func (s *Conversations) open(ctx context.Context, id canon.ConversationID, cmd *redis.StringCmd) (*exchange.Conversation, error) {
	text, err := cmd.Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, exchange.ErrUnknown
	}
	if err != nil {
		return nil, unavailable("reading a conversation", err)
	}
	c := new(exchange.Conversation)
	if err := canon.UnmarshalSealed(text, c, s.opener(ctx, id, "conversation")); err != nil {
		return nil, fmt.Errorf("opening a conversation: %w", err)
	}
	if c.ID != id {
		return nil, errors.New("opening a conversation: it is another one")
	}
	return c, nil
}
