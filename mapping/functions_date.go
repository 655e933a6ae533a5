package mapping

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Dates are texts of ISO 8601: 1994-03-17, or 1994-03 and 1994 where a register
// knows no more. No time zone is ever applied: a date of birth has none.

const isoPattern = "YYYY-MM-DD"

var errDate = errors.New("not a date of the given pattern")

// dateFunctions read and write dates.
func dateFunctions() []Function {
	text := Param{Name: "text", Type: TypeText}
	optional := Param{Name: "pattern", Type: TypeWord, Optional: true}
	return []Function{
		{
			Name: "date", Params: []Param{text, optional}, Returns: TypeText,
			Doc:      "A complete date, read by a pattern of YYYY, MM and DD (YYYY-MM-DD when left out); M and D stand for one or two digits. A time after an ISO date is dropped. What is no date of the calendar is a fault.",
			Examples: []Example{{"date('17.03.1994', 'DD.MM.YYYY')", "", "1994-03-17"}, {"date('1994-03-17+01:00')", "", "1994-03-17"}, {"date('7.3.1994', 'D.M.YYYY')", "", "1994-03-07"}, {"date('31.02.1994', 'DD.MM.YYYY')", "", "error: date(): not a date of the given pattern"}},
			check:    checkPattern(1),
			eval:     evalDate(false),
		},
		{
			Name: "partial-date", Params: []Param{text, optional}, Returns: TypeText,
			Doc:      "Like date, but day or month and day may be missing, or be zeros: the outcome is then 1994-03 or 1994.",
			Examples: []Example{{"partial-date('19940300', 'YYYYMMDD')", "", "1994-03"}, {"partial-date('1994')", "", "1994"}, {"partial-date('00.00.1994', 'DD.MM.YYYY')", "", "1994"}, {"partial-date('1994-03-17')", "", "1994-03-17"}},
			check:    checkPattern(1),
			eval:     evalDate(true),
		},
		{
			Name: "format-date", Params: []Param{text, {Name: "pattern", Type: TypeWord}}, Returns: TypeText,
			Doc:      "An ISO date written by a pattern of YYYY, MM and DD, or M and D without zeros. A partial date is a fault.",
			Examples: []Example{{"format-date('1994-03-17', 'DD/MM/YYYY')", "", "17/03/1994"}, {"format-date('1994', 'DD/MM/YYYY')", "", "error: format-date(): not a date of the given pattern"}},
			check:    checkPattern(1),
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil || s == "" {
					return textValue(""), err
				}
				y, m, d, ok := readDate(s, isoPattern)
				if !ok || !validDate(y, m, d) {
					return value{}, errDate
				}
				return textValue(c.m.texts.keep(appendDate(make([]byte, 0, 32), c.word(1), y, m, d))), nil
			},
		},
		{
			Name: "is-date", Params: []Param{text, optional}, Returns: TypeBool,
			Doc:      "True when date would read the text.",
			Examples: []Example{{"is-date('17.03.1994', 'DD.MM.YYYY')", "", "true"}, {"is-date('unknown')", "", "false"}},
			check:    checkPattern(1),
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				pattern := isoPattern
				if c.n() > 1 {
					pattern = c.word(1)
				}
				y, m, d, ok := readDate(s, pattern)
				return boolValue(ok && validDate(y, m, d)), err
			},
		},
		{
			Name: "date-parts", Params: []Param{{Name: "year", Type: TypeText}, {Name: "month", Type: TypeText, Optional: true}, {Name: "day", Type: TypeText, Optional: true}}, Returns: TypeText,
			Doc:      "A date of three fields. Month or day may be missing or zero: the outcome is then a partial date.",
			Examples: []Example{{"date-parts('1994', '3', '7')", "", "1994-03-07"}, {"date-parts(y, m, d)", `{"y":"1994","m":"3","d":"00"}`, "1994-03"}, {"date-parts(y, m, d)", `{"y":"1994"}`, "1994"}},
			eval:     evalDateParts,
		},
		{
			Name: "month-number", Params: []Param{{Name: "text", Type: TypeText}, {Name: "months", Type: TypeWord}}, Returns: TypeText,
			Doc:      "The number of a month in words: months are the twelve names with spaces between; | stands between two names of one month. Three letters of a name are enough, case does not count.",
			Examples: []Example{{"month-number('marts', 'janvāris februāris marts aprīlis maijs jūnijs jūlijs augusts septembris oktobris novembris decembris')", "", "03"}, {"month-number('Sept.', 'Jänner|Januar Februar März April Mai Juni Juli August September Oktober November Dezember')", "", "09"}},
			check: func(c *call) *exprError {
				if l, ok := c.args[1].(*literal); ok && len(strings.Fields(l.v.text)) != 12 {
					return &exprError{l.at, fmt.Sprintf("want twelve months, have %d", len(strings.Fields(l.v.text)))}
				}
				return nil
			},
			eval: evalMonth,
		},
		{
			Name: "limit-date", Params: []Param{{Name: "date", Type: TypeText}, {Name: "precision", Type: TypeText}}, Returns: TypeText,
			Doc:      "An ISO date no more precise than another field says: precision is year, month, day or none (no date at all). Translate the words of the register with switch.",
			Examples: []Example{{"limit-date(date(d, 'YYYYMMDD'), switch(x, 'D', 'month', 'M', 'year', 'J', 'none', 'day'))", `{"d":"19940301","x":"D"}`, "1994-03"}, {"limit-date('1994-01-01', 'year')", "", "1994"}, {"limit-date('1994-03-17', 'none')", "", ""}},
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil || s == "" {
					return textValue(""), err
				}
				precision, err := c.text(1)
				if err != nil {
					return value{}, err
				}
				most := map[string]int{"none": 0, "year": len("YYYY"), "month": len("YYYY-MM"), "day": len(isoPattern)}
				n, ok := most[precision]
				if !ok {
					return value{}, errors.New("precision is year, month, day or none")
				}
				return textValue(s[:min(n, len(s))]), nil
			},
		},
		{
			Name: "instant", Params: []Param{text, {Name: "zone", Type: TypeWord, Optional: true}, {Name: "pattern", Type: TypeWord, Optional: true}}, Returns: TypeText,
			Doc:      "A date and time, made one of UTC to the second. zone is where the clock stands when the text does not say: Z, +02:00 or a zone (" + zoneWords + "), for which the summer time of the Union is known from 2003 on. pattern is made of YYYY, MM, DD, hh, mm and ss; without it the text is of ISO 8601.",
			Examples: []Example{{"instant('2015-10-31T12:00:00+02:00')", "", "2015-10-31T10:00:00Z"}, {"instant('2026-07-01T00:30:00', 'Europe/Ljubljana')", "", "2026-06-30T22:30:00Z"}, {"instant('20261122061500', 'Z', 'YYYYMMDDhhmmss')", "", "2026-11-22T06:15:00Z"}, {"instant('2026-07-01T00:30:00')", "", "error: instant(): the time says no zone"}},
			check:    checkInstant,
			eval:     evalInstant,
		},
		{
			Name: "in-zone", Params: []Param{text, {Name: "zone", Type: TypeWord}}, Returns: TypeText,
			Doc:      "A date and time that says its zone, as the clock shows it in another zone; date(in-zone(...)) is the day there. Zones are those of instant.",
			Examples: []Example{{"in-zone('2026-06-30T22:30:00Z', 'Europe/Ljubljana')", "", "2026-07-01T00:30:00+02:00"}, {"date(in-zone('2026-06-30T22:30:00Z', 'Europe/Ljubljana'))", "", "2026-07-01"}},
			check:    checkZone(1),
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil || s == "" {
					return textValue(""), err
				}
				t, err := readInstant(s, "", "")
				if err != nil {
					return value{}, err
				}
				offset, err := zoneOffset(c.word(1), t)
				if err != nil {
					return value{}, err
				}
				return writeTime(t.In(time.FixedZone("", offset)), "2006-01-02T15:04:05Z07:00")
			},
		},
	}
}

// checkPattern wants each part once at most, and a year.
func checkPattern(i int) func(c *call) *exprError {
	return func(c *call) *exprError {
		if i >= len(c.args) {
			return nil
		}
		l, ok := c.args[i].(*literal)
		if !ok {
			return nil
		}
		p := l.v.text
		month, day := strings.Count(p, "M"), strings.Count(p, "D")
		if strings.Count(p, "Y") != 4 || strings.Count(p, "YYYY") != 1 ||
			month > 2 || month == 2 && !strings.Contains(p, "MM") || day > 2 || day == 2 && !strings.Contains(p, "DD") {
			return &exprError{l.at, "a pattern is made of YYYY, MM and DD, each once, such as DD.MM.YYYY"}
		}
		if c.fn.Name != "partial-date" && (month == 0 || day == 0) {
			return &exprError{l.at, "the pattern must have YYYY, MM and DD"}
		}
		return nil
	}
}

// appendDate writes a date by a pattern that checkPattern has seen.
func appendDate(b []byte, pattern, y, m, d string) []byte {
	for i := 0; i < len(pattern); {
		part := ""
		switch pattern[i] {
		case 'Y':
			b, i = append(b, y...), i+len("YYYY")
			continue
		case 'M':
			part = m
		case 'D':
			part = d
		default:
			b, i = append(b, pattern[i]), i+1
			continue
		}
		if i+1 < len(pattern) && pattern[i+1] == pattern[i] {
			b, i = append(b, part...), i+2
		} else {
			b, i = append(b, strings.TrimPrefix(part, "0")...), i+1
		}
	}
	return b
}

func evalDate(partial bool) func(c *callCtx) (value, error) {
	return func(c *callCtx) (value, error) {
		s, err := c.text(0)
		if err != nil || s == "" {
			return textValue(""), err
		}
		pattern := isoPattern
		if c.n() > 1 {
			pattern = c.word(1)
		}
		y, m, d, ok := readDate(s, pattern)
		if !ok && partial && pattern == isoPattern {
			switch len(s) {
			case len("YYYY"):
				y, m, d, ok = readDate(s, "YYYY")
			case len("YYYY-MM"):
				y, m, d, ok = readDate(s, "YYYY-MM")
			}
		}
		if !ok {
			return value{}, errDate
		}
		if partial {
			if m == "" || m == "00" {
				if d != "" && d != "00" {
					return value{}, errDate // a day of no month
				}
				if y == "0000" {
					return textValue(""), nil // some registers write "unknown" so
				}
				return textValue(y), nil
			}
			if d == "" || d == "00" {
				if !validDate(y, m, "01") {
					return value{}, errDate
				}
				return textValue(c.m.texts.join(y, "-", m)), nil
			}
		}
		if !validDate(y, m, d) {
			return value{}, errDate
		}
		return textValue(c.m.texts.date(s, y, m, d)), nil
	}
}

// readDate takes the parts out of s by place. After an ISO date a time zone or
// a time may follow (xs:date, xs:dateTime).
func readDate(s, pattern string) (y, m, d string, ok bool) {
	if pattern == isoPattern && len(s) > len(pattern) && strings.IndexByte("TZ+-", s[len(pattern)]) >= 0 {
		s = s[:len(pattern)]
	}
	at := 0 // in s; beside i, as M and D take one or two digits
	take := func(n, most int) string {
		if most > n { // one or two
			for n < most && at+n < len(s) && s[at+n] >= '0' && s[at+n] <= '9' {
				n++
			}
		}
		if at+n > len(s) {
			return "?"
		}
		at += n
		return s[at-n : at]
	}
	for i := 0; i < len(pattern); { // checkPattern has seen that the letters stand in rows
		switch c := pattern[i]; c {
		case 'Y':
			y, i = take(4, 4), i+4
		case 'M', 'D':
			n := 1
			if i+1 < len(pattern) && pattern[i+1] == c {
				n = 2
			}
			part := take(n, 2)
			if len(part) == 1 {
				part = "0" + part
			}
			if c == 'M' {
				m = part
			} else {
				d = part
			}
			i += n
		default:
			if at >= len(s) || s[at] != c {
				return "", "", "", false
			}
			i, at = i+1, at+1
		}
	}
	return y, m, d, at == len(s) && allDigits(y) && allDigits(m) && allDigits(d)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func validDate(y, m, d string) bool {
	if y == "" || m == "" || d == "" || !allDigits(y) || !allDigits(m) || !allDigits(d) {
		return false
	}
	number := func(s string) (n int) {
		for i := range len(s) {
			n = 10*n + int(s[i]-'0')
		}
		return n
	}
	year, month, day := number(y), number(m), number(d)
	if year < 1 || month < 1 || month > 12 || day < 1 {
		return false
	}
	return day <= 28 || time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() == day
}
