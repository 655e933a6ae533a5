package mapping

import (
	"maps"
	"slices"
	"strings"
)

// A shape is the set of fields that the rules can give one record. It is known
// when the rules are compiled, so a record is a row of slots, one for each field
// in the order of their names, and writing a field is an index, not a search.
type shape struct {
	fields  []shapeField
	ofReply bool // the outermost one: the value is read of XML, so constants do not keep records
}

type shapeField struct {
	key   string
	json  string // the key as JSON writes it, with the colon
	inner *shape // of the record, or of the records of the list, that it holds
}

// shapeTree gathers the fields before they are numbered.
type shapeTree struct {
	inner map[string]*shapeTree
	made  *shape
}

func (t *shapeTree) at(field string) *shapeTree {
	next := t.inner[field]
	if next == nil {
		next = &shapeTree{inner: map[string]*shapeTree{}}
		t.inner[field] = next
	}
	return next
}

// shapeOf numbers the fields of rules and tells every rule where it writes.
func shapeOf(rules []*rule) *shape {
	root := &shapeTree{inner: map[string]*shapeTree{}}
	root.gather(rules)
	root.number()
	root.place(rules)
	return root.made
}

func (t *shapeTree) gather(rules []*rule) {
	for _, r := range rules {
		here := t
		for _, f := range r.target.fields {
			here = here.at(f)
		}
		here.gather(r.rules)
	}
}

func (t *shapeTree) number() {
	t.made = &shape{}
	for _, key := range slices.Sorted(maps.Keys(t.inner)) {
		t.inner[key].number()
		t.made.fields = append(t.made.fields, shapeField{
			key: key, json: string(appendString(nil, key)) + ":", inner: t.inner[key].made,
		})
	}
}

func (t *shapeTree) place(rules []*rule) {
	for _, r := range rules {
		here := t
		r.slots = r.slots[:0]
		for _, f := range r.target.fields {
			at, _ := slices.BinarySearchFunc(here.made.fields, f, func(a shapeField, key string) int {
				return strings.Compare(a.key, key)
			})
			r.slots = append(r.slots, int32(at))
			here = here.inner[f]
		}
		r.shape = here.made
		here.place(r.rules)
	}
}
