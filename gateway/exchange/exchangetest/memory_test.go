package exchangetest_test

import (
	"testing"

	"oncegate/gateway/exchange"
	"oncegate/gateway/exchange/exchangetest"
)

func TestMemory(t *testing.T) {
	exchangetest.Run(t, func(*testing.T) exchangetest.Opened {
		s := &exchangetest.Memory{}
		return exchangetest.Opened{Store: s, Flush: func(*testing.T) { s.Flush() }}
	})
}

func TestRequests(t *testing.T) {
	exchangetest.RunRequests(t, func(*testing.T) exchange.Requests { return &exchangetest.Requests{} })
}
