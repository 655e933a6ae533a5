package care

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"oncegate/mapping/yamldoc"
)

// hours are when a register is open, by the clock on its wall.
type hours struct {
	zone   *time.Location
	week   [7][]span         // by the day on which a span begins; time.Sunday is 0
	closed map[date]struct{} // from midnight to midnight
}

// A span is a time of day in minutes; up to 24:00 it ends on its own day, beyond
// it on the next.
type span struct{ from, to int }

type date struct {
	year  int
	month time.Month
	day   int
}

const day = 24 * 60

// parseHours reads the key hours; nil where there is none.
func parseHours(v yamldoc.Value) *hours {
	if !v.Exists() {
		return nil
	}
	f := v.Fields("zone", "open", "closed")
	h := &hours{closed: map[date]struct{}{}}
	var err error
	if name := f["zone"].RequiredText(v, "zone"); name != "" {
		if h.zone, err = zone(name); err != nil {
			f["zone"].Fault("%v", err)
		}
	}
	if !f["open"].Exists() {
		v.Fault("missing key %q", "open")
	}
	for _, item := range f["open"].Items() {
		s := item.Fields("days", "from", "to")
		days, err := parseDays(s["days"].RequiredText(item, "days"))
		if err != nil && s["days"].Text() != "" {
			s["days"].Fault("%v", err)
		}
		var clock [2]int
		for i, key := range []string{"from", "to"} {
			text := s[key].RequiredText(item, key)
			if clock[i], err = parseClock(text); err != nil && text != "" {
				s[key].Fault("%v", err)
			}
		}
		h.add(days, clock[0], clock[1])
	}
	for _, item := range f["closed"].Items() {
		if err := h.close(item.Text()); err != nil {
			item.Fault("%v", err)
		}
	}
	if h.zone == nil {
		h.zone = time.UTC // a fault was reported
	}
	return h
}

// compileHours reads the hours of a deployment. They must lie within the agreed
// ones and use the same clock.
func compileHours(s HourSetting, agreed *hours) (*hours, error) {
	var errs []error
	h := &hours{closed: map[date]struct{}{}}
	switch {
	case s.Zone == "" && agreed == nil:
		errs = append(errs, errors.New("zone is required"))
	case s.Zone == "":
		h.zone = agreed.zone
	default:
		var err error
		if h.zone, err = zone(s.Zone); err != nil {
			errs = append(errs, err)
		} else if agreed != nil && h.zone.String() != agreed.zone.String() {
			errs = append(errs, fmt.Errorf("zone: want that of register.yaml, %s", agreed.zone))
		}
	}
	if len(s.Open) == 0 {
		errs = append(errs, errors.New("open is required"))
	}
	for i, o := range s.Open {
		days, err := parseDays(o.Days)
		from, errFrom := parseClock(o.From)
		to, errTo := parseClock(o.To)
		if err := errors.Join(err, errFrom, errTo); err != nil {
			errs = append(errs, fmt.Errorf("open[%d]: %w", i, err))
			continue
		}
		h.add(days, from, to)
	}
	for _, text := range s.Closed {
		errs = append(errs, h.close(text))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if agreed != nil {
		mine, theirs := h.minutes(), agreed.minutes()
		for i := range mine {
			if mine[i] && !theirs[i] {
				return nil, fmt.Errorf("open on %s at %02d:%02d, when the register agreed to no calls", time.Weekday(i/day), i%day/60, i%60)
			}
		}
	}
	return h, nil
}

func zone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, errors.New("want a zone such as Europe/Ljubljana")
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not a known zone; want one such as Europe/Ljubljana", name)
	}
	return loc, nil
}

func (h *hours) add(days []time.Weekday, from, to int) {
	if to <= from { // over midnight
		to += day
	}
	for _, d := range days {
		h.week[d] = append(h.week[d], span{from, to})
	}
}

func (h *hours) close(text string) error {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return fmt.Errorf("closed: want a day such as 2026-12-25")
	}
	h.closed[date{t.Year(), t.Month(), t.Day()}] = struct{}{}
	return nil
}

// minutes are those of a week in which it is open, closed days left aside.
func (h *hours) minutes() []bool {
	out := make([]bool, 7*day)
	for d, spans := range h.week {
		for _, s := range spans {
			for m := s.from; m < s.to; m++ {
				out[(d*day+m)%len(out)] = true
			}
		}
	}
	return out
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// parseDays reads mon-fri, or sat,sun.
func parseDays(text string) ([]time.Weekday, error) {
	fault := errors.New("days: want days such as mon-fri or sat,sun")
	var out []time.Weekday
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		a, b := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if !isRange {
			b = a
		}
		if a < 0 || b < 0 {
			return nil, fault
		}
		for d := a; ; d = (d + 1) % 7 {
			if slices.Contains(out, time.Weekday(d)) {
				return nil, fmt.Errorf("days: %s stands twice", weekdays[d])
			}
			out = append(out, time.Weekday(d))
			if d == b {
				break
			}
		}
	}
	return out, nil
}

// parseClock reads 07:00 to 24:00 as minutes.
func parseClock(text string) (int, error) {
	h, m, ok := strings.Cut(text, ":")
	hour, err1 := strconv.Atoi(h)
	minute, err2 := strconv.Atoi(m)
	if !ok || len(h) != 2 || len(m) != 2 || err1 != nil || err2 != nil || hour < 0 || minute < 0 || minute > 59 || hour*60+minute > day {
		return 0, errors.New(`want a time such as "07:00"; the end of a day is "24:00"`)
	}
	return hour*60 + minute, nil
}
