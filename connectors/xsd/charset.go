package xsd

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"
)

// charSet is a set of characters: ranges from low to high, sorted and apart once tidy.
type charSet [][2]rune

func (s charSet) has(c rune) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i][1] >= c })
	return i < len(s) && s[i][0] <= c
}

func (s charSet) tidy() charSet {
	slices.SortFunc(s, func(a, b [2]rune) int { return int(a[0]) - int(b[0]) })
	var out charSet
	for _, r := range s {
		if n := len(out); n > 0 && r[0] <= out[n-1][1]+1 {
			out[n-1][1] = max(out[n-1][1], r[1])
			continue
		}
		out = append(out, r)
	}
	return out
}

func (s charSet) not() charSet {
	var out charSet
	next := rune(0)
	for _, r := range s {
		if r[0] > next {
			out = append(out, [2]rune{next, r[0] - 1})
		}
		next = r[1] + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, [2]rune{next, unicode.MaxRune})
	}
	return out
}

func (s charSet) minus(o charSet) charSet {
	return append(s.not(), o...).tidy().not()
}

func (s charSet) meets(o charSet) bool {
	for i, j := 0, 0; i < len(s) && j < len(o); {
		switch {
		case s[i][1] < o[j][0]:
			i++
		case o[j][1] < s[i][0]:
			j++
		default:
			return true
		}
	}
	return false
}

// write says the set in the syntax of Go.
func (s charSet) write(b *strings.Builder) {
	if len(s) == 0 {
		b.WriteString(`[^\x{0}-\x{10FFFF}]`)
		return
	}
	b.WriteByte('[')
	for _, r := range s {
		b.WriteString(`\x{` + strconv.FormatInt(int64(r[0]), 16) + `}`)
		if r[1] > r[0] {
			b.WriteString(`-\x{` + strconv.FormatInt(int64(r[1]), 16) + `}`)
		}
	}
	b.WriteByte(']')
}

func fromTable(t *unicode.RangeTable) charSet {
	var out charSet
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			out = append(out, [2]rune{lo, hi})
			return
		}
		for c := lo; c <= hi; c += stride {
			out = append(out, [2]rune{c, c})
		}
	}
	for _, r := range t.R16 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	for _, r := range t.R32 {
		add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
	}
	return out.tidy()
}

// namedSet is a general category, or a block as IsName. Unassigned characters and
// surrogates are made of what the other categories leave.
func namedSet(name string) charSet {
	if block, ok := strings.CutPrefix(name, "Is"); ok {
		if r, ok := blocks()[block]; ok {
			return charSet{r}
		}
		return nil
	}
	switch name {
	case "Cn":
		return unassigned()
	case "C":
		return append(fromTable(unicode.C), unassigned()...).tidy()
	case "Cs":
		return nil // not in XML, and F.1.1 leaves it out
	}
	if len(name) > 2 || !strings.Contains("LMNPZSC", name[:min(1, len(name))]) || name == "" {
		return nil
	}
	if t := unicode.Categories[name]; t != nil {
		return fromTable(t)
	}
	return nil
}

func unassigned() charSet {
	var all charSet
	for _, c := range []*unicode.RangeTable{unicode.L, unicode.M, unicode.N, unicode.P, unicode.Z, unicode.S, unicode.C} {
		all = append(all, fromTable(c)...)
	}
	return all.tidy().not()
}

// multiEscape is a multi-character escape (F.1.1).
func multiEscape(c rune) charSet {
	switch c {
	case 's':
		return charSet{{'\t', '\n'}, {'\r', '\r'}, {' ', ' '}}
	case 'd':
		return fromTable(unicode.Nd)
	case 'w':
		return append(append(namedSet("P"), namedSet("Z")...), namedSet("C")...).tidy().not()
	case 'i':
		return append(charSet{{':', ':'}}, nameStart()...).tidy()
	case 'c':
		return append(nameStart(), charSet{{':', ':'}, {'-', '.'}, {'0', '9'}, {0xB7, 0xB7}, {0x300, 0x36F}, {0x203F, 0x2040}}...).tidy()
	case 'S', 'D', 'W', 'I', 'C':
		return multiEscape(unicode.ToLower(c)).not()
	}
	return nil
}

// nameStart follows NameStartChar of XML 1.0 fifth edition, without the colon, as the
// names of documents are read here.
func nameStart() charSet {
	return charSet{{'A', 'Z'}, {'_', '_'}, {'a', 'z'}, {0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x2FF}, {0x370, 0x37D}, {0x37F, 0x1FFF},
		{0x200C, 0x200D}, {0x2070, 0x218F}, {0x2C00, 0x2FEF}, {0x3001, 0xD7FF}, {0xF900, 0xFDCF}, {0xFDF0, 0xFFFD}, {0x10000, 0xEFFFF}}
}

// blocks are the blocks of Unicode by their names without spaces (F.1.1). Go has none.
func blocks() map[string][2]rune {
	return map[string][2]rune{
		"BasicLatin": {0x0, 0x7F}, "Latin-1Supplement": {0x80, 0xFF}, "LatinExtended-A": {0x100, 0x17F}, "LatinExtended-B": {0x180, 0x24F},
		"IPAExtensions": {0x250, 0x2AF}, "SpacingModifierLetters": {0x2B0, 0x2FF}, "CombiningDiacriticalMarks": {0x300, 0x36F},
		"Greek": {0x370, 0x3FF}, "GreekandCoptic": {0x370, 0x3FF}, "Cyrillic": {0x400, 0x4FF}, "CyrillicSupplement": {0x500, 0x52F},
		"Armenian": {0x530, 0x58F}, "Hebrew": {0x590, 0x5FF}, "Arabic": {0x600, 0x6FF}, "Syriac": {0x700, 0x74F}, "Thaana": {0x780, 0x7BF},
		"Devanagari": {0x900, 0x97F}, "Bengali": {0x980, 0x9FF}, "Gurmukhi": {0xA00, 0xA7F}, "Gujarati": {0xA80, 0xAFF}, "Oriya": {0xB00, 0xB7F},
		"Tamil": {0xB80, 0xBFF}, "Telugu": {0xC00, 0xC7F}, "Kannada": {0xC80, 0xCFF}, "Malayalam": {0xD00, 0xD7F}, "Sinhala": {0xD80, 0xDFF},
		"Thai": {0xE00, 0xE7F}, "Lao": {0xE80, 0xEFF}, "Tibetan": {0xF00, 0xFFF}, "Myanmar": {0x1000, 0x109F}, "Georgian": {0x10A0, 0x10FF},
		"HangulJamo": {0x1100, 0x11FF}, "Ethiopic": {0x1200, 0x137F}, "Cherokee": {0x13A0, 0x13FF}, "UnifiedCanadianAboriginalSyllabics": {0x1400, 0x167F},
		"Ogham": {0x1680, 0x169F}, "Runic": {0x16A0, 0x16FF}, "Tagalog": {0x1700, 0x171F}, "Hanunoo": {0x1720, 0x173F}, "Buhid": {0x1740, 0x175F},
		"Tagbanwa": {0x1760, 0x177F}, "Khmer": {0x1780, 0x17FF}, "Mongolian": {0x1800, 0x18AF}, "LatinExtendedAdditional": {0x1E00, 0x1EFF},
		"GreekExtended": {0x1F00, 0x1FFF}, "GeneralPunctuation": {0x2000, 0x206F}, "SuperscriptsandSubscripts": {0x2070, 0x209F},
		"CurrencySymbols": {0x20A0, 0x20CF}, "CombiningMarksforSymbols": {0x20D0, 0x20FF}, "CombiningDiacriticalMarksforSymbols": {0x20D0, 0x20FF},
		"LetterlikeSymbols": {0x2100, 0x214F}, "NumberForms": {0x2150, 0x218F}, "Arrows": {0x2190, 0x21FF}, "MathematicalOperators": {0x2200, 0x22FF},
		"MiscellaneousTechnical": {0x2300, 0x23FF}, "ControlPictures": {0x2400, 0x243F}, "OpticalCharacterRecognition": {0x2440, 0x245F},
		"EnclosedAlphanumerics": {0x2460, 0x24FF}, "BoxDrawing": {0x2500, 0x257F}, "BlockElements": {0x2580, 0x259F}, "GeometricShapes": {0x25A0, 0x25FF},
		"MiscellaneousSymbols": {0x2600, 0x26FF}, "Dingbats": {0x2700, 0x27BF}, "BraillePatterns": {0x2800, 0x28FF}, "CJKRadicalsSupplement": {0x2E80, 0x2EFF},
		"KangxiRadicals": {0x2F00, 0x2FDF}, "IdeographicDescriptionCharacters": {0x2FF0, 0x2FFF}, "CJKSymbolsandPunctuation": {0x3000, 0x303F},
		"Hiragana": {0x3040, 0x309F}, "Katakana": {0x30A0, 0x30FF}, "Bopomofo": {0x3100, 0x312F}, "HangulCompatibilityJamo": {0x3130, 0x318F},
		"Kanbun": {0x3190, 0x319F}, "BopomofoExtended": {0x31A0, 0x31BF}, "EnclosedCJKLettersandMonths": {0x3200, 0x32FF}, "CJKCompatibility": {0x3300, 0x33FF},
		"CJKUnifiedIdeographsExtensionA": {0x3400, 0x4DBF}, "CJKUnifiedIdeographs": {0x4E00, 0x9FFF}, "YiSyllables": {0xA000, 0xA48F}, "YiRadicals": {0xA490, 0xA4CF},
		"HangulSyllables": {0xAC00, 0xD7A3}, "PrivateUse": {0xE000, 0xF8FF}, "PrivateUseArea": {0xE000, 0xF8FF}, "CJKCompatibilityIdeographs": {0xF900, 0xFAFF},
		"AlphabeticPresentationForms": {0xFB00, 0xFB4F}, "ArabicPresentationForms-A": {0xFB50, 0xFDFF}, "CombiningHalfMarks": {0xFE20, 0xFE2F},
		"CJKCompatibilityForms": {0xFE30, 0xFE4F}, "SmallFormVariants": {0xFE50, 0xFE6F}, "ArabicPresentationForms-B": {0xFE70, 0xFEFF},
		"HalfwidthandFullwidthForms": {0xFF00, 0xFFEF}, "Specials": {0xFFF0, 0xFFFD}, "OldItalic": {0x10300, 0x1032F}, "Gothic": {0x10330, 0x1034F},
		"Deseret": {0x10400, 0x1044F}, "ByzantineMusicalSymbols": {0x1D000, 0x1D0FF}, "MusicalSymbols": {0x1D100, 0x1D1FF},
		"MathematicalAlphanumericSymbols": {0x1D400, 0x1D7FF}, "CJKUnifiedIdeographsExtensionB": {0x20000, 0x2A6D6},
		"CJKCompatibilityIdeographsSupplement": {0x2F800, 0x2FA1F}, "Tags": {0xE0000, 0xE007F},
	}
}
