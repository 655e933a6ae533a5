package xsd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"oncegate/connectors/xmldoc"
)

// Limits of one schema (style 20). The published schemas of a national register are
// some hundred kilobytes in a handful of files.
const (
	maxFiles      = 256
	maxFileBytes  = 8 << 20
	maxTotalBytes = 32 << 20
	maxFaults     = 50

	maxDerivations  = 250
	maxAlternatives = 10_000    // of a union, those of its members counted
	maxWork         = 5_000_000 // edges of content models and attributes of types, together
)

// A Config says which schema to compile.
type Config struct {
	FS      fs.FS             // Required
	Root    string            // Required; the file to begin with, in FS
	Catalog map[string]string // Default none; a namespace or a schemaLocation: the file of FS that holds it
}

// file is one schema document, as one namespace sees it.
type file struct {
	path                string
	doc                 *xmldoc.Document
	target              string
	chameleon           bool // without a target of its own: unqualified references mean target
	qualifiedElements   bool
	qualifiedAttributes bool
	blockDefault        derivation
	finalDefault        derivation
	imports             map[string]bool
}

// symbol is a kind of global components: each kind has names of its own.
type symbol uint8

const (
	symElement symbol = iota
	symAttribute
	symType
	symGroup
	symAttributeGroup
	symNotation
	symConstraint
	symbols
)

var symbolNames = [...]string{"element", "attribute", "type", "group", "attribute group", "notation", "identity constraint"}

// builder makes a Schema.
type builder struct {
	with    Config
	files   map[string]*file // by path and target
	loaded  map[string]bool  // namespaces of which some document was read
	docs    map[string]*xmldoc.Document
	bytes   int
	globals [symbols]map[Name]place
	faults  Errors

	schema     *Schema
	groups     map[Name]*particle
	attrGroups map[Name]*attributeSet
	constrs    map[Name]*constraint
	resolving  map[resolvingKey]bool
	later      []func()
	complex    []*typeDef
	empties    map[*particle]bool
	work       int
	refers     []*constraint
}

type resolvingKey struct {
	kind symbol
	name Name
}

// Compile reads a schema and everything that it includes and imports. All faults are
// reported at once, as Errors.
func Compile(c Config) (*Schema, error) {
	if c.FS == nil || c.Root == "" {
		return nil, errors.New("a schema needs a file system and a root")
	}
	b := &builder{
		with: c, files: map[string]*file{}, loaded: map[string]bool{}, docs: map[string]*xmldoc.Document{},
		schema: &Schema{elements: map[Name]*element{}, attributes: map[Name]*attribute{}, types: builtins(), notations: map[Name]bool{}},
		groups: map[Name]*particle{}, attrGroups: map[Name]*attributeSet{}, constrs: map[Name]*constraint{}, resolving: map[resolvingKey]bool{}, empties: map[*particle]bool{},
	}
	for i := range b.globals {
		b.globals[i] = map[Name]place{}
	}
	root := path.Clean(c.Root)
	if b.document(root, place{}) != nil {
		b.load(root, "", place{})
	}
	if len(b.faults) == 0 {
		b.build()
	}
	if err := b.faults.err(); err != nil {
		return nil, err
	}
	return b.schema, nil
}

// fault records what is wrong with a schema document.
func (b *builder) fault(at place, format string, args ...any) {
	if len(b.faults) >= maxFaults {
		return
	}
	e := &Error{File: b.with.Root, Msg: fmt.Sprintf(format, args...)}
	if at.file != nil {
		e.File = at.file.path
		e.Line, e.Col = at.e.Position()
	}
	for _, have := range b.faults {
		if *have == *e {
			return
		}
	}
	b.faults = append(b.faults, e)
}

// spend counts what a schema costs to keep, which is more than its text where types
// build upon each other.
func (b *builder) spend(n int, at place) {
	if b.work += n; b.work > maxWork && len(b.faults) < maxFaults {
		b.fault(at, "the schema is too large: its types build upon each other too often")
	}
}

// document reads a file once. Where it cannot, the fault stands at the reference.
func (b *builder) document(name string, at place) *xmldoc.Document {
	if doc, ok := b.docs[name]; ok {
		return doc
	}
	b.docs[name] = nil
	if len(b.docs) > maxFiles {
		b.fault(at, "the schema has more than %d files", maxFiles)
		return nil
	}
	text, err := b.read(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		b.fault(at, "there is no file %s", shown(name))
		return nil
	case err != nil:
		b.fault(at, "file %s cannot be read", shown(name))
		return nil
	}
	if b.bytes += len(text); len(text) > maxFileBytes || b.bytes > maxTotalBytes {
		b.fault(at, "file %s makes the schema larger than %d bytes", shown(name), maxTotalBytes)
		return nil
	}
	doc, err := xmldoc.ParseBytes(text, xmldoc.Limits{MaxBytes: maxFileBytes})
	var pe *xmldoc.ParseError
	switch {
	case errors.As(err, &pe):
		b.faults = append(b.faults, &Error{File: name, Line: pe.Line, Col: pe.Col, Msg: pe.Reason.String() + ": " + pe.Msg})
		return nil
	case err != nil:
		b.fault(at, "file %s: %v", shown(name), err)
		return nil
	}
	b.docs[name] = doc
	return doc
}

// builtin paths stand for documents that this package holds.
const builtinFolder = "oncegate-builtin"

func (b *builder) read(name string) ([]byte, error) {
	if own, ok := strings.CutPrefix(name, builtinFolder+"/"); ok {
		return builtinFiles.ReadFile("builtin/" + own)
	}
	f, err := b.with.FS.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileBytes+1))
}

// load reads a schema document for a namespace: include gives its own to a document
// that has none.
func (b *builder) load(name, chameleon string, at place) *file {
	doc := b.document(name, at)
	if doc == nil {
		return nil
	}
	root := doc.Root()
	if !root.Is(Name{Space: Space, Local: "schema"}) {
		b.fault(place{&file{path: name}, root}, "no schema document: the root is not xs:schema")
		return nil
	}
	target, has := root.Attr(Name{Local: "targetNamespace"})
	f := &file{path: name, doc: doc, target: target, imports: map[string]bool{}}
	here := place{f, root}
	if has && target == "" {
		b.fault(here, "an empty targetNamespace")
	}
	if !has && chameleon != "" {
		f.target, f.chameleon = chameleon, true
	}
	key := name + "\x00" + f.target
	if have := b.files[key]; have != nil {
		return have
	}
	if len(b.files) >= 2*maxFiles {
		b.fault(at, "the schema has more than %d files", maxFiles)
		return nil
	}
	b.files[key] = f
	b.loaded[f.target] = true
	b.allow(here, "targetNamespace", "elementFormDefault", "attributeFormDefault", "blockDefault", "finalDefault", "version", "id")
	f.qualifiedElements = b.form(here, "elementFormDefault")
	f.qualifiedAttributes = b.form(here, "attributeFormDefault")
	f.blockDefault = b.derivations(here, "blockDefault", byExtension|byRestriction|bySubstitution)
	f.finalDefault = b.derivations(here, "finalDefault", byExtension|byRestriction|byList|byUnion)
	b.top(here)
	return f
}

// top collects the global components of a document and reads what it refers to.
func (b *builder) top(schema place) {
	f := schema.file
	composition := true
	for e := range schema.e.Children() {
		at := place{f, e}
		name := e.Name()
		if name.Space != Space {
			b.fault(at, "an element of another namespace in a schema")
			continue
		}
		switch name.Local {
		case "annotation":
			continue
		case "include", "import", "redefine":
			if !composition {
				b.fault(at, "xs:%s stands before the components", name.Local)
			}
		default:
			composition = false
		}
		switch name.Local {
		case "include":
			b.include(at)
		case "import":
			b.importing(at)
		case "redefine":
			b.fault(at, "xs:redefine is not read: include the document and give the changed components names of their own")
		case "element":
			b.global(symElement, at)
		case "attribute":
			b.global(symAttribute, at)
		case "simpleType", "complexType":
			b.global(symType, at)
		case "group":
			b.global(symGroup, at)
		case "attributeGroup":
			b.global(symAttributeGroup, at)
		case "notation":
			b.global(symNotation, at)
		default:
			b.fault(at, "xs:%s may not stand here", name.Local)
		}
	}
}

func (b *builder) global(kind symbol, at place) {
	local, ok := at.e.Attr(Name{Local: "name"})
	if local = collapse(local); !ok || !xmldoc.ValidNCName(local) {
		b.fault(at, "a global %s needs a name", symbolNames[kind])
		return
	}
	name := Name{Space: at.file.target, Local: local}
	if have, twice := b.globals[kind][name]; twice {
		if at.file.target == xmldoc.SpaceXML && have.file.path != at.file.path {
			return // everybody has a copy of it
		}
		line, col := have.e.Position()
		b.fault(at, "%s %s is defined twice; first in %s:%d:%d", symbolNames[kind], local, have.file.path, line, col)
		return
	}
	b.globals[kind][name] = at
}

func (b *builder) include(at place) {
	b.allow(at, "schemaLocation", "id")
	location, ok := at.e.Attr(Name{Local: "schemaLocation"})
	if location = collapse(location); !ok || location == "" {
		b.fault(at, "xs:include needs a schemaLocation")
		return
	}
	name, ok := b.locate(at, "", location)
	if !ok {
		return
	}
	f := b.load(name, at.file.target, at)
	if f != nil && f.target != at.file.target {
		b.fault(at, "the included document has the target namespace %s, want %s", shown(f.target), shown(at.file.target)) // src-include.2.1
	}
}

func (b *builder) importing(at place) {
	b.allow(at, "namespace", "schemaLocation", "id")
	space, has := at.e.Attr(Name{Local: "namespace"})
	location, _ := at.e.Attr(Name{Local: "schemaLocation"})
	space, location = collapse(space), collapse(location)
	switch {
	case has && space == "":
		b.fault(at, "an empty namespace") // src-import
		return
	case space == at.file.target: // src-import.1.1; both absent too
		b.fault(at, "a document does not import its own namespace: use xs:include")
		return
	}
	at.file.imports[space] = true
	_, named := b.with.Catalog[space]
	if location == "" && !named && !(space == xmldoc.SpaceXML && !b.loaded[space]) {
		return // its components come from elsewhere, or the references to them are faults
	}
	name, ok := b.locate(at, space, location)
	if !ok {
		return
	}
	f := b.load(name, "", at)
	if f != nil && f.target != space {
		b.fault(at, "the imported document has the target namespace %s, want %s", shown(f.target), shown(space)) // src-import.3
	}
}

// locate finds the file of an include or import: what the catalog says, what stands in
// the folder, what is built in.
func (b *builder) locate(at place, space, location string) (name string, ok bool) {
	for _, key := range []string{space, location} {
		if name := b.with.Catalog[key]; key != "" && name != "" {
			if name = path.Clean(name); !fs.ValidPath(name) {
				b.fault(at, "the catalog names %s, which is not in the folder", shown(name))
				return "", false
			}
			return name, true
		}
	}
	if location != "" && !strings.Contains(location, ":") && !strings.HasPrefix(location, "/") {
		name := path.Join(path.Dir(at.file.path), location)
		if strings.HasPrefix(at.file.path, builtinFolder+"/") || fs.ValidPath(name) && b.exists(name) {
			return name, true
		}
	}
	if own := builtinFile(space); own != "" {
		return builtinFolder + "/" + own, true
	}
	what, key := "the file "+shown(location), location
	if space != "" {
		what, key = "namespace "+shown(space), space
		if location != "" {
			what += " at " + shown(location)
		}
	}
	b.fault(at, "%s is not in the folder, and nothing is fetched: put a copy there and name it in the catalog: {%s: FILE}", what, shown(key))
	return "", false
}

func (b *builder) exists(name string) bool {
	info, err := fs.Stat(b.with.FS, name)
	return err == nil && !info.IsDir()
}

func shown(s string) string {
	const most = 120
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return strconv.Quote(s)
}
