package mapping

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// The numbers are those with which their issuers, or the articles about them,
// explain the check digits.
func TestPublishedNumbersHold(t *testing.T) {
	for scheme, ids := range map[string][]string{
		"luhn":         {"79927398713"},
		"mod11-2":      {"0000 0001 2103 2683", "079X"},
		"mod11-10":     {"0794 5"},
		"mod97-10":     {"794 44"},
		"iban":         {"GB82 WEST 1234 5698 7654 32", "DE89370400440532013000"},
		"lei":          {"5493001KJTIIGC8Y1R12"},
		"at-svnr":      {"1237 010180"},
		"be-rrn":       {"85.07.30-033 28", "17.07.30-033 84"},
		"bg-egn":       {"7523169263"},
		"cz-rc":        {"736028/5163"},
		"de-idnr":      {"86 095 742 719"},
		"ee-isikukood": {"37605030299"},
		"es-nif":       {"12345678Z", "X1234567L"},
		"fi-hetu":      {"131052-308T"},
		"fi-ytunnus":   {"0112038-9"},
		"fr-nir":       {"2 55 08 14 168 025 38"},
		"gr-afm":       {"094259216"},
		"hr-oib":       {"69435151530"},
		"it-cf":        {"RSSMRA85T10A562S"},
		"it-piva":      {"00743110157"},
		"lt-ak":        {"33309240064"},
		"nl-bsn":       {"111222333", "1234.56.782"},
		"no-fnr":       {"151086 95088"},
		"pl-nip":       {"123-456-32-18"},
		"pl-pesel":     {"44051401359"},
		"pt-nif":       {"123456789"},
		"ro-cnp":       {"1630615123457"},
		"se-pnr":       {"811218-9876", "19811218-9876"},
		"si-davcna":    {"50223054"},
		"si-emso":      {"0101006500006"},
	} {
		s := schemeNamed(scheme)
		for _, id := range ids {
			have, ok := s.read(id)
			if !ok {
				t.Errorf("%s: %s does not hold", scheme, id)
				continue
			}
			// One digit changed is found out by every one of these rules.
			at := strings.LastIndexAny(have, "0123456789")
			wrong := have[:at] + string('0'+(have[at]-'0'+1)%10) + have[at+1:]
			if _, ok := s.read(wrong); ok {
				t.Errorf("%s: %s holds too", scheme, wrong)
			}
		}
	}
	for _, s := range idSchemes() {
		if _, ok := s.read("not a number at all"); ok {
			t.Errorf("%s takes anything", s.name)
		}
	}
}

func TestExpressionsOfRegisters(t *testing.T) {
	for _, tc := range []struct{ rule, expr, want string }{
		{"a personal number tells the century", "identifier-birth-date('0101006500006', 'si-emso')", "2006-01-01"},
		{"a number of the last century", "identifier-birth-date('44051401359', 'pl-pesel')", "1944-05-14"},
		{"of the century before", "identifier-birth-date('7523169263', 'bg-egn')", "1875-03-16"},
		{"with the month of a woman", "identifier-birth-date('736028/5163', 'cz-rc')", "1973-10-28"},
		{"check digits tell the century", "identifier-birth-date('17.07.30-033 84', 'be-rrn')", "2017-07-30"},
		{"sex of a code with letters", "identifier-sex('RSSMRA85T10A562S', 'it-cf')", "male"},
		{"a number that does not hold is a fault", "identifier-birth-date('44051401358', 'pl-pesel')", "error: identifier-birth-date(): not a number of that scheme"},
		{"schemes are known when the rule is read", "identifier('1', 'xx-nothing')", "fault: want one of"},
		{"what is missing stays missing", "identifier(nothing, 'nl-bsn')", ""},

		{"single digits", "date('3.11.2026', 'D.M.YYYY')", "2026-11-03"},
		{"two digits where one may stand", "date('13.11.2026', 'D.M.YYYY')", "2026-11-13"},
		{"three digits are no day", "date('130.11.2026', 'D.M.YYYY')", "error: date(): not a date of the given pattern"},
		{"format without zeros", "format-date('2026-01-05', 'D. M. YYYY')", "5. 1. 2026"},
		{"an incomplete text", "date('19940', 'YYYYMMDD')", "error: date(): not a date of the given pattern"},
		{"a day without a month", "date-parts('1994', '', '17')", "error: date-parts(): not a date of the given pattern"},
		{"no date of three empty fields", "date-parts(y, m, d)", ""},
		{"a month of too few letters", "month-number('ma', 'januari februari maart april mei juni juli augustus september oktober november december')", "error: month-number(): not one of the months"},
		{"a month that could be two", "month-number('jun', 'jan feb mar apr may june juny aug sep oct nov dec')", "error: month-number(): not one of the months"},
		{"eleven months", "month-number('x', 'a b c d e f g h i j k')", "fault: want twelve months, have 11"},
		{"summer time begins", "instant('2026-03-29T03:00', 'CET')", "2026-03-29T01:00:00Z"},
		{"before it begins", "instant('2026-03-29T01:59', 'CET')", "2026-03-29T00:59:00Z"},
		{"the hour that comes twice is the first", "instant('2026-10-25T02:30', 'CET')", "2026-10-25T00:30:00Z"},
		{"after it ends", "instant('2026-10-25T03:00', 'EET')", "2026-10-25T00:00:00Z"},
		{"a fraction of a second is dropped", "instant('2026-11-22T06:15:00.123+01:00')", "2026-11-22T05:15:00Z"},
		{"before the common rule", "instant('1999-07-01T00:00:00', 'Europe/Vilnius')", "error: instant(): summer time is known from 2003 on; give the offset"},
		{"a fixed offset counts always", "instant('1999-07-01T00:00:00', '+02:00')", "1999-06-30T22:00:00Z"},
		{"an unknown zone", "instant('x', 'America/Nowhere')", "fault: want Z"},

		{"elisions and hyphens", "name-case(\"D'ANGELO-O'BRIEN\")", "D'Angelo-O'Brien"},
		{"names of other alphabets", "name-case('ΓΙΩΡΓΟΣ ПЕТРОВ')", "Γιωργος Петров"},
		{"a number that names a street", "street-part('Ulica 1. maja', 'number')", ""},
		{"a number within a street", "street-part('Rue du 8 Novembre', 'street')", "Rue du 8 Novembre"},
		{"a suffix behind the number", "street-part('Leverkruidweg 379 B', 'suffix')", "B"},
		{"a post code in another form stays", "post-code('1508', 'NL')", "1508"},
		{"no country, no form", "post-code('12 34', '')", "12 34"},
		{"Ireland", "post-code('d02af30', 'IE')", "D02 AF30"},
		{"Lithuania keeps its letters", "post-code('01100', 'LT')", "LT-01100"},

		{"decimals add up exactly", "add('0.1', '0.2', '0.3')", "0.6"},
		{"so do long ones", "add('12345678901234567890.1', '0.9')", "12345678901234567891.0"},
		{"what is no number", "multiply('ten', '2')", "error: multiply(): not a number"},
		{"a half goes away from zero", "round('-2.5', 0)", "-3"},
		{"there is no negative zero", "round('-0.001', 2)", "0.00"},
		{"places are bounded", "divide('1', '3', 99)", "error: divide(): want 0 to 20 places"},
		{"a unit in any case", "convert('81', 'KW', 'ps', 1)", "110.1"},
		{"a unit of the data that nobody knows", "convert('81', 'cubits', 'm', 1)", "error: convert(): an unknown unit"},
		{"a unit of the rule that nobody knows", "convert('81', 'm', 'cubits', 1)", "fault: there is no such unit"},
		{"emissions", "quantity('120g/km', 'mg/km', 0)", "120000"},
		{"a share", "quantity('12,5 %', '1', 3, ',')", "0.125"},
		{"no unit behind the number", "quantity('120', 'kW', 0)", "error: quantity(): an unknown unit"},
		{"miles", "convert('100', 'mi', 'km', 4)", "160.9344"},
		{"grams by the mile", "convert('160.9344', 'g/mi', 'g/km', 2)", "100.00"},

		{"case of other alphabets", "transliterate('ΑΘΗΝΑ ΜΠΟΥΜΠΟΥΛΙΝΑ', 'elot743')", "ATHINA BOUMPOULINA"},
		{"pairs of vowels", "transliterate('Ευάγγελος Αυγουστής', 'elot743')", "Evangelos Avgoustis"},
		{"before a voiceless sound", "transliterate('Ναύπλιο', 'elot743')", "Nafplio"},
		{"diaeresis parts two vowels", "transliterate('Μαΐου Αϋφαντής', 'elot743')", "Maiou Ayfantis"},
		{"a capital theta", "transliterate('Θεσσαλονίκη ΘΕΟΣ', 'elot743')", "Thessaloniki THEOS"},
		{"the name of a country by law", "transliterate('България', 'bulgarian')", "Bulgaria"},
		{"capitals", "transliterate('ЖЕЛЯЗКОВ Желязков', 'bulgarian')", "ZHELYAZKOV Zhelyazkov"},
		{"the end of a name", "transliterate('София', 'bulgarian')", "Sofia"},
		{"Serbian letters", "transliterate('Љубиша Ђорђевић', 'iso9')", "L̂ubiša Đorđević"},
		{"marks that stand alone fall away", "transliterate('Ame\u0301lie', 'ascii')", "Amelie"},
		{"marks of other letters stay", "transliterate('и\u0301', 'ascii')", "и\u0301"},
		{"letters of Malta and Iceland", "transliterate('Ħal Għaxaq Þór', 'ascii')", "Hal Ghaxaq THor"},
		{"an apostrophe is left out", "transliterate(\"O'Neill\", 'icao9303')", "ONEILL"},

		{"the third case", "switch('c', 'a', '1', 'b', '2', 'c', '3')", "3"},
		{"a case is a word", "switch('c', 'a', '1', x, '2')", "fault: a case of switch must be a text in quotes"},
		{"words over the end", "words('a b c', 2, 9)", "b c"},
		{"words before the start", "words('a b c', -9, 2)", "a b"},
	} {
		got := evalText(t, tc.expr, "{}")
		if got != tc.want && !(strings.HasPrefix(tc.want, "fault: ") && strings.HasPrefix(got, tc.want)) {
			t.Errorf("%s: %s: got %q, want %q", tc.rule, tc.expr, got, tc.want)
		}
	}
}

// randomCall writes a call of a function with arguments of the kinds it wants.
func randomCall(r *rand.Rand, f *Function, texts []string, depth int) string {
	var args []string
	n := len(f.Params)
	if n > 0 && f.Params[n-1].Repeated {
		n += r.IntN(3)
	}
	for i := range n {
		p := f.Params[min(i, len(f.Params)-1)]
		if p.Optional && r.IntN(3) == 0 {
			break
		}
		switch p.Type {
		case TypeNodes:
			args = append(args, []string{"a", "//*", "a/b", "..", "nothing", "//text()"}[r.IntN(6)])
		case TypeWord:
			args = append(args, "'"+words(f, i, r, texts)+"'")
		case TypeNumber:
			args = append(args, fmt.Sprint(r.IntN(60)-20))
		default:
			switch r.IntN(4) {
			case 0:
				args = append(args, []string{"a[1]", "a/b[1]", "nothing"}[r.IntN(3)])
			case 1:
				all := Functions()
				if depth < 3 {
					args = append(args, randomCall(r, &all[r.IntN(len(all))], texts, depth+1))
					continue
				}
				fallthrough
			default:
				args = append(args, "'"+strings.ReplaceAll(texts[r.IntN(len(texts))], "'", "")+"'")
			}
		}
	}
	return f.Name + "(" + strings.Join(args, ", ") + ")"
}

// words gives a word that the function may take: one of its own examples, one of
// its closed sets, or any.
func words(f *Function, i int, r *rand.Rand, texts []string) string {
	switch f.Name {
	case "identifier", "is-identifier", "identifier-birth-date", "identifier-sex":
		all := idSchemes()
		return all[r.IntN(len(all))].name
	case "transliterate":
		all := alphabets()
		return all[r.IntN(len(all))].name
	case "date", "partial-date", "format-date", "is-date":
		return []string{"D.M.YYYY", "YYYYMMDD", "DD/MM/YYYY", "YYYY-MM-DD", "YYYY"}[r.IntN(5)]
	case "instant", "in-zone":
		if i == 2 {
			return "YYYYMMDDhhmmss"
		}
		return []string{"CET", "Z", "+05:30", "Europe/Riga"}[r.IntN(4)]
	case "convert", "quantity":
		if f.Params[i].Name == "to" {
			return []string{"kW", "l", "%", "g/km", "1"}[r.IntN(5)]
		}
	case "street-part":
		return []string{"street", "number", "suffix"}[r.IntN(3)]
	case "euid-part":
		return "number"
	case "month-number":
		return "jan feb mar apr maj jun jul avg sep okt nov dec"
	}
	return strings.ReplaceAll(texts[r.IntN(len(texts))], "'", "")
}

// FuzzFunctions calls every function with arguments of the right kinds over any
// text: nothing may panic, and a text must stay bounded.
func FuzzFunctions(f *testing.F) {
	for _, s := range []string{"131052-308T", "1994-03-17", "Straße des 17. Juni 135b", "Ευάγγελος", "-0.5", "85 kW", "\xff\xfe", "2026-10-25T02:30:00+02:00", "NLNHR.90000471", "Ώ\u0301ϊ", ""} {
		f.Add(uint64(len(s)), s, "17.03.1994")
	}
	table := Functions()
	f.Fuzz(func(t *testing.T, seed uint64, one, two string) {
		if len(one)+len(two) > 1000 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 1))
		texts := []string{one, two, "", "0", "12.5", "1994-03-17"}
		in := map[string]any{"a": []any{one, map[string]any{"b": two}}}
		for range 20 {
			text := randomCall(r, &table[r.IntN(len(table))], texts, 0)
			s := &Scope{names: newNames()}
			e, fault := (&grammar{names: s.names}).parseExpr(text)
			if fault != nil {
				continue
			}
			m := newMachine(s)
			if err := m.load.loadValue(in, false); err != nil {
				t.Fatal(err)
			}
			m.allow()
			v, err := e.eval(m, 0)
			if err == nil && len(v.text) > maxText {
				t.Errorf("%s: a text of %d bytes", text, len(v.text))
			}
		}
	})
}
