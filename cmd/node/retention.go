package node

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"oncegate/schemas/canon"
)

// RetentionConfig says how long what an exchange brought is kept at most. What
// is over earlier is forgotten at once.
type RetentionConfig struct {
	// Delivered evidence waits so long for the portal to say that it has it, an
	// answer of ours so long for the peer's receipt. Default: 72h; at most 720h.
	Delivered Duration `yaml:"delivered"`
	// Messages is how long the message log of the access point says where a message
	// stands. It holds no evidence and no person. Default: 336h; 1h to 8808h.
	Messages Duration `yaml:"messages"`
	// MessageIDs is how long the id of a message that came is remembered, so that it
	// is taken once. Older messages are refused. Default: 336h; 1h to 8808h.
	MessageIDs Duration `yaml:"message_ids"`
}

const (
	defaultRetention = 72 * time.Hour
	maxRetention     = 30 * 24 * time.Hour

	defaultMessages = 14 * 24 * time.Hour
	maxMessages     = 367 * 24 * time.Hour
)

func (r RetentionConfig) delivered() time.Duration {
	if r.Delivered == 0 {
		return defaultRetention
	}
	return time.Duration(r.Delivered)
}

func (r RetentionConfig) messages() time.Duration {
	return cmp.Or(time.Duration(r.Messages), defaultMessages)
}

func (r RetentionConfig) messageIDs() time.Duration {
	return cmp.Or(time.Duration(r.MessageIDs), defaultMessages)
}

// The log and the memory outlive the longest exchange: three timers and the
// retention, with a day for what stood still meanwhile.
const (
	horizonMargin = 24 * time.Hour // how much further back the log is read
	memoryMargin  = 48 * time.Hour // how much longer the memory keeps a conversation
)

func (c *Config) validateRetention(bad func(string, string, ...any)) {
	d, log := c.Retention.delivered(), time.Duration(c.Kafka.Retention)
	if d < 0 || d > maxRetention {
		bad("retention.delivered", "%v: want up to %v (Reg. 2018/1724 Art. 14(3)(i))", d, maxRetention)
	}
	for place, d := range map[string]time.Duration{"retention.messages": c.Retention.messages(), "retention.message_ids": c.Retention.messageIDs()} {
		if d < time.Hour || d > maxMessages {
			bad(place, "%v: want 1h to %v", d, maxMessages)
		}
	}
	if log != 0 && d+horizonMargin > log {
		bad("retention.delivered", "%v: the log keeps what it stands on for kafka.retention %v alone; want a day less", d, log)
	}
}

const (
	sweepEvery = time.Hour
	sweepBatch = 1000
)

// sweep forgets keys that outlived every exchange: of an answer to an exchange
// that is not ours, of a message that ended in the dead letters. No conversation
// came of them, so no timer ends them (Reg. 2018/1724 Art. 14(3)(i)).
func (n *Node) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if _, err := n.forgetOlder(ctx, time.Now().Add(-n.cfg.Retention.delivered()-horizonMargin)); err != nil && ctx.Err() == nil {
			n.log.Error("forgetting keys that outlived their exchange", "error", err) // the next look tries again
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (n *Node) forgetOlder(ctx context.Context, before time.Time) (forgotten int, err error) {
	publish := n.publish(RoleCore)
	for {
		ids := n.keys.Older(before, sweepBatch)
		for _, id := range ids {
			// Recorded first: who dies in between does both again, and the record has
			// the same id.
			err := publish(ctx, canon.Message{
				ID: canon.Derive(canon.MessageID(id), "swept"), Kind: canon.KindAudit, Conversation: id, At: time.Now().UTC(),
				Body: &canon.AuditEvent{Step: "exchange.forgotten", Room: "node", Outcome: "ok", Reason: "its key outlived every exchange"},
			})
			if err != nil {
				return forgotten, fmt.Errorf("recording that %s is forgotten: %w", id, err)
			}
			if err := n.vault.Forget(ctx, id); err != nil {
				return forgotten, fmt.Errorf("forgetting %s: %w", id, err)
			}
			forgotten++
		}
		if len(ids) < sweepBatch {
			return forgotten, nil
		}
	}
}
