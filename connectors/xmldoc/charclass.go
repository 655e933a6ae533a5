package xmldoc

import "unicode/utf8"

// Classes of bytes. One table look-up a byte decides whether a scan goes on.
const (
	textStop  = 1 << iota // < & > CR: a look is needed in character data
	attrStop              // < & " ' TAB LF CR: a look is needed in attribute values
	badByte               // never a character: C0 controls but TAB, LF, CR
	maybeBad              // 0xEF may start U+FFFE or U+FFFF
	nameStart             // ASCII that may start an NCName
	nameRest              // ASCII that may continue an NCName
	space                 // white space of XML
	escText               // must be escaped in canonical text
)

// class is a constant table; it is a variable only because Go has no constant arrays.
var class = func() (t [256]uint8) {
	for c := range 0x20 {
		t[c] = badByte
	}
	t['\t'] = space | attrStop
	t['\n'] = space | attrStop
	t['\r'] = space | attrStop | textStop | escText
	t[' '] = space
	t['<'] = textStop | attrStop | escText
	t['&'] = textStop | attrStop | escText
	t['>'] = textStop | escText
	t['"'] = attrStop
	t['\''] = attrStop
	t[0xEF] = maybeBad
	for c := 'a'; c <= 'z'; c++ {
		t[c] = nameStart | nameRest
		t[c-'a'+'A'] = nameStart | nameRest
	}
	t['_'] = nameStart | nameRest
	for c := '0'; c <= '9'; c++ {
		t[c] = nameRest
	}
	t['-'] = nameRest
	t['.'] = nameRest
	return t
}()

// isNameStart follows NameStartChar of XML 1.0 fifth edition without the colon.
func isNameStart(r rune) bool {
	switch {
	case r < 0x80:
		return class[byte(r)]&nameStart != 0
	case r < 0xC0:
		return false
	case r <= 0x2FF:
		return r != 0xD7 && r != 0xF7
	case r < 0x370:
		return false
	case r <= 0x1FFF:
		return r != 0x37E
	case r <= 0x200D:
		return r >= 0x200C
	}
	return in(r, 0x2070, 0x218F) || in(r, 0x2C00, 0x2FEF) || in(r, 0x3001, 0xD7FF) ||
		in(r, 0xF900, 0xFDCF) || in(r, 0xFDF0, 0xFFFD) || in(r, 0x10000, 0xEFFFF)
}

func isNameRest(r rune) bool {
	if r < 0x80 {
		return class[byte(r)]&nameRest != 0
	}
	return r == 0xB7 || in(r, 0x300, 0x36F) || r == 0x203F || r == 0x2040 || isNameStart(r)
}

func in(r, lo, hi rune) bool { return lo <= r && r <= hi }

// isChar follows Char of XML 1.0.
func isChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || in(r, 0x20, 0xD7FF) || in(r, 0xE000, 0xFFFD) || in(r, 0x10000, 0x10FFFF)
}

// nonCharAt reports whether U+FFFE or U+FFFF starts at s[i], which holds 0xEF.
func nonCharAt(s string, i int) bool {
	return i+2 < len(s) && s[i+1] == 0xBF && s[i+2] >= 0xBE
}

// ValidText reports whether s may stand in a document as text or as an attribute value.
func ValidText(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := class[s[i]]; c&badByte != 0 || c&maybeBad != 0 && nonCharAt(s, i) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// ValidNCName reports whether s is a name without a colon, as prefixes, local names
// and ids must be.
func ValidNCName(s string) bool {
	if s == "" || !utf8.ValidString(s) {
		return false
	}
	for i, r := range s {
		if i == 0 && !isNameStart(r) || !isNameRest(r) {
			return false
		}
	}
	return true
}
