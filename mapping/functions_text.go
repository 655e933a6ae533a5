package mapping

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// maxText bounds what one function may return: concatenation in a loop of rules
// must not grow without end.
const maxText = 1 << 20

var errTooLong = fmt.Errorf("the text is longer than %d bytes", maxText)

// textFunctions make texts from texts.
func textFunctions() []Function {
	text := Param{Name: "text", Type: TypeText}
	two := func(name string) []Param { return []Param{text, {Name: name, Type: TypeText}} }
	return []Function{
		{
			Name: "trim", Params: []Param{text}, Returns: TypeText,
			Doc:      "The text without white space at its ends. What a path finds is trimmed anyway; this is for the outcome of other functions.",
			Examples: []Example{{"trim(concat(' ', name))", `{"name":"Ana"}`, "Ana"}},
			eval:     textFunc(func(s string) (string, error) { return trimSpace(s), nil }),
		},
		{
			Name: "raw", Params: []Param{{Name: "path", Type: TypeNodes}}, Returns: TypeText,
			Doc:      "The text of one node with the white space at its ends.",
			Examples: []Example{{"concat('[', raw(name), ']')", `{"name":" Ana "}`, "[ Ana ]"}},
			eval: func(c *callCtx) (value, error) {
				v, err := c.arg(0)
				if err != nil || len(v.nodes) == 0 {
					return textValue(""), err
				}
				if _, err := c.text(0); err != nil { // several nodes are refused in one place
					return value{}, err
				}
				return textValue(c.m.tree.text(v.nodes[0])), nil
			},
		},
		{
			Name: "normalize-space", Params: []Param{text}, Returns: TypeText,
			Doc:      "The text with each run of white space made one space.",
			Examples: []Example{{"normalize-space(name)", `{"name":"Ana   \n Lucía"}`, "Ana Lucía"}},
			eval: textFunc(func(s string) (string, error) {
				if isNormal(s) {
					return s, nil
				}
				return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }), " "), nil
			}),
		},
		{
			Name: "upper", Params: []Param{text}, Returns: TypeText,
			Doc:      "The text in upper case.",
			Examples: []Example{{"upper('Straße')", "", "STRASSE"}, {"upper(name)", `{"name":"Prøveland"}`, "PRØVELAND"}},
			eval:     textFunc(func(s string) (string, error) { return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS"), nil }),
		},
		{
			Name: "lower", Params: []Param{text}, Returns: TypeText,
			Doc:      "The text in lower case.",
			Examples: []Example{{"lower('ØRE')", "", "øre"}},
			eval:     textFunc(func(s string) (string, error) { return strings.ToLower(s), nil }),
		},
		{
			Name: "concat", Params: []Param{{Name: "text", Type: TypeText, Repeated: true}}, Returns: TypeText,
			Doc:      "The texts one after the other; missing ones count as empty.",
			Examples: []Example{{"concat(street, ' ', number)", `{"street":"Calle Nueva","number":"4"}`, "Calle Nueva 4"}},
			eval: func(c *callCtx) (value, error) {
				t := &c.m.texts
				low := len(t.scratch)
				defer func() { t.scratch = t.scratch[:low] }()
				for i := range c.n() {
					s, err := c.text(i)
					if err != nil {
						return value{}, err
					}
					if len(t.scratch)-low+len(s) > maxText {
						return value{}, errTooLong
					}
					t.scratch = append(t.scratch, s...)
				}
				return textValue(t.keep(t.scratch[low:])), nil
			},
		},
		{
			Name: "join", Params: []Param{{Name: "path", Type: TypeNodes}, {Name: "separator", Type: TypeText}}, Returns: TypeText,
			Doc:      "The texts of all nodes, with the separator between them; empty ones are left out.",
			Examples: []Example{{"join(given, ' ')", `{"given":["Ana","","Lucía"]}`, "Ana Lucía"}},
			eval:     evalJoin,
		},
		{
			Name: "substring", Params: []Param{text, {Name: "start", Type: TypeNumber}, {Name: "length", Type: TypeNumber, Optional: true}}, Returns: TypeText,
			Doc:      "Characters from start (the first is 1), as many as length says or to the end.",
			Examples: []Example{{"substring('19940317', 1, 4)", "", "1994"}, {"substring('19940317', 5)", "", "0317"}, {"substring('ab', 5)", "", ""}},
			eval:     evalSubstring,
		},
		{
			Name: "substring-before", Params: two("mark"), Returns: TypeText,
			Doc:      "What stands before the first mark; nothing when there is no mark.",
			Examples: []Example{{"substring-before('1994-03-17T10:00:00Z', 'T')", "", "1994-03-17"}, {"substring-before('abc', '/')", "", ""}},
			eval: twoTexts(func(s, mark string) (value, error) {
				before, _, found := strings.Cut(s, mark)
				if !found {
					before = ""
				}
				return textValue(before), nil
			}),
		},
		{
			Name: "substring-after", Params: two("mark"), Returns: TypeText,
			Doc:      "What stands after the first mark; nothing when there is no mark.",
			Examples: []Example{{"substring-after('urn:x:17', ':')", "", "x:17"}},
			eval: twoTexts(func(s, mark string) (value, error) {
				_, after, _ := strings.Cut(s, mark)
				return textValue(after), nil
			}),
		},
		{
			Name: "split", Params: []Param{text, {Name: "separator", Type: TypeWord}, {Name: "part", Type: TypeNumber}}, Returns: TypeText,
			Doc:      "One part of a text that the separator divides: 1 is the first, -1 the last; nothing when there are fewer.",
			Examples: []Example{{"split('ES/SI/test-00017-lm', '/', 3)", "", "test-00017-lm"}, {"split('a,b,c', ',', -1)", "", "c"}, {"split('a', ',', 2)", "", ""}},
			check:    checkWord(1),
			eval:     evalSplit,
		},
		{
			Name: "replace", Params: []Param{text, {Name: "old", Type: TypeWord}, {Name: "new", Type: TypeWord}}, Returns: TypeText,
			Doc:      "The text with each old written as new.",
			Examples: []Example{{"replace('12.345.678', '.', '')", "", "12345678"}},
			check:    checkWord(1),
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil {
					return value{}, err
				}
				old, repl := c.word(1), c.word(2)
				if len(s)+strings.Count(s, old)*max(0, len(repl)-len(old)) > maxText {
					return value{}, errTooLong
				}
				return textValue(strings.ReplaceAll(s, old, repl)), nil
			},
		},
		{
			Name: "translate", Params: []Param{text, {Name: "from", Type: TypeWord}, {Name: "to", Type: TypeWord}}, Returns: TypeText,
			Doc:      "Each character of from becomes the one at the same place of to; those without a partner are removed.",
			Examples: []Example{{"translate('1994/03.17', '/.', '--')", "", "1994-03-17"}, {"translate('A-B C', '- ', '')", "", "ABC"}},
			check: func(c *call) *exprError {
				c.made = translation(c.args[1].(*literal).v.text, c.args[2].(*literal).v.text)
				return nil
			},
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil {
					return value{}, err
				}
				table := c.call.made.(map[rune]rune)
				return textValue(strings.Map(func(r rune) rune {
					if t, ok := table[r]; ok {
						return t
					}
					return r
				}, s)), c.m.charge(len(s) / 8)
			},
		},
		{
			Name: "pad-left", Params: []Param{text, {Name: "width", Type: TypeNumber}, {Name: "character", Type: TypeWord}}, Returns: TypeText,
			Doc:      "The text, filled up on the left to the width; a missing text stays missing.",
			Examples: []Example{{"pad-left('731', 8, '0')", "", "00000731"}},
			check: func(c *call) *exprError {
				if l, ok := c.args[2].(*literal); ok && utf8.RuneCountInString(l.v.text) != 1 {
					return &exprError{l.at, "want one character"}
				}
				return nil
			},
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil || s == "" {
					return textValue(""), err
				}
				width, err := c.int(1)
				if err != nil {
					return value{}, err
				}
				fill := min(width, 1000) - utf8.RuneCountInString(s)
				return textValue(strings.Repeat(c.word(2), max(0, fill)) + s), nil
			},
		},
		{
			Name: "starts-with", Params: two("start"), Returns: TypeBool,
			Doc:      "True when the text begins so.",
			Examples: []Example{{"starts-with('ES/SI/1', 'ES/')", "", "true"}},
			eval:     twoTexts(func(s, t string) (value, error) { return boolValue(strings.HasPrefix(s, t)), nil }),
		},
		{
			Name: "ends-with", Params: two("end"), Returns: TypeBool,
			Doc:      "True when the text ends so.",
			Examples: []Example{{"ends-with('Optika d.o.o.', 'd.o.o.')", "", "true"}},
			eval:     twoTexts(func(s, t string) (value, error) { return boolValue(strings.HasSuffix(s, t)), nil }),
		},
		{
			Name: "contains", Params: two("part"), Returns: TypeBool,
			Doc:      "True when the part occurs in the text.",
			Examples: []Example{{"contains('Ana Lucía', 'Luc')", "", "true"}},
			eval:     twoTexts(func(s, t string) (value, error) { return boolValue(strings.Contains(s, t)), nil }),
		},
		{
			Name: "string-length", Params: []Param{text}, Returns: TypeNumber,
			Doc:      "How many characters the text has.",
			Examples: []Example{{"string-length('Lucía')", "", "5"}},
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				return value{kind: TypeNumber, num: float64(utf8.RuneCountInString(s))}, err
			},
		},
		{
			Name: "join-texts", Params: []Param{{Name: "separator", Type: TypeWord}, {Name: "text", Type: TypeText, Repeated: true}}, Returns: TypeText,
			Doc:      "The texts that are not empty, with the separator between them.",
			Examples: []Example{{"join-texts(' ', prefix, family)", `{"prefix":"van der","family":"Voorbeeld"}`, "van der Voorbeeld"}, {"join-texts(', ', street, area, town)", `{"street":"Parauga iela 8","town":"Rīga"}`, "Parauga iela 8, Rīga"}},
			eval: func(c *callCtx) (value, error) {
				var b strings.Builder
				for i := 1; i < c.n(); i++ {
					s, err := c.text(i)
					if err != nil {
						return value{}, err
					}
					if b.Len()+len(s)+len(c.word(0)) > maxText {
						return value{}, errTooLong
					}
					if s != "" && b.Len() > 0 {
						b.WriteString(c.word(0))
					}
					b.WriteString(s)
				}
				return textValue(b.String()), nil
			},
		},
		{
			Name: "words", Params: []Param{text, {Name: "first", Type: TypeNumber}, {Name: "last", Type: TypeNumber, Optional: true}}, Returns: TypeText,
			Doc:      "Some words of the text: 1 is the first one, -1 the last one; without last, one word.",
			Examples: []Example{{"words('Ana Lucía Muestra', 1, -2)", "", "Ana Lucía"}, {"words('Ana Lucía Muestra', -1)", "", "Muestra"}, {"words('Ana', 2)", "", ""}},
			eval:     evalWords,
		},
	}
}

// translation is the table of translate.
func translation(from, to string) map[rune]rune {
	partners := []rune(to)
	table := map[rune]rune{}
	for i, r := range []rune(from) {
		if _, twice := table[r]; twice {
			continue // the first counts (XPath 1.0 4.2)
		}
		table[r] = -1
		if i < len(partners) {
			table[r] = partners[i]
		}
	}
	return table
}

// isNormal says whether white space is single spaces between words already.
func isNormal(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case '\t', '\n', '\r':
			return false
		case ' ':
			if i == 0 || i == len(s)-1 || s[i+1] == ' ' {
				return false
			}
		}
	}
	return true
}

func twoTexts(f func(a, b string) (value, error)) func(c *callCtx) (value, error) {
	return func(c *callCtx) (value, error) {
		a, err := c.text(0)
		if err != nil {
			return value{}, err
		}
		b, err := c.text(1)
		if err != nil {
			return value{}, err
		}
		return f(a, b)
	}
}

func evalJoin(c *callCtx) (value, error) {
	v, err := c.arg(0)
	if err != nil {
		return value{}, err
	}
	sep, err := c.text(1)
	if err != nil {
		return value{}, err
	}
	if len(v.nodes) == 1 {
		s, err := c.m.nodeText(v.nodes[0])
		return textValue(s), err
	}
	t := &c.m.texts
	low := len(t.scratch)
	defer func() { t.scratch = t.scratch[:low] }()
	for _, id := range v.nodes {
		s, err := c.m.nodeText(id)
		if err != nil {
			return value{}, err
		}
		if len(t.scratch)-low+len(s)+len(sep) > maxText {
			return value{}, errTooLong
		}
		if s != "" && len(t.scratch) > low {
			t.scratch = append(t.scratch, sep...)
		}
		t.scratch = append(t.scratch, s...)
	}
	return textValue(t.keep(t.scratch[low:])), nil
}

func evalSubstring(c *callCtx) (value, error) {
	s, err := c.text(0)
	if err != nil {
		return value{}, err
	}
	start, err := c.int(1)
	if err != nil {
		return value{}, err
	}
	length := math.MaxInt32
	if c.n() > 2 {
		if length, err = c.int(2); err != nil {
			return value{}, err
		}
	}
	from, to, n := len(s), len(s), 0
	for i := range s {
		n++
		if n == max(start, 1) {
			from = i
		}
		if n == start+length {
			to = i
			break
		}
	}
	if start+length < 1 || to < from {
		return textValue(""), nil
	}
	return textValue(s[from:to]), nil
}

func evalSplit(c *callCtx) (value, error) {
	s, err := c.text(0)
	if err != nil || s == "" {
		return textValue(""), err
	}
	part, err := c.int(2)
	if err != nil {
		return value{}, err
	}
	sep := c.word(1)
	for ; part > 1; part-- { // cut by cut: a list of all parts could be huge
		i := strings.Index(s, sep)
		if i < 0 {
			return textValue(""), nil
		}
		s = s[i+len(sep):]
	}
	for ; part < -1; part++ {
		i := strings.LastIndex(s, sep)
		if i < 0 {
			return textValue(""), nil
		}
		s = s[:i]
	}
	switch part {
	case 1:
		s, _, _ = strings.Cut(s, sep)
	case -1:
		if i := strings.LastIndex(s, sep); i >= 0 {
			s = s[i+len(sep):]
		}
	default:
		s = ""
	}
	return textValue(s), nil
}

func evalWords(c *callCtx) (value, error) {
	s, err := c.text(0)
	if err != nil {
		return value{}, err
	}
	first, err := c.int(1)
	if err != nil {
		return value{}, err
	}
	last := first
	if c.n() > 2 {
		if last, err = c.int(2); err != nil {
			return value{}, err
		}
	}
	all := strings.Fields(s)
	if first < 0 {
		first += len(all) + 1
	}
	if last < 0 {
		last += len(all) + 1
	}
	first, last = max(first, 1), min(last, len(all))
	if first > last {
		return textValue(""), nil
	}
	return textValue(strings.Join(all[first-1:last], " ")), c.m.charge(len(s) / 8)
}
