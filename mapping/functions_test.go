package mapping

import (
	"strings"
	"testing"
)

// evalText evaluates one expression over a JSON object.
func evalText(t *testing.T, text, input string) string {
	t.Helper()
	if input == "" {
		input = "{}"
	}
	v, err := DecodeJSON([]byte(input))
	if err != nil {
		t.Fatalf("input: %v", err)
	}
	s := &Scope{names: newNames()}
	g := &grammar{names: s.names}
	e, fault := g.parseExpr(text)
	if fault != nil {
		return "fault: " + fault.msg
	}
	m := newMachine(s)
	if err := m.load.loadValue(v, false); err != nil {
		t.Fatalf("loading: %v", err)
	}
	m.allow()
	got, err := e.eval(m, 0)
	if err != nil {
		return "error: " + err.Error()
	}
	out, err := m.textOf(got, 0)
	if err != nil {
		return "error: " + err.Error()
	}
	return out
}

func TestEveryFunctionsExamplesRun(t *testing.T) {
	for _, f := range Functions() {
		if len(f.Examples) == 0 || f.Doc == "" {
			t.Errorf("%s has no example or no sentence", f.Name)
		}
		for _, ex := range f.Examples {
			if !strings.Contains(ex.Expr, f.Name+"(") {
				t.Errorf("%s: the example %s shows another function", f.Name, ex.Expr)
			}
			if got := evalText(t, ex.Expr, ex.Input); got != ex.Want {
				t.Errorf("%s over %s: got %q, want %q", ex.Expr, ex.Input, got, ex.Want)
			}
		}
	}
}

func TestExpressionsFollowXPath(t *testing.T) {
	const in = `{"a":{"b":["1","2","3"],"c":{"b":"4"}},"n":"05","e":""}`
	for _, tc := range []struct{ rule, expr, want string }{
		{"a node set equals a text when one node does", "a/b = '2'", "true"},
		{"and differs when one node differs", "a/b != '2'", "true"},
		{"two node sets share a value", "a/b = a/c/b", "false"},
		{"numbers compare as numbers", "n = 5", "true"},
		{"texts compare as texts", "n = '5'", "false"},
		{"what is no number is in no order", "e < 1", "false"},
		{"a position chooses", "join(a/b[2], ',')", "2"},
		{"a predicate counts within its parent", "join(//b[1], ',')", "1,4"},
		{"predicates apply in turn", "join(a/b[. != '1'][1], ',')", "2"},
		{"last counts what is left", "join(a/b[. < 3][last()], ',')", "2"},
		{"a node is found once", "count(//b/../b)", "4"},
		{"and in order", "join(//c/../b, '')", "123"},
		{"star takes any name", "count(a/*)", "4"},
		{"text is a node", "join(a/b/text(), '')", "123"},
		{"a slash begins at the top", "join(a/c[/n = '05']/b, '')", "4"},
		{"and binds closer than or", "1 = 1 or 1 = 2 and 1 = 2", "true"},
		{"words of operators may be names", "count(a/b[. = 1 or . = 2])", "2"},
		{"substring begins before the text", "substring('abc', -1, 3)", "a"},
		{"substring of nothing", "substring('abc', 2, 0)", ""},
		{"substring counts characters", "substring('äöü', 2, 1)", "ö"},
		{"substring to the end", "substring('äöü', 3, 9)", "ü"},
		{"split by a long mark", "split('a::b::c', '::', 2)", "b"},
		{"split from the end", "split('a::b::c', '::', -2)", "b"},
		{"split before the start", "split('a::b', '::', -3)", ""},
		{"split has no part 0", "split('a::b', '::', 0)", ""},
		{"translate takes the first of two", "translate('aab', 'aa', 'xy')", "xxb"},
		{"several nodes are no text", "concat(a/b, 'x')", "error: 3 nodes where one is wanted: choose with a condition such as [1], or use join()"},
	} {
		if got := evalText(t, tc.expr, in); got != tc.want {
			t.Errorf("%s: %s: got %q, want %q", tc.rule, tc.expr, got, tc.want)
		}
	}
}
