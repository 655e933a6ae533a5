package evidence

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"oncegate/connectors/mapxml"
	"oncegate/mapping"
	"oncegate/schemas/records"
)

//go:embed types
var files embed.FS

// Kind is one type of evidence: what can be made of one type of record. It is
// immutable and safe for concurrent use.
type Kind struct {
	Name string // of the record: birth
	// Version names the type of the record and the files that make documents of
	// it: birth.v1@5d1f0a3c9b27.
	Version string

	program *mapping.Program
	page    *layout
}

// Type returns the kind of evidence that is made of records of this type.
func Type(name string) (*Kind, bool) {
	all, err := kinds()
	if err != nil {
		return nil, false
	}
	k, ok := all[name]
	return k, ok
}

// Check says whether the data of the package is sound. A test calls it; at run
// time unsound data has no types.
func Check() error {
	_, err := kinds()
	return err
}

// Program makes the evidence document of a record.
func (k *Kind) Program() *mapping.Program { return k.program }

// Document makes the structured evidence of a record, which keeps the schema of
// its type.
func (k *Kind) Document(record []byte) ([]byte, error) {
	value, err := mapping.DecodeJSON(record)
	if err != nil {
		return nil, errors.New("the record is not JSON")
	}
	e, _, err := k.program.Build(value)
	if err != nil {
		return nil, fmt.Errorf("making evidence of type %s: %w", k.Name, err)
	}
	return mapxml.Document(e)
}

// Files holds, per type, evidence.yaml, evidence.xsd and page.yaml, and what they
// share.
func Files() fs.FS {
	sub, err := fs.Sub(files, "types")
	if err != nil {
		panic("evidence: the folder of types is missing") // a broken program
	}
	return sub
}

// kinds are read at first use; what they are made of is part of the program.
var kinds = sync.OnceValues(func() (map[string]*Kind, error) {
	words, err := readWords()
	if err != nil {
		return nil, err
	}
	out := map[string]*Kind{}
	var faults []error
	for _, name := range records.Types() {
		k, err := readKind(name, words)
		if err != nil {
			faults = append(faults, fmt.Errorf("evidence type %s: %w", name, err))
			continue
		}
		out[name] = k
	}
	return out, errors.Join(faults...)
})

func readKind(name string, words *vocabulary) (*Kind, error) {
	digest := sha256.New()
	digest.Write(words.text)
	read := func(file string) ([]byte, error) {
		text, err := fs.ReadFile(files, path.Join("types", name, file))
		digest.Write(text)
		return text, err
	}
	rules, err := read("evidence.yaml")
	if err != nil {
		return nil, err
	}
	sheet, err := read("page.yaml")
	if err != nil {
		return nil, err
	}
	k := &Kind{Name: name}
	if k.program, err = mapping.Compile(path.Join(name, "evidence.yaml"), rules); err != nil {
		return nil, err
	}
	if k.page, err = readLayout(name, sheet, words); err != nil {
		return nil, err
	}
	k.Version = records.Version(name) + "@" + hex.EncodeToString(digest.Sum(nil)[:6])
	return k, nil
}
