package node

import (
	"strings"
	"testing"
	"time"
)

func TestRetentionIsBounded(t *testing.T) {
	for _, tc := range []struct {
		delivered, log time.Duration
		bad            bool
	}{
		{0, 0, false},
		{time.Hour, 0, false},
		{720 * time.Hour, 0, false},
		{721 * time.Hour, 0, true},
		{-time.Hour, 0, true},
		{72 * time.Hour, 96 * time.Hour, false},
		{72 * time.Hour, 95 * time.Hour, true},
		{0, 48 * time.Hour, true},
	} {
		c := &Config{Retention: RetentionConfig{Delivered: Duration(tc.delivered)}, Kafka: KafkaConfig{Retention: Duration(tc.log)}}
		err := c.Validate(true)
		if got := err != nil && strings.Contains(err.Error(), "retention.delivered"); got != tc.bad {
			t.Errorf("%v on a log of %v: refused %t, want %t", tc.delivered, tc.log, got, tc.bad)
		}
	}
	if got := (RetentionConfig{}).delivered(); got != 72*time.Hour {
		t.Errorf("default %v, want 72h", got)
	}
}
