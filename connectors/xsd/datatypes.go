package xsd

import (
	"encoding/base64"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// primitive is a primitive type (Datatypes 3.2).
type primitive uint8

const (
	primString primitive = iota
	primBoolean
	primDecimal
	primFloat
	primDouble
	primDuration
	primDateTime
	primTime
	primDate
	primGYearMonth
	primGYear
	primGMonthDay
	primGDay
	primGMonth
	primHexBinary
	primBase64Binary
	primAnyURI
	primQName
	primNotation
	primList // no primitive type: a list of values
)

var primNames = [...]string{"string", "boolean", "decimal", "float", "double", "duration", "dateTime", "time", "date",
	"gYearMonth", "gYear", "gMonthDay", "gDay", "gMonth", "hexBinary", "base64Binary", "anyURI", "QName", "NOTATION"}

func (p primitive) name(s *simpleType) string {
	if s.integer {
		return "integer"
	}
	return primNames[p]
}

func (p primitive) sized() bool {
	switch p {
	case primString, primHexBinary, primBase64Binary, primAnyURI, primQName, primNotation:
		return true
	}
	return false
}

func (p primitive) ordered() bool { return p >= primDecimal && p <= primGMonth }

// read makes a value of text whose white space was normalized.
func (p primitive) read(text string, c context) (v value, ok bool) {
	v.prim, v.text = p, text
	switch p {
	case primString:
		v.size, ok = utf8.RuneCountInString(text), true
	case primAnyURI:
		v.size, ok = utf8.RuneCountInString(text), validURI(text)
	case primBoolean:
		switch text {
		case "true", "1":
			v.text, ok = "1", true
		case "false", "0":
			v.text, ok = "0", true
		}
	case primDecimal:
		v.number, ok = readDecimal(text)
	case primFloat, primDouble:
		v.float, ok = readFloat(text, p)
	case primDuration:
		var d span
		if d, ok = readSpan(text); ok {
			v.span = &d
		}
	case primHexBinary:
		if b, err := hex.DecodeString(text); err == nil {
			v.text, v.size, ok = string(b), len(b), true
		}
	case primBase64Binary:
		if b, good := readBase64(text); good {
			v.text, v.size, ok = string(b), len(b), true
		}
	case primQName, primNotation:
		if !c.e.IsZero() {
			var name Name
			if name, ok = c.e.ResolveQName(text); ok {
				v.text = name.String()
			}
		}
	default:
		v.moment, ok = readMoment(text, p)
	}
	return v, ok
}

// valueKey is equal for equal values.
type valueKey struct {
	prim primitive
	text string
}

func (v *value) key() valueKey {
	switch v.prim {
	case primDecimal:
		return valueKey{v.prim, v.number.String()}
	case primFloat, primDouble:
		return valueKey{v.prim, strconv.FormatFloat(v.float, 'g', -1, 64)}
	case primDuration:
		return valueKey{v.prim, v.span.key()}
	case primList:
		var b strings.Builder
		for i := range v.items {
			writeKey(&b, v.items[i].key())
		}
		return valueKey{v.prim, b.String()}
	}
	if v.prim.ordered() {
		return valueKey{v.prim, v.moment.key()}
	}
	return valueKey{v.prim, v.text}
}

// compare orders two values; ok is false where there is no order between them.
func compare(a, b *value) (order int, ok bool) {
	if a.prim != b.prim {
		return 0, false
	}
	switch p := a.prim; p {
	case primDecimal:
		return a.number.compare(b.number), true
	case primFloat, primDouble:
		switch {
		case math.IsNaN(a.float) && math.IsNaN(b.float):
			return 0, true
		case math.IsNaN(a.float) || math.IsNaN(b.float):
			return 0, false
		case a.float < b.float:
			return -1, true
		case a.float > b.float:
			return 1, true
		}
		return 0, true
	case primDuration:
		return a.span.compare(*b.span)
	default:
		if !p.ordered() {
			return 0, false
		}
		return a.moment.compare(b.moment)
	}
}

// decimal keeps every digit.
type decimal struct {
	negative bool
	integer  string // without leading zeros
	fraction string // without trailing zeros
}

func readDecimal(s string) (d decimal, ok bool) {
	if s != "" && (s[0] == '+' || s[0] == '-') {
		d.negative = s[0] == '-'
		s = s[1:]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	if whole == "" && fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return d, false
	}
	d.integer = strings.TrimLeft(whole, "0")
	d.fraction = strings.TrimRight(fraction, "0")
	if d.integer == "" && d.fraction == "" {
		d.negative = false
	}
	return d, true
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func (d decimal) String() string {
	s := d.integer + "." + d.fraction
	if d.negative {
		return "-" + s
	}
	return s
}

func (d decimal) totalDigits() int {
	if d.integer == "" { // zeros that follow the point count for no digit of the value
		return max(1, len(strings.TrimLeft(d.fraction, "0")))
	}
	return len(d.integer) + len(d.fraction)
}

func (d decimal) compare(o decimal) int {
	if d.negative != o.negative {
		if d.negative {
			return -1
		}
		return 1
	}
	order := len(d.integer) - len(o.integer)
	if order == 0 {
		if order = strings.Compare(d.integer, o.integer); order == 0 {
			order = strings.Compare(d.fraction, o.fraction)
		}
	}
	order = max(-1, min(1, order))
	if d.negative {
		return -order
	}
	return order
}

func readFloat(s string, p primitive) (float64, bool) {
	switch s {
	case "INF":
		return math.Inf(1), true
	case "-INF":
		return math.Inf(-1), true
	case "NaN":
		return math.NaN(), true
	}
	mantissa, exponent := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent = s[:i], s[i+1:]
		if exponent != "" && (exponent[0] == '+' || exponent[0] == '-') {
			exponent = exponent[1:]
		}
		if exponent == "" || !allDigits(exponent) {
			return 0, false
		}
	}
	if _, ok := readDecimal(mantissa); !ok {
		return 0, false
	}
	bits := 64
	if p == primFloat {
		bits = 32
	}
	f, _ := strconv.ParseFloat(s, bits) // beyond the range: infinite
	if f == 0 {
		f = 0 // no negative zero
	}
	return f, true
}

// readBase64 reads the lexical form of 3.2.16: white space may stand between characters.
func readBase64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, " \t\r\n") {
		s = strings.Join(splitSpaces(s), "")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil
}

// validURI is as strict as the specification: anything that can be escaped into a URI
// reference (3.2.17).
func validURI(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && (i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2])) {
			return false
		}
	}
	if scheme, _, ok := strings.Cut(s, ":"); ok && !strings.ContainsAny(scheme, "/?#") {
		for i := 0; i < len(scheme); i++ {
			c := scheme[i]
			letter := 'a' <= c|0x20 && c|0x20 <= 'z'
			if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.')) {
				return false
			}
		}
		if scheme == "" {
			return false
		}
	}
	return strings.Count(s, "#") <= 1
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
