package node

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"oncegate/connectors/edelivery/pmode"
	"oncegate/gateway/redisstore"
	"oncegate/schemas/canon"
)

// ongoingEvery is how often it is counted what has not ended: what a scrape shows is
// at most that old, and costs the store nothing.
const ongoingEvery = 30 * time.Second

// ongoing exports what waits: messages without a final state, and shelves.
type ongoing struct {
	n      *Node
	shelf  *redisstore.Shelf
	source pmode.Source
	states *prometheus.GaugeVec
	oldest prometheus.Gauge
	depth  *prometheus.GaugeVec
	age    *prometheus.GaugeVec
}

func (n *Node) ongoing(shelf *redisstore.Shelf, source pmode.Source) (*ongoing, error) {
	o := &ongoing{
		n: n, shelf: shelf, source: source,
		states: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_as4_ongoing_messages", Help: "Messages of ours that have not ended, by state: of each at most 1000 are counted.",
		}, []string{"state"}),
		oldest: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_as4_ongoing_oldest_seconds", Help: "Age of the oldest message of ours that has not ended; 0 without one.",
		}),
		depth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_as4_shelf_messages", Help: "Messages that wait for a partner that fetches them, by partition.",
		}, []string{"partition"}),
		age: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_as4_shelf_oldest_seconds", Help: "Age of the oldest message that waits to be fetched, by partition; 0 without one.",
		}, []string{"partition"}),
	}
	for _, m := range []prometheus.Collector{o.states, o.oldest, o.depth, o.age} {
		if err := n.reg.Register(m); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return o, nil
}

// watch counts until ctx is done.
func (o *ongoing) watch(ctx context.Context) error {
	tick := time.NewTicker(ongoingEvery)
	defer tick.Stop()
	for {
		if err := o.count(ctx, time.Now()); err != nil && ctx.Err() == nil {
			o.n.log.WarnContext(ctx, "counting messages that have not ended", "error", err) // the next look tries again
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (o *ongoing) count(ctx context.Context, now time.Time) error {
	got, err := o.n.messages.Ongoing(ctx)
	if err != nil {
		return err
	}
	for _, s := range canon.MessageStates() {
		if !s.Final() {
			o.states.WithLabelValues(string(s)).Set(float64(got.States[s]))
		}
	}
	o.oldest.Set(ageOf(got.Oldest, now))
	o.depth.Reset() // agreements come and go
	o.age.Reset()
	for _, p := range o.source.Table().Partners() {
		if p.MEP != pmode.Pull {
			continue
		}
		count, oldest, err := o.shelf.Depth(ctx, p.MPC)
		if err != nil {
			return err
		}
		o.depth.WithLabelValues(p.MPC).Set(float64(count))
		o.age.WithLabelValues(p.MPC).Set(ageOf(oldest, now))
	}
	return nil
}

func ageOf(t, now time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return max(now.Sub(t).Seconds(), 0)
}
