package mapping

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The input, XML or value alike, is loaded into one flat tree before the rules
// run: nodes in document order, names as numbers. Rules then compare integers,
// and the order of a node set is the order of its ids.

// nodeID names a node: an index into tree.nodes, or one into tree.attrs with
// attrBit set, or the text of a leaf element with textBit set.
type nodeID int32

const (
	attrBit nodeID = 1 << 30
	textBit nodeID = 1 << 29
	none    nodeID = -1
)

const (
	nameDocument int32 = -1 // the root above the outermost element
	nameText     int32 = -2 // a run of text between elements
	nameOther    int32 = 0  // a name that no rule mentions
)

type treeNode struct {
	name   int32
	space  int32
	parent nodeID
	first  nodeID // first child, none for a leaf
	next   nodeID // next sibling
	end    nodeID // one past the last descendant
	attrs  int32  // first attribute
	nattrs int32
	text   string // of a leaf, or of a run of text
}

type treeAttr struct {
	name   int32
	space  int32
	parent nodeID
	value  string
}

type tree struct {
	nodes []treeNode
	attrs []treeAttr
	// Names as written, kept only when a trace was asked for.
	locals     []string
	attrLocals []string
}

// Limits of one input (style 20).
const (
	maxTreeNodes = 4_000_000
	maxTreeDepth = 512
)

// names numbers the names that the rules mention; all others are nameOther.
type names struct {
	spaces map[string]int32
	locals map[string][]nameEntry
	count  int32
}

type nameEntry struct {
	space string
	id    int32
}

func newNames() *names {
	return &names{spaces: map[string]int32{"": 1}, locals: map[string][]nameEntry{}, count: nameOther}
}

func (n *names) space(space string) int32 {
	if id, ok := n.spaces[space]; ok {
		return id
	}
	id := int32(len(n.spaces) + 1)
	n.spaces[space] = id
	return id
}

func (n *names) name(space, local string) int32 {
	n.space(space)
	if id := n.find(space, local); id != nameOther {
		return id
	}
	n.count++
	n.locals[local] = append(n.locals[local], nameEntry{space, n.count})
	return n.count
}

func (n *names) find(space, local string) int32 {
	for _, e := range n.locals[local] {
		if e.space == space {
			return e.id
		}
	}
	return nameOther
}

// loader fills a tree. Its callbacks are bound once, so that loading allocates
// nothing per element.
type loader struct {
	t       *tree
	names   *names
	trace   bool
	depth   int
	cur     nodeID // element being filled
	last    nodeID // its last child so far
	pending string // text seen before it is known whether cur is a leaf
	more    []byte // pending and what followed it, when text comes in pieces
	err     error
	onAttr  func(space, local, value string) bool
	onChild func(child Node, text string) bool
	// The namespace of the last name seen: runs of one namespace are the rule.
	lastSpace   string
	lastSpaceID int32
}

func newLoader(t *tree, n *names) *loader {
	l := &loader{t: t, names: n}
	l.onAttr = l.addAttr
	l.onChild = l.addChild
	return l
}

func (l *loader) reset(trace bool) {
	l.t.forget()
	l.trace, l.depth, l.err, l.pending, l.more = trace, 0, nil, "", l.more[:0]
	l.lastSpace, l.lastSpaceID = "", 1
	l.cur, l.last = l.push(nameDocument, 0, none, ""), none
}

// forget empties the tree and lets go of every text of its input.
func (t *tree) forget() {
	clear(t.nodes)
	clear(t.attrs)
	clear(t.locals)
	clear(t.attrLocals)
	t.nodes, t.attrs, t.locals, t.attrLocals = t.nodes[:0], t.attrs[:0], t.locals[:0], t.attrLocals[:0]
}

func (l *loader) push(name, space int32, parent nodeID, local string) nodeID {
	id := nodeID(len(l.t.nodes))
	l.t.nodes = append(l.t.nodes, treeNode{name: name, space: space, parent: parent, first: none, next: none, attrs: int32(len(l.t.attrs))})
	if l.trace {
		l.t.locals = append(l.t.locals, local)
	}
	return id
}

func (l *loader) link(id nodeID) {
	if l.last == none {
		l.t.nodes[l.cur].first = id
	} else {
		l.t.nodes[l.last].next = id
	}
	l.last = id
}

// open and close bracket the filling of one element.
type loaderState struct{ cur, last nodeID }

func (l *loader) open(space, local string) (loaderState, bool) {
	if len(l.t.nodes)+len(l.t.attrs) >= maxTreeNodes {
		l.err = fmt.Errorf("the input has more than %d nodes", maxTreeNodes)
		return loaderState{}, false
	}
	if l.depth++; l.depth > maxTreeDepth {
		l.err = fmt.Errorf("the input is nested deeper than %d levels", maxTreeDepth)
		return loaderState{}, false
	}
	l.flushText()
	if space != l.lastSpace {
		l.lastSpace, l.lastSpaceID = space, l.names.spaces[space]
	}
	id := l.push(l.names.find(space, local), l.lastSpaceID, l.cur, local)
	l.link(id)
	saved := loaderState{l.cur, l.last}
	l.cur, l.last = id, none
	return saved, true
}

func (l *loader) close(saved loaderState) {
	n := &l.t.nodes[l.cur]
	if n.first == none {
		n.text = l.takeText()
	} else {
		l.flushText()
	}
	l.t.nodes[l.cur].end = nodeID(len(l.t.nodes))
	l.cur, l.last = saved.cur, saved.last
	l.depth--
}

func (l *loader) takeText() string {
	text := l.pending
	if len(l.more) > 0 {
		text = string(l.more)
		clear(l.more)
	}
	l.pending, l.more = "", l.more[:0]
	return text
}

// flushText turns text beside elements into a node. White space between
// elements is layout, not data, and is not seen by rules.
func (l *loader) flushText() {
	if l.pending == "" {
		return
	}
	if text := l.takeText(); strings.TrimLeft(text, " \t\r\n") != "" {
		id := l.push(nameText, 0, l.cur, "")
		l.t.nodes[id].text, l.t.nodes[id].end = text, id+1
		l.link(id)
	}
}

func (l *loader) addAttr(space, local, value string) bool {
	if len(l.t.nodes)+len(l.t.attrs) >= maxTreeNodes {
		l.err = fmt.Errorf("the input has more than %d nodes", maxTreeNodes)
		return false
	}
	spaceID := int32(1)
	if space != "" {
		spaceID = l.names.spaces[space]
	}
	l.t.attrs = append(l.t.attrs, treeAttr{name: l.names.find(space, local), space: spaceID, parent: l.cur, value: value})
	l.t.nodes[l.cur].nattrs++
	if l.trace {
		l.t.attrLocals = append(l.t.attrLocals, local)
	}
	return true
}

func (l *loader) addChild(child Node, text string) bool {
	if child == nil {
		switch {
		case l.pending == "":
			l.pending = text
		case len(l.more) == 0:
			l.more = append(append(l.more, l.pending...), text...)
		default:
			l.more = append(l.more, text...)
		}
		return true
	}
	return l.addElement(child)
}

func (l *loader) addElement(n Node) bool {
	space, local := n.Name()
	saved, ok := l.open(space, local)
	if !ok {
		return false
	}
	n.Attributes(l.onAttr)
	if l.err == nil {
		n.Content(l.onChild)
	}
	l.close(saved)
	return l.err == nil
}

// loadXML fills the tree from XML.
func (l *loader) loadXML(root Node, trace bool) error {
	l.reset(trace)
	l.addElement(root)
	l.t.nodes[0].end = nodeID(len(l.t.nodes))
	return l.err
}

// loadValue fills the tree from a JSON-able value: fields are elements without
// namespace, lists are repeated elements, null is absence.
func (l *loader) loadValue(v any, trace bool) error {
	l.reset(trace)
	switch v.(type) {
	case map[string]any, []any, nil:
		l.addFields(v)
	default:
		return fmt.Errorf("the input is a %T; rules read an object", v)
	}
	l.t.nodes[0].end = nodeID(len(l.t.nodes))
	return l.err
}

func (l *loader) addFields(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			l.addField(key, v[key])
		}
	case []any:
		for _, item := range v {
			l.addField("item", item)
		}
	}
}

func (l *loader) addField(key string, v any) {
	if l.err != nil || v == nil {
		return
	}
	if list, ok := v.([]any); ok {
		for _, item := range list {
			if nested, ok := item.([]any); ok {
				if saved, ok := l.open("", key); ok {
					l.addFields(nested)
					l.close(saved)
				}
				continue
			}
			l.addField(key, item)
		}
		return
	}
	saved, ok := l.open("", key)
	if !ok {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		l.addFields(v)
	case string:
		l.pending = v
	case bool:
		l.pending = strconv.FormatBool(v)
	case json.Number:
		l.pending = v.String()
	case float64:
		l.pending = strconv.FormatFloat(v, 'f', -1, 64)
	case int:
		l.pending = strconv.Itoa(v)
	case int64:
		l.pending = strconv.FormatInt(v, 10)
	default:
		l.err = fmt.Errorf("field %q holds a %T, which is not a JSON value", key, v)
	}
	l.close(saved)
}

func (t *tree) parent(id nodeID) nodeID {
	switch {
	case id&attrBit != 0:
		return t.attrs[id&^attrBit].parent
	case id&textBit != 0:
		return id &^ textBit
	}
	return t.nodes[id].parent
}

// text is the string value of a node (XPath 1.0 section 5).
func (t *tree) text(id nodeID) string {
	switch {
	case id&attrBit != 0:
		return t.attrs[id&^attrBit].value
	case id&textBit != 0:
		return t.nodes[id&^textBit].text
	}
	n := &t.nodes[id]
	if n.first == none {
		return n.text
	}
	if only := n.first; n.end == only+1 {
		return t.nodes[only].text
	}
	var b strings.Builder
	for i := id + 1; i < n.end; i++ {
		b.WriteString(t.nodes[i].text)
	}
	return b.String()
}

// path names a node for people: /Reply/Person[2]/Name/@lang. It needs a trace.
func (t *tree) path(id nodeID) string {
	if id == none || len(t.locals) == 0 {
		return ""
	}
	switch {
	case id&attrBit != 0:
		return t.path(t.attrs[id&^attrBit].parent) + "/@" + t.attrLocals[id&^attrBit]
	case id&textBit != 0:
		return t.path(id&^textBit) + "/text()"
	}
	var steps []string
	for ; id > 0; id = t.nodes[id].parent {
		n := &t.nodes[id]
		if n.name == nameText {
			steps = append(steps, "text()")
			continue
		}
		step, twins, before := t.locals[id], 0, 1
		for c := t.nodes[n.parent].first; c != none; c = t.nodes[c].next {
			if t.nodes[c].name != nameText && t.locals[c] == t.locals[id] && t.nodes[c].space == n.space {
				twins++
				if c < id {
					before++
				}
			}
		}
		if twins > 1 {
			step += "[" + strconv.Itoa(before) + "]"
		}
		steps = append(steps, step)
	}
	slices.Reverse(steps)
	return "/" + strings.Join(steps, "/")
}
