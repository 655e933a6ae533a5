package swa

import (
	"net/url"
	"strings"
)

const maxContentID = 255

// DecodeCID returns the Content-ID that a cid: URL names, percent-decoded
// (RFC 2392). It is false for every other URL.
func DecodeCID(href string) (string, bool) {
	if len(href) < 5 || !strings.EqualFold(href[:4], "cid:") {
		return "", false
	}
	id, err := url.PathUnescape(href[4:])
	if err != nil || !ValidID(id) {
		return "", false
	}
	return id, true
}

// EncodeCID returns the cid: URL of a Content-ID.
func EncodeCID(id string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/" // as xmlsec writes references
	var b strings.Builder
	b.Grow(len("cid:") + len(id) + 16) // seldom is a byte escaped
	b.WriteString("cid:")
	for i := range len(id) {
		if strings.IndexByte(plain, id[i]) >= 0 {
			b.WriteByte(id[i])
			continue
		}
		const hex = "0123456789ABCDEF"
		b.Write([]byte{'%', hex[id[i]>>4], hex[id[i]&15]})
	}
	return b.String()
}

// ValidID reports whether id can stand in a Content-ID header: printable ASCII
// without blanks and angle brackets, at most 255 bytes.
func ValidID(id string) bool {
	if id == "" || len(id) > maxContentID {
		return false
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c >= 0x7f || c == '<' || c == '>' {
			return false
		}
	}
	return true
}

// headerID returns the id of a Content-ID header. Angle brackets may be missing:
// stacks in the field leave them out.
func headerID(v string) (string, bool) {
	v = strings.TrimSpace(v)
	if inner, ok := strings.CutPrefix(v, "<"); ok {
		if v, ok = strings.CutSuffix(inner, ">"); !ok {
			return "", false
		}
	}
	return v, ValidID(v)
}

// fold is the form in which two ids that a reader could take for one another are
// equal (spec i.5: unique after decoding).
func fold(id string) string {
	if d, err := url.PathUnescape(id); err == nil {
		id = d
	}
	return strings.ToLower(id)
}
