package codes

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

//go:embed data/*.json
var files embed.FS

// Lists are all code lists, as every edition knows them or, after In, as one does.
// They never change and may be shared.
type Lists struct {
	lists   map[string]func() *table
	edition mask
}

// A List is one of Lists.
type List struct {
	table   *table
	edition mask
}

// An Entry is what a list knows of a code.
type Entry struct {
	Code string
	Name string // English, for error codes the fixed message; may be empty
	// Type is the xsi:type of an error code with the prefix that the specification
	// uses, or whether a media type is structured or unstructured.
	Type     string
	Severity string // of an error code
}

var defaults = sync.OnceValue(func() *Lists {
	l := &Lists{lists: make(map[string]func() *table), edition: every}
	names, err := fs.Glob(files, "data/*.json")
	if err != nil {
		panic(err)
	}
	for _, file := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "data/"), ".json")
		l.lists[name] = sync.OnceValue(func() *table { return embedded(name) })
	}
	return l
})

// embedded reads a list at its first use. What cannot be read is a broken program;
// a test reads them all.
func embedded(name string) *table {
	data, err := files.ReadFile("data/" + name + ".json")
	if err != nil {
		panic(err)
	}
	rows, err := decode(name, data)
	if err != nil {
		panic("code list " + name + ": " + err.Error())
	}
	return tabulate(rows)
}

// Default returns the published lists without any overlay.
func Default() *Lists { return defaults() }

// Names lists the names of all lists.
func (l *Lists) Names() []string {
	var out []string
	for name := range l.lists {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// In returns the lists as an edition knows them: 1.0, 1.1, 1.2 or 2.0. An edition
// that is none of them knows no code at all.
func (l *Lists) In(edition string) *Lists { return &Lists{l.lists, maskOf(edition, edition)} }

// List returns a list by its name, for callers that ask it often.
func (l *Lists) List(name string) (List, bool) {
	read, ok := l.lists[name]
	if !ok {
		return List{}, false
	}
	return List{read(), l.edition}, true
}

// Has reports whether a list has a code, exactly as written. There is no code in a
// list that does not exist.
func (l *Lists) Has(list, code string) bool {
	t, ok := l.List(list)
	return ok && t.Has(code)
}

// Codes returns the codes of a list in its order.
func (l *Lists) Codes(list string) []string {
	t, _ := l.List(list)
	return t.Codes()
}

// Entry returns what a list knows of a code. Where editions differ it is what the
// newest of them says.
func (l *Lists) Entry(list, code string) (Entry, bool) {
	t, _ := l.List(list)
	r, ok := t.find(code)
	return r.entry(), ok
}

// Has reports whether the list has a code. It takes constant time and no memory.
func (l List) Has(code string) bool {
	return l.table != nil && l.table.index[code]&l.edition != 0
}

// Codes returns the codes in the order of the list.
func (l List) Codes() []string {
	if l.table == nil {
		return nil
	}
	out := make([]string, 0, len(l.table.codes))
	for _, c := range l.table.codes {
		if l.Has(c) {
			out = append(out, c)
		}
	}
	return out
}

// find returns the newest row of a code.
func (l List) find(code string) (row, bool) {
	if !l.Has(code) {
		return row{}, false
	}
	var found row
	var newest mask
	for _, r := range l.table.details[code] {
		if m := r.mask() & l.edition; m > newest {
			found, newest = r, m
		}
	}
	found.Code = code // a row without details has its code only
	return found, true
}
