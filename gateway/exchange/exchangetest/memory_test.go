package exchangetest_test

import (
	"testing"

	"oncegate/gateway/exchange/exchangetest"
)

func TestMemory(t *testing.T) {
	exchangetest.Run(t, func(*testing.T) exchangetest.Opened {
		s := &exchangetest.Memory{}
		return exchangetest.Opened{Store: s, Flush: func(*testing.T) { s.Flush() }}
	})
}
