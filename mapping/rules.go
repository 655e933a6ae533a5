package mapping

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"oncegate/mapping/yamldoc"
)

// Error is one fault of a mapping, or of an input under a mapping, at the place
// of the rule that speaks of it.
type Error = yamldoc.Error

// Errors are all faults of one compilation or one run.
type Errors = yamldoc.Errors

// Direction says what a program turns into what.
type Direction int

// The directions.
const (
	XMLToValue Direction = iota + 1
	ValueToXML
	ValueToValue
)

func (d Direction) readsXML() bool { return d == XMLToValue }
func (d Direction) makesXML() bool { return d == ValueToXML }

// directions are their names in files; the first is what a missing key means.
var directions = []string{"xml-to-value", "value-to-xml", "value-to-value"}

// String is the name that files use.
func (d Direction) String() string {
	if d < 1 || int(d) > len(directions) {
		return "unset"
	}
	return directions[d-1]
}

// Direction says what the program makes of what.
func (p *Program) Direction() Direction { return p.dir }

// Limits of one program.
const (
	maxRules     = 5000
	maxRuleDepth = 16
)

// APIVersion is the version of the language that files name.
const APIVersion = "oncegate/v1"

// Compile reads a mapping file. All its faults are reported at once, as Errors.
func Compile(file string, text []byte) (*Program, error) {
	doc, root := yamldoc.Parse(file, text)
	f := root.Fields("apiVersion", "kind", "name", "title", "direction", "prefixes", "code_lists", "groups", "rules", "unread")
	var p *Program
	if root.Exists() {
		f["apiVersion"].RequiredText(root, "apiVersion")
		f["apiVersion"].Word(APIVersion)
		f["kind"].RequiredText(root, "kind")
		f["kind"].Word("Mapping")
		f["title"].Text()
		f["direction"].RequiredText(root, "direction")
		dir := Direction(1 + slices.Index(directions, f["direction"].Word(directions...)))
		scope := NewScope(f["prefixes"], f["code_lists"])
		scope.Groups(f["groups"])
		if !f["rules"].Exists() {
			root.Fault("missing key %q", "rules")
		}
		p = scope.Program(f["rules"], dir)
		p.Unread(f["unread"])
		p.Name = f["name"].RequiredText(root, "name")
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return p, nil
}

// Scope is what several programs and expressions of one file share: prefixes
// and code lists. Faults go to the file's Doc.
type Scope struct {
	prefixes map[string]string
	lists    map[string]*codeList
	groups   map[string]*ruleGroup
	names    *names
	pool     sync.Pool // of *machine

	// What was compiled, for Lint.
	declared []yamldoc.Entry // prefixes
	used     map[string]bool // prefixes, and code lists and groups after their marks
	programs []*Program
	exprs    []*Expr
}

// NewScope reads prefixes and code lists; either may be missing.
func NewScope(prefixes, lists yamldoc.Value) *Scope {
	s := &Scope{prefixes: map[string]string{"xml": xmlNamespace}, lists: map[string]*codeList{}, groups: map[string]*ruleGroup{}, names: newNames(), used: map[string]bool{}}
	for _, e := range prefixes.Entries() {
		uri := e.Value.Text()
		switch {
		case e.Key == "xml":
			e.At.Fault("the prefix xml is known without a declaration")
		case e.Key != "" && !isNCName(e.Key):
			e.At.Fault("%q cannot be a prefix", e.Key)
		case uri == "":
			e.At.Fault("prefix %q needs a namespace", e.Key)
		default:
			s.prefixes[e.Key] = uri
			s.declared = append(s.declared, e)
		}
	}
	for _, e := range lists.Entries() {
		s.lists[e.Key] = readList(e)
	}
	return s
}

// xmlNamespace is bound to the prefix xml by Namespaces in XML 1.0, section 3.
const xmlNamespace = "http://www.w3.org/XML/1998/namespace"

// Use says that a prefix is used outside any rule.
func (s *Scope) Use(prefix string) { s.used[prefix] = true }

// Prefixes are the prefixes and their namespaces.
func (s *Scope) Prefixes() map[string]string { return s.prefixes }

// Expr is one expression on its own, for those who ask questions of an input
// beside the rules of a program.
type Expr struct {
	e  expr
	at yamldoc.Value
}

// Expr compiles an expression over XML; nil when it is missing or faulty. With
// TypeNodes it must be a path.
func (s *Scope) Expr(v yamldoc.Value, want Type) *Expr {
	return s.expr(v, want, XMLToValue)
}

func (s *Scope) expr(v yamldoc.Value, want Type, dir Direction) *Expr {
	if !v.Exists() {
		return nil
	}
	if !v.IsText() {
		v.Fault("want an expression")
		return nil
	}
	g := &grammar{names: s.names, prefixes: s.prefixes, used: s.used, xml: dir.readsXML()}
	e, fault := g.parseExpr(v.Text())
	switch {
	case fault != nil:
		v.FaultAt(fault.at, "%s", fault.msg)
		return nil
	case want == TypeNodes && e.typ() != TypeNodes:
		v.FaultAt(e.offset(), "want a path")
		return nil
	}
	out := &Expr{e: e, at: v}
	s.exprs = append(s.exprs, out)
	return out
}

// rule is one compiled rule.
type rule struct {
	at     yamldoc.Value // of its target
	name   string        // its target as written
	target target

	from, each, when *Expr
	literal          string
	hasLiteral       bool
	fallback         string
	hasFallback      bool
	required         bool
	itemNeeds        bool // required: item
	constant         bool // what it writes, with all within it, tells nothing of the input
	constants        bool // nested: so do all rules within it
	keepEmpty        bool
	secret           string // its name, where from is secret()
	as               string
	list             *codeList
	listAt           yamldoc.Value
	reverse          bool
	unmapped         string
	policy           bool // unmapped was written
	rules            []*rule
	nested           bool

	slots []int32 // of the fields of the target (shape.go)
	shape *shape  // of the record that a nested rule makes
}

// target is where a rule writes to.
type target struct {
	fields []string // of a value
	append bool     // name[]: one more item of a list
	steps  []Name   // of XML: elements
	attr   *Name    // of XML: the attribute of the last step
}

type ruleCompiler struct {
	scope   *Scope
	dir     Direction
	count   int
	secrets bool     // the rules may name secrets
	within  []string // groups being used
}

// Program compiles a list of rules. Faults go to the file's Doc; the program
// must not be run when there are any.
func (s *Scope) Program(rules yamldoc.Value, dir Direction) *Program {
	return s.program(rules, dir, false)
}

func (s *Scope) program(rules yamldoc.Value, dir Direction, secrets bool) *Program {
	c := &ruleCompiler{scope: s, dir: dir, secrets: secrets}
	p := &Program{scope: s, dir: dir, rules: c.list(rules, 0)}
	if dir.makesXML() {
		c.checkRoot(p.rules)
	} else {
		c.checkFields(p.rules)
		p.shape = shapeOf(p.rules)
		p.shape.ofReply = dir.readsXML()
	}
	p.visit(func(r *rule) {
		if r.secret != "" && !slices.Contains(p.secrets, r.secret) {
			p.secrets = append(p.secrets, r.secret)
		}
	})
	s.programs = append(s.programs, p)
	return p
}

func (c *ruleCompiler) list(v yamldoc.Value, depth int) []*rule {
	if depth > maxRuleDepth {
		v.Fault("rules are nested deeper than %d levels", maxRuleDepth)
		return nil
	}
	items := v.Items()
	if v.IsList() && len(items) == 0 {
		v.Fault("the list of rules is empty")
	}
	out := make([]*rule, 0, len(items))
	for _, item := range items {
		if c.count++; c.count > maxRules {
			item.Fault("more than %d rules", maxRules)
			return out
		}
		if use, ok := usesGroup(item); ok {
			out = append(out, c.use(item, use, depth)...)
		} else if r := c.rule(item, depth); r != nil {
			out = append(out, r)
		}
	}
	return out
}

func (c *ruleCompiler) rule(v yamldoc.Value, depth int) *rule {
	if !v.IsMap() {
		v.Fault("a rule is a map such as {to: ..., from: ...}")
		return nil
	}
	f := v.Fields("to", "from", "value", "each", "when", "default", "required", "empty", "as", "lookup", "reverse_lookup", "unmapped", "rules", "note")
	to := f["to"].RequiredText(v, "to")
	r := &rule{at: f["to"], name: to}
	if to == "" {
		return nil
	}
	r.target = c.target(f["to"])
	if name, ok := secretCall(f["from"].Text()); ok && c.secrets && !f["rules"].Exists() {
		r.secret = name
	} else {
		r.from = c.scope.expr(f["from"], fromType(f["rules"].Exists()), c.dir)
	}
	r.each = c.scope.expr(f["each"], TypeNodes, c.dir)
	r.when = c.scope.expr(f["when"], TypeBool, c.dir)
	r.literal, r.hasLiteral = f["value"].Text(), f["value"].Exists()
	r.fallback, r.hasFallback = f["default"].Text(), f["default"].Exists()
	if r.itemNeeds = f["required"].IsText() && f["required"].Text() == "item"; r.itemNeeds && depth == 0 {
		f["required"].Fault("item stands in the rules of a record or an element, which is left out without this field; here is none around it")
	}
	r.required = !r.itemNeeds && f["required"].Bool()
	r.keepEmpty = f["empty"].Word("omit", "keep") == "keep"
	r.as = f["as"].Word("text", "integer", "number", "boolean")
	r.policy = f["unmapped"].Exists()
	r.unmapped = f["unmapped"].Word("fail", "omit", "keep")
	if f["rules"].Exists() {
		r.nested = true
		r.rules = c.list(f["rules"], depth+1)
		if !c.dir.makesXML() {
			c.checkFields(r.rules)
		}
	}
	r.constants = r.nested && !slices.ContainsFunc(r.rules, func(inner *rule) bool { return !inner.constant })
	r.constant = (r.constants || r.hasLiteral) && r.when == nil && r.each == nil && r.from == nil
	c.lookup(r, f)
	c.consistent(r, v, f)
	c.secret(r, f)
	return r
}

func fromType(nested bool) Type {
	if nested {
		return TypeNodes
	}
	return TypeText
}

func (c *ruleCompiler) lookup(r *rule, f map[string]yamldoc.Value) {
	key := f["lookup"]
	if f["reverse_lookup"].Exists() {
		r.reverse = true
		if key.Exists() {
			key.Fault("lookup and reverse_lookup exclude each other")
		}
		key = f["reverse_lookup"]
	}
	if !key.Exists() {
		if f["unmapped"].Exists() {
			f["unmapped"].Fault("unmapped needs a lookup")
		}
		return
	}
	list, ok := c.scope.lists[key.Text()]
	c.scope.used[listMark+key.Text()] = true
	if !ok {
		key.Fault("there is no code list %q under code_lists", key.Text())
		return
	}
	for to := range list.twice {
		if r.reverse {
			key.Fault("code list %q cannot be reversed: several codes mean %q", list.name, to)
			break
		}
	}
	r.list, r.listAt = list, key
}

// consistent refuses keys that make no sense together.
func (c *ruleCompiler) consistent(r *rule, v yamldoc.Value, f map[string]yamldoc.Value) {
	refuse := func(key, why string) {
		if f[key].Exists() {
			f[key].Fault("%s %s", key, why)
		}
	}
	switch {
	case r.nested:
		for _, key := range []string{"value", "default", "as", "lookup", "reverse_lookup", "unmapped"} {
			refuse(key, "does not go with rules")
		}
		if r.target.attr != nil {
			r.at.Fault("an attribute cannot hold rules")
		}
		if f["each"].Exists() {
			refuse("from", "does not go with each and rules")
		}
	case !f["from"].Exists() && !f["value"].Exists() && !f["each"].Exists():
		v.Fault("a rule needs one of from, value, each, rules")
	case f["value"].Exists():
		for _, key := range []string{"from", "each", "default", "required", "lookup", "reverse_lookup"} {
			refuse(key, "does not go with value")
		}
		if r.as != "text" {
			if _, err := typed(r.literal, r.as); err != nil {
				f["value"].Fault("%s", err)
			}
		}
	}
	if r.hasFallback && r.as != "text" {
		if _, err := typed(r.fallback, r.as); err != nil {
			f["default"].Fault("%s", err)
		}
	}
	if r.hasFallback && (r.required || r.itemNeeds) {
		f["default"].Fault("a field with a default cannot be required")
	}
	if c.dir.makesXML() {
		refuse("as", "is for values; XML holds text only")
		if r.each != nil && (r.target.attr != nil || len(r.target.steps) == 0) {
			r.at.Fault("each repeats an element; name one")
		}
	} else if r.each != nil && !r.target.append {
		r.at.Fault("each makes a list: write %s[]", r.name)
	}
}

// target reads what a rule writes to.
func (c *ruleCompiler) target(v yamldoc.Value) target {
	text := v.Text()
	if !c.dir.makesXML() {
		return fieldTarget(v, text)
	}
	var t target
	if text == "." {
		return t
	}
	offset := 0
	for step := range strings.SplitSeq(text, "/") {
		if t.attr != nil {
			v.FaultAt(offset, "nothing stands below an attribute")
			break
		}
		name, isAttr := strings.CutPrefix(step, "@")
		n, msg := c.xmlName(name, isAttr)
		if msg != "" {
			v.FaultAt(offset, "%s", msg)
			break
		}
		if isAttr {
			t.attr = &n
		} else {
			t.steps = append(t.steps, n)
		}
		offset += len(step) + 1
	}
	return t
}

func (c *ruleCompiler) xmlName(text string, isAttr bool) (Name, string) {
	prefix, local, has := strings.Cut(text, ":")
	if !has {
		prefix, local = "", text
	}
	if !isNCName(local) || has && !isNCName(prefix) {
		return Name{}, fmt.Sprintf("%q is not a name: want element/element/@attribute", text)
	}
	n := Name{Prefix: prefix, Local: local}
	if !has && isAttr {
		return n, ""
	}
	space, known := c.scope.prefixes[prefix]
	c.scope.used[prefix] = true
	if !known && has {
		return n, fmt.Sprintf("prefix %q is not declared under prefixes", prefix)
	}
	n.Space = space
	return n, ""
}

func fieldTarget(v yamldoc.Value, text string) target {
	var t target
	text, t.append = strings.CutSuffix(text, "[]")
	offset := 0
	for field := range strings.SplitSeq(text, ".") {
		if !isFieldName(field) {
			v.FaultAt(offset, "%q is not the name of a field: want letters, digits and _, with . between and [] at the end for a list", field)
			break
		}
		t.fields = append(t.fields, field)
		offset += len(field) + 1
	}
	return t
}

func isFieldName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && (c >= '0' && c <= '9' || c == '-')) {
			return false
		}
	}
	return s != ""
}

func isNCName(s string) bool {
	for i, r := range s {
		if !isNameRune(r, i == 0) {
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}

// checkFields refuses targets that get in each other's way.
func (c *ruleCompiler) checkFields(rules []*rule) {
	type use struct {
		line  int
		shape string
		open  bool // a later rule may set it too: the earlier one has a condition
	}
	seen := map[string]use{}
	for _, r := range rules {
		shape := "a text"
		switch {
		case r.target.append:
			shape = "a list"
		case r.nested:
			shape = "a record"
		}
		line, _ := r.at.Place()
		full := strings.Join(r.target.fields, ".")
		for i := 1; i < len(r.target.fields); i++ {
			parent := strings.Join(r.target.fields[:i], ".")
			if u, ok := seen[parent]; ok && u.shape != "a record" {
				r.at.Fault("%s is %s by the rule in line %d and cannot hold fields", parent, u.shape, u.line)
			} else if !ok {
				seen[parent] = use{line, "a record", true}
			}
		}
		u, ok := seen[full]
		switch {
		case ok && u.shape != shape:
			r.at.Fault("%s is %s by the rule in line %d", full, u.shape, u.line)
		case ok && shape == "a text" && !u.open:
			r.at.Fault("%s is set by the rule in line %d already; give that rule a condition (when)", full, u.line)
		}
		seen[full] = use{line, shape, r.when != nil}
	}
}

// checkRoot wants one outermost element.
func (c *ruleCompiler) checkRoot(rules []*rule) {
	var root *Name
	for _, r := range rules {
		if len(r.target.steps) == 0 {
			r.at.Fault("the outermost rules name the root element first")
			continue
		}
		first := r.target.steps[0]
		switch {
		case root == nil:
			root = &first
		case root.Space != first.Space || root.Local != first.Local:
			r.at.Fault("a document has one root element, and it is %s", root.Local)
		}
		if r.each != nil && len(r.target.steps) == 1 {
			r.at.Fault("the root element cannot be repeated")
		}
	}
}
