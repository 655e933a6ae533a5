package xsd

import "oncegate/connectors/xmldoc"

// Space is the namespace of schema documents and of the built-in types.
const Space = "http://www.w3.org/2001/XMLSchema"

const spaceXSI = "http://www.w3.org/2001/XMLSchema-instance"

// Name is an expanded name.
type Name = xmldoc.Name

// A Schema is a set of components, ready to validate with.
type Schema struct {
	elements   map[Name]*element
	attributes map[Name]*attribute
	types      map[Name]*typeDef
	notations  map[Name]bool
	identity   bool // some element has identity constraints
}

// derivation is a way from one type to another; sets of them are written in final
// and block.
type derivation uint8

const (
	byRestriction derivation = 1 << iota
	byExtension
	byList
	byUnion
	bySubstitution
)

// element is an element declaration.
type element struct {
	name        Name
	typ         *typeDef
	head        *element   // of the substitution group it belongs to
	members     []*element // that name it as their head
	nillable    bool
	abstract    bool
	value       *fixedValue
	block       derivation
	final       derivation
	constraints []*constraint
	global      bool
}

// fixedValue is what default and fixed say.
type fixedValue struct {
	fixed bool
	text  string
	key   valueKey // of the value; set when the type is known
}

// attribute is an attribute declaration.
type attribute struct {
	name  Name
	typ   *typeDef
	value *fixedValue
}

// attributeUse is an attribute of a complex type.
type attributeUse struct {
	decl       *attribute
	required   bool
	prohibited bool
	value      *fixedValue
}

// typeDef is a type definition: simple when simple is set and complex is not.
type typeDef struct {
	name     Name // without Local for an anonymous type
	base     *typeDef
	method   derivation
	depth    int // derivations below it
	abstract bool
	final    derivation
	block    derivation
	simple   *simpleType // also the type of a simple content
	complex  *complexType
}

func (t *typeDef) isSimple() bool { return t.complex == nil }

type complexType struct {
	mixed      bool
	content    *particle // nil: no elements
	model      *model    // content, compiled
	attributes []*attributeUse
	wildcard   *wildcard
	required   int // attribute uses that must be there
	byName     map[Name]*attributeUse
}

type particleKind uint8

const (
	kindElement particleKind = iota + 1
	kindAny
	kindSequence
	kindChoice
	kindAll
)

// unbounded is the maxOccurs of that name.
const unbounded = -1

// particle is a term of a content model with its occurrence.
type particle struct {
	kind     particleKind
	min, max int
	elem     *element
	wild     *wildcard
	kids     []*particle
	at       place
}

type process uint8

const (
	processStrict process = iota
	processLax
	processSkip
)

// wildcard is xs:any or xs:anyAttribute.
type wildcard struct {
	process process
	any     bool
	not     bool            // any namespace but those of set, and none
	set     map[string]bool // "" is no namespace
}

func (w *wildcard) allows(space string) bool {
	switch {
	case w.any:
		return true
	case w.not:
		return space != "" && !w.set[space]
	}
	return w.set[space]
}

// intersect is Attribute Wildcard Intersection (3.10.6); ok is false where it cannot
// be said.
func (w *wildcard) intersect(o *wildcard) (out *wildcard, ok bool) {
	switch {
	case w.any:
		return o.with(w.process), true
	case o.any:
		return w, true
	case w.not && o.not:
		if same(w.set, o.set) {
			return w, true
		}
		if len(w.set) == 0 {
			return o.with(w.process), true
		}
		return w, len(o.set) == 0
	}
	out = &wildcard{process: w.process, set: map[string]bool{}}
	if w.not {
		w, o = o, w
	}
	for space := range w.set {
		if o.allows(space) {
			out.set[space] = true
		}
	}
	return out, true
}

// union is Attribute Wildcard Union (3.10.6).
func (w *wildcard) union(o *wildcard) (out *wildcard, ok bool) {
	all := &wildcard{process: w.process, any: true}
	switch {
	case w.any || o.any:
		return all, true
	case !w.not && !o.not:
		out = &wildcard{process: w.process, set: map[string]bool{}}
		for space := range w.set {
			out.set[space] = true
		}
		for space := range o.set {
			out.set[space] = true
		}
		return out, true
	case w.not && o.not:
		if same(w.set, o.set) {
			return w, true
		}
		return &wildcard{process: w.process, not: true}, true
	}
	p := w.process
	if o.not {
		w, o = o, w
	}
	// w says which not, o lists.
	covered := true
	for space := range w.set {
		covered = covered && o.set[space]
	}
	switch {
	case covered && o.set[""]:
		return all, true
	case covered && len(w.set) > 0:
		return &wildcard{process: p, not: true}, true
	case o.set[""] && len(w.set) > 0:
		return nil, false
	}
	return w.with(p), true
}

func (w *wildcard) with(p process) *wildcard {
	c := *w
	c.process = p
	return &c
}

func same(a, b map[string]bool) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return true
}
