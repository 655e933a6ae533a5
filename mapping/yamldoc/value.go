package yamldoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of one file (style 20). A file of a register is some kilobytes.
const (
	maxBytes  = 1 << 20
	maxNodes  = 100_000
	maxDepth  = 64
	maxFaults = 100
)

// Doc is one file and the faults found in it so far. It is not safe for
// concurrent use.
type Doc struct {
	File   string
	lines  []string
	faults Errors
}

// Parse reads one YAML document. The Value is usable even when there are
// faults: everything asked of it then is empty. Ask Doc.Err at the end.
func Parse(file string, text []byte) (*Doc, Value) {
	d := &Doc{File: file}
	if len(text) > maxBytes {
		d.Fault(0, 0, "the file is larger than %d bytes", maxBytes)
		return d, Value{doc: d}
	}
	if !utf8.Valid(text) {
		d.Fault(0, 0, "the file is not UTF-8")
		return d, Value{doc: d}
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	d.lines = strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	root, err := decode(text)
	if err != nil {
		line, msg := yamlPlace(err)
		d.Fault(line, 1, "%s", msg)
		return d, Value{doc: d}
	}
	if root == nil || len(root.Content) == 0 {
		d.Fault(1, 1, "the file is empty")
		return d, Value{doc: d}
	}
	count := 0
	if !d.checkShape(root.Content[0], 0, &count) {
		return d, Value{doc: d}
	}
	return d, Value{doc: d, node: root.Content[0]}
}

// decode shields callers from panics of the YAML library: a reader of input
// must not fall over input.
func decode(text []byte) (root *yaml.Node, err error) {
	defer func() {
		if p := recover(); p != nil {
			root, err = nil, fmt.Errorf("yaml: cannot be read")
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	if err := dec.Decode(&first); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("yaml: line %d: a second document begins here; one file holds one", second.Line)
	}
	return &first, nil
}

// yamlPlace takes the line out of the messages of the YAML library.
func yamlPlace(err error) (int, string) {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		if num, tail, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(num); err == nil {
				return line, tail
			}
		}
	}
	return 1, msg
}

// checkShape refuses what the files may not use: anchors (they hide where a
// rule comes from and can grow without bound), duplicate keys, deep nesting.
func (d *Doc) checkShape(n *yaml.Node, depth int, count *int) bool {
	*count++
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.Fault(n.Line, n.Column, "anchors and aliases are not part of the language")
		return false
	case depth > maxDepth:
		d.Fault(n.Line, n.Column, "nested deeper than %d levels", maxDepth)
		return false
	case *count > maxNodes:
		d.Fault(n.Line, n.Column, "the file holds more than %d values", maxNodes)
		return false
	}
	ok := true
	if n.Kind == yaml.MappingNode {
		seen := make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode {
				d.Fault(key.Line, key.Column, "a key must be a plain word")
				return false
			}
			if line, dup := seen[key.Value]; dup {
				d.Fault(key.Line, key.Column, "key %q stands twice, first in line %d", key.Value, line)
				ok = false
			}
			seen[key.Value] = key.Line
		}
	}
	for _, c := range n.Content {
		ok = d.checkShape(c, depth+1, count) && ok
	}
	return ok
}

// Noted runs read, and adds to the faults that it records the line that used what
// was read.
func (d *Doc) Noted(line int, read func()) {
	before := len(d.faults)
	read()
	for _, f := range d.faults[before:] {
		f.Msg = fmt.Sprintf("%s (used in line %d)", f.Msg, line)
	}
}

// Fault records one fault. Line 0 means the whole file.
func (d *Doc) Fault(line, col int, format string, args ...any) {
	if len(d.faults) < maxFaults {
		d.faults = append(d.faults, d.ErrorAt(line, col, fmt.Sprintf(format, args...)))
	}
}

// ErrorAt makes an Error of this file without recording it.
func (d *Doc) ErrorAt(line, col int, msg string) *Error {
	e := &Error{File: d.File, Line: line, Col: col, Msg: msg}
	if line >= 1 && line <= len(d.lines) {
		e.Text = strings.TrimRight(d.lines[line-1], "\r")
	}
	return e
}

// Err is all faults recorded so far, or nil.
func (d *Doc) Err() error { return d.faults.Err() }

// Faults is the list behind Err.
func (d *Doc) Faults() Errors { return slices.Clone(d.faults) }

// Value is one value of the file with its place. The zero Value of a missing
// key is empty and answers every question with a zero.
type Value struct {
	doc  *Doc
	node *yaml.Node
}

// Entry is one key of a map with its value, in the order of the file.
type Entry struct {
	Key   string
	At    Value // place of the key
	Value Value
}

// Exists says whether the value was written at all (an explicit null counts as
// not written).
func (v Value) Exists() bool { return v.node != nil && v.node.Tag != "!!null" }

// IsText, IsMap and IsList tell the shape.
func (v Value) IsText() bool { return v.Exists() && v.node.Kind == yaml.ScalarNode }

// IsMap tells a map from the other shapes.
func (v Value) IsMap() bool { return v.Exists() && v.node.Kind == yaml.MappingNode }

// IsList tells a list from the other shapes.
func (v Value) IsList() bool { return v.Exists() && v.node.Kind == yaml.SequenceNode }

// Doc is the file the value stands in.
func (v Value) Doc() *Doc { return v.doc }

// Place is line and column; 0, 0 for a missing value.
func (v Value) Place() (line, col int) {
	if v.node == nil {
		return 0, 0
	}
	return v.node.Line, v.node.Column
}

// Fault records a fault at the value.
func (v Value) Fault(format string, args ...any) {
	line, col := v.Place()
	v.doc.Fault(line, col, format, args...)
}

// ErrorAt makes an Error that points at the byte offset within a text value.
func (v Value) ErrorAt(offset int, msg string) *Error {
	line, col := v.Place()
	if v.node != nil && v.node.Kind == yaml.ScalarNode {
		col += v.rawOffset(offset)
	}
	return v.doc.ErrorAt(line, col, msg)
}

// FaultAt records what ErrorAt makes.
func (v Value) FaultAt(offset int, format string, args ...any) {
	if len(v.doc.faults) < maxFaults {
		v.doc.faults = append(v.doc.faults, v.ErrorAt(offset, fmt.Sprintf(format, args...)))
	}
}

// rawOffset turns a byte offset in the value into characters of the source
// line, past the quote and escapes. Values of several lines point at their start.
func (v Value) rawOffset(offset int) int {
	text := v.node.Value
	offset = min(offset, len(text))
	if v.node.Line < 1 || v.node.Line > len(v.doc.lines) {
		return 0
	}
	line := []rune(v.doc.lines[v.node.Line-1])
	if v.node.Column-1 > len(line) {
		return 0
	}
	runes := utf8.RuneCountInString(text[:offset])
	raw := 0
	switch v.node.Style {
	case yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
		escape := '\\'
		if v.node.Style == yaml.SingleQuotedStyle {
			escape = '\''
		}
		raw = 1
		for rest := line[v.node.Column-1:]; runes > 0 && raw < len(rest); runes-- {
			if rest[raw] == escape && raw+1 < len(rest) {
				raw++
			}
			raw++
		}
	case yaml.LiteralStyle, yaml.FoldedStyle:
		return 0
	default:
		raw = runes
	}
	if v.node.Column-1+raw > len(line) {
		return 0
	}
	return raw
}

// Entries are the keys of a map in the order of the file. With known names,
// any other key is a fault.
func (v Value) Entries(known ...string) []Entry {
	if !v.Exists() {
		return nil
	}
	if v.node.Kind != yaml.MappingNode {
		v.Fault("want a map of keys and values, have %s", v.shape())
		return nil
	}
	out := make([]Entry, 0, len(v.node.Content)/2)
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key := Value{v.doc, v.node.Content[i]}
		if known != nil && !slices.Contains(known, key.node.Value) {
			key.Fault("unknown key %q%s", key.node.Value, v.hint(i, known))
			continue
		}
		out = append(out, Entry{Key: key.node.Value, At: key, Value: Value{v.doc, v.node.Content[i+1]}})
	}
	return out
}

// Fields are the Entries as a table; missing keys give empty values.
func (v Value) Fields(known ...string) map[string]Value {
	out := make(map[string]Value, len(known))
	for _, k := range known {
		out[k] = Value{doc: v.doc}
	}
	for _, e := range v.Entries(known...) {
		out[e.Key] = e.Value
	}
	return out
}

// Items are the elements of a list.
func (v Value) Items() []Value {
	if !v.Exists() {
		return nil
	}
	if v.node.Kind != yaml.SequenceNode {
		v.Fault("want a list, have %s", v.shape())
		return nil
	}
	out := make([]Value, len(v.node.Content))
	for i, c := range v.node.Content {
		out[i] = Value{v.doc, c}
	}
	return out
}

// Text is the value of a scalar as it was written: NO stays NO and 007 stays
// 007, whatever YAML thinks of them.
func (v Value) Text() string {
	if v.node == nil {
		return ""
	}
	if v.node.Kind != yaml.ScalarNode {
		v.Fault("want a text, have %s", v.shape())
		return ""
	}
	if v.node.Tag == "!!null" {
		return ""
	}
	return v.node.Value
}

// RequiredText is Text with a fault at the owner when it is missing or empty.
func (v Value) RequiredText(owner Value, key string) string {
	if !v.Exists() {
		owner.Fault("missing key %q", key)
		return ""
	}
	text := v.Text()
	if text == "" && v.node.Kind == yaml.ScalarNode {
		v.Fault("%s must not be empty", key)
	}
	return text
}

// Bool reads true or false.
func (v Value) Bool() bool {
	if !v.Exists() {
		return false
	}
	switch v.Text() {
	case "true":
		return true
	case "false":
		return false
	}
	switch strings.ToLower(v.Text()) {
	case "yes", "on", "y":
		v.Fault("want true or false: write true")
	case "no", "off", "n":
		v.Fault("want true or false: write false")
	default:
		if v.IsText() {
			v.Fault("want true or false")
		}
	}
	return false
}

// Word reads one of a closed set of words; the first is what a missing value means.
func (v Value) Word(words ...string) string {
	if !v.Exists() {
		return words[0]
	}
	text := v.Text()
	if slices.Contains(words, text) {
		return text
	}
	if v.IsText() {
		v.Fault("want one of %s", strings.Join(slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" }), ", "))
	}
	return words[0]
}

// Int reads a whole number within bounds; missing is 0.
func (v Value) Int(low, high int64) int64 {
	if !v.Exists() {
		return 0
	}
	n, err := strconv.ParseInt(v.Text(), 10, 64)
	if err != nil || n < low || n > high {
		v.Fault("want a whole number from %d to %d", low, high)
		return 0
	}
	return n
}

// Duration reads 10s, 2m30s; missing is 0.
func (v Value) Duration() time.Duration {
	if !v.Exists() {
		return 0
	}
	d, err := time.ParseDuration(v.Text())
	if err != nil || d <= 0 {
		v.Fault("want a duration such as 10s or 2m")
		return 0
	}
	return d
}

func (v Value) shape() string {
	switch v.node.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a text"
}

// hint is what may have been meant by an unknown key: the pair that begins at i.
func (v Value) hint(i int, known []string) string {
	c := v.node.Content
	if v.node.Style&yaml.FlowStyle != 0 && i > 0 && c[i+1].Tag == "!!null" && c[i+1].Value == "" {
		before := c[i-1]
		if before.Kind == yaml.ScalarNode && before.Style == 0 && strings.Count(before.Value, "(")+strings.Count(before.Value, "[") > strings.Count(before.Value, ")")+strings.Count(before.Value, "]") {
			return fmt.Sprintf(": within { } a comma ends a value; quote the expression: %s: \"%s, ...\"", c[i-2].Value, before.Value)
		}
		return ": within { } a comma ends a value; quote a value that holds one"
	}
	return Suggest(c[i].Value, known)
}

// Suggest names the nearest known word when it is near enough to be meant, and
// otherwise all of them.
func Suggest(key string, known []string) string {
	best, at := 3, ""
	for _, k := range known {
		if d := distance(key, k); d < best {
			best, at = d, k
		}
	}
	if at == "" {
		return "; known here: " + strings.Join(known, ", ")
	}
	return fmt.Sprintf("; did you mean %q?", at)
}

// distance is the Levenshtein distance, cut off for long words.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 99
	}
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		cur := make([]int, len(b)+1)
		cur[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			cur[j+1] = min(cur[j]+1, prev[j+1]+1, prev[j]+cost)
		}
		prev = cur
	}
	return prev[len(b)]
}
