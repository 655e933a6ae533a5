package mapping

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ChangeKind says how a field of the new outcome differs from the old one.
type ChangeKind string

// The kinds. The last two stand for an outcome as a whole.
const (
	Added    ChangeKind = "added"
	Removed  ChangeKind = "removed"
	Changed  ChangeKind = "changed"
	NowFails ChangeKind = "now-fails" // the old rules held, the new ones end in a fault
	NowHolds ChangeKind = "now-holds"
)

// A Change is one difference. Old and New are filled only when they were asked for.
type Change struct {
	Path string     `json:"path"` // people[1].name, or b:Find/b:Person/@id
	Kind ChangeKind `json:"kind"`
	Old  Content    `json:"old,omitempty"`
	New  Content    `json:"new,omitempty"`
}

// changes gathers.
type changes struct {
	list   []Change
	values bool
}

// Changes compares two values that rules made (JSON-able ones or Records), field
// by field; items of lists compare by their number.
func Changes(before, after any, values bool) []Change {
	c := &changes{values: values}
	c.value("", plainValue(before), plainValue(after))
	return c.list
}

// ElementChanges compares two documents that rules made: attributes by name,
// elements by name and number, their order does not count. Either may be nil.
func ElementChanges(before, after *Element, values bool) []Change {
	c := &changes{values: values}
	c.elements("", []*Element{before}, []*Element{after})
	return c.list
}

func plainValue(v any) any {
	if r, ok := v.(*Record); ok {
		if r == nil {
			return nil
		}
		return r.Value()
	}
	return v
}

func (c *changes) add(path string, kind ChangeKind, before, after string) {
	one := Change{Path: path, Kind: kind}
	if c.values {
		one.Old, one.New = Content(before), Content(after)
	}
	c.list = append(c.list, one)
}

func (c *changes) value(path string, before, after any) {
	switch {
	case before == nil && after == nil:
	case before == nil || after == nil:
		c.whole(path, before, after)
	default:
		c.both(path, before, after)
	}
}

func (c *changes) both(path string, before, after any) {
	oldMap, isOldMap := before.(map[string]any)
	newMap, isNewMap := after.(map[string]any)
	oldList, isOldList := before.([]any)
	newList, isNewList := after.([]any)
	switch {
	case isOldMap && isNewMap:
		all := maps.Clone(oldMap)
		maps.Copy(all, newMap)
		for _, key := range slices.Sorted(maps.Keys(all)) {
			c.value(field(path, key), oldMap[key], newMap[key])
		}
	case isOldList && isNewList:
		for i := range max(len(oldList), len(newList)) {
			c.value(item(path, i), at(oldList, i), at(newList, i))
		}
	case isOldMap || isNewMap || isOldList || isNewList:
		c.whole(path, before, nil)
		c.whole(path, nil, after)
	default:
		if a, b := scalar(before), scalar(after); a != b {
			c.add(path, Changed, a, b)
		}
	}
}

// whole reports every leaf of a value that stands on one side only.
func (c *changes) whole(path string, before, after any) {
	v, kind := before, Removed
	if before == nil {
		v, kind = after, Added
	}
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if kind == Added {
				c.value(field(path, key), nil, v[key])
			} else {
				c.value(field(path, key), v[key], nil)
			}
		}
	case []any:
		for i := range v {
			if kind == Added {
				c.value(item(path, i), nil, v[i])
			} else {
				c.value(item(path, i), v[i], nil)
			}
		}
	default:
		if kind == Added {
			c.add(path, kind, "", scalar(v))
		} else {
			c.add(path, kind, scalar(v), "")
		}
	}
}

func field(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func item(path string, i int) string { return path + "[" + strconv.Itoa(i+1) + "]" }

func at(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// scalar writes a value so that the text 1 and the number 1 differ.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("a %T", v)
	}
	return string(text)
}

// elements compares elements of one name.
func (c *changes) elements(path string, before, after []*Element) {
	for i := range max(len(before), len(after)) {
		var a, b *Element
		if i < len(before) {
			a = before[i]
		}
		if i < len(after) {
			b = after[i]
		}
		c.element(path, i, max(len(before), len(after)) > 1, a, b)
	}
}

func (c *changes) element(path string, i int, many bool, a, b *Element) {
	if a == nil && b == nil {
		return
	}
	name := written(a, b)
	if path != "" {
		name = path + "/" + name
	}
	if many {
		name = item(name, i)
	}
	if a != nil && b != nil && (a.Name.Space != b.Name.Space || a.Name.Local != b.Name.Local) { // only of roots
		c.add(name, Changed, a.Name.Local, b.Name.Local)
		return
	}
	text := func(e *Element) string {
		if e == nil {
			return ""
		}
		return e.Text
	}
	switch old, now := text(a), text(b); {
	case a == nil && (now != "" || len(b.Children)+len(b.Attrs) == 0):
		c.add(name, Added, "", now)
	case b == nil && (old != "" || len(a.Children)+len(a.Attrs) == 0):
		c.add(name, Removed, old, "")
	case a != nil && b != nil && old != now:
		c.add(name, Changed, old, now)
	}
	c.attributes(name, a, b)
	type key struct{ space, local string }
	var order []key
	olds, news := map[key][]*Element{}, map[key][]*Element{}
	gather := func(e *Element, into map[key][]*Element) {
		if e == nil {
			return
		}
		for _, child := range e.Children {
			k := key{child.Name.Space, child.Name.Local}
			if len(olds[k])+len(news[k]) == 0 {
				order = append(order, k)
			}
			into[k] = append(into[k], child)
		}
	}
	gather(a, olds)
	gather(b, news)
	for _, k := range order {
		c.elements(name, olds[k], news[k])
	}
}

func (c *changes) attributes(path string, a, b *Element) {
	find := func(e *Element, n Name) (string, bool) {
		if e != nil {
			for _, x := range e.Attrs {
				if x.Name.Space == n.Space && x.Name.Local == n.Local {
					return x.Value, true
				}
			}
		}
		return "", false
	}
	if a != nil {
		for _, x := range a.Attrs {
			now, ok := find(b, x.Name)
			switch {
			case !ok:
				c.add(path+"/@"+x.Name.Local, Removed, x.Value, "")
			case now != x.Value:
				c.add(path+"/@"+x.Name.Local, Changed, x.Value, now)
			}
		}
	}
	if b != nil {
		for _, x := range b.Attrs {
			if _, ok := find(a, x.Name); !ok {
				c.add(path+"/@"+x.Name.Local, Added, "", x.Value)
			}
		}
	}
}

// written is the name of an element with the prefix that its rules write.
func written(a, b *Element) string {
	if a == nil {
		a = b
	}
	if a.Name.Prefix == "" {
		return a.Name.Local
	}
	return a.Name.Prefix + ":" + a.Name.Local
}

// Diff sums up the changes of many inputs. The zero Diff is ready; it is safe for
// concurrent use. It keeps paths and numbers, never a value.
type Diff struct {
	mu     sync.Mutex
	inputs int
	same   int
	fields map[string]*DiffField
}

// DiffField counts the changes of one field over all inputs; items of a list
// count as one field.
type DiffField struct {
	Path   string             `json:"path"`
	Counts map[ChangeKind]int `json:"counts"`
}

// DiffSummary is what a Diff gathered so far.
type DiffSummary struct {
	Inputs int         `json:"inputs"`
	Same   int         `json:"same"`
	Fields []DiffField `json:"fields"`
}

// Add counts the changes of one input; none means that the outcomes are the same.
func (d *Diff) Add(list []Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inputs++
	if len(list) == 0 {
		d.same++
	}
	if d.fields == nil {
		d.fields = map[string]*DiffField{}
	}
	for _, c := range list {
		path := withoutNumbers(c.Path)
		f := d.fields[path]
		if f == nil {
			if len(d.fields) >= maxSources {
				continue
			}
			f = &DiffField{Path: path, Counts: map[ChangeKind]int{}}
			d.fields[path] = f
		}
		f.Counts[c.Kind]++
	}
}

func withoutNumbers(path string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(path, "[")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		_, path, _ = strings.Cut(rest, "]")
		b.WriteString("[]")
	}
}

// Summary sums up.
func (d *Diff) Summary() DiffSummary {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := DiffSummary{Inputs: d.inputs, Same: d.same, Fields: []DiffField{}}
	for _, path := range slices.Sorted(maps.Keys(d.fields)) {
		f := d.fields[path]
		s.Fields = append(s.Fields, DiffField{Path: path, Counts: maps.Clone(f.Counts)})
	}
	return s
}

// Text is the summary for a terminal.
func (s DiffSummary) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d inputs: %d the same, %d different\n", s.Inputs, s.Same, s.Inputs-s.Same)
	for _, f := range s.Fields {
		path := f.Path
		if path == "" {
			path = "(the outcome)"
		}
		fmt.Fprintf(&b, "  %s:", path)
		for _, kind := range []ChangeKind{Added, Removed, Changed, NowFails, NowHolds} {
			if n := f.Counts[kind]; n > 0 {
				fmt.Fprintf(&b, " %s %d", kind, n)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Compare runs two programs of one direction over one input and says what the
// second one would change. XMLToValue takes a Node, the others a value. The error
// is for programs that do not go together; faults of a run are a change.
func Compare(before, after *Program, in any, values bool) ([]Change, error) {
	if before.dir != after.dir {
		return nil, fmt.Errorf("comparing mappings: one is %s, the other %s", before.dir, after.dir)
	}
	a, errA := before.any(in)
	b, errB := after.any(in)
	switch {
	case errA != nil && errB != nil:
		return nil, nil
	case errA != nil:
		return []Change{{Kind: NowHolds}}, nil
	case errB != nil:
		return []Change{{Kind: NowFails}}, nil
	}
	if e, ok := a.(*Element); ok {
		return ElementChanges(e, b.(*Element), values), nil
	}
	return Changes(a, b, values), nil
}

// any runs a program in its own direction.
func (p *Program) any(in any) (any, error) {
	switch p.dir {
	case ValueToXML:
		e, _, err := p.Build(in)
		return e, err
	case ValueToValue:
		v, _, err := p.Convert(in)
		return v, err
	}
	n, ok := in.(Node)
	if !ok {
		return nil, fmt.Errorf("the input is a %T; this mapping reads XML", in)
	}
	v, _, err := p.Run(n)
	return v, err
}
