package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxFile  = 1 << 20
	maxRules = 2000
	maxText  = 2000 // bytes of one value
)

// An Error is what is wrong with a file of rules, and where.
type Error struct {
	File      string
	Line, Col int
	Msg       string
	Text      string // the expression, where the fault is in one
	Caret     int    // offset into Text, in bytes
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg)
	if e.Text == "" {
		return s
	}
	text := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, e.Text)
	return s + "\n    " + text + "\n    " + strings.Repeat(" ", len([]rune(text[:min(e.Caret, len(text))]))) + "^"
}

// Parse reads one file of rules. It refuses unknown and repeated keys, anchors, and
// rows that lack what a row needs; all faults are reported at once.
func Parse(name string, text []byte) (Document, []Rule, error) {
	p := &parser{file: name}
	root := p.decode(text)
	if root == nil {
		return "", nil, errors.Join(p.faults...)
	}
	var doc Document
	var rules []Rule
	p.fields(root, map[string]func(*yaml.Node){
		"document": func(n *yaml.Node) {
			doc = Document(p.str(n))
			if !slices.Contains(Documents(), doc) {
				p.fault(n, "no document is called %q", string(doc))
			}
		},
		"rules": func(n *yaml.Node) {
			if n.Kind != yaml.SequenceNode || len(n.Content) > maxRules {
				p.fault(n, "want a list of at most %d rules", maxRules)
				return
			}
			lines := strings.Split(string(text), "\n")
			for _, row := range n.Content {
				rules = append(rules, p.row(row, lines))
			}
		},
	}, "document", "rules")
	p.unique(rules)
	if len(p.faults) > 0 {
		return "", nil, errors.Join(p.faults...)
	}
	return doc, rules, nil
}

type parser struct {
	file   string
	faults []error
}

func (p *parser) fault(n *yaml.Node, format string, args ...any) {
	if len(p.faults) < 50 {
		p.faults = append(p.faults, &Error{File: p.file, Line: n.Line, Col: n.Column, Msg: fmt.Sprintf(format, args...)})
	}
}

// decode reads exactly one YAML document. The library has been seen to panic over
// hostile input; a reader does not.
func (p *parser) decode(text []byte) (root *yaml.Node) {
	defer func() {
		if recover() != nil {
			p.faults, root = append(p.faults, fmt.Errorf("%s: cannot be read as YAML", p.file)), nil
		}
	}()
	if len(text) > maxFile {
		p.faults = append(p.faults, fmt.Errorf("%s: larger than %d bytes", p.file, maxFile))
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var first yaml.Node
	err := dec.Decode(&first)
	if err == nil {
		if err = dec.Decode(new(yaml.Node)); errors.Is(err, io.EOF) {
			return first.Content[0]
		}
		if err == nil {
			err = errors.New("holds a second document")
		}
	}
	p.faults = append(p.faults, fmt.Errorf("%s: %w", p.file, err))
	return nil
}

// fields hands each value of a mapping to the reader of its key.
func (p *parser) fields(n *yaml.Node, readers map[string]func(*yaml.Node), required ...string) {
	if n.Kind != yaml.MappingNode || n.Anchor != "" {
		p.fault(n, "want a mapping without an anchor")
		return
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, ok := readers[key.Value]
		switch {
		case !ok:
			p.fault(key, "unknown key %q", key.Value)
		case seen[key.Value]:
			p.fault(key, "key %q stands twice", key.Value)
		default:
			seen[key.Value] = true
			read(value)
		}
	}
	for _, key := range required {
		if !seen[key] {
			p.fault(n, "%s is missing", key)
		}
	}
}

func (p *parser) str(n *yaml.Node) string {
	switch {
	case n.Kind != yaml.ScalarNode || n.Anchor != "":
		p.fault(n, "want text without an anchor")
		return ""
	case strings.TrimSpace(n.Value) == "" || n.Tag == "!!null":
		p.fault(n, "want text, not nothing")
	case len(n.Value) > maxText:
		p.fault(n, "longer than %d bytes", maxText)
	}
	return strings.TrimSpace(n.Value)
}

// idShape knows the published ids, our labels of rules that the specification states
// in prose or whose id is not known, and those of published assertions without an id:
// file and place.
var idShape = regexp.MustCompile(`^((R-)?[A-Z]+(-[A-Za-z]+)*-[SC]?[0-9]+[a-z]?|TDD [0-9]+(\.[0-9]+)*( [A-Za-z@-]+)+|[A-Z]+(-[A-Z]+)*#[0-9]+)$`)

func (p *parser) row(n *yaml.Node, lines []string) Rule {
	r := Rule{File: p.file, Line: n.Line}
	p.fields(n, map[string]func(*yaml.Node){
		"id": func(n *yaml.Node) {
			if r.ID = p.str(n); !idShape.MatchString(r.ID) {
				p.fault(n, "an id looks like R-EDM-REQ-S005, TDD 4.7.1 Service or EDM-RESP-S#35")
			}
		},
		"editions": func(n *yaml.Node) { r.Editions = p.editions(n) },
		"severity": func(n *yaml.Node) {
			if err := r.Severity.UnmarshalText([]byte(p.str(n))); err != nil {
				p.fault(n, "%s", err)
			}
		},
		"context": func(n *yaml.Node) { r.Context, r.context = p.str(n), p.at(n, lines) },
		"test":    func(n *yaml.Node) { r.Test, r.test = p.str(n), p.at(n, lines) },
		"meaning": func(n *yaml.Node) { r.Meaning = p.str(n) },
		"remedy":  func(n *yaml.Node) { r.Remedy = p.str(n) },
		"source":  func(n *yaml.Node) { r.Source = p.str(n) },
		"official_1_0": func(n *yaml.Node) {
			r.Official10 = Departure(p.str(n))
			if !slices.Contains([]Departure{NeverMatches, Inverted, Substring, Informational, OtherwiseOff}, r.Official10) {
				p.fault(n, "a departure is never-matches, inverted, substring, informational or other")
			}
		},
		"official_note": func(n *yaml.Node) { r.OfficialNote = p.str(n) },
	}, "id", "editions", "severity", "context", "test", "meaning")
	if r.Remedy == "" && r.Severity != Info {
		p.fault(n, "remedy is missing")
	}
	if r.Official10 != "" && !r.In(Edition10) {
		p.fault(n, "official_1_0 belongs to rows of edition 1.0")
	}
	if r.OfficialNote != "" && r.Official10 == "" || r.OfficialNote == "" && r.Official10 == OtherwiseOff {
		p.fault(n, "official_note explains official_1_0, and other needs it")
	}
	return r
}

func (p *parser) editions(n *yaml.Node) []string {
	var out []string
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		p.fault(n, `want a list of editions such as ["1.2", "2.0"]`)
		return nil
	}
	for _, c := range n.Content {
		e := p.str(c)
		switch {
		case !slices.Contains(Editions(), e):
			p.fault(c, "editions are 1.0, 1.2 and 2.0, in quotes")
		case slices.Contains(out, e):
			p.fault(c, "edition %s stands twice", e)
		}
		out = append(out, e)
	}
	return out
}

// unique refuses a second row of an id in an edition.
func (p *parser) unique(rules []Rule) {
	type key struct{ id, edition string }
	first := make(map[key]int)
	for _, r := range rules {
		for _, e := range r.Editions {
			k := key{r.ID, e}
			if line, dup := first[k]; dup && len(p.faults) < 50 {
				p.faults = append(p.faults, &Error{File: r.File, Line: r.Line, Col: 1,
					Msg: fmt.Sprintf("%s of edition %s stands in line %d already", r.ID, e, line)})
			}
			first[k] = r.Line
		}
	}
}

// at is where a value begins in its file.
type at struct {
	lines     []string
	line, col int
	style     yaml.Style
}

func (p *parser) at(n *yaml.Node, lines []string) at { return at{lines, n.Line, n.Column, n.Style} }

// ContextFault is a fault of the row's context, at an offset into it.
func (r *Rule) ContextFault(offset int, msg string) *Error {
	return r.fault(r.context, r.Context, offset, msg)
}

// TestFault is a fault of the row's test, at an offset into it.
func (r *Rule) TestFault(offset int, msg string) *Error {
	return r.fault(r.test, r.Test, offset, msg)
}

func (r *Rule) fault(at at, text string, offset int, msg string) *Error {
	offset = min(offset, len(text))
	line, col := at.find(text[:offset])
	return &Error{File: r.File, Line: line, Col: col, Msg: r.ID + ": " + msg, Text: text, Caret: offset}
}

// find follows the text before a fault through its source, where lines may be folded
// and quotes or indicators stand in front.
func (a at) find(before string) (line, col int) {
	line, col = a.line, a.col
	switch {
	case a.style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		col++
	case a.style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		line, col = line+1, 1
	}
	const space = " \t\r\n"
	for ; line >= 1 && line <= len(a.lines); line, col = line+1, 1 {
		text := a.lines[line-1]
		for i := col - 1; i < len(text); i++ {
			before = strings.TrimLeft(before, space)
			switch {
			case strings.IndexByte(space, text[i]) >= 0:
			case before == "":
				return line, i + 1
			case text[i] == before[0]:
				before = before[1:]
			}
		}
		if before == "" {
			return line, len(text)
		}
	}
	return a.line, a.col
}
