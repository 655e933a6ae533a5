package pgread

import (
	"errors"
	"strings"
)

var errArray = errors.New("is no array in PostgreSQL's form")

const maxDimensions = 6 // PostgreSQL's own

// appendArray writes {a,"b c",NULL,{...}} (PostgreSQL 8.15.6) as repeated elements.
func appendArray(dst []byte, name, text string, form func([]byte, string, string) ([]byte, error)) ([]byte, error) {
	if strings.HasPrefix(text, "[") { // [0:2]={...}: bounds
		_, after, ok := strings.Cut(text, "=")
		if !ok {
			return nil, errArray
		}
		text = after
	}
	a := array{text: text, form: form}
	dst, err := a.items(dst, name, 1)
	if err != nil {
		return nil, err
	}
	if a.at != len(a.text) {
		return nil, errArray
	}
	return dst, nil
}

type array struct {
	text string
	at   int
	form func([]byte, string, string) ([]byte, error)
}

func (a *array) peek() byte {
	if a.at < len(a.text) {
		return a.text[a.at]
	}
	return 0
}

func (a *array) items(dst []byte, name string, depth int) ([]byte, error) {
	if a.peek() != '{' || depth > maxDimensions {
		return nil, errArray
	}
	a.at++
	if a.peek() == '}' {
		a.at++
		return dst, nil
	}
	for {
		var err error
		if dst, err = a.item(dst, name, depth); err != nil {
			return nil, err
		}
		c := a.peek()
		a.at++
		switch c {
		case ',':
		case '}':
			return dst, nil
		default:
			return nil, errArray
		}
	}
}

func (a *array) item(dst []byte, name string, depth int) ([]byte, error) {
	switch a.peek() {
	case '{':
		dst = append(append(append(dst, '<'), name...), '>')
		dst, err := a.items(dst, "item", depth+1)
		if err != nil {
			return nil, err
		}
		return append(append(append(dst, '<', '/'), name...), '>'), nil
	case '"':
		text, err := a.quoted()
		if err != nil {
			return nil, err
		}
		return a.form(dst, name, text)
	}
	end := strings.IndexAny(a.text[a.at:], `,{}"`)
	if end <= 0 {
		return nil, errArray
	}
	text := a.text[a.at : a.at+end]
	a.at += end
	if strings.ContainsRune(text, '\\') {
		return nil, errArray // would be quoted
	}
	if text == "NULL" {
		return dst, nil
	}
	return a.form(dst, name, text)
}

func (a *array) quoted() (string, error) {
	var b strings.Builder
	for a.at++; a.at < len(a.text); a.at++ {
		switch c := a.text[a.at]; c {
		case '\\':
			if a.at++; a.at < len(a.text) {
				b.WriteByte(a.text[a.at])
			}
		case '"':
			a.at++
			return b.String(), nil
		default:
			b.WriteByte(c)
		}
	}
	return "", errArray
}
