package xmlsec

import (
	"errors"
	"strings"
)

// escapeCID percent-encodes what RFC 2392 and RFC 3986 do not let stand in a cid: URL.
func escapeCID(cid string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(cid) + 16) // seldom is a byte escaped
	for i := 0; i < len(cid); i++ {
		c := cid[i]
		if 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

var errCID = errors.New("malformed cid: URL")

// ParseCID returns the Content-ID a cid: URL names, percent-decoded and without angle
// brackets. Several spellings may name one part, so compare what this returns.
func ParseCID(uri string) (string, error) {
	const most = 1024
	rest, ok := strings.CutPrefix(uri, "cid:")
	if !ok || rest == "" || len(rest) > most {
		return "", errCID
	}
	out := make([]byte, 0, len(rest))
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		if c == '%' {
			if i+2 >= len(rest) {
				return "", errCID
			}
			hi, lo := unhex(rest[i+1]), unhex(rest[i+2])
			if hi < 0 || lo < 0 {
				return "", errCID
			}
			c = byte(hi<<4 | lo)
			i += 2
		}
		if c <= ' ' || c == 0x7F || c == '<' || c == '>' {
			return "", errCID
		}
		out = append(out, c)
	}
	return string(out), nil
}

// validCID reports whether a Content-ID survives being written into a URL and read.
func validCID(cid string) bool {
	back, err := ParseCID("cid:" + escapeCID(cid))
	return err == nil && back == cid
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
