package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Zones are a closed table and the one rule of the Union's summer time (Directive
// 2000/84/EC): a table of all zones of the world would be read from a disk, and
// mapping does no I/O. All of them follow the rule since 2003.

const zoneWords = "WET, CET, EET, or a capital of the Union, Iceland, Liechtenstein, Norway or Switzerland such as Europe/Ljubljana"

// zonesOf are the zones by the hours that they are ahead in winter.
var zonesOf = []struct {
	hours  int
	summer bool
	names  string
}{
	{0, false, "Z UTC Atlantic/Reykjavik"},
	{-1, true, "Atlantic/Azores"},
	{0, true, "WET Europe/Dublin Europe/Lisbon Atlantic/Canary Atlantic/Madeira"},
	{1, true, "CET Europe/Amsterdam Europe/Berlin Europe/Bratislava Europe/Brussels Europe/Budapest Europe/Copenhagen Europe/Ljubljana Europe/Luxembourg Europe/Madrid Europe/Malta Europe/Oslo Europe/Paris Europe/Prague Europe/Rome Europe/Stockholm Europe/Vaduz Europe/Vienna Europe/Warsaw Europe/Zagreb Europe/Zurich"},
	{2, true, "EET Asia/Nicosia Europe/Athens Europe/Bucharest Europe/Helsinki Europe/Nicosia Europe/Riga Europe/Sofia Europe/Tallinn Europe/Vilnius"},
}

var (
	errZone    = errors.New("there is no such zone")
	errNoZone  = errors.New("the time says no zone")
	errInstant = errors.New("not a date and time of the given pattern")
	errEarly   = errors.New("summer time is known from 2003 on; give the offset")
)

// zone finds a zone by name: its offset in winter and whether it has summer time.
func zone(name string) (seconds int, summer bool, err error) {
	for _, z := range zonesOf {
		if slices.Contains(strings.Fields(z.names), name) {
			return z.hours * 3600, z.summer, nil
		}
	}
	if seconds, ok := fixedOffset(name); ok {
		return seconds, false, nil
	}
	return 0, false, errZone
}

// fixedOffset reads +02:00.
func fixedOffset(s string) (seconds int, ok bool) {
	if len(s) != len("+02:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' || !allDigits(s[1:3]) || !allDigits(s[4:]) {
		return 0, false
	}
	h, m := int(s[1]-'0')*10+int(s[2]-'0'), int(s[4]-'0')*10+int(s[5]-'0')
	if h > 14 || m > 59 {
		return 0, false
	}
	seconds = h*3600 + m*60
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

// zoneOffset is how far a zone is ahead at an instant.
func zoneOffset(name string, t time.Time) (int, error) {
	seconds, summer, err := zone(name)
	if err != nil || !summer {
		return seconds, err
	}
	if t.UTC().Year() < 2003 {
		return 0, errEarly
	}
	year := t.UTC().Year()
	if !t.Before(lastSunday(year, time.March)) && t.Before(lastSunday(year, time.October)) {
		seconds += 3600
	}
	return seconds, nil
}

// lastSunday is 01:00 UTC of the last Sunday of a month of 31 days, when summer
// time begins or ends.
func lastSunday(year int, month time.Month) time.Time {
	t := time.Date(year, month, 31, 1, 0, 0, 0, time.UTC)
	return t.AddDate(0, 0, -int(t.Weekday()))
}

func checkZone(i int) func(c *call) *exprError {
	return func(c *call) *exprError {
		if i >= len(c.args) {
			return nil
		}
		if l, ok := c.args[i].(*literal); ok {
			if _, _, err := zone(l.v.text); err != nil && l.v.text != "" {
				return &exprError{l.at, "want Z, an offset such as +02:00, " + zoneWords}
			}
		}
		return nil
	}
}

// timeParts are the parts of a pattern in the layout of package time.
var timeParts = strings.NewReplacer("YYYY", "2006", "MM", "01", "DD", "02", "hh", "15", "mm", "04", "ss", "05")

func checkInstant(c *call) *exprError {
	if fault := checkZone(1)(c); fault != nil {
		return fault
	}
	if len(c.args) < 3 {
		return nil
	}
	if l, ok := c.args[2].(*literal); ok {
		rest := l.v.text
		for _, part := range []string{"YYYY", "MM", "DD", "hh", "mm"} {
			if strings.Count(rest, part) != 1 {
				return &exprError{l.at, "a pattern of a time has YYYY, MM, DD, hh, mm and, if wanted, ss"}
			}
			rest = strings.Replace(rest, part, "", 1)
		}
		if rest = strings.Replace(rest, "ss", "", 1); strings.Trim(rest, "-/.: T") != "" {
			return &exprError{l.at, "between the parts of a time stand only - / . : T and spaces"}
		}
	}
	return nil
}

func evalInstant(c *callCtx) (value, error) {
	s, err := c.text(0)
	if err != nil || s == "" {
		return textValue(""), err
	}
	name, pattern := "", ""
	if c.n() > 1 {
		name = c.word(1)
	}
	if c.n() > 2 {
		pattern = c.word(2)
	}
	t, err := readInstant(s, name, pattern)
	if err != nil {
		return value{}, err
	}
	return writeTime(t.UTC(), "2006-01-02T15:04:05Z")
}

// writeTime refuses years that ISO 8601 has no four digits for.
func writeTime(t time.Time, layout string) (value, error) {
	if t.Year() < 1 || t.Year() > 9999 {
		return value{}, errInstant
	}
	return textValue(t.Format(layout)), nil
}

// readInstant reads a time; name is the zone when the text says none.
func readInstant(s, name, pattern string) (time.Time, error) {
	layouts := []string{timeParts.Replace(pattern)}
	offset, said := 0, false
	if pattern == "" {
		if len(s) <= len(isoPattern) || s[len(isoPattern)] != 'T' && s[len(isoPattern)] != ' ' {
			return time.Time{}, errInstant
		}
		s = s[:len(isoPattern)] + "T" + s[len(isoPattern)+1:]
		if cut, ok := strings.CutSuffix(s, "Z"); ok {
			s, said = cut, true
		} else if n := len(s) - len("+02:00"); n > len(isoPattern) {
			if offset, said = fixedOffset(s[n:]); said {
				s = s[:n]
			}
		}
		layouts = []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} // a fraction of a second is taken by itself
	}
	for _, layout := range layouts {
		t, err := time.Parse(layout, s)
		if err != nil {
			continue
		}
		if said {
			return t.Add(-time.Duration(offset) * time.Second), nil
		}
		return localTime(t, name)
	}
	return time.Time{}, errInstant
}

// localTime is the instant at which a clock in a zone shows t. An hour that the
// clock shows twice is the first one.
func localTime(t time.Time, name string) (time.Time, error) {
	if name == "" {
		return time.Time{}, errNoZone
	}
	winter, summer, err := zone(name)
	if err != nil {
		return time.Time{}, err
	}
	if summer && t.Year() < 2003 {
		return time.Time{}, errEarly
	}
	at := t.Add(-time.Duration(winter) * time.Second)
	if summer {
		early := at.Add(-time.Hour)
		if offset, err := zoneOffset(name, early); err == nil && offset != winter {
			return early, nil
		}
	}
	return at, nil
}

// evalDateParts makes a date of three fields.
func evalDateParts(c *callCtx) (value, error) {
	var part [3]string
	for i := range c.n() {
		s, err := c.text(i)
		if err != nil {
			return value{}, err
		}
		part[i] = strings.TrimSuffix(s, ".")
	}
	for i := 1; i < len(part); i++ {
		switch {
		case strings.Trim(part[i], "0") == "":
			part[i] = ""
		case len(part[i]) == 1:
			part[i] = "0" + part[i]
		}
	}
	y, m, d := part[0], part[1], part[2]
	switch {
	case strings.Trim(y, "0") == "" && m == "" && d == "":
		return textValue(""), nil
	case len(y) != len("YYYY") || m == "" && d != "":
		return value{}, errDate
	case m == "" && validDate(y, "01", "01"):
		return textValue(y), nil
	case d == "" && validDate(y, m, "01"):
		return textValue(y + "-" + m), nil
	case !validDate(y, m, d) || len(m) != 2 || len(d) != 2:
		return value{}, errDate
	}
	return textValue(y + "-" + m + "-" + d), nil
}

// evalMonth finds a month by its name.
func evalMonth(c *callCtx) (value, error) {
	s, err := c.text(0)
	s = foldCode(strings.TrimSuffix(s, "."))
	if err != nil || s == "" {
		return textValue(""), err
	}
	found := 0
	for i, names := range strings.Fields(c.word(1)) {
		for name := range strings.SplitSeq(foldCode(names), "|") {
			switch {
			case name == s:
				return textValue(fmt.Sprintf("%02d", i+1)), nil
			case len([]rune(s)) < 3 || !strings.HasPrefix(name, s) || found == i+1:
			case found != 0:
				found = -1
			default:
				found = i + 1
			}
		}
	}
	if found < 1 {
		return value{}, errors.New("not one of the months")
	}
	return textValue(fmt.Sprintf("%02d", found)), c.m.charge(12)
}
