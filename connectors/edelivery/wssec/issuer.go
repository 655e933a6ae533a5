package wssec

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf16"
)

// spelled are the attributes under 2.5.4 that pkix writes by name.
var spelled = []int{3, 5, 6, 7, 8, 9, 10, 11, 17}

// issuerName returns the issuer as RFC 2253 writes it. pkix.Name would put the
// attributes into an order of its own and change the string type of those without a
// name, and peers look for the name that stands in the certificate (b.2).
func issuerName(c *x509.Certificate) string {
	var name pkix.RDNSequence
	var raw []asn1.RawValue
	if rest, err := asn1.Unmarshal(c.RawIssuer, &name); err != nil || len(rest) > 0 {
		return c.Issuer.String()
	}
	if _, err := asn1.Unmarshal(c.RawIssuer, &raw); err != nil || len(raw) != len(name) {
		return c.Issuer.String()
	}
	for i, rdn := range name {
		types, err := attributes(raw[i])
		if err != nil || len(types) != len(rdn) {
			return c.Issuer.String()
		}
		for j := range rdn {
			if !rdn[j].Type.Equal(types[j].Type) {
				return c.Issuer.String()
			}
			if t := rdn[j].Type; len(t) != 4 || !t[:3].Equal(asn1.ObjectIdentifier{2, 5, 4}) || !slices.Contains(spelled, t[3]) {
				rdn[j].Value = types[j].Value // written as #DER
			}
		}
	}
	return name.String()
}

type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

func attributes(rdn asn1.RawValue) (list []attribute, err error) {
	_, err = asn1.UnmarshalWithParams(rdn.FullBytes, &list, "set")
	return list, err
}

// A pair is one attribute of a name: the dotted type, "" for a keyword that is not
// known here, and the value in lower case with single spaces.
type pair struct{ kind, value string }

// keywords are those that Java, OpenSSL and Microsoft write beside RFC 4514.
var keywords = map[string]string{
	"CN": "2.5.4.3", "SURNAME": "2.5.4.4", "SN": "2.5.4.4", "SERIALNUMBER": "2.5.4.5", "C": "2.5.4.6",
	"L": "2.5.4.7", "ST": "2.5.4.8", "S": "2.5.4.8", "SP": "2.5.4.8", "STREET": "2.5.4.9", "O": "2.5.4.10",
	"OU": "2.5.4.11", "T": "2.5.4.12", "TITLE": "2.5.4.12", "POSTALCODE": "2.5.4.17", "GIVENNAME": "2.5.4.42", "GN": "2.5.4.42",
	"ORGANIZATIONIDENTIFIER": "2.5.4.97", "ORGID": "2.5.4.97", "UID": "0.9.2342.19200300.100.1.1",
	"DC": "0.9.2342.19200300.100.1.25", "E": emailOID, "EMAILADDRESS": emailOID, "EMAIL": emailOID,
}

const emailOID = "1.2.840.113549.1.9.1"

// sameIssuer compares a name as a peer wrote it with the issuer of a certificate:
// attribute by attribute, in the order of RFC 2253 or in that of the certificate,
// for stacks do not agree on it (b.2).
func sameIssuer(written [][]pair, c *x509.Certificate) bool {
	var raw []asn1.RawValue
	if rest, err := asn1.Unmarshal(c.RawIssuer, &raw); err != nil || len(rest) > 0 || len(raw) != len(written) {
		return false
	}
	have := make([][]pair, len(raw))
	for i, rdn := range raw {
		list, err := attributes(rdn)
		if err != nil {
			return false
		}
		for _, a := range list {
			have[i] = append(have[i], pair{a.Type.String(), valueOf(a.Value)})
		}
	}
	if slices.EqualFunc(written, have, sameRDN) {
		return true
	}
	slices.Reverse(have)
	return slices.EqualFunc(written, have, sameRDN)
}

// sameRDN compares sets.
func sameRDN(written, have []pair) bool {
	if len(written) != len(have) {
		return false
	}
	for _, w := range written {
		if !slices.ContainsFunc(have, func(h pair) bool { return h.value == w.value && (w.kind == "" || w.kind == h.kind) }) {
			return false
		}
	}
	return true
}

// valueOf returns a string value folded, anything else as #DER.
func valueOf(v asn1.RawValue) string {
	if v.Class == asn1.ClassUniversal && !v.IsCompound {
		switch v.Tag {
		case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString:
			return folded(string(v.Bytes))
		case asn1.TagT61String: // Latin 1, as everybody reads it
			r := make([]rune, len(v.Bytes))
			for i, b := range v.Bytes {
				r[i] = rune(b)
			}
			return folded(string(r))
		case asn1.TagBMPString:
			u := make([]uint16, len(v.Bytes)/2)
			for i := range u {
				u[i] = uint16(v.Bytes[2*i])<<8 | uint16(v.Bytes[2*i+1])
			}
			return folded(string(utf16.Decode(u)))
		}
	}
	return "#" + hex.EncodeToString(v.FullBytes)
}

func folded(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

const (
	maxName       = 2048
	maxAttributes = 64
)

// parseName reads a name as RFC 2253 and its neighbours write it.
func parseName(s string) ([][]pair, error) {
	if len(s) > maxName {
		return nil, errToken
	}
	var out [][]pair
	more := false // in the same RDN
	for n := 0; ; n++ {
		kind, rest, ok := strings.Cut(s, "=")
		kind = strings.ToUpper(strings.TrimSpace(kind))
		if !ok || kind == "" || strings.ContainsAny(kind, ",;+") || n == maxAttributes {
			return nil, errToken
		}
		value, rest, err := parseValue(rest)
		if err != nil {
			return nil, err
		}
		p := pair{value: value}
		if dotted := strings.TrimPrefix(kind, "OID."); dotted != "" && dotted[0] >= '0' && dotted[0] <= '9' {
			p.kind = dotted
		} else {
			p.kind = keywords[kind]
		}
		if more {
			out[len(out)-1] = append(out[len(out)-1], p)
		} else {
			out = append(out, []pair{p})
		}
		if rest == "" {
			return out, nil
		}
		more, s = rest[0] == '+', rest[1:]
	}
}

// parseValue returns one value folded and what follows, the separator first.
func parseValue(s string) (value, rest string, err error) {
	s = strings.TrimLeft(s, " \t\r\n")
	if strings.HasPrefix(s, "#") {
		end := strings.IndexAny(s, ",;+")
		if end < 0 {
			end = len(s)
		}
		der, err := hex.DecodeString(strings.TrimSpace(s[1:end]))
		if err != nil {
			return "", "", errToken
		}
		var v asn1.RawValue
		if more, err := asn1.Unmarshal(der, &v); err != nil || len(more) > 0 {
			return "", "", errToken
		}
		return valueOf(v), s[end:], nil
	}
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\':
			if i++; i == len(s) {
				return "", "", errToken
			}
			if i+1 < len(s) {
				if h, err := hex.DecodeString(s[i : i+2]); err == nil {
					b.WriteByte(h[0])
					i++
					continue
				}
			}
			b.WriteByte(s[i])
		case !quoted && (c == ',' || c == ';' || c == '+'):
			return folded(b.String()), s[i:], nil
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return "", "", errToken
	}
	return folded(b.String()), "", nil
}
