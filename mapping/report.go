package mapping

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// Report says what a run met that its outcome does not show.
type Report struct {
	Unmapped []Unmapped // codes that a list does not know, each once
	Lineage  []Feed     // only of a trace
}

// An Unmapped is a code that a code list does not know.
type Unmapped struct {
	List  string
	Code  Code
	Count int
	Line  int // of the rule that looked it up
}

// A Code comes from the input. A mapping with a wrong path may put anything
// there, a name as well, so it does not print (style 22).
type Code string

// Format prints no content, whatever the verb.
func (c Code) Format(f fmt.State, _ rune) { fmt.Fprint(f, "[redacted]") }

// LogValue prints no content.
func (c Code) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// A Feed says which nodes of the input fed one field of the outcome, through
// which rule. Sources is empty for a constant.
type Feed struct {
	Target  string
	Sources []string
	Line    int
	Col     int
}

type reportBuilder struct{ r Report }

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

func (b *reportBuilder) feed(r *rule, prefix []string, t *tree, fed []nodeID) {
	line, col := r.at.Place()
	f := Feed{Target: strings.Join(append(slices.Clone(prefix), r.name), " "), Line: line, Col: col}
	for _, id := range fed {
		f.Sources = append(f.Sources, t.path(id))
	}
	b.r.Lineage = append(b.r.Lineage, f)
}

func (b *reportBuilder) finish() Report {
	slices.SortFunc(b.r.Unmapped, func(a, c Unmapped) int {
		return cmp.Or(cmp.Compare(a.List, c.List), cmp.Compare(string(a.Code), string(c.Code)), cmp.Compare(a.Line, c.Line))
	})
	return b.r
}
