package service

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"oncegate/schemas/canon"
)

// A Fault is one thing that is wrong with a file, and where.
type Fault struct {
	File      string `json:"file"`
	Line, Col int
	Text      string `json:"text"`
	Remedy    string `json:"remedy,omitempty"`
	Warning   bool   `json:"warning,omitempty"`
}

// Error returns place, fault and remedy on one line.
func (f *Fault) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Col, f.Text)
	if f.Remedy != "" {
		s += " (" + f.Remedy + ")"
	}
	return s
}

// A place is where something stands in its file.
type place struct{ line, col int }

// texts are one text in several languages, in the order of the file.
type texts []canon.Text

// MarshalYAML writes them as a mapping.
func (t texts) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range t {
		n.Content = append(n.Content, scalar(s.Lang), scalar(s.Text))
	}
	return n, nil
}

// scalar is a string that no reader of YAML takes for something else: NO is a
// language and a country.
func scalar(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: yaml.DoubleQuotedStyle}
}

// A source reads one file strictly: unknown and repeated keys, aliases, values
// of another kind and more than one document are faults.
type source struct {
	file   string
	lists  Lists
	faults []*Fault
}

// fault notes a fault. What has no place could not be decoded: told already.
func (s *source) fault(at place, remedy, format string, args ...any) {
	if at.line == 0 {
		return
	}
	s.faults = append(s.faults, &Fault{File: s.file, Line: at.line, Col: max(at.col, 1), Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

func (s *source) warn(at place, remedy, format string, args ...any) {
	before := len(s.faults)
	s.fault(at, remedy, format, args...)
	for _, f := range s.faults[before:] {
		f.Warning = true
	}
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// read decodes data into v, a pointer to a struct, as far as it can be decoded. It
// is false where there is nothing to go on with.
func (s *source) read(data []byte, v any) bool {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&doc); err != nil {
		text, at := strings.TrimPrefix(err.Error(), "yaml: "), place{1, 1}
		if errors.Is(err, io.EOF) {
			text = "the file is empty"
		}
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			at.line, _ = strconv.Atoi(m[1])
			text = strings.Replace(text, m[0], "", 1)
		}
		s.fault(at, "", "not YAML: %s", text)
		return false
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		s.fault(place{more.Line, more.Column}, "", "more than one document")
		return false
	}
	s.value(doc.Content[0], reflect.ValueOf(v).Elem(), "the file")
	return true
}

var (
	placeType = reflect.TypeFor[place]()
	textsType = reflect.TypeFor[texts]()
)

func (s *source) value(n *yaml.Node, v reflect.Value, name string) {
	at := place{n.Line, n.Column}
	wrong := func(want string) { s.fault(at, "", "%s is not %s", name, want) }
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		s.fault(at, "write it out", "%s is an alias or an anchor", name)
	case v.Type() == textsType:
		s.texts(n, v, name)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		s.value(n, v.Elem(), name)
	case v.Kind() == reflect.Struct:
		s.fields(n, v, name)
	case v.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			wrong("a list")
			return
		}
		list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
		for i, c := range n.Content {
			s.value(c, list.Index(i), name)
		}
		v.Set(list)
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		wrong("one value")
	case v.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if err != nil {
			wrong("true or false")
		}
		v.SetBool(b)
	default: // a string; YAML's idea of its kind does not matter: NO is a country
		v.SetString(strings.TrimSpace(n.Value))
	}
}

func (s *source) fields(n *yaml.Node, v reflect.Value, name string) {
	at := place{n.Line, n.Column}
	if n.Kind != yaml.MappingNode {
		s.fault(at, "", "%s is not a mapping", name)
		return
	}
	t, seen := v.Type(), map[string]bool{}
	var known []string
	index := map[string]int{}
	for i := range t.NumField() {
		if t.Field(i).Type == placeType {
			v.Field(i).Set(reflect.ValueOf(at))
			continue
		}
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		index[key] = i
		known = append(known, key)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		f, ok := index[k.Value]
		switch {
		case !ok:
			slices.Sort(known)
			s.fault(place{k.Line, k.Column}, "known are "+strings.Join(known, ", "), "unknown key %q", k.Value)
		case seen[k.Value]:
			s.fault(place{k.Line, k.Column}, "", "key %q stands twice", k.Value)
		default:
			s.value(n.Content[i+1], v.Field(f), k.Value)
		}
		seen[k.Value] = true
	}
}

func (s *source) language(code string) bool { return s.lists.Has("LanguageCode", code) }

func (s *source) texts(n *yaml.Node, v reflect.Value, name string) {
	at := place{n.Line, n.Column}
	if n.Kind != yaml.MappingNode {
		s.fault(at, "for example {EN: Birth certificate}", "%s is not a mapping of languages to texts", name)
		return
	}
	var out texts
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, t := n.Content[i], n.Content[i+1]
		text := strings.Join(strings.Fields(t.Value), " ")
		switch {
		case t.Kind != yaml.ScalarNode || text == "":
			s.fault(place{k.Line, k.Column}, "", "%s has no text in %q", name, k.Value)
			continue
		case !s.language(k.Value):
			s.fault(place{k.Line, k.Column}, "two letters, upper case, of LanguageCode", "%s has the unknown language %q", name, k.Value)
		case slices.ContainsFunc(out, func(o canon.Text) bool { return o.Lang == k.Value }):
			s.fault(place{k.Line, k.Column}, "", "%s has %q twice", name, k.Value)
		}
		out = append(out, canon.Text{Lang: k.Value, Text: text})
	}
	v.Set(reflect.ValueOf(out))
}
