package yamldoc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Error is one fault at one place of a file. Msg never quotes data of a
// message that is being mapped, so that an Error may be logged (style 22).
type Error struct {
	File string
	Line int // from 1; 0 when the fault concerns the file as a whole
	Col  int // from 1, in characters
	Msg  string
	Text string // the source line, for the caret; may be empty
}

// Error is the one-line form: file:line:col: message.
func (e *Error) Error() string {
	switch {
	case e.Line == 0 && e.File == "":
		return e.Msg
	case e.Line == 0:
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg)
}

// Render is the form for a terminal: the one-line form, the source line and a
// caret under the column.
func (e *Error) Render() string {
	if e.Text == "" || e.Col < 1 || e.Col > utf8.RuneCountInString(e.Text)+1 {
		return e.Error() + "\n"
	}
	var pad strings.Builder
	col := 1
	for _, r := range e.Text {
		if col == e.Col {
			break
		}
		if r == '\t' {
			pad.WriteByte('\t') // keeps the caret below its character whatever the tab width
		} else {
			pad.WriteByte(' ')
		}
		col++
	}
	number := fmt.Sprintf("%5d", e.Line)
	return fmt.Sprintf("%s\n%s | %s\n%s | %s^\n", e.Error(), number, e.Text, strings.Repeat(" ", len(number)), pad.String())
}

// Errors are all faults of one reading, in the order of the file.
type Errors []*Error

// Error lists the faults, one a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Render is Error.Render of each.
func (e Errors) Render() string {
	var b strings.Builder
	for _, one := range e {
		b.WriteString(one.Render())
	}
	return b.String()
}

// Unwrap lets errors.As find a single Error.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, one := range e {
		out[i] = one
	}
	return out
}

// Err is the list as an error: nil when it is empty, sorted by place when not.
func (e Errors) Err() error {
	if len(e) == 0 {
		return nil
	}
	sorted := slices.Clone(e)
	slices.SortStableFunc(sorted, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return sorted
}
