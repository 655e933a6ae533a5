package node

import (
	"context"
	"fmt"
	"iter"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/redisstore"
	"oncegate/schemas/canon"
)

// coreKinds are the topics the core reads.
func coreKinds() []canon.Kind {
	return []canon.Kind{
		canon.KindEvidenceRequest, canon.KindPreviewRequired, canon.KindEvidenceResponse, canon.KindEvidenceRefusal,
		canon.KindPreviewOpened, canon.KindRegisterRecord, canon.KindConsentDecision, canon.KindWithdrawal, canon.KindDeliveryReceipt, canon.KindDeadline,
	}
}

// buildCore makes the core. The pages read conversations through it too, so that
// a lost memory is folded again from the log for them as well.
func (n *Node) buildCore(ctx context.Context) error {
	if !n.cfg.Has(RoleCore) && !n.cfg.Has(RoleWeb) {
		return nil
	}
	routes, policy, err := n.cfg.loadRoutes(n.agreed)
	if err != nil {
		return err
	}
	n.routes = routes
	if err := n.followRoutes(ctx); err != nil {
		return err
	}
	requests, err := n.requestIDs()
	if err != nil {
		return err
	}
	if routes.Country() != n.cfg.Country {
		return fmt.Errorf("routes are of country %s, the configuration of %s", routes.Country(), n.cfg.Country)
	}
	tickets, err := n.tickets()
	if err != nil {
		return err
	}
	keep := n.cfg.Retention.delivered()
	store, err := redisstore.NewConversations(redisstore.ConversationsConfig{Client: n.redis, Prefix: n.prefix(), Sealer: n.keyring, Term: keep + memoryMargin})
	if err != nil {
		return err
	}
	t := n.cfg.Timeouts
	n.core, err = exchange.New(exchange.Config{
		Store: store, Routes: routes, Tickets: tickets, Policy: policy, History: n.History, Requests: requests,
		Timeouts: exchange.Timeouts{
			AskT1: time.Duration(t.AskT1), AskT2: time.Duration(t.AskT2), AskT3: time.Duration(t.AskT3),
			ProvideT2: time.Duration(t.ProvideT2), ProvideT3: time.Duration(t.ProvideT3), Keep: keep,
		},
		Horizon: keep + horizonMargin,
		Poll:    time.Duration(t.Poll),
		OnFinal: func(ctx context.Context, c *exchange.Conversation) error {
			if !c.Spent() {
				return nil // evidence waits for a portal of ours, which says when it is done, or for its term
			}
			return n.vault.Forget(ctx, c.ID)
		},
		Logger: n.log,
	})
	if err != nil {
		return err
	}
	if n.cfg.Has(RoleCore) {
		n.handlers = append(n.handlers, consumer{RoleCore, coreKinds(), n.core.Handle})
		n.work = append(n.work, func(ctx context.Context) error { return n.core.Deadlines(ctx, n.publish(RoleCore)) })
		n.work = append(n.work, n.sweep)
	}
	return nil
}

// History reads back what was said in one conversation, or in all (exchange.History).
func (n *Node) History(ctx context.Context, since time.Time, id canon.ConversationID) iter.Seq2[canon.Message, error] {
	return func(yield func(canon.Message, error) bool) {
		for _, k := range append(coreKinds(), canon.KindRegisterQuery, canon.KindExchangeNotice) {
			on := true
			err := n.cluster.Scan(ctx, kafkalog.Range{Topic: kafkalog.TopicOf(k), FromTime: since, Conversation: id}, func(r kafkalog.Record) error {
				m, err := n.codec.Decode(ctx, &r)
				if f := (*canon.Fault)(nil); err != nil {
					if f = canon.AsFault(err); f.Kind == canon.Invalid {
						return nil // it lies in the dead letters
					}
					return err
				}
				if on = yield(m, nil); !on {
					return kafkalog.ErrStop
				}
				return nil
			})
			if err != nil {
				yield(canon.Message{}, fmt.Errorf("reading %s: %w", k, err))
				return
			}
			if !on {
				return
			}
		}
	}
}
