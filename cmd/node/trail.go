package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"oncegate/gateway/audit"
	"oncegate/gateway/kafkalog"
	"oncegate/schemas/canon"
)

// AuditConfig says where the legal record is kept beside the log. One process of
// a deployment keeps it.
type AuditConfig struct {
	Dir  string   `yaml:"dir"`  // Default: the audit topic only
	Term Duration `yaml:"term"` // how long entries are kept. Default: 8808h, twelve months and a day
}

const (
	trailPoll   = time.Second
	trailForget = 24 * time.Hour
	trailBatch  = 500
)

// OpenTrail opens the legal record on disk to read it, beside the process that
// keeps it.
func (c *Config) OpenTrail() (*audit.Trail, error) {
	if c.Audit.Dir == "" {
		return nil, errors.New("audit.dir is not configured")
	}
	return audit.Open(audit.Config{Dir: c.path(c.Audit.Dir), ReadOnly: true})
}

// buildTrail keeps the legal record: it follows the audit topic from where the
// record ends, and forgets at term. The record is its own checkpoint, so nothing
// is entered twice or left out.
func (n *Node) buildTrail(context.Context) error {
	if n.cfg.Audit.Dir == "" || !n.cfg.Has(RoleCore) {
		return nil
	}
	trail, err := audit.Open(audit.Config{Dir: n.cfg.path(n.cfg.Audit.Dir), Term: time.Duration(n.cfg.Audit.Term)})
	if err != nil {
		return err
	}
	n.closers = append(n.closers, func() {
		if err := trail.Close(); err != nil {
			n.log.Error("closing the audit trail", "error", err)
		}
	})
	n.work = append(n.work, func(ctx context.Context) error {
		poll, term := time.NewTicker(trailPoll), time.NewTicker(trailForget)
		defer poll.Stop()
		defer term.Stop()
		for {
			if err := n.enter(ctx, trail); err != nil && ctx.Err() == nil {
				n.log.Error("keeping the audit trail", "error", err) // the log has it; the next look tries again
			}
			select {
			case <-ctx.Done():
				return nil
			case <-poll.C:
			case <-term.C:
				if dropped, err := trail.Forget(ctx); err != nil {
					n.log.Error("forgetting audit entries at term", "error", err)
				} else if dropped > 0 {
					n.log.Info("audit entries forgotten at term", "entries", dropped)
				}
			}
		}
	})
	return nil
}

// enter appends what came on the audit topic since the trail's heads.
func (n *Node) enter(ctx context.Context, trail *audit.Trail) error {
	from := map[int]int64{}
	for _, h := range trail.Heads() {
		from[h.Partition] = h.Offset + 1
	}
	for p := range n.cluster.Partitions() {
		var batch []audit.Record
		flush := func() error {
			if len(batch) == 0 {
				return nil
			}
			err := trail.Append(ctx, batch...)
			batch = batch[:0]
			return err
		}
		err := n.cluster.Scan(ctx, kafkalog.Range{Topic: kafkalog.TopicOf(canon.KindAudit), Partitions: []int{p}, FromOffset: from[p]}, func(r kafkalog.Record) error {
			m, err := n.codec.Decode(ctx, &r)
			if err != nil {
				if canon.AsFault(err).Kind == canon.Invalid {
					n.log.Error("record on the audit topic is no audit event", "record", r.Position().String(), "error", err)
					return nil
				}
				return err
			}
			if batch = append(batch, audit.Record{Partition: r.Partition, Offset: r.Offset, Message: m}); len(batch) >= trailBatch {
				return flush()
			}
			return nil
		})
		if err := errors.Join(err, flush()); err != nil {
			return fmt.Errorf("partition %d: %w", p, err)
		}
	}
	return nil
}
