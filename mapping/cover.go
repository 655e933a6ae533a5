package mapping

// coverRun follows one run for a Coverage. Its methods do nothing on nil, so a
// run that nobody follows pays a comparison.
type coverRun struct {
	of      *Coverage
	nodes   []bool // of the tree: read by a rule
	attrs   []bool
	rules   map[*rule]*ruleCount
	choices map[*call]*choiceCount
	entries map[entryKey]int
}

type ruleCount struct{ fired, held, not int }

type choiceCount struct{ held, not int }

type entryKey struct {
	list *codeList
	code string
}

func (c *coverRun) rule(r *rule) *ruleCount {
	n := c.rules[r]
	if n == nil {
		n = &ruleCount{}
		c.rules[r] = n
	}
	return n
}

// condition counts a when.
func (c *coverRun) condition(r *rule, holds bool) {
	if c == nil {
		return
	}
	if holds {
		c.rule(r).held++
	} else {
		c.rule(r).not++
	}
}

// choice counts an if() within an expression.
func (c *coverRun) choice(at *call, holds bool) {
	if c == nil {
		return
	}
	n := c.choices[at]
	if n == nil {
		n = &choiceCount{}
		c.choices[at] = n
	}
	if holds {
		n.held++
	} else {
		n.not++
	}
}

// fired counts a rule that wrote something.
func (c *coverRun) fired(r *rule, wrote bool) {
	if c != nil && wrote {
		c.rule(r).fired++
	}
}

// entry counts a code that a list translated.
func (c *coverRun) entry(r *rule, code string) {
	if c == nil {
		return
	}
	if r.reverse {
		code = r.list.backward[code]
	}
	c.entries[entryKey{r.list, r.list.key(code)}]++
}

// found marks what a path of a rule found.
func (c *coverRun) found(m *machine, nodes []nodeID) {
	if c == nil {
		return
	}
	for _, id := range nodes {
		c.mark(m, id)
	}
}

// fit makes room for the marks once the tree is loaded.
func (c *coverRun) fit(m *machine) {
	if c.nodes == nil {
		c.nodes, c.attrs = make([]bool, len(m.tree.nodes)), make([]bool, len(m.tree.attrs))
	}
}

func (c *coverRun) mark(m *machine, id nodeID) {
	c.fit(m)
	switch {
	case id&attrBit != 0:
		c.attrs[id&^attrBit] = true
	default:
		c.nodes[id&^textBit] = true
	}
}

// read marks what the text of a node is made of.
func (c *coverRun) read(m *machine, id nodeID) {
	if c == nil {
		return
	}
	c.mark(m, id)
	if id&(attrBit|textBit) == 0 {
		for i := id + 1; i < m.tree.nodes[id].end; i++ {
			c.nodes[i] = true
		}
	}
}
