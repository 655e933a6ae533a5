package discovery

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"oncegate/connectors/edelivery/ebms"
	"oncegate/schemas/canon"
)

// An Identifier names a participant, a document or a process within a scheme. The
// scheme is empty where the value says all, as an ebCore URN does.
type Identifier struct {
	Scheme string `json:"scheme,omitempty"`
	Value  string `json:"value"`
}

// String returns scheme::value, or the value alone where there is no scheme.
func (i Identifier) String() string {
	if i.Scheme == "" {
		return i.Value
	}
	return i.Scheme + "::" + i.Value
}

// IsZero reports that the identifier is unset.
func (i Identifier) IsZero() bool { return i == Identifier{} }

const (
	ebCore = "urn:oasis:names:tc:ebcore:partyid-type:"
	eas    = "urn:cef.eu:names:identifier:EAS:"

	// Peppol is the scheme of participants whose value begins with a code of the
	// list EAS or ISO 6523.
	Peppol = "iso6523-actorid-upis"

	maxIdentifier = 500 // Peppol's policy for documents; ebCore and ISO 6523 stay far below
)

// ParseIdentifier reads scheme::value, an ebCore URN, or a value alone. What stands
// before the first :: is a scheme only where it has no colon and is not "urn".
func ParseIdentifier(s string) (Identifier, error) {
	if s == "" || len(s) > maxIdentifier || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\uFFFD' }) {
		return Identifier{}, fmt.Errorf("an identifier has 1 to %d characters and no space: write scheme::value", maxIdentifier)
	}
	if strings.HasPrefix(s, ebCore) { // also as canon.Participant writes it
		return Identifier{Value: strings.Replace(s, "::", ":", 1)}, nil
	}
	scheme, value, ok := strings.Cut(s, "::")
	if !ok || scheme == "" || scheme == "urn" || strings.Contains(scheme, ":") {
		return Identifier{Value: s}, nil
	}
	if value == "" {
		return Identifier{}, errors.New("an identifier needs a value behind its scheme: write scheme::value")
	}
	return Identifier{Scheme: scheme, Value: value}, nil
}

// Participant returns how the DNS and a publisher know a participant. An ebCore type
// becomes one URN with its value; a code of the list EAS becomes a value in the scheme
// of Peppol; any other scheme stays. An untyped URI says all itself.
func Participant(p canon.Participant) Identifier {
	if strings.HasPrefix(p.Scheme, ebCore) {
		return Identifier{Value: p.Scheme + ":" + p.ID}
	}
	if code, ok := strings.CutPrefix(p.Scheme, eas); ok {
		return Identifier{Scheme: Peppol, Value: code + ":" + p.ID}
	}
	return Identifier{Scheme: ebms.Party{ID: p}.Type(), Value: p.ID}
}

// same compares participants: their values have no case (BDXL hashes them in lower
// case), and an ebCore URN may be cut into scheme and value at any of its colons.
func (i Identifier) same(o Identifier) bool {
	i, o = i.whole(), o.whole()
	return i.Scheme == o.Scheme && strings.EqualFold(i.Value, o.Value)
}

func (i Identifier) whole() Identifier {
	if strings.HasPrefix(i.Scheme+":", ebCore) {
		return Identifier{Value: strings.TrimSuffix(i.Scheme, ":") + ":" + i.Value}
	}
	return i
}

var label = base32.StdEncoding.WithPadding(base32.NoPadding)

// QueryName returns the domain name that the NAPTR record of a participant has in a
// zone: the hash of the identifier in lower case, the scheme if there is one, the zone.
func QueryName(id Identifier, zone string) (string, error) {
	sum := sha256.Sum256([]byte(strings.ToLower(id.Value)))
	name := label.EncodeToString(sum[:])
	if id.Scheme != "" {
		if !hostLabel(id.Scheme) {
			return "", fmt.Errorf("scheme %q cannot be a label of a domain name", id.Scheme)
		}
		name += "." + id.Scheme
	}
	name += "." + strings.TrimSuffix(zone, ".")
	if !hostName(name) {
		return "", fmt.Errorf("%q is not a domain name", name)
	}
	return name, nil
}

func hostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for l := range strings.SplitSeq(s, ".") {
		if !hostLabel(l) {
			return false
		}
	}
	return true
}

// hostLabel allows the underscore besides letters, digits and hyphens: DNS does.
func hostLabel(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// segment percent-encodes all but unreserved characters, so that an identifier is one
// segment of a path (SMP 1.0 2.4.1): a colon becomes %3A, a number sign %23.
func segment(s string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	if s == "." || s == ".." { // a segment of its own, not a step
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return string(b)
}
