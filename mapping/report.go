package mapping

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
)

// Report says what a run met that its outcome does not show.
type Report struct {
	Unmapped []Unmapped `json:"unmapped,omitempty"` // codes that a list does not know, each once
	Lineage  []Feed     `json:"lineage,omitempty"`  // only of a trace
}

// An Unmapped is a code that a code list does not know.
type Unmapped struct {
	List  string `json:"list"`
	Code  Code   `json:"code"`
	Count int    `json:"count"`
	Line  int    `json:"line"` // of the rule that looked it up
}

// A Code comes from the input. A mapping with a wrong path may put anything
// there, a name as well, so it does not print (style 22).
type Code string

// Format prints no content, whatever the verb.
func (c Code) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue prints no content.
func (c Code) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Content is a text of an input or of an outcome. It may be about a person, so
// it does not print (style 22); those who show it to its owner convert it.
type Content string

// Format prints no content, whatever the verb.
func (c Content) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue prints no content.
func (c Content) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// A Feed says which nodes of the input fed one field of the outcome, through
// which rule.
type Feed struct {
	Target  string   `json:"target"`         // people[1].name, or b:Find/b:Person/@id
	Value   Content  `json:"value"`          // as it was written
	Expr    string   `json:"expr,omitempty"` // of the rule; empty for a constant
	List    string   `json:"list,omitempty"` // the code list that translated
	Sources []Source `json:"sources,omitempty"`
	Line    int      `json:"line"` // of the rule
	Col     int      `json:"col"`
}

// A Source is one node of the input. Line and Col are of its element's start tag
// when the input is a Placer, else 0.
type Source struct {
	Path string `json:"path"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
}

// A Placer is a Node that knows where its elements stand. Only a trace asks.
type Placer interface {
	// Place is line and column of the element that child numbers lead to from
	// the root: none for the root, 0 and 2 for the third child of the first.
	Place(path []int) (line, col int)
}

// opened is a record or element being filled: its path, and what fed others before.
type opened struct {
	path string
	fed  int
}

type reportBuilder struct {
	r      Report
	within []opened       // the records or elements being filled
	counts map[string]int // items of each list so far
}

func (b *reportBuilder) unmapped(r *rule, code string) {
	line, _ := r.at.Place()
	for i := range b.r.Unmapped {
		if u := &b.r.Unmapped[i]; u.List == r.list.name && string(u.Code) == code && u.Line == line {
			u.Count++
			return
		}
	}
	if len(b.r.Unmapped) < maxRunFaults {
		b.r.Unmapped = append(b.r.Unmapped, Unmapped{List: r.list.name, Code: Code(code), Count: 1, Line: line})
	}
}

// path names the place that a rule writes to next; list is what to count when
// something was written there.
func (b *reportBuilder) path(r *rule) (path, list string) {
	path = r.name
	if len(b.within) > 0 {
		outer := b.within[len(b.within)-1].path
		switch {
		case r.target.fields != nil:
			path = outer + "." + path
		case path == ".":
			path = outer
		default:
			path = outer + "/" + path
		}
	}
	if !r.target.append && (r.each == nil || r.target.fields != nil) {
		return path, ""
	}
	path = strings.TrimSuffix(path, "[]")
	return path + "[" + strconv.Itoa(b.counts[path]+1) + "]", path
}

func (b *reportBuilder) count(list string) {
	if list == "" {
		return
	}
	if b.counts == nil {
		b.counts = map[string]int{}
	}
	b.counts[list]++
}

// enter and leave bracket the filling of a nested record or element.
func (b *reportBuilder) enter(r *rule) {
	path, list := b.path(r)
	b.within = append(b.within, opened{path, len(b.r.Lineage)})
	b.count(list)
}

func (b *reportBuilder) leave(r *rule, kept bool) {
	in := b.within[len(b.within)-1]
	b.within = b.within[:len(b.within)-1]
	if kept {
		return
	}
	b.r.Lineage = b.r.Lineage[:in.fed] // it fed nothing in the end
	if _, list := b.path(r); list != "" {
		b.counts[in.path[:strings.LastIndexByte(in.path, '[')]]--
	}
}

func (b *reportBuilder) feed(r *rule, m *machine, text string) {
	if len(b.r.Lineage) >= maxFeeds {
		return
	}
	line, col := r.at.Place()
	path, list := b.path(r)
	b.count(list)
	f := Feed{Target: path, Value: Content(text), Line: line, Col: col}
	if e := firstExpr(r.from, r.each); e != nil {
		f.Expr = e.at.Text()
	}
	if r.list != nil {
		f.List = r.list.name
	}
	for _, id := range m.fed {
		f.Sources = append(f.Sources, m.source(id))
	}
	b.r.Lineage = append(b.r.Lineage, f)
}

// maxFeeds bounds the lineage of one run: it is for people to read.
const maxFeeds = 100_000

// source names a node of the input.
func (m *machine) source(id nodeID) Source {
	s := Source{Path: m.tree.path(id)}
	p, ok := m.root.(Placer)
	if !ok {
		return s
	}
	if id&(attrBit|textBit) != 0 || m.tree.nodes[id].name == nameText {
		id = m.tree.parent(id)
	}
	var path []int
	for ; id > 0 && m.tree.nodes[id].parent > 0; id = m.tree.nodes[id].parent {
		n := 0
		for c := m.tree.nodes[m.tree.nodes[id].parent].first; c != id; c = m.tree.nodes[c].next {
			if m.tree.nodes[c].name != nameText {
				n++
			}
		}
		path = append(path, n)
	}
	slices.Reverse(path)
	s.Line, s.Col = p.Place(path)
	return s
}

func (b *reportBuilder) finish() Report {
	slices.SortFunc(b.r.Unmapped, func(a, c Unmapped) int {
		return cmp.Or(cmp.Compare(a.List, c.List), cmp.Compare(string(a.Code), string(c.Code)), cmp.Compare(a.Line, c.Line))
	})
	return b.r
}
