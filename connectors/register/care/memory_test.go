package care_test

import (
	"testing"
	"time"

	"oncegate/connectors/register/care"
	"oncegate/connectors/register/care/caretest"
)

func TestBudgetsOfAProcess(t *testing.T) {
	caretest.Run(t, func(t *testing.T) caretest.Opened {
		m := care.NewMemory(time.Now, time.Now())
		return caretest.Opened{Instance: func(testing.TB) care.Budgets { return m }}
	})
}
