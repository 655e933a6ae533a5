package records

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"oncegate/schemas"
	"oncegate/schemas/canon"
)

//go:embed *.json
var files embed.FS

// base is the namespace of the schemas' identifiers; nothing is fetched from it.
const base = "https://schemas.oncegate.example/records/"

const (
	version    = ".v1"
	suffix     = version + ".json"
	vocabulary = "vocabulary"
)

// Types lists the types of records, sorted.
func Types() []string {
	names, _ := fs.Glob(files, "*"+suffix) // the pattern is well-formed
	var types []string
	for _, name := range names {
		if t := strings.TrimSuffix(name, suffix); t != vocabulary {
			types = append(types, t)
		}
	}
	return types
}

// Exists says whether there is such a type.
func Exists(typ string) bool { return slices.Contains(Types(), typ) }

// Version names the type and its version, such as birth.v1.
func Version(typ string) string { return typ + version }

// Schema returns the schema of the type as it is published, nil for an unknown
// type.
func Schema(typ string) []byte {
	if !Exists(typ) {
		return nil
	}
	text, err := files.ReadFile(typ + suffix)
	if err != nil {
		return nil
	}
	return text
}

// Vocabulary returns the schema that the others refer to.
func Vocabulary() []byte {
	text, err := files.ReadFile(vocabulary + suffix)
	if err != nil {
		return nil
	}
	return text
}

// Validate returns nil when doc is a record of the type, otherwise a
// *canon.Fault with CodeMessageInvalid that names JSON pointers and rules, never
// a value of the record.
func Validate(typ string, doc []byte) error {
	set, err := compiled()
	if err != nil {
		return canon.NewFault(canon.CodeInternal, err, "schemas of records cannot be compiled")
	}
	return set.Check(typ+suffix, "record "+typ, doc)
}

// ValidateValue is Validate of a record that is not yet JSON.
func ValidateValue(typ string, record map[string]any) error {
	set, err := compiled()
	if err != nil {
		return canon.NewFault(canon.CodeInternal, err, "schemas of records cannot be compiled")
	}
	return set.CheckValue(typ+suffix, "record "+typ, record)
}

// compiled builds the validators at first use; what they are built from is part
// of the program.
var compiled = sync.OnceValues(func() (*schemas.Set, error) {
	return schemas.Compile(files, base, vocabulary, &jsonschema.Format{Name: "partial-date", Validate: partialDate})
})

// partialDate refuses days and months that no calendar has; how the text looks
// is the schema's matter.
func partialDate(v any) error {
	text, ok := v.(string)
	if !ok {
		return nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01", "2006"} {
		if _, err := time.Parse(layout, text); err == nil {
			return nil
		}
	}
	return fmt.Errorf("want YYYY-MM-DD, YYYY-MM or YYYY")
}
