package mapping

import (
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// A Record is the value that rules made of XML. It does not change any more, so
// it may be read by several goroutines.
type Record struct {
	shape *shape
	slots []slot // the first ones are the outermost record
}

// slotKind says what a slot holds; the zero slot is a field that is not there.
type slotKind uint8

const (
	slotAbsent slotKind = iota
	slotText
	slotNumber // text is JSON
	slotTrue
	slotFalse
	slotRecord // its slots begin at at
	slotList   // its items are the slots at to last, linked by next
)

type slot struct {
	text string
	at   int32
	last int32
	next int32 // of an item: the next one, 0 for none
	kind slotKind
}

// AppendJSON appends the record as JSON: the same bytes that encoding/json makes
// of Value, fields sorted by name.
func (r *Record) AppendJSON(b []byte) []byte {
	size := 0
	for i := range r.slots {
		if v := &r.slots[i]; v.kind != slotAbsent {
			size += len(v.text) + 20 // and a key
		}
	}
	return r.appendRecord(slices.Grow(b, size), r.shape, 0)
}

// MarshalJSON lets encoding/json write a record.
func (r *Record) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }

func (r *Record) appendRecord(b []byte, s *shape, at int32) []byte {
	b = append(b, '{')
	first := true
	for i := range s.fields {
		v := &r.slots[at+int32(i)]
		if v.kind == slotAbsent {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = r.appendSlot(append(b, s.fields[i].json...), v, s.fields[i].inner)
	}
	return append(b, '}')
}

func (r *Record) appendSlot(b []byte, v *slot, inner *shape) []byte {
	switch v.kind {
	case slotText:
		return appendString(b, v.text)
	case slotNumber:
		return append(b, v.text...)
	case slotTrue:
		return append(b, "true"...)
	case slotFalse:
		return append(b, "false"...)
	case slotRecord:
		return r.appendRecord(b, inner, v.at)
	}
	b = append(b, '[')
	for at := v.at; at != 0; at = r.slots[at].next {
		if at != v.at {
			b = append(b, ',')
		}
		b = r.appendSlot(b, &r.slots[at], inner)
	}
	return append(b, ']')
}

// Value is the record as encoding/json knows values: map[string]any, []any,
// string, bool and json.Number.
func (r *Record) Value() map[string]any { return r.record(r.shape, 0) }

func (r *Record) record(s *shape, at int32) map[string]any {
	out := make(map[string]any, len(s.fields))
	for i := range s.fields {
		if v := &r.slots[at+int32(i)]; v.kind != slotAbsent {
			out[s.fields[i].key] = r.value(v, s.fields[i].inner)
		}
	}
	return out
}

func (r *Record) value(v *slot, inner *shape) any {
	switch v.kind {
	case slotText:
		return v.text
	case slotNumber:
		return json.Number(v.text)
	case slotTrue, slotFalse:
		return v.kind == slotTrue
	case slotRecord:
		return r.record(inner, v.at)
	}
	list := []any{}
	for at := v.at; at != 0; at = r.slots[at].next {
		list = append(list, r.value(&r.slots[at], inner))
	}
	return list
}

// addRecord loads a record as loadValue loads its Value.
func (l *Loader) addRecord(r *Record, s *shape, at int32) {
	for i := range s.fields {
		f, v := &s.fields[i], &r.slots[at+int32(i)]
		switch v.kind {
		case slotAbsent:
		case slotList:
			for item := v.at; item != 0; item = r.slots[item].next {
				l.addSlot(r, f, &r.slots[item])
			}
		default:
			l.addSlot(r, f, v)
		}
	}
}

func (l *Loader) addSlot(r *Record, f *shapeField, v *slot) {
	if !l.Open("", f.key) {
		return
	}
	switch v.kind {
	case slotRecord:
		l.addRecord(r, f.inner, v.at)
	case slotTrue:
		l.pending = "true"
	case slotFalse:
		l.pending = "false"
	default:
		l.pending = v.text
	}
	l.Close()
}

// appendString appends s as JSON, escaped as encoding/json escapes.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&' {
				i++
				continue
			}
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\b':
				b = append(b, `\b`...)
			case '\f':
				b = append(b, `\f`...)
			case '\n':
				b = append(b, `\n`...)
			case '\r':
				b = append(b, `\r`...)
			case '\t':
				b = append(b, `\t`...)
			default:
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(append(b, s[from:i]...), `\ufffd`...)
			from = i + n
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, s[from:i]...), `\u202`...)
			b = append(b, hex[r&15])
			from = i + n
		}
		i += n
	}
	return append(append(b, s[from:]...), '"')
}
