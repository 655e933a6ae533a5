package mapping

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// letters writes each character by a table; what the table does not know stays,
// and marks that stand on their own fall away with the letter they belong to.
func letters(s string, table func(r rune, next rune) (string, bool)) string {
	var b strings.Builder
	known := false
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b.WriteByte(s[i])
			i++
			continue
		}
		i += size
		if known && unicode.Is(unicode.Mn, r) {
			continue
		}
		next, _ := utf8.DecodeRuneInString(s[i:])
		out, ok := table(r, next)
		if !ok {
			out = string(r)
		}
		known = ok || r < utf8.RuneSelf
		b.WriteString(out)
	}
	return b.String()
}

// baseLetters are the letters of Latin-1 Supplement, Latin Extended-A and those of
// Extended-B and Additional that names in Europe have, by the letter under the mark.
const baseLetters = `A ÀÁÂÃÄÅĀĂĄǍȀȂȦẠẢẤẦẨẪẬẮẰẲẴẶ a àáâãäåāăąǎȁȃȧạảấầẩẫậắằẳẵặ
C ÇĆĈĊČ c çćĉċč D ĎĐÐḌ d ďđðḍ E ÈÉÊËĒĔĖĘĚȄȆẸẺẼẾỀỂỄỆ e èéêëēĕėęěȅȇẹẻẽếềểễệ
G ĜĞĠĢǤǦǴ g ĝğġģǥǧǵ H ĤĦȞḤ h ĥħȟḥ I ÌÍÎÏĨĪĬĮİǏȈȊỈỊ i ìíîïĩīĭįıǐȉȋỉị J Ĵ j ĵǰ K ĶǨ k ķǩĸ
L ĹĻĽĿŁḶ l ĺļľŀłḷ N ÑŃŅŇŊǸ n ñńņňŋŉǹ O ÒÓÔÕÖØŌŎŐƠǑǪȌȎȪȬȮȰỌỎỐỒỔỖỘỚỜỞỠỢ o òóôõöøōŏőơǒǫȍȏȫȭȯȱọỏốồổỗộớờởỡợ
R ŔŖŘȐȒ r ŕŗřȑȓ S ŚŜŞŠȘṢ s śŝşšșṣſ T ŢŤŦȚṬ t ţťŧțṭ U ÙÚÛÜŨŪŬŮŰŲƯǓȔȖỤỦỨỪỬỮỰ u ùúûüũūŭůűųưǔȕȗụủứừửữự
W ŴẀẂẄ w ŵẁẃẅ Y ÝŶŸȲỲỴỶỸ y ýÿŷȳỳỵỷỹ Z ŹŻŽ z źżž
AE ÆǼ ae æǽ OE Œ oe œ SS ẞ ss ß TH Þ th þ IJ Ĳ ij ĳ DZ Ǆ dz ǆ LJ Ǉ lj ǉ NJ Ǌ nj ǌ`

// latinTable is read-only after the program has started.
var latinTable = sync.OnceValue(func() map[rune]string {
	table := map[rune]string{}
	base := ""
	for i, field := range strings.Fields(baseLetters) {
		if i%2 == 0 {
			base = field
			continue
		}
		for _, r := range field {
			table[r] = base
		}
	}
	return table
})

func asciiLetter(r, _ rune) (string, bool) {
	out, ok := latinTable()[r]
	return out, ok
}

// icaoLetter is the recommended one where the table of Doc 9303-3 section 6 gives
// a choice. An apostrophe is left out (Doc 9303-3, 4.6).
func icaoLetter(r, _ rune) (string, bool) {
	switch r {
	case 'Ä', 'ä':
		return "AE", true
	case 'Ö', 'ö', 'Ø', 'ø':
		return "OE", true
	case 'Ü', 'ü':
		return "UE", true
	case 'Å', 'å':
		return "AA", true
	case '\'', '’', 'ʼ':
		return "", true
	}
	out, ok := latinTable()[r]
	return out, ok
}

// cased makes a table of small letters one of both cases: before a small letter a
// capital of several letters has one capital.
func cased(table map[rune]string) func(r, next rune) (string, bool) {
	return func(r, next rune) (string, bool) {
		if out, ok := table[r]; ok {
			return out, true
		}
		out, ok := table[unicode.ToLower(r)]
		if !ok {
			return "", false
		}
		return capital(out, !unicode.IsUpper(next)), true
	}
}

// capital writes a text with a capital: one letter of it, or all of them.
func capital(s string, one bool) string {
	if !one {
		return strings.ToUpper(s)
	}
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}

// pairs reads a table of letters.
func pairs(text string) map[rune]string {
	table := map[rune]string{}
	for _, field := range strings.Fields(text) {
		r, size := utf8.DecodeRuneInString(field)
		table[r] = field[size:]
	}
	return table
}

// iso9Table is ISO 9:1995, system of one letter for one letter: Belarusian,
// Bulgarian, Macedonian, Russian, Serbian, Ukrainian.
var iso9Table = sync.OnceValue(func() map[rune]string {
	return pairs("аa бb вv гg дd еe ёë жž зz иi йj кk лl мm нn оo пp рr сs тt уu фf хh цc чč шš щŝ ъʺ ыy ьʹ эè юû яâ" +
		" ґg̀ єê іì їï ўŭ ђđ ѓǵ ѕẑ јǰ љl̂ њn̂ ћć ќḱ џd̂ ѣě ѫǎ ѳf̀ ѵỳ ’’")
})

var bulgarianTable = sync.OnceValue(func() map[rune]string {
	return pairs("аa бb вv гg дd еe жzh зz иi йy кk лl мm нn оo пp рr сs тt уu фf хh цts чch шsh щsht ъa ьy юyu яya")
})

// bulgarian is the Transliteration Act of 2009: letter by letter, but -ия at the
// end of a word is -ia, and the name of the country is Bulgaria.
func bulgarian(s string) string {
	table := cased(bulgarianTable())
	runes := []rune(s)
	var b strings.Builder
	for i, r := range runes {
		next, after := rune(0), rune(0)
		if i+1 < len(runes) {
			next = runes[i+1]
		}
		if i > 0 {
			after = runes[i-1]
		}
		if unicode.ToLower(r) == 'я' && unicode.ToLower(after) == 'и' && !unicode.IsLetter(next) {
			if unicode.IsUpper(r) {
				b.WriteByte('A')
			} else {
				b.WriteByte('a')
			}
			continue
		}
		beside := next
		if !unicode.IsLetter(next) { // the last letter of a word in capitals
			beside = after
		}
		if out, ok := table(r, beside); ok {
			b.WriteString(out)
		} else {
			b.WriteRune(r)
		}
	}
	out := b.String()
	for _, c := range []struct{ from, to string }{{"Balgaria", "Bulgaria"}, {"BALGARIA", "BULGARIA"}} {
		if strings.Contains(s, "ългария") || strings.Contains(s, "ЪЛГАРИЯ") {
			out = strings.ReplaceAll(out, c.from, c.to)
		}
	}
	return out
}

var greekTable = sync.OnceValue(func() map[rune]string {
	return pairs("αa βv γg δd εe ζz ηi θth ιi κk λl μm νn ξx οo πp ρr σs ςs τt υy φf χch ψps ωo")
})

// greekPlain is a small letter without tonos; marked says that it had one, split
// that it had a diaeresis, which parts two vowels.
func greekPlain(r rune) (plain rune, marked, split bool) {
	r = unicode.ToLower(r)
	switch r {
	case 'ά':
		return 'α', true, false
	case 'έ':
		return 'ε', true, false
	case 'ή':
		return 'η', true, false
	case 'ί':
		return 'ι', true, false
	case 'ό':
		return 'ο', true, false
	case 'ύ':
		return 'υ', true, false
	case 'ώ':
		return 'ω', true, false
	case 'ϊ':
		return 'ι', false, true
	case 'ΐ':
		return 'ι', true, true
	case 'ϋ':
		return 'υ', false, true
	case 'ΰ':
		return 'υ', true, true
	}
	return r, false, false
}

// greek is ELOT 743 (ISO 843 type 2): pairs of letters have a sound of their own.
func greek(s string) string {
	runes := []rune(s)
	plain := make([]rune, len(runes))
	marked, split := make([]bool, len(runes)), make([]bool, len(runes))
	for i, r := range runes {
		plain[i], marked[i], split[i] = greekPlain(r)
	}
	at := func(i int) rune {
		if i < 0 || i >= len(plain) {
			return 0
		}
		return plain[i]
	}
	table := greekTable()
	var b strings.Builder
	for i := 0; i < len(runes); i++ {
		out, ok := table[plain[i]]
		if !ok {
			b.WriteRune(runes[i])
			continue
		}
		n := 1
		next := at(i + 1)
		switch pair := string([]rune{plain[i], next}); {
		case pair == "ου" && !marked[i] && !split[i+1]:
			out, n = "ou", 2
		case (pair == "αυ" || pair == "ευ" || pair == "ηυ") && !marked[i] && !split[i+1]:
			// before a voiced sound v, else f
			out, n = table[plain[i]]+"f", 2
			if after := at(i + 2); after != 0 && strings.ContainsRune("βγδζλμνραεηιουω", after) {
				out = table[plain[i]] + "v"
			}
		case pair == "γγ" || pair == "γξ" || pair == "γχ":
			out = "n"
		case pair == "μπ":
			out, n = "mp", 2
			if _, before := table[at(i-1)]; !before {
				out = "b"
			} else if _, after := table[at(i+2)]; !after {
				out = "b"
			}
		}
		if unicode.IsUpper(runes[i]) {
			beside := i + n
			small := beside < len(runes) && unicode.IsLower(runes[beside]) || n == 2 && unicode.IsLower(runes[i+1])
			if beside >= len(runes) || !unicode.IsLetter(runes[beside]) {
				small = small || i == 0 && n == 1 || i > 0 && n == 1 && !unicode.IsUpper(runes[i-1])
			}
			out = capital(out, small)
		}
		b.WriteString(out)
		i += n - 1
	}
	return b.String()
}
