package xmldoc

// AppendText appends s as canonical character data: & < > and CR are escaped.
// The caller answers for s being ValidText.
func AppendText(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		if class[s[i]]&escText == 0 {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch s[i] {
		case '&':
			dst = append(dst, "&amp;"...)
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		default:
			dst = append(dst, "&#xD;"...)
		}
	}
	return append(dst, s[from:]...)
}

// AppendAttr appends s as the canonical value of an attribute, without the quotes:
// & < " TAB LF and CR are escaped. The caller answers for s being ValidText.
func AppendAttr(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		if class[s[i]]&attrStop == 0 || s[i] == '\'' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch s[i] {
		case '&':
			dst = append(dst, "&amp;"...)
		case '<':
			dst = append(dst, "&lt;"...)
		case '"':
			dst = append(dst, "&quot;"...)
		case '\t':
			dst = append(dst, "&#x9;"...)
		case '\n':
			dst = append(dst, "&#xA;"...)
		default:
			dst = append(dst, "&#xD;"...)
		}
	}
	return append(dst, s[from:]...)
}
