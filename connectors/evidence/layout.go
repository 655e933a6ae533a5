package evidence

import (
	"errors"
	"path"
	"slices"
	"strings"

	"oncegate/mapping/yamldoc"
	"oncegate/schemas/records"
)

// layout says what stands where on the pages of one type.
type layout struct {
	words    *vocabulary
	info     map[string]records.Field // of the type, by path without the signs of lists
	title    texts
	sections []section
}

// A section is a heading and what is below it: one table of names and values, or
// what each item of a list has: a row where there are columns, a table of its own
// elsewhere.
type section struct {
	title   string // key of a label
	each    string // path of a list
	columns bool
	prose   bool // parts of a document: heading, text, statements
	fields  []field
}

// A field is one line or one column.
type field struct {
	path  string // from the record or, in a list, from the item; empty: the rest of the item
	label string
	full  string // from the record, without the signs of lists
}

// nouns that one text can show.
var shown = []string{"amount", "period", "identifier", "nonLatin", "place", "address", "authority", "contact", "credits", "grade"}

func readLayout(kind string, text []byte, words *vocabulary) (*layout, error) {
	doc, root := yamldoc.Parse(path.Join(kind, "page.yaml"), text)
	f := root.Fields("apiVersion", "kind", "title", "sections")
	f["apiVersion"].Word("oncegate/v1")
	f["kind"].Word("Page")
	known := map[string]records.Field{}
	l := &layout{words: words, info: known, title: words.words(f["title"])}
	for _, one := range records.Fields(kind) {
		known[plain(one.Path)] = one
	}
	covered := map[string]bool{"kind": true}
	for _, item := range f["sections"].Items() {
		s := l.section(item)
		for _, one := range s.fields {
			info, ok := known[one.full]
			switch {
			case !ok:
				item.Fault("%s is no field of %s", one.full, kind)
			case info.Shape == records.Object && one.path != "" && !s.prose && !slices.Contains(shown, info.Of):
				item.Fault("%s is no one thing: name what stands in it", one.full)
			}
			covered[one.full] = true
		}
		l.sections = append(l.sections, s)
	}
	// A page that leaves out what the record says would be another document.
	for full, info := range known {
		if info.Shape != records.Object && !under(full, covered) {
			root.Fault("%s stands nowhere on the page", full)
		}
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	if len(l.sections) == 0 {
		return nil, errors.New("a page without sections")
	}
	return l, nil
}

func plain(path string) string { return strings.ReplaceAll(path, "[]", "") }

// under says whether the path or what it stands in is covered.
func under(full string, covered map[string]bool) bool {
	for {
		if covered[full] {
			return true
		}
		i := strings.LastIndexByte(full, '.')
		if i < 0 {
			return false
		}
		full = full[:i]
	}
}

func (l *layout) section(item yamldoc.Value) section {
	f := item.Fields("title", "each", "fields", "columns", "prose")
	s := section{title: f["title"].RequiredText(item, "title"), each: f["each"].Text(), columns: f["columns"].Exists(), prose: f["prose"].Bool()}
	l.label(item, s.title)
	list := f["fields"]
	if s.columns {
		list = f["columns"]
	}
	for _, one := range list.Items() {
		if one.IsText() {
			s.add(l, one, one.Text(), "")
			continue
		}
		g := one.Fields("field", "label", "group", "of", "rest")
		switch {
		case g["rest"].Exists():
			s.add(l, one, "", g["rest"].Text())
		case g["group"].Exists():
			names := l.words.groups[g["group"].Text()]
			if len(names) == 0 {
				one.Fault("no such group")
			}
			for _, name := range names {
				s.add(l, one, join(g["of"].Text(), name), "")
			}
		default:
			s.add(l, one, g["field"].RequiredText(one, "field"), g["label"].Text())
		}
	}
	if s.prose {
		s.fields = append(s.fields, field{path: s.each, full: s.each})
	}
	return s
}

func (s *section) add(l *layout, at yamldoc.Value, path, label string) {
	if label == "" {
		label = path[strings.LastIndexByte(path, '.')+1:]
	}
	l.label(at, label)
	s.fields = append(s.fields, field{path: path, label: label, full: join(s.each, path)})
}

func (l *layout) label(at yamldoc.Value, key string) {
	if _, ok := l.words.labels[key]; !ok {
		at.Fault("no label %q", key)
	}
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "." + b
}
