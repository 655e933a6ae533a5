package mapping

import (
	"maps"
	"slices"
	"strings"

	"oncegate/mapping/yamldoc"
)

// codeList translates codes of a register into codes of ours.
type codeList struct {
	name     string
	forward  map[string]string // by key
	backward map[string]string
	twice    map[string]bool // targets that several codes lead to
	fold     bool            // case does not count
	own      []ownCode       // those that the file itself names
	at       yamldoc.Value   // of its name
}

type ownCode struct {
	code string
	at   yamldoc.Value
}

// anyCode is the key for codes that a list does not name.
const anyCode = "*"

// listMark keeps names of lists apart from prefixes, which hold no space.
const listMark = "list "

func (l *codeList) key(code string) string {
	if l.fold {
		return foldCode(code)
	}
	return code
}

// foldCode makes codes equal that differ in case only.
func foldCode(code string) string { return strings.ToLower(strings.ToUpper(code)) }

func (l *codeList) find(code string, reverse bool) (string, bool) {
	if reverse {
		to, ok := l.backward[code]
		return to, ok
	}
	to, ok := l.forward[l.key(code)]
	return to, ok
}

func (l *codeList) add(code, to string) {
	l.forward[l.key(code)] = to
	if code == anyCode {
		return
	}
	if _, dup := l.backward[to]; dup {
		l.twice[to] = true
		return
	}
	l.backward[to] = code
}

// readList reads one code list: codes and what they mean, or the long form with
// a published list (use), codes beside it (codes) and case.
func readList(e yamldoc.Entry) *codeList {
	l := &codeList{name: e.Key, at: e.At, forward: map[string]string{}, backward: map[string]string{}, twice: map[string]bool{}}
	codes := e.Value
	if long(e.Value) {
		f := e.Value.Fields("use", "codes", "case", "note")
		codes = f["codes"]
		l.fold = f["case"].Word("exact", "ignore") == "ignore"
		if f["use"].Exists() {
			l.publish(f["use"])
		}
	}
	for _, c := range codes.Entries() {
		to := c.Value.Text()
		if _, dup := l.forward[l.key(c.Key)]; dup && !l.ownsNot(c.Key) {
			c.At.Fault("%q stands twice when case does not count", c.Key)
		}
		l.add(c.Key, to)
		l.own = append(l.own, ownCode{c.Key, c.At})
	}
	if len(l.forward) == 0 {
		e.At.Fault("code list %q is empty", e.Key)
	}
	return l
}

// ownsNot says that the file has not named the code so far: it may then replace
// what a published list says.
func (l *codeList) ownsNot(code string) bool {
	return !slices.ContainsFunc(l.own, func(o ownCode) bool { return l.key(o.code) == l.key(code) })
}

// long tells the long form of a list: a code that is called use or codes can
// only be written in it.
func long(v yamldoc.Value) bool {
	if !v.IsMap() {
		return false
	}
	for _, e := range v.Entries() {
		if e.Key == "use" || e.Key == "codes" && e.Value.IsMap() {
			return true
		}
	}
	return false
}

func (l *codeList) publish(use yamldoc.Value) {
	p, ok := publishedTable()[use.Text()]
	if !ok {
		use.Fault("there is no published list %q; there are %s", use.Text(), strings.Join(slices.Sorted(maps.Keys(publishedTable())), ", "))
		return
	}
	l.fold = l.fold || p.fold
	for code, to := range p.codes() {
		l.forward[l.key(code)] = to
		if before, dup := l.backward[to]; dup && before != code {
			l.twice[to] = true
		}
		l.backward[to] = code
	}
}
