package xmldoc

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// An Encoding is how the characters of a document are written as bytes. The zero
// value leaves it to the document: byte order mark, declaration, UTF-8.
type Encoding uint8

// The encodings that can be read.
const (
	EncodingUnset Encoding = iota
	UTF8
	USASCII
	ISO8859_1
	ISO8859_15
	Windows1252
	UTF16LE
	UTF16BE
)

var encodingNames = [...]string{
	EncodingUnset: "unset", UTF8: "UTF-8", USASCII: "US-ASCII", ISO8859_1: "ISO-8859-1", ISO8859_15: "ISO-8859-15",
	Windows1252: "windows-1252", UTF16LE: "UTF-16LE", UTF16BE: "UTF-16BE",
}

func (e Encoding) String() string {
	if int(e) < len(encodingNames) {
		return encodingNames[e]
	}
	return "unknown"
}

// Encodings lists the encodings that can be read, by their usual names.
func Encodings() []string { return slices.Clone(encodingNames[1:]) }

// EncodingNamed finds an encoding by one of its names in the register of IANA;
// case does not count. "UTF-16" alone names no byte order, hence no Encoding.
func EncodingNamed(name string) (Encoding, bool) {
	switch strings.ToUpper(name) {
	case "UTF-8", "UTF8", "CSUTF8":
		return UTF8, true
	case "US-ASCII", "ASCII", "ANSI_X3.4-1968", "ISO646-US", "ISO-IR-6", "US":
		return USASCII, true
	case "ISO-8859-1", "ISO_8859-1", "ISO8859-1", "LATIN1", "L1", "ISO-IR-100", "CP819", "IBM819":
		return ISO8859_1, true
	case "ISO-8859-15", "ISO_8859-15", "ISO8859-15", "LATIN-9", "LATIN9":
		return ISO8859_15, true
	case "WINDOWS-1252", "CP1252", "X-CP1252", "CSWINDOWS1252":
		return Windows1252, true
	case "UTF-16LE":
		return UTF16LE, true
	case "UTF-16BE":
		return UTF16BE, true
	}
	return EncodingUnset, false
}

// shape is what the first bytes show before any declaration is read (XML 1.0
// appendix F).
type shape struct {
	encoding Encoding // unset: one byte a character, or as ASCII in UTF-8
	mark     int      // bytes of the byte order mark
	foreign  string   // an encoding that is not read here
}

func shapeOf(s string) shape {
	switch {
	case strings.HasPrefix(s, "\xEF\xBB\xBF"):
		return shape{encoding: UTF8, mark: 3}
	case strings.HasPrefix(s, "\xFF\xFE\x00\x00"), strings.HasPrefix(s, "\x00\x00\xFE\xFF"),
		strings.HasPrefix(s, "<\x00\x00\x00"), strings.HasPrefix(s, "\x00\x00\x00<"):
		return shape{foreign: "UTF-32"}
	case strings.HasPrefix(s, "\xFF\xFE"):
		return shape{encoding: UTF16LE, mark: 2}
	case strings.HasPrefix(s, "\xFE\xFF"):
		return shape{encoding: UTF16BE, mark: 2}
	case len(s) >= 2 && s[0] != 0 && s[1] == 0:
		return shape{encoding: UTF16LE}
	case len(s) >= 2 && s[0] == 0 && s[1] != 0:
		return shape{encoding: UTF16BE}
	case strings.HasPrefix(s, "\x4C\x6F\xA7\x94"):
		return shape{foreign: "EBCDIC"}
	}
	return shape{}
}

// Marked says what encoding a document shows by itself: that of its byte order
// mark, and the name in its XML declaration. Either may be missing.
func Marked(b []byte) (mark Encoding, declared string) {
	s := string(b[:min(len(b), 2*declarationMax+4)])
	sh := shapeOf(s)
	if sh.mark > 0 {
		mark = sh.encoding
	}
	head := s[sh.mark:]
	if sh.encoding == UTF16LE || sh.encoding == UTF16BE {
		head = head[:len(head)&^1]
		if len(head) >= 2 && utf16.IsSurrogate(unitAt(head, len(head)-2, sh.encoding)) {
			head = head[:len(head)-2]
		}
		head, _, _ = utf16Text(head, sh.encoding)
	}
	declared, _, _ = findDeclaration(head)
	return mark, declared
}

func unitAt(s string, i int, as Encoding) rune {
	if as == UTF16LE {
		return rune(binary.LittleEndian.Uint16([]byte{s[i], s[i+1]}))
	}
	return rune(binary.BigEndian.Uint16([]byte{s[i], s[i+1]}))
}

// utf16Text turns UTF-16 into UTF-8. Where that cannot be done it returns what came
// before, and why.
func utf16Text(s string, as Encoding) (text, wrong string, ok bool) {
	low, high := 0, 1
	if as == UTF16BE {
		low, high = 1, 0
	}
	out := make([]byte, 0, len(s)/2+len(s)/16)
	for i := 0; i+1 < len(s); i += 2 {
		r := rune(s[i+low]) | rune(s[i+high])<<8
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
			continue
		}
		if utf16.IsSurrogate(r) {
			if i+3 >= len(s) {
				return string(out), "an unpaired surrogate", false
			}
			if r = utf16.DecodeRune(r, rune(s[i+2+low])|rune(s[i+2+high])<<8); r == utf8.RuneError {
				return string(out), "an unpaired surrogate", false
			}
			i += 2
		}
		out = utf8.AppendRune(out, r)
	}
	if len(s)%2 != 0 {
		return string(out), "an odd number of bytes", false
	}
	return string(out), "", true
}

// high returns the characters of the bytes from 0x80 on; 0 where there is none.
// The C1 controls of ISO 8859 count as none: a document that holds such bytes is
// written in Windows-1252, whatever it declares, and reading controls out of it
// would change its text without anybody noticing.
func high(as Encoding) *[128]rune {
	var t [128]rune
	for i := 0x20; i < len(t); i++ {
		t[i] = rune(0x80 + i)
	}
	switch as {
	case ISO8859_15:
		for at, r := range map[int]rune{0xA4: '€', 0xA6: 'Š', 0xA8: 'š', 0xB4: 'Ž', 0xB8: 'ž', 0xBC: 'Œ', 0xBD: 'œ', 0xBE: 'Ÿ'} {
			t[at-0x80] = r
		}
	case Windows1252:
		for i, r := range []rune("€\x00‚ƒ„…†‡ˆ‰Š‹Œ\x00Ž\x00\x00‘’“”•–—˜™š›œ\x00žŸ") {
			t[i] = r
		}
	}
	return &t
}

// byteText turns text of one byte a character into UTF-8. It returns the place of the
// first byte that is no character, or -1.
func byteText(s string, as Encoding) (string, int) {
	at := firstNonASCII(s)
	if at < 0 {
		return s, -1
	}
	table := high(as)
	out := make([]byte, 0, len(s)+len(s)/8+16)
	for done := 0; ; {
		out = append(out, s[done:at]...)
		for ; at < len(s) && s[at] >= utf8.RuneSelf; at++ {
			r := table[s[at]-0x80]
			if r == 0 {
				return "", at
			}
			out = utf8.AppendRune(out, r)
		}
		next := firstNonASCII(s[at:])
		if next < 0 {
			return string(append(out, s[at:]...)), -1
		}
		done, at = at, at+next
	}
}

func firstNonASCII(s string) int {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return i
		}
	}
	return -1
}

func firstInvalidUTF8(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}
