package naptr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// A Record is one NAPTR record (RFC 3403 4.1).
type Record struct {
	Order       uint16 `json:"order"`
	Preference  uint16 `json:"preference"`
	Flags       string `json:"flags"`
	Service     string `json:"service"`
	Regexp      string `json:"regexp"`
	Replacement string `json:"replacement"`
}

var errRecord = errors.New("malformed NAPTR record")

// readRecord reads the data of a NAPTR record. Its replacement must not be compressed
// (RFC 3403 4.1), so that the data stands alone.
func readRecord(data []byte) (Record, error) {
	if len(data) < 4 {
		return Record{}, errRecord
	}
	r := Record{Order: binary.BigEndian.Uint16(data), Preference: binary.BigEndian.Uint16(data[2:])}
	data = data[4:]
	for _, to := range []*string{&r.Flags, &r.Service, &r.Regexp} {
		if len(data) == 0 || len(data) <= int(data[0]) {
			return Record{}, errRecord
		}
		n := 1 + int(data[0])
		*to, data = string(data[1:n]), data[n:]
	}
	var err error
	if r.Replacement, err = readName(data); err != nil {
		return Record{}, err
	}
	return r, nil
}

// readName reads an uncompressed domain name that fills data.
func readName(data []byte) (string, error) {
	var name []byte
	for len(data) > 0 {
		n := int(data[0])
		if n == 0 {
			if len(data) != 1 || len(name) > 254 {
				return "", errRecord
			}
			if len(name) == 0 {
				return ".", nil
			}
			return string(name), nil
		}
		if n > 63 || len(data) <= n { // a pointer has both high bits set
			return "", errRecord
		}
		name = append(append(name, data[1:1+n]...), '.')
		data = data[1+n:]
	}
	return "", errRecord
}

// maxAddress bounds an address that a peer names.
const maxAddress = 2048

// Rewrite applies the substitution of a terminal record to a name (RFC 3402 3.2):
// delimiter, expression, delimiter, replacement, delimiter, flags. The expression is a
// POSIX one without back-references of its own, which Go's engine runs in linear time;
// the result is the replacement alone, as resolvers of ENUM read it.
func (r Record) Rewrite(name string) (string, error) {
	ere, repl, fold, err := splitSubstitution(r.Regexp)
	if err != nil {
		return "", err
	}
	re, err := regexp.CompilePOSIX(ere)
	if err != nil {
		return "", fmt.Errorf("expression of the record: %w", err)
	}
	if fold { // POSIX syntax has no way to say so; what it accepts means the same in Perl's
		if re, err = regexp.Compile("(?i:" + ere + ")"); err != nil {
			return "", fmt.Errorf("expression of the record: %w", err)
		}
		re.Longest()
	}
	m := re.FindStringSubmatchIndex(name)
	if m == nil {
		return "", errors.New("the expression of the record does not match the name")
	}
	var out []byte
	for i := 0; i < len(repl); i++ {
		c := repl[i]
		if c != '\\' {
			out = append(out, c)
			continue
		}
		i++
		if i == len(repl) || repl[i] < '1' || repl[i] > '9' {
			return "", errors.New("a backslash of the replacement is no back-reference")
		}
		g := 2 * int(repl[i]-'0')
		if g >= len(m) {
			return "", errors.New("a back-reference of the replacement has no group")
		}
		if m[g] >= 0 {
			out = append(out, name[m[g]:m[g+1]]...)
		}
		if len(out) > maxAddress {
			return "", errors.New("the replacement is too long")
		}
	}
	return string(out), nil
}

// splitSubstitution splits at the delimiter, which is the first character and may be
// neither a digit, nor a backslash, nor the flag.
func splitSubstitution(s string) (ere, repl string, fold bool, err error) {
	if s == "" {
		return "", "", false, errors.New("the record has no expression")
	}
	d := s[0]
	if d <= ' ' || d > '~' || d == '\\' || d == 'i' || d == 'I' || d >= '0' && d <= '9' {
		return "", "", false, errors.New("the first character of the expression cannot be a delimiter")
	}
	var fields [3]strings.Builder
	at := 0
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == d:
			if at++; at > 2 {
				return "", "", false, errors.New("the expression has more than three delimiters")
			}
		case c == '\\' && i+1 < len(s) && s[i+1] == d: // an escaped delimiter is that character
			i++
			if at == 0 {
				fields[at].WriteString(regexp.QuoteMeta(string(rune(d))))
			} else {
				fields[at].WriteByte(d)
			}
		case c == '\\' && i+1 < len(s):
			i++
			fields[at].WriteByte(c)
			fields[at].WriteByte(s[i])
		case c == '\r' || c == '\n' || c == 0:
			return "", "", false, errors.New("the expression has a control character")
		default:
			fields[at].WriteByte(c)
		}
	}
	if at != 2 {
		return "", "", false, errors.New("the expression has fewer than three delimiters")
	}
	switch fields[2].String() {
	case "", "i":
	default:
		return "", "", false, errors.New("the expression has an unknown flag")
	}
	return fields[0].String(), fields[1].String(), fields[2].Len() > 0, nil
}

// Choose returns the address that the records give a name, and the service of the
// record that does: of those with the flag U and one of the services, or of any where
// none is named, the one of the lowest order and then preference whose substitution
// works. With plain also http addresses serve.
func Choose(records []Record, name string, services []string, plain bool) (*url.URL, string, error) {
	var fit []Record
	for _, r := range records {
		if i := slices.IndexFunc(services, func(s string) bool { return strings.EqualFold(s, r.Service) }); i >= 0 {
			r.Service = services[i]
		} else if len(services) > 0 {
			continue
		}
		if strings.EqualFold(r.Flags, "U") {
			fit = append(fit, r)
		}
	}
	if len(fit) == 0 {
		return nil, "", ErrNoService
	}
	slices.SortStableFunc(fit, func(a, b Record) int {
		if a.Order != b.Order {
			return int(a.Order) - int(b.Order)
		}
		return int(a.Preference) - int(b.Preference)
	})
	var first error
	for _, r := range fit {
		address, err := r.Rewrite(name)
		if err == nil {
			var u *url.URL
			if u, err = ReadAddress(address, plain); err == nil && u.RawQuery == "" {
				return u, r.Service, nil
			} else if err == nil {
				err = errors.New("the address of a publisher has no query")
			}
		}
		if first == nil {
			first = err
		}
	}
	return nil, "", first
}

// ErrNoService is returned where no record has the flag U and a service that was asked for.
var ErrNoService = errors.New("no record has the flag U and a service that is configured")

// ReadAddress reads an absolute https address; with plain also an http one.
func ReadAddress(s string, plain bool) (*url.URL, error) {
	if len(s) > maxAddress {
		return nil, errors.New("an address that is too long")
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not an address") // url's own error repeats it
	}
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !plain):
		return nil, fmt.Errorf("the address has the scheme %q: only https is accepted", u.Scheme)
	case u.Host == "" || u.Hostname() == "" || u.Opaque != "" || u.User != nil || u.Fragment != "":
		return nil, errors.New("an address has a host, no credentials and no fragment")
	}
	return u, nil
}
