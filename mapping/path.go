package mapping

import "slices"

// path is a location path.
type path struct {
	at       int
	absolute bool
	steps    []step
	tangled  bool // may find a node twice or out of order
	plain    bool // child/child/@attribute by name, without conditions
}

// isPlain tells paths that need no stack.
func (p *path) isPlain() bool {
	for i := range p.steps {
		s := &p.steps[i]
		if s.deep || s.test != testName || len(s.preds) > 0 || s.axis != axisChild && s.axis != axisAttribute {
			return false
		}
	}
	return len(p.steps) > 0
}

// only counts what a plain path finds and keeps the last of it.
func (m *machine) only(steps []step, n nodeID, last *nodeID) int {
	if n&(attrBit|textBit) != 0 {
		return 0
	}
	s, node, count := &steps[0], &m.tree.nodes[n], 0
	if s.axis == axisAttribute {
		m.budget -= int(node.nattrs)
		if len(steps) > 1 { // nothing stands below an attribute
			return 0
		}
		for i := node.attrs; i < node.attrs+node.nattrs; i++ {
			if m.tree.attrs[i].name == s.name {
				*last = nodeID(i) | attrBit
				count++
			}
		}
		return count
	}
	for c := node.first; c != none; {
		m.budget--
		child := &m.tree.nodes[c]
		if child.name == s.name {
			if len(steps) > 1 {
				count += m.only(steps[1:], c, last)
			} else {
				*last = c
				count++
			}
		}
		c = child.next
	}
	return count
}

// some says whether a plain path finds a node whose text is want, or is not.
func (m *machine) some(p *path, ctx nodeID, want string, is bool) (bool, error) {
	if p.absolute {
		ctx = 0
	}
	found := m.someOf(p.steps, ctx, want, is)
	return found, m.charge(1)
}

func (m *machine) someOf(steps []step, n nodeID, want string, is bool) bool {
	if n&(attrBit|textBit) != 0 || m.budget < 0 {
		return false
	}
	s, node := &steps[0], &m.tree.nodes[n]
	if s.axis == axisAttribute {
		for i := node.attrs; i < node.attrs+node.nattrs && len(steps) == 1; i++ {
			if m.tree.attrs[i].name == s.name && m.isText(nodeID(i)|attrBit, want) == is {
				return true
			}
		}
		return false
	}
	for c := node.first; c != none; c = m.tree.nodes[c].next {
		if m.budget--; m.tree.nodes[c].name != s.name {
			continue
		}
		if len(steps) > 1 && m.someOf(steps[1:], c, want, is) || len(steps) == 1 && m.isText(c, want) == is {
			return true
		}
	}
	return false
}

func (m *machine) isText(id nodeID, want string) bool {
	text := m.tree.text(id)
	m.budget -= 1 + len(text)/16
	return trimSpace(text) == want
}

// text is the text of an expression at a node. Most rules name one element or
// attribute: these do not build a node set.
func (m *machine) text(e expr, ctx nodeID) (string, error) {
	switch e := e.(type) {
	case *literal:
		if e.v.kind == TypeText {
			return e.v.text, nil
		}
	case *path:
		if !e.plain || m.trace {
			break
		}
		if e.absolute {
			ctx = 0
		}
		var id nodeID
		found := m.only(e.steps, ctx, &id)
		if err := m.charge(1); err != nil {
			return "", err
		}
		switch found {
		case 0:
			return "", nil
		case 1:
			return m.nodeText(id)
		}
		return "", tooMany(found, e.at)
	}
	low := len(m.stack)
	v, err := e.eval(m, ctx)
	if err != nil {
		return "", err
	}
	text, err := m.textOf(v, e.offset())
	m.stack = m.stack[:low]
	return text, err
}

type axis int

const (
	axisChild axis = iota
	axisAttribute
	axisSelf
	axisParent
)

type testKind int

const (
	testName  testKind = iota
	testAny            // *
	testSpace          // p:*
	testText           // text()
	testNode           // . and ..
)

type step struct {
	axis  axis
	deep  bool // after //
	test  testKind
	name  int32
	space int32
	preds []expr
}

func (m *machine) selectNodes(p *path, ctx nodeID) (value, error) {
	if p.absolute {
		ctx = 0
	}
	low := len(m.stack)
	if err := m.walk(p.steps, ctx); err != nil {
		return value{}, err
	}
	found := m.stack[low:]
	if p.tangled {
		if err := m.charge(len(found)); err != nil {
			return value{}, err
		}
		slices.SortFunc(found, func(a, b nodeID) int { return int(a&^textBit) - int(b&^textBit) })
		found = slices.Compact(found)
		m.stack = m.stack[:low+len(found)]
	}
	return value{kind: TypeNodes, nodes: found}, nil
}

// walk appends to the stack what steps find from n.
func (m *machine) walk(steps []step, n nodeID) error {
	if len(steps) == 0 {
		m.stack = append(m.stack, n)
		return m.charge(1)
	}
	s := &steps[0]
	if !s.deep {
		if s.axis == axisChild && s.test == testName && len(s.preds) == 0 {
			return m.children(s, steps[1:], n)
		}
		return m.step(s, steps[1:], n)
	}
	if n&(attrBit|textBit) != 0 {
		return nil
	}
	if len(s.preds) == 0 && s.axis == axisChild && s.test != testText {
		for i, end := n+1, m.tree.nodes[n].end; i < end; i++ {
			if m.matches(s, i) {
				if err := m.walk(steps[1:], i); err != nil {
					return err
				}
			}
		}
		return m.charge(1 + int(m.tree.nodes[n].end-n))
	}
	for i, end := n, m.tree.nodes[n].end; i < end; i++ {
		if m.tree.nodes[i].name == nameText {
			continue
		}
		if err := m.step(s, steps[1:], i); err != nil {
			return err
		}
	}
	return nil
}

// children takes the step that most paths are made of.
func (m *machine) children(s *step, rest []step, n nodeID) error {
	if err := m.charge(1); err != nil || n&(attrBit|textBit) != 0 {
		return err
	}
	for c := m.tree.nodes[n].first; c != none; c = m.tree.nodes[c].next {
		if m.budget--; m.tree.nodes[c].name != s.name {
			continue
		}
		if len(rest) == 0 {
			m.budget--
			m.stack = append(m.stack, c)
		} else if err := m.walk(rest, c); err != nil {
			return err
		}
	}
	return m.charge(0)
}

// matches tests an element by name.
func (m *machine) matches(s *step, id nodeID) bool {
	n := &m.tree.nodes[id]
	switch s.test {
	case testName:
		return n.name == s.name
	case testAny:
		return n.name != nameText
	case testSpace:
		return n.name != nameText && n.space == s.space
	}
	return true
}

// step takes one step from one node and walks on from what it finds.
func (m *machine) step(s *step, rest []step, n nodeID) error {
	if len(s.preds) == 0 {
		return m.each(s, n, func(id nodeID) error { return m.walk(rest, id) })
	}
	low := len(m.cands)
	defer func() { m.cands = m.cands[:low] }()
	if err := m.each(s, n, func(id nodeID) error {
		m.cands = append(m.cands, id)
		return nil
	}); err != nil {
		return err
	}
	for _, pred := range s.preds {
		size, kept := len(m.cands)-low, low
		for i := range size {
			ok, err := m.holds(pred, m.cands[low+i], i+1, size)
			if err != nil {
				return err
			}
			if ok {
				m.cands[kept] = m.cands[low+i]
				kept++
			}
		}
		m.cands = m.cands[:kept]
	}
	for i := low; i < len(m.cands); i++ {
		if err := m.walk(rest, m.cands[i]); err != nil {
			return err
		}
	}
	return nil
}

// holds tries one predicate; a number means a position.
func (m *machine) holds(pred expr, id nodeID, pos, size int) (bool, error) {
	if err := m.charge(1); err != nil {
		return false, err
	}
	savedPos, savedSize, low, fed := m.pos, m.size, len(m.stack), len(m.fed)
	m.pos, m.size = pos, size
	v, err := pred.eval(m, id)
	m.pos, m.size, m.stack = savedPos, savedSize, m.stack[:low]
	m.fed = m.fed[:min(fed, len(m.fed))] // a condition chooses, it does not feed
	if v.kind == TypeNumber {
		return v.num == float64(pos), err
	}
	return m.truthOf(v), err
}

// each calls f for the nodes of one step, without predicates.
func (m *machine) each(s *step, n nodeID, f func(nodeID) error) error {
	if err := m.charge(1); err != nil {
		return err
	}
	switch s.axis {
	case axisSelf:
		return f(n)
	case axisParent:
		if p := m.tree.parent(n); p != none {
			return f(p)
		}
		return nil
	}
	if n&(attrBit|textBit) != 0 {
		return nil
	}
	node := &m.tree.nodes[n]
	if s.axis == axisAttribute {
		for i := node.attrs; i < node.attrs+node.nattrs; i++ {
			a := &m.tree.attrs[i]
			if s.test == testName && a.name == s.name || s.test == testAny || s.test == testSpace && a.space == s.space {
				if err := f(nodeID(i) | attrBit); err != nil {
					return err
				}
			}
		}
		return m.charge(int(node.nattrs))
	}
	if s.test == testText {
		if node.first == none {
			if node.text != "" {
				return f(n | textBit)
			}
			return nil
		}
		for c := node.first; c != none; c = m.tree.nodes[c].next {
			if m.budget--; m.tree.nodes[c].name == nameText {
				if err := f(c); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for c := node.first; c != none; c = m.tree.nodes[c].next {
		if m.budget--; m.matches(s, c) {
			if err := f(c); err != nil {
				return err
			}
		}
	}
	return m.charge(0)
}
