package rulecheck

import "oncegate/connectors/xmldoc"

// having finds elements by the value of an attribute. The first call of a run lists
// the elements by it: an association finds its ends in the time of one look, however
// many objects a submission has.
func having(c *compiler, e *expr, args []value) (value, *fault) {
	if args[0].lit == nil || *args[0].lit == "" {
		return value{}, &fault{e.args[0].at, "the name of the attribute is a literal"}
	}
	s, f := c.text(args[1], e.args[1].at)
	if f != nil {
		return value{}, f
	}
	name := c.names.id(xmldoc.Name{Local: *args[0].lit})
	return value{kind: isNodes, path: &path{from: fromNodes, nodes: func(r *run, n ref) {
		text := trim(s(r, n))
		if text == "" {
			return // an attribute that is missing refers to nothing
		}
		found := r.holders(name)[text]
		if !r.spend(len(found)) {
			r.nodes = append(r.nodes, found...)
		}
	}}}, nil
}

// holders lists the elements of the document by the value of an attribute.
func (r *run) holders(name int32) map[string][]ref {
	if held, ok := r.held[name]; ok {
		return held
	}
	held := make(map[string][]ref)
	for i := range r.attrs {
		if a := &r.attrs[i]; a.name == name {
			v := a.node.Value()
			r.budget -= 2 + len(v)>>5
			held[trim(v)] = append(held[trim(v)], ref(a.owner))
		}
	}
	if r.held == nil {
		r.held = make(map[int32]map[string][]ref)
	}
	r.held[name] = held
	return held
}
