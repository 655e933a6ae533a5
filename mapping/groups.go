package mapping

import (
	"slices"
	"strings"

	"oncegate/mapping/yamldoc"
)

// A ruleGroup is rules with a name, which stand wherever a rule says use. They are
// compiled anew at every place: what they mean depends on where they stand.
type ruleGroup struct {
	at    yamldoc.Value // of its name
	rules yamldoc.Value
}

// groupMark keeps names of groups apart from prefixes and lists.
const groupMark = "group "

// Groups reads named groups of rules: {address: [rules]}. It comes before the
// programs that use them.
func (s *Scope) Groups(v yamldoc.Value) {
	for _, e := range v.Entries() {
		switch {
		case !isFieldName(e.Key):
			e.At.Fault("%q cannot be the name of a group: want letters, digits, _ and -", e.Key)
		case !e.Value.IsList():
			e.Value.Fault("want a list of rules")
		default:
			s.groups[e.Key] = &ruleGroup{e.At, e.Value}
		}
	}
}

// usesGroup tells {use: address} from a rule.
func usesGroup(item yamldoc.Value) (use yamldoc.Value, ok bool) {
	if !item.IsMap() {
		return use, false
	}
	for _, e := range item.Entries() {
		if e.Key == "use" {
			return e.Value, true
		}
	}
	return use, false
}

// use puts the rules of a group in the place of item. Their faults stand in the
// group, and name the line that used it: they may hold for this use alone.
func (c *ruleCompiler) use(item, use yamldoc.Value, depth int) []*rule {
	name := item.Fields("use", "note")["use"].RequiredText(item, "use")
	g, ok := c.scope.groups[name]
	c.scope.used[groupMark+name] = true
	switch {
	case name == "":
		return nil
	case !ok:
		use.Fault("there is no group %q under groups%s", name, yamldoc.Suggest(name, c.scope.groupNames()))
		return nil
	case slices.Contains(c.within, name):
		use.Fault("the group uses itself: %s", strings.Join(append(c.within, name), ", "))
		return nil
	}
	line, _ := use.Place()
	c.within = append(c.within, name)
	defer func() { c.within = c.within[:len(c.within)-1] }()
	var out []*rule
	use.Doc().Noted(line, func() { out = c.list(g.rules, depth) })
	return out
}

func (s *Scope) groupNames() []string {
	var out []string
	for name := range s.groups {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
