package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// decode reads one JSON value as the validator wants it. It is stricter than
// encoding/json: what this package judges and what canon decodes afterwards must
// be the same document, so a name that stands twice in an object and bytes that
// are not UTF-8 are refused. Errors name an offset, never a value.
func decode(doc []byte) (any, error) {
	if len(doc) > MaxDocument {
		return nil, fmt.Errorf("larger than %d bytes", MaxDocument)
	}
	if !utf8.Valid(doc) {
		return nil, errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return nil, notJSON(d)
	}
	switch t {
	case json.Delim('{'):
		obj := make(map[string]any)
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, notJSON(d)
			}
			key, ok := name.(string)
			if !ok {
				return nil, notJSON(d)
			}
			if _, twice := obj[key]; twice {
				return nil, fmt.Errorf("a name stands twice in one object, at byte %d", d.InputOffset())
			}
			if obj[key], err = decodeValue(d, depth+1); err != nil {
				return nil, err
			}
		}
		return obj, closing(d)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, closing(d)
	}
	return t, nil
}

func closing(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return notJSON(d)
	}
	return nil
}

func notJSON(d *json.Decoder) error {
	return fmt.Errorf("not JSON at byte %d", d.InputOffset())
}
