package mapping

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// record is the sink for values.
type record struct {
	fields map[string]any
}

// at walks to the map that holds the last field of a target, making it.
func (o *record) at(t *target) (map[string]any, string) {
	here := o.fields
	last := len(t.fields) - 1
	for _, f := range t.fields[:last] {
		next, ok := here[f].(map[string]any)
		if !ok {
			next = map[string]any{}
			here[f] = next
		}
		here = next
	}
	return here, t.fields[last]
}

func (o *record) open(r *rule) sink {
	if !r.target.append { // several rules may fill one record
		here := any(o.fields)
		for _, f := range r.target.fields {
			m, ok := here.(map[string]any)
			if !ok {
				break
			}
			here = m[f]
		}
		if m, ok := here.(map[string]any); ok {
			return &record{m}
		}
	}
	return &record{map[string]any{}}
}

func (o *record) close(r *rule, inner sink) bool {
	in := inner.(*record)
	if len(in.fields) == 0 && !r.keepEmpty {
		return false
	}
	here, field := o.at(&r.target)
	if r.target.append {
		list, _ := here[field].([]any)
		here[field] = append(list, in.fields)
	} else {
		here[field] = in.fields
	}
	return true
}

func (o *record) set(r *rule, text string) error {
	v, err := typed(text, r.as)
	if err != nil {
		return err
	}
	here, field := o.at(&r.target)
	switch {
	case r.target.append:
		list, _ := here[field].([]any)
		here[field] = append(list, v)
	case here[field] == nil: // of several rules with conditions the first wins
		here[field] = v
	}
	return nil
}

// xmlOut is the sink for XML.
type xmlOut struct {
	e *Element
}

// within walks to the parent of a target's last step. Elements on the way are
// those made last, so that rules in a row fill one element.
func (o *xmlOut) within(steps []Name) *Element {
	here := o.e
	for _, s := range steps {
		if n := len(here.Children); n > 0 && here.Children[n-1].Name.Space == s.Space && here.Children[n-1].Name.Local == s.Local {
			here = here.Children[n-1]
			continue
		}
		next := &Element{Name: s}
		here.Children = append(here.Children, next)
		here = next
	}
	return here
}

func (o *xmlOut) open(r *rule) sink {
	if len(r.target.steps) == 0 {
		return &xmlOut{&Element{}}
	}
	return &xmlOut{&Element{Name: r.target.steps[len(r.target.steps)-1]}}
}

func (o *xmlOut) close(r *rule, inner sink) bool {
	e := inner.(*xmlOut).e
	if len(e.Children) == 0 && len(e.Attrs) == 0 && e.Text == "" && !r.keepEmpty {
		return false
	}
	if len(r.target.steps) == 0 { // rules for the element itself
		o.e.Attrs, o.e.Children = append(o.e.Attrs, e.Attrs...), append(o.e.Children, e.Children...)
		o.e.Text += e.Text
		return true
	}
	parent := o.within(r.target.steps[:len(r.target.steps)-1])
	parent.Children = append(parent.Children, e)
	return true
}

var errSetTwice = errors.New("written already by another rule")

func (o *xmlOut) set(r *rule, text string) error {
	if bad, ok := firstForbidden(text); ok {
		return fmt.Errorf("the character U+%04X cannot stand in XML", bad)
	}
	t := &r.target
	switch {
	case t.attr != nil:
		e := o.within(t.steps)
		for i := range e.Attrs {
			if e.Attrs[i].Name.Space == t.attr.Space && e.Attrs[i].Name.Local == t.attr.Local {
				return errSetTwice
			}
		}
		e.Attrs = append(e.Attrs, Attr{*t.attr, text})
	case len(t.steps) == 0:
		if o.e.Text != "" {
			return errSetTwice
		}
		o.e.Text = text
	default:
		parent := o.within(t.steps[:len(t.steps)-1])
		parent.Children = append(parent.Children, &Element{Name: t.steps[len(t.steps)-1], Text: text})
	}
	return nil
}

// firstForbidden finds a character that XML 1.0 cannot carry (production 2).
func firstForbidden(s string) (rune, bool) {
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return r, true
			}
		case r < 0x20 && r != '\t' && r != '\n' && r != '\r', r == 0xFFFE, r == 0xFFFF:
			return r, true
		}
	}
	return 0, false
}
