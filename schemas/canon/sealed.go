package canon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"reflect"
)

// ErrForgotten is returned where the key of a conversation was destroyed.
var ErrForgotten = errors.New("the key of this conversation was forgotten")

// ErrUnsealed is returned on an attempt to write a private part in clear.
var ErrUnsealed = errors.New("private part is not sealed")

// A Box is a private part under AES-256-GCM.
type Box struct {
	Key   string `json:"key"`   // id of the conversation key
	Nonce []byte `json:"nonce"` // 96 bits
	Data  []byte `json:"data"`  // ciphertext and tag
}

// Sealed is the private part of a body. In a worker's memory it is clear, on the
// log and in every store it is a box: marshalling a clear part is an error, so a
// person cannot reach a topic by accident. The zero value holds nothing.
type Sealed[T any] struct {
	clear *T
	box   *Box
}

// Clear returns a private part that holds v.
func Clear[T any](v T) Sealed[T] { return Sealed[T]{clear: &v} }

// Get returns the clear value. It is false for a part that was never set and
// for one whose key was forgotten. The caller must not change what it points to.
func (s Sealed[T]) Get() (*T, bool) { return s.clear, s.clear != nil }

// Forgotten reports that there is a private part and that it cannot be read.
func (s Sealed[T]) Forgotten() bool { return s.clear == nil && s.box != nil }

// MarshalJSON writes the box; a clear part is ErrUnsealed.
func (s Sealed[T]) MarshalJSON() ([]byte, error) {
	if s.box != nil {
		return json.Marshal(s.box)
	}
	if s.clear != nil {
		return nil, ErrUnsealed
	}
	return []byte("null"), nil
}

// UnmarshalJSON reads a box.
func (s *Sealed[T]) UnmarshalJSON(data []byte) error {
	*s = Sealed[T]{}
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return nil
	}
	var b Box
	if err := strictJSON(data, &b); err != nil {
		return fmt.Errorf("reading sealed part: %w", err)
	}
	s.box = &b
	return nil
}

// IsZero makes omitzero leave out an empty part.
func (s Sealed[T]) IsZero() bool { return s.clear == nil && s.box == nil }

// Format prints no content, whatever the verb.
func (s Sealed[T]) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[sealed]") }

// LogValue prints no content.
func (s Sealed[T]) LogValue() slog.Value { return slog.StringValue("[sealed]") }

func (s *Sealed[T]) sealWith(seal func([]byte) (Box, error)) error {
	if s.clear == nil {
		return nil // nothing, or still closed: keep the box as it is
	}
	plain, err := json.Marshal(s.clear)
	if err != nil {
		return fmt.Errorf("encoding private part: %w", err)
	}
	b, err := seal(plain)
	if err != nil {
		return err
	}
	s.clear, s.box = nil, &b
	return nil
}

func (s *Sealed[T]) openWith(open func(Box) ([]byte, error)) error {
	if s.box == nil {
		return nil
	}
	plain, err := open(*s.box)
	if errors.Is(err, ErrForgotten) {
		return nil // the open part stays readable
	}
	if err != nil {
		return fmt.Errorf("opening private part: %w", err)
	}
	var v T
	if err := strictJSON(plain, &v); err != nil {
		return fmt.Errorf("decoding private part: %w", err)
	}
	s.clear, s.box = &v, nil
	return nil
}

type sealable interface {
	sealWith(func([]byte) (Box, error)) error
	openWith(func(Box) ([]byte, error)) error
}

// MarshalSealed encodes v, a pointer to a struct with at most one exported field
// of type Sealed, as JSON; a clear private part is sealed in the copy that is
// written, v itself is not touched.
func MarshalSealed(v any, seal func(plain []byte) (Box, error)) ([]byte, error) {
	src := reflect.ValueOf(v)
	if src.Kind() != reflect.Pointer || src.IsNil() || src.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("encoding %T: want a pointer to a struct", v)
	}
	cp := reflect.New(src.Elem().Type())
	cp.Elem().Set(src.Elem())
	if p := privatePart(cp.Elem()); p != nil {
		if err := p.sealWith(seal); err != nil {
			return nil, err
		}
	}
	return json.Marshal(cp.Interface())
}

// UnmarshalSealed decodes JSON into v, a pointer to a struct, and opens its
// private part; where open answers ErrForgotten the part stays closed.
func UnmarshalSealed(data []byte, v any, open func(Box) ([]byte, error)) error {
	if err := strictJSON(data, v); err != nil {
		return err
	}
	if p := privatePart(reflect.ValueOf(v).Elem()); p != nil {
		return p.openWith(open)
	}
	return nil
}

func privatePart(v reflect.Value) sealable {
	for i := range v.NumField() {
		if f := v.Field(i); f.CanAddr() && f.Addr().CanInterface() {
			if p, ok := f.Addr().Interface().(sealable); ok {
				return p
			}
		}
	}
	return nil
}

// strictJSON refuses unknown fields and anything after the value.
func strictJSON(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	// More would take a stray closing bracket for the end.
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}
