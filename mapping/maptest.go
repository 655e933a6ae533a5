package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A .maptest file holds one mapping and cases for it. A line "-- name --"
// begins a section; what stands before the first is a comment:
//
//	-- mapping --
//	apiVersion: oncegate/v1
//	...
//	-- input.xml: a person with two names --
//	<Person>...</Person>
//	-- output.json --
//	{"names": ["Ana", "Lucía"]}
//
// A case is an input (input.xml or input.json) followed by what is expected:
// output.json, output.xml, or error with lines of "line:col: message". Directly
// after the mapping, error expects faults of the mapping itself. An unmapped
// section after an output lists "list code" for each code no list knows.

// A Codec reads and compares XML for a test: mapping itself knows no XML text.
type Codec struct {
	Parse func(text []byte) (Node, error)
	Same  func(have *Element, want []byte) error // nil when they are the same document
}

// A TestResult is the outcome of one case; Err is nil when it holds.
type TestResult struct {
	Name string
	Line int // where the case begins
	Err  error
}

type section struct {
	name, title string
	line        int
	body        []byte
}

// sections cuts a test file up.
func sections(text []byte) []section {
	var out []section
	for i, line := range bytes.SplitAfter(text, []byte("\n")) {
		trimmed := bytes.TrimSpace(line)
		if name, ok := bytes.CutPrefix(trimmed, []byte("-- ")); ok {
			if name, ok := bytes.CutSuffix(name, []byte(" --")); ok {
				head, title, _ := strings.Cut(string(name), ":")
				out = append(out, section{name: head, title: strings.TrimSpace(title), line: i + 1})
				continue
			}
		}
		if len(out) > 0 {
			out[len(out)-1].body = append(out[len(out)-1].body, line...)
		}
	}
	return out
}

// RunTests runs the cases of one .maptest file. The error is for a file that is
// no test; a case that does not hold is a TestResult.
func RunTests(file string, text []byte, codec Codec) ([]TestResult, error) {
	all := sections(text)
	if len(all) < 2 || all[0].name != "mapping" {
		return nil, fmt.Errorf("reading %s: want a section -- mapping -- and at least one case", file)
	}
	// Blank lines in front keep the line numbers of the test file.
	padded := append(bytes.Repeat([]byte("\n"), all[0].line), all[0].body...)
	p, err := Compile(file, padded)
	if all[1].name == "error" {
		return []TestResult{{Name: "the mapping is refused", Line: all[1].line, Err: wantFaults(err, all[1].body)}}, nil
	}
	if err != nil {
		return nil, err
	}
	var out []TestResult
	for i := 1; i < len(all); {
		in := all[i]
		if in.name != "input.xml" && in.name != "input.json" || i+1 >= len(all) {
			return nil, fmt.Errorf("reading %s: line %d: want an input and what is expected of it, have %q", file, in.line, in.name)
		}
		want := all[i+1]
		i += 2
		var unmapped *section
		if i < len(all) && all[i].name == "unmapped" {
			unmapped = &all[i]
			i++
		}
		name := in.title
		if name == "" {
			name = fmt.Sprintf("case in line %d", in.line)
		}
		out = append(out, TestResult{Name: name, Line: in.line, Err: runCase(p, in, want, unmapped, codec)})
	}
	return out, nil
}

func runCase(p *Program, in, want section, unmapped *section, codec Codec) error {
	var (
		record any
		made   *Element
		report Report
		err    error
	)
	if p.dir.readsXML() {
		n, parseErr := codec.Parse(in.body)
		if parseErr != nil {
			return fmt.Errorf("reading the input: %w", parseErr)
		}
		record, report, err = p.Run(n)
	} else {
		v, parseErr := DecodeJSON(in.body)
		if parseErr != nil {
			return fmt.Errorf("reading the input: %w", parseErr)
		}
		if p.dir.makesXML() {
			made, report, err = p.Build(v)
		} else {
			record, report, err = p.Convert(v)
		}
	}
	switch {
	case want.name == "error":
		return wantFaults(err, want.body)
	case err != nil:
		return err
	case want.name == "output.json" && !p.dir.makesXML():
		err = sameJSON(record, want.body)
	case want.name == "output.xml" && p.dir.makesXML():
		err = codec.Same(made, want.body)
	default:
		err = fmt.Errorf("%q is not what this mapping makes", want.name)
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", want.line, err)
	}
	if unmapped == nil {
		return nil
	}
	var lines []string
	for _, u := range report.Unmapped {
		lines = append(lines, u.List+" "+string(u.Code))
	}
	if have, need := strings.Join(lines, "\n"), strings.TrimSpace(string(unmapped.body)); have != need {
		return fmt.Errorf("line %d: unmapped codes differ\n%s", unmapped.line, FirstDifference([]byte(have), []byte(need)))
	}
	return nil
}

// sameJSON compares a record with JSON text.
func sameJSON(record any, want []byte) error {
	v, err := DecodeJSON(want)
	if err != nil {
		return fmt.Errorf("reading the expected output: %w", err)
	}
	need, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the expected output: %w", err)
	}
	have, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	if !bytes.Equal(have, need) {
		return fmt.Errorf("the output differs\n%s", FirstDifference(have, need))
	}
	return nil
}

// wantFaults compares faults with lines of "line:col: message".
func wantFaults(err error, want []byte) error {
	if err == nil {
		return errors.New("want faults, have none")
	}
	var have []string
	var list Errors
	if errors.As(err, &list) {
		for _, e := range list {
			have = append(have, fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Msg))
		}
	} else {
		have = []string{err.Error()}
	}
	got, need := strings.Join(have, "\n"), strings.TrimSpace(string(want))
	if got != need {
		return fmt.Errorf("the faults differ\n%s", FirstDifference([]byte(got), []byte(need)))
	}
	return nil
}

// FirstDifference shows where two texts part: the first line that differs, as
// it is and as it should be.
func FirstDifference(got, want []byte) string {
	g, w := strings.Split(string(bytes.TrimSpace(got)), "\n"), strings.Split(string(bytes.TrimSpace(want)), "\n")
	for i := range max(len(g), len(w)) {
		a, b := lineAt(g, i), lineAt(w, i)
		if a != b {
			return fmt.Sprintf("  line %d\n  have %s\n  want %s", i+1, a, b)
		}
	}
	return "  no line differs"
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

// DecodeJSON reads one JSON value the way rules see it: numbers keep their digits.
func DecodeJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}
