package node

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"oncegate/connectors/edelivery/edeliverytest"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/gateway/redisstore"
)

var shelves atomic.Int64

// The shelf of the access point passes the battery of its contract on the embedded
// Redis and on a real one.
func TestShelfBattery(t *testing.T) {
	run := func(t *testing.T, address func(t *testing.T) string) {
		edeliverytest.RunShelf(t, func(t *testing.T) (edeliverytest.Shelf, func()) {
			client, err := redisstore.Open(t.Context(), redisstore.Options{Address: address(t)})
			if err != nil {
				t.Fatal(err)
			}
			prefix := redisstore.Prefix(fmt.Sprintf("t%d-%d", time.Now().UnixNano(), shelves.Add(1)))
			lose := func() {
				keys, err := client.Keys(t.Context(), string(prefix)+":*").Result()
				if err == nil && len(keys) > 0 {
					err = client.Del(t.Context(), keys...).Err()
				}
				if err != nil {
					t.Error(err)
				}
			}
			t.Cleanup(func() { client.Close() })
			shelf, err := redisstore.NewShelf(redisstore.ShelfConfig{Client: client, Prefix: prefix, Sealer: &exchangetest.Sealer{}})
			if err != nil {
				t.Fatal(err)
			}
			return shelf, lose
		})
	}
	t.Run("embedded", func(t *testing.T) {
		run(t, func(t *testing.T) string { return miniredis.RunT(t).Addr() })
	})
	t.Run("real", func(t *testing.T) {
		address := os.Getenv("ONCEGATE_TEST_REDIS")
		if address == "" {
			if os.Getenv("ONCEGATE_REQUIRE_SERVICES") == "1" {
				t.Fatal("ONCEGATE_TEST_REDIS is not set: the services are required here")
			}
			t.Skip("no real Redis: set ONCEGATE_TEST_REDIS=host:port")
		}
		run(t, func(*testing.T) string { return address })
	})
}
