package schemas

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"oncegate/schemas/canon"
)

//go:embed *.json
var files embed.FS

// base is the namespace of the schemas' identifiers. Nothing is fetched from it:
// .example resolves nowhere (RFC 2606).
const base = "https://schemas.oncegate.example/"

// MaxDocument is the largest document that Validate looks at.
const MaxDocument = 8 << 20

// maxDepth bounds nesting; the deepest kind has seven levels.
const maxDepth = 16

// Kinds lists the kinds that have a schema: all of canon's.
func Kinds() []canon.Kind { return canon.Kinds() }

// ID returns the identifier of the kind's schema, for ce_dataschema.
func ID(kind canon.Kind) string { return base + string(kind) + ".json" }

// Document returns the schema of the kind as it is published, nil for an unknown
// kind.
func Document(kind canon.Kind) []byte { return file(string(kind) + ".json") }

// PrivateDocument returns the schema of the clear private part of the kind, nil
// where the kind has none.
func PrivateDocument(kind canon.Kind) []byte { return file(string(kind) + ".private.json") }

// Parts returns the schema of the parts that the others refer to.
func Parts() []byte { return file("parts.v1.json") }

func file(name string) []byte {
	data, err := files.ReadFile(name)
	if err != nil {
		return nil
	}
	return data
}

// Validate returns nil when doc keeps the contract of the kind, otherwise a
// *canon.Fault with CodeMessageInvalid that names places and rules, never a
// value of the document.
func Validate(kind canon.Kind, doc []byte) error {
	return check(string(kind)+".json", string(kind), doc)
}

// ValidatePrivate judges the clear private part of the kind, before it is sealed
// or after it was opened, as Validate does. A kind without a private part is
// refused.
func ValidatePrivate(kind canon.Kind, doc []byte) error {
	return check(string(kind)+".private.json", string(kind)+" private part", doc)
}

func check(name, what string, doc []byte) error {
	set, err := compiled()
	if err != nil {
		return canon.NewFault(canon.CodeInternal, err, "schemas cannot be compiled")
	}
	return set.Check(name, what, doc)
}

// A Set is the schemas of one folder, compiled. It is immutable and safe for
// concurrent use.
type Set struct {
	schemas map[string]*jsonschema.Schema
	names   map[string]bool // every property name that a schema knows
}

// Check returns nil when doc keeps the schema of that file, otherwise a
// *canon.Fault as Validate does; what names the document for people.
func (set *Set) Check(name, what string, doc []byte) error {
	schema, ok := set.schemas[name]
	if !ok {
		return canon.NewFault(canon.CodeMessageInvalid, nil, "no schema for %q", what)
	}
	value, err := decode(doc)
	if err != nil {
		return canon.NewFault(canon.CodeMessageInvalid, nil, "%s: %s", what, err)
	}
	return set.judge(schema, what, value)
}

// CheckValue is Check of what was decoded already: maps, lists, texts, booleans and
// json.Number.
func (set *Set) CheckValue(name, what string, value any) error {
	schema, ok := set.schemas[name]
	if !ok {
		return canon.NewFault(canon.CodeMessageInvalid, nil, "no schema for %q", what)
	}
	return set.judge(schema, what, value)
}

func (set *Set) judge(schema *jsonschema.Schema, what string, value any) error {
	if err := schema.Validate(value); err != nil {
		broken, ok := errors.AsType[*jsonschema.ValidationError](err)
		if !ok {
			return canon.NewFault(canon.CodeInternal, err, "%s: schema cannot judge", what)
		}
		return canon.NewFault(canon.CodeMessageInvalid, nil, "%s: %s", what, set.describe(broken))
	}
	return nil
}

// compiled builds the validators at first use. They hold no state; what they are
// built from is part of the program.
var compiled = sync.OnceValues(func() (*Set, error) { return Compile(files, base, "parts.") })

// Compile builds the validators of the *.json in fsys, whose identifiers are base
// and the name of the file. Files that begin with shared only serve the others.
func Compile(fsys fs.FS, base, shared string, formats ...*jsonschema.Format) (*Set, error) {
	names, err := fs.Glob(fsys, "*.json")
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(jsonschema.SchemeURLLoader{}) // no schema comes from a disk or a network
	for _, f := range formats {
		c.RegisterFormat(f)
	}
	set := &Set{schemas: make(map[string]*jsonschema.Schema), names: make(map[string]bool)}
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("reading schema %s: %w", name, err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("reading schema %s: %w", name, err)
		}
		if err := c.AddResource(base+name, doc); err != nil {
			return nil, fmt.Errorf("adding schema %s: %w", name, err)
		}
		set.collect(doc)
	}
	for _, name := range names {
		if strings.HasPrefix(name, shared) {
			continue
		}
		if set.schemas[name], err = c.Compile(base + name); err != nil {
			return nil, fmt.Errorf("compiling schema %s: %w", name, err)
		}
	}
	return set, nil
}

func (set *Set) collect(doc any) {
	switch doc := doc.(type) {
	case map[string]any:
		for key, v := range doc {
			if props, ok := v.(map[string]any); ok && key == "properties" {
				for name := range props {
					set.names[name] = true
				}
			}
			set.collect(v)
		}
	case []any:
		for _, v := range doc {
			set.collect(v)
		}
	}
}
