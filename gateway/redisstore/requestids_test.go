package redisstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
	"oncegate/gateway/redisstore"
	"oncegate/schemas/canon"
)

func nothingOnTheLog(context.Context, func(canon.RequestID, canon.MessageID) error) error { return nil }

// Covers: B-025
func TestRequestIDsBattery(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		exchangetest.RunRequests(t, func(t *testing.T) exchange.Requests {
			p := prefix()
			t.Cleanup(func() { flush(t, s.client, p) })
			r, err := redisstore.NewRequestIDs(redisstore.RequestIDsConfig{Client: s.client, Prefix: p, Recall: nothingOnTheLog})
			if err != nil {
				t.Fatal(err)
			}
			return r
		})
	})
}

// A memory that was lost is read from the log before anything seems new, once.
func TestLostRequestIDsAreRecalled(t *testing.T) {
	each(t, func(t *testing.T, s server) {
		p := prefix()
		t.Cleanup(func() { flush(t, s.client, p) })
		asked, down := 0, errors.New("the log is down")
		r, err := redisstore.NewRequestIDs(redisstore.RequestIDsConfig{Client: s.client, Prefix: p, Recall: func(_ context.Context, tell func(canon.RequestID, canon.MessageID) error) error {
			if asked++; asked == 1 {
				return down
			}
			return errors.Join(tell("urn:uuid:1", "first"), tell("urn:uuid:1", "second"))
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Claim(t.Context(), "urn:uuid:1", "late"); !errors.Is(err, down) {
			t.Errorf("got error %v, want that of the log", err)
		}
		for _, by := range []canon.MessageID{"late", "first"} {
			if first, err := r.Claim(t.Context(), "urn:uuid:1", by); err != nil || first != "first" {
				t.Errorf("used first by %q and error %v, want first", first, err)
			}
		}
		if asked != 2 {
			t.Errorf("the log was read %d times, want 2", asked)
		}
		flush(t, s.client, p)
		if first, err := r.Claim(t.Context(), "urn:uuid:1", "later"); err != nil || first != "first" || asked != 3 {
			t.Errorf("after a loss: used first by %q, error %v, the log read %d times", first, err, asked)
		}
	})
}

func TestRequestIDsAreRememberedForTwelveMonths(t *testing.T) {
	_, err := redisstore.NewRequestIDs(redisstore.RequestIDsConfig{Prefix: "p", Term: 300 * 24 * time.Hour})
	if err == nil {
		t.Fatal("a short term, no client and no log are accepted")
	}
}
