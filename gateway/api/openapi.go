package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"oncegate/schemas/canon"
)

//go:embed openapi.json
var description []byte

func (a *API) getDescription(w http.ResponseWriter, _ *http.Request, _ credential) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(description)
	return nil
}

// bodies checks what callers send against the schemas that we publish: the
// document and the check cannot drift apart.
type bodies struct {
	request, preview, resend, services, plan, session *jsonschema.Schema
}

const descriptionURL = "https://oncegate.invalid/openapi.json"

func compileBodies() (*bodies, error) {
	c, err := compiler()
	if err != nil {
		return nil, err
	}
	var b bodies
	for name, to := range map[string]**jsonschema.Schema{
		"EvidenceRequest": &b.request, "PreviewRequest": &b.preview, "Resend": &b.resend,
		"DataServicesRequest": &b.services, "PlanRequest": &b.plan, "SessionRequest": &b.session,
	} {
		if *to, err = c.Compile(descriptionURL + "#/components/schemas/" + name); err != nil {
			return nil, fmt.Errorf("compiling the schema %s: %w", name, err)
		}
	}
	return &b, nil
}

func compiler() (*jsonschema.Compiler, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(description))
	if err != nil {
		return nil, fmt.Errorf("reading openapi.json: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(descriptionURL, doc); err != nil {
		return nil, fmt.Errorf("adding openapi.json: %w", err)
	}
	return c, nil
}

// decode checks data against the schema and reads it into v. What v sees is the
// checked value written anew: a member that stands twice cannot show one face to
// the check and another to us. The normal form is returned for its digest.
func decode(schema *jsonschema.Schema, data []byte, v any) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, malformed(nil)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, malformed(err)
	}
	if err := schema.Validate(doc); err != nil {
		invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
		if !ok {
			return nil, fmt.Errorf("checking a body: %w", err)
		}
		return nil, refuseFlaws(flaws(invalid))
	}
	normal, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("writing a body anew: %w", err)
	}
	if err := json.Unmarshal(normal, v); err != nil {
		return nil, malformed(nil) // its text would repeat a value
	}
	return normal, nil
}

func malformed(err error) error {
	return &refusal{Fault: canon.NewFault(canon.CodeBadInput, err, "the body is not one JSON document in UTF-8"), status: http.StatusBadRequest}
}

func refuseFlaws(fs []flaw) error {
	return &refusal{
		Fault:    canon.NewFault(canon.CodeBadInput, nil, "%s %s", where(fs[0].Location), fs[0].Detail),
		location: fs[0].Location, rule: fs[0].Rule, errors: fs,
	}
}

func where(pointer string) string {
	if pointer == "" {
		return "the body"
	}
	return pointer
}

const maxFlaws = 20

// flaws names places and rules and never repeats a value: it may be a person's.
func flaws(err *jsonschema.ValidationError) []flaw {
	var out []flaw
	seen := map[flaw]bool{}
	var walk func(e *jsonschema.ValidationError)
	add := func(f flaw) {
		if !seen[f] {
			seen[f] = true
			out = append(out, f)
		}
	}
	walk = func(e *jsonschema.ValidationError) {
		at := pointer(e.InstanceLocation...)
		switch k := e.ErrorKind.(type) {
		case *kind.Required:
			for _, name := range k.Missing {
				add(flaw{Location: at + pointer(name), Detail: "is required"})
			}
		case *kind.AdditionalProperties:
			for _, name := range k.Properties {
				if fieldName.MatchString(name) {
					add(flaw{Location: at + pointer(name), Detail: "is not a known field"})
				} else {
					add(flaw{Location: at, Detail: "has a field that is not known"})
				}
			}
		case *kind.Type:
			add(flaw{Location: at, Detail: "must be of type " + strings.Join(k.Want, " or ")})
		case *kind.Enum, *kind.Const:
			add(flaw{Location: at, Detail: "is not one of the allowed values"})
		case *kind.Pattern, *kind.Format:
			add(flaw{Location: at, Detail: "does not have the required form"})
		case *kind.MinLength, *kind.MinItems:
			add(flaw{Location: at, Detail: "is too short"})
		case *kind.MaxLength, *kind.MaxItems:
			add(flaw{Location: at, Detail: "is too long"})
		case *kind.MinProperties, *kind.MaxProperties:
			add(flaw{Location: at, Detail: "must have exactly one of its fields"})
		default:
			if len(e.Causes) == 0 {
				add(flaw{Location: at, Detail: "is not valid"})
			}
		}
		for _, c := range e.Causes {
			walk(c)
		}
	}
	walk(err)
	sort.Slice(out, func(i, j int) bool {
		if out[i].Location != out[j].Location {
			return out[i].Location < out[j].Location
		}
		return out[i].Detail < out[j].Detail
	})
	return out[:min(len(out), maxFlaws)]
}

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,39}$`)

// pointer writes a JSON pointer (RFC 6901).
func pointer(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(p))
	}
	return b.String()
}
