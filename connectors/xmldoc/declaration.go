package xmldoc

import "strings"

// declaration reads the XML declaration, if there is one, and settles the encoding.
// It leaves p.src in UTF-8 and p.pos after the declaration.
func (p *parser) declaration(as received) error {
	const open = "<?xml"
	declared := ""
	if strings.HasPrefix(p.src, open) && len(p.src) > len(open) && class[p.src[len(open)]]&space != 0 {
		n := strings.Index(p.src[:min(len(p.src), 512)], "?>")
		if n < 0 {
			return p.fail(0, ReasonDeclaration, "the XML declaration does not end")
		}
		var ok bool
		if declared, ok = readDeclaration(p.src[len(open):n]); !ok {
			return p.fail(0, ReasonDeclaration, "malformed XML declaration, or a version other than 1.0")
		}
		p.pos = n + len("?>")
	}
	latin1, ascii, ok := settleEncoding(declared, as)
	switch {
	case !ok:
		return p.fail(0, ReasonEncoding, "the declared encoding is not supported or not the one in use")
	case latin1:
		p.src = latin1Text(p.src) // the declaration is ASCII, so p.pos stays right
		if len(p.src) > ceilingBytes {
			return tooLarge(p.lim)
		}
	case ascii:
		if at := firstNonASCII(p.src); at >= 0 {
			return p.fail(at, ReasonEncoding, "not US-ASCII")
		}
	}
	return nil
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
