package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"oncegate/gateway/kafkalog"
	"oncegate/gateway/redisstore"
	"oncegate/schemas/canon"
)

// requestMemory is how far back the log is read for the ids of requests: twelve
// months (TDD 4.4, IR 2022/1463 Art. 17(4)), with a month for the audit topic's own
// term.
const requestMemory = 400 * 24 * time.Hour

// requestIDs is the memory of the ids of requests that other Member States used.
func (n *Node) requestIDs() (*redisstore.RequestIDs, error) {
	return redisstore.NewRequestIDs(redisstore.RequestIDsConfig{
		Client: n.redis, Prefix: n.prefix(), Term: requestMemory,
		Recall: func(ctx context.Context, tell func(canon.RequestID, canon.MessageID) error) error {
			return n.usedRequests(ctx, time.Now().Add(-requestMemory), tell)
		},
	})
}

// usedRequests tells which message used which id first, as the audit topic has it:
// every request leaves an entry there that names its id. One that was refused
// because its id was used before did not use it first.
func (n *Node) usedRequests(ctx context.Context, since time.Time, tell func(canon.RequestID, canon.MessageID) error) error {
	err := n.cluster.Scan(ctx, kafkalog.Range{Topic: kafkalog.TopicOf(canon.KindAudit), FromTime: since}, func(r kafkalog.Record) error {
		m, err := n.codec.Decode(ctx, &r)
		if err != nil {
			if canon.AsFault(err).Kind == canon.Invalid {
				return nil // the trail says so
			}
			return err
		}
		e, ok := m.Body.(*canon.AuditEvent)
		if !ok || e.Request == "" || m.Cause == "" || e.Code == canon.CodeRequestReused {
			return nil
		}
		return tell(canon.RequestID(strings.ToLower(string(e.Request))), m.Cause) // as the core claims it
	})
	if err != nil {
		return fmt.Errorf("reading the audit topic: %w", err)
	}
	return nil
}
