package mapping

import (
	"slices"
	"strings"
	"unicode"
)

// nameFunctions are about names of people and about addresses.
func nameFunctions() []Function {
	text := Param{Name: "text", Type: TypeText}
	return []Function{
		{
			Name: "name-case", Params: []Param{text, {Name: "particles", Type: TypeWord, Optional: true}}, Returns: TypeText,
			Doc:      "A name in capitals, written with small letters, also after a hyphen and an apostrophe. particles are words that stay small. A name that has a small letter stays as it is.",
			Examples: []Example{{"name-case(\"MARÍA-JOSÉ O'NEILL\")", "", "María-José O'Neill"}, {"name-case('VAN DER BERG', 'van der de')", "", "van der Berg"}, {"name-case('D’ANGELO')", "", "D’Angelo"}, {"name-case('McDonald')", "", "McDonald"}},
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil || s == "" {
					return textValue(""), err
				}
				var small []string
				if c.n() > 1 {
					small = strings.Fields(c.word(1))
				}
				return textValue(nameCase(s, small)), c.m.charge(len(s) / 4)
			},
		},
		{
			Name: "initials", Params: []Param{text}, Returns: TypeText,
			Doc:      "The first letter of each name, with a point behind it.",
			Examples: []Example{{"initials('Ana Lucía')", "", "A.L."}, {"initials('Jean-Paul')", "", "J.-P."}},
			eval:     textFunc(func(s string) (string, error) { return initials(s), nil }),
		},
		{
			Name: "capitals", Params: []Param{text}, Returns: TypeText,
			Doc:      "The words that are written in capitals, where a register tells family names so; one letter alone does not count.",
			Examples: []Example{{"capitals('DE LA FONTAINE Marie J')", "", "DE LA FONTAINE"}},
			eval:     textFunc(func(s string) (string, error) { return wordsThat(s, inCapitals), nil }),
		},
		{
			Name: "not-capitals", Params: []Param{text}, Returns: TypeText,
			Doc:      "The words that capitals leaves out.",
			Examples: []Example{{"not-capitals('DE LA FONTAINE Marie J')", "", "Marie J"}},
			eval: textFunc(func(s string) (string, error) {
				return wordsThat(s, func(w string) bool { return !inCapitals(w) }), nil
			}),
		},
		{
			Name: "street-part", Params: []Param{text, {Name: "part", Type: TypeWord}}, Returns: TypeText,
			Doc:      "One part of a street line: street, number or suffix (what follows the digits of the number). The number stands at the end or, before the street, at the beginning; an ordinal such as 17. is part of the name.",
			Examples: []Example{{"street-part('Straße des 17. Juni 135b', 'number')", "", "135"}, {"street-part('Straße des 17. Juni 135b', 'street')", "", "Straße des 17. Juni"}, {"street-part('Parauga iela 8-12', 'suffix')", "", "12"}, {"street-part('12 bis, rue de la Paix', 'street')", "", "rue de la Paix"}, {"street-part('Am Anger', 'number')", "", ""}},
			check:    checkOneOf(1, "street", "number", "suffix"),
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil {
					return value{}, err
				}
				street, number, suffix := streetParts(s)
				return textValue(map[string]string{"street": street, "number": number, "suffix": suffix}[c.word(1)]), c.m.charge(len(s) / 4)
			},
		},
		{
			Name: "post-code", Params: []Param{text, {Name: "country", Type: TypeText}}, Returns: TypeText,
			Doc:      "A post code as its country (alpha-2 code) writes it. What has not the form of that country stays as it is.",
			Examples: []Example{{"post-code('1508wn', 'NL')", "", "1508 WN"}, {"post-code('00950', 'PL')", "", "00-950"}, {"post-code('SI-1000', 'SI')", "", "1000"}, {"post-code('LV 1010', 'LV')", "", "LV-1010"}, {"post-code('unknown', 'SI')", "", "unknown"}},
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil || s == "" {
					return textValue(""), err
				}
				country, err := c.text(1)
				return textValue(postCode(s, country)), err
			},
		},
	}
}

// isApostrophe says what may stand between the parts of a name.
func isApostrophe(r rune) bool { return r == '\'' || r == '’' || r == 'ʼ' }

// nameCase writes a name in capitals with small letters.
func nameCase(s string, small []string) string {
	if strings.IndexFunc(s, unicode.IsLower) >= 0 {
		return s
	}
	words := strings.Split(s, " ")
	for i, w := range words {
		low := lowerGreek(w)
		if slices.Contains(small, low) {
			words[i] = low
			continue
		}
		var b strings.Builder
		upper, before := true, 0
		runes := []rune(low)
		for j, r := range runes {
			switch {
			case isApostrophe(r): // D'Angelo, but not rock'n
				upper = before > 0 && before <= 4 && j+2 < len(runes)
				before = 0
				b.WriteRune(r)
				continue
			case !unicode.IsLetter(r) && !unicode.IsMark(r):
				upper, before = true, 0
			case upper && unicode.IsLetter(r):
				r, upper, before = unicode.ToTitle(r), false, 1
			default:
				before++
			}
			b.WriteRune(r)
		}
		words[i] = b.String()
	}
	return strings.Join(words, " ")
}

// lowerGreek is lower case with the sigma that ends a word.
func lowerGreek(w string) string {
	w = strings.ToLower(w)
	if cut, ok := strings.CutSuffix(w, "σ"); ok && cut != "" {
		return cut + "ς"
	}
	return w
}

func initials(s string) string {
	var b strings.Builder
	for _, word := range strings.Fields(s) {
		for i, part := range strings.Split(word, "-") {
			for _, r := range part {
				if !unicode.IsLetter(r) {
					continue
				}
				if i > 0 {
					b.WriteByte('-')
				}
				b.WriteRune(unicode.ToTitle(r))
				b.WriteByte('.')
				break
			}
		}
	}
	return b.String()
}

func wordsThat(s string, is func(string) bool) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(s), func(w string) bool { return !is(w) }), " ")
}

func inCapitals(w string) bool {
	letters := 0
	for _, r := range w {
		if unicode.IsLower(r) {
			return false
		}
		if unicode.IsLetter(r) {
			letters++
		}
	}
	return letters > 1
}

// streetParts parts a street line. It is a rule of form: no list of streets.
func streetParts(s string) (street, number, suffix string) {
	words := strings.Fields(s)
	at := -1
	for i, w := range words {
		if w[0] >= '0' && w[0] <= '9' && !strings.HasSuffix(w, ".") {
			at = i
		}
	}
	if at < 0 {
		return strings.Join(words, " "), "", ""
	}
	word := strings.TrimRight(words[at], ",;")
	digits := len(word) - len(strings.TrimLeft(word, "0123456789"))
	number, suffix = word[:digits], strings.TrimLeft(word[digits:], "-/")
	after := words[at+1:]
	if at > 0 {
		for _, w := range after {
			if len([]rune(w)) > 4 { // a word of the street: the digits were none of a house
				return strings.Join(words, " "), "", ""
			}
		}
		return strings.TrimRight(strings.Join(words[:at], " "), ",; "), number, strings.TrimSpace(suffix + " " + strings.TrimLeft(strings.Join(after, " "), "-/ "))
	}
	if len(after) > 1 && suffix == "" {
		if w := strings.TrimRight(after[0], ",;"); len([]rune(w)) == 1 || slices.Contains([]string{"bis", "ter", "quater"}, strings.ToLower(w)) {
			suffix, after = w, after[1:]
		}
	}
	if len(after) == 0 {
		return "", number, suffix
	}
	return strings.Join(after, " "), number, suffix
}

// postCodes are the forms of post codes: 9 a digit, A a letter, * either.
var postCodes = map[string]string{
	"AT": "9999", "BE": "9999", "BG": "9999", "CH": "9999", "CY": "9999", "CZ": "999 99", "DE": "99999", "DK": "9999", "EE": "99999",
	"EL": "999 99", "ES": "99999", "FI": "99999", "FR": "99999", "GR": "999 99", "HR": "99999", "HU": "9999", "IE": "A** ****", "IS": "999",
	"IT": "99999", "LI": "9999", "LT": "LT-99999", "LU": "9999", "LV": "LV-9999", "MT": "AAA 9999", "NL": "9999 AA", "NO": "9999",
	"PL": "99-999", "PT": "9999-999", "RO": "999999", "SE": "999 99", "SI": "9999", "SK": "999 99",
}

func postCode(s, country string) string {
	form, ok := postCodes[country]
	code := compact(s)
	prefix := ""
	if cut, has := strings.CutSuffix(form[:min(len(form), 3)], "-"); has && cut == country {
		prefix, form = form[:3], form[3:]
	}
	if form != "" && form[0] == '9' { // D-12345, LV-1010: the country before the digits
		code = strings.TrimLeftFunc(code, unicode.IsLetter)
	}
	var b strings.Builder
	rest := []rune(code)
	for _, f := range form {
		if f == ' ' || f == '-' {
			b.WriteRune(f)
			continue
		}
		if len(rest) == 0 {
			return s
		}
		digit, letter := rest[0] >= '0' && rest[0] <= '9', rest[0] >= 'A' && rest[0] <= 'Z'
		if f == '9' && !digit || f == 'A' && !letter || !digit && !letter {
			return s
		}
		b.WriteRune(rest[0])
		rest = rest[1:]
	}
	if !ok || len(rest) > 0 {
		return s
	}
	return prefix + b.String()
}
