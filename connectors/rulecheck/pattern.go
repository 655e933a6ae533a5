package rulecheck

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"unicode/utf8"
)

// A pattern is a regular expression (RE2) that finds, as XPath matches() does. Most are
// small and speak ASCII: they become tables that take a step per byte. What does not
// fit, and text beyond ASCII, is left to package regexp.
type pattern struct {
	re      *regexp.Regexp
	classes [utf8.RuneSelf]uint8
	width   int      // number of classes
	next    []uint16 // state*width+class
	final   []bool   // found if the text ends here
}

// The two states that need no further byte.
const (
	stateFound uint16 = 0
	stateDead  uint16 = 1
)

// Bounds of a table. The widest published pattern counts to 256.
const (
	maxStates = 512
	maxInst   = 2048
)

func compilePattern(text string, fold bool) (*pattern, error) {
	flags := syntax.Perl
	if fold {
		flags |= syntax.FoldCase
	}
	tree, err := syntax.Parse(text, flags)
	if err != nil {
		return nil, err
	}
	if fold {
		text = "(?i:" + text + ")"
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	p := &pattern{re: re}
	if prog, err := syntax.Compile(tree.Simplify()); err == nil && len(prog.Inst) <= maxInst {
		p.build(prog)
	}
	return p, nil
}

func (p *pattern) match(s string) bool {
	if p.next == nil {
		return p.re.MatchString(s)
	}
	state := uint16(2)
	for i := range len(s) {
		c := s[i]
		if c >= utf8.RuneSelf {
			return p.re.MatchString(s)
		}
		if state = p.next[int(state)*p.width+int(p.classes[c])]; state <= stateDead {
			return state == stateFound
		}
	}
	return p.final[state]
}

// build makes the tables by subset construction. It gives up, and leaves next nil,
// where a pattern looks around itself or needs too many states.
func (p *pattern) build(prog *syntax.Prog) {
	for _, in := range prog.Inst {
		if in.Op == syntax.InstEmptyWidth && syntax.EmptyOp(in.Arg)&^(syntax.EmptyBeginText|syntax.EmptyEndText) != 0 {
			return
		}
	}
	p.classify(prog)
	b := &subsets{prog: prog, seen: make([]int, len(prog.Inst))}
	start := b.closure([]uint32{uint32(prog.Start)}, syntax.EmptyBeginText)
	if b.matches(start) || len(start) == 0 {
		return // matches always or never: not worth a table
	}
	b.sets = append(b.sets, start) // state 2; no byte leads back to the begin of the text
	byClass := make([]rune, p.width)
	for c := utf8.RuneSelf - 1; c >= 0; c-- {
		byClass[p.classes[c]] = rune(c)
	}
	var next []uint16
	for i := 0; i < len(b.sets); i++ {
		for _, r := range byClass {
			var to []uint32
			for _, pc := range b.sets[i] {
				if in := &prog.Inst[pc]; in.Op == syntax.InstRune || in.Op == syntax.InstRune1 || in.Op == syntax.InstRuneAny || in.Op == syntax.InstRuneAnyNotNL {
					if in.MatchRune(r) {
						to = append(to, in.Out)
					}
				}
			}
			to = append(to, uint32(prog.Start)) // a match may begin at any byte
			next = append(next, b.state(b.closure(to, 0)))
		}
		if len(b.sets) > maxStates {
			return
		}
	}
	// The sets begin at number 2: found and dead stand before them.
	p.next = append(make([]uint16, 2*p.width), next...)
	p.final = []bool{true, false}
	for _, set := range b.sets {
		ended := b.closure(set, syntax.EmptyEndText)
		if len(p.final) == 2 {
			ended = b.closure(set, syntax.EmptyEndText|syntax.EmptyBeginText)
		}
		p.final = append(p.final, b.matches(ended))
	}
}

// classify puts bytes that no instruction tells apart into one class.
func (p *pattern) classify(prog *syntax.Prog) {
	var kinds []*syntax.Inst // that read a byte, each kind once
	seen := make(map[string]bool)
	for i := range prog.Inst {
		switch in := &prog.Inst[i]; in.Op {
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			key := string(append([]rune{rune(in.Op), rune(in.Arg)}, in.Rune...))
			if !seen[key] {
				seen[key], kinds = true, append(kinds, in)
			}
		}
	}
	var sign [utf8.RuneSelf]string
	for r := rune(0); r < utf8.RuneSelf; r++ {
		s := make([]byte, len(kinds))
		for i, in := range kinds {
			if in.MatchRune(r) {
				s[i] = 1
			}
		}
		sign[r] = string(s)
	}
	known := make(map[string]uint8)
	for r, s := range sign {
		c, ok := known[s]
		if !ok {
			c = uint8(len(known))
			known[s] = c
		}
		p.classes[r] = c
	}
	p.width = len(known)
}

type subsets struct {
	prog  *syntax.Prog
	sets  [][]uint32
	ids   map[string]uint16
	seen  []int // by instruction: the round that came by
	round int
}

// state returns the number of a set of instructions.
func (b *subsets) state(set []uint32) uint16 {
	if b.matches(set) {
		return stateFound
	}
	if len(set) == 0 {
		return stateDead
	}
	key := make([]byte, 0, 2*len(set))
	for _, pc := range set {
		key = append(key, byte(pc), byte(pc>>8))
	}
	if id, ok := b.ids[string(key)]; ok {
		return id
	}
	if b.ids == nil {
		b.ids = make(map[string]uint16)
	}
	id := uint16(len(b.sets) + 2)
	b.ids[string(key)] = id
	b.sets = append(b.sets, set)
	return id
}

func (b *subsets) matches(set []uint32) bool {
	return slices.ContainsFunc(set, func(pc uint32) bool { return b.prog.Inst[pc].Op == syntax.InstMatch })
}

// closure follows what takes no byte, given what holds here. Instructions that wait
// for the end of the text stay in the set.
func (b *subsets) closure(from []uint32, holds syntax.EmptyOp) []uint32 {
	b.round++
	var out []uint32
	todo := slices.Clone(from)
	for len(todo) > 0 {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if b.seen[pc] == b.round {
			continue
		}
		b.seen[pc] = b.round
		switch in := &b.prog.Inst[pc]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, in.Out)
		case syntax.InstEmptyWidth:
			need := syntax.EmptyOp(in.Arg)
			switch {
			case need&^holds == 0:
				todo = append(todo, in.Out)
			case need&syntax.EmptyBeginText&^holds == 0:
				out = append(out, pc)
			}
		case syntax.InstFail:
		default:
			out = append(out, pc)
		}
	}
	slices.Sort(out)
	return out
}
