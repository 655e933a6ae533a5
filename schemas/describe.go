package schemas

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// maxReported bounds how many broken rules one fault names.
const maxReported = 5

// describe names places and rules of the broken leaves. The validator's own text
// quotes values and unknown names of the document; both may be a person.
func (set *Set) describe(e *jsonschema.ValidationError) string {
	var out []string
	var walk func(*jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		if len(e.Causes) == 0 {
			out = append(out, set.pointer(e.InstanceLocation)+": "+rule(e.ErrorKind))
			return
		}
		for _, c := range e.Causes {
			walk(c)
		}
	}
	walk(e)
	slices.Sort(out)
	out = slices.Compact(out)
	if more := len(out) - maxReported; more > 0 {
		out = append(out[:maxReported], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, "; ")
}

// pointer returns a JSON pointer. A token that no schema knows came from the
// document and is shown as *.
func (set *Set) pointer(tokens []string) string {
	if len(tokens) == 0 {
		return "(root)"
	}
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		if n, err := strconv.Atoi(t); set.names[t] || err == nil && n >= 0 && n < 1000 {
			b.WriteString(t)
		} else {
			b.WriteByte('*')
		}
	}
	return b.String()
}

// rule names the keyword and what the schema wants, never what it got.
func rule(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Required:
		return "required: " + strings.Join(k.Missing, ", ")
	case *kind.Type:
		return "type: " + strings.Join(k.Want, " or ")
	case *kind.Format:
		return "format: " + k.Want
	case *kind.MinLength:
		return fmt.Sprintf("minLength: %d", k.Want)
	case *kind.MaxLength:
		return fmt.Sprintf("maxLength: %d", k.Want)
	case *kind.MinItems:
		return fmt.Sprintf("minItems: %d", k.Want)
	case *kind.MaxItems:
		return fmt.Sprintf("maxItems: %d", k.Want)
	case *kind.Enum:
		return "enum: " + words(k.Want)
	case *kind.Pattern:
		return "pattern: " + k.Want
	}
	if path := k.KeywordPath(); len(path) > 0 {
		return path[0]
	}
	return "not allowed"
}

// words lists the texts that an enum allows.
func words(want []any) string {
	var out []string
	for _, w := range want {
		if w, ok := w.(string); ok {
			out = append(out, w)
		}
	}
	return strings.Join(out, ", ")
}
