package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A Param is one parameter of a function.
type Param struct {
	Name     string
	Type     Type
	Optional bool // this and all after it may be left out
	Repeated bool // the last one only: one or more
}

// An Example is a call with its outcome. Examples run as tests.
type Example struct {
	Expr  string
	Input string // JSON the expression reads; may be empty
	Want  string // conditions give true or false; a fault is written "error: " and its text
}

// A Function is one of the closed set. Functions are pure and their work is
// bounded by the length of their arguments.
type Function struct {
	Name     string
	Group    string // one of FunctionGroups
	Params   []Param
	Returns  Type
	Doc      string
	Examples []Example

	check func(c *call) *exprError // what can be known before running
	eval  func(c *callCtx) (value, error)
}

// FunctionGroups are the kinds of functions in the order of the documentation.
func FunctionGroups() []string {
	return []string{"choice", "text", "dates", "names and addresses", "identifiers", "numbers and units", "alphabets"}
}

// Functions is the whole set, by name.
func Functions() []Function {
	var all []Function
	for i, of := range []func() []Function{choiceFunctions, textFunctions, dateFunctions, nameFunctions, identifierFunctions, numberFunctions, latinFunctions} {
		group := of()
		for j := range group {
			group[j].Group = FunctionGroups()[i]
		}
		all = append(all, group...)
	}
	slices.SortFunc(all, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Signature is how the documentation writes the function.
func (f *Function) Signature() string {
	var b strings.Builder
	b.WriteString(f.Name + "(")
	for i, p := range f.Params {
		if p.Optional {
			b.WriteString("[")
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name)
		if p.Repeated {
			b.WriteString(", ...")
		}
	}
	for _, p := range f.Params {
		if p.Optional {
			b.WriteString("]")
		}
	}
	b.WriteString(")")
	return b.String()
}

// functionTable is read-only after the program has started.
var functionTable = sync.OnceValue(func() map[string]*Function {
	all := Functions()
	table := make(map[string]*Function, len(all))
	for i := range all {
		table[all[i].Name] = &all[i]
	}
	return table
})

func lookupFunction(name string) (*Function, bool) {
	f, ok := functionTable()[name]
	return f, ok
}

func nearestFunction(name string) string {
	for _, f := range Functions() {
		if len(name) > 2 && strings.HasPrefix(f.Name, name) || strings.HasPrefix(name, f.Name) || strings.EqualFold(f.Name, strings.ReplaceAll(name, "_", "-")) {
			return fmt.Sprintf("; did you mean %s?", f.Signature())
		}
	}
	return ""
}

// checkCall checks the number and the types of the arguments.
func (f *Function) checkCall(c *call) *exprError {
	low, high := 0, len(f.Params)
	for _, p := range f.Params {
		if !p.Optional {
			low++
		}
		if p.Repeated {
			high = 64
		}
	}
	if n := len(c.args); n < low || n > high {
		return &exprError{c.at, fmt.Sprintf("%s takes other arguments: %s", f.Name, f.Signature())}
	}
	for i, arg := range c.args {
		p := f.Params[min(i, len(f.Params)-1)]
		switch p.Type {
		case TypeNodes:
			if arg.typ() != TypeNodes {
				return &exprError{arg.offset(), fmt.Sprintf("%s of %s must be a path", p.Name, f.Name)}
			}
		case TypeWord:
			if l, ok := arg.(*literal); !ok || l.v.kind != TypeText {
				return &exprError{arg.offset(), fmt.Sprintf("%s of %s must be a text in quotes", p.Name, f.Name)}
			}
		}
	}
	if f.check != nil {
		return f.check(c)
	}
	return nil
}

// textFunc makes the body of a function from one text to one text.
func textFunc(f func(string) (string, error)) func(c *callCtx) (value, error) {
	return func(c *callCtx) (value, error) {
		s, err := c.text(0)
		if err != nil || s == "" {
			return textValue(""), err // what is absent stays absent
		}
		out, err := f(s)
		return textValue(out), err
	}
}

// choiceFunctions ask about the input or choose between values.
func choiceFunctions() []Function {
	nodes := Param{Name: "path", Type: TypeNodes}
	return []Function{
		{
			Name: "exists", Params: []Param{nodes}, Returns: TypeBool,
			Doc:      "True when the path finds something, even when it is empty.",
			Examples: []Example{{"exists(name)", `{"name":"Ana"}`, "true"}, {"exists(nick)", `{"name":"Ana"}`, "false"}},
			eval: func(c *callCtx) (value, error) {
				v, err := c.arg(0)
				return boolValue(len(v.nodes) > 0), err
			},
		},
		{
			Name: "empty", Params: []Param{{Name: "text", Type: TypeText}}, Returns: TypeBool,
			Doc:      "True when the text is missing or holds white space only.",
			Examples: []Example{{"empty(name)", `{"name":"  "}`, "true"}, {"empty(name)", `{"name":"Ana"}`, "false"}},
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				return boolValue(trimSpace(s) == ""), err
			},
		},
		{
			Name: "not", Params: []Param{{Name: "condition", Type: TypeBool}}, Returns: TypeBool,
			Doc:      "The opposite of the condition. A path is true when it finds something.",
			Examples: []Example{{"not(1 = 2)", "", "true"}, {"not(name)", `{"name":"Ana"}`, "false"}},
			eval: func(c *callCtx) (value, error) {
				b, err := c.truth(0)
				return boolValue(!b), err
			},
		},
		{
			Name: "count", Params: []Param{nodes}, Returns: TypeNumber,
			Doc:      "How many nodes the path finds.",
			Examples: []Example{{"count(name)", `{"name":["Ana","Eva"]}`, "2"}},
			eval: func(c *callCtx) (value, error) {
				v, err := c.arg(0)
				return value{kind: TypeNumber, num: float64(len(v.nodes))}, err
			},
		},
		{
			Name: "position", Returns: TypeNumber,
			Doc:      "Within [ ]: the place of the node among its like, from 1.",
			Examples: []Example{{"join(name[position() > 1], '+')", `{"name":["Ana","Eva","Ida"]}`, "Eva+Ida"}},
			eval: func(c *callCtx) (value, error) {
				return value{kind: TypeNumber, num: float64(c.m.pos)}, nil
			},
		},
		{
			Name: "last", Returns: TypeNumber,
			Doc:      "Within [ ]: how many nodes there are to choose from.",
			Examples: []Example{{"trim(name[last()])", `{"name":["Ana","Eva","Ida"]}`, "Ida"}},
			eval: func(c *callCtx) (value, error) {
				return value{kind: TypeNumber, num: float64(c.m.size)}, nil
			},
		},
		{
			Name: "if", Params: []Param{{Name: "condition", Type: TypeBool}, {Name: "then", Type: TypeText}, {Name: "else", Type: TypeText, Optional: true}}, Returns: TypeText,
			Doc:      "The one text or the other; without else, nothing.",
			Examples: []Example{{"if(kind = 'X', 'express', 'normal')", `{"kind":"X"}`, "express"}, {"if(kind = 'X', 'express')", `{"kind":"N"}`, ""}},
			eval: func(c *callCtx) (value, error) {
				b, err := c.truth(0)
				if err != nil {
					return value{}, err
				}
				c.m.cover.choice(c.call, b)
				i := 1
				if !b {
					i = 2
				}
				if i >= c.n() {
					return textValue(""), nil
				}
				s, err := c.text(i)
				return textValue(s), err
			},
		},
		{
			Name: "switch", Params: []Param{{Name: "text", Type: TypeText}, {Name: "case", Type: TypeWord}, {Name: "outcome", Type: TypeText}, {Name: "more", Type: TypeText, Optional: true, Repeated: true}}, Returns: TypeText,
			Doc:      "The outcome that stands after the case that the text equals; cases and outcomes take turns, and one more at the end is for all other texts. Without it, nothing.",
			Examples: []Example{{"switch(precision, 'J', 'year', 'M', 'month', 'day')", `{"precision":"M"}`, "month"}, {"switch('x', 'J', 'year')", "", ""}, {"switch('x', 'J', 'year', 'day')", "", "day"}},
			check: func(c *call) *exprError {
				for i := 3; i+1 < len(c.args); i += 2 {
					if l, ok := c.args[i].(*literal); !ok || l.v.kind != TypeText {
						return &exprError{c.args[i].offset(), "a case of switch must be a text in quotes"}
					}
				}
				return nil
			},
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil {
					return value{}, err
				}
				i := 1
				for ; i+1 < c.n(); i += 2 {
					if c.word(i) == s {
						break
					}
				}
				switch {
				case i+1 < c.n():
					i++
				case i == c.n():
					return textValue(""), nil
				}
				out, err := c.text(i)
				return textValue(out), err
			},
		},
		{
			Name: "coalesce", Params: []Param{{Name: "text", Type: TypeText, Repeated: true}}, Returns: TypeText,
			Doc:      "The first text that is not empty.",
			Examples: []Example{{"coalesce(nick, name, 'nobody')", `{"name":"Ana"}`, "Ana"}},
			eval: func(c *callCtx) (value, error) {
				for i := range c.n() {
					s, err := c.text(i)
					if err != nil || s != "" {
						return textValue(s), err
					}
				}
				return textValue(""), nil
			},
		},
		{
			Name: "is-one-of", Params: []Param{{Name: "text", Type: TypeText}, {Name: "word", Type: TypeWord, Repeated: true}}, Returns: TypeBool,
			Doc:      "True when the text equals one of the words.",
			Examples: []Example{{"is-one-of(sex, 'M', 'F')", `{"sex":"F"}`, "true"}, {"is-one-of(sex, 'M', 'F')", `{"sex":"?"}`, "false"}},
			eval: func(c *callCtx) (value, error) {
				s, err := c.text(0)
				if err != nil {
					return value{}, err
				}
				for i := 1; i < c.n(); i++ {
					if c.word(i) == s {
						return boolValue(true), nil
					}
				}
				return boolValue(false), nil
			},
		},
	}
}

// checkOneOf wants the literal at argument i to be one of a closed set.
func checkOneOf(i int, words ...string) func(c *call) *exprError {
	return func(c *call) *exprError {
		if i >= len(c.args) {
			return nil
		}
		if l, ok := c.args[i].(*literal); ok && !slices.Contains(words, l.v.text) {
			return &exprError{l.at, "want one of " + strings.Join(words, ", ")}
		}
		return nil
	}
}

var errSeparator = errors.New("the separator must not be empty")

// checkWord refuses an empty literal at argument i.
func checkWord(i int) func(c *call) *exprError {
	return func(c *call) *exprError {
		if l, ok := c.args[i].(*literal); ok && l.v.kind == TypeText && l.v.text == "" {
			return &exprError{l.at, errSeparator.Error()}
		}
		return nil
	}
}
