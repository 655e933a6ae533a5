package mapping

import (
	"strings"
)

// latinFunctions write names of other alphabets with Latin letters.
func latinFunctions() []Function {
	var words []string
	for _, a := range alphabets() {
		words = append(words, a.name)
	}
	return []Function{{
		Name: "transliterate", Params: []Param{{Name: "text", Type: TypeText}, {Name: "table", Type: TypeWord}}, Returns: TypeText,
		Doc: "The text in Latin letters by a table: ascii (Latin letters without marks), icao9303 (capitals of the machine readable zone, ICAO Doc 9303-3 section 6: Ä is AE, Ø is OE, ß is SS), elot743 (Greek as in passports, ELOT 743 and ISO 843 type 2), bulgarian (the Bulgarian law of 2009), iso9 (Cyrillic letter by letter, ISO 9:1995). What the table does not know stays.",
		Examples: []Example{
			{"transliterate('Łukasz Ångström', 'ascii')", "", "Lukasz Angstrom"},
			{"transliterate('Jörg Weiß-Ødegård', 'icao9303')", "", "JOERG WEISS-OEDEGAARD"},
			{"transliterate('Γεώργιος Παπαδόπουλος', 'elot743')", "", "Georgios Papadopoulos"},
			{"transliterate('Юлия Щерева', 'bulgarian')", "", "Yulia Shtereva"},
			{"transliterate('Юлия Щерева', 'iso9')", "", "Ûliâ Ŝereva"},
		},
		check: checkOneOf(1, words...),
		eval: func(c *callCtx) (value, error) {
			s, err := c.text(0)
			if err != nil || s == "" {
				return textValue(""), err
			}
			for _, a := range alphabets() {
				if a.name == c.word(1) {
					out := a.write(s)
					if len(out) > maxText {
						return value{}, errTooLong
					}
					return textValue(out), c.m.charge(len(s) / 4)
				}
			}
			return textValue(s), nil
		},
	}}
}

type alphabet struct {
	name  string
	write func(string) string
}

func alphabets() []alphabet {
	return []alphabet{
		{"ascii", func(s string) string { return letters(s, asciiLetter) }},
		{"icao9303", func(s string) string { return strings.ToUpper(letters(s, icaoLetter)) }},
		{"elot743", greek},
		{"bulgarian", bulgarian},
		{"iso9", func(s string) string { return letters(s, cased(iso9Table())) }},
	}
}
