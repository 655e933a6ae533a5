package node

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"oncegate/connectors/edelivery/edeliverytest"
	"oncegate/gateway/redisstore"
)

// TestOnceRemembersForTheAccessPoint runs the access point's battery on the memory
// in Redis: the two wings meet only here.
func TestOnceRemembersForTheAccessPoint(t *testing.T) {
	var n atomic.Int32
	edeliverytest.Run(t, func(t *testing.T) (edeliverytest.Remembered, func(time.Duration)) {
		server := miniredis.RunT(t)
		client := redis.NewClient(&redis.Options{Addr: server.Addr()})
		t.Cleanup(func() { client.Close() })
		once, err := redisstore.NewOnce(redisstore.OnceConfig{Client: client, Prefix: redisstore.Prefix(fmt.Sprintf("t%d", n.Add(1))), Room: "delivery"})
		if err != nil {
			t.Fatal(err)
		}
		return once, server.FastForward
	})
}
