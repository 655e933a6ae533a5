package capture

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"oncegate/connectors/register/jsonxml"
)

// Names of elements and members are what rules speak of, so they stay. Some registers
// make names of what they hold: a list of people by number, for one.

const mostDigits = 5 // of a name; numbers of persons and days of birth have more

var plainMember = regexp.MustCompile(`^[A-Za-z_$@#][A-Za-z0-9_$@#.:-]{0,79}$`)

// name is a name as it may stay.
func (w *xmlWriter) name(local string) string {
	if digits(local) > mostDigits {
		return mask(local)
	}
	return local
}

// member is the name of a member as it may stay, unlike those that are taken.
func member(name string, taken map[string]any) string {
	if digits(name) <= mostDigits && plainMember.MatchString(name) {
		return name
	}
	masked := mask(name)
	for _, there := taken[masked]; there; _, there = taken[masked] {
		masked += "x"
	}
	return masked
}

func digits(s string) (n int) {
	for _, r := range s {
		if unicode.IsDigit(r) {
			n++
		}
	}
	return n
}

var errNamed = errors.New("the answer names the person in a place that no rule replaces, such as a name of an element or what is kept")

// A person is what the query tells of the one it is about.
type person struct{ words []string }

// learn takes the texts of a subject that are replaced.
func (p *person) learn(path []Step, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, m := range v {
			p.learn(append(slices.Clone(path), Step{Local: jsonxml.Name(k)}), m)
		}
	case []any:
		for _, item := range v {
			p.learn(path, item)
		}
	case string:
		if queryRules().of(path).as == Keep {
			return
		}
		if day, err := time.Parse(time.DateOnly, v); err == nil {
			for _, layout := range []string{"20060102", "2006-01-02", "2006/01/02", "02.01.2006", "2.1.2006", "02/01/2006", "02-01-2006", "01/02/2006", "02012006"} {
				p.words = append(p.words, day.Format(layout))
			}
			return
		}
		v = v[strings.LastIndexByte(v, '/')+1:] // of an eIDAS identifier, what the country gave
		if utf8.RuneCountInString(v) >= 3 {
			p.words = append(p.words, strings.ToLower(v))
		}
	}
}

// in says whether a text holds one of the words: a number anywhere, a name as a whole.
func (p *person) in(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(p.words, func(word string) bool {
		for rest := text; ; {
			at := strings.Index(rest, word)
			if at < 0 {
				return false
			}
			before, _ := utf8.DecodeLastRuneInString(rest[:at])
			after, _ := utf8.DecodeRuneInString(rest[at+len(word):])
			if digits(word) >= 4 || !unicode.IsLetter(before) && !unicode.IsLetter(after) {
				return true
			}
			rest = rest[at+len(word):]
		}
	})
}
