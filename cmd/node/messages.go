package node

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oncegate/connectors/regrep"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/messages"
	"oncegate/gateway/redisstore"
	"oncegate/schemas/canon"
)

// buildMessages opens the message log of the access point and the desk where an
// operator has messages sent again.
func (n *Node) buildMessages(context.Context) error {
	var err error
	if n.messages, err = redisstore.NewMessages(redisstore.MessagesConfig{Client: n.redis, Prefix: n.prefix(), Term: n.cfg.Retention.messages()}); err != nil {
		return err
	}
	log := kafkalog.NewReplayLog(n.cluster, n.producer)
	n.desk, err = messages.NewDesk(messages.DeskConfig{
		Store: n.messages, Source: log, Sink: log, Publish: n.writer.Publish, Forgotten: n.keyring.Forgotten, Logger: n.log,
	})
	return err
}

// Messages is the message log of the access point.
func (n *Node) Messages() messages.Reader { return n.messages }

// Resend has a failed message sent again (messages.Desk).
func (n *Node) Resend(ctx context.Context, o messages.Order) (canon.MessageNote, error) {
	return n.desk.Resend(ctx, o)
}

// journal takes the notes of the access point until the node is closed, which is
// after its last message.
func (n *Node) journal() (*messages.Journal, error) {
	states := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gateway_as4_message_states_total", Help: "States that AS4 messages came to, by direction and state.",
	}, []string{"direction", "state"})
	lost := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gateway_as4_notes_lost_total", Help: "States of AS4 messages that the message log did not keep.",
	})
	for _, m := range []prometheus.Collector{states, lost} {
		if err := n.reg.Register(m); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	// Alerts look at increases: what never happened must be there as zero.
	for _, s := range canon.MessageStates() {
		direction := canon.MessageOut
		if s == canon.MessageReceived {
			direction = canon.MessageIn
		}
		states.WithLabelValues(string(direction), string(s))
	}
	j, err := messages.NewJournal(messages.JournalConfig{
		Store: n.messages, Logger: n.log, Lost: func(c int) { lost.Add(float64(c)) },
		Observe: func(m canon.MessageNote) { states.WithLabelValues(string(m.Direction), string(m.State)).Inc() },
	})
	if err != nil {
		return nil, err
	}
	n.background(j.Run)
	return j, nil
}

const recoverMessagesEvery = time.Minute

// recent is how far back the log is read at each start: the notes that a process
// held when it died.
const recent = time.Hour

// keepMessages notes again what the log tells: the last hour at the start, and all of
// it whenever notes were lost.
func (n *Node) keepMessages(ctx context.Context) error {
	if _, err := n.readMessages(ctx, time.Now().Add(-recent), messages.Refresh); err != nil && ctx.Err() == nil {
		n.log.Warn("reading recent messages back from the log", "error", err)
	}
	tick := time.NewTicker(recoverMessagesEvery)
	defer tick.Stop()
	for {
		if noted, err := n.recoverMessages(ctx); err != nil && ctx.Err() == nil {
			n.log.Warn("rebuilding the message log", "error", err) // the next look tries again
		} else if noted > 0 {
			n.log.Info("message log rebuilt from the log", "notes", noted)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (n *Node) recoverMessages(ctx context.Context) (int, error) {
	return n.readMessages(ctx, time.Now().Add(-n.cfg.Retention.messages()), messages.Recover)
}

func (n *Node) readMessages(ctx context.Context, since time.Time, read func(context.Context, messages.Store, messages.History, map[canon.Kind]string) (int, error)) (int, error) {
	// The open part is enough; no key is asked for.
	open, err := kafkalog.NewCodec(kafkalog.CodecConfig{Source: "/" + n.cfg.Name})
	if err != nil {
		return 0, err
	}
	history := func(ctx context.Context) iter.Seq2[canon.Message, error] {
		return func(yield func(canon.Message, error) bool) {
			for _, k := range []canon.Kind{
				canon.KindEvidenceRequest, canon.KindPreviewRequired, canon.KindEvidenceResponse, canon.KindEvidenceRefusal, canon.KindDeliveryReceipt,
			} {
				on := true
				err := n.cluster.Scan(ctx, kafkalog.Range{Topic: kafkalog.TopicOf(k), FromTime: since}, func(r kafkalog.Record) error {
					m, err := open.Decode(ctx, &r)
					if err != nil {
						return nil // it lies in the dead letters, and tells nothing
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
	return read(ctx, n.messages, history, map[canon.Kind]string{
		canon.KindEvidenceRequest: regrep.ActionRequest, canon.KindEvidenceResponse: regrep.ActionResponse,
		canon.KindPreviewRequired: regrep.ActionException, canon.KindEvidenceRefusal: regrep.ActionException,
	})
}
