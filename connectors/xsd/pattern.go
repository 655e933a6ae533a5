package xsd

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// pattern is a regular expression of XML Schema (Datatypes appendix F), which always
// matches the whole value. Simple ones, a row of characters each out of a set, are
// matched by hand; the others become an expression of Go, whose time is linear.
type pattern struct {
	runs []run1
	re   *regexp.Regexp
	size int // of re: bounds the work of a match
}

// run1 is one set of characters with its occurrence.
type run1 struct {
	set      charSet
	ascii    [2]uint64
	min, max int
}

// Bounds of one pattern and of one match (style 20).
const (
	maxPattern     = 64 << 10
	maxPatternWork = 1 << 28
	maxRepeat      = 1000 // of Go's regular expressions
	maxProgram     = 100_000
	maxGroups      = 100
)

func (p *pattern) match(s string) bool {
	if p.re != nil {
		return len(s) <= maxPatternWork/(p.size+1) && p.re.MatchString(s)
	}
	at := 0
	for i := range p.runs {
		r := &p.runs[i]
		n := 0
		for at < len(s) && (n < r.max || r.max == unbounded) {
			if c := s[at]; c < utf8.RuneSelf {
				if r.ascii[c>>6]&(1<<(c&63)) == 0 {
					break
				}
				at++
			} else {
				c, size := utf8.DecodeRuneInString(s[at:])
				if !r.set.has(c) {
					break
				}
				at += size
			}
			n++
		}
		if n < r.min {
			return false
		}
	}
	return at == len(s)
}

// piece is an atom with its occurrence: a set or a group of branches.
type piece struct {
	set      charSet
	group    [][]piece
	isGroup  bool
	min, max int
}

func compilePattern(text string) (*pattern, error) {
	if len(text) > maxPattern {
		return nil, fmt.Errorf("longer than %d bytes", maxPattern)
	}
	r := &patternReader{s: text}
	branches, err := r.branches(0)
	if err != nil {
		return nil, err
	}
	if r.at != len(text) {
		return nil, r.fail("an unexpected )")
	}
	if runs, ok := rows(branches); ok {
		return &pattern{runs: runs}, nil
	}
	var b strings.Builder
	size := 0
	b.WriteString(`\A(?:`)
	if err := write(&b, branches, &size, 1); err != nil {
		return nil, err
	}
	b.WriteString(`)\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, errors.New("too large")
	}
	return &pattern{re: re, size: size}, nil
}

// rows says whether a pattern is a row of sets that one reading from left to right
// decides: what may repeat shares no character with what follows.
func rows(branches [][]piece) ([]run1, bool) {
	if len(branches) != 1 {
		return nil, false
	}
	var out []run1
	for _, p := range branches[0] {
		for p.isGroup {
			if len(p.group) != 1 || len(p.group[0]) != 1 {
				return nil, false
			}
			inner := p.group[0][0]
			switch {
			case inner.min == 1 && inner.max == 1:
				inner.min, inner.max = p.min, p.max
			case p.min != 1 || p.max != 1:
				return nil, false
			}
			p = inner
		}
		r := run1{set: p.set, min: p.min, max: p.max}
		for c := range rune(utf8.RuneSelf) {
			if p.set.has(c) {
				r.ascii[c>>6] |= 1 << (c & 63)
			}
		}
		out = append(out, r)
	}
	for i := range out {
		if out[i].min == out[i].max {
			continue
		}
		for j := i + 1; j < len(out); j++ {
			if out[i].set.meets(out[j].set) {
				return nil, false
			}
			if out[j].min > 0 {
				break
			}
		}
	}
	return out, true
}

// write says a pattern in the syntax of Go.
func write(b *strings.Builder, branches [][]piece, size *int, times int) error {
	for i, branch := range branches {
		if i > 0 {
			b.WriteByte('|')
		}
		for _, p := range branch {
			most := max(p.min, p.max, 1)
			if times > maxProgram/most {
				return errors.New("too many repetitions")
			}
			var atom strings.Builder
			if p.isGroup {
				atom.WriteString("(?:")
				if err := write(&atom, p.group, size, times*most); err != nil {
					return err
				}
				atom.WriteByte(')')
			} else {
				*size += times * most
				p.set.write(&atom)
			}
			if *size > maxProgram {
				return errors.New("too many repetitions")
			}
			repeat(b, atom.String(), p.min, p.max)
			if b.Len() > 4<<20 {
				return errors.New("too large")
			}
		}
	}
	return nil
}

// repeat writes an atom with its occurrence, in steps that Go accepts.
func repeat(b *strings.Builder, atom string, low, high int) {
	if low == 1 && high == 1 {
		b.WriteString(atom)
		return
	}
	for n := low; n > 0; n -= maxRepeat {
		b.WriteString(atom + "{" + strconv.Itoa(min(n, maxRepeat)) + "}")
	}
	if high == unbounded {
		b.WriteString(atom + "*")
		return
	}
	for n := high - low; n > 0; n -= maxRepeat {
		b.WriteString(atom + "{0," + strconv.Itoa(min(n, maxRepeat)) + "}")
	}
}

// patternReader reads the syntax of appendix F.
type patternReader struct {
	s  string
	at int
}

func (r *patternReader) fail(format string, args ...any) error {
	return fmt.Errorf("character %d: "+format, append([]any{utf8.RuneCountInString(r.s[:min(r.at, len(r.s))]) + 1}, args...)...)
}

func (r *patternReader) more() bool { return r.at < len(r.s) }

func (r *patternReader) next() rune {
	c, n := utf8.DecodeRuneInString(r.s[r.at:])
	r.at += n
	return c
}

func (r *patternReader) branches(depth int) ([][]piece, error) {
	if depth > maxGroups {
		return nil, r.fail("nested too deeply")
	}
	out := [][]piece{nil}
	for r.more() {
		switch r.s[r.at] {
		case ')':
			return out, nil
		case '|':
			r.at++
			out = append(out, nil)
			continue
		}
		p, err := r.piece(depth)
		if err != nil {
			return nil, err
		}
		out[len(out)-1] = append(out[len(out)-1], p)
	}
	return out, nil
}

func (r *patternReader) piece(depth int) (piece, error) {
	p := piece{min: 1, max: 1}
	var err error
	switch c := r.next(); c {
	case '(':
		p.isGroup = true
		if p.group, err = r.branches(depth + 1); err != nil {
			return p, err
		}
		if !r.more() {
			return p, r.fail("a group is not closed")
		}
		r.at++
	case '[':
		p.set, err = r.class(depth)
	case '.':
		p.set = charSet{{'\n', '\n'}, {'\r', '\r'}}.not()
	case '\\':
		p.set, _, err = r.escape()
	case '?', '*', '+', '{', '}', ']':
		r.at--
		err = r.fail("%q stands here without a meaning; write \\%c", c, c)
	default:
		p.set = charSet{{c, c}}
	}
	if err != nil {
		return p, err
	}
	return p, r.quantifier(&p)
}

func (r *patternReader) quantifier(p *piece) error {
	if !r.more() {
		return nil
	}
	switch r.s[r.at] {
	case '?':
		p.min, p.max = 0, 1
	case '*':
		p.min, p.max = 0, unbounded
	case '+':
		p.min, p.max = 1, unbounded
	case '{':
		end := strings.IndexByte(r.s[r.at:], '}')
		if end < 0 {
			return r.fail("a quantity is not closed")
		}
		low, high, ranged := strings.Cut(r.s[r.at+1:r.at+end], ",")
		n, err := strconv.ParseUint(low, 10, 24)
		if err != nil {
			return r.fail("a quantity is no number, or too large")
		}
		p.min, p.max = int(n), int(n)
		switch {
		case ranged && high == "":
			p.max = unbounded
		case ranged:
			m, err := strconv.ParseUint(high, 10, 24)
			if err != nil || m < n {
				return r.fail("a quantity is no number, too large, or runs backwards")
			}
			p.max = int(m)
		}
		r.at += end
	default:
		return nil
	}
	r.at++
	return nil
}

// class reads a character class; its [ was read.
func (r *patternReader) class(depth int) (charSet, error) {
	if depth > maxGroups {
		return nil, r.fail("nested too deeply")
	}
	negative := false
	if r.more() && r.s[r.at] == '^' {
		negative = true
		r.at++
	}
	var set charSet
	for first := true; ; first = false {
		if !r.more() {
			return nil, r.fail("a class is not closed")
		}
		switch rest := r.s[r.at:]; {
		case rest[0] == ']' && !first:
			r.at++
			set = set.tidy()
			if negative {
				set = set.not()
			}
			return set, nil
		case strings.HasPrefix(rest, "-["):
			r.at += 2
			minus, err := r.class(depth + 1)
			if err != nil {
				return nil, err
			}
			if !r.more() || r.s[r.at] != ']' {
				return nil, r.fail("a subtraction stands last in a class")
			}
			r.at++
			set = set.tidy()
			if negative {
				set = set.not()
			}
			return set.minus(minus), nil
		}
		low, one, err := r.member()
		if err != nil {
			return nil, err
		}
		if !one || !strings.HasPrefix(r.s[r.at:], "-") || strings.HasPrefix(r.s[r.at:], "-[") || strings.HasPrefix(r.s[r.at:], "-]") {
			set = append(set, low...)
			continue
		}
		r.at++
		high, one, err := r.member()
		if err != nil {
			return nil, err
		}
		if !one || high[0][0] < low[0][0] {
			return nil, r.fail("a range runs backwards or ends in a class")
		}
		set = append(set, [2]rune{low[0][0], high[0][0]})
	}
}

// member reads one character or one escape within a class; one says that it is a
// single character, which may begin or end a range.
func (r *patternReader) member() (set charSet, one bool, err error) {
	if !r.more() {
		return nil, false, r.fail("a class is not closed")
	}
	switch c := r.next(); c {
	case '\\':
		return r.escape()
	case '[', ']':
		r.at--
		return nil, false, r.fail("%q stands in a class; write \\%c", c, c)
	default:
		return charSet{{c, c}}, true, nil
	}
}

// escape reads what follows a backslash.
func (r *patternReader) escape() (set charSet, one bool, err error) {
	if !r.more() {
		return nil, false, r.fail("nothing follows the backslash")
	}
	switch c := r.next(); c {
	case 'n':
		return charSet{{'\n', '\n'}}, true, nil
	case 'r':
		return charSet{{'\r', '\r'}}, true, nil
	case 't':
		return charSet{{'\t', '\t'}}, true, nil
	case '\\', '|', '.', '?', '*', '+', '(', ')', '{', '}', '-', '[', ']', '^', '$':
		return charSet{{c, c}}, true, nil
	case 'p', 'P':
		end := strings.IndexByte(r.s[r.at:], '}')
		if !strings.HasPrefix(r.s[r.at:], "{") || end < 0 {
			return nil, false, r.fail("\\%c wants a name in braces", c)
		}
		name := r.s[r.at+1 : r.at+end]
		if set = namedSet(name); set == nil {
			return nil, false, r.fail("there is no category or block %s", shown(name))
		}
		r.at += end + 1
		if c == 'P' {
			set = set.not()
		}
		return set, false, nil
	default:
		if set := multiEscape(c); set != nil {
			return set, false, nil
		}
		return nil, false, r.fail("\\%c means nothing", c)
	}
}
