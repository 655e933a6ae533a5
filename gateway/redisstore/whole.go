package redisstore

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// isWhole reports whether a memory was marked whole; else it marks a recovery.
func isWhole(ctx context.Context, c Client, whole, recovering string) (bool, error) {
	n, err := c.Exists(ctx, whole).Result()
	if err != nil {
		return false, unavailable("asking whether the memory is whole", err)
	}
	if n > 0 {
		return true, nil
	}
	return false, unavailable("marking a recovery", c.Set(ctx, recovering, "1", time.Hour).Err())
}

// markWhole ends a recovery, if what it recovered was not lost meanwhile. The mark
// has no term: it says that nothing was lost since, and goes with everything else.
func markWhole(ctx context.Context, c Client, whole, recovering string) error {
	err := c.Watch(ctx, func(tx *redis.Tx) error {
		n, err := tx.Exists(ctx, recovering).Result()
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, whole, "1", 0)
			p.Del(ctx, recovering)
			return nil
		})
		return err
	}, recovering)
	if errors.Is(err, redis.TxFailedErr) {
		return nil // lost, or marked, meanwhile
	}
	return unavailable("marking the memory whole", err)
}
