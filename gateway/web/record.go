package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what is shown. A record beyond them is offered as a file alone.
const (
	maxRecord = 1 << 20
	maxDepth  = 12
	maxFields = 2000
)

var errTooMuch = errors.New("the record is too large to show")

// A field is one line of a record: a value, or further fields.
type field struct {
	Label  string
	Known  bool // the label is in the reader's language, not a key spelled out
	Value  string
	Fields []field // of an object or a list
	List   bool    // Fields are the items of a list, without labels
}

// leading are the parts of a record that say whom it is about: a reader looks for
// them first.
var leading = []string{"person", "child", "company"}

// fields reads the canonical record, in the order in which it was written but for
// whom it is about. Whatever it holds is shown as text: nothing in it is interpreted.
func fields(data []byte, l language) ([]field, error) {
	if len(data) > maxRecord {
		return nil, errTooMuch
	}
	if !utf8.Valid(data) {
		return nil, errors.New("the record is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	r := recordReader{d: d, l: l, left: maxFields}
	f, err := r.value("", 0)
	if err != nil {
		return nil, fmt.Errorf("reading the record: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("reading the record: more than one value")
	}
	if f.Fields == nil {
		return []field{f}, nil
	}
	return f.Fields, nil
}

type recordReader struct {
	d    *json.Decoder
	l    language
	left int
}

func (r *recordReader) value(key string, depth int) (field, error) {
	if r.left--; r.left < 0 || depth > maxDepth {
		return field{}, errTooMuch
	}
	var f field
	f.Label, f.Known = r.l.label(key)
	t, err := r.d.Token()
	if err != nil {
		return field{}, noEOF(err)
	}
	switch v := t.(type) {
	case json.Delim:
		f.List = v == '['
		f.Fields = []field{}
		for r.d.More() {
			k := ""
			if !f.List {
				name, err := r.d.Token()
				if err != nil {
					return field{}, noEOF(err)
				}
				k, _ = name.(string)
			}
			sub, err := r.value(k, depth+1)
			if err != nil {
				return field{}, err
			}
			if depth == 0 && slices.Contains(leading, k) {
				f.Fields = slices.Insert(f.Fields, 0, sub)
				continue
			}
			f.Fields = append(f.Fields, sub)
		}
		if _, err := r.d.Token(); err != nil {
			return field{}, noEOF(err)
		}
	case string:
		f.Value = printable(v)
	case json.Number:
		f.Value = v.String()
	case bool:
		f.Value = r.l.text("value.no")
		if v {
			f.Value = r.l.text("value.yes")
		}
	}
	if f.List && !slices.ContainsFunc(f.Fields, func(o field) bool { return o.Fields != nil }) {
		values := make([]string, len(f.Fields)) // a list of plain values is one line
		for i, o := range f.Fields {
			values[i] = o.Value
		}
		f.Value, f.Fields, f.List = strings.Join(values, ", "), nil, false
	}
	if f.Value == "" && len(f.Fields) == 0 {
		f.Fields, f.Value = nil, r.l.text("value.none")
	}
	return f, nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// printable drops what could make a value look like another: control signs and
// the marks that turn the direction of writing.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return ' '
		case unicode.IsControl(c), c >= 0x202a && c <= 0x202e, c >= 0x2066 && c <= 0x2069, c == 0x200e, c == 0x200f, c == 0x061c:
			return -1
		}
		return c
	}, s)
}

// label names a field in the reader's language, or spells its key: placeOfBirth
// and place_of_birth become "Place of birth".
func (l language) label(key string) (label string, known bool) {
	var words []string
	start := 0
	key = printable(key)
	for i, c := range key {
		switch {
		case strings.ContainsRune("_-. ", c):
			words, start = append(words, key[start:i]), i+1
		case unicode.IsUpper(c) && i > start && !unicode.IsUpper(rune(key[i-1])):
			words, start = append(words, key[start:i]), i
		}
	}
	words = slices.DeleteFunc(append(words, key[start:]), func(w string) bool { return w == "" })
	if len(words) == 0 {
		return "", true
	}
	camel := strings.ToLower(words[0])
	for _, w := range words[1:] {
		camel += title(strings.ToLower(w))
	}
	if s, ok := l.words["field."+camel]; ok {
		return s, true
	}
	for i, w := range words {
		if w != strings.ToUpper(w) { // abbreviations stay
			words[i] = strings.ToLower(w)
		}
	}
	return title(strings.Join(words, " ")), false
}

func title(s string) string {
	c, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(c)) + s[n:]
}
