package mapping

import (
	"errors"
	"slices"
	"strings"
	"unicode"
)

var errIdentifier = errors.New("not a number of that scheme")

// identifierFunctions check and read numbers of persons, companies and accounts.
func identifierFunctions() []Function {
	text := Param{Name: "text", Type: TypeText}
	scheme := Param{Name: "scheme", Type: TypeWord}
	var all, born, sexed []string
	for _, s := range idSchemes() {
		all = append(all, s.name)
		if s.birth != nil {
			born = append(born, s.name)
		}
		if s.sex != nil {
			sexed = append(sexed, s.name)
		}
	}
	named := func(c *call) *exprError { return checkOneOf(1, all...)(c) }
	return []Function{
		{
			Name: "compact", Params: []Param{text}, Returns: TypeText,
			Doc:      "Letters and digits only, in capitals.",
			Examples: []Example{{"compact('si-56 02/6713')", "", "SI56026713"}},
			eval:     textFunc(func(s string) (string, error) { return compact(s), nil }),
		},
		{
			Name: "digits", Params: []Param{text}, Returns: TypeText,
			Doc:      "The digits 0 to 9 of the text only.",
			Examples: []Example{{"digits('+386 (0)1 555-01')", "", "3860155501"}},
			eval: textFunc(func(s string) (string, error) {
				return strings.Map(func(r rune) rune {
					if r < '0' || r > '9' {
						return -1
					}
					return r
				}, s), nil
			}),
		},
		{
			Name: "identifier", Params: []Param{text, scheme}, Returns: TypeText,
			Doc:      "A number with its check digits verified and its separators removed; a wrong one is a fault. scheme is one of " + strings.Join(all, ", ") + ".",
			Examples: []Example{{"identifier('85.07.30-033 28', 'be-rrn')", "", "85073003328"}, {"identifier('131052-308T', 'fi-hetu')", "", "131052-308T"}, {"identifier('131052-308U', 'fi-hetu')", "", "error: identifier(): not a number of that scheme"}},
			check:    named,
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil || s == "" {
					return textValue(""), err
				}
				id, ok := schemeNamed(c.word(1)).read(s)
				if !ok {
					return value{}, errIdentifier
				}
				return textValue(id), c.m.charge(4)
			},
		},
		{
			Name: "is-identifier", Params: []Param{text, scheme}, Returns: TypeBool,
			Doc:      "True when identifier would take the number.",
			Examples: []Example{{"is-identifier('111222333', 'nl-bsn')", "", "true"}, {"is-identifier('111222334', 'nl-bsn')", "", "false"}},
			check:    named,
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				_, ok := schemeNamed(c.word(1)).read(s)
				return boolValue(ok), err
			},
		},
		{
			Name: "identifier-birth-date", Params: []Param{text, scheme}, Returns: TypeText,
			Doc:      "The date of birth that a personal number tells (" + strings.Join(born, ", ") + "); a partial date where it tells no more.",
			Examples: []Example{{"identifier-birth-date('131052-308T', 'fi-hetu')", "", "1952-10-13"}, {"identifier-birth-date('37605030299', 'ee-isikukood')", "", "1976-05-03"}},
			check:    checkOneOf(1, born...),
			eval: fromNumber(func(s *idScheme, id string) (string, bool) {
				return s.birth(id)
			}),
		},
		{
			Name: "identifier-sex", Params: []Param{text, scheme}, Returns: TypeText,
			Doc:      "male or female, as a personal number tells (" + strings.Join(sexed, ", ") + ").",
			Examples: []Example{{"identifier-sex('131052-308T', 'fi-hetu')", "", "female"}, {"identifier-sex('37605030299', 'ee-isikukood')", "", "male"}},
			check:    checkOneOf(1, sexed...),
			eval: fromNumber(func(s *idScheme, id string) (string, bool) {
				return map[bool]string{true: "male", false: "female"}[s.sex(id)], true
			}),
		},
		{
			Name: "euid", Params: []Param{{Name: "country", Type: TypeText}, {Name: "register", Type: TypeText}, {Name: "number", Type: TypeText}}, Returns: TypeText,
			Doc:      "The European unique identifier of a company (Implementing Regulation (EU) 2021/1042): country, business register and number in it. Missing when one of them is.",
			Examples: []Example{{"euid('NL', 'NHR', '90000471')", "", "NLNHR.90000471"}, {"euid('NL', 'NHR', kvk)", "{}", ""}},
			eval: func(c *callCtx) (value, error) {
				var part [3]string
				for i := range part {
					s, err := c.text(i)
					if err != nil || s == "" {
						return textValue(""), err
					}
					part[i] = s
				}
				id := part[0] + part[1] + "." + part[2]
				if _, _, _, ok := euidParts(id); !ok {
					return value{}, errIdentifier
				}
				return textValue(id), nil
			},
		},
		{
			Name: "euid-part", Params: []Param{text, {Name: "part", Type: TypeWord}}, Returns: TypeText,
			Doc:      "One part of a European unique identifier: country, register or number.",
			Examples: []Example{{"euid-part('NLNHR.90000471', 'number')", "", "90000471"}, {"euid-part('NLNHR.90000471', 'country')", "", "NL"}},
			check:    checkOneOf(1, "country", "register", "number"),
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil || s == "" {
					return textValue(""), err
				}
				country, register, number, ok := euidParts(s)
				if !ok {
					return value{}, errIdentifier
				}
				return textValue(map[string]string{"country": country, "register": register, "number": number}[c.word(1)]), nil
			},
		},
	}
}

// fromNumber reads a fact out of a number that holds.
func fromNumber(f func(s *idScheme, id string) (string, bool)) func(c *callCtx) (value, error) {
	return func(c *callCtx) (value, error) {
		text, err := c.text(0)
		if err != nil || text == "" {
			return textValue(""), err
		}
		s := schemeNamed(c.word(1))
		id, ok := s.read(text)
		if !ok {
			return value{}, errIdentifier
		}
		out, ok := f(s, id)
		if !ok {
			return value{}, errIdentifier
		}
		return textValue(out), c.m.charge(4)
	}
}

// compact keeps letters and digits, in capitals.
func compact(s string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s))
}

func euidParts(s string) (country, register, number string, ok bool) {
	before, number, found := strings.Cut(s, ".")
	if !found || len(before) < 3 || len(before) > 20 || number == "" || len(number) > 80 || strings.ContainsAny(number, " \t\r\n") {
		return "", "", "", false
	}
	for i := range len(before) {
		if c := before[i]; !(c >= 'A' && c <= 'Z' || i > 1 && (c >= '0' && c <= '9' || c == '-' || c == '_')) {
			return "", "", "", false
		}
	}
	return before[:2], before[2:], number, true
}

func schemeNamed(name string) *idScheme {
	all := idSchemes()
	i := slices.IndexFunc(all, func(s idScheme) bool { return s.name == name })
	return &all[i] // the call was checked when it was compiled
}
