package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/replay"
	"oncegate/schemas/canon"
)

// Cluster is the log, for tools that list and read topics.
func (n *Node) Cluster() *kafkalog.Cluster { return n.cluster }

// Codec reads the canonical messages of the log.
func (n *Node) Codec() *kafkalog.Codec { return n.codec }

// Payloads opens what messages refer to, while its key is there.
func (n *Node) Payloads() canon.Payloads { return n.vault }

// Exchanges reads conversations.
func (n *Node) Exchanges() exchange.Reader { return n.core }

// Recover folds the log into an empty memory: exchanges (exchange.Core) and the
// message log.
func (n *Node) Recover(ctx context.Context) error {
	_, err := n.recoverMessages(ctx)
	return errors.Join(n.core.Recover(ctx), err)
}

// Replayer plans and runs replays and looks after dead letters. Progress of runs
// is kept in dir.
func (n *Node) Replayer(dir string) (*replay.Replayer, error) {
	log := kafkalog.NewReplayLog(n.cluster, n.producer)
	return replay.New(replay.Config{
		Source: log, Sink: log, Forgotten: n.keyring.Forgotten, Checkpoints: replay.FileCheckpoints{Dir: filepath.Join(dir, n.cfg.Name)},
		Audit: func(ctx context.Context, e canon.AuditEvent) error {
			at := time.Now().UTC()
			// An operator's act belongs to no exchange: it gets a conversation of its own.
			id := canon.DeriveUUID("operator", n.cfg.Name, e.Step, e.Reason, at.Format(time.RFC3339Nano))
			return n.writer.Publish(ctx, canon.Message{
				ID: canon.Derive(canon.MessageID(id), e.Step), Kind: canon.KindAudit,
				Conversation: canon.ConversationID(id), At: at, Body: &e,
			})
		},
		Logger: n.log,
	})
}

// Find returns the conversation that an identifier of any kind belongs to: its
// own, its exchange id, an AS4 message id, a message id, or topic/partition/offset.
func (n *Node) Find(ctx context.Context, id string) (canon.ConversationID, error) {
	if at, err := kafkalog.ParsePosition(id); err == nil {
		r, err := n.cluster.At(ctx, at)
		if err != nil {
			return "", fmt.Errorf("reading %s: %w", at, err)
		}
		return canon.ConversationID(r.Key), nil
	}
	if canon.ValidUUID(id) {
		if c, err := n.core.Get(ctx, canon.ConversationID(id)); err == nil {
			return c.ID, nil
		}
	}
	// Not a name we keep an index of: look through the log, newest kinds first.
	var found canon.ConversationID
	for _, k := range canon.Kinds() {
		err := n.cluster.Scan(ctx, kafkalog.Range{Topic: kafkalog.TopicOf(k)}, func(r kafkalog.Record) error {
			m, err := n.codec.Decode(ctx, &r)
			if err != nil {
				return nil // what cannot be read names nothing
			}
			if names(m, id) {
				found = m.Conversation
				return kafkalog.ErrStop
			}
			return nil
		})
		if err != nil {
			return "", fmt.Errorf("looking for the exchange: %w", err)
		}
		if found != "" {
			return found, nil
		}
	}
	return "", canon.NewFault(canon.CodeUnknownExchange, nil, "nothing on the log is called %q", id)
}

// names reports whether the message carries the identifier.
func names(m canon.Message, id string) bool {
	if string(m.ID) == id || string(m.Conversation) == id {
		return true
	}
	if e := canon.EnvelopeOf(m.Body); e != nil && (string(e.Exchange) == id || string(e.Session) == id || e.AS4 == id) {
		return true
	}
	switch b := m.Body.(type) {
	case *canon.DeliveryReceipt:
		return b.AS4 == id
	case *canon.AuditEvent:
		return b.AS4 == id || string(b.Exchange) == id
	}
	return false
}

// Check reports every fault of the configuration and of the files it names. It
// opens no socket.
func (c *Config) Check(embedded bool) error {
	errs := []error{c.Validate(embedded || c.Embedded.Data != "")}
	if errs[0] != nil {
		return errs[0] // the files below would repeat it
	}
	for _, k := range c.Keys.Wrap {
		_, err := c.keyFile(k.File)
		errs = append(errs, err)
	}
	if c.Has(RoleCore) || c.Has(RoleWeb) {
		_, err := c.keyFile(c.Keys.Ticket)
		routes, _, err2 := c.loadRoutes(nil)
		errs = append(errs, err, err2)
		if err2 == nil && c.Has(RoleRegisters) {
			for _, name := range routes.Registers() {
				if _, ok := c.Registers[name]; !ok {
					// Queries to it would wait, and others behind them.
					errs = append(errs, fmt.Errorf("routes lead to register %s, which is not configured under registers", name))
				}
			}
		}
	}
	if c.Has(RoleEDelivery) {
		table, err := c.loadPModes()
		errs = append(errs, err)
		if err == nil && table.AsksClients() && c.EDelivery.ClientAuth == clientsNone {
			errs = append(errs, errors.New("edelivery.client_auth: none, but a P-Mode names TLS clients: leave it out, or say request"))
		}
		if err == nil && c.EDelivery.Discovery != "" {
			_, err := c.Discovery(context.Background(), "", slog.New(slog.DiscardHandler))
			errs = append(errs, err)
		}
	}
	if c.Has(RoleRegisters) {
		defs, err := c.Definitions()
		errs = append(errs, err)
		for _, name := range slices.Sorted(maps.Keys(c.Registers)) {
			def, ok := defs[name]
			switch {
			case err != nil: // told above
			case !ok:
				errs = append(errs, fmt.Errorf("registers.%s: there is no such register", name))
			default: // a reload would refuse it
				if err := def.Proved(); err != nil {
					errs = append(errs, fmt.Errorf("registers.%s: %w", name, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// Forget empties the memory, as if Redis had lost it: all at once, for a memory
// that lost only some of it does not know that. The log tells it again.
func (n *Node) Forget(ctx context.Context) error {
	var keys []string
	iter := n.redis.Scan(ctx, 0, string(n.prefix())+":*", 1000).Iterator()
	for iter.Next(ctx) {
		keys = append(keys, iter.Val())
	}
	err := iter.Err()
	if err == nil && len(keys) > 0 {
		err = n.redis.Del(ctx, keys...).Err()
	}
	if err != nil {
		return fmt.Errorf("emptying the memory: %w", err)
	}
	return nil
}
