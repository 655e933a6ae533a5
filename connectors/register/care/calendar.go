package care

import "time"

// horizon is how far ahead an opening is looked for.
const horizon = 400 * 24 * time.Hour

// Open says whether the register may be called at a moment, and if not, when it
// may again; the zero time where that is more than a year away.
func (t Terms) Open(at time.Time) (open bool, next time.Time) {
	next = at
	for next.Sub(at) < horizon {
		moved := next
		for _, w := range t.maintenance {
			if !moved.Before(w.From.Time) && moved.Before(w.Until.Time) {
				moved = w.Until.Time
			}
		}
		for _, h := range []*hours{t.hours, t.ours} {
			if h == nil {
				continue
			}
			var ok bool
			if moved, ok = h.next(moved); !ok {
				return false, time.Time{}
			}
		}
		if moved.Equal(next) {
			return moved.Equal(at), moved
		}
		next = moved
	}
	return false, time.Time{}
}

// next is the first moment from at on at which it is open.
func (h *hours) next(at time.Time) (time.Time, bool) {
	local := at.In(h.zone)
	var best time.Time
	// A span of yesterday may reach into today; days are numbered at noon, where no
	// zone changes its clock.
	noon := time.Date(local.Year(), local.Month(), local.Day()-1, 12, 0, 0, 0, time.UTC)
	for last := noon.Add(horizon); noon.Before(last); noon = noon.AddDate(0, 0, 1) {
		for _, s := range h.spans(noon) {
			switch {
			case !s.until.After(at):
			case !s.from.After(at):
				return at, true
			case best.IsZero() || s.from.Before(best):
				best = s.from
			}
		}
		if !best.IsZero() { // spans of later days begin later
			return best, true
		}
	}
	return time.Time{}, false
}

type interval struct{ from, until time.Time }

// spans are the times that begin on one day, by the world's clock.
func (h *hours) spans(noon time.Time) []interval {
	var out []interval
	today := date{noon.Year(), noon.Month(), noon.Day()}
	if _, closed := h.closed[today]; closed {
		return nil
	}
	tomorrow := noon.AddDate(0, 0, 1)
	_, cut := h.closed[date{tomorrow.Year(), tomorrow.Month(), tomorrow.Day()}]
	for _, s := range h.week[noon.Weekday()] {
		to := s.to
		if cut {
			to = min(to, day)
		}
		// Where the wall clock shows a time twice, the register is taken to be closed
		// for the doubtful hour: it opens at the second and closes at the first.
		i := interval{h.wall(noon, s.from, true), h.wall(noon, to, false)}
		if i.until.After(i.from) {
			out = append(out, i)
		}
	}
	return out
}

// wall is the moment at which the clock on the wall shows a time of day: the first
// or the second where there are two, the moment of the change where it is left out.
func (h *hours) wall(noon time.Time, minutes int, second bool) time.Time {
	civil := time.Date(noon.Year(), noon.Month(), noon.Day(), 0, minutes, 0, 0, time.UTC)
	before, after := offset(civil.Add(-26*time.Hour), h.zone), offset(civil.Add(26*time.Hour), h.zone)
	a, b := civil.Add(-before), civil.Add(-after)
	if b.Before(a) {
		a, b = b, a
	}
	shows := func(t time.Time) bool { return t.Add(offset(t, h.zone)).Equal(civil) }
	switch {
	case shows(a) && (!second || !shows(b)):
		return a
	case shows(b):
		return b
	}
	_, change := a.In(h.zone).ZoneBounds()
	return change.UTC()
}

func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}
