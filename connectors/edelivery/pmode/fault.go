package pmode

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Fault is one thing that is wrong in a file, or weak, with its place.
type Fault struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"column"`
	Text    string `json:"text"`
	Remedy  string `json:"remedy,omitempty"`
	Warning bool   `json:"warning,omitempty"` // the table is good nevertheless
}

// Error returns file:line:col: text; remedy.
func (f *Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Col)
	if f.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(f.Text)
	if f.Remedy != "" {
		b.WriteString("; " + f.Remedy)
	}
	return b.String()
}

// join makes one error of the faults that are no warnings.
func join(faults []*Fault) error {
	var es []error
	for _, f := range faults {
		if !f.Warning {
			es = append(es, f)
		}
	}
	return errors.Join(es...)
}

func sortFaults(faults []*Fault) []*Fault {
	slices.SortStableFunc(faults, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.CompactFunc(faults, func(a, b *Fault) bool { return *a == *b })
}
