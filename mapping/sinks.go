package mapping

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// recordOut is the sink for values. It fills the slots of one Record: those of a
// machine first, which have grown already.
type recordOut struct {
	shape  *shape
	slots  []slot
	within []openRecord // the record being filled is the last one
}

type openRecord struct {
	shape *shape
	at    int32 // its first slot
	old   bool  // another rule filled it before
}

func newRecordOut(s *shape, m *machine) *recordOut {
	o := &recordOut{shape: s, slots: m.slots[:0]}
	o.within = append(o.within, openRecord{shape: s, at: o.room(len(s.fields))})
	return o
}

// record is what was made.
func (o *recordOut) record() *Record { return &Record{shape: o.shape, slots: slices.Clone(o.slots)} }

// room adds slots and says where they begin.
func (o *recordOut) room(n int) int32 {
	at := len(o.slots)
	if at+n > cap(o.slots) {
		o.slots = slices.Grow(o.slots, at+n)
	}
	o.slots = o.slots[:at+n]
	clear(o.slots[at:])
	return int32(at)
}

// slot is where a rule writes, the records on the way being made.
func (o *recordOut) slot(r *rule) int32 {
	in := &o.within[len(o.within)-1]
	here, inner := in.at, in.shape
	last := len(r.slots) - 1
	for _, n := range r.slots[:last] {
		at := here + n
		inner = inner.fields[n].inner
		if o.slots[at].kind != slotRecord {
			next := o.room(len(inner.fields))
			o.slots[at] = slot{kind: slotRecord, at: next}
		}
		here = o.slots[at].at
	}
	return here + r.slots[last]
}

// made is the record that a target names, where there is one already.
func (o *recordOut) made(r *rule) (at int32, ok bool) {
	at = o.within[len(o.within)-1].at
	for _, n := range r.slots {
		v := &o.slots[at+n]
		if v.kind != slotRecord {
			return 0, false
		}
		at = v.at
	}
	return at, true
}

func (o *recordOut) open(r *rule) {
	in := openRecord{shape: r.shape}
	if !r.target.append { // several rules may fill one record
		in.at, in.old = o.made(r)
	}
	if !in.old {
		in.at = o.room(len(r.shape.fields))
	}
	o.within = append(o.within, in)
}

// close drops a record that is empty, that lacks what it must have, or of which
// nothing but constants was written: those say nothing of the input.
func (o *recordOut) close(r *rule, told, lacks bool) bool {
	in := o.within[len(o.within)-1]
	o.within = o.within[:len(o.within)-1]
	if in.old {
		return true
	}
	if lacks || !r.keepEmpty && (!told && o.shape.ofReply || o.isEmpty(in)) {
		o.slots = o.slots[:in.at]
		return false
	}
	o.put(r, slot{kind: slotRecord, at: in.at})
	return true
}

func (o *recordOut) isEmpty(in openRecord) bool {
	for i := range o.slots[in.at:][:len(in.shape.fields)] {
		if o.slots[int(in.at)+i].kind != slotAbsent {
			return false
		}
	}
	return true
}

func (o *recordOut) set(r *rule, text string) error {
	v, err := typed(text, r.as)
	if err == nil {
		o.put(r, v)
	}
	return err
}

func (o *recordOut) put(r *rule, v slot) {
	at := o.slot(r)
	if !r.target.append {
		if o.slots[at].kind == slotAbsent || v.kind == slotRecord { // of several rules with conditions the first wins
			o.slots[at] = v
		}
		return
	}
	item := o.room(1)
	o.slots[item] = v
	list := &o.slots[at]
	if list.kind != slotList {
		*list = slot{kind: slotList, at: item}
	} else {
		o.slots[list.last].next = item
	}
	list.last = item
}

// xmlOut is the sink for XML.
type xmlOut struct {
	within []*Element // the element being filled is the last one
	spare  []Element  // elements are made in blocks
	block  int
}

func newXMLOut() *xmlOut {
	o := &xmlOut{}
	o.within = append(o.within, o.make(Name{}, ""))
	return o
}

func (o *xmlOut) make(name Name, text string) *Element {
	if len(o.spare) == 0 {
		o.block = min(max(8, 2*o.block), 128)
		o.spare = make([]Element, o.block)
	}
	e := &o.spare[0]
	o.spare = o.spare[1:]
	e.Name, e.Text = name, text
	return e
}

func (o *xmlOut) top() *Element { return o.within[len(o.within)-1] }

// at walks to the parent of a target's last step. Elements on the way are those
// made last, so that rules in a row fill one element.
func (o *xmlOut) at(steps []Name) *Element {
	here := o.top()
	for _, s := range steps {
		if n := len(here.Children); n > 0 && here.Children[n-1].Name.Space == s.Space && here.Children[n-1].Name.Local == s.Local {
			here = here.Children[n-1]
			continue
		}
		next := o.make(s, "")
		here.Children = append(here.Children, next)
		here = next
	}
	return here
}

func (o *xmlOut) open(r *rule) {
	var name Name
	if n := len(r.target.steps); n > 0 {
		name = r.target.steps[n-1]
	}
	e := o.make(name, "")
	attrs := 0
	for _, inner := range r.rules {
		if inner.target.attr != nil && len(inner.target.steps) == 0 {
			attrs++
		}
	}
	if attrs > 0 {
		e.Attrs = make([]Attr, 0, attrs)
	}
	if n := len(r.rules) - attrs; n > 0 {
		e.Children = make([]*Element, 0, min(n, 16))
	}
	o.within = append(o.within, e)
}

// close drops an element that is empty or lacks what it must have. Constants keep it:
// they are what we say, not what was said to us.
func (o *xmlOut) close(r *rule, _, lacks bool) bool {
	e := o.top()
	o.within = o.within[:len(o.within)-1]
	if lacks || len(e.Children) == 0 && len(e.Attrs) == 0 && e.Text == "" && !r.keepEmpty {
		return false
	}
	if len(r.target.steps) == 0 { // rules for the element itself
		to := o.top()
		to.Attrs, to.Children = append(to.Attrs, e.Attrs...), append(to.Children, e.Children...)
		to.Text += e.Text
		return true
	}
	parent := o.at(r.target.steps[:len(r.target.steps)-1])
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
		e := o.at(t.steps)
		for i := range e.Attrs {
			if e.Attrs[i].Name.Space == t.attr.Space && e.Attrs[i].Name.Local == t.attr.Local {
				return errSetTwice
			}
		}
		e.Attrs = append(e.Attrs, Attr{*t.attr, text})
	case len(t.steps) == 0:
		if o.top().Text != "" {
			return errSetTwice
		}
		o.top().Text = text
	default:
		parent := o.at(t.steps[:len(t.steps)-1])
		parent.Children = append(parent.Children, o.make(t.steps[len(t.steps)-1], text))
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
