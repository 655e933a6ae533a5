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
	nth        []int32 // twins
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

// A Loader takes in one input. What a Node shows it becomes the tree that rules
// read. Once it refuses, as the input has too many nodes or is nested too deep,
// Open and Attr are false and what else comes is ignored.
type Loader struct {
	t       *tree
	names   *names
	trace   bool
	depth   int
	cur     nodeID // element being filled
	last    nodeID // its last child so far
	pending string // text seen before it is known whether cur is a leaf
	more    []byte // pending and what followed it, when text comes in pieces
	err     error
	// Inputs repeat few names: those met last are found without hashing them whole.
	met [metNames]metName
}

const (
	metBits  = 8
	metNames = 1 << metBits
)

type metName struct {
	space, local string
	name, spaceN int32
}

func newLoader(t *tree, n *names) *Loader { return &Loader{t: t, names: n} }

func (l *Loader) reset(trace bool) {
	if len(l.t.nodes) > 0 { // else nothing was loaded since it forgot
		l.forget()
	}
	l.trace, l.depth, l.err = trace, 0, nil
	l.cur, l.last = l.push(nameDocument, 0, none, ""), none
}

// forget empties the tree and lets go of every text of its input.
func (l *Loader) forget() {
	l.pending, l.more = "", l.more[:0]
	clear(l.more[:cap(l.more)])
	clear(l.met[:])
	l.t.forget()
}

// forget empties the tree and lets go of every text of its input.
func (t *tree) forget() {
	clear(t.nodes)
	clear(t.attrs)
	clear(t.locals)
	clear(t.attrLocals)
	t.nodes, t.attrs, t.locals, t.attrLocals, t.nth = t.nodes[:0], t.attrs[:0], t.locals[:0], t.attrLocals[:0], t.nth[:0]
}

// find numbers a name as the rules know it, and its namespace.
func (l *Loader) find(space, local string) (name, spaceN int32) {
	h := uint32(len(local)) + 31*uint32(len(space))
	if n := len(space); n > 0 {
		h += 7 * uint32(space[n-1])
	}
	if h > 0 {
		h ^= uint32(local[0])<<8 ^ uint32(local[len(local)/2])<<16 ^ uint32(local[len(local)-1])<<24
	}
	m := &l.met[h*0x9E3779B1>>(32-metBits)] // Fibonacci hashing
	if m.local != local || m.space != space || m.spaceN == 0 {
		*m = metName{space, local, l.names.find(space, local), l.names.spaces[space] + 1}
	}
	return m.name, m.spaceN - 1
}

func (l *Loader) push(name, space int32, parent nodeID, local string) nodeID {
	id := nodeID(len(l.t.nodes))
	l.t.nodes = append(l.t.nodes, treeNode{name: name, space: space, parent: parent, first: none, next: none, attrs: int32(len(l.t.attrs))})
	if l.trace {
		l.t.locals = append(l.t.locals, local)
	}
	return id
}

func (l *Loader) link(id nodeID) {
	if l.last == none {
		l.t.nodes[l.cur].first = id
	} else {
		l.t.nodes[l.last].next = id
	}
	l.last = id
}

// Open begins an element.
func (l *Loader) Open(space, local string) bool {
	if l.err != nil || l.full() {
		return false
	}
	if l.depth++; l.depth > maxTreeDepth {
		l.err = fmt.Errorf("the input is nested deeper than %d levels", maxTreeDepth)
		return false
	}
	if l.pending != "" {
		l.flushText()
	}
	name, spaceN := l.find(space, local)
	id := l.push(name, spaceN, l.cur, local)
	l.link(id)
	l.cur, l.last = id, none
	return true
}

// Close ends the element that was opened last.
func (l *Loader) Close() {
	if l.err != nil || l.cur <= 0 {
		return
	}
	id, n := l.cur, &l.t.nodes[l.cur]
	switch {
	case l.pending == "":
	case n.first == none:
		n.text = l.takeText()
	default:
		l.flushText()
		n = &l.t.nodes[id]
	}
	n.end = nodeID(len(l.t.nodes))
	l.cur, l.last = n.parent, id
	l.depth--
}

func (l *Loader) full() bool {
	if len(l.t.nodes)+len(l.t.attrs) < maxTreeNodes {
		return false
	}
	l.err = fmt.Errorf("the input has more than %d nodes", maxTreeNodes)
	return true
}

func (l *Loader) takeText() string {
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
func (l *Loader) flushText() {
	if l.pending == "" {
		return
	}
	if text := l.takeText(); !isLayout(text) && !l.full() {
		id := l.push(nameText, 0, l.cur, "")
		l.t.nodes[id].text, l.t.nodes[id].end = text, id+1
		l.link(id)
	}
}

func isLayout(text string) bool {
	for i := range len(text) {
		if c := text[i]; c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return false
		}
	}
	return true
}

// Attr adds an attribute to the element that was opened last.
func (l *Loader) Attr(space, local, value string) bool {
	if l.err != nil || l.cur <= 0 || l.full() {
		return false
	}
	name, spaceN := l.find(space, local)
	l.t.attrs = append(l.t.attrs, treeAttr{name: name, space: spaceN, parent: l.cur, value: value})
	l.t.nodes[l.cur].nattrs++
	if l.trace {
		l.t.attrLocals = append(l.t.attrLocals, local)
	}
	return true
}

// Text adds a piece of text to the element that was opened last.
func (l *Loader) Text(text string) {
	switch {
	case l.err != nil || l.cur <= 0:
	case l.pending == "":
		l.pending = text
	case len(l.more) == 0:
		l.more = append(append(l.more, l.pending...), text...)
	default:
		l.more = append(l.more, text...)
	}
}

// Room tells how many elements, texts and attributes are to come, at most, so
// that room is made for them once.
func (l *Loader) Room(nodes, attrs int) {
	l.t.nodes = slices.Grow(l.t.nodes, min(max(nodes, 0), maxTreeNodes))
	l.t.attrs = slices.Grow(l.t.attrs, min(max(attrs, 0), maxTreeNodes))
}

// loadXML fills the tree from XML.
func (l *Loader) loadXML(root Node, trace bool) error {
	l.reset(trace)
	root.Load(l)
	return l.loaded()
}

func (l *Loader) loaded() error {
	l.t.nodes[0].end = nodeID(len(l.t.nodes))
	return l.err
}

// loadValue fills the tree from a Record or a JSON-able value: fields are elements
// without namespace, lists are repeated elements, null is absence.
func (l *Loader) loadValue(v any, trace bool) error {
	l.reset(trace)
	switch v := v.(type) {
	case *Record:
		l.addRecord(v, v.shape, 0)
	case map[string]any, []any, nil:
		l.addFields(v)
	default:
		return fmt.Errorf("the input is a %T; rules read an object", v)
	}
	return l.loaded()
}

func (l *Loader) addFields(v any) {
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

func (l *Loader) addField(key string, v any) {
	if l.err != nil || v == nil {
		return
	}
	if list, ok := v.([]any); ok {
		for _, item := range list {
			if nested, ok := item.([]any); ok {
				if l.Open("", key) {
					l.addFields(nested)
				}
				l.Close()
				continue
			}
			l.addField(key, item)
		}
		return
	}
	if l.Open("", key) {
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
	}
	l.Close()
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

// twins numbers the elements that have siblings of their name, from 1; the others
// have 0. It is made at the first question, all at once.
func (t *tree) twins() []int32 {
	if len(t.nth) > 0 {
		return t.nth
	}
	type name struct {
		local string
		space int32
	}
	t.nth = append(t.nth, make([]int32, len(t.nodes))...)
	last := map[name]nodeID{}
	for parent := range t.nodes {
		clear(last)
		for c := t.nodes[parent].first; c != none; c = t.nodes[c].next {
			if t.nodes[c].name == nameText {
				continue
			}
			key := name{t.locals[c], t.nodes[c].space}
			if before, ok := last[key]; ok {
				t.nth[before] = max(t.nth[before], 1)
				t.nth[c] = t.nth[before] + 1
			}
			last[key] = c
		}
	}
	return t.nth
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
		step := t.locals[id]
		if nth := t.twins()[id]; nth > 0 {
			step += "[" + strconv.Itoa(int(nth)) + "]"
		}
		steps = append(steps, step)
	}
	slices.Reverse(steps)
	return "/" + strings.Join(steps, "/")
}
