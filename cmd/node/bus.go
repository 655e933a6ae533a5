package node

import (
	"context"
	"fmt"
	"time"

	"oncegate/connectors/register"
	"oncegate/gateway/kafkalog"
)

// bus lets registers be asked over topics; the two wings do not know each other.
type bus struct{ requester *kafkalog.Requester }

var _ register.Bus = bus{}

// Ask implements register.Bus.
func (b bus) Ask(ctx context.Context, r register.BusRequest) (register.BusReply, error) {
	got, err := b.requester.Ask(ctx, kafkalog.Request{Topic: r.Topic, Replies: r.Replies, ID: r.ID, Since: r.Since, Media: r.Media, Body: r.Body})
	return register.BusReply{Media: got.Media, Body: got.Body}, err
}

// busClose is how long the last question may take to leave.
const busClose = 5 * time.Second

// newBus makes the bus; it connects when a register is asked.
func (n *Node) newBus() (register.Bus, error) {
	r, err := kafkalog.NewRequester(n.cluster, kafkalog.RequesterConfig{})
	if err != nil {
		return nil, fmt.Errorf("registers: %w", err)
	}
	n.closers = append(n.closers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), busClose)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			n.log.Warn("questions to registers were not ended", "error", err)
		}
	})
	return bus{r}, nil
}
