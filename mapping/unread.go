package mapping

import (
	"cmp"
	"slices"
	"strings"

	"oncegate/mapping/yamldoc"
)

// An unreadRule names a part of the input that the rules leave alone on purpose.
type unreadRule struct {
	at       yamldoc.Value // of the path
	steps    []string      // local names, the last one perhaps with @; "*" is any
	anywhere bool
	why      string
}

// Unread reads what the rules of the program leave unread on purpose: a list of
// {path, why}. A path is /a/b from the top, or //a/b anywhere; it stands for what is
// below it too. Only names count, as in the report of a coverage, yet their prefixes
// must be declared.
func (p *Program) Unread(v yamldoc.Value) {
	if v.Exists() && !p.dir.readsXML() {
		v.Fault("unread is about what is read of XML")
		return
	}
	for _, item := range v.Items() {
		f := item.Fields("path", "why")
		path := f["path"].RequiredText(item, "path")
		u := unreadRule{at: f["path"], why: strings.TrimSpace(f["why"].Text())}
		if path == "" {
			continue
		}
		if u.at.Text() == "" { // a map or a list, of which RequiredText spoke
			continue
		}
		rest, found := strings.CutPrefix(path, "/")
		if !found {
			u.at.Fault("want a path from the top (/a/b) or for any place (//a/b)")
			continue
		}
		rest, u.anywhere = strings.CutPrefix(rest, "/")
		if msg := u.read(rest, p.scope); msg != "" {
			u.at.Fault("%s", msg)
			continue
		}
		p.unread = append(p.unread, u)
	}
}

func (u *unreadRule) read(path string, s *Scope) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		name, isAttr := strings.CutPrefix(part, "@")
		prefix, local, has := strings.Cut(name, ":")
		if !has {
			prefix, local = "", name
		}
		switch _, known := s.prefixes[prefix]; {
		case isAttr && i != len(parts)-1:
			return "an attribute stands at the end of a path"
		case local != "*" && !isNCName(local):
			return "want names of elements with / between them, such as /r:Person/r:Note or //@unit; conditions are not part of it"
		case has && !known:
			return "prefix \"" + prefix + "\" is not declared under prefixes"
		}
		s.Use(prefix)
		if isAttr {
			local = "@" + local
		}
		u.steps = append(u.steps, local)
	}
	return ""
}

// covers says whether a source of a coverage is meant: /a/b/@c, or /a/b/text().
func (u *unreadRule) covers(source string) bool {
	steps := strings.Split(strings.TrimPrefix(source, "/"), "/")
	if !u.anywhere {
		return startsWith(steps, u.steps)
	}
	for i := range steps {
		if startsWith(steps[i:], u.steps) {
			return true
		}
	}
	return false
}

func startsWith(steps, head []string) bool {
	if len(head) > len(steps) {
		return false
	}
	for i, want := range head {
		have, isAttr := strings.CutPrefix(steps[i], "@")
		name, wantAttr := strings.CutPrefix(want, "@")
		if isAttr != wantAttr || name != "*" && name != have {
			return false
		}
	}
	return true
}

// MeantSource is an entry of unread: how many sources it stood for, and why.
type MeantSource struct {
	Path    string `json:"path"` // as it was written
	Why     string `json:"why"`
	Sources int    `json:"sources"` // 0: stale, nothing of the inputs is unread there
	Line    int    `json:"line"`
	Col     int    `json:"col"`
}

// meant takes out of what was not read what is left alone on purpose.
func (r *CoverageReport) meant(rules []unreadRule) {
	r.Meant = make([]MeantSource, len(rules))
	for i, u := range rules {
		line, col := u.at.Place()
		r.Meant[i] = MeantSource{Path: u.at.Text(), Why: u.why, Line: line, Col: col}
	}
	r.Unread = slices.DeleteFunc(r.Unread, func(s UnreadSource) bool {
		covered := false
		for i := range rules {
			if rules[i].covers(s.Path) {
				covered = true
				r.Meant[i].Sources++
			}
		}
		if covered {
			r.Sources.All--
		}
		return covered
	})
	slices.SortStableFunc(r.Meant, func(a, b MeantSource) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col)) })
}

// Stale are the entries of unread that stood for nothing: what they name is read by
// now, or was in no input.
func (r CoverageReport) Stale() []MeantSource {
	var out []MeantSource
	for _, m := range r.Meant {
		if m.Sources == 0 {
			out = append(out, m)
		}
	}
	return out
}
