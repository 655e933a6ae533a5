package domibus

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"oncegate/connectors/xmldoc"
)

// Namespace is that of the root; nothing below it is in a namespace.
const Namespace = "http://domibus.eu/configuration"

const xsi = "http://www.w3.org/2001/XMLSchema-instance"

// A kind is the type of an attribute.
type kind uint8

const (
	text    kind = iota // any
	name255             // 1 to 255 characters
	max255              // up to 255 characters
	uri1024             // a URI reference of up to 1024 characters
	boolean
	int32s
	int64s
	tenK    // -1 to 10000
	profile // RSA or ECC
)

type attribute struct {
	name     string
	kind     kind
	required bool
	// Domibus takes files without it: that is told, and not refused.
	lenient bool
}

// An element of the file. Children stand in this order.
type element struct {
	name     string
	attrs    []attribute
	children []child
	unique   []unique
	mixed    bool // text is allowed and means nothing
	anyOrder bool
}

type child struct {
	element  *element
	min, max int // max 0: any number
}

// A unique attribute among the children of a name.
type unique struct {
	child, attr string
	// An exact repetition of the whole element is told, and not refused: Domibus
	// takes files with it.
	lenient bool
}

func required(kind kind, names ...string) []attribute {
	var out []attribute
	for _, n := range names {
		out = append(out, attribute{name: n, kind: kind, required: true})
	}
	return out
}

func optional(kind kind, names ...string) []attribute {
	var out []attribute
	for _, n := range names {
		out = append(out, attribute{name: n, kind: kind})
	}
	return out
}

func leaf(name string, attrs ...[]attribute) *element {
	return &element{name: name, attrs: slices.Concat(attrs...)}
}

// listOf is an element that holds one or more of others.
func listOf(name string, uniques []string, of ...*element) *element {
	e := &element{name: name}
	for _, c := range of {
		e.children = append(e.children, child{c, 1, 0})
		for _, u := range uniques {
			if slices.ContainsFunc(c.attrs, func(a attribute) bool { return a.name == u }) {
				e.unique = append(e.unique, unique{child: c.name, attr: u})
			}
		}
	}
	return e
}

// schema is the structure of a file of Domibus 5.1.
func schema() *element {
	mpcs := listOf("mpcs", []string{"name", "qualifiedName"}, leaf("mpc", required(name255, "name", "qualifiedName"),
		required(int32s, "retention_downloaded", "retention_undownloaded"), required(boolean, "default", "enabled"),
		optional(int32s, "retention_metadata_offset", "retention_sent"), optional(boolean, "delete_message_metadata"), optional(tenK, "max_batch_delete")))

	types := listOf("partyIdTypes", []string{"name", "value"}, leaf("partyIdType", required(max255, "name"), required(uri1024, "value")))
	party := listOf("party", nil, leaf("identifier", required(name255, "partyId"), optional(max255, "partyIdType")))
	party.attrs = slices.Concat(required(text, "name"), required(uri1024, "endpoint"), optional(name255, "userName", "password"), optional(text, "allowChunking"))
	parties := &element{name: "parties", children: []child{{types, 1, 1}, {party, 1, 0}}, unique: []unique{{child: "party", attr: "name"}}}

	set := listOf("propertySet", []string{"property"}, leaf("propertyRef", required(name255, "property")))
	set.attrs = required(name255, "name")
	properties := listOf("properties", []string{"name", "key"}, leaf("property", required(name255, "name", "key", "datatype"), required(boolean, "required")), set)

	payload := leaf("payload", required(name255, "name"), required(max255, "cid"), optional(name255, "mimeType"), optional(text, "inBody"),
		optional(uri1024, "schemaFile"), optional(int32s, "maxSize"), required(boolean, "required"))
	payloadProfile := listOf("payloadProfile", []string{"name"}, leaf("attachment", required(name255, "name")))
	payloadProfile.attrs = slices.Concat(required(name255, "name"), required(int64s, "maxSize"))
	payloads := &element{name: "payloadProfiles", children: []child{{payload, 0, 0}, {payloadProfile, 0, 0}},
		unique: []unique{{child: "payload", attr: "name"}, {child: "payloadProfile", attr: "name"}}}

	securities := listOf("securities", []string{"name"}, leaf("security", required(name255, "name", "policy"), optional(text, "signatureMethod"), optional(profile, "profile")))
	securities.unique[0].lenient = true
	agreements := listOf("agreements", []string{"name"}, leaf("agreement", required(name255, "name"), required(max255, "value"), optional(max255, "type")))
	agreements.children[0].element.attrs[1].lenient = true

	leg := leaf("legConfiguration", required(name255, "name", "service", "action", "security", "defaultMpc", "receptionAwareness", "reliability", "errorHandling"),
		optional(name255, "propertySet", "payloadProfile", "splitting"), required(boolean, "compressPayloads"))

	process := &element{name: "process",
		attrs: slices.Concat(required(name255, "name"), required(text, "responderRole", "initiatorRole", "binding", "mep"), optional(text, "agreement")),
		children: []child{
			{listOf("initiatorParties", []string{"name"}, leaf("initiatorParty", required(name255, "name"))), 0, 1},
			{listOf("responderParties", []string{"name"}, leaf("responderParty", required(name255, "name"))), 0, 1},
			{listOf("legs", []string{"name"}, leaf("leg", required(name255, "name"))), 1, 1},
		}}

	business := &element{name: "businessProcesses", mixed: true, unique: []unique{{child: "process", attr: "name"}}, children: []child{
		{listOf("roles", []string{"name"}, leaf("role", required(name255, "name", "value"))), 1, 1},
		{parties, 1, 1},
		{listOf("meps", []string{"name", "value"}, leaf("mep", required(name255, "name"), required(uri1024, "value"), optional(int32s, "legs")),
			leaf("binding", required(name255, "name"), required(uri1024, "value"))), 1, 1},
		{properties, 1, 1},
		{payloads, 0, 1},
		{securities, 1, 1},
		{listOf("errorHandlings", []string{"name"}, leaf("errorHandling", required(name255, "name"),
			required(boolean, "errorAsResponse", "businessErrorNotifyProducer", "businessErrorNotifyConsumer", "deliveryFailureNotifyProducer"))), 1, 1},
		{agreements, 1, 1},
		{listOf("services", []string{"name"}, leaf("service", required(name255, "name", "value"), optional(name255, "type"))), 1, 1},
		{listOf("actions", []string{"name"}, leaf("action", required(name255, "name", "value"))), 1, 1},
		{listOf("as4", []string{"name"}, leaf("receptionAwareness", required(name255, "name"), optional(name255, "retry"), optional(boolean, "duplicateDetection")),
			leaf("reliability", required(name255, "name", "replyPattern"), required(boolean, "nonRepudiation"))), 1, 1},
		{listOf("splittingConfigurations", []string{"name"}, leaf("splitting", required(name255, "name"), required(int32s, "fragmentSize", "joinInterval"),
			required(boolean, "compression"), optional(name255, "compressionAlgorithm"))), 0, 1},
		{listOf("legConfigurations", []string{"name"}, leg), 1, 1},
		{process, 1, 0},
	}}
	return &element{name: "configuration", attrs: required(text, "party"), anyOrder: true, children: []child{{mpcs, 1, 1}, {business, 1, 1}}}
}

// A node is an element that is as the schema says, its values trimmed.
type node struct {
	Line, Col int
	attrs     map[string]string
	children  map[string][]*node
	broken    bool // it refers to what is not there
}

func (n *node) get(name string) string { return n.attrs[name] }

func (n *node) has(name string) bool { _, ok := n.attrs[name]; return ok }

// all returns the nodes at a path.
func (n *node) all(path ...string) []*node {
	if len(path) == 0 {
		return []*node{n}
	}
	var out []*node
	for _, c := range n.children[path[0]] {
		out = append(out, c.all(path[1:]...)...)
	}
	return out
}

// read compares an element with the schema and keeps what it holds.
func (r *reader) read(e xmldoc.Element, as *element) *node {
	n := &node{attrs: map[string]string{}, children: map[string][]*node{}}
	n.Line, n.Col = e.Position()
	for a := range e.Attrs() {
		if a.Name.Space == xsi {
			continue
		}
		i := slices.IndexFunc(as.attrs, func(x attribute) bool { return a.Name == xmldoc.Name{Local: x.name} })
		if i < 0 {
			r.fault(n, "", "%s: attribute %q is not known", as.name, a.Name.Local)
			continue
		}
		// The facets of text look at what stands there, white space included; what is
		// kept is trimmed.
		v := strings.TrimSpace(a.Value)
		n.attrs[as.attrs[i].name] = v
		if k := as.attrs[i].kind; k == name255 || k == max255 || k == uri1024 {
			v = a.Value
		}
		if why := as.attrs[i].kind.check(v); why != "" {
			r.fault(n, "", "%s: attribute %q %s", as.name, a.Name.Local, why)
		}
	}
	for _, a := range as.attrs {
		if a.required && !n.has(a.name) {
			r.say(n, a.lenient, "", "%s: attribute %q is missing", as.name, a.name)
		}
	}
	if _, err := e.TextOnly(); !as.mixed && strings.TrimSpace(e.Text()) != "" {
		_ = err // children are looked at below
		r.fault(n, "", "%s: text is not allowed here", as.name)
	}
	r.children(e, as, n)
	for _, u := range as.unique {
		r.uniques(n, as, u)
	}
	return n
}

// children reads the child elements, which stand in the schema's order.
func (r *reader) children(e xmldoc.Element, as *element, n *node) {
	at := 0
	for c := range e.Children() {
		i := slices.IndexFunc(as.children, func(x child) bool { return c.Name() == xmldoc.Name{Local: x.element.name} })
		if i < 0 || !as.anyOrder && i < at {
			line, col := c.Position()
			r.fault(&node{Line: line, Col: col}, "", "%s: element %q is not expected here", as.name, c.Name().Local)
			continue
		}
		at = i
		n.children[c.Name().Local] = append(n.children[c.Name().Local], r.read(c, as.children[i].element))
	}
	for _, c := range as.children {
		switch got := len(n.children[c.element.name]); {
		case got < c.min:
			r.fault(n, "", "%s: element %q is missing", as.name, c.element.name)
		case c.max > 0 && got > c.max:
			r.fault(n, "", "%s: element %q stands %d times", as.name, c.element.name, got)
		}
	}
}

func (r *reader) uniques(n *node, as *element, u unique) {
	seen := map[string]*node{}
	for _, c := range n.children[u.child] {
		v, ok := c.attrs[u.attr]
		if !ok {
			continue
		}
		if first := seen[v]; first != nil {
			r.say(c, u.lenient && same(first, c), "", "%s: %s %q stands twice in %s, first in line %d", u.child, u.attr, shown(v), as.name, first.Line)
			continue
		}
		seen[v] = c
	}
}

func same(a, b *node) bool {
	if len(a.attrs) != len(b.attrs) || len(a.children)+len(b.children) > 0 {
		return false
	}
	for k, v := range a.attrs {
		if b.attrs[k] != v {
			return false
		}
	}
	return true
}

// check says why a value is not of the kind.
func (k kind) check(v string) string {
	switch k {
	case name255:
		if v == "" {
			return "is empty"
		}
		return bounded(v, 255)
	case max255:
		return bounded(v, 255)
	case uri1024:
		if why := bounded(v, 1024); why != "" {
			return why
		}
		// xs:anyURI allows nearly everything; what no address can be is refused.
		if _, err := url.Parse(strings.ReplaceAll(v, " ", "%20")); err != nil {
			return "is not a URI"
		}
	case boolean:
		if _, ok := truth(v); !ok {
			return fmt.Sprintf("is %q, want true or false", shown(v))
		}
	case int32s:
		return integer(v, 32)
	case int64s:
		return integer(v, 64)
	case tenK:
		if i, err := strconv.Atoi(v); err != nil || i < -1 || i > 10000 {
			return fmt.Sprintf("is %q, want a number from -1 to 10000", shown(v))
		}
	case profile:
		if v != "RSA" && v != "ECC" {
			return fmt.Sprintf("is %q, want RSA or ECC", shown(v))
		}
	}
	return ""
}

func bounded(v string, most int) string {
	if n := utf8.RuneCountInString(v); n > most {
		return fmt.Sprintf("has %d characters, more than %d", n, most)
	}
	return ""
}

func integer(v string, bits int) string {
	if _, err := strconv.ParseInt(v, 10, bits); err != nil {
		return fmt.Sprintf("is %q, want a number of %d bits", shown(v), bits)
	}
	return ""
}

func truth(v string) (value, ok bool) {
	switch v {
	case "true", "1":
		return true, true
	case "false", "0":
		return false, true
	}
	return false, false
}

// shown shortens what stands in the file.
func shown(v string) string {
	if r := []rune(v); len(r) > 64 {
		return string(r[:64]) + "…"
	}
	return v
}
