package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzProgram feeds any mapping and any input: compiling and running must end,
// without panic, and what was built must be JSON or XML-worthy text.
func FuzzProgram(f *testing.F) {
	files, err := filepath.Glob("testdata/*.maptest")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		all := sections(text)
		for _, s := range all[1:] {
			if s.name == "input.xml" || s.name == "input.json" {
				f.Add(all[0].body, s.body)
			}
		}
	}
	f.Fuzz(func(t *testing.T, rules, input []byte) {
		p, err := Compile("fuzz", rules)
		if err != nil {
			return
		}
		for _, f := range p.scope.Lint(nil) {
			f.Render()
		}
		follow(t, p, input)
		if p.dir == ValueToValue {
			return
		}
		if p.dir == ValueToXML {
			if v, err := DecodeJSON(input); err == nil {
				if e, _, err := p.TraceBuild(v); err == nil && e == nil {
					t.Error("neither an element nor an error")
				}
			}
			return
		}
		n, err := parseXML(input)
		if err != nil {
			return
		}
		v, _, err := p.Trace(n)
		fast, _, fastErr := p.Run(n) // goes shorter ways, which must lead to the same place
		if err != nil || fastErr != nil {
			if tooMuch := errBudget.Error(); (err == nil) != (fastErr == nil) && !strings.Contains(fmt.Sprint(err, fastErr), tooMuch) {
				t.Errorf("traced: %v, not traced: %v", err, fastErr)
			}
			return
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Errorf("the record is no JSON: %v", err)
		}
		if other, err := json.Marshal(fast); err != nil || !bytes.Equal(text, other) {
			t.Errorf("traced: %s, not traced: %s, %v", text, other, err)
		}
	})
}

// follow covers one run and compares the program with itself.
func follow(t *testing.T, p *Program, input []byte) {
	var in any
	c := NewCoverage(p)
	if p.dir.readsXML() {
		n, err := parseXML(input)
		if err != nil {
			return
		}
		_, _, _ = c.Run(n) // whatever comes of it
		in = n
	} else {
		v, err := DecodeJSON(input)
		if err != nil {
			return
		}
		if p.dir.makesXML() {
			_, _, _ = c.Build(v)
		} else {
			_, _, _ = c.Convert(v)
		}
		in = v
	}
	if r := c.Report(); r.Percent < 0 || r.Percent > 100 {
		t.Errorf("covered by %v%%", r.Percent)
	}
	if list, err := Compare(p, p, in, true); err != nil || len(list) > 0 {
		t.Errorf("a program differs from itself: %d changes, %v", len(list), err)
	}
}

// FuzzExpr feeds any expression over a fixed input.
func FuzzExpr(f *testing.F) {
	for _, fn := range Functions() {
		for _, ex := range fn.Examples {
			f.Add(ex.Expr)
		}
	}
	f.Add("//*[//*[//*[//*]]]")
	f.Add("a/b[1][last()]/../@c | d")
	in, err := parseXML([]byte(`<a x="1"><b>1<i>2</i>3</b><b y="2"><c>17</c></b></a>`))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s := &Scope{names: newNames(), prefixes: map[string]string{"p": "urn:p"}}
		g := &grammar{names: s.names, prefixes: s.prefixes, xml: true}
		e, fault := g.parseExpr(text)
		if fault != nil {
			if fault.at < 0 || fault.at > len(text) {
				t.Errorf("fault at %d of %d bytes", fault.at, len(text))
			}
			return
		}
		m := newMachine(s)
		if err := m.load.loadXML(in, true); err != nil {
			t.Fatal(err)
		}
		m.allow()
		if v, err := e.eval(m, 0); err == nil {
			for _, id := range v.nodes {
				m.tree.path(id)
			}
		}
	})
}
