package node

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oncegate/connectors/edelivery"
	"oncegate/connectors/edelivery/ebms"
	"oncegate/connectors/edelivery/swa"
	"oncegate/connectors/regrep"
	"oncegate/gateway/kafkalog"
	"oncegate/gateway/redisstore"
	"oncegate/schemas/canon"
)

// buildEDelivery makes the access point.
func (n *Node) buildEDelivery(ctx context.Context) error {
	if !n.cfg.Has(RoleEDelivery) {
		return nil
	}
	store, err := RevocationStore(n.log, n.cfg.EDelivery.Revocation.Private)
	if err != nil {
		return err
	}
	live, watch, err := n.livePModes(ctx, store)
	if err != nil {
		return err
	}
	n.pmodes = live
	n.work = append(n.work, watch)
	lists, err := n.cfg.Lists()
	if err != nil {
		return err
	}
	codec, err := regrep.New(regrep.Config{Reporter: n.cfg.Authority.agent(), ContentDomain: live.Table().Own().Domain, Lists: lists})
	if err != nil {
		return err
	}
	once, err := redisstore.NewOnce(redisstore.OnceConfig{Client: n.redis, Prefix: n.prefix(), Room: "delivery"})
	if err != nil {
		return err
	}
	anchors, err := n.cfg.pool(n.cfg.EDelivery.CA)
	if err != nil {
		return err
	}
	messages := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gateway_as4_message_duration_seconds", Help: "Work on one AS4 message, by direction, outcome and ebMS error.",
		Buckets: prometheus.ExponentialBuckets(0.001, 3, 10),
	}, []string{"direction", "outcome", "code"})
	if err := n.reg.Register(messages); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	record, err := n.recorder()
	if err != nil {
		return err
	}
	journal, err := n.journal()
	if err != nil {
		return err
	}
	n.work = append(n.work, n.keepMessages)
	shelf, err := n.shelf()
	if err != nil {
		return err
	}
	waiting, err := n.ongoing(shelf, live)
	if err != nil {
		return err
	}
	n.work = append(n.work, waiting.watch)
	conf := edelivery.Config{
		PModes: live, Codec: codec, Payloads: n.vault, Publish: n.publish(RoleEDelivery), Remembered: once, Logger: n.log,
		Taken: n.written, Shelf: shelf, Unsent: n.unsent, Journal: journal, Recorder: record, Retention: n.cfg.Retention.messageIDs(), Limits: swa.Limits{TempDir: n.cfg.path(n.cfg.Payloads.Temp)},
		HTTP: edelivery.Client(edelivery.ClientTLS(anchors, nil)), Deadline: time.Duration(n.cfg.EDelivery.Deadline), Concurrent: n.cfg.EDelivery.Concurrent, PerClient: n.cfg.EDelivery.PerClient,
		Observe: func(o edelivery.Observation) {
			direction := "out"
			if o.Inbound {
				direction = "in"
			}
			messages.WithLabelValues(direction, o.Outcome, known(o.Code)).Observe(o.Duration.Seconds())
		},
	}
	if file := n.cfg.EDelivery.Discovery; file != "" {
		if conf.Discovery, err = newDiscovery(ctx, n.cfg.path(file), live, store, n.log); err != nil {
			return fmt.Errorf("edelivery.discovery: %w", err)
		}
	}
	sender, err := edelivery.NewSender(conf)
	if err != nil {
		return err
	}
	receiver, err := edelivery.NewReceiver(conf)
	if err != nil {
		return err
	}
	puller, err := edelivery.NewPuller(conf)
	if err != nil {
		return err
	}
	n.work = append(n.work, sender.Tend, puller.Run)
	n.handlers = append(n.handlers, consumer{RoleEDelivery, []canon.Kind{
		canon.KindEvidenceRequest, canon.KindPreviewRequired, canon.KindEvidenceResponse, canon.KindEvidenceRefusal,
	}, sender.Handle})
	path := n.cfg.EDelivery.Path
	if path == "" {
		path = "/as4"
	}
	mux := http.NewServeMux()
	mux.Handle(path, receiver)
	tlsConf, err := n.as4TLS(func() bool { return live.Table().AsksClients() })
	if err != nil {
		return err
	}
	return n.open(RoleEDelivery, n.cfg.EDelivery.Listen, tlsConf, mux)
}

// written reports whether the log has the message (edelivery.Config). It needs no
// key, and reads one partition of one topic from since on.
func (n *Node) written(ctx context.Context, m canon.Message, since time.Time) (found bool, err error) {
	at := kafkalog.Range{Topic: kafkalog.TopicOf(m.Kind), Conversation: m.Conversation, FromTime: since}
	err = n.cluster.Scan(ctx, at, func(r kafkalog.Record) error {
		got, err := n.codec.Decode(ctx, &r)
		switch {
		case err != nil && canon.AsFault(err).Kind == canon.Invalid:
			return nil // it lies in the dead letters
		case err != nil:
			return err
		case got.ID == m.ID:
			found = true
			return kafkalog.ErrStop
		}
		return nil
	})
	return found, err
}

// known keeps the codes that a peer makes up out of the labels.
func known(code string) string {
	if code == "" || slices.Contains(ebms.Codes(), ebms.Code(code)) {
		return code
	}
	return "other"
}
