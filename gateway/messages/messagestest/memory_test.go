package messagestest_test

import (
	"testing"
	"time"

	"oncegate/gateway/messages/messagestest"
)

func TestMemoryPassesTheBattery(t *testing.T) {
	messagestest.Battery(t, func(*testing.T) messagestest.Setup {
		now := messagestest.Start
		s := messagestest.NewMemory(func() time.Time { return now }, time.Hour)
		return messagestest.Setup{Store: s, Flush: s.Flush, Pass: func(d time.Duration) { now = now.Add(d) }, Term: time.Hour}
	})
}
