package xmldoc

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// received names the encoding that the first bytes show, before the declaration is read.
type received uint8

const (
	asUTF8 received = iota
	asUTF16LE
	asUTF16BE
)

// decode turns received bytes into UTF-8 without a byte order mark. Bytes in an
// 8-bit encoding pass through: the declaration decides about them.
func decode(s string) (string, received, error) {
	switch {
	case strings.HasPrefix(s, "\xEF\xBB\xBF"):
		return s[3:], asUTF8, nil
	case strings.HasPrefix(s, "\xFF\xFE"):
		return utf16Text(s[2:], binary.LittleEndian, asUTF16LE)
	case strings.HasPrefix(s, "\xFE\xFF"):
		return utf16Text(s[2:], binary.BigEndian, asUTF16BE)
	case len(s) >= 2 && (s[0] == 0 || s[1] == 0):
		return "", asUTF8, &ParseError{Line: 1, Col: 1, Reason: ReasonEncoding, Msg: "UTF-16 or UTF-32 without a UTF-16 byte order mark"}
	}
	return s, asUTF8, nil
}

func utf16Text(s string, order binary.ByteOrder, as received) (string, received, error) {
	bad := func(msg string) (string, received, error) {
		return "", as, &ParseError{Line: 1, Col: 1, Reason: ReasonEncoding, Msg: msg}
	}
	if len(s)%2 != 0 {
		return bad("UTF-16 with an odd number of bytes")
	}
	var out strings.Builder
	out.Grow(len(s) / 2)
	var unit [2]byte
	at := func(i int) rune {
		unit[0], unit[1] = s[i], s[i+1]
		return rune(order.Uint16(unit[:]))
	}
	for i := 0; i < len(s); i += 2 {
		r := at(i)
		if utf16.IsSurrogate(r) {
			if i+2 >= len(s) {
				return bad("unpaired UTF-16 surrogate")
			}
			if r = utf16.DecodeRune(r, at(i+2)); r == utf8.RuneError {
				return bad("unpaired UTF-16 surrogate")
			}
			i += 2
		}
		out.WriteRune(r)
	}
	return out.String(), as, nil
}

// settleEncoding checks the declared encoding against what was received. It returns
// true when the rest of the document is ISO-8859-1 and has to be transcoded.
func settleEncoding(declared string, as received) (latin1, ascii, ok bool) {
	name := strings.ToUpper(declared)
	switch as {
	case asUTF16LE:
		return false, false, name == "" || name == "UTF-16" || name == "UTF-16LE"
	case asUTF16BE:
		return false, false, name == "" || name == "UTF-16" || name == "UTF-16BE"
	}
	switch name {
	case "", "UTF-8", "UTF8":
		return false, false, true
	case "US-ASCII", "ASCII":
		return false, true, true
	case "ISO-8859-1", "LATIN1", "ISO_8859-1":
		return true, false, true
	}
	return false, false, false
}

func latin1Text(s string) string {
	var out strings.Builder
	out.Grow(len(s) + len(s)/8)
	for i := 0; i < len(s); i++ {
		out.WriteRune(rune(s[i]))
	}
	return out.String()
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
