package capture

import (
	"slices"
	"strings"

	"oncegate/mapping/yamldoc"
)

// A Kind says what becomes of a text.
type Kind string

// The kinds of replacement.
const (
	Mask         Kind = "mask" // letters become x and digits 0; what no rule names
	Keep         Kind = "keep" // codes and the like, which name nobody
	Drop         Kind = "drop" // nothing is left
	FamilyName   Kind = "family-name"
	GivenName    Kind = "given-name"
	Organisation Kind = "organisation"
	Identifier   Kind = "identifier" // letters stay letters, digits stay digits
	Date         Kind = "date"       // moved by days; a part that is missing stays missing
)

func kinds() []string {
	return []string{string(Mask), string(Keep), string(Drop), string(FamilyName), string(GivenName), string(Organisation), string(Identifier), string(Date)}
}

// Rules say what becomes of each text of an answer. The zero Rules mask everything.
type Rules struct{ rules []rule }

type rule struct {
	path    pattern
	as      Kind
	pattern string // of a date
}

// A Step is one name on the way to a text: an element or, last, an attribute.
type Step struct {
	Space, Local string
	Attr         bool
}

// pattern is a path of names from the right: /a/b is anchored at the top.
type pattern struct {
	steps    []test
	anchored bool
}

type test struct {
	space, local string // local "*": any
	anySpace     bool
	attr         bool
}

// Parse reads the key pseudonymise: a list of {path, as, pattern}. Faults go to the
// file's Doc. Prefixes are those of the register, and use is told which are used; the
// prefix "" is the namespace of names without one.
func Parse(v yamldoc.Value, prefixes map[string]string, use func(prefix string)) *Rules {
	out := &Rules{}
	for _, item := range v.Items() {
		f := item.Fields("path", "as", "pattern", "note")
		r := rule{as: Kind(f["as"].RequiredText(item, "as")), pattern: f["pattern"].Text()}
		if r.as != "" && !slices.Contains(kinds(), string(r.as)) {
			f["as"].Fault("want one of %s", strings.Join(kinds(), ", "))
		}
		switch {
		case r.as != Date && f["pattern"].Exists():
			f["pattern"].Fault("pattern goes with as: date")
		case r.as == Date && r.pattern == "":
			r.pattern = "YYYY-MM-DD"
		case r.as == Date && !validDatePattern(r.pattern):
			f["pattern"].Fault("a pattern is made of YYYY, MM and DD, each once, such as DD.MM.YYYY")
		}
		path := f["path"].RequiredText(item, "path")
		if path != "" {
			var msg string
			if r.path, msg = parsePattern(path, prefixes, use); msg != "" {
				f["path"].Fault("%s", msg)
			}
		}
		out.rules = append(out.rules, r)
	}
	return out
}

func parsePattern(text string, prefixes map[string]string, use func(prefix string)) (pattern, string) {
	var p pattern
	switch {
	case strings.HasPrefix(text, "//"):
		text = text[2:]
	case strings.HasPrefix(text, "/"):
		p.anchored, text = true, text[1:]
	}
	parts := strings.Split(text, "/")
	for i, part := range parts {
		var t test
		part, t.attr = strings.CutPrefix(part, "@")
		if t.attr && i != len(parts)-1 {
			return p, "an attribute stands at the end of a path"
		}
		prefix, local, has := strings.Cut(part, ":")
		if !has {
			prefix, local = "", part
		}
		switch {
		case local == "" || strings.ContainsAny(local, "[]()|'\" "):
			return p, "want a path of names such as //r:Person/r:Surname or //@number; conditions are not part of it"
		case local == "*" && !has:
			t.anySpace = true
		case has || !t.attr: // attributes without a prefix have no namespace
			uri, known := prefixes[prefix]
			if has && !known {
				return p, "prefix " + prefix + " is not declared under prefixes"
			}
			use(prefix)
			t.space = uri
		}
		t.local = local
		p.steps = append(p.steps, t)
	}
	return p, ""
}

// of returns the first rule for a text that stands at path; masking without one.
func (r *Rules) of(path []Step) rule {
	if r != nil {
		for i := range r.rules {
			if r.rules[i].path.match(path) {
				return r.rules[i]
			}
		}
	}
	return rule{as: Mask}
}

func (p *pattern) match(path []Step) bool {
	n := len(p.steps)
	if n == 0 || n > len(path) || p.anchored && n != len(path) {
		return false
	}
	for i := range p.steps {
		t, s := &p.steps[i], &path[len(path)-n+i]
		if t.attr != s.Attr || t.local != "*" && t.local != s.Local || !t.anySpace && t.space != s.Space {
			return false
		}
	}
	return true
}
