package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"oncegate/mapping/yamldoc"
)

// Severity says how much a finding matters.
type Severity string

// The severities. An error is a mapping that cannot do what it says.
const (
	LintError   Severity = "error"
	LintWarning Severity = "warning"
	LintHint    Severity = "hint"
)

// A LintRule is one of the closed set of things that Lint looks for.
type LintRule struct {
	Name     string
	Severity Severity
	Doc      string // what is found
	Remedy   string // what to do
	Sample   string // keys of a mapping that has it
}

// A Finding is one thing that Lint found, at its place.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Remedy   string   `json:"remedy"`
	File     string   `json:"file"`
	Line     int      `json:"line"`
	Col      int      `json:"col"`

	at *Error
}

// Render is the form for a terminal: place, severity, rule and message, the
// source line with a caret, and the remedy.
func (f Finding) Render() string {
	e := *f.at
	e.Msg = fmt.Sprintf("%s: %s (%s)", f.Severity, f.Message, f.Rule)
	return e.Render() + "      = " + f.Remedy + "\n"
}

// Names of the rules.
const (
	lintUnusedPrefix   = "unused-prefix"
	lintUnusedList     = "unused-list"
	lintNoPolicy       = "no-policy"
	lintIdlePolicy     = "idle-policy"
	lintUnreachable    = "unreachable"
	lintConstantWhen   = "constant-condition"
	lintUnknownTarget  = "unknown-target"
	lintSearch         = "search"
	lintConstantPerson = "constant-person"
	lintConstantKeeps  = "constant-keeps"
	lintTwice          = "written-twice"
	lintUpperCase      = "case-in-list"
	lintUnusedGroup    = "unused-group"
	lintNoWhy          = "unread-without-why"
)

// LintRules is the whole set.
func LintRules() []LintRule {
	return []LintRule{
		{lintUnusedPrefix, LintWarning, "A prefix is declared and no path or target uses it.", "remove it, or use it where it was forgotten",
			"prefixes: {x: 'urn:x'}\nrules: [{to: a, from: b}]"},
		{lintUnusedList, LintWarning, "A code list that no rule looks anything up in.", "remove it, or add lookup to the rule",
			"code_lists: {sex: {M: male}}\nrules: [{to: sex, from: Sex}]"},
		{lintNoPolicy, LintHint, "A lookup does not say what follows from a code that the list does not name; one such code makes the whole record fail.", "say unmapped: fail, omit or keep, or give the list a *",
			"code_lists: {sex: {M: male}}\nrules: [{to: sex, from: Sex, lookup: sex}]"},
		{lintIdlePolicy, LintWarning, "unmapped stands beside a list with *, which names every code: it never counts.", "remove unmapped, or the * of the list",
			"code_lists: {sex: {M: male, '*': not-stated}}\nrules: [{to: sex, from: Sex, lookup: sex, unmapped: omit}]"},
		{lintUnreachable, LintWarning, "An earlier rule for the same field always yields first.", "change the order, or the conditions",
			"rules:\n  - {to: a, from: b, when: \"c = 'x'\", default: none}\n  - {to: a, from: d, when: \"c = 'x'\"}"},
		{lintConstantWhen, LintWarning, "A condition reads nothing of the input: it is always true or always false.", "read something in it, or remove when",
			"rules: [{to: a, from: b, when: \"'c'\"}]"},
		{lintUnknownTarget, LintError, "The canonical record has no such field.", "see the schema of the record for the name",
			"rules: [{to: nowhere, from: b}]"},
		{lintSearch, LintHint, "// looks at every element below, and finds what stands at places that nobody thought of.", "write the path",
			"rules: [{to: a, from: //b}]"},
		{lintConstantPerson, LintWarning, "A constant looks like something about one person: a long number or an address of electronic mail.", "take it from the input; a mapping is no place for data of people",
			"rules: [{to: a, value: '19940317123'}]"},
		{lintConstantKeeps, LintHint, "Fields of a record that is named by its path alone (place.country) hold a constant without condition, so the record is made even when the input has nothing for it.", "put the fields under rules of the record, or give the constant a condition (when)",
			"rules:\n  - {to: place.country, value: SI}\n  - {to: place.town, from: b}"},
		{lintTwice, LintError, "Two rules without condition write the same attribute or text: the second one ends in a fault.", "give the first a condition (when), or remove one",
			"direction: value-to-xml\nrules:\n  - to: r\n    rules:\n      - {to: '@a', from: b}\n      - {to: '@a', from: c}"},
		{lintUpperCase, LintHint, "A code list names the same code in two cases.", "say case: ignore and name it once",
			"code_lists: {sex: {M: male, m: male}}\nrules: [{to: sex, from: Sex, lookup: sex, unmapped: omit}]"},
		{lintUnusedGroup, LintWarning, "A group of rules that no rule uses; it is not even checked.", "remove it, or use it",
			"groups: {place: [{to: town, from: b}]}\nrules: [{to: a, from: b}]"},
		{lintNoWhy, LintWarning, "A part of the input is left unread on purpose and nobody says why.", "write why, for the next reader",
			"unread: [{path: /a/c}]\nrules: [{to: a, from: b}]"},
	}
}

type linter struct {
	rules map[string]LintRule
	found []Finding
}

func newLinter() *linter {
	l := &linter{rules: map[string]LintRule{}}
	for _, r := range LintRules() {
		l.rules[r.Name] = r
	}
	return l
}

func (l *linter) add(rule string, at yamldoc.Value, offset int, format string, args ...any) {
	r, e := l.rules[rule], at.ErrorAt(offset, fmt.Sprintf(format, args...))
	l.found = append(l.found, Finding{r.Name, r.Severity, e.Msg, r.Remedy, e.File, e.Line, e.Col, e})
}

// Lint reads a mapping file and says what is doubtful in it. The error is Errors
// of a file that cannot be compiled. known says whether the record has a field
// (people[].name); nil when nobody knows.
func Lint(file string, text []byte, known func(path string) bool) ([]Finding, error) {
	p, err := Compile(file, text)
	if err != nil {
		return nil, err
	}
	return p.scope.Lint(func(_ *Program, path string) bool { return known == nil || known(path) }), nil
}

// EachTarget calls f with the place of every field that the rules of a record write,
// and with a way to refuse it there.
func (p *Program) EachTarget(f func(path string, refuse func(format string, args ...any))) {
	var walk func(rules []*rule, outer string)
	walk = func(rules []*rule, outer string) {
		for _, r := range rules {
			f(outer+r.name, r.at.Fault)
			walk(r.rules, outer+r.name+".")
		}
	}
	walk(p.rules, "")
}

// Scope is what the program was compiled in.
func (p *Program) Scope() *Scope { return p.scope }

// Lint says what is doubtful in everything that was compiled in the scope, in the
// order of the file. known says whether the value that a program makes may have a
// field; nil when nobody knows. The scope must have no faults.
func (s *Scope) Lint(known func(p *Program, path string) bool) []Finding {
	l := newLinter()
	for _, e := range s.declared {
		if !s.used[e.Key] {
			l.add(lintUnusedPrefix, e.At, 0, "prefix %q is not used", e.Key)
		}
	}
	for name, list := range s.lists {
		if !s.used[listMark+name] {
			l.add(lintUnusedList, list.at, 0, "code list %q is not used", name)
		}
		l.cases(list)
	}
	for name, g := range s.groups {
		if !s.used[groupMark+name] {
			l.add(lintUnusedGroup, g.at, 0, "group %q is not used", name)
		}
	}
	for _, e := range s.exprs {
		walkExpr(e.e, func(x expr) {
			p, ok := x.(*path)
			if ok && slices.ContainsFunc(p.steps, func(s step) bool { return s.deep }) {
				l.add(lintSearch, e.at, p.at, "this path searches all elements below")
			}
		})
	}
	for _, p := range s.programs {
		var ask func(string) bool
		if known != nil && !p.dir.makesXML() {
			ask = func(path string) bool { return known(p, path) }
		}
		l.list(p, p.rules, "", ask)
		for _, u := range p.unread {
			if u.why == "" {
				l.add(lintNoWhy, u.at, 0, "nothing is said about why %s is not read", u.at.Text())
			}
		}
	}
	slices.SortStableFunc(l.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Rule, b.Rule))
	})
	// The rules of a group were looked at once for each use.
	return slices.CompactFunc(l.found, func(a, b Finding) bool {
		return a.Rule == b.Rule && a.File == b.File && a.Line == b.Line && a.Col == b.Col
	})
}

func (l *linter) cases(list *codeList) {
	if list.fold {
		return
	}
	seen := map[string]bool{}
	for _, own := range list.own {
		key := foldCode(own.code)
		if seen[key] {
			l.add(lintUpperCase, own.at, 0, "code %q stands in two cases", own.code)
		}
		seen[key] = true
	}
}

func (l *linter) list(p *Program, rules []*rule, outer string, known func(string) bool) {
	l.keeps(p, rules)
	before := map[string][]*rule{}
	for _, r := range rules {
		l.rule(p, r, outer+r.name, known)
		for _, e := range before[r.name] {
			l.second(p, e, r)
		}
		before[r.name] = append(before[r.name], r)
		if r.nested {
			l.list(p, r.rules, outer+r.name+".", known)
		}
	}
}

func (l *linter) rule(p *Program, r *rule, path string, known func(string) bool) {
	if known != nil && !known(path) {
		l.add(lintUnknownTarget, r.at, 0, "the record has no field %s", path)
	}
	if r.list != nil {
		_, all := r.list.forward[anyCode]
		switch all = all && !r.reverse; {
		case all && r.policy:
			l.add(lintIdlePolicy, r.listAt, 0, "code list %q names every code", r.list.name)
		case !all && !r.policy:
			l.add(lintNoPolicy, r.listAt, 0, "nothing is said about codes that %q does not name", r.list.name)
		}
	}
	if r.when != nil && constant(r.when.e) {
		l.add(lintConstantWhen, r.when.at, 0, "this condition reads nothing of the input")
	}
	for _, text := range []string{r.literal, r.fallback} {
		if personal(text) {
			l.add(lintConstantPerson, r.at, 0, "the constant for %s looks like data of a person", r.name)
		}
	}
}

// keeps finds a constant that makes a record on its own: one that is named by the path
// of a field, beside fields that come from the input.
func (l *linter) keeps(p *Program, rules []*rule) {
	if !p.dir.readsXML() {
		return
	}
	parent := func(r *rule) string { return strings.Join(r.target.fields[:len(r.target.fields)-1], ".") }
	reads := map[string]bool{}
	for _, r := range rules {
		if len(r.target.fields) > 1 && !r.constant {
			reads[parent(r)] = true
		}
	}
	for _, r := range rules {
		if len(r.target.fields) > 1 && r.constant && !r.nested && reads[parent(r)] {
			l.add(lintConstantKeeps, r.at, 0, "%s is made even when the input has nothing for it", parent(r))
		}
	}
}

// second judges two rules of one place.
func (l *linter) second(p *Program, first, then *rule) {
	if first.nested || then.nested || first.each != nil || then.each != nil || first.target.append {
		return
	}
	if p.dir.makesXML() {
		if (then.target.attr != nil || len(then.target.steps) == 0) && first.when == nil && then.when == nil {
			l.add(lintTwice, then.at, 0, "%s is written by the rule in line %d already", then.name, lineOf(first))
		}
		return
	}
	always := first.hasLiteral || first.hasFallback || first.required
	if always && first.when != nil && then.when != nil && strings.TrimSpace(first.when.at.Text()) == strings.TrimSpace(then.when.at.Text()) {
		l.add(lintUnreachable, then.at, 0, "the rule in line %d always comes first", lineOf(first))
	}
}

func lineOf(r *rule) int {
	line, _ := r.at.Place()
	return line
}

// constant says that an expression reads nothing.
func constant(e expr) bool {
	reads := false
	walkExpr(e, func(x expr) {
		if _, ok := x.(*path); ok {
			reads = true
		}
	})
	return !reads
}

// personal is a guess: seven digits in a row, or a sign of electronic mail
// between letters.
func personal(text string) bool {
	digits := 0
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			digits = 0
		} else if digits++; digits == 7 {
			return true
		}
	}
	user, host, ok := strings.Cut(text, "@")
	return ok && user != "" && strings.Contains(host, ".") && !strings.ContainsAny(text, " /")
}
