package xsd

import (
	"fmt"
	"strconv"
	"strings"
)

// moment is a value of the types of date and time. What a type lacks is that of the
// reference moment 1972-12-31T00:00:00, so that all compare alike.
type moment struct {
	year       int64
	month, day int64
	seconds    int64  // of the day
	fraction   string // of a second, without trailing zeros
	zoned      bool
	offset     int64 // minutes
}

// readMoment reads one of the eight types (Datatypes 3.2.7 to 3.2.14).
func readMoment(s string, p primitive) (m moment, ok bool) {
	m = moment{year: 1972, month: 12, day: 31}
	r := &scanner{s: s, ok: true}
	switch p {
	case primDateTime:
		m.year = r.year()
		r.literal('-')
		m.month = r.two(1, 12)
		r.literal('-')
		m.day = r.two(1, 31)
		r.literal('T')
		r.clock(&m)
	case primTime:
		r.clock(&m)
	case primDate:
		m.year = r.year()
		r.literal('-')
		m.month = r.two(1, 12)
		r.literal('-')
		m.day = r.two(1, 31)
	case primGYearMonth:
		m.year = r.year()
		r.literal('-')
		m.month, m.day = r.two(1, 12), 1
	case primGYear:
		m.year, m.month, m.day = r.year(), 1, 1
	case primGMonthDay:
		r.literal('-')
		r.literal('-')
		m.month = r.two(1, 12)
		r.literal('-')
		m.day = r.two(1, 31)
	case primGDay:
		r.literal('-')
		r.literal('-')
		r.literal('-')
		m.day = r.two(1, 31)
	case primGMonth:
		r.literal('-')
		r.literal('-')
		m.month, m.day = r.two(1, 12), 1
	default:
		return m, false
	}
	r.zone(&m)
	if !r.ok || r.at != len(s) || m.day > daysIn(m.year, m.month) {
		return m, false
	}
	if m.seconds == 24*3600 { // 24:00:00 is the beginning of the next day
		m.seconds = 0
		if p == primDateTime {
			m.addDays(1)
		}
	}
	return m, true
}

// scanner reads fixed forms; once wrong, it stays so.
type scanner struct {
	s  string
	at int
	ok bool
}

func (r *scanner) peek() byte {
	if r.at < len(r.s) {
		return r.s[r.at]
	}
	return 0
}

func (r *scanner) literal(c byte) {
	if r.ok = r.ok && r.peek() == c; r.ok {
		r.at++
	}
}

func (r *scanner) digits() string {
	from := r.at
	for r.at < len(r.s) && r.s[r.at] >= '0' && r.s[r.at] <= '9' {
		r.at++
	}
	return r.s[from:r.at]
}

func (r *scanner) two(low, high int64) int64 {
	if r.at+2 > len(r.s) || !allDigits(r.s[r.at:r.at+2]) {
		r.ok = false
		return low
	}
	n := int64(r.s[r.at]-'0')*10 + int64(r.s[r.at+1]-'0')
	r.at += 2
	if n < low || n > high {
		r.ok = false
		return low
	}
	return n
}

// year has four digits, or more without a leading zero; there is no year 0000.
func (r *scanner) year() int64 {
	negative := r.peek() == '-'
	if negative {
		r.at++
	}
	d := r.digits()
	if len(d) < 4 || len(d) > 4 && d[0] == '0' || len(d) > 15 {
		r.ok = false
		return 1
	}
	n, err := strconv.ParseInt(d, 10, 64)
	if err != nil || n == 0 {
		r.ok = false
		return 1
	}
	if negative {
		return -n
	}
	return n
}

func (r *scanner) clock(m *moment) {
	hour := r.two(0, 24)
	r.literal(':')
	minute := r.two(0, 59)
	r.literal(':')
	second := r.two(0, 59)
	if r.peek() == '.' {
		r.at++
		d := r.digits()
		r.ok = r.ok && d != ""
		m.fraction = strings.TrimRight(d, "0")
	}
	if hour == 24 && (minute > 0 || second > 0 || m.fraction != "") {
		r.ok = false
	}
	m.seconds = hour*3600 + minute*60 + second
}

func (r *scanner) zone(m *moment) {
	switch c := r.peek(); c {
	case 'Z':
		r.at++
		m.zoned = true
	case '+', '-':
		r.at++
		hours := r.two(0, 14)
		r.literal(':')
		minutes := r.two(0, 59)
		if m.zoned, m.offset = true, hours*60+minutes; m.offset > 14*60 {
			r.ok = false
		}
		if c == '-' {
			m.offset = -m.offset
		}
	}
}

func leap(year int64) bool {
	if year < 0 {
		year++ // -1 is the year before 1
	}
	return year%4 == 0 && (year%100 != 0 || year%400 == 0)
}

func daysIn(year, month int64) int64 {
	switch month {
	case 2:
		if leap(year) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

func (m *moment) addDays(n int64) {
	for ; n > 0; n-- {
		if m.day++; m.day > daysIn(m.year, m.month) {
			m.day = 1
			if m.month++; m.month > 12 {
				m.month = 1
				if m.year++; m.year == 0 {
					m.year = 1
				}
			}
		}
	}
}

// absolute counts seconds from a fixed day, in UTC where there is a zone.
func (m moment) absolute() int64 {
	y := m.year
	if y < 0 {
		y++
	}
	// Days of the Gregorian calendar, counted from March.
	month := m.month
	if month <= 2 {
		y--
		month += 12
	}
	floor := func(a, b int64) int64 {
		if a < 0 {
			return -((-a + b - 1) / b)
		}
		return a / b
	}
	days := 365*y + floor(y, 4) - floor(y, 100) + floor(y, 400) + (153*(month-3)+2)/5 + m.day
	return days*86400 + m.seconds - m.offset*60
}

func (m moment) key() string {
	return fmt.Sprintf("%d.%s %t", m.absolute(), m.fraction, m.zoned)
}

// compare is the partial order of 3.2.7.4: without a zone on one side, only what is
// more than 14 hours apart has an order.
func (m moment) compare(o moment) (int, bool) {
	const most = 14 * 3600
	a, b := m.absolute(), o.absolute()
	if m.zoned == o.zoned {
		switch {
		case a < b:
			return -1, true
		case a > b:
			return 1, true
		}
		return strings.Compare(m.fraction, o.fraction), true
	}
	switch {
	case a < b-most:
		return -1, true
	case a > b+most:
		return 1, true
	}
	return 0, false
}

// span is a duration (3.2.6): months and seconds do not convert into each other.
type span struct {
	negative bool
	months   int64
	seconds  int64
	fraction string
}

func readSpan(s string) (d span, ok bool) {
	const most = 1 << 50 // beyond it: refused, not wrapped around
	r := &scanner{s: s, ok: true}
	if r.peek() == '-' {
		d.negative = true
		r.at++
	}
	r.literal('P')
	units := "YMD"
	inTime, any := false, false
	for r.ok && r.at < len(s) {
		if r.peek() == 'T' && !inTime {
			r.at++
			inTime, units, any = true, "HMS", false
			continue
		}
		digits := r.digits()
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n > most/31622400 {
			return d, false
		}
		fraction, dotted := "", false
		if r.peek() == '.' {
			r.at++
			if fraction, dotted = r.digits(), true; fraction == "" {
				return d, false
			}
		}
		unit := r.peek()
		at := strings.IndexByte(units, unit)
		if unit == 0 || at < 0 || dotted && unit != 'S' {
			return d, false
		}
		units, any = units[at+1:], true
		r.at++
		switch {
		case unit == 'Y':
			d.months += 12 * n
		case unit == 'M' && !inTime:
			d.months += n
		case unit == 'D':
			d.seconds += n * 86400
		case unit == 'H':
			d.seconds += n * 3600
		case unit == 'M':
			d.seconds += n * 60
		default:
			d.seconds += n
			d.fraction = strings.TrimRight(fraction, "0")
		}
	}
	if d.months == 0 && d.seconds == 0 && d.fraction == "" {
		d.negative = false
	}
	return d, r.ok && any
}

func (d span) key() string {
	return fmt.Sprintf("%t %d %d.%s", d.negative, d.months, d.seconds, d.fraction)
}

// compare is the partial order of 3.2.6.2: by what four moments become.
func (d span) compare(o span) (int, bool) {
	references := [...]moment{{year: 1696, month: 9, day: 1}, {year: 1697, month: 2, day: 1}, {year: 1903, month: 3, day: 1}, {year: 1903, month: 7, day: 1}}
	first := 0
	for i, ref := range references {
		a, b := d.after(ref), o.after(ref)
		order := 0
		switch {
		case a < b:
			order = -1
		case a > b:
			order = 1
		default:
			order = strings.Compare(d.signed(), o.signed())
			if d.negative && o.negative {
				order = strings.Compare(o.fraction, d.fraction)
			}
		}
		if i > 0 && order != first {
			return 0, false
		}
		first = order
	}
	return first, true
}

// signed is the fraction as it compares between different signs.
func (d span) signed() string {
	if d.negative && d.fraction != "" {
		return "" // less than any
	}
	return d.fraction
}

func (d span) after(ref moment) int64 {
	months, seconds := d.months, d.seconds
	if d.negative {
		months, seconds = -months, -seconds
	}
	total := ref.year*12 + ref.month - 1 + months
	year, month := total/12, total%12
	if month < 0 {
		year, month = year-1, month+12
	}
	if year <= 0 {
		year-- // there is no year 0
	}
	return moment{year: year, month: month + 1, day: 1}.absolute() + seconds
}
