package records

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// A Field is one place of a record that may be filled.
type Field struct {
	Path        string // as rules write it: person.familyName, addresses[].town, person.nationalities[]
	Shape       Shape
	Of          string // the noun of the vocabulary that it is, such as address or country; may be empty
	Description string
	Words       []string // the texts that it may hold, where they are listed
	Required    bool     // wherever what it stands in is there
}

// A Shape is what a field holds.
type Shape string

// The shapes.
const (
	Text    Shape = "text"
	Date    Shape = "date"         // YYYY-MM-DD
	Partial Shape = "partial-date" // or YYYY-MM or YYYY
	Integer Shape = "integer"
	Number  Shape = "number"
	Boolean Shape = "boolean"
	Object  Shape = "object" // other fields stand in it
)

// Fields lists all fields of the type in the order of the schema's names; nil
// for an unknown type.
func Fields(typ string) []Field {
	return slices.Clone(outlines()[typ])
}

// Known says whether rules may write to this path of the type: fields with dots
// between them, lists with [] after them.
func Known(typ, path string) bool {
	_, ok := Find(typ, path)
	return ok
}

// Find returns the field at a path.
func Find(typ, path string) (Field, bool) {
	i := slices.IndexFunc(outlines()[typ], func(f Field) bool { return f.Path == path })
	if i < 0 {
		return Field{}, false
	}
	return outlines()[typ][i], true
}

// node is the part of a schema that an outline needs.
type node struct {
	Ref         string           `json:"$ref"`
	Description string           `json:"description"`
	Type        string           `json:"type"`
	Format      string           `json:"format"`
	Enum        []string         `json:"enum"`
	Const       string           `json:"const"`
	Required    []string         `json:"required"`
	Properties  map[string]*node `json:"properties"`
	Items       *node            `json:"items"`
	Defs        map[string]*node `json:"$defs"`

	noun string // what Ref referred to
}

// outlines are read once from the schemas, which are part of the program.
var outlines = sync.OnceValue(func() map[string][]Field {
	var shared node
	out := make(map[string][]Field)
	if json.Unmarshal(Vocabulary(), &shared) != nil {
		return out
	}
	for _, typ := range Types() {
		var root node
		if json.Unmarshal(Schema(typ), &root) != nil {
			continue
		}
		o := outline{shared: shared.Defs, own: root.Defs}
		o.walk("", &root)
		out[typ] = o.fields
	}
	return out
})

type outline struct {
	shared, own map[string]*node
	fields      []Field
}

// walk lists what stands in an object.
func (o *outline) walk(prefix string, n *node) {
	for _, name := range slices.Sorted(maps.Keys(n.Properties)) {
		p := o.resolve(n.Properties[name])
		f := Field{Path: prefix + name, Description: p.Description, Required: slices.Contains(n.Required, name)}
		if p.Type == "array" {
			f.Path += "[]"
			p = o.resolve(p.Items)
		}
		f.Shape, f.Of, f.Words = shape(p), p.noun, p.Enum
		if p.Const != "" {
			f.Words = []string{p.Const}
		}
		o.fields = append(o.fields, f)
		if f.Shape == Object {
			o.walk(f.Path+".", p)
		}
	}
}

// resolve follows a reference. What stands beside it narrows what it says.
func (o *outline) resolve(n *node) *node {
	if n.Ref == "" {
		return n
	}
	file, name, _ := strings.Cut(n.Ref, "#/$defs/")
	defs := o.own
	if file != "" {
		defs = o.shared
	}
	def, ok := defs[name]
	if !ok {
		panic(fmt.Sprintf("records: schema refers to %s, which is not there", n.Ref)) // a broken program
	}
	def = o.resolve(def)
	merged := *def
	merged.noun = name
	if n.Description != "" {
		merged.Description = n.Description
	}
	merged.Required = append(slices.Clone(def.Required), n.Required...)
	merged.Properties = maps.Clone(def.Properties)
	maps.Copy(merged.Properties, n.Properties)
	return &merged
}

func shape(n *node) Shape {
	switch {
	case n.Properties != nil:
		return Object
	case n.Format == "date":
		return Date
	case n.Format == "partial-date":
		return Partial
	}
	switch n.Type {
	case "integer":
		return Integer
	case "number":
		return Number
	case "boolean":
		return Boolean
	}
	return Text
}
