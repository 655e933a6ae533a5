package rulecheck

import (
	"strings"
	"time"
)

// isUUID reports 8-4-4-4-12 hexadecimal digits of either case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// trim takes the space of XML from both ends.
func trim(s string) string {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// normalize is normalize-space(); what is normal already is returned as it is.
func normalize(s string) string {
	s = trim(s)
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '\t' || c == '\n' || c == '\r' || c == ' ' && isSpace(s[i+1]) {
			var b strings.Builder
			b.Grow(len(s))
			b.WriteString(s[:i])
			for ; i < len(s); i++ {
				if !isSpace(s[i]) {
					b.WriteByte(s[i])
				} else if !isSpace(s[i+1]) {
					b.WriteByte(' ')
				}
			}
			return b.String()
		}
	}
	return s
}

// blank reports whether nothing but space is there.
func blank(s string) bool {
	for i := range len(s) {
		if !isSpace(s[i]) {
			return false
		}
	}
	return true
}

// digits reads n decimal digits.
func digits(s string, n int) (v int, rest string, ok bool) {
	if len(s) < n {
		return 0, s, false
	}
	for i := range n {
		if !isDigit(s[i]) {
			return 0, s, false
		}
		v = v*10 + int(s[i]-'0')
	}
	return v, s[n:], true
}

// cutDay reads a day of the calendar in front of s. The year has four digits: the
// longer and negative ones of XML Schema are no dates of evidence.
func cutDay(s string) (rest string, ok bool) {
	y, s, ok1 := digits(s, 4)
	if !ok1 || y == 0 || s == "" || s[0] != '-' {
		return s, false
	}
	m, s, ok2 := digits(s[1:], 2)
	if !ok2 || m < 1 || m > 12 || s == "" || s[0] != '-' {
		return s, false
	}
	d, s, ok3 := digits(s[1:], 2)
	return s, ok3 && d >= 1 && d <= time.Date(y, time.Month(m)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// isZone reports whether s is a time zone or nothing.
func isZone(s string) bool {
	switch {
	case s == "" || s == "Z":
		return true
	case s[0] != '+' && s[0] != '-':
		return false
	}
	h, s, ok := digits(s[1:], 2)
	if !ok || s == "" || s[0] != ':' {
		return false
	}
	m, s, ok := digits(s[1:], 2)
	return ok && s == "" && m < 60 && h*60+m <= 14*60
}

// isDate reports an xsd:date that exists.
func isDate(s string) bool {
	rest, ok := cutDay(trim(s))
	return ok && isZone(rest)
}

// isDateTime reports an xsd:dateTime that exists.
func isDateTime(s string) bool {
	rest, ok := cutDay(trim(s))
	if !ok {
		return false
	}
	var part [3]int
	for i, mark := range [3]byte{'T', ':', ':'} {
		if rest == "" || rest[0] != mark {
			return false
		}
		if part[i], rest, ok = digits(rest[1:], 2); !ok {
			return false
		}
	}
	if rest != "" && rest[0] == '.' {
		n := 1
		for n < len(rest) && isDigit(rest[n]) {
			n++
		}
		if n == 1 || n > 13 {
			return false
		}
		if part[0] == 24 && strings.Trim(rest[1:n], "0") != "" {
			return false
		}
		rest = rest[n:]
	}
	inDay := part[0] < 24 && part[1] < 60 && part[2] < 60
	return (inDay || part == [3]int{24, 0, 0}) && isZone(rest)
}

// local is the part of a QName behind its prefix.
func localPart(s string) string {
	s = trim(s)
	if i := strings.IndexByte(s, ':'); i >= 0 {
		return s[i+1:]
	}
	return s
}
