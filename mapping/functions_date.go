package mapping

import (
	"errors"
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
			Doc:      "A complete date, read by a pattern of YYYY, MM and DD (YYYY-MM-DD when left out). A time after an ISO date is dropped. What is no date of the calendar is a fault.",
			Examples: []Example{{"date('17.03.1994', 'DD.MM.YYYY')", "", "1994-03-17"}, {"date('1994-03-17+01:00')", "", "1994-03-17"}, {"date('31.02.1994', 'DD.MM.YYYY')", "", "error: date(): not a date of the given pattern"}},
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
			Doc:      "An ISO date written by a pattern of YYYY, MM and DD. A partial date is a fault.",
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
				return textValue(strings.NewReplacer("YYYY", y, "MM", m, "DD", d).Replace(c.word(1))), nil
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
		if strings.Count(p, "YYYY") != 1 || strings.Count(p, "MM") > 1 || strings.Count(p, "DD") > 1 ||
			strings.ContainsAny(strings.NewReplacer("YYYY", "", "MM", "", "DD", "").Replace(p), "YMD") {
			return &exprError{l.at, "a pattern is made of YYYY, MM and DD, each once, such as DD.MM.YYYY"}
		}
		if c.fn.Name != "partial-date" && (!strings.Contains(p, "MM") || !strings.Contains(p, "DD")) {
			return &exprError{l.at, "the pattern must have YYYY, MM and DD"}
		}
		return nil
	}
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
		return textValue(c.m.texts.join(y, "-", m, "-", d)), nil
	}
}

// readDate takes the parts out of s by place. After an ISO date a time zone or
// a time may follow (xs:date, xs:dateTime).
func readDate(s, pattern string) (y, m, d string, ok bool) {
	if pattern == isoPattern && len(s) > len(pattern) && strings.IndexByte("TZ+-", s[len(pattern)]) >= 0 {
		s = s[:len(pattern)]
	}
	if len(s) != len(pattern) {
		return "", "", "", false
	}
	for i := 0; i < len(pattern); { // checkPattern has seen that the letters stand in rows
		switch pattern[i] {
		case 'Y':
			y, i = s[i:i+4], i+4
		case 'M':
			m, i = s[i:i+2], i+2
		case 'D':
			d, i = s[i:i+2], i+2
		case s[i]:
			i++
		default:
			return "", "", "", false
		}
	}
	return y, m, d, allDigits(y) && allDigits(m) && allDigits(d)
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
