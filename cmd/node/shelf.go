package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"

	"oncegate/gateway/kafkalog"
	"oncegate/gateway/redisstore"
	"oncegate/schemas/canon"
)

// shelf is where messages wait for partners that fetch them.
func (n *Node) shelf() (*redisstore.Shelf, error) {
	return redisstore.NewShelf(redisstore.ShelfConfig{Client: n.redis, Prefix: n.prefix(), Sealer: n.keyring})
}

// Unsent counts the messages to other access points whose outcome is not on the log.
func (n *Node) Unsent(ctx context.Context) (count int, err error) {
	err = n.unsent(ctx, func(canon.Message) error { count++; return nil })
	return count, err
}

// unsent yields the messages to other access points of the last term of which the log
// has no delivery (edelivery.Config): a shelf that was lost is filled with them.
func (n *Node) unsent(ctx context.Context, yield func(canon.Message) error) error {
	since := time.Now().Add(-n.cfg.Retention.messageIDs())
	read := func(k canon.Kind, f func(canon.Message) error) error {
		return n.cluster.Scan(ctx, kafkalog.Range{Topic: kafkalog.TopicOf(k), FromTime: since}, func(r kafkalog.Record) error {
			m, err := n.codec.Decode(ctx, &r)
			switch {
			case err != nil && canon.AsFault(err).Kind == canon.Invalid:
				return nil // it lies in the dead letters
			case err != nil:
				return err
			}
			return f(m)
		})
	}
	// Of many messages: 16 bytes of a digest for each.
	series := func(id canon.MessageID, n int) (key [16]byte) {
		sum := sha256.Sum256([]byte(string(id) + " " + strconv.Itoa(n)))
		copy(key[:], sum[:])
		return key
	}
	delivered := map[[16]byte]bool{}
	err := read(canon.KindDeliveryReceipt, func(m canon.Message) error {
		if d, ok := m.Body.(*canon.DeliveryReceipt); ok {
			delivered[series(d.Of, d.Series)] = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading what was delivered: %w", err)
	}
	for _, k := range []canon.Kind{canon.KindEvidenceRequest, canon.KindPreviewRequired, canon.KindEvidenceResponse, canon.KindEvidenceRefusal} {
		err := read(k, func(m canon.Message) error {
			env := canon.EnvelopeOf(m.Body)
			if env == nil || env.Leg != canon.LegOut || delivered[series(m.ID, m.Series)] {
				return nil
			}
			return yield(m)
		})
		if err != nil {
			return fmt.Errorf("reading what was to be sent: %w", err)
		}
	}
	return nil
}
