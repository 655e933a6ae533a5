package redisstore_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/schemas/canon"
)

// BenchmarkUpdate changes conversations, each by its own writer, as the core's
// partitions do.
func BenchmarkUpdate(b *testing.B) {
	run := func(b *testing.B, s server) {
		p := prefix()
		store := conversations(b, s.client, p, &exchangetest.Sealer{})
		var n atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			c := exchangetest.Sample(canon.ConversationID(canon.DeriveUUID("bench", fmt.Sprint(n.Add(1)))))
			out := []canon.Message{canon.Follow(canon.Message{ID: "m", Conversation: c.ID}, "audit", c.UpdatedAt, &canon.AuditEvent{Step: "s", Room: "exchange", Outcome: "ok"})}
			for i := 0; pb.Next(); i++ {
				// As many causes as an exchange has; a repeated one is read back.
				cause := canon.MessageID(fmt.Sprint(i % 16))
				if _, err := store.Update(b.Context(), c.ID, cause, func(*exchange.Conversation) (*exchange.Conversation, []canon.Message, error) {
					return c, out, nil
				}); err != nil {
					b.Error(err)
					return
				}
				if i%16 == 15 {
					s.client.Del(b.Context(), string(p)+":applied:1:"+string(c.ID))
				}
			}
		})
		b.StopTimer()
		for _, k := range s.client.Keys(b.Context(), string(p)+":*").Val() {
			s.client.Del(b.Context(), k)
		}
	}
	b.Run("embedded", func(b *testing.B) { run(b, embedded(b)) })
	b.Run("real", func(b *testing.B) {
		address := os.Getenv("ONCEGATE_TEST_REDIS")
		if address == "" {
			b.Skip("no real Redis: set ONCEGATE_TEST_REDIS=host:port")
		}
		run(b, server{client: open(b, address)})
	})
}
