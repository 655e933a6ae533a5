package previewtest_test

import (
	"testing"
	"time"

	"oncegate/gateway/preview/previewtest"
)

func TestSessions(t *testing.T) {
	previewtest.Run(t, previewtest.NewSessions(time.Now), time.Now)
}
