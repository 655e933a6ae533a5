package xmldoc

import (
	"strings"
	"unicode/utf8"
)

// declarationMax is as long as an XML declaration may be.
const declarationMax = 512

// decode leaves p.src in UTF-8 without a byte order mark and p.pos after the XML
// declaration. Where mark, declaration and bytes disagree it refuses, and says what
// each claims: text read in a wrong encoding is a wrong name on an official document.
// With say the sender is known to lie: the declaration counts for nothing.
func (p *parser) decode(raw string, say Encoding) error {
	sh := shapeOf(raw)
	if sh.foreign != "" {
		return p.clash("", sh.foreign, "the document is in "+sh.foreign+", which is not read")
	}
	p.src = raw[sh.mark:]
	wide := sh.encoding == UTF16LE || sh.encoding == UTF16BE
	if say != EncodingUnset {
		if sh.encoding != EncodingUnset && sh.encoding != say && !(sh.encoding == UTF8 && say == USASCII) {
			return p.clash("", sh.encoding.String(), "the first bytes are "+sh.encoding.String()+", not "+say.String())
		}
		wide = say == UTF16LE || say == UTF16BE
		sh.encoding = say
	}
	if wide {
		text, wrong, ok := utf16Text(p.src, sh.encoding)
		if p.src = text; !ok {
			return p.fail(len(text), ReasonEncoding, sh.encoding.String()+" with "+wrong)
		}
	}
	declared, end, problem := findDeclaration(p.src)
	if problem != "" {
		return p.fail(0, ReasonDeclaration, problem)
	}
	p.pos = end
	as := say
	if say == EncodingUnset {
		var err error
		if as, err = p.claim(sh, wide, declared); err != nil {
			return err
		}
	}
	if !wide {
		if err := p.narrow(as, declared, say != EncodingUnset); err != nil {
			return err
		}
	}
	if len(p.src) > ceilingBytes {
		return tooLarge(p.lim)
	}
	return nil
}

// claim holds the declaration against the first bytes.
func (p *parser) claim(sh shape, wide bool, declared string) (Encoding, error) {
	as, known := EncodingNamed(declared)
	utf16 := strings.EqualFold(declared, "UTF-16")
	shown := sh.encoding.String()
	switch {
	case wide && sh.mark > 0 && (declared == "" || utf16), wide && as == sh.encoding:
		return sh.encoding, nil
	case wide && sh.mark == 0: // XML 1.0 4.3.3: UTF-16 begins with a byte order mark
		return 0, p.clash(declared, shown, "the bytes are "+shown+" without a byte order mark, the declaration says "+named(declared))
	case wide:
		return 0, p.clash(declared, shown, "the byte order mark says "+shown+", the declaration "+named(declared))
	case declared == "":
		return UTF8, nil
	case utf16 || as == UTF16LE || as == UTF16BE:
		return 0, p.clash(declared, UTF8.String(), "the declaration says "+named(declared)+", but the bytes are no UTF-16")
	case !known:
		return 0, p.clash(declared, "", "the declaration says "+named(declared)+", which is not read; known are "+strings.Join(Encodings(), ", "))
	case sh.mark > 0 && as != UTF8 && as != USASCII:
		return 0, p.clash(declared, shown, "the byte order mark says "+shown+", the declaration "+named(declared))
	}
	return as, nil
}

// narrow reads what has one byte a character, or is UTF-8. sure: the encoding is what
// the deployment says and not what the document claims.
func (p *parser) narrow(as Encoding, declared string, sure bool) error {
	switch as {
	case UTF8:
		if !utf8.ValidString(p.src) {
			msg := "the bytes are not UTF-8"
			if declared != "" && !sure {
				msg += ", which the declaration says"
			}
			return p.clashAt(firstInvalidUTF8(p.src), true, declared, "", msg)
		}
		return nil
	case USASCII:
		if at := firstNonASCII(p.src); at >= 0 {
			return p.clashAt(at, false, declared, "", "the bytes are not US-ASCII, as they should be")
		}
		return nil
	}
	// Text in an 8-bit encoding is practically never UTF-8 by accident.
	if !sure && utf8.ValidString(p.src) {
		if at := firstNonASCII(p.src); at >= 0 {
			return p.clashAt(at, true, declared, UTF8.String(), "the declaration says "+named(declared)+", but the bytes are UTF-8")
		}
		return nil
	}
	text, at := byteText(p.src, as)
	switch {
	case at >= 0 && as != Windows1252 && !hole1252(p.src):
		return p.clashAt(at, false, declared, Windows1252.String(), "the bytes 0x80 to 0x9F are no characters of "+as.String()+"; the document seems to be "+Windows1252.String())
	case at >= 0:
		return p.clashAt(at, false, declared, "", "a byte that is no character of "+as.String())
	}
	p.src = text
	return nil
}

// hole1252 reports whether s holds one of the five bytes that Windows-1252 leaves
// without a character.
func hole1252(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case 0x81, 0x8D, 0x8F, 0x90, 0x9D:
			return true
		}
	}
	return false
}

func named(declared string) string {
	if declared == "" {
		return "nothing"
	}
	return shown(declared)
}

// clash refuses at the beginning of the document.
func (p *parser) clash(declared, found, msg string) error {
	return &ParseError{Line: 1, Col: 1, Reason: ReasonEncoding, Msg: msg, Declared: declared, Found: found}
}

// clashAt refuses at a byte of a document whose bytes are not what was declared. wide
// says whether a character may have more than one byte.
func (p *parser) clashAt(at int, wide bool, declared, found, msg string) error {
	line, col := position(p.src, at)
	if !wide {
		col = at - strings.LastIndexAny(p.src[:at], "\r\n")
	}
	return &ParseError{Line: line, Col: col, Reason: ReasonEncoding, Msg: msg, Declared: declared, Found: found}
}

// findDeclaration reads the XML declaration, if there is one: the encoding it names
// and where it ends, or what is wrong with it.
func findDeclaration(s string) (declared string, end int, problem string) {
	const open = "<?xml"
	if !strings.HasPrefix(s, open) || len(s) == len(open) || class[s[len(open)]]&space == 0 {
		return "", 0, ""
	}
	n := strings.Index(s[:min(len(s), declarationMax)], "?>")
	if n < 0 {
		return "", 0, "the XML declaration does not end"
	}
	declared, ok := readDeclaration(s[len(open):n])
	if !ok {
		return "", 0, "malformed XML declaration, or a version other than 1.0"
	}
	return declared, n + len("?>"), ""
}

// readDeclaration reads the pseudo attributes of an XML declaration in their order.
func readDeclaration(s string) (encoding string, ok bool) {
	version, rest, ok := pseudo(s, "version")
	if !ok || version != "1.0" {
		return "", false
	}
	if v, after, found := pseudo(rest, "encoding"); found {
		if !validEncodingName(v) {
			return "", false
		}
		encoding, rest = v, after
	}
	if v, after, found := pseudo(rest, "standalone"); found {
		if v != "yes" && v != "no" {
			return "", false
		}
		rest = after
	}
	return encoding, strings.Trim(rest, " \t\r\n") == ""
}

// pseudo reads white space, name, "=" and a quoted value.
func pseudo(s, name string) (value, rest string, ok bool) {
	const blanks = " \t\r\n"
	t := strings.TrimLeft(s, blanks)
	if len(t) == len(s) || !strings.HasPrefix(t, name) {
		return "", s, false
	}
	t = strings.TrimLeft(t[len(name):], blanks)
	if !strings.HasPrefix(t, "=") {
		return "", s, false
	}
	t = strings.TrimLeft(t[1:], blanks)
	if t == "" || t[0] != '"' && t[0] != '\'' {
		return "", s, false
	}
	end := strings.IndexByte(t[1:], t[0])
	if end < 0 {
		return "", s, false
	}
	return t[1 : 1+end], t[2+end:], true
}

func validEncodingName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '.' || c == '_' || c == '-')) {
			return false
		}
	}
	return s != ""
}
