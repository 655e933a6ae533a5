package care

import (
	"errors"
	"fmt"
	"time"
)

// Settings are what a deployment says of the care for one register. They make
// terms tighter, never looser.
type Settings struct {
	Concurrency int          `yaml:"concurrency"` // calls at one time, all instances. Default: that of register.yaml
	Rate        *RateSetting `yaml:"rate"`        // Default: that of register.yaml
	Hours       *HourSetting `yaml:"hours"`       // within those of register.yaml. Default: those
	Maintenance []Window     `yaml:"maintenance"` // announced times in which nothing is called. Default: none
}

// A RateSetting is written {calls: 5, per: 1s, burst: 1}.
type RateSetting struct {
	Calls int           `yaml:"calls"`
	Per   time.Duration `yaml:"per"`
	Burst int           `yaml:"burst"` // Default: that of register.yaml, or calls
}

// An HourSetting is written as the key hours of register.yaml.
type HourSetting struct {
	Zone   string        `yaml:"zone"` // Default: that of register.yaml
	Open   []SpanSetting `yaml:"open"`
	Closed []string      `yaml:"closed"`
}

// A SpanSetting is written {days: mon-fri, from: "07:00", to: "19:00"}.
type SpanSetting struct {
	Days string `yaml:"days"`
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// A Window is a time in which nothing is called: {from: 2026-12-01T22:00:00+01:00, until: ...}.
type Window struct {
	From  Moment `yaml:"from"`
	Until Moment `yaml:"until"`
}

// A Moment is written with its zone: 2026-12-01T22:00:00+01:00.
type Moment struct{ time.Time }

// Tighten applies what a deployment says; timeout is its key of that name, 0 where
// it says nothing. What would be looser is a fault: the register agreed to the
// terms of register.yaml.
func (t Terms) Tighten(s Settings, timeout time.Duration) (Terms, error) {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	agreed := t.Budget
	if s.Concurrency != 0 {
		if t.agreed.concurrency && s.Concurrency > agreed.Concurrency {
			fail("concurrency: %d is looser than what the register agreed to: %d", s.Concurrency, agreed.Concurrency)
		}
		t.Budget.Concurrency = s.Concurrency
	}
	switch {
	case t.agreed.timeout && timeout > t.Timeout:
		fail("timeout: %v is looser than what the register agreed to: %v", timeout, t.Timeout)
	case timeout < 0 || timeout > maxTimeout:
		fail("timeout: want at most %v", maxTimeout)
	case timeout > 0:
		t.Timeout = timeout
	}
	if r := s.Rate; r != nil {
		t.Budget.Calls, t.Budget.Per, t.Budget.Burst = r.Calls, r.Per, r.Burst
		if r.Burst == 0 {
			t.Budget.Burst = r.Calls
			if agreed.Calls > 0 {
				t.Budget.Burst = min(r.Calls, agreed.Burst)
			}
		}
		switch {
		case r.Calls < 1:
			fail("rate: calls and per are required")
		case agreed.Calls > 0 && (r.Calls > agreed.Calls || r.Per < agreed.Per || t.Budget.Burst > agreed.Burst):
			// Whatever the two averages are: more calls, or a shorter period, could break
			// the agreed limit in some period.
			fail("rate: %d per %v, %d at once, is looser than what the register agreed to: %d per %v, %d at once",
				r.Calls, r.Per, t.Budget.Burst, agreed.Calls, agreed.Per, agreed.Burst)
		}
	}
	if len(errs) == 0 {
		if err := t.Budget.Validate(); err != nil {
			errs = append(errs, err)
		}
	}
	if s.Hours != nil {
		ours, err := compileHours(*s.Hours, t.hours)
		if err != nil {
			errs = append(errs, fmt.Errorf("hours: %w", err))
		}
		t.ours = ours
	}
	for i, w := range s.Maintenance {
		if w.From.IsZero() || !w.Until.After(w.From.Time) {
			fail("maintenance[%d]: want from and a later until, each with its zone: 2026-12-01T22:00:00+01:00", i)
		}
	}
	t.maintenance = s.Maintenance
	return t, errors.Join(errs...)
}
